"""Events written by hand for tests of expansion, and its results in short."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from calsync_core.core.occurrences import expand
from calsync_core.models import Event, Expansion, Moment, Span, Window

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def timed(start: str, hours: float = 1, zone: ZoneInfo = BERLIN) -> Span:
    begin = datetime.fromisoformat(start)
    return Span(begin.replace(tzinfo=zone), (begin + timedelta(hours=hours)).replace(tzinfo=zone))


def days(start: str, number: int = 1) -> Span:
    first = date.fromisoformat(start)
    return Span(first, first + timedelta(days=number))


def master(span: Span, *recurrence: str, key: str = "m", **more: Any) -> Event:
    return Event(id=key, uid=key, span=span, recurrence=recurrence, **more)


def weekly(**more: Any) -> Event:
    return master(timed("2026-03-02 09:00"), "RRULE:FREQ=WEEKLY;COUNT=4", **more)


def exception(original: Moment, span: Span, key: str = "m#1", series: str = "m", **more: Any) -> Event:
    return Event(id=key, uid=series, span=span, series=series, original_start=original, **more)


def window(start: str, end: str) -> Window:
    return Window(utc(start), utc(end))


YEAR = window("2026-01-01", "2027-01-01")


def expanded(*events: Event, inside: Window = YEAR, zone: ZoneInfo = BERLIN, budget: int = 20_000) -> Expansion:
    return expand(events, inside, zone, budget=budget)


def starts(*events: Event, inside: Window = YEAR, budget: int = 20_000) -> list[str]:
    """Local starts, as short as they can be read."""
    expansion = expanded(*events, inside=inside, budget=budget)
    assert expansion.parked == ()
    return [short(occurrence.span.start) for occurrence in expansion.occurrences]


def short(moment: Moment) -> str:
    return moment.strftime("%m-%d %H:%M") if isinstance(moment, datetime) else moment.strftime("%m-%d")


def lengths(expansion: Expansion) -> list[timedelta]:
    edges = [occurrence.span.edges(UTC) for occurrence in expansion.occurrences]
    return [end - start for start, end in edges]
