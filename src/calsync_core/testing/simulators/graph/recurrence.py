"""Graph's recurrence patterns and ranges, and the dates they name."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from attrs import field, frozen

from calsync_core.testing.simulators.graph.errors import bad_property
from calsync_core.testing.simulators.graph.times import parse_date, zone_of

__all__ = ["Recurrence"]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEXES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
_LAST_YEAR = 4500  # Outlook's own end of time


@frozen
class Recurrence:
    """A pattern and its range.

    Attributes:
        json: As it was written; what Graph adds by itself (``firstDayOfWeek`` …) is in ``shown``.
        zone: The series' zone, by name: its wall clock is the one that keeps time over DST changes.
        end: Inclusive ("recurrencerange").
    """

    kind: str
    interval: int
    days: frozenset[int]
    week_start: int
    day: int
    month: int
    index: int
    start: date
    end: date | None
    count: int | None
    zone: str
    json: Mapping[str, Any] = field(eq=False)

    @classmethod
    def parse(cls, value: Any, zone: str, home: str) -> Recurrence:
        """From ``{"pattern", "range"}``.

        Args:
            value: The JSON.
            zone: The event's; the range may name another.
            home: The mailbox's.

        Raises:
            GraphError: a member is missing or wrong.
        """
        pattern = value.get("pattern") if isinstance(value, dict) else None
        extent = value.get("range") if isinstance(value, dict) else None
        if not isinstance(pattern, dict) or not isinstance(extent, dict):
            raise bad_property("recurrence: a pattern and a range are needed")
        kind = str(pattern.get("type"))
        needs = _NEEDS.get(kind)
        if needs is None:
            raise bad_property(f"recurrence.pattern.type: no such pattern: '{kind}'")
        start = parse_date(extent.get("startDate"), "recurrence.range.startDate")
        bounds = _extent(extent)
        own_zone = extent.get("recurrenceTimeZone") or zone
        zone_of(own_zone, home)
        return cls(
            kind,
            interval=_number(pattern, "interval", 999, default=1),
            days=_days(pattern, needed="daysOfWeek" in needs),
            week_start=_DAYS.index(str(pattern.get("firstDayOfWeek") or "sunday").lower()),
            day=_number(pattern, "dayOfMonth", 31) if "dayOfMonth" in needs else start.day,
            month=_number(pattern, "month", 12) if "month" in needs else start.month,
            index=_index(pattern.get("index")),
            start=start,
            end=bounds[0],
            count=bounds[1],
            zone=own_zone,
            json=value,
        )

    def dates(self) -> Iterator[date]:
        """The days on which it takes place, in order; of an endless one, until the year 4500."""
        number = 0
        for day in self._candidates():
            if day < self.start:
                continue
            if (self.end is not None and day > self.end) or day.year > _LAST_YEAR:
                return
            number += 1
            if self.count is not None and number > self.count:
                return
            yield day

    def shown(self) -> dict[str, Any]:
        """As Graph returns it: every member of the pattern and the range, whether it means something or not."""
        pattern = {
            "type": self.kind,
            "interval": self.interval,
            "month": self.month if "month" in _NEEDS[self.kind] else 0,
            "dayOfMonth": self.day if "dayOfMonth" in _NEEDS[self.kind] else 0,
            "firstDayOfWeek": _DAYS[self.week_start],
            "index": next(name for name, place in _INDEXES.items() if place == self.index),
        }
        if "daysOfWeek" in _NEEDS[self.kind]:
            pattern["daysOfWeek"] = [_DAYS[day] for day in sorted(self.days)]
        kind = "endDate" if self.end else "numbered" if self.count else "noEnd"
        extent = {
            "type": kind,
            "startDate": self.start.isoformat(),
            "endDate": self.end.isoformat() if self.end else "0001-01-01",
            "recurrenceTimeZone": self.zone,
            "numberOfOccurrences": self.count or 0,
        }
        return {"pattern": pattern, "range": extent}

    def _candidates(self) -> Iterator[date]:
        match self.kind:
            case "daily":
                yield from _every(self.start, self.interval)
            case "weekly":
                week = self.start - timedelta(days=(self.start.weekday() - self.week_start) % 7)
                order = sorted((day - self.week_start) % 7 for day in self.days)
                for first in _every(week, 7 * self.interval):
                    yield from (first + timedelta(days=offset) for offset in order)
            case "absoluteMonthly" | "relativeMonthly":
                yield from (self._in_month(*month) for month in _months(self.start, self.interval))
            case _:
                first = date(self.start.year, self.month, 1)
                yield from (self._in_month(*month) for month in _months(first, 12 * self.interval))

    def _in_month(self, year: int, month: int) -> date:
        length = calendar.monthrange(year, month)[1]
        if self.kind.startswith("absolute"):
            # Exchange takes the last day of a shorter month ([MS-OXOCAL], MonthNth and Month patterns).
            return date(year, month, min(self.day, length))
        fitting = [day for day in range(1, length + 1) if date(year, month, day).weekday() in self.days]
        return date(year, month, fitting[self.index])


_NEEDS: Mapping[str, tuple[str, ...]] = {
    "daily": (),
    "weekly": ("daysOfWeek",),
    "absoluteMonthly": ("dayOfMonth",),
    "relativeMonthly": ("daysOfWeek",),
    "absoluteYearly": ("dayOfMonth", "month"),
    "relativeYearly": ("daysOfWeek", "month"),
}


def _every(first: date, days: int) -> Iterator[date]:
    while first.year <= _LAST_YEAR:
        yield first
        first += timedelta(days=days)


def _months(first: date, interval: int) -> Iterator[tuple[int, int]]:
    number = first.year * 12 + first.month - 1
    while number // 12 <= _LAST_YEAR:
        yield number // 12, number % 12 + 1
        number += interval


def _extent(extent: Mapping[str, Any]) -> tuple[date | None, int | None]:
    match extent.get("type"):
        case "endDate":
            return parse_date(extent.get("endDate"), "recurrence.range.endDate"), None
        case "numbered":
            return None, _number(extent, "numberOfOccurrences", 999)
        case "noEnd":
            return None, None
        case other:
            raise bad_property(f"recurrence.range.type: no such range: '{other}'")


def _number(value: Mapping[str, Any], name: str, most: int, *, default: int | None = None) -> int:
    number = value.get(name, default)
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
        raise bad_property(f"recurrence: {name}: '{number}' is not from 1 to {most}")
    return number


def _days(pattern: Mapping[str, Any], *, needed: bool) -> frozenset[int]:
    names = pattern.get("daysOfWeek") or []
    if not isinstance(names, list) or (needed and not names):
        raise bad_property("recurrence.pattern.daysOfWeek: at least one day is needed")
    try:
        return frozenset(_DAYS.index(str(name).lower()) for name in names)
    except ValueError:
        raise bad_property(f"recurrence.pattern.daysOfWeek: no such day in {names}") from None


def _index(name: Any) -> int:
    if name is None:
        return 0
    if name not in _INDEXES:
        raise bad_property(f"recurrence.pattern.index: no such index: '{name}'")
    return _INDEXES[name]
