"""iCalendar texts for tests, and what the reader makes of them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from caldav_hands import ics
from calsync_core.icalendar.reader import Reader
from calsync_core.models import (
    Event,
)

STAMP = "DTSTAMP:20260301T000000Z"


def timed(lines: str = "", start: str = "DTSTART:20260303T090000Z", end: str = "DTEND:20260303T100000Z") -> str:
    return "\n".join(filter(None, ("UID:x", STAMP, start, end, lines)))


def parse(
    body: str, *, zone: str | None = None, own: tuple[str, ...] = (), name: str = "x.ics", zones: str = ""
) -> list[Event]:
    reader = Reader(ZoneInfo(zone) if zone else None, frozenset(own))
    return list(reader.parse(name, ics(*body.split("\n====\n"), zones=zones)).events)


def one(body: str, **how: Any) -> Event:
    (event,) = parse(body, **how)
    return event
