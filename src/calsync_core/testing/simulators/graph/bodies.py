"""Bodies of event writes: which properties there are, and what may be in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from calsync_core.testing.simulators.graph.errors import GraphError, bad_property, invalid_request
from calsync_core.testing.simulators.graph.query import parse_property_id
from calsync_core.testing.simulators.graph.recurrence import Recurrence
from calsync_core.testing.simulators.graph.state import Json
from calsync_core.testing.simulators.graph.times import Moment

__all__ = ["Draft", "check_times"]

_ENUMS: Mapping[str, frozenset[str]] = {
    "showAs": frozenset({"free", "tentative", "busy", "oof", "workingElsewhere", "unknown"}),
    "sensitivity": frozenset({"normal", "personal", "private", "confidential"}),
    "importance": frozenset({"low", "normal", "high"}),
    "onlineMeetingProvider": frozenset({"unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness"}),
}
_TYPES: Mapping[str, Any] = {
    "subject": str,
    "body": dict,
    "isAllDay": bool,
    "isReminderOn": bool,
    "reminderMinutesBeforeStart": int,
    "responseRequested": bool,
    "allowNewTimeProposals": bool,
    "hideAttendees": bool,
    "isOnlineMeeting": bool,
    "location": dict,
    "locations": list,
    "attendees": list,
    "categories": list,
    **dict.fromkeys(_ENUMS, str),
}
_KEPT_APART = frozenset({"start", "end", "recurrence", "transactionId", "singleValueExtendedProperties"})
_READ_ONLY = frozenset(
    {
        "id",
        "createdDateTime",
        "lastModifiedDateTime",
        "changeKey",
        "iCalUId",
        "uid",
        "webLink",
        "type",
        "isOrganizer",
        "isCancelled",
        "organizer",
        "responseStatus",
        "seriesMasterId",
        "originalStart",
        "originalStartTimeZone",
        "originalEndTimeZone",
        "bodyPreview",
        "hasAttachments",
        "isDraft",
        "onlineMeetingUrl",
        "occurrenceId",
        "onlineMeeting",
        "cancelledOccurrences",
        "exceptionOccurrences",
    }
)


@frozen
class Draft:
    """A POST's or PATCH's body, checked.

    Attributes:
        fields: What is stored as it came.
        recurrence: As it came; ``clears`` tells a null from its absence.
        properties: Extended properties to set; None: to take away.
    """

    fields: Json
    start: Moment | None
    end: Moment | None
    recurrence: Any
    clears: bool
    transaction_id: str | None
    properties: Mapping[str, str | None] = field(factory=dict)

    @classmethod
    def parse(cls, body: Mapping[str, Any], home: str) -> Draft:
        """Check names, types and values one by one.

        Raises:
            GraphError: a property that events don't have, or a value it can't have.
        """
        fields: Json = {}
        for name, value in body.items():
            if name.startswith("@") or name in _READ_ONLY or name in _KEPT_APART:
                continue
            if name not in _TYPES:
                message = f"The property '{name}' does not exist on type 'microsoft.graph.event'."
                raise GraphError(400, "RequestBodyRead", message)
            fields[name] = _checked(name, value)
        transaction = body.get("transactionId")
        if transaction is not None and not isinstance(transaction, str):
            raise GraphError(400, "RequestBodyRead", "transactionId: a string is needed")
        return cls(
            fields,
            Moment.parse(body["start"], home, "start") if body.get("start") is not None else None,
            Moment.parse(body["end"], home, "end") if body.get("end") is not None else None,
            body.get("recurrence"),
            "recurrence" in body and body["recurrence"] is None,
            transaction,
            _properties(body.get("singleValueExtendedProperties")),
        )

    def series(self, start: Moment, home: str) -> Recurrence | None:
        """The recurrence, if there is one.

        Raises:
            GraphError: it is malformed, or its range begins on another day than the event ("recurrencerange").
        """
        if self.recurrence is None:
            return None
        found = Recurrence.parse(self.recurrence, start.zone, home)
        day = start.wall.date() if self.fields.get("isAllDay") else start.seen_from(found.zone, home).wall.date()
        if found.start != day:
            raise bad_property("recurrence.range.startDate must be the date of the event's start")
        return found


def check_times(start: Moment, end: Moment, home: str, *, all_day: bool) -> None:
    """What holds for the two together. Raises GraphError."""
    if all_day:
        if not (start.is_midnight and end.is_midnight):
            raise invalid_request("The start and end of an all-day event must be set to midnight.")
        if start.zone != end.zone:
            raise invalid_request("The start and end of an all-day event must be in the same time zone.")
        if end.wall <= start.wall:
            raise invalid_request("An all-day event must be at least 24 hours long.")
    elif end.instant(home) < start.instant(home):
        code = "ErrorCalendarEndDateIsEarlierThanStartDate"
        raise GraphError(400, code, "The end date is earlier than the start date.")
    if (end.wall - start.wall).days > 5 * 366:
        raise GraphError(400, "ErrorCalendarDurationIsTooLong", "The event lasts too long.")


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    kind: type[Any] = _TYPES[name]
    # To Python a bool is an int, to JSON it is not.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise GraphError(400, "RequestBodyRead", f"{name}: cannot convert a value to the expected type.")
    allowed = _ENUMS.get(name)
    if allowed is not None and value not in allowed:
        raise GraphError(400, "RequestBodyRead", f"{name}: requested value '{value}' was not found.")
    if name == "subject" and len(value) > 255:
        # Exchange keeps 255 characters of it.
        return value[:255]
    if name == "body":
        return {"contentType": str(value.get("contentType", "text")).lower(), "content": str(value.get("content", ""))}
    if name == "attendees":
        return [_attendee(one) for one in value]
    return value


def _attendee(value: Any) -> Json:
    address = value.get("emailAddress") if isinstance(value, dict) else None
    if not isinstance(address, dict) or "@" not in str(address.get("address", "")):
        raise bad_property("attendees: an emailAddress with an address is needed")
    status = {"response": "none", "time": "0001-01-01T00:00:00Z"}
    return {"type": value.get("type", "required"), "status": status, "emailAddress": address}


def _properties(value: Any) -> Mapping[str, str | None]:
    if value is None:
        return {}
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise GraphError(400, "RequestBodyRead", "singleValueExtendedProperties: a list of objects is needed")
    return {parse_property_id(one.get("id")): one.get("value") for one in value}
