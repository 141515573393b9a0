"""The example calendars: found wherever they were installed, and shifted to next week."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from calsync_core.errors import ConfigurationError

__all__ = ["read_calendar", "shift", "split", "story_monday"]

EXAMPLE_MONDAY = date(2026, 1, 5)
"""The Monday of the week that the shipped calendars are written for."""

_DATED = re.compile(r"(DTSTART|DTEND|RECURRENCE-ID|EXDATE|RDATE|RRULE)[;:]")
_DAY = re.compile(r"\b\d{8}(?=T\d{6}|\b)")


def story_monday(today: date) -> date:
    """The first Monday that is at least two days away: the whole week lies ahead, wherever midnight is."""
    return today + timedelta(days=(-today.weekday() - 2) % 7 + 2)


def read_calendar(name: str) -> str:
    """One of the calendars under ``examples/calendars``, which an installed package carries inside itself.

    Raises:
        ConfigurationError: the installation lacks them.
    """
    installed: Traversable = files("calsync_core.cli.demo") / "calendars" / f"{name}.ics"
    for place in (installed, Path(__file__).parents[4] / "examples" / "calendars" / f"{name}.ics"):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ConfigurationError(f"demo: the example calendar {name}.ics is missing from this installation")


def shift(text: str, days: int) -> str:
    """Move every event by whole days; with a multiple of seven, weekdays and wall times stay what they are."""

    def later(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + timedelta(days=days)).strftime("%Y%m%d")

    lines, inside = [], False
    for line in _unfolded(text):
        if line in {"BEGIN:VEVENT", "END:VEVENT"}:
            inside = line.startswith("BEGIN")
        lines.append(_DAY.sub(later, line) if inside and _DATED.match(line) else line)
    return _folded(lines)


def split(text: str) -> dict[str, str]:
    """One iCalendar object per UID, as a CalDAV server wants them, each with the file's time zones.

    Returns:
        Resource names (``UID.ics``, as far as the UID goes into a name) and texts.
    """
    zones: list[str] = []
    events: dict[str, list[str]] = {}
    for kind, lines in _components(text):
        if kind == "VTIMEZONE":
            zones += lines
        else:
            uid = next(line.partition(":")[2] for line in lines if line.startswith("UID:"))
            events.setdefault(uid, []).extend(lines)
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//calsync-core//example calendars//EN"]
    return {
        f"{uid.partition('@')[0]}.ics": _folded([*head, *zones, *lines, "END:VCALENDAR"])
        for uid, lines in events.items()
    }


def _components(text: str) -> Iterator[tuple[str, list[str]]]:
    kind, lines = "", list[str]()
    for line in _unfolded(text):
        if not kind and line in {"BEGIN:VTIMEZONE", "BEGIN:VEVENT"}:
            kind = line.removeprefix("BEGIN:")
        if kind:
            lines.append(line)
        if line == f"END:{kind}":
            yield kind, lines
            kind, lines = "", []


def _unfolded(text: str) -> list[str]:
    return re.sub(r"\r?\n[ \t]", "", text).splitlines()


def _folded(lines: list[str]) -> str:
    """Lines of at most 75 octets (RFC 5545, 3.1); the examples' long lines are ASCII, so letters are octets."""
    pieces = []
    for line in lines:
        pieces.append(line[:75])
        pieces += [f" {line[at : at + 74]}" for at in range(75, len(line), 74)]
    return "\r\n".join([*pieces, ""])
