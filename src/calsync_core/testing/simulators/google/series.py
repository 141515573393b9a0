"""Saving an event and what that means for its series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.instances import resolve, slots
from calsync_core.testing.simulators.google.state import Body, Calendar, Entry, State

__all__ = ["Shelf"]

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Shelf:
    """Saves events; a series that is deleted, moved or ended takes its exceptions along."""

    def __init__(self, state: State, habits: Habits) -> None:
        self._state = state
        self._habits = habits

    def save(self, calendar: Calendar, key: str, body: Body) -> Entry:
        """Save an event and settle its series."""
        before = resolve(calendar, key)
        touch = before is None or _without_reminders(before.body) != _without_reminders(body)
        after = self._state.commit(calendar, key, body, touch=touch)
        if before is not None and before.recurring and key in calendar.entries:
            self._settle(calendar, before, after)
        return calendar.entries[key]

    def _settle(self, calendar: Calendar, before: Entry, after: Entry) -> None:
        """Let go what has no place any more.

        A deleted master shows in lists as itself alone (fact: it arrives as a bare id); so does one that became a
        single event. What a moved series does to its exceptions is a habit.
        """
        exceptions = calendar.exceptions(after.id)
        if after.cancelled or not after.recurring:
            for one in exceptions:
                self._state.forget(calendar, one.id)
            if not after.recurring:
                self._state.lose_slots(calendar, after, self._slots(before))
            return
        if all(before.body.get(name) == after.body.get(name) for name in ("start", "recurrence")):
            return
        kept = self._slots(after)
        self._state.lose_slots(calendar, after, self._slots(before) - kept)
        for one in exceptions:
            if one.slot in kept:
                continue
            if self._habits.tells_lost_exceptions:
                self._state.commit(calendar, one.id, {**one.body, "status": "cancelled"})
            else:
                self._state.forget(calendar, one.id)

    def _slots(self, master: Entry) -> set[str]:
        high = self._state.clock.now() + self._habits.expansion + timedelta(days=1)
        return {slot.key for slot in slots(master.body, _ALWAYS, high)}


def _without_reminders(body: Body) -> Body:
    skipped = {"reminders", "etag", "updated", "id"}
    return {name: value for name, value in body.items() if name not in skipped}
