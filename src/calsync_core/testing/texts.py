"""Events as iCalendar text, for hands that act as a person's app does."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from calsync_core.models import Availability, Event, Moment

__all__ = ["icalendar_of", "time_line", "vevent_of"]

_SPECIAL = re.compile(r"([\\;,])")


def icalendar_of(*events: Event | str, head: str = "") -> str:
    """A whole iCalendar file.

    Args:
        events: What is in it; as text, the lines between ``BEGIN:VEVENT`` and ``END:VEVENT``.
        head: Lines that come before them: properties of the calendar, VTIMEZONEs.
    """
    bodies = [event if isinstance(event, str) else vevent_of(event) for event in events]
    inner = "".join(f"BEGIN:VEVENT\n{body.strip()}\nEND:VEVENT\n" for body in bodies)
    head = f"{head.strip()}\n" if head else ""
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{head}{inner}END:VCALENDAR\n".replace("\n", "\r\n")


def vevent_of(event: Event, *further: str) -> str:
    """The lines of one VEVENT, and further ones, without its BEGIN and END.

    Says as much as ``RemoteHands.put`` asks for: UID, times, recurrence, availability, privacy, title.
    """
    lines = [
        f"UID:{event.uid}",
        "DTSTAMP:20260301T000000Z",
        time_line("DTSTART", event.span.start),
        time_line("DTEND", event.span.end),
        "SUMMARY:" + _SPECIAL.sub(r"\\\1", event.title),
        "TRANSP:TRANSPARENT" if event.availability is Availability.FREE else "TRANSP:OPAQUE",
        *event.recurrence,
    ]
    if event.private:
        lines.append("CLASS:PRIVATE")
    if event.original_start is not None:
        lines.append(time_line("RECURRENCE-ID", event.original_start))
    if event.cancelled:
        lines.append("STATUS:CANCELLED")
    return "\n".join([*lines, *further])


def time_line(name: str, moment: Moment | date) -> str:
    """One property that is a time: a date, a time in a named zone, or one in UTC."""
    if not isinstance(moment, datetime):
        return f"{name};VALUE=DATE:{moment:%Y%m%d}"
    if isinstance(moment.tzinfo, ZoneInfo) and moment.tzinfo.key != "UTC":
        return f"{name};TZID={moment.tzinfo.key}:{moment:%Y%m%dT%H%M%S}"
    return f"{name}:{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
