"""Between which instants something can take place: what a store can search by, without expanding a series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from calsync_core.core.occurrences import bounds, expand, may_recur
from calsync_core.models import Block, Calendar, Event, Window

__all__ = ["carries", "reach", "slot_end"]

_DAY = timedelta(days=1)
# MariaDB's DATETIME starts in the year 1000; a day of slack keeps conversions from overflowing at either end.
_EARLIEST = datetime(1000, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def reach(event: Event) -> tuple[datetime, datetime | None]:
    """Between which instants (UTC) the event can possibly take place, in any calendar's zone; end None: endless.

    An all-day event is a day wider on both sides, so that changing the zone of its calendar changes nothing here.
    """
    first, last = bounds(event, UTC)
    if event.span.all_day:
        first, last = max(first, _EARLIEST) - _DAY, None if last is None else min(last, _LATEST) + _DAY
    return _within(first), None if last is None else _within(last)


def _within(instant: datetime) -> datetime:
    return min(max(instant, _EARLIEST), _LATEST)


def carries(events: Iterable[Event], window: Window, calendar: Calendar) -> bool:
    """Whether one of an item's events overlaps the window, exactly: not being listed would mean that it is gone."""
    return any(_overlaps(event, window, calendar) for event in events)


def _overlaps(event: Event, window: Window, calendar: Calendar) -> bool:
    if may_recur(event):
        return bool(expand([event], window, calendar.zone).occurrences)
    try:
        return window.overlaps(event.span, calendar.zone)
    except OverflowError:
        return False


def slot_end(block: Block) -> datetime:
    """From when on (UTC) nothing that lands late for this block can matter, in any zone of its calendar."""
    _, end = block.content.span.edges(UTC)
    if block.content.span.all_day:
        end = min(end, _LATEST) + _DAY
    return _within(max(end, _slot_start(block.slot) or end))


def _slot_start(slot: str) -> datetime | None:
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%d"):
        try:
            return datetime.strptime(slot, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
