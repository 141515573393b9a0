"""Events between iCalendar, in which the examples are written and the second opinion is formed, and services' JSON.

Nothing here is shared with the library's own adapters: a mistake of theirs must not be repeated by what checks them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from attrs import frozen
from icalendar import Calendar, Event, vCalAddress, vText

from calsync_core.models import Moment

__all__ = ["Entry", "Person", "read_entries", "stamp", "write_entries", "zone_name"]


@frozen
class Person:
    """Somebody invited.

    Attributes:
        answer: As iCalendar has it: ``ACCEPTED``, ``DECLINED``, ``TENTATIVE`` or ``NEEDS-ACTION``.
    """

    email: str
    name: str = ""
    answer: str = "NEEDS-ACTION"


@frozen
class Entry:
    """One event, or one occurrence that differs from its series.

    Attributes:
        status: As iCalendar has it: ``CONFIRMED``, ``TENTATIVE`` or ``CANCELLED``.
        rules: Lines of iCalendar: ``RRULE:…``, ``EXDATE…``.
        left_out: Original starts of occurrences that don't take place.
        slot: Of an occurrence: its original start.
        version: Changes with every change, also with one that nothing else here shows.
    """

    uid: str
    start: Moment
    end: Moment
    title: str = ""
    status: str = "CONFIRMED"
    free: bool = False
    private: bool = False
    place: str = ""
    notes: str = ""
    rules: tuple[str, ...] = ()
    left_out: tuple[Moment, ...] = ()
    slot: Moment | None = None
    organizer: Person | None = None
    people: tuple[Person, ...] = ()
    version: str = ""

    def answer(self, email: str) -> str | None:
        """What somebody has answered; None: they are not invited."""
        return next((each.answer for each in self.people if each.email == email), None)


def read_entries(text: str) -> list[Entry]:
    """Every event in an iCalendar text, in its order."""
    return [_entry(event) for event in Calendar.from_ical(text).walk("VEVENT") if isinstance(event, Event)]


def write_entries(entries: Iterable[Entry]) -> str:
    """An iCalendar text without time zones: readers know those by their names."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//calsync-core//demo//EN"]
    for entry in entries:
        lines += _lines(entry)
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def stamp(name: str, moment: Moment) -> str:
    """A line that says when."""
    if not isinstance(moment, datetime):
        return f"{name};VALUE=DATE:{moment:%Y%m%d}"
    zone = zone_name(moment)
    return f"{name}:{moment:%Y%m%dT%H%M%SZ}" if zone == "UTC" else f"{name};TZID={zone}:{moment:%Y%m%dT%H%M%S}"


def zone_name(moment: datetime) -> str:
    """The time zone's IANA name."""
    return moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC"


def _entry(event: Event) -> Entry:
    found = event.get("ATTENDEE", [])
    people = found if isinstance(found, list) else [found]
    rule, organizer = event.get("RRULE"), event.get("ORGANIZER")
    return Entry(
        uid=str(event["UID"]),
        start=event.start,
        end=event.end,
        title=str(event.get("SUMMARY", "")),
        status=str(event.get("STATUS", "CONFIRMED")),
        free=str(event.get("TRANSP", "")) == "TRANSPARENT",
        private=str(event.get("CLASS", "")) == "PRIVATE",
        place=str(event.get("LOCATION", "")),
        notes=str(event.get("DESCRIPTION", "")),
        rules=(f"RRULE:{rule.to_ical().decode()}",) if rule else (),
        left_out=tuple(moment for moment in event.exdates if not isinstance(moment, tuple)),
        slot=event.RECURRENCE_ID,
        organizer=_person(organizer) if isinstance(organizer, vCalAddress) else None,
        people=tuple(_person(each) for each in people if isinstance(each, vCalAddress)),
    )


def _person(address: vCalAddress) -> Person:
    email = str(address).lower().removeprefix("mailto:")
    said = address.params
    return Person(email, str(said.get("CN", "")), str(said.get("PARTSTAT", "NEEDS-ACTION")))


def _lines(entry: Entry) -> list[str]:
    lines = [
        "BEGIN:VEVENT",
        f"UID:{entry.uid}",
        "DTSTAMP:20260105T080000Z",
        stamp("DTSTART", entry.start),
        stamp("DTEND", entry.end),
        f"SUMMARY:{vText(entry.title).to_ical().decode()}",
        f"STATUS:{entry.status}",
        f"TRANSP:{'TRANSPARENT' if entry.free else 'OPAQUE'}",
        *entry.rules,
        *(stamp("EXDATE", moment) for moment in entry.left_out),
        *(f"ATTENDEE;PARTSTAT={each.answer}:mailto:{each.email}" for each in entry.people),
        f"X-VERSION:{vText(entry.version).to_ical().decode()}",
        "END:VEVENT",
    ]
    if entry.slot is not None:
        lines.insert(-1, stamp("RECURRENCE-ID", entry.slot))
    return lines
