"""Events and calendars of the Google Calendar API v3, in our words. Pure.

No description, location or attendee is kept: they are looked at and forgotten (decision 7). What the fields mean is in
the API's reference (``Events``, ``CalendarList``), also as its discovery document ``calendar.v3``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeAlias, TypeVar

from calsync_core.core.tags import find_textual_tag, parse_tag
from calsync_core.core.zones import resolve_zone
from calsync_core.models import (
    Availability,
    CalendarRole,
    Event,
    EventKind,
    Item,
    Mark,
    Moment,
    RemoteCalendar,
    Response,
    Span,
)
from calsync_core.providers.google.names import parse_block_id
from calsync_core.transport import sendable_etag

__all__ = ["EVENT_FIELDS", "TAG_PROPERTY", "Json", "is_deleted", "parse_calendar", "parse_item", "series_of"]

Json: TypeAlias = Mapping[str, Any]
_Time = TypeVar("_Time", date, datetime)

TAG_PROPERTY = "calsync"
"""Name of the private extended property that holds the tag; at most 44 characters are kept."""

EVENT_FIELDS = (
    "id,etag,status,updated,summary,description,visibility,transparency,eventType,iCalUID,recurringEventId,"
    "originalStartTime,start,end,recurrence,organizer(self),attendees(self,responseStatus),attendeesOmitted,"
    "hangoutLink,conferenceData(conferenceId),extendedProperties(private)"
)
"""All that is looked at; the rest never leaves Google."""

_ROLES = {
    "owner": CalendarRole.OWNER,
    "writer": CalendarRole.WRITER,
    # It may not change private events, and blocks are private.
    "writerWithoutPrivateAccess": CalendarRole.READER,
    "reader": CalendarRole.READER,
    "freeBusyReader": CalendarRole.FREE_BUSY,
}
_KINDS = {"workingLocation": EventKind.WORKING_LOCATION, "birthday": EventKind.BIRTHDAY}
_RESPONSES = {
    "accepted": Response.ACCEPTED,
    "tentative": Response.TENTATIVE,
    "declined": Response.DECLINED,
    "needsAction": Response.NEEDS_ACTION,
}
_TZID = re.compile(r";TZID=([^;:]+)", re.IGNORECASE)
_LONGEST_RULE = 2_000
_MOST_LINES = 5_000
_LONGEST_RECURRENCE = 200_000
"""Characters of all lines: every plan reads them again."""


def parse_calendar(entry: Json) -> RemoteCalendar:
    """One entry of a calendar list.

    Raises:
        ValueError: it has no id.
    """
    remote_id = entry.get("id")
    if not isinstance(remote_id, str) or not remote_id:
        raise ValueError("a calendar without an id")
    zone = resolve_zone(str(entry.get("timeZone") or ""))
    return RemoteCalendar(
        remote_id=remote_id,
        name=str(entry.get("summaryOverride") or entry.get("summary") or remote_id),
        role=_ROLES.get(str(entry.get("accessRole")), CalendarRole.FREE_BUSY),
        timezone=zone.key if zone else None,
        primary=entry.get("primary") is True,
    )


def series_of(entry: Json) -> str | None:
    """Of an exception: the id of its master."""
    series = entry.get("recurringEventId")
    return series if isinstance(series, str) and series else None


def is_deleted(entry: Json) -> bool:
    """Whether it says that the event is gone: cancelled, and not an exception, which stands for an empty slot.

    Of such an entry nothing but the id is certain; of a master, all instances go with it.
    """
    return entry.get("status") == "cancelled" and series_of(entry) is None


def parse_item(entry: Json, uid: str | None = None) -> Item:
    """One event that is not deleted.

    Args:
        entry: As listed.
        uid: The iCalendar UID of its series, for a cancelled occurrence, which does not say it itself.

    Raises:
        ValueError: it can't be understood; names the field.
    """
    event_id = entry.get("id")
    if not isinstance(event_id, str) or not event_id:
        raise ValueError("id: is missing")
    try:
        event = _parse_event(event_id, entry, uid)
        version = _instant(entry["updated"]) if entry.get("updated") else None
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"malformed: {type(error).__name__}") from None
    return Item(event_id, (event,), sendable_etag(entry.get("etag")), version, series_of(entry))


def _parse_event(event_id: str, entry: Json, uid: str | None) -> Event:
    mark = _mark(event_id, entry)
    series = series_of(entry)
    cancelled = entry.get("status") == "cancelled"
    original = _moment("originalStartTime", entry) if series is not None else None
    span = Span(original, original) if cancelled and original is not None else _span(entry)
    ours = mark is not None and not mark.textual
    adorned = ours and _is_adorned(entry)
    # What a plain block says must equal what we remember of having written it: no zone, no privacy, no answer.
    plain = ours and not adorned
    recurrence = _recurrence(entry) if series is None else ()
    return Event(
        id=event_id,
        uid=None if ours else str(entry.get("iCalUID") or uid or "") or None,
        span=span.in_utc() if plain else span,
        series=series,
        original_start=original,
        recurrence=recurrence,
        cancelled=cancelled,
        availability=_availability(entry),
        response=Response.NONE if plain else _response(entry),
        kind=_KINDS.get(str(entry.get("eventType")), EventKind.DEFAULT),
        private=not plain and entry.get("visibility") in {"private", "confidential"},
        title=str(entry.get("summary") or ""),
        mark=mark,
        adorned=adorned,
        parked=_unknown_zone(entry) if recurrence else None,
    )


def _span(entry: Json) -> Span:
    """When; an end before the start, or of another kind, makes it zero long (I-25)."""
    start, end = _moment("start", entry), _moment("end", entry)
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise ValueError("end: is not of the start's kind")
    try:
        return Span(start, end)
    except ValueError:
        return Span(start, start)


def _moment(name: str, entry: Json) -> Moment:
    """A date, or a datetime in the zone it names: that is where a series is expanded."""
    value = entry.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: is missing")  # noqa: TRY004  (a malformed answer, not a wrong call)
    if value.get("date"):
        return _read(name, date, value["date"])
    if not value.get("dateTime"):
        raise ValueError(f"{name}: has neither date nor dateTime")
    zone = resolve_zone(str(value.get("timeZone") or "UTC"))
    at = _read(name, datetime, value["dateTime"])
    if at.tzinfo is None:
        if zone is None:
            raise ValueError(f"{name}: has no offset, and its zone is unknown")
        return at.replace(tzinfo=zone)
    return at.astimezone(zone or UTC)


def _read(name: str, kind: type[_Time], text: object) -> _Time:
    try:
        return kind.fromisoformat(str(text))
    except ValueError:
        # Python's own words quote what they are about.
        raise ValueError(f"{name}: is no date or time") from None


def _instant(text: object) -> datetime:
    at = _read("updated", datetime, text)
    if at.tzinfo is None:
        raise ValueError("updated: has no offset")
    return at.astimezone(UTC)


def _recurrence(entry: Json) -> tuple[str, ...]:
    """The master's lines, with zones that can be looked up everywhere."""
    lines = entry.get("recurrence") or []
    if not isinstance(lines, list) or len(lines) > _MOST_LINES:
        raise ValueError("recurrence: is no list of reasonable length")
    found = tuple(_line(str(line)) for line in lines)
    if sum(map(len, found)) > _LONGEST_RECURRENCE:
        raise ValueError("recurrence: is of absurd length")
    return found


def _unknown_zone(entry: Json) -> str | None:
    """Why a series can't be placed in time: a single event has an offset, a rule needs its zone (I-24)."""
    zone = str(entry["start"].get("timeZone") or "UTC")
    known = entry["start"].get("date") or resolve_zone(zone) is not None
    lost = any(resolve_zone(name) is None for line in entry["recurrence"] for name in _TZID.findall(str(line)))
    return None if known and not lost else "unknown time zone"


def _line(line: str) -> str:
    if len(line) > _LONGEST_RULE * 10 or (line.upper().startswith("RRULE") and len(line) > _LONGEST_RULE):
        raise ValueError("recurrence: a line of absurd length")
    head, colon, values = line.strip().partition(":")
    name, *parameters = head.split(";")
    return ";".join([name.upper(), *map(_parameter, parameters)]) + colon + values


def _parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if name.upper() != "TZID":
        return parameter
    zone = resolve_zone(value)
    return f"TZID={zone.key}" if zone else parameter


def _availability(entry: Json) -> Availability:
    # Absent means opaque.
    if entry.get("transparency") == "transparent":
        return Availability.FREE
    return Availability.TENTATIVE if entry.get("status") == "tentative" else Availability.BUSY


def _response(entry: Json) -> Response:
    """The login's own answer; an organiser who is not among the attendees, or gave none, takes part."""
    own = next((each for each in entry.get("attendees") or () if each.get("self") is True), None)
    if own is None:
        return Response.NONE
    answer = _RESPONSES.get(str(own.get("responseStatus")), Response.NEEDS_ACTION)
    organises = (entry.get("organizer") or {}).get("self") is True
    return Response.NONE if answer is Response.NEEDS_ACTION and organises else answer


def _mark(event_id: str, entry: Json) -> Mark | None:
    named = parse_block_id(event_id)
    if named is None:
        return _textual_mark(entry)
    private = (entry.get("extendedProperties") or {}).get("private") or {}
    tagged = parse_tag(str(private.get(TAG_PROPERTY) or ""))
    # A tag made for another id came along with a copy, and says nothing about this one.
    tag = tagged[0] if tagged is not None and tagged[1:] == named else None
    return Mark(*named, tag=tag)


def _textual_mark(entry: Json) -> Mark | None:
    """The textual tag of an older system counts whole, without attendees and foreign organisers only (I-17)."""
    organiser = entry.get("organizer") or {}
    if entry.get("attendees") or entry.get("attendeesOmitted") or (organiser and organiser.get("self") is not True):
        return None
    key = find_textual_tag(str(entry.get("description") or ""))
    return Mark(key, textual=True) if key is not None else None


def _is_adorned(entry: Json) -> bool:
    """Whether somebody added people, a recurrence or a conference to a block (I-45)."""
    return any(
        entry.get(name)
        for name in (
            "attendees",
            "attendeesOmitted",
            "recurrence",
            "recurringEventId",
            "hangoutLink",
            "conferenceData",
        )
    )
