"""Events and calendars of Microsoft Graph v1.0, in our words. Pure.

No body, location or attendee is kept: they are looked at and forgotten (decision 7). What the fields mean is in the
reference of the ``event`` and ``calendar`` resources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

from calsync_core.core.tags import find_textual_tag, parse_tag
from calsync_core.core.zones import resolve_zone
from calsync_core.models import (
    Availability,
    CalendarRole,
    Event,
    Item,
    Mark,
    Moment,
    RemoteCalendar,
    Response,
    Span,
)
from calsync_core.providers.microsoft.names import TAG_PROPERTY, parse_block_name
from calsync_core.transport import sendable_etag

__all__ = [
    "EVENT_FIELDS",
    "Json",
    "etag_of",
    "is_master",
    "is_series_etag",
    "is_sparse",
    "parse_calendar",
    "parse_item",
    "parse_series",
    "series_of",
    "shows_tag",
]

Json: TypeAlias = Mapping[str, Any]

EVENT_FIELDS = (
    "id,type,seriesMasterId,iCalUId,transactionId,subject,start,end,isAllDay,originalStart,originalStartTimeZone,"
    "isCancelled,showAs,sensitivity,responseStatus,isOrganizer,attendees,isOnlineMeeting,onlineMeeting,recurrence,"
    "body,lastModifiedDateTime"
)
"""All that is looked at, for reads that may choose; a delta may not."""

_WHOLE = ("start", "end", "isAllDay", "showAs")
"""An event that lacks one of these was not shown whole."""

_FRACTION = re.compile(r"(\.\d{6})\d+")
_SERIES_ETAG = "series "
_FREE = frozenset({"free", "workingElsewhere"})
_RESPONSES = {
    "accepted": Response.ACCEPTED,
    "tentativelyAccepted": Response.TENTATIVE,
    "declined": Response.DECLINED,
    "notResponded": Response.NEEDS_ACTION,
}


def parse_calendar(entry: Json, own_address: str | None) -> RemoteCalendar:
    """One calendar of a list. Graph gives calendars no zone of their own.

    Raises:
        ValueError: it has no id.
    """
    remote_id = entry.get("id")
    if not isinstance(remote_id, str) or not remote_id:
        raise ValueError("a calendar without an id")
    told = entry.get("owner")
    owner = str(told.get("address") or "").lower() if isinstance(told, Mapping) else ""
    owned = entry.get("canShare") is True or (bool(owner) and owner == (own_address or "").lower())
    role = CalendarRole.READER
    if entry.get("canEdit") is True:
        role = CalendarRole.OWNER if owned else CalendarRole.WRITER
    return RemoteCalendar(
        remote_id=remote_id,
        name=str(entry.get("name") or remote_id),
        role=role,
        primary=entry.get("isDefaultCalendar") is True,
    )


def is_master(entry: Json) -> bool:
    """Whether it is a series as such, whose own time is nobody's."""
    return entry.get("type") == "seriesMaster"


def is_sparse(entry: Json) -> bool:
    """Whether a delta shows so little of it that it must be read by id (I-14)."""
    return any(name not in entry for name in _WHOLE)


def series_of(entry: Json) -> str | None:
    """The id of the series that the entry is, or is an occurrence of; None for a single event."""
    if is_master(entry):
        return str(entry.get("id"))
    master = entry.get("seriesMasterId")
    return master if isinstance(master, str) and master else None


def shows_tag(entry: Json) -> bool:
    """Whether a tag of ours is shown with it."""
    return _property(entry, TAG_PROPERTY) is not None


def etag_of(entry: Json) -> str | None:
    """The entity tag in the body."""
    return sendable_etag(entry.get("@odata.etag"))


def is_series_etag(etag: str | None) -> bool:
    """Whether a stored item with this etag is a series; such an etag is never sent."""
    return etag is not None and etag.startswith(_SERIES_ETAG)


def parse_item(entry: Json, *, shows_tag: bool = True) -> Item:
    """One single event.

    Args:
        entry: All of it.
        shows_tag: Whether the answer would have shown the extended properties: a delta never does.

    Raises:
        ValueError: it can't be understood; names the field.
    """
    event_id = _id(entry)
    try:
        event = _event(entry, _mark(entry, shows_tag=shows_tag))
        return Item(event_id, (event,), etag_of(entry), _version(entry))
    except (TypeError, AttributeError, KeyError, OverflowError) as error:
        raise ValueError(f"malformed: {type(error).__name__}") from None


def parse_series(master: Json, instances: list[Json]) -> Item:
    """A series as its occurrences in a window; none of them is told by the master's own time.

    The master's UID stands for all of them: an occurrence's own is another one each time, or none (docs issue #17479).

    Raises:
        ValueError: an occurrence can't be understood; the series is known whole or not at all.
    """
    series_id = _id(master)
    try:
        mark = _mark(master, shows_tag=True)
        uid = str(master.get("iCalUId") or "") or None
        events = tuple(_event(entry, mark, uid=uid, series=series_id) for entry in instances)
        etag = f"{_SERIES_ETAG}{etag_of(master)}"
        # A master that a delta showed may be older than the instances that were read after it.
        versions = [version for version in map(_version, (master, *instances)) if version is not None]
        return Item(series_id, tuple({event.id: event for event in events}.values()), etag, max(versions, default=None))
    except (TypeError, AttributeError, KeyError, OverflowError) as error:
        raise ValueError(f"malformed: {type(error).__name__}") from None


def _event(entry: Json, mark: Mark | None, *, uid: str | None = None, series: str | None = None) -> Event:
    ours = mark is not None and not mark.textual
    adorned = ours and (series is not None or _is_adorned(entry))
    # What a plain block says must equal what we remember of having written it: no zone, no privacy, no answer.
    plain = ours and not adorned
    span = _span(entry)
    known = uid if series is not None else str(entry.get("iCalUId") or "") or None
    return Event(
        id=_id(entry),
        uid=None if ours else known,
        span=span.in_utc() if plain else span,
        series=series,
        original_start=_original_start(entry, span) if series is not None else None,
        cancelled=entry.get("isCancelled") is True,
        availability=_availability(entry),
        response=Response.NONE if plain else _response(entry),
        private=not plain and entry.get("sensitivity") not in {None, "normal"},
        title=str(entry.get("subject") or ""),
        mark=mark,
        adorned=adorned,
    )


def _id(entry: Json) -> str:
    event_id = entry.get("id")
    if not isinstance(event_id, str) or not event_id:
        raise ValueError("id: is missing")
    return event_id


def _version(entry: Json) -> datetime | None:
    text = entry.get("lastModifiedDateTime")
    return _local("lastModifiedDateTime", text).replace(tzinfo=UTC) if text else None


def _span(entry: Json) -> Span:
    """When; an end before the start makes it zero long (I-25)."""
    start, end = _moment("start", entry), _moment("end", entry)
    try:
        return Span(start, end)
    except ValueError:
        return Span(start, start)


def _moment(name: str, entry: Json) -> Moment:
    """A datetime in its zone (UTC, as every request asks); of an all-day event the date as written, never converted."""
    value = entry.get(name)
    if not isinstance(value, Mapping) or not value.get("dateTime"):
        raise ValueError(f"{name}: is missing")
    at = _local(name, value["dateTime"])
    if entry.get("isAllDay") is True:
        return at.date()
    zone = resolve_zone(str(value.get("timeZone") or "UTC"))
    if zone is None:
        raise ValueError(f"{name}.timeZone: is unknown")
    return at.replace(tzinfo=UTC if zone.key == "UTC" else zone)


def _local(name: str, value: object) -> datetime:
    """Seven digits of a second, and an offset or none: the clock as written."""
    try:
        at = datetime.fromisoformat(_FRACTION.sub(r"\1", str(value).strip()))
    except ValueError:
        # Python's own words quote what they are about.
        raise ValueError(f"{name}: is no time") from None
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _original_start(entry: Json, span: Span) -> Moment:
    """Which occurrence it is; one that was not moved need not say so."""
    text = entry.get("originalStart")
    if not text:
        return span.start
    at = _local("originalStart", text).replace(tzinfo=UTC)
    return _day_of(at, str(entry.get("originalStartTimeZone") or "")) if span.all_day else at


def _day_of(at: datetime, zone_name: str) -> date:
    """The day that begins at this instant in the series' zone, or somewhere on earth near it."""
    zone = resolve_zone(zone_name) if zone_name else None
    local = at.astimezone(zone) if zone is not None else at
    return (local + timedelta(hours=12)).date() if local.hour >= 12 else local.date()


def _availability(entry: Json) -> Availability:
    shown = entry.get("showAs")
    if shown in _FREE:
        return Availability.FREE
    return Availability.TENTATIVE if shown == "tentative" else Availability.BUSY


def _response(entry: Json) -> Response:
    if entry.get("isOrganizer") is True and not entry.get("isCancelled"):
        return Response.NONE
    answer = (entry.get("responseStatus") or {}).get("response")
    return _RESPONSES.get(str(answer), Response.NONE)


def _mark(entry: Json, *, shows_tag: bool) -> Mark | None:
    named = parse_block_name(entry.get("transactionId"))
    if named is None:
        return _textual_mark(entry)
    tagged = parse_tag(_property(entry, TAG_PROPERTY) or "") if shows_tag else None
    # A tag made for another name says nothing about this block.
    tag = tagged[0] if tagged is not None and tagged[1:] == named else None
    return Mark(*named, tag=tag, shows_tag=shows_tag)


def _property(entry: Json, property_id: str) -> str | None:
    for each in entry.get("singleValueExtendedProperties") or ():
        # Graph may spell the GUID's letters in another case.
        if str(each.get("id")).lower() == property_id.lower():
            return str(each.get("value"))
    return None


def _textual_mark(entry: Json) -> Mark | None:
    """The textual tag of an older system counts whole, without attendees and foreign organisers only (I-17)."""
    if entry.get("attendees") or entry.get("isOrganizer") is False:
        return None
    body = entry.get("body") or {}
    key = find_textual_tag(str(body.get("content") or "")) if body.get("contentType") == "text" else None
    return Mark(key, textual=True) if key is not None else None


def _is_adorned(entry: Json) -> bool:
    """Whether somebody added people, a recurrence or a conference to a block (I-45)."""
    return bool(entry.get("attendees") or entry.get("recurrence") or entry.get("onlineMeeting")) or (
        entry.get("isOnlineMeeting") is True
    )
