"""Calendars, the list of them, settings, and who is busy when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from calsync_core.testing.simulators.google.access import Call, reachable
from calsync_core.testing.simulators.google.errors import (
    ApiError,
    bad,
    forbidden,
    missing,
    not_found,
    sync_token_expired,
)
from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.instances import instance, slots
from calsync_core.testing.simulators.google.paging import Listing, Pages, SyncToken, open_sync_token
from calsync_core.testing.simulators.google.state import ROLES, Calendar, State
from calsync_core.testing.simulators.google.times import extent, find_zone, read_instant, stamp
from calsync_core.testing.simulators.messages import Response

__all__ = ["Calendars"]


class Calendars:
    """The methods that are not about events, and the making of calendars."""

    def __init__(self, state: State, habits: Habits) -> None:
        self._state = state
        self._pages = Pages(habits)
        self.list_epoch = 0

    def create(self, owner: str, summary: str, **details: Any) -> Calendar:
        """A new calendar on its owner's list; ``details`` are attributes of ``Calendar``."""
        key = details.pop("id", None) or f"c_{self._state.tick():06d}{len(summary):03d}@group.calendar.google.com"
        if key in self._state.calendars:
            raise ValueError(f"id: {key!r} is in use")
        zone = details.pop("timezone", None) or self._state.users[owner].timezone
        calendar = Calendar(key, summary, owner, zone, roles={owner: "owner"}, **details)
        self._state.calendars[key] = calendar
        self._state.line(calendar, owner)
        return calendar

    def share(self, calendar: Calendar, user: str, role: str) -> None:
        """Let a user do this much there; ``none`` ends it. Sync tokens of the calendar become void."""
        if role not in ROLES:
            raise ValueError(f"role: must be one of {ROLES}, got {role!r}")
        known = user in calendar.lines and not calendar.lines[user].deleted
        calendar.roles[user] = role
        # Documented: an ACL change is among the reasons for 410.
        calendar.epoch += 1
        if known != (role != "none"):
            self._state.line(calendar, user, deleted=role == "none")

    # -- calendarList ---------------------------------------------------------------------------------------------

    def entries(self, call: Call) -> Response:
        """``calendarList.list``."""
        args = call.args
        shape = {**args.shape("pageToken"), "of": call.user}
        if "pageToken" in args:
            return Response.of(self._pages.following(args.one("pageToken"), shape))
        since = self._since(call)
        least = ROLES.index(args.one("minAccessRole", "none"))
        items = []
        for calendar in self._state.calendars.values():
            line = calendar.lines.get(call.user)
            if line is None or (since is not None and line.change <= since):
                continue
            hidden = line.extra.get("hidden") and not args.one("showHidden", default=False)
            deleted = line.deleted and not args.one("showDeleted", default=False)
            weak = not line.deleted and ROLES.index(calendar.role(call.user)) < least
            if not weak and (since is not None or not (hidden or deleted)):
                items.append(self._entry(calendar, call.user))
        token = SyncToken(f"list {call.user}", self._state.change, self.list_epoch, _token_shape(call)).text()
        head = {"kind": "calendar#calendarList", "etag": f'"p{self._state.change}"'}
        size = min(args.one("maxResults", 100), 250)
        return Response.of(self._pages.first(Listing(shape, items, head, token), size))

    def entry(self, call: Call) -> Response:
        """``calendarList.get``."""
        calendar = self._state.find(call.user, call.ids["calendarId"])
        line = calendar.lines.get(call.user)
        if line is None or line.deleted:
            raise not_found()
        return Response.of(self._entry(calendar, call.user))

    def _since(self, call: Call) -> int | None:
        args = call.args
        if "syncToken" not in args:
            return None
        for name in ("minAccessRole", "showOwnOrganizationOnly"):
            if name in args:
                raise bad(f"Sync token cannot be used with {name}.", parameter=name)
        if args.one("showDeleted") is False or args.one("showHidden") is False:
            raise bad("Sync token cannot be used with showDeleted or showHidden false.", parameter="showDeleted")
        token = open_sync_token(args.one("syncToken"), f"list {call.user}", _token_shape(call))
        if token.epoch != self.list_epoch:
            raise sync_token_expired()
        return token.change

    @staticmethod
    def _entry(calendar: Calendar, user: str) -> dict[str, Any]:
        line = calendar.lines[user]
        shown: dict[str, Any] = {"kind": "calendar#calendarListEntry", "etag": f'"{line.change}"', "id": calendar.id}
        if line.deleted:
            return {**shown, "deleted": True}
        shown |= {
            "summary": calendar.summary,
            "timeZone": calendar.timezone,
            "colorId": "14",
            "backgroundColor": "#9fe1e7",
            "foregroundColor": "#000000",
            "accessRole": calendar.role(user),
            "defaultReminders": list(calendar.reminders),
            "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
            "selected": True,
            **line.extra,
        }
        if calendar.primary and calendar.owner == user:
            shown["primary"] = True
        elif not calendar.primary:
            shown["dataOwner"] = calendar.owner
        return shown

    # -- calendars ------------------------------------------------------------------------------------------------

    def get(self, call: Call) -> Response:
        """``calendars.get``."""
        return Response.of(_shown(reachable(self._state, call)))

    def insert(self, call: Call) -> Response:
        """``calendars.insert``: a secondary calendar."""
        body = call.body()
        summary, zone = body.get("summary"), body.get("timeZone")
        if not summary:
            raise missing("Missing title.")
        if zone is not None and find_zone(str(zone)) is None:
            raise bad("Invalid time zone.")
        return Response.of(_shown(self.create(call.user, str(summary), timezone=zone, made_by=call.token.client)))

    def delete(self, call: Call) -> Response:
        """``calendars.delete``: a secondary calendar, by its owner."""
        calendar = reachable(self._state, call)
        if calendar.role(call.user) != "owner":
            raise forbidden("requiredAccessLevel", "You need to have owner access to this calendar.", "calendar")
        if calendar.primary:
            raise bad("Cannot remove a primary calendar.", "cannotDeletePrimaryCalendar", domain="calendar")
        self.remove(calendar)
        return Response(204)

    def remove(self, calendar: Calendar) -> None:
        """Nobody has it any more; it stays on lists as deleted."""
        for user in list(calendar.roles):
            calendar.roles[user] = "none"
            self._state.line(calendar, user, deleted=True)

    # -- settings and availability --------------------------------------------------------------------------------

    def settings(self, call: Call) -> Response:
        """``settings.list``."""
        items = [self._setting(call.user, name) for name in ("format24HourTime", "locale", "timezone")]
        return Response.of({"kind": "calendar#settings", "etag": '"p1"', "items": items, "nextSyncToken": "settings1"})

    def setting(self, call: Call) -> Response:
        """``settings.get``."""
        return Response.of(self._setting(call.user, call.ids["setting"]))

    def _setting(self, user: str, name: str) -> dict[str, str]:
        zone = self._state.users[user].timezone if user in self._state.users else "UTC"
        values = {"timezone": zone, "locale": "en", "format24HourTime": "true"}
        if name not in values:
            raise not_found()
        return {"kind": "calendar#setting", "etag": '"1"', "id": name, "value": values[name]}

    def free_busy(self, call: Call) -> Response:
        """``freebusy.query``."""
        body = call.body()
        if not body.get("timeMin") or not body.get("timeMax"):
            raise missing("Missing time range.")
        low, high = read_instant(body["timeMin"], "timeMin"), read_instant(body["timeMax"], "timeMax")
        found: dict[str, Any] = {}
        for asked in body.get("items", []):
            try:
                found[asked["id"]] = {"busy": self._busy(self._state.find(call.user, asked["id"]), low, high)}
            except ApiError as error:
                found[asked["id"]] = {"errors": [{"domain": error.domain, "reason": error.reason}], "busy": []}
        answer = {"kind": "calendar#freeBusy", "timeMin": stamp(low), "timeMax": stamp(high), "calendars": found}
        return Response.of(answer)

    @staticmethod
    def _busy(calendar: Calendar, low: datetime, high: datetime) -> list[dict[str, str]]:
        spans = []
        for entry in calendar.entries.values():
            if entry.recurring:
                taken = {one.slot for one in calendar.exceptions(entry.id)}
                shown = [instance(entry, one) for one in slots(entry.body, low, high) if one.key not in taken]
            else:
                shown = [entry]
            spans += [
                extent(one.body, calendar.zone)
                for one in shown
                if not one.cancelled and one.body.get("transparency") != "transparent"
            ]
        merged: list[tuple[datetime, datetime]] = []
        for start, end in sorted(span for span in spans if span[1] > low and span[0] < high):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return [{"start": stamp(max(start, low)), "end": stamp(min(end, high))} for start, end in merged]


def _shown(calendar: Calendar) -> dict[str, Any]:
    shown = {
        "kind": "calendar#calendar",
        "etag": f'"{calendar.epoch}"',
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.timezone,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    return shown if calendar.primary else {**shown, "dataOwner": calendar.owner}


def _token_shape(call: Call) -> dict[str, str]:
    shape = call.args.shape("pageToken", "syncToken", "maxResults")
    return {name: value for name, value in shape.items() if value != "[False]"}
