"""What Ana does to her calendars, and what must have come of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from attrs import frozen

from calsync_core.cli.demo.calendars import EXAMPLE_MONDAY, shift
from calsync_core.cli.demo.proof import shown_on
from calsync_core.cli.demo.town import ZONE, Town
from calsync_core.models import SyncReport

__all__ = ["CHAPTERS", "Chapter", "Evidence"]

Listings = Mapping[str, Mapping[str, str]]


@frozen
class Evidence:
    """What one sync claims, and the calendars as listed right before and after it.

    Attributes:
        before: After Ana's edit, before the sync.
    """

    town: Town
    before: Listings
    after: Listings
    report: SyncReport

    def blocks(self, listings: Listings) -> dict[str, set[str]]:
        """The names of the busy blocks on each calendar."""
        return {desk.name: set(desk.blocks(listings[desk.name])) for desk in self.town.desks}


@frozen
class Chapter:
    """One step of the story.

    Attributes:
        title: A few words.
        told: What happens, in a sentence or two.
        edit: What Ana does in her own calendar app.
        check: What must hold beyond what holds after every step; gives what is wrong.
    """

    title: str
    told: str
    edit: Callable[[Town], None]
    check: Callable[[Evidence], Sequence[str]]


def _nothing(_town: Town) -> None:
    """Ana leaves everything as it is."""


def _rewrite(town: Town, calendar: str, name: str, *changes: tuple[str, str]) -> None:
    """Save an event again with some lines changed; each pattern must fit, or the story would be another."""
    desk = town.desk(calendar)
    text = desk.own[name]
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        if not count:
            raise AssertionError(f"{name} has no {pattern}")
    desk.put({name: text})


def _day(town: Town, weekday: int) -> str:
    return (town.monday + timedelta(days=weekday)).strftime("%Y%m%d")


def _move_meeting(town: Town) -> None:
    _rewrite(
        town,
        "Work",
        "design-review-88.ics",
        (r"DTSTART;TZID=Europe/Berlin:\d{8}T140000", f"DTSTART;TZID={ZONE}:{_day(town, 2)}T100000"),
        (r"DTEND;TZID=Europe/Berlin:\d{8}T153000", f"DTEND;TZID={ZONE}:{_day(town, 2)}T113000"),
    )


def _decline(town: Town) -> None:
    _rewrite(
        town, "Work", "budget-round.ics", (r"PARTSTAT=ACCEPTED(?=:mailto:ana@|:\r\n mailto:ana@)", "PARTSTAT=DECLINED")
    )


def _cancel_occurrence(town: Town) -> None:
    thursday = EXAMPLE_MONDAY + timedelta(days=3)
    override = _override("standup-2021@company.example", thursday, "091500", "093000")
    shifted = shift(override, (town.monday - EXAMPLE_MONDAY).days)
    _rewrite(town, "Work", "standup-2021.ics", (r"END:VCALENDAR\r\n", shifted + "END:VCALENDAR\r\n"))


def _override(uid: str, day: date, start: str, end: str) -> str:
    return "\r\n".join(
        (
            "BEGIN:VEVENT",
            f"UID:{uid}",
            "DTSTAMP:20260105T080000Z",
            f"RECURRENCE-ID;TZID={ZONE}:{day:%Y%m%d}T{start}",
            f"DTSTART;TZID={ZONE}:{day:%Y%m%d}T{start}",
            f"DTEND;TZID={ZONE}:{day:%Y%m%d}T{end}",
            "SUMMARY:Stand-up",
            "STATUS:CANCELLED",
            "SEQUENCE:6",
            "END:VEVENT",
            "",
        )
    )


def _delete_block(town: Town) -> None:
    """The block for Friday's flight disappears from the work calendar."""
    desk = town.desk("Work")
    for name, text in desk.blocks(desk.listing()).items():
        shown = shown_on(town, {name: text}, own=set())
        if any(f"{each.start:%a %H:%M}" == "Fri 17:10" for each in shown):
            desk.delete(name)
            return
    raise AssertionError("there is no block for the flight on the work calendar")


def _wrote(created: int = 0, updated: int = 0, deleted: int = 0) -> Callable[[Evidence], list[str]]:
    """That the sync wrote so many blocks, and that the servers show as many new and gone ones."""

    def check(evidence: Evidence) -> list[str]:
        report = evidence.report
        claimed = (report.busy_blocks_created, report.busy_blocks_updated, report.busy_blocks_deleted)
        wrong = (
            [] if claimed == (created, updated, deleted) else [f"wrote {claimed}, not {(created, updated, deleted)}"]
        )
        before, after = evidence.blocks(evidence.before), evidence.blocks(evidence.after)
        new = sum(len(after[name] - before[name]) for name in before)
        gone = sum(len(before[name] - after[name]) for name in before)
        if (new, gone) != (created, deleted):
            wrong.append(f"the servers show {new} new blocks and {gone} gone ones, not {created} and {deleted}")
        return wrong

    return check


def _first_sync(evidence: Evidence) -> list[str]:
    wrong = [f"{name} had blocks before" for name, blocks in evidence.blocks(evidence.before).items() if blocks]
    standing = sum(map(len, evidence.blocks(evidence.after).values()))
    if standing != evidence.report.busy_blocks_created or not standing:
        wrong.append(f"{evidence.report.busy_blocks_created} blocks reported, {standing} on the servers")
    return wrong


def _idle_sync(evidence: Evidence) -> list[str]:
    wrong = [] if evidence.before == evidence.after else ["the servers changed"]
    if evidence.report.writes:
        wrong.append(f"{evidence.report.writes} blocks written")
    if evidence.report.api_calls > len(evidence.town.desks):
        wrong.append(f"{evidence.report.api_calls} requests for {len(evidence.town.desks)} calendars")
    return wrong


CHAPTERS = (
    Chapter(
        "The first sync",
        "What takes Ana's time on one calendar becomes a busy block on the others. What she declined, what is free "
        "and what is cancelled blocks nothing; what is on two of her calendars already is blocked on the other two.",
        _nothing,
        _first_sync,
    ),
    Chapter(
        "A meeting moves",
        "The design review goes from Tuesday 14:00 to Wednesday 10:00. Its three blocks are updated where they stand: "
        "nothing is deleted and made anew.",
        _move_meeting,
        _wrote(updated=3),
    ),
    Chapter(
        "Ana declines",
        "She says no to Thursday's budget round. It stays on her work calendar, and the time is free again elsewhere.",
        _decline,
        _wrote(deleted=3),
    ),
    Chapter(
        "One occurrence is cancelled",
        "Thursday's stand-up is called off. The series is years old and goes on for ever; one block on each of the "
        "other calendars goes.",
        _cancel_occurrence,
        _wrote(deleted=3),
    ),
    Chapter(
        "A block is deleted by mistake",
        "On her work calendar Ana deletes the block for Friday's flight. The flight is still on, so the block comes "
        "back.",
        _delete_block,
        _wrote(created=1),
    ),
    Chapter(
        "Nothing happened",
        "A sync with nothing to do asks each calendar once whether anything changed, and writes nothing.",
        _nothing,
        _idle_sync,
    ),
)
