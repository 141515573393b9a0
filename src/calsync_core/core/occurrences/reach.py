"""How far an event reaches in time, without expanding it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from calsync_core.core.occurrences.lines import Recurrence, parse_lines
from calsync_core.core.occurrences.rule import Freq, Rule
from calsync_core.core.occurrences.walls import LAST_WALL, Dial, Unusable, moved, placed
from calsync_core.models import Event

__all__ = ["bounds"]

# A wall time and its instant differ by less than a day; so do two readings of an all-day series' midnight.
_SLACK = timedelta(days=2)
_INSTANT = timedelta(seconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)


def bounds(event: Event, zone: tzinfo) -> tuple[datetime, datetime | None]:
    """Between which instants an event can take place.

    Exact for a single event or a plain exception. A master's stretch has room to spare, and covers its rule and RDATEs
    but not its exceptions, which have their own. A THISANDFUTURE exception has no end.

    Args:
        event: Any event; one that is parked or can't be expanded has bounds all the same.
        zone: Where the midnights of an all-day event lie.

    Returns:
        UTC ``[start, end)``; the end is None for an endless or unknown one.
    """
    try:
        first, last = placed(event).edges(zone)
    except OverflowError:
        return _FIRST, None
    if not event.recurrence and not event.and_future:
        return first, max(last, moved(first, _INSTANT))
    begin = moved(first, -_SLACK)
    if event.and_future:
        return begin, None
    try:
        recurrence = parse_lines(event.recurrence, event.span.start, zone)
    except (Unusable, OverflowError):
        return begin, None
    return _series_bounds(event, recurrence, Dial.of(event.span.start, zone), begin, last)


def _series_bounds(
    event: Event, recurrence: Recurrence, dial: Dial, begin: datetime, last: datetime
) -> tuple[datetime, datetime | None]:
    first = dial.wall(event.span.start)
    length = dial.length(event.span)
    starts, ends = [begin], [moved(last, _SLACK)]
    for addition in recurrence.additions:
        wall = dial.wall(addition.start).replace(tzinfo=UTC)
        starts.append(moved(wall, -_SLACK))
        ends.append(moved(wall, (length if addition.length is None else addition.length) + _SLACK))
    for rule in recurrence.rules:
        wall_end = _last_wall(rule, first, dial)
        if wall_end is None:
            return min(starts), None
        ends.append(moved(wall_end.replace(tzinfo=UTC), length + _SLACK))
    return min(starts), max(ends)


def _last_wall(rule: Rule, first: datetime, dial: Dial) -> datetime | None:
    """A wall time after which the rule has no instance; None if that takes more than a glance."""
    ends = []
    if rule.until is not None:
        ends.append(dial.last_wall(rule.until))
    periods = _most_periods(rule, first)
    if periods is not None:
        ends.append(_after(first, rule, periods))
    return min(ends) if ends else None


def _most_periods(rule: Rule, first: datetime) -> int | None:
    """Within how many periods COUNT is surely used up; None if there may be periods without an instance."""
    if rule.count is None:
        return None
    picked_otherwise = rule.by_month or rule.by_week_no or rule.by_year_day or rule.by_month_day or rule.by_set_pos
    weekly = rule.freq is Freq.WEEKLY and not picked_otherwise
    always = rule.freq < Freq.WEEKLY and not rule.picks_days and not rule.by_set_pos and first.day <= 28
    return rule.count if rule.every_period or weekly or always else None


def _after(first: datetime, rule: Rule, periods: int) -> datetime:
    try:
        # One more: the first period may lie mostly before DTSTART.
        return moved(first, rule.freq.length * rule.interval * (periods + 1))
    except OverflowError:
        return LAST_WALL
