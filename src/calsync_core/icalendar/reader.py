"""Single iCalendar resources read into items (RFC 5545). Pure.

No description, location or attendee is kept: they are looked at and forgotten (decision 7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from calsync_core.icalendar.components import Component, Property, parse_components
from calsync_core.icalendar.marks import find_mark, is_adorned, is_self
from calsync_core.icalendar.places import Places, Unplaceable, parse_duration, parse_local
from calsync_core.icalendar.recurrence import parse_recurrence
from calsync_core.models import Availability, Event, Item, Moment, Response, Span

__all__ = ["MAX_EVENTS", "Reader", "distinct", "parse_zone_name"]

MAX_EVENTS = 5_000
"""In one resource, or of one UID."""
_LONGEST = timedelta(days=366)
_ONE_DAY = timedelta(days=1)
_RESPONSES = {
    "ACCEPTED": Response.ACCEPTED,
    "TENTATIVE": Response.TENTATIVE,
    "DECLINED": Response.DECLINED,
    "DELEGATED": Response.DECLINED,
    "COMPLETED": Response.ACCEPTED,
    "IN-PROCESS": Response.ACCEPTED,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Reader:
    """Reads the resources of one calendar.

    Attributes:
        floating: Where times without a zone are; None: nobody said, and they are parked (I-24).
        addresses: The login's own addresses in lower case, to recognise its answer among the attendees.
    """

    floating: ZoneInfo | None = None
    addresses: frozenset[str] = frozenset()

    def parse(self, key: str, text: str, etag: str | None = None) -> Item:
        """Read one resource.

        Args:
            key: Its name in the collection.
            text: The iCalendar text.
            etag: Its entity tag.

        Returns:
            The item; without events if there is only a to-do or the like in it.

        Raises:
            ValueError: it is no iCalendar, was cut off, or an event in it lacks a usable start.
        """
        try:
            return self._parse(key, text, etag)
        except (OverflowError, Unplaceable):
            raise ValueError("a date or time beyond all calendars") from None

    def _parse(self, key: str, text: str, etag: str | None) -> Item:
        root = parse_components(text)
        components = list(root.walk("VEVENT"))
        if len(components) > MAX_EVENTS:
            raise ValueError(f"more than {MAX_EVENTS} events in one resource")
        places = Places.of(root, self.floating)
        events: list[Event] = []
        for number, group in enumerate(_by_uid(components)):
            base = key if number == 0 else f"{key}#{group[0][0]}"
            events += self.read_group(key, base, [component for _, component in group], places)
        return Item(key, distinct(events), etag)

    def read_group(self, key: str, base: str, components: Collection[Component], places: Places) -> list[Event]:
        """The events of one UID: its masters, then its exceptions.

        Args:
            key: Name of the resource.
            base: Id of the first master.
            components: Its VEVENTs.
            places: The zones of the file they are in.

        Raises:
            ValueError: one lacks a usable start.
            Unplaceable: a date or time beyond all calendars; OverflowError as well.
        """
        masters = [each for each in components if each.first("RECURRENCE-ID") is None]
        exceptions = [each for each in components if each.first("RECURRENCE-ID") is not None]
        exceptions.sort(key=_sequence)
        found = [
            self._event(key, base if not number else f"{base}#master{number + 1}", component, places)
            for number, component in enumerate(masters)
        ]
        master = found[0] if found else None
        found += [self._exception(key, base, component, places, master) for component in exceptions]
        if len(components) > 1:
            found = [evolve(each, adorned=True) if each.mark and not each.mark.textual else each for each in found]
        return found

    def _event(self, key: str, event_id: str, component: Component, places: Places) -> Event:
        uid = component.first("UID")
        repeats = any(component.all("RRULE", "RDATE"))
        event = Event(
            id=event_id,
            uid=uid.text.strip() or None if uid else None,
            span=Span(_EPOCH, _EPOCH),
            cancelled=component.word("STATUS") == "CANCELLED",
            availability=_availability(component),
            response=self._response(component),
            private=component.word("CLASS") in {"PRIVATE", "CONFIDENTIAL"},
            title=title.text if (title := component.first("SUMMARY")) else "",
            mark=(mark := find_mark(key, component, self.addresses)),
            adorned=mark is not None and not mark.textual and is_adorned(component, self.addresses),
        )
        try:
            span = _span(component, places, series=repeats)
            recurrence = parse_recurrence(component, places, span.start) if repeats else ()
        except Unplaceable as reason:
            return evolve(event, span=_placeholder(component), parked=str(reason))
        first, last = span.edges(UTC)
        parked = f"longer than {_LONGEST.days} days" if last - first > _LONGEST else None
        return evolve(event, span=span, recurrence=recurrence, parked=parked)

    def _exception(self, key: str, base: str, component: Component, places: Places, master: Event | None) -> Event:
        line = component.first("RECURRENCE-ID")
        assert line is not None  # noqa: S101  (the caller chose them by it)
        event = self._event(key, base, component, places)
        original = _original_start(line, places, event, master)
        and_future = line.parameters.get("RANGE", "").upper() == "THISANDFUTURE"
        event = evolve(event, series=base, original_start=original, and_future=and_future, recurrence=())
        suffix = "-THISANDFUTURE" if and_future else ""
        return evolve(event, id=f"{base}#{event.slot}{suffix}")

    def _response(self, component: Component) -> Response:
        if is_self(component.first("ORGANIZER"), self.addresses):
            return Response.NONE
        own = next((each for each in component.all("ATTENDEE") if is_self(each, self.addresses)), None)
        if own is None:
            return Response.NONE
        return _RESPONSES.get(own.parameters.get("PARTSTAT", "").upper(), Response.NEEDS_ACTION)


def parse_zone_name(text: str) -> ZoneInfo | None:
    """The zone of a ``calendar-timezone`` property (an iCalendar text with one VTIMEZONE), if it says anything."""
    try:
        root = parse_components(text)
        places = Places.of(root, None)
        name = next(iter(places.custom), None)
        zone = places.zone(name, 2020, series=True)
    except (ValueError, Unplaceable):
        return None
    return zone if isinstance(zone, ZoneInfo) else None


def _by_uid(components: Iterable[Component]) -> list[list[tuple[str, Component]]]:
    groups: dict[str, list[tuple[str, Component]]] = {}
    for component in components:
        line = component.first("UID")
        uid = line.text.strip() if line else ""
        groups.setdefault(uid, []).append((uid, component))
    return list(groups.values())


def distinct(events: Iterable[Event]) -> tuple[Event, ...]:
    """Of two exceptions for one occurrence the later revision counts; they come in order of SEQUENCE."""
    return tuple({event.id: event for event in events}.values())


def _sequence(component: Component) -> int:
    text = component.word("SEQUENCE")
    return int(text) if text.isdecimal() and len(text) < 12 else 0


def _availability(component: Component) -> Availability:
    busy = component.word("X-MICROSOFT-CDO-BUSYSTATUS")
    if component.word("TRANSP") == "TRANSPARENT" or busy in {"FREE", "WORKINGELSEWHERE"}:
        return Availability.FREE
    if component.word("STATUS") == "TENTATIVE" or busy == "TENTATIVE":
        return Availability.TENTATIVE
    return Availability.BUSY


def _span(component: Component, places: Places, *, series: bool) -> Span:
    line = component.first("DTSTART")
    if line is None:
        raise ValueError("an event without DTSTART")
    start = places.moment(line, series=series)
    end_line, duration = component.first("DTEND"), component.first("DURATION")
    if end_line is not None:
        return _normal(start, places.moment(end_line))
    if duration is not None:
        return _normal(start, _later(start, *parse_duration(duration.value)))
    return _normal(start, start)


def _later(start: Moment, nominal: timedelta, exact: timedelta) -> Moment:
    try:
        if not isinstance(start, datetime):
            return start + nominal + exact
        return ((start + nominal).astimezone(UTC) + exact).astimezone(start.tzinfo)
    except OverflowError:
        raise Unplaceable("a duration beyond all calendars") from None


def _normal(start: Moment, end: Moment) -> Span:
    """A span from whatever a client wrote: kinds mixed, no end, an end at or before the start (I-25)."""
    if not isinstance(start, datetime):
        last = end.date() if isinstance(end, datetime) else end
        if last == start:
            last = start + _ONE_DAY
        return Span(start, max(last, start))
    if not isinstance(end, datetime):
        end = datetime(end.year, end.month, end.day, tzinfo=start.tzinfo)
    first, last_instant = start.astimezone(UTC), end.astimezone(UTC)
    if first < last_instant:
        return Span(start, end)
    wall = end.replace(tzinfo=None) - start.replace(tzinfo=None)
    if end.tzinfo is start.tzinfo and wall > timedelta(0):
        # Both lie in the hour that a DST change skips: on the wall it has a length, and people go by the wall.
        return Span(start, (first + wall).astimezone(start.tzinfo))
    return Span(start, start)


def _placeholder(component: Component) -> Span:
    """About when, for an event that blocks nothing because nobody knows when it is."""
    line = component.first("DTSTART")
    try:
        local, _ = parse_local(line.value) if line else (_EPOCH, False)
    except Unplaceable:
        return Span(_EPOCH, _EPOCH)
    if isinstance(local, datetime):
        return Span(local.replace(tzinfo=UTC), local.replace(tzinfo=UTC))
    return Span(local, local + _ONE_DAY)


def _original_start(line: Property, places: Places, event: Event, master: Event | None) -> Moment:
    """Which occurrence the exception replaces, in the kind the master has: clients mix DATE and DATE-TIME."""
    try:
        original = places.moment(line)
    except Unplaceable:
        # Read by the clock of the series itself, or failing that of the exception.
        local, _ = parse_local(line.value)
        near = (master or event).span.start
        zone = near.tzinfo if isinstance(near, datetime) else UTC
        original = local.replace(tzinfo=zone) if isinstance(local, datetime) else local
    if master is None or master.parked:
        return original
    begin = master.span.start
    if isinstance(begin, datetime) and not isinstance(original, datetime):
        return datetime.combine(original, begin.timetz())
    if not isinstance(begin, datetime) and isinstance(original, datetime):
        return parse_local(line.value[:8])[0]
    return original
