"""Recurrence lines, rewritten so that every value in them has a zone anybody can look up. Pure; nothing is expanded."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from calsync_core.icalendar.components import Component, Property
from calsync_core.icalendar.places import Places, Unplaceable, instant_in, parse_local
from calsync_core.icalendar.vtimezones import CustomZone
from calsync_core.models import Moment

__all__ = ["parse_recurrence"]

MAX_VALUES = 5_000
MAX_RULE = 2_000


def parse_recurrence(component: Component, places: Places, start: Moment) -> tuple[str, ...]:
    """The RRULE, EXRULE, RDATE and EXDATE lines of a master.

    Args:
        component: The master.
        places: The zones of its file.
        start: Its first start; values without a zone are read by its zone.

    Raises:
        Unplaceable: a zone in them is unknown, or there is an absurd number of them.
        ValueError: malformed.
    """
    lines = []
    values = 0
    for line in component.all("RRULE", "EXRULE", "RDATE", "EXDATE"):
        value = line.value.strip().rstrip(";")
        if not value:
            continue
        if line.name.endswith("RULE"):
            if len(value) > MAX_RULE:
                raise Unplaceable("a recurrence rule of absurd length")
            lines.append(f"{line.name}:{value}")
        else:
            values += value.count(",") + 1
            if values > MAX_VALUES:
                raise Unplaceable(f"more than {MAX_VALUES} recurrence dates")
            lines += _dates(line, value, places, start)
    return tuple(lines)


def _dates(line: Property, text: str, places: Places, start: Moment) -> list[str]:
    """One list of dates as one line per kind: dates, local times in a named zone, and UTC."""
    kinds: dict[str, list[str]] = {}
    for value in filter(None, (part.strip() for part in text.split(","))):
        prefix, placed = _placed(line, value, places, start)
        kinds.setdefault(prefix, []).append(placed)
    return [f"{line.name}{prefix}:{','.join(values)}" for prefix, values in kinds.items()]


def _placed(line: Property, value: str, places: Places, start: Moment) -> tuple[str, str]:
    first, slash, rest = value.partition("/")
    local, utc = parse_local(first)
    if not isinstance(local, datetime):
        return ";VALUE=DATE", first
    if not isinstance(start, datetime):
        return ";VALUE=DATE", first[:8]
    period = ";VALUE=PERIOD" if slash else ""
    if utc:
        return period, value.upper()
    zone = _zone(line, places, start, local.year)
    if isinstance(zone, ZoneInfo) and zone.key != "UTC":
        return f";TZID={zone.key}{period}", value
    ends = [first, rest] if slash and not rest.upper().startswith(("P", "+P")) else [first]
    placed = "/".join(_in_utc(end, zone) for end in ends)
    return period, placed if not slash or len(ends) > 1 else f"{placed}/{rest}"


def _zone(line: Property, places: Places, start: datetime, year: int) -> ZoneInfo | CustomZone:
    name = line.parameters.get("TZID")
    if name:
        return places.zone(name, year, series=False)
    return start.tzinfo if isinstance(start.tzinfo, ZoneInfo) else ZoneInfo("UTC")


def _in_utc(text: str, zone: ZoneInfo | CustomZone) -> str:
    local, utc = parse_local(text)
    if not isinstance(local, datetime):
        raise ValueError("a malformed period")  # noqa: TRY004  (a wrong text, not a wrong type)
    if utc:
        instant = local.replace(tzinfo=UTC)
    elif isinstance(zone, CustomZone):
        instant = instant_in(zone, local)
    else:
        instant = local.replace(tzinfo=zone).astimezone(UTC)
    return instant.strftime("%Y%m%dT%H%M%SZ")
