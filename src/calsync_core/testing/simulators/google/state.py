"""Everything the simulated service remembers: users, calendars, events and the order in which they changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from attrs import define, evolve, field, frozen

from calsync_core.protocols import Clock
from calsync_core.testing.simulators.google.errors import not_found
from calsync_core.testing.simulators.google.times import Moment, find_zone, moment_of, slot_key, stamp

__all__ = ["ROLES", "Body", "Calendar", "Entry", "Line", "State", "User"]

Body = dict[str, Any]
"""An event in JSON, with its times as they are kept. Never changed in place."""

ROLES = ("none", "freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner")
"""Weakest first."""

_REMEMBERED = 1_000
"""How many changes of a calendar can be undone for a listing that trails behind."""


@frozen(eq=False)
class Entry:
    """One event on one calendar; a master, an exception, or an instance made up for the moment.

    Attributes:
        change: The number of its last change, over the whole service.
        gone: Slots that the series once had, and the change that took them.
    """

    id: str
    body: Body = field(repr=False)
    change: int
    gone: Mapping[str, int] = field(factory=dict)

    @property
    def cancelled(self) -> bool:
        """Whether it is deleted."""
        return bool(self.body["status"] == "cancelled")

    @property
    def series(self) -> str | None:
        """The id of the series of which it is an exception or instance."""
        return self.body.get("recurringEventId")

    @property
    def recurring(self) -> bool:
        """Whether it is a master."""
        return bool(self.body.get("recurrence")) and self.series is None

    @property
    def original(self) -> Moment:
        """For an exception or instance: when it would begin."""
        return moment_of(self.body["originalStartTime"])

    @property
    def slot(self) -> str:
        """For an exception or instance: how its id ends."""
        return slot_key(self.original)


@frozen(eq=False)
class Line:
    """A calendar's entry on one user's list.

    Attributes:
        extra: ``summaryOverride``, ``hidden`` … as the user set them.
    """

    change: int
    deleted: bool = False
    extra: Mapping[str, Any] = field(factory=dict)


@define(eq=False)
class Calendar:
    """One calendar.

    Attributes:
        roles: By the user's address; the strength of what they may do.
        reminders: Default reminders.
        pushes: Whether it can be watched.
        made_by: The OAuth client that made it (for the scope ``calendar.app.created``).
        epoch: Sync tokens of another epoch are void.
        change: The number of the last change of an event.
        recent: Per change its number, the event's id, and what was there before.
        lines: The calendar's entry on each user's list, by address.
    """

    id: str
    summary: str
    owner: str
    timezone: str
    primary: bool = False
    roles: dict[str, str] = field(factory=dict)
    reminders: tuple[Mapping[str, Any], ...] = ()
    pushes: bool = True
    made_by: str | None = None
    epoch: int = 0
    change: int = 0
    updated: str = "1970-01-01T00:00:00.000Z"
    entries: dict[str, Entry] = field(factory=dict, repr=False)
    recent: deque[tuple[int, str, Entry | None]] = field(factory=lambda: deque(maxlen=_REMEMBERED), repr=False)
    lines: dict[str, Line] = field(factory=dict, repr=False)

    @property
    def zone(self) -> tzinfo:
        """Its time zone."""
        return find_zone(self.timezone) or UTC

    def role(self, email: str) -> str:
        """What a user may do here."""
        return self.roles.get(email, "none")

    def exceptions(self, master: str) -> list[Entry]:
        """The stored exceptions of a series, cancelled ones included."""
        prefix = master + "_"
        return [entry for key, entry in self.entries.items() if key.startswith(prefix) and entry.series == master]

    def behind(self, changes: int) -> tuple[Mapping[str, Entry], int]:
        """The events as they were that many changes ago, and the number of the last change they show."""
        if changes <= 0 or not self.recent:
            return self.entries, self.change
        entries: dict[str, Entry | None] = dict(self.entries)
        undone = list(self.recent)[-changes:]
        entries.update((key, before) for _, key, before in reversed(undone))
        kept = {key: entry for key, entry in entries.items() if entry is not None}
        return kept, undone[0][0] - 1


@define(eq=False)
class User:
    """Somebody with an account; the primary calendar has the address as its id."""

    email: str
    name: str
    timezone: str


class State:
    """The whole memory.

    Args:
        clock: What ``created`` and ``updated`` are taken from, and everything that expires.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.users: dict[str, User] = {}
        self.calendars: dict[str, Calendar] = {}
        self.listeners: list[Callable[[Calendar, Entry | None], None]] = []
        self.change = 0
        self._last = datetime.min.replace(tzinfo=UTC)

    def tick(self) -> int:
        """The number of a new change."""
        self.change += 1
        return self.change

    def now(self) -> str:
        """A time stamp; no two are the same, so that ``updated`` tells which came later."""
        self._last = max(self.clock.now(), self._last + timedelta(milliseconds=1))
        return stamp(self._last, milliseconds=True)

    def find(self, email: str, calendar_id: str, at_least: str = "freeBusyReader") -> Calendar:
        """The calendar by its id or ``primary``.

        Raises:
            ApiError: 404, there is none or this user does not see it.
        """
        chosen = email if calendar_id == "primary" else calendar_id
        calendar = self.calendars.get(chosen)
        if calendar is None or ROLES.index(calendar.role(email)) < ROLES.index(at_least):
            raise not_found()
        return calendar

    def commit(self, calendar: Calendar, key: str, body: Body, *, touch: bool = True) -> Entry:
        """Save an event, number the change and tell who listens.

        Args:
            calendar: Where.
            key: The event's id.
            body: All of it; ``etag``, ``updated`` and what a new event gets besides are set here.
            touch: Whether ``updated`` moves; reminders alone don't move it (discovery document, ``Event.reminders``).
        """
        change, now = self.tick(), self.now()
        before = calendar.entries.get(key)
        kept = {
            "kind": "calendar#event",
            "htmlLink": f"https://www.google.com/calendar/event?eid={key}",
            "created": now,
            "sequence": 0,
            **body,
            "id": key,
            "etag": f'"{3_000_000_000_000_000 + 2_000 * change}"',
        }
        if touch or "updated" not in kept:
            kept["updated"] = now
        entry = Entry(key, kept, change, before.gone if before is not None else {})
        self._save(calendar, entry, before)
        return entry

    def lose_slots(self, calendar: Calendar, entry: Entry, slots: set[str]) -> None:
        """Note that a series no longer has these slots, for listings of single events."""
        kept = evolve(entry, gone={**entry.gone, **dict.fromkeys(slots, entry.change)})
        calendar.entries[entry.id] = kept

    def forget(self, calendar: Calendar, key: str) -> None:
        """Drop an event without a trace in any listing."""
        calendar.entries.pop(key, None)

    def line(self, calendar: Calendar, email: str, **changes: Any) -> None:
        """Change the calendar's entry on a user's list."""
        old = calendar.lines.get(email) or Line(0)
        calendar.lines[email] = evolve(old, change=self.tick(), **changes)

    def _save(self, calendar: Calendar, entry: Entry, before: Entry | None) -> None:
        calendar.recent.append((entry.change, entry.id, before))
        calendar.entries[entry.id] = entry
        calendar.change, calendar.updated = entry.change, entry.body["updated"]
        for tell in self.listeners:
            tell(calendar, entry)
