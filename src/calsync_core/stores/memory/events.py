"""Items, cursors, debts and the journal in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from attrs import evolve

from calsync_core.core.absorbing import Absorbed, Known, absorb, named_keys
from calsync_core.core.extent import carries
from calsync_core.core.recording import lives, plannable
from calsync_core.errors import InvalidValue
from calsync_core.models import (
    Calendar,
    CalendarId,
    ChangeCount,
    Changes,
    Debt,
    KnownItem,
    Lease,
    ReadState,
    StoredEvent,
    Unplanned,
    Window,
    require_utc,
)
from calsync_core.stores.memory.rows import Role

__all__ = ["MemoryEvents"]


class MemoryEvents(Role):
    """``EventStore`` in memory."""

    def load_read_state(self, calendar_id: CalendarId) -> ReadState:
        """See ``EventStore.load_read_state``."""
        with self._lock:
            self._rows.calendar(calendar_id)
            return self._rows.read_states.get(calendar_id, ReadState())

    def load_read_states(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, ReadState]:
        """See ``EventStore.load_read_states``."""
        with self._lock:
            return {key: self.load_read_state(key) for key in sorted(set(calendar_ids) & self._rows.calendars.keys())}

    def save_read_state(self, lease: Lease, calendar_id: CalendarId, state: ReadState, at: datetime) -> None:
        """See ``EventStore.save_read_state``."""
        with self._lock:
            self._fence(lease, at)
            if state.cursor is not None and state.cursor != self.load_read_state(calendar_id).cursor:
                raise InvalidValue("cursor: a cursor is saved only together with the changes it covers")
            self._rows.calendar(calendar_id)
            self._rows.read_states[calendar_id] = state

    def save_changes(self, lease: Lease, calendar_id: CalendarId, changes: Changes) -> ChangeCount:
        """See ``EventStore.save_changes``."""
        with self._lock:
            self._fence(lease, changes.at)
            calendar = self._rows.calendar(calendar_id)
            absorbed = absorb(changes, calendar, self._known(calendar_id, changes))
            self._write(calendar, absorbed)
            return absorbed.count

    def _known(self, calendar_id: CalendarId, changes: Changes) -> Known:
        items, removed = self._rows.items[calendar_id], set(changes.removed)
        keys = named_keys(changes)
        if removed:
            keys |= {key for key, item in items.items() if item.series in removed}
        debts = self._rows.debts[calendar_id]
        return Known(
            state=self._rows.read_states.get(calendar_id, ReadState()),
            items={key: items[key] for key in keys if key in items},
            debts={key: debts[key] for key in keys if key in debts},
            blocks={key: self._rows.blocks_at(calendar_id, key) for key in keys},
        )

    def _write(self, calendar: Calendar, absorbed: Absorbed) -> None:
        rows, calendar_id = self._rows, calendar.key
        rows.put_items(calendar_id, (*absorbed.replaced, *absorbed.refreshed))
        for key in absorbed.stamped:
            rows.items[calendar_id][key] = evolve(rows.items[calendar_id][key], round=absorbed.round)
        for key in absorbed.removed:
            rows.drop_item(calendar_id, key)
        for key in absorbed.settled:
            rows.debts[calendar_id].pop(key, None)
        for debt in absorbed.debts:
            rows.owe(calendar_id, debt)
        rows.note(absorbed.lines, calendar_id)
        if absorbed.state is not None:
            rows.read_states[calendar_id] = absorbed.state
        if absorbed.first_complete:
            rows.forget_shape({calendar.owner})

    def load_items(self, calendar_id: CalendarId, keys: Collection[str] | None = None) -> Mapping[str, KnownItem]:
        """See ``EventStore.load_items``."""
        with self._lock:
            self._rows.calendar(calendar_id)
            items = self._rows.items[calendar_id]
            wanted = sorted(items if keys is None else items.keys() & set(keys))
            return {key: self._known_item(calendar_id, key) for key in wanted}

    def _known_item(self, calendar_id: CalendarId, key: str) -> KnownItem:
        item = self._rows.items[calendar_id][key]
        ours = [block for block in self._rows.blocks_at(calendar_id, key) if lives(block)]
        first = item.events[0] if item.events else None
        return KnownItem(
            key,
            item.etag,
            ours=bool(ours),
            written_at=ours[-1].changed_at if ours else None,
            identity=first.identity if first is not None else None,
            marked=first is not None and first.mark is not None,
        )

    def load_unseen(self, calendar_id: CalendarId, seen_round: int, covers: Window | None) -> list[str]:
        """See ``EventStore.load_unseen``."""
        with self._lock:
            calendar = self._rows.calendar(calendar_id)
            owed = self._rows.debts[calendar_id]
            return sorted(
                key
                for key, item in self._rows.items[calendar_id].items()
                if item.round < seen_round
                and key not in owed
                and (covers is None or carries(item.events, covers, calendar))
            )

    def load_debts(self, calendar_id: CalendarId, due_at: datetime | None = None) -> list[Debt]:
        """See ``EventStore.load_debts``."""
        until = None if due_at is None else require_utc("due_at", due_at)
        with self._lock:
            self._rows.calendar(calendar_id)
            debts = [debt for debt in self._rows.debts[calendar_id].values() if until is None or debt.due_at <= until]
        return sorted(debts, key=lambda debt: (debt.since, debt.key))

    def load_debtors(self, owner: str, due_at: datetime | None = None) -> Mapping[CalendarId, Sequence[Debt]]:
        """See ``EventStore.load_debtors``."""
        until = None if due_at is None else require_utc("due_at", due_at)
        with self._lock:
            theirs = [key for key, calendar in self._rows.calendars.items() if calendar.owner == owner]
            owed = {key: self.load_debts(key, until) for key in theirs}
        return {key: debts for key, debts in owed.items() if debts}

    def load_events(self, owner: str, identities: Collection[str]) -> list[StoredEvent]:
        """See ``EventStore.load_events``."""
        wanted = set(identities)
        with self._lock:
            found = []
            for calendar in self._rows.calendars_of(owner):
                if not calendar.enabled:
                    continue
                places = (self._rows.by_identity.get((calendar.key, identity), {}) for identity in wanted)
                keys = {key for place in places for key in place}
                for _, event in self._rows.events(calendar.key, keys):
                    if event.identity in wanted:
                        found.append(StoredEvent(calendar.key, event))
            return found

    def load_identities(self, owner: str, window: Window) -> set[str]:
        """See ``EventStore.load_identities``."""
        with self._lock:
            return {
                event.identity
                for calendar in self._rows.calendars_of(owner)
                for key, item in self._rows.items[calendar.key].items()
                for event, (first, last) in zip(item.events, self._rows.reaches[calendar.key][key], strict=True)
                if plannable(event) and first < window.end and (last is None or last >= window.start)
            }

    def load_unplanned(self, owner: str) -> Unplanned:
        """See ``EventStore.load_unplanned``."""
        with self._lock:
            lines = {key: row.line for key, row in self._rows.journal.items() if row.line.owner == owner}
        return Unplanned(
            uids=frozenset(line.word for line in lines.values() if not line.is_key),
            keys=frozenset(line.word for line in lines.values() if line.is_key),
            upto=max(lines, default=0),
        )
