"""Date and time values of one iCalendar file, placed on the time line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attrs import define, field

from calsync_core.core.occurrences.walls import Steps, Unusable
from calsync_core.core.zones import resolve_zone
from calsync_core.icalendar.components import Component, Property
from calsync_core.icalendar.vtimezones import CustomZone, build_custom_zone, matching_zone, named_zone
from calsync_core.models import Moment

__all__ = ["Places", "Unplaceable", "instant_in", "parse_duration", "parse_local"]

_VALUE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})([Zz])?)?")
_DURATION = re.compile(r"([+-])?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_FIRST_YEAR, _LAST_YEAR = 1000, 9990
_MOST_STEPS = 50_000
"""What evaluating all the VTIMEZONEs of a file may cost: a file of 1 MB could otherwise take hours."""
_YEARS_AHEAD = 5
"""How long a series' own VTIMEZONE must agree with an IANA zone to be taken for it."""


class Unplaceable(Exception):
    """The value is well-formed, but nobody can know when it is; the message is the reason to park the event."""


@define
class Places:
    """Resolves the zones of one file.

    Attributes:
        floating: Where times without a zone are; None: nobody said.
        custom: The file's VTIMEZONEs by TZID.
    """

    floating: ZoneInfo | None
    custom: Mapping[str, Component] = field(factory=dict)
    _built: dict[str, CustomZone] = field(factory=dict, init=False)
    _steps: Steps = field(factory=lambda: Steps(_MOST_STEPS), init=False)

    @classmethod
    def of(cls, root: Component, floating: ZoneInfo | None) -> Places:
        """The places of a parsed file."""
        return cls(floating, {zone.text: each for each in root.walk("VTIMEZONE") if (zone := each.first("TZID"))})

    def moment(self, line: Property, value: str | None = None, *, series: bool = False) -> Moment:
        """The moment a line gives.

        Args:
            line: DTSTART, DTEND, RECURRENCE-ID, or one that lists values.
            value: One value of such a list; None: the line's own.
            series: A rule will be expanded in its zone, so that an instant alone is not enough.

        Raises:
            Unplaceable: unknown zone, floating without a zone to float in, or a year no calendar has.
            ValueError: malformed.
        """
        local, utc = parse_local(line.value if value is None else value)
        if not isinstance(local, datetime):
            return local
        if utc:
            return local.replace(tzinfo=UTC)
        name = line.parameters.get("TZID")
        zone = self.zone(name, local.year, series=series)
        if isinstance(zone, CustomZone):
            return instant_in(zone, local)
        return local.replace(tzinfo=zone)

    def zone(self, name: str | None, year: int, *, series: bool) -> ZoneInfo | CustomZone:
        """What a TZID stands for in and after a year.

        Raises:
            Unplaceable: see ``moment``.
        """
        if not name:
            if self.floating is None:
                raise Unplaceable("floating time, and neither calendar nor account has a time zone")
            return self.floating
        known = resolve_zone(name)
        if known is not None:
            return known
        if name not in self.custom:
            raise Unplaceable(f"unknown time zone {name[:60]!r}")
        return self._custom(name, year, series=series)

    def _custom(self, name: str, year: int, *, series: bool) -> ZoneInfo | CustomZone:
        component = self.custom[name]
        named = named_zone(component)
        if named is not None:
            return named
        try:
            custom = self._built.get(name) or build_custom_zone(component, self._steps)
            self._built[name] = custom
            match = matching_zone(custom, year, year + _YEARS_AHEAD) if series else None
        except (ValueError, OverflowError):
            raise Unplaceable(f"time zone {name[:60]!r} has rules that can't be read") from None
        if match is None and series:
            raise Unplaceable(f"time zone {name[:60]!r} has rules of its own, which no series can be expanded by")
        return match or custom


def instant_in(zone: CustomZone, local: datetime) -> datetime:
    """The instant of a local time.

    Raises:
        Unplaceable: the zone's rules cost too much.
    """
    try:
        return zone.to_utc(local)
    except Unusable:
        raise Unplaceable("time zones with rules that cost too much") from None


def parse_local(text: str) -> tuple[Moment, bool]:
    """A DATE or a DATE-TIME as written (then naive), and whether it is in UTC.

    Raises:
        Unplaceable: a year that no calendar has.
        ValueError: malformed.
    """
    match = _VALUE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a malformed date or time")
    year, month, day = (int(part) for part in match.groups()[:3])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Unplaceable(f"the year {year}")
    if match[4] is None:
        return date(year, month, day), False
    # A leap second (60) exists on no wall that Python knows.
    clock = time(int(match[4]), int(match[5]), min(int(match[6]), 59))
    return datetime.combine(date(year, month, day), clock), match[7] is not None


def parse_duration(text: str) -> tuple[timedelta, timedelta]:
    """The nominal part (weeks and days: the same wall time) and the exact part (RFC 5545 section 3.3.6).

    Raises:
        ValueError: malformed.
    """
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groups()[1:]):
        raise ValueError("a malformed duration")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    sign = -1 if match[1] == "-" else 1
    try:
        return sign * timedelta(weeks=weeks, days=days), sign * timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise Unplaceable("a duration beyond all calendars") from None
