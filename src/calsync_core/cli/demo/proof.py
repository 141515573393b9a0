"""A second opinion: what should stand on the calendars, worked out from the services' raw listings by another library.

Series are expanded by ``recurring_ical_events`` and judged by the dozen lines below; nothing here is shared with the
engine, so that a mistake of the engine's can't hide in its own mirror.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import recurring_ical_events
from attrs import evolve, frozen
from icalendar import Calendar, Event

from calsync_core.cli.demo.town import EMAIL, ZONE, Town
from calsync_core.models import Moment

__all__ = ["Shown", "block_differences", "shown_on", "shown_week"]

Listings = Mapping[str, Mapping[str, str]]


@frozen
class Shown:
    """One stretch of time that a calendar shows.

    Attributes:
        kind: ``busy``, ``tentative``, ``free``, ``declined`` or ``cancelled``.
        slot: The original start: what names an occurrence of a series.
        block: It is a busy block, not an event of hers.
    """

    start: Moment
    end: Moment
    kind: str
    title: str
    uid: str
    slot: Moment
    block: bool

    @property
    def look(self) -> tuple[Moment, Moment, str]:
        """What a block shows of an event: when, and whether tentative."""
        return self.start, self.end, self.kind

    @property
    def blocks(self) -> bool:
        """Whether it takes its owner's time."""
        return self.kind in {"busy", "tentative"}


def shown_week(town: Town, listings: Listings) -> dict[str, list[Shown]]:
    """Everything on each calendar in the story's week, in order."""
    return {desk.name: shown_on(town, listings[desk.name], own=set(desk.own)) for desk in town.desks}


def shown_on(town: Town, listing: Mapping[str, str], *, own: set[str]) -> list[Shown]:
    """What one listing shows in the story's week, expanded and sorted."""
    shown = [
        evolve(each, block=name not in own) for name, text in listing.items() for each in _shown_by(text, town.monday)
    ]
    return sorted(shown, key=lambda each: (instant(each.start), instant(each.end), each.title))


def block_differences(week: Mapping[str, Iterable[Shown]]) -> list[str]:
    """What is missing or too much on each calendar, compared with what the others' events ask for."""
    wrong = []
    for target, everything in week.items():
        hers = {(each.uid, each.slot) for each in everything if not each.block and each.blocks}
        wanted = {
            (each.uid, each.slot): each.look
            for source, others in week.items()
            for each in others
            if source != target and not each.block and each.blocks and (each.uid, each.slot) not in hers
        }
        should = Counter(wanted.values())
        does = Counter(each.look for each in everything if each.block)
        wrong += [f"{target}: missing {look[0]:%a %d %b} {_clock(look[0])}" for look in (should - does).elements()]
        wrong += [f"{target}: too much {look[0]:%a %d %b} {_clock(look[0])}" for look in (does - should).elements()]
    return wrong


def instant(moment: Moment) -> datetime:
    """Where it lies on the time line; a date begins at midnight in the story's zone."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.combine(moment, time(), ZoneInfo(ZONE)).astimezone(UTC)


@lru_cache(maxsize=1024)  # every calendar is listed some twenty times, and most events stay what they are
def _shown_by(text: str, monday: date) -> tuple[Shown, ...]:
    start = datetime.combine(monday, time(), ZoneInfo(ZONE))
    found = recurring_ical_events.of(Calendar.from_ical(text)).between(start, start + timedelta(days=7))
    return tuple(_shown(event) for event in found if isinstance(event, Event))


def _shown(event: Event) -> Shown:
    slot = event.RECURRENCE_ID or event.start
    return Shown(
        start=_local(event.start),
        end=_local(event.end),
        kind=_kind(event),
        title=str(event.get("SUMMARY", "")),
        uid=str(event["UID"]),
        slot=_local(slot),
        block=False,
    )


def _kind(event: Event) -> str:
    status = str(event.get("STATUS", "")).upper()
    people = event.get("ATTENDEE", [])
    answers = [
        str(person.params.get("PARTSTAT", "NEEDS-ACTION"))
        for person in (people if isinstance(people, list) else [people])
        if str(person).lower() == f"mailto:{EMAIL}"
    ]
    if status == "CANCELLED":
        return "cancelled"
    if "DECLINED" in answers:
        return "declined"
    if str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
        return "free"
    return "tentative" if status == "TENTATIVE" or {"TENTATIVE", "NEEDS-ACTION"} & set(answers) else "busy"


def _local(moment: date) -> Moment:
    return moment.astimezone(ZoneInfo(ZONE)) if isinstance(moment, datetime) else moment


def _clock(moment: Moment) -> str:
    return f"{moment:%H:%M}" if isinstance(moment, datetime) else "all day"
