"""Which wall times a rule names, by random access to its periods.

A rule without COUNT is evaluated only in the periods that touch the wanted stretch, however long ago it began; one that
never matches costs no more than one that does. That is why this is not ``dateutil.rrule``, which walks from DTSTART
and, where nothing matches, on to the year 9999 within a single ``next()``. The tests compare the two.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import product

from calsync_core.core.occurrences.rule import Freq, Rule
from calsync_core.core.occurrences.walls import Steps, moved

__all__ = ["instances"]

_DAY_SECONDS = 86_400


def instances(
    rule: Rule, first: datetime, start: datetime, end: datetime, steps: Steps, *, anchored: bool = True
) -> Iterator[datetime]:
    """The rule's wall times from ``start`` to ``end``, both included, in order; none before ``first``.

    Args:
        rule: UNTIL is the caller's business: it is part of ``end``.
        first: DTSTART on the wall.
        start: May lie before ``first``.
        end: May lie before ``start``.
        steps: Charged for each period and each instance.
        anchored: DTSTART is an instance even if the rule does not name it, and counts (RFC 5545, 3.3.10: "The DTSTART
            property value always counts as the first occurrence").

    Raises:
        Unusable: the steps are used up.
    """
    whole = rule.completed(first)
    if rule.count is not None and rule.every_period:
        end = min(end, moved(first, _times(rule.freq.length * rule.interval, rule.count - 1)))
    elif rule.count is not None:
        yield from _counted(whole, first, start, end, steps, anchored=anchored)
        return
    if anchored and start <= first <= end:
        yield first
    start = max(start, first)
    if start <= end:
        yield from (wall for wall in _matches(whole, first, start, end, steps) if not (anchored and wall == first))


def _times(length: timedelta, number: int) -> timedelta:
    try:
        return length * number
    except OverflowError:
        return timedelta.max


def _counted(
    rule: Rule, first: datetime, start: datetime, end: datetime, steps: Steps, *, anchored: bool
) -> Iterator[datetime]:
    left = rule.count or 0
    if anchored:
        left -= 1
        if start <= first <= end:
            yield first
    if left <= 0 or end < first:
        return
    for wall in _matches(rule, first, first, end, steps):
        if anchored and wall == first:
            continue
        if wall >= start:
            yield wall
        left -= 1
        if left == 0:
            return


def _matches(rule: Rule, first: datetime, start: datetime, end: datetime, steps: Steps) -> Iterator[datetime]:
    """What the BY parts name between two walls, both at or after ``first``."""
    found = (
        _within_days(rule, first, start, end, steps)
        if rule.freq > Freq.DAILY
        else _days(rule, first, start, end, steps)
    )
    for wall in found:
        if wall > end:
            return
        if wall >= start:
            yield wall


def _periods(first: int, start: int, end: int, interval: int) -> range:
    """Numbers of the rule's periods from the last one not after ``start`` up to ``end``."""
    return range(first + (start - first) // interval * interval, end + 1, interval)


def _days(rule: Rule, first: datetime, start: datetime, end: datetime, steps: Steps) -> Iterator[datetime]:
    parts = (rule.by_hour or (first.hour,), rule.by_minute or (first.minute,), rule.by_second or (first.second,))
    steps.spend(len(parts[0]) * len(parts[1]) * len(parts[2]))
    times = [time(*part) for part in product(*parts)]
    for days in _day_sets(rule, first.date(), start.date(), end.date(), steps):
        if rule.by_set_pos:
            steps.spend(len(rule.by_set_pos))
            yield from _picked(rule.by_set_pos, days, times)
            continue
        for day in days:
            # A rule with COUNT starts at the first period, so skipping days before the stretch loses no count.
            if start.date() <= day <= end.date():
                steps.spend(len(times))
                yield from (datetime.combine(day, at) for at in times)


def _picked(positions: Collection[int], days: Sequence[date], times: Sequence[time]) -> Iterator[datetime]:
    total = len(days) * len(times)
    places = {position - 1 if position > 0 else total + position for position in positions}
    for place in sorted(places):
        if 0 <= place < total:
            day, at = divmod(place, len(times))
            yield datetime.combine(days[day], times[at])


def _day_sets(rule: Rule, first: date, start: date, end: date, steps: Steps) -> Iterator[list[date]]:
    """The matching days of each period of a rule that repeats by the day or slower."""
    if rule.freq is Freq.YEARLY:
        months = rule.by_month or tuple(range(1, 13))
        for year in _periods(first.year, start.year, end.year, rule.interval):
            steps.spend(len(months))
            yield [day for month in months for day in _month_days(rule, year, month)]
    elif rule.freq is Freq.MONTHLY:
        for number in _periods(_month(first), _month(start), _month(end), rule.interval):
            steps.spend()
            yield list(_month_days(rule, *_year_and_month(number)))
    else:
        length = 7 if rule.freq is Freq.WEEKLY else 1
        # Day 1 of the calendar, 1 January of the year 1, is a Monday.
        shift = (rule.wkst + 1) % 7 if length == 7 else 0
        numbers = [(day.toordinal() - shift) // length for day in (first, start, end)]
        for number in _periods(numbers[0], numbers[1], numbers[2], rule.interval):
            steps.spend()
            opening = number * length + shift
            ordinals = range(max(opening, 1), min(opening + length, date.max.toordinal() + 1))
            days = (date.fromordinal(ordinal) for ordinal in ordinals)
            yield [day for day in days if _matches_day(rule, day)]


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _year_and_month(number: int) -> tuple[int, int]:
    return number // 12, number % 12 + 1


def _month_days(rule: Rule, year: int, month: int) -> Iterator[date]:
    last = calendar.monthrange(year, month)[1]
    if rule.by_month_day:
        named = {day if day > 0 else last + 1 + day for day in rule.by_month_day}
        candidates = sorted(day for day in named if 1 <= day <= last)
    else:
        candidates = list(range(1, last + 1))
    return (day for day in (date(year, month, number) for number in candidates) if _matches_day(rule, day))


def _matches_day(rule: Rule, day: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    if rule.by_month_day and not _named(rule.by_month_day, day.day, calendar.monthrange(day.year, day.month)[1]):
        return False
    if rule.by_year_day and not _named(rule.by_year_day, day.timetuple().tm_yday, _year_length(day.year)):
        return False
    if rule.by_week_no and not _named(rule.by_week_no, *_week(day, rule.wkst)):
        return False
    if not rule.by_day or (0, day.weekday()) in rule.by_day:
        return True
    return rule.counts_days and not rule.by_day.isdisjoint(_counted_weekdays(rule, day))


def _named(numbers: Collection[int], number: int, total: int) -> bool:
    return number in numbers or number - total - 1 in numbers


def _year_length(year: int) -> int:
    return 366 if calendar.isleap(year) else 365


def _week(day: date, wkst: int) -> tuple[int, int]:
    """The number of the day's week, and how many weeks the year has to which that week belongs.

    RFC 5545, 3.3.10: the first week of a year is the first that has at least four days in it.
    """
    ordinal = day.toordinal()
    for year in (day.year + 1, day.year, day.year - 1):
        opening = _first_week(year, wkst)
        if opening <= ordinal:
            return (ordinal - opening) // 7 + 1, (_first_week(year + 1, wkst) - opening) // 7
    raise AssertionError("a day lies in a week of its own year or a neighbour")


def _first_week(year: int, wkst: int) -> int:
    # By arithmetic and not with date(), so that the years 0 and 10000 next to the calendar's ends have a week too.
    before = year - 1
    ordinal = before * 365 + before // 4 - before // 100 + before // 400 + 1
    opening = ordinal - (ordinal - 1 - wkst) % 7
    return opening if ordinal - opening <= 3 else opening + 7


def _counted_weekdays(rule: Rule, day: date) -> tuple[tuple[int, int], ...]:
    """The ways in which BYDAY can name the day by an ordinal."""
    weekday = day.weekday()
    if rule.freq is Freq.YEARLY and not rule.by_month:
        number, total = day.timetuple().tm_yday, _year_length(day.year)
    else:
        number, total = day.day, calendar.monthrange(day.year, day.month)[1]
    return ((number - 1) // 7 + 1, weekday), (-((total - number) // 7 + 1), weekday)


def _within_days(rule: Rule, first: datetime, start: datetime, end: datetime, steps: Steps) -> Iterator[datetime]:
    """A rule that repeats within a day, one day at a time, so that a day without a match is one step."""
    for ordinal in range(start.toordinal(), end.toordinal() + 1):
        steps.spend()
        day = date.fromordinal(ordinal)
        if not _matches_day(rule, day):
            continue
        for clock in _clocks(rule, first, ordinal, steps):
            times = _expanded(rule, first, clock)
            steps.spend(len(times) + len(rule.by_set_pos))
            if rule.by_set_pos:
                yield from _picked(rule.by_set_pos, [day], times)
            else:
                yield from (datetime.combine(day, at) for at in times)


def _clocks(rule: Rule, first: datetime, ordinal: int, steps: Steps) -> Iterator[tuple[int, int, int]]:
    """Hour, minute and second at which the periods of one day begin, as far as the rule names them."""
    unit = int(rule.freq.length.total_seconds())
    stride = unit * rule.interval
    midnight = ordinal * _DAY_SECONDS
    opening = (_seconds(first) // unit * unit - midnight) % stride
    named = (
        rule.by_hour or range(24),
        rule.by_minute or range(60) if unit <= 60 else (0,),
        rule.by_second or range(60) if unit == 1 else (0,),
    )
    count = len(named[0]) * len(named[1]) * len(named[2])
    if count * stride < _DAY_SECONDS:
        steps.spend(count)
        for clock in product(*named):
            if (clock[0] * 3600 + clock[1] * 60 + clock[2]) % stride == opening:
                yield clock
        return
    for second in range(opening, _DAY_SECONDS, stride):
        steps.spend()
        clock = second // 3600, second // 60 % 60, second % 60
        if all(part in allowed for part, allowed in zip(clock, named, strict=True)):
            yield clock


def _expanded(rule: Rule, first: datetime, clock: tuple[int, int, int]) -> list[time]:
    hour, minute, second = clock
    minutes = (minute,) if rule.freq >= Freq.MINUTELY else rule.by_minute or (first.minute,)
    seconds = (second,) if rule.freq is Freq.SECONDLY else rule.by_second or (first.second,)
    return [time(hour, at_minute, at_second) for at_minute in minutes for at_second in seconds]


def _seconds(wall: datetime) -> int:
    return wall.toordinal() * _DAY_SECONDS + wall.hour * 3600 + wall.minute * 60 + wall.second
