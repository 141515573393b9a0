"""Graph's JSON for events and calendars."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from attrs import frozen

from calsync_core.testing.simulators.graph.habits import Habits
from calsync_core.testing.simulators.graph.series import Instance, exceptions
from calsync_core.testing.simulators.graph.state import UID_NO_DATE, UID_STEM, Entry, Folder, Json, Mailbox, Share
from calsync_core.testing.simulators.graph.times import format_instant, zone_of

__all__ = ["View", "calendar_json", "etag", "mailbox_json", "notified_etag", "removed_json"]

_KEY_STEM = bytes.fromhex("6659d6e112004b57a863a89dc2d5a1be")
"""A change key is the store's GUID and the number of the change: 22 bytes."""

_WRAPPING = bytes.fromhex("0f00000016000000")
"""What stands before it in a notification: the kind of item, and the key's length."""

_NEVER = "0001-01-01T00:00:00Z"
_TAGS = re.compile(r"<[^>]*>")


@frozen
class View:
    """How one request wants events shown.

    Attributes:
        immutable: ``Prefer: IdType="ImmutableId"``.
        zone: ``Prefer: outlook.timezone``.
        private_items: Whether details of private events may be seen.
    """

    habits: Habits
    immutable: bool = False
    zone: str = "UTC"
    private_items: bool = True

    def event(
        self, one: Instance, *, select: Collection[str] = (), expand: Mapping[str, Collection[str]] | None = None
    ) -> Json:
        """All of it.

        Args:
            one: What is shown.
            select: Names of properties; none: all but those that must be asked for.
            expand: Extended properties to add: ``singleValueExtendedProperties`` with ids in lower case, and
                ``exceptionOccurrences``.
        """
        whole = self._whole(one)
        asked = set(select)
        if one.kind == "seriesMaster" and "cancelledOccurrences" in asked:
            whole["cancelledOccurrences"] = [
                self._occurrence_id(one.entry, slot) for slot in sorted(one.entry.cancelled)
            ]
        expand = expand or {}
        if "exceptionOccurrences" in expand:
            whole["exceptionOccurrences"] = [self._whole(other) for other in exceptions(one.entry)]
            asked |= {"exceptionOccurrences"} if asked else set()
        shown = {name: value for name, value in whole.items() if not asked or name in asked or name in _ALWAYS}
        properties = expand.get("singleValueExtendedProperties")
        if properties is not None and one.kind in {"singleInstance", "seriesMaster"}:
            held = [{"id": name, "value": value} for name, value in one.entry.properties.items() if name in properties]
            # Graph leaves the member out where an event has none of them.
            shown |= {"singleValueExtendedProperties": held} if held else {}
        return shown | one.entry.garbage

    def sparse(self, one: Instance) -> Json:
        """The little that a delta says of an occurrence (docs issue #7632)."""
        said: Json = {
            "@odata.type": "#microsoft.graph.event",
            "@odata.etag": etag(one.version),
            "id": self.event_id(one),
            "seriesMasterId": one.entry.event_id(immutable=self.immutable),
            "type": one.kind,
            **self._times(one),
        }
        return said | one.entry.garbage

    def event_id(self, one: Instance) -> str:
        """In the form that the request wants."""
        return one.entry.event_id(immutable=self.immutable, slot=one.slot)

    def _occurrence_id(self, entry: Entry, slot: datetime) -> str:
        zone = entry.recurrence.zone if entry.recurrence and not entry.all_day else entry.start.zone
        day = slot.astimezone(zone_of(zone, entry.home)).date()
        return f"OID.{entry.event_id(immutable=self.immutable)}.{day.isoformat()}"

    def _whole(self, one: Instance) -> Json:
        entry, fields = one.entry, one.fields
        series = one.kind in {"occurrence", "exception"}
        change_key = _base64(_change_key(one.version))
        own_id = self.event_id(one)
        body = fields.get("body") or {"contentType": "html", "content": ""}
        shown: Json = {
            "@odata.etag": etag(one.version),
            "id": own_id,
            "createdDateTime": format_instant(entry.created) if entry.created else _NEVER,
            "lastModifiedDateTime": format_instant(entry.modified) if entry.modified else _NEVER,
            "changeKey": change_key,
            "categories": fields.get("categories", []),
            "transactionId": entry.transaction_id,
            "originalStartTimeZone": one.start.zone,
            "originalEndTimeZone": one.end.zone,
            "iCalUId": self._uid(one),
            "reminderMinutesBeforeStart": fields.get("reminderMinutesBeforeStart", 15),
            "isReminderOn": fields.get("isReminderOn", True),
            "hasAttachments": False,
            "subject": fields.get("subject", ""),
            "bodyPreview": _TAGS.sub("", body["content"])[:255],
            "importance": fields.get("importance", "normal"),
            "sensitivity": fields.get("sensitivity", "normal"),
            "isAllDay": fields.get("isAllDay", False),
            "isCancelled": fields.get("isCancelled", False),
            "isOrganizer": entry.organizer is None,
            "responseRequested": fields.get("responseRequested", True),
            "seriesMasterId": entry.event_id(immutable=self.immutable) if series else None,
            "showAs": fields.get("showAs", "busy"),
            "type": one.kind,
            "webLink": f"https://outlook.office365.com/owa/?itemid={quote(own_id, safe='')}&exvsurl=1",
            "onlineMeetingUrl": None,
            "isOnlineMeeting": fields.get("isOnlineMeeting", False),
            "onlineMeetingProvider": fields.get("onlineMeetingProvider", "unknown"),
            "allowNewTimeProposals": fields.get("allowNewTimeProposals", True),
            "occurrenceId": self._occurrence_id(entry, one.slot) if one.slot else None,
            "isDraft": False,
            "hideAttendees": fields.get("hideAttendees", False),
            "responseStatus": {"response": fields.get("response", entry.response), "time": _NEVER},
            "body": body,
            **self._times(one),
            "location": fields.get("location") or _NOWHERE,
            "locations": fields.get("locations", []),
            "recurrence": entry.recurrence.shown() if entry.recurrence and not series else None,
            "attendees": fields.get("attendees", []),
            "organizer": {"emailAddress": entry.organizer or _address(entry.mailbox)},
            "onlineMeeting": fields.get("onlineMeeting"),
        }
        if one.slot is not None:
            shown["originalStart"] = format_instant(one.slot)
        return shown if self.private_items or shown["sensitivity"] != "private" else _veiled(shown)

    def _times(self, one: Instance) -> Json:
        if one.fields.get("isAllDay"):
            # A date in disguise: it is shown as midnights whatever zone is asked for. Not documented for zones other
            # than the event's own.
            return {
                "start": {**one.start.json(), "timeZone": self.zone},
                "end": {**one.end.json(), "timeZone": self.zone},
            }
        home = one.entry.home
        return {
            "start": one.start.seen_from(self.zone, home).json(),
            "end": one.end.seen_from(self.zone, home).json(),
        }

    def _uid(self, one: Instance) -> str | None:
        uid = one.entry.uid
        if one.slot is None or self.habits.occurrence_uids == "series":
            return uid
        if self.habits.occurrence_uids == "null":
            return None
        # A GlobalObjectId carries its instance's date, and another system's UID in its tail ([MS-OXOCAL] 2.2.1.27).
        tail = uid.removeprefix(f"{UID_STEM}{UID_NO_DATE}") if uid.startswith(UID_STEM) else uid.encode().hex().upper()
        return f"{UID_STEM}{one.slot.year:04X}{one.slot.month:02X}{one.slot.day:02X}{tail}"


_ALWAYS = frozenset({"@odata.etag", "id"})
_NOWHERE: Json = {"displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}}


def _change_key(version: int) -> bytes:
    return _KEY_STEM + version.to_bytes(6, "big")


def _base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


def etag(version: int) -> str:
    """``W/"…"`` around the change key, as in the documented events."""
    return f'W/"{_base64(_change_key(version))}"'


def notified_etag(version: int) -> str:
    """The same revision in a change notification: Exchange's long form (``DwAAABYAAAB…``, as delivered in 2023)."""
    return f'W/"{_base64(_WRAPPING + _change_key(version))}"'


def removed_json(event_id: str) -> Json:
    """What a delta says of an event that is not, or no longer, in its window."""
    return {"@odata.type": "#microsoft.graph.event", "id": event_id, "@removed": {"reason": "deleted"}}


def calendar_json(folder: Folder, share: Share | None = None) -> Json:
    """A calendar in somebody's list."""
    own_id = share.id if share else folder.id
    can_edit = share.can_edit if share else folder.can_edit
    default = folder.default and share is None
    return {
        "id": own_id,
        "name": folder.name,
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": default,
        "changeKey": _base64(_change_key(1)),
        "canShare": share is None,
        "canViewPrivateItems": share is None or share.private_items,
        "canEdit": can_edit,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": default,
        "isRemovable": not default,
        "owner": _address(folder.mailbox),
    }


def mailbox_json(mailbox: Mailbox) -> Json:
    """``/me``."""
    return {
        "businessPhones": [],
        "displayName": mailbox.name,
        "givenName": None,
        "jobTitle": None,
        "mail": mailbox.mail,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": None,
        "userPrincipalName": mailbox.upn,
        "id": mailbox.id,
    }


def _address(mailbox: Mailbox) -> Json:
    return {"name": mailbox.name, "address": mailbox.mail}


def _veiled(shown: dict[str, Any]) -> Json:
    hidden = {"subject": "", "bodyPreview": "", "body": {"contentType": "html", "content": ""}, "location": _NOWHERE}
    return shown | hidden | {"locations": [], "attendees": [], "categories": []}
