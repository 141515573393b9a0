"""RRULE and EXRULE as values (RFC 5545, 3.3.10). The text may come from anybody."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import cached_property
from typing import Any

from attrs import evolve, frozen

from calsync_core.core.occurrences.walls import Unusable
from calsync_core.models import Moment

__all__ = ["Freq", "Rule", "parse_rule", "parse_time"]


class Freq(IntEnum):
    """The periods of a rule, longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6

    @property
    def length(self) -> timedelta:
        """How long a period is at the most."""
        days = {Freq.YEARLY: 366, Freq.MONTHLY: 31, Freq.WEEKLY: 7, Freq.DAILY: 1}
        seconds = {Freq.HOURLY: 3600, Freq.MINUTELY: 60, Freq.SECONDLY: 1}
        return timedelta(days=days.get(self, 0), seconds=seconds.get(self, 0))


@frozen
class Rule:
    """One recurrence rule.

    Attributes:
        until: A date, a UTC datetime, or a naive datetime (floating: wrong, but common).
        by_day: Pairs of ordinal (0: every) and weekday (Monday is 0).
        wkst: On which weekday a week starts.
    """

    freq: Freq
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    by_month: tuple[int, ...] = ()
    by_week_no: frozenset[int] = frozenset()
    by_year_day: frozenset[int] = frozenset()
    by_month_day: frozenset[int] = frozenset()
    by_day: frozenset[tuple[int, int]] = frozenset()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_second: tuple[int, ...] = ()
    by_set_pos: frozenset[int] = frozenset()
    wkst: int = 0

    @property
    def picks_days(self) -> bool:
        """Whether some part says which days."""
        return bool(self.by_month or self.by_week_no or self.by_year_day or self.by_month_day or self.by_day)

    @cached_property
    def counts_days(self) -> bool:
        """Whether BYDAY names a day by an ordinal."""
        return any(ordinal for ordinal, _ in self.by_day)

    @property
    def every_period(self) -> bool:
        """Whether each period has exactly one instance, as long after the last as any other."""
        picks_times = self.by_hour or self.by_minute or self.by_second or self.by_set_pos
        return self.freq >= Freq.WEEKLY and not self.picks_days and not picks_times

    def for_dates(self) -> Rule:
        """The rule of an all-day series. Parts for times of day are ignored there (RFC 5545, 3.3.10).

        Raises:
            Unusable: it repeats within a day.
        """
        if self.freq > Freq.DAILY:
            raise Unusable("RRULE: an all-day event can't repeat within a day")
        return evolve(self, by_hour=(), by_minute=(), by_second=())

    def completed(self, first: datetime) -> Rule:
        """With what the rule leaves open taken from DTSTART, as RFC 5545, 3.3.10, has it."""
        if self.freq > Freq.MONTHLY and self.counts_days:
            # An ordinal counts within a month or a year; with other periods RFC 5545 forbids it, and it is ignored.
            return evolve(self, by_day=frozenset((0, weekday) for _, weekday in self.by_day))
        if self.by_week_no or self.by_year_day or self.by_month_day or self.by_day:
            only_weeks = self.by_week_no and not (self.by_year_day or self.by_month_day or self.by_day)
            return evolve(self, by_day=frozenset({(0, first.weekday())})) if only_weeks else self
        if self.freq is Freq.YEARLY:
            return evolve(self, by_month=self.by_month or (first.month,), by_month_day=frozenset({first.day}))
        if self.freq is Freq.MONTHLY:
            return evolve(self, by_month_day=frozenset({first.day}))
        if self.freq is Freq.WEEKLY:
            return evolve(self, by_day=frozenset({(0, first.weekday())}))
        return self


# A billion of anything is more than the calendar holds; longer numbers are attacks.
_MOST = 999_999_999
_NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_WEEKDAYS = {name: number for number, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}


def parse_time(text: str) -> Moment:
    """Read ``20261124``, ``20261124T090000`` (naive) or ``20261124T090000Z`` (UTC).

    A leap second is the second before it (RFC 5545, 3.3.12).

    Raises:
        ValueError: it is none of these; the message does not quote it.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("neither a date nor a time")
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    if match[4] is None:
        return date(year, month, day)
    hour, minute, second = (int(part) for part in match.group(4, 5, 6))
    zone = UTC if match[7] else None
    return datetime(year, month, day, hour, minute, 59 if second == 60 else second, tzinfo=zone)


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return parse


def _numbers(low: int, high: int) -> Callable[[str], tuple[int, ...]]:
    one = _number(low, high)
    return lambda text: tuple(sorted({one(part.strip()) for part in text.split(",")}))


def _either_end(high: int) -> Callable[[str], frozenset[int]]:
    """Numbers that count from the beginning or, negative, from the end."""
    one = _number(-high, high)

    def parse(text: str) -> frozenset[int]:
        found = frozenset(one(part.strip()) for part in text.split(","))
        if 0 in found:
            raise ValueError(text)
        return found

    return parse


def _day(text: str) -> tuple[int, int]:
    match = _DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    ordinal = int(match[1]) if match[1] else 0
    if match[1] and not 1 <= abs(ordinal) <= 53:
        raise ValueError(text)
    return ordinal, _WEEKDAYS[match[2]]


def _days(text: str) -> frozenset[tuple[int, int]]:
    return frozenset(_day(part) for part in text.split(","))


def _count(text: str) -> int | None:
    # Confluence writes -1 for "as often as UNTIL allows".
    return None if text == "-1" else _number(1, _MOST)(text)


def _seconds(text: str) -> tuple[int, ...]:
    return tuple(sorted({min(second, 59) for second in _numbers(0, 60)(text)}))


_PARTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "FREQ": ("freq", lambda text: Freq[text]),
    "INTERVAL": ("interval", _number(1, _MOST)),
    "COUNT": ("count", _count),
    "UNTIL": ("until", parse_time),
    "BYMONTH": ("by_month", _numbers(1, 12)),
    "BYWEEKNO": ("by_week_no", _either_end(53)),
    "BYYEARDAY": ("by_year_day", _either_end(366)),
    "BYMONTHDAY": ("by_month_day", _either_end(31)),
    "BYDAY": ("by_day", _days),
    "BYHOUR": ("by_hour", _numbers(0, 23)),
    "BYMINUTE": ("by_minute", _numbers(0, 59)),
    "BYSECOND": ("by_second", _seconds),
    "BYSETPOS": ("by_set_pos", _either_end(366)),
    "WKST": ("wkst", _WEEKDAYS.__getitem__),
}


def parse_rule(text: str) -> Rule:
    """Read the value of an RRULE or EXRULE.

    Case, white space and a stray semicolon don't matter. An unknown part (``RSCALE``, ``SKIP``) makes the whole rule
    unusable: without it the rule would mean other days.

    Raises:
        Unusable: names the part that can't be understood.
    """
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.upper().split(";"))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _PARTS:
            raise Unusable("RRULE: has a part that is unknown here")
        field, parse = _PARTS[name]
        if field in values:
            raise Unusable(f"RRULE: has {name} twice")
        try:
            values[field] = parse(value)
        except (ValueError, KeyError):
            raise Unusable(f"RRULE: {name} can't be understood") from None
    if "freq" not in values:
        raise Unusable("RRULE: has no FREQ")
    return Rule(**values)
