"""VTIMEZONE: the rules a calendar file brings along for a zone whose name says nothing. Pure.

Such a zone is matched with an IANA zone that does the same, or used to turn single instants into UTC (I-24).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from attrs import field, frozen

from calsync_core.core.occurrences.instances import instances
from calsync_core.core.occurrences.rule import Rule, parse_rule
from calsync_core.core.occurrences.walls import Steps
from calsync_core.core.zones import resolve_zone
from calsync_core.icalendar.components import Component

__all__ = ["CustomZone", "build_custom_zone", "matching_zone", "named_zone"]

_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})(\d{2})?")
_LOCAL = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z?")
_RULE_PARTS = frozenset({"FREQ", "UNTIL", "COUNT", "BYMONTH", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYSETPOS", "WKST"})
_MAX_ONSETS = 500
_MATCHING = 1_000
"""Steps that it costs to compare a zone with all others."""
_ONE_DAY = timedelta(days=1)
_TEN_YEARS = timedelta(days=3653)


@frozen
class _Observance:
    start: datetime
    before: timedelta
    after: timedelta
    rule: Rule | None
    dates: tuple[datetime, ...]

    def onsets(self, first: int, last: int, steps: Steps) -> Iterator[datetime]:
        """Local times (by the offset before) at which it begins: in these years, and for its rule the last before."""
        steps.spend(1 + len(self.dates))
        yield from (each for each in (self.start, *self.dates) if each.year <= last)
        if self.rule:
            begin = datetime(first, 1, 1)  # noqa: DTZ001  (a wall time: naive on purpose)
            end = min(datetime(last, 12, 31, 23, 59), _last_wall(self.rule))  # noqa: DTZ001  (as well)
            # Rarer than every leap year no clock is changed.
            since = min(begin, end) - _TEN_YEARS
            yield from instances(self.rule, self.start, since, end, steps, anchored=False)


def _last_wall(rule: Rule) -> datetime:
    # An UNTIL in UTC against local onsets: the difference is hours, once, on the zone's last change.
    if isinstance(rule.until, datetime):
        return rule.until.replace(tzinfo=None)
    return datetime.combine(rule.until or date.max, time.max)


@frozen(cache_hash=True)
class CustomZone:
    """The observances of one VTIMEZONE.

    Attributes:
        steps: What evaluating them may still cost.
    """

    observances: tuple[_Observance, ...]
    steps: Steps = field(eq=False, repr=False)

    def to_utc(self, local: datetime) -> datetime:
        """The instant of a local (naive) time. One that does not exist, or exists twice, as RFC 5545 section 3.3.5."""
        offset, changes = _changes(self, local.year - 1, local.year + 1)
        index = bisect_right([onset for onset, _, _ in changes], local)
        if index:
            onset, before, after = changes[index - 1]
            skipped = max(after - before, timedelta(0))
            offset = before if local < onset + skipped else after
        return (local - offset).replace(tzinfo=UTC)

    def transitions(self, first: int, last: int) -> tuple[timedelta, list[tuple[datetime, timedelta]]]:
        """The offset at the start of the first year, and the UTC instants in these years with the offset after each."""
        offset, changes = _changes(self, first, last)
        begin = datetime(first, 1, 1)  # noqa: DTZ001  (a wall time: naive on purpose)
        for onset, _, after in changes:
            if onset <= begin:
                offset = after
        return offset, [
            ((onset - before).replace(tzinfo=UTC), after) for onset, before, after in changes if onset > begin
        ]


@lru_cache(maxsize=1024)
def _changes(zone: CustomZone, first: int, last: int) -> tuple[timedelta, list[tuple[datetime, timedelta, timedelta]]]:
    """The offset before the first change, and the changes: local onset, offset before, offset after."""
    changes = sorted(
        (onset, each.before, each.after)
        for each in zone.observances
        for onset in each.onsets(first - 1, last, zone.steps)
    )
    earliest = changes[0][1] if changes else min(zone.observances, key=lambda each: each.start).before
    return earliest, changes


def build_custom_zone(vtimezone: Component, steps: Steps) -> CustomZone:
    """Read the rules.

    Args:
        vtimezone: Where they are.
        steps: What evaluating them may cost, this and later; shared by all zones of a file.

    Raises:
        ValueError: they are missing, malformed, or of a kind no real zone uses (only yearly rules are evaluated, so
            that ``FREQ=SECONDLY`` costs nothing).
    """
    observances = tuple(_observance(each) for each in vtimezone.components if each.name in {"STANDARD", "DAYLIGHT"})
    if not 0 < len(observances) <= _MAX_ONSETS:
        raise ValueError("a VTIMEZONE without usable observances")
    return CustomZone(observances, steps)


def named_zone(vtimezone: Component) -> ZoneInfo | None:
    """The zone that the VTIMEZONE names itself, whatever its rules."""
    for name in ("X-LIC-LOCATION", "TZID"):
        line = vtimezone.first(name)
        zone = resolve_zone(line.text) if line else None
        if zone is not None:
            return zone
    return None


@lru_cache(maxsize=256)
def matching_zone(custom: CustomZone, first: int, last: int) -> ZoneInfo | None:
    """An IANA zone with the same offset at every instant of these years; the same one on every call and machine.

    Failing that, one whose changes are up to an hour off: programs (icalendar among them) write an onset in the
    offset after it, where RFC 5545 has the offset before.

    Raises:
        ValueError: evaluating its rules costs too much.
    """
    custom.steps.spend(_MATCHING)
    for slack in (timedelta(0), timedelta(minutes=75)):
        probes = _probes(custom, first, last, slack)
        for zone in _candidates():
            if all(instant.astimezone(zone).utcoffset() == expected for instant, expected in probes):
                return zone
    return None


def _probes(custom: CustomZone, first: int, last: int, slack: timedelta) -> list[tuple[datetime, timedelta]]:
    offset, transitions = custom.transitions(first, last)
    probes = [(datetime(first, 1, 1, tzinfo=UTC) + _ONE_DAY, offset)]
    for instant, after in transitions:
        probes += [(instant - slack - timedelta(seconds=1), offset), (instant + slack, after)]
        offset = after
    return probes + list(_monthly(probes, first, last))


def _monthly(known: list[tuple[datetime, timedelta]], first: int, last: int) -> Iterator[tuple[datetime, timedelta]]:
    """Between the changes: so that a zone with further changes of its own does not match."""
    instants = [instant for instant, _ in known]
    for year in range(first, last + 1):
        for month in range(1, 13):
            probe = datetime(year, month, 15, tzinfo=UTC)
            index = bisect_right(instants, probe)
            yield probe, known[max(index - 1, 0)][1]


@lru_cache(maxsize=1)
def _candidates() -> tuple[ZoneInfo, ...]:
    # Places come before Etc/GMT+5 and the like, in a fixed order.
    names = [name for name in available_timezones() if "/" in name and not name.startswith(("posix/", "right/"))]
    names.sort(key=lambda name: (name.startswith(("Etc/", "US/", "SystemV/")), name))
    return (ZoneInfo("UTC"), *(ZoneInfo(name) for name in names))


def _observance(component: Component) -> _Observance:
    rules = [each.value.strip().upper() for each in component.all("RRULE")]
    if len(rules) > 1 or not all(map(_plain, rules)):
        raise ValueError("a VTIMEZONE with a rule that is not plainly yearly")
    dates = tuple(_local(part) for line in component.all("RDATE") for part in line.value.split(","))
    if len(dates) > _MAX_ONSETS:
        raise ValueError("a VTIMEZONE with too many dates")
    start = _local(_value(component, "DTSTART"))
    before, after = (_offset(_value(component, name)) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
    return _Observance(start, before, after, parse_rule(rules[0]).completed(start) if rules else None, dates)


def _plain(rule: str) -> bool:
    parts = {name: value for name, _, value in (part.partition("=") for part in rule.split(";"))}
    return parts.get("FREQ") == "YEARLY" and parts.keys() <= _RULE_PARTS


def _value(component: Component, name: str) -> str:
    line = component.first(name)
    if line is None:
        raise ValueError(f"a VTIMEZONE without {name}")
    return line.value.strip()


def _local(text: str) -> datetime:
    match = _LOCAL.fullmatch(text.strip())
    if match is None:
        raise ValueError("a VTIMEZONE with a malformed date")
    return datetime(*map(int, match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001  (a wall time: naive on purpose)


def _offset(text: str) -> timedelta:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError("a VTIMEZONE with a malformed offset")
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if offset >= _ONE_DAY:
        raise ValueError("a VTIMEZONE with an impossible offset")
    return -offset if match[1] == "-" else offset
