"""A whole calendar in one iCalendar text, as feeds and exports have it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from zoneinfo import ZoneInfo

from attrs import astuple, evolve, frozen

from calsync_core.core.zones import resolve_zone
from calsync_core.icalendar.components import Component, parse_components
from calsync_core.icalendar.names import parse_exported_uid
from calsync_core.icalendar.places import Places, Unplaceable
from calsync_core.icalendar.reader import MAX_EVENTS, Reader, distinct
from calsync_core.models import Event, Item, Mark, Unreadable

__all__ = ["Feed", "parse_feed"]

_STAMPS = frozenset({"DTSTAMP", "LAST-MODIFIED", "CREATED"})
"""Feeds that are made when they are asked for say now in them: no change."""


@frozen
class Feed:
    """What a feed says.

    Attributes:
        items: One for each UID, a series with its exceptions; its key is the UID. The etag is made of what the item
            says, so that two readings of an unchanged event are equal whatever the server stamps on it.
        unreadable: Those that are there and can't be understood.
        name: What the feed calls itself (``X-WR-CALNAME``).
        timezone: IANA name of the zone it says it is in (``X-WR-TIMEZONE``).
    """

    items: tuple[Item, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    name: str | None = None
    timezone: str | None = None


def parse_feed(text: str, *, floating: ZoneInfo | None = None, addresses: Collection[str] = ()) -> Feed:
    """Read everything in an iCalendar text.

    Args:
        text: One VCALENDAR or several.
        floating: Where times without a zone are; None: in the feed's own zone. Where that says nothing either, such an
            event is parked (I-24).
        addresses: Of the calendar's user, in lower case: declined invitations are known by them.

    Returns:
        Its events. One that can't be understood spoils no other (I-37); to-dos and notes are left out.

    Raises:
        ValueError: it is no iCalendar, was cut off, or is larger than any calendar.
    """
    root = parse_components(text)
    name, timezone = _said(root, "X-WR-CALNAME"), _said(root, "X-WR-TIMEZONE")
    zone = resolve_zone(timezone) if timezone else None
    places = Places.of(root, floating or zone)
    reader = Reader(places.floating, frozenset(addresses))
    items: list[Item] = []
    unreadable: list[Unreadable] = []
    for key, components in _by_key(root).items():
        try:
            items.append(_item(reader, key, components, places))
        except (ValueError, OverflowError, Unplaceable) as reason:
            said = str(reason) if type(reason) is ValueError else "a date or time beyond all calendars"
            unreadable.append(Unreadable(key, f"not readable as iCalendar: {said}", _digest(map(_lines, components))))
    return Feed(tuple(items), tuple(unreadable), name, zone.key if zone else None)


def _item(reader: Reader, key: str, components: Collection[Component], places: Places) -> Item:
    if len(components) > MAX_EVENTS:
        raise ValueError(f"more than {MAX_EVENTS} events with one UID")
    events = distinct(_marked(event) for event in reader.read_group(key, key, components, places))
    return Item(key, events, _digest(map(astuple, events)))


def _marked(event: Event) -> Event:
    named = parse_exported_uid(event.uid or "")
    return evolve(event, mark=Mark(*named)) if event.mark is None and named else event


def _by_key(root: Component) -> dict[str, list[Component]]:
    """The events of each UID; those without one go by what they say, since they must go by something."""
    groups: dict[str, list[Component]] = {}
    for component in root.walk("VEVENT"):
        uid = line.text.strip() if (line := component.first("UID")) else ""
        key = uid or f"without-uid-{_digest([_lines(component)])}"
        if uid or key not in groups:
            groups.setdefault(key, []).append(component)
    return groups


def _lines(component: Component) -> list[tuple[str, str]]:
    return [(line.name, line.value) for line in component.properties if line.name not in _STAMPS]


def _digest(values: Iterable[object]) -> str:
    parts = list(values)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _said(root: Component, name: str) -> str | None:
    for calendar in root.walk("VCALENDAR"):
        line = calendar.first(name)
        if line and line.text.strip():
            return line.text.strip()
    return None
