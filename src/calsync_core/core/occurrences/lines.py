"""The recurrence lines of a master, read against its own dial."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, tzinfo

from attrs import frozen

from calsync_core.core.occurrences.rule import Rule, parse_rule, parse_time
from calsync_core.core.occurrences.walls import LONGEST, Dial, Unusable
from calsync_core.core.zones import resolve_zone
from calsync_core.models import Moment, slot_of

__all__ = ["Addition", "Recurrence", "parse_lines"]


@frozen
class Addition:
    """One RDATE.

    Attributes:
        length: Its own, if it was written as a period.
    """

    start: Moment
    length: timedelta | None = None


@frozen
class Recurrence:
    """When a series repeats, apart from DTSTART.

    Attributes:
        without_slots: EXDATEs that name an occurrence by its original start.
        without_days: EXDATEs of a timed series that are dates: they exclude all that starts on that day in the
            series' zone, which is what programs mean that write them.
    """

    rules: tuple[Rule, ...] = ()
    exrules: tuple[Rule, ...] = ()
    additions: tuple[Addition, ...] = ()
    without_slots: frozenset[str] = frozenset()
    without_days: frozenset[date] = frozenset()

    def excludes(self, wall: datetime, slot: str) -> bool:
        """Whether an EXDATE takes this occurrence out."""
        return slot in self.without_slots or wall.date() in self.without_days


# Name, parameters and value of a content line (RFC 5545, 3.1); a quoted parameter may hold colons and semicolons.
_LINE = re.compile(r'\s*([A-Za-z]+)((?:;[^:;="]+=(?:"[^"]*"|[^:;"]*))*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([^:;="]+)=(?:"([^"]*)"|([^:;"]*))')
_DURATION = re.compile(
    r"\+?P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?", re.ASCII
)


def parse_lines(lines: Iterable[str], first: Moment, home: tzinfo) -> Recurrence:
    """Read a master's recurrence lines.

    Args:
        lines: As ``Event.recurrence`` has them.
        first: The master's start; it decides in which zone floating values are read, and whether dates are meant.
        home: The calendar's zone.

    Raises:
        Unusable: names the line and what is wrong with it, without quoting it.
    """
    dial = Dial.of(first, home)
    rules: dict[str, list[Rule]] = {"RRULE": [], "EXRULE": []}
    additions: list[Addition] = []
    slots: set[str] = set()
    days: set[date] = set()
    for line in lines:
        name, zone, value = _split(line)
        if not value:
            # Some feeds write an empty RRULE into every event.
            continue
        if name in rules:
            rule = parse_rule(value)
            rules[name].append(rule.for_dates() if dial.zone is None else rule)
        elif name == "RDATE":
            additions.extend(_addition(text, zone, dial, first) for text in _values(value))
        else:
            for text in _values(value):
                excluded = _read(text, name)
                if dial.zone is not None and not isinstance(excluded, datetime):
                    days.add(excluded)
                else:
                    slots.add(slot_of(_on(dial, excluded, zone)))
    # Of two RDATEs for one start, the period says more.
    additions.sort(key=lambda addition: addition.length is None)
    return Recurrence(
        tuple(rules["RRULE"]), tuple(rules["EXRULE"]), tuple(additions), frozenset(slots), frozenset(days)
    )


def _split(line: str) -> tuple[str, tzinfo | None, str]:
    match = _LINE.fullmatch(line)
    name = match[1].upper() if match else ""
    if match is None or name not in {"RRULE", "EXRULE", "RDATE", "EXDATE"}:
        raise Unusable("recurrence: has a line that is neither RRULE, EXRULE, RDATE nor EXDATE")
    zone: tzinfo | None = None
    for parameter, quoted, plain in _PARAMETER.findall(match[2]):
        if parameter.strip().upper() == "TZID":
            zone = resolve_zone(quoted or plain)
            if zone is None:
                raise Unusable(f"{name}: is in an unknown time zone")
    return name, zone, match[3].strip()


def _values(value: str) -> Iterator[str]:
    return filter(None, (text.strip().upper() for text in value.split(",")))


def _read(text: str, name: str) -> Moment:
    try:
        return parse_time(text)
    except ValueError:
        raise Unusable(f"{name}: has a value that is no date or time") from None


def _on(dial: Dial, value: Moment, zone: tzinfo | None) -> Moment:
    """The moment meant by a value of the line, on the series' dial: floating values are in the series' own zone."""
    if isinstance(value, datetime) and value.tzinfo is None and zone is not None:
        value = Dial(zone).moment(value)
    if dial.zone is not None and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(dial.zone)
    return dial.moment(dial.wall(value))


def _addition(text: str, zone: tzinfo | None, dial: Dial, first: Moment) -> Addition:
    opening, slash, closing = text.partition("/")
    value = _read(opening, "RDATE")
    if dial.zone is not None and not isinstance(value, datetime):
        # A date among times has no time of its own: that day, at the hour of the series.
        value = datetime.combine(value, dial.wall(first).time())
    start = _on(dial, value, zone)
    if not slash:
        return Addition(start)
    length = _length(closing, value, zone, dial)
    if not timedelta(0) <= length <= LONGEST:
        raise Unusable("RDATE: has a period that is longer than a year, or ends before it starts")
    return Addition(start, length)


def _length(closing: str, opening: Moment, zone: tzinfo | None, dial: Dial) -> timedelta:
    match = _DURATION.fullmatch(closing)
    if match is not None:
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return dial.wall(_on(dial, _read(closing, "RDATE"), zone)) - dial.wall(_on(dial, opening, zone))
