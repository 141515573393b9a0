"""Items, cursors, debts and the journal in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from calsync_core.core.absorbing import Known, absorb, named_keys
from calsync_core.core.extent import carries
from calsync_core.errors import InvalidValue, UnknownCalendar
from calsync_core.models import (
    BlockState,
    CalendarId,
    ChangeCount,
    Changes,
    Debt,
    Event,
    KnownItem,
    Lease,
    ReadState,
    StoredEvent,
    Unplanned,
    Window,
)
from calsync_core.stores.sql import items, tables
from calsync_core.stores.sql.blocks import load_blocks_at
from calsync_core.stores.sql.codec import decode, digest
from calsync_core.stores.sql.rows import (
    Role,
    among,
    chunks,
    fence,
    forget_shape,
    lock_owners,
    note,
    require_calendar,
)

__all__ = ["SQLEvents"]

_NOT_OURS = (str(BlockState.DELETED), str(BlockState.RELEASED))


_ITEM, _EVENT, _BLOCK = tables.items, tables.events, tables.blocks
_CALENDAR, _DEBT, _LINE = tables.calendars, tables.debts, tables.journal
_HERE: sa.BindParameter[Any] = sa.bindparam("calendar_id")
_SAME = (_EVENT.c.calendar_id == _ITEM.c.calendar_id) & (_EVENT.c.key_hash == _ITEM.c.key_hash)
_KNOWN = (
    sa.select(_ITEM.c.key, _ITEM.c.key_hash, _ITEM.c.etag, _EVENT.c.identity, _EVENT.c.mark_hash)
    .select_from(_ITEM.outerjoin(_EVENT, _SAME & (_EVENT.c.position == 0)))
    .where(_ITEM.c.calendar_id == _HERE)
)
_KNOWN_BY_KEY = _KNOWN.where(among(_ITEM.c.key_hash, "hashes"))
_WRITTEN = sa.select(_BLOCK.c.ref, _BLOCK.c.native_hash, _BLOCK.c.changed_at).where(
    _BLOCK.c.target_id == _HERE, _BLOCK.c.state.not_in(_NOT_OURS)
)
_WRITTEN_BY_KEY = _WRITTEN.where(among(_BLOCK.c.native_hash, "hashes"))
_DEBTS = sa.select(_DEBT).where(_DEBT.c.calendar_id == _HERE)
_DEBTS_DUE = _DEBTS.where(_DEBT.c.due_at <= sa.bindparam("due_at"))
_OWED = (
    sa.select(_DEBT)
    .join(_CALENDAR, _CALENDAR.c.id == _DEBT.c.calendar_id)
    .where(_CALENDAR.c.owner == sa.bindparam("owner"))
)
_OWED_DUE = _OWED.where(_DEBT.c.due_at <= sa.bindparam("due_at"))
_CALENDARS = sa.select(_CALENDAR.c.id).where(_CALENDAR.c.owner == sa.bindparam("owner"))
_ENABLED = _CALENDARS.where(_CALENDAR.c.enabled)
_BY_IDENTITY = (
    sa.select(_EVENT.c.calendar_id, _ITEM.c.key, _EVENT.c.position, _EVENT.c.value)
    .join(_ITEM, _SAME)
    .where(among(_EVENT.c.calendar_id, "ids"), among(_EVENT.c.identity_hash, "hashes"))
)
_NEAR = sa.select(_EVENT.c.identity).where(
    _EVENT.c.calendar_id == _HERE, _EVENT.c.plannable, _EVENT.c.starts_at < sa.bindparam("end")
)
_ENDING, _ENDLESS = _NEAR.where(_EVENT.c.ends_at >= sa.bindparam("start")), _NEAR.where(_EVENT.c.ends_at.is_(None))
_STATES = sa.select(tables.read_states.c.calendar_id, tables.read_states.c.value).where(
    among(tables.read_states.c.calendar_id, "ids")
)
_EXISTING = sa.select(_CALENDAR.c.id).where(among(_CALENDAR.c.id, "ids"))
_UNPLANNED = sa.select(_LINE.c.id, _LINE.c.is_key, _LINE.c.word).where(_LINE.c.owner == sa.bindparam("owner"))


class SQLEvents(Role):
    """``EventStore`` in SQL."""

    def load_read_state(self, calendar_id: CalendarId) -> ReadState:
        """See ``EventStore.load_read_state``."""
        found = self.load_read_states([calendar_id])
        if not found:
            raise UnknownCalendar(f"calendar: there is none with id {calendar_id}")
        return found[calendar_id]

    def load_read_states(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, ReadState]:
        """See ``EventStore.load_read_states``."""
        found: dict[CalendarId, ReadState] = {}
        with self._database.reading() as connection:
            for ids in chunks(calendar_ids):
                found |= {
                    row.calendar_id: decode(ReadState, row.value) for row in connection.execute(_STATES, {"ids": ids})
                }
            # Not joined: PostgreSQL would read the states of everybody's calendars for it.
            for ids in chunks(set(calendar_ids) - found.keys()):
                found |= {key: ReadState() for key in connection.scalars(_EXISTING, {"ids": ids})}
        return dict(sorted(found.items()))

    def save_read_state(self, lease: Lease, calendar_id: CalendarId, state: ReadState, at: datetime) -> None:
        """See ``EventStore.save_read_state``."""
        with self._database.writing() as connection:
            fence(connection, lease, at)
            require_calendar(connection, calendar_id)
            if state.cursor is not None and state.cursor != items.read_state(connection, calendar_id).cursor:
                raise InvalidValue("cursor: a cursor is saved only together with the changes it covers")
            items.save_state(connection, calendar_id, state)

    def save_changes(self, lease: Lease, calendar_id: CalendarId, changes: Changes) -> ChangeCount:
        """See ``EventStore.save_changes``."""
        with self._database.writing() as connection:
            fence(connection, lease, changes.at)
            calendar = require_calendar(connection, calendar_id)
            known = _known(connection, calendar_id, changes)
            absorbed = absorb(changes, calendar, known)
            if absorbed.first_complete or absorbed.lines:
                # Before the items: who forgets an account holds its owner first, too.
                lock_owners(connection, {line.owner for line in absorbed.lines} | {calendar.owner})
            gone = [item.key for item in absorbed.replaced if item.key in known.items]
            items.delete_items(connection, calendar_id, [*absorbed.removed, *gone])
            items.insert_items(connection, calendar_id, absorbed.replaced)
            items.refresh_items(connection, calendar_id, absorbed.refreshed)
            items.stamp_items(connection, calendar_id, absorbed.stamped, absorbed.round)
            items.settle_debts(connection, calendar_id, absorbed.settled)
            items.owe_debts(connection, calendar_id, absorbed.debts)
            if absorbed.state is not None:
                items.save_state(connection, calendar_id, absorbed.state)
            if absorbed.first_complete:
                forget_shape(connection, {calendar.owner})
            note(connection, absorbed.lines, calendar_id)
            return absorbed.count

    def load_items(self, calendar_id: CalendarId, keys: Collection[str] | None = None) -> Mapping[str, KnownItem]:
        """See ``EventStore.load_items``."""
        here = {"calendar_id": calendar_id}
        with self._database.reading() as connection:
            require_calendar(connection, calendar_id)
            if keys is None:
                rows, written = list(connection.execute(_KNOWN, here)), list(connection.execute(_WRITTEN, here))
            else:
                rows, written = [], []
                for hashes in chunks(map(digest, keys)):
                    rows += connection.execute(_KNOWN_BY_KEY, {**here, "hashes": hashes})
                    written += connection.execute(_WRITTEN_BY_KEY, {**here, "hashes": hashes})
        blocks = {row.native_hash: row.changed_at for row in sorted(written, key=lambda row: row.ref)}
        return {
            row.key: KnownItem(
                row.key,
                row.etag,
                ours=row.key_hash in blocks,
                written_at=blocks.get(row.key_hash),
                identity=row.identity,
                marked=bool(row.mark_hash),
            )
            for row in sorted(rows, key=lambda row: row.key)
        }

    def load_unseen(self, calendar_id: CalendarId, seen_round: int, covers: Window | None) -> list[str]:
        """See ``EventStore.load_unseen``."""
        item, debt, event = tables.items, tables.debts, tables.events
        owed = sa.exists().where(debt.c.calendar_id == item.c.calendar_id, debt.c.key_hash == item.c.key_hash)
        unseen = sa.select(item.c.key).where(item.c.calendar_id == calendar_id, item.c.round < seen_round, ~owed)
        with self._database.reading() as connection:
            calendar = require_calendar(connection, calendar_id)
            if covers is None:
                return sorted(connection.scalars(unseen))
            same = (event.c.calendar_id == item.c.calendar_id) & (event.c.key_hash == item.c.key_hash)
            near = unseen.add_columns(event.c.value).join(event, same).where(event.c.starts_at < covers.end)
            near = near.where(event.c.ends_at.is_(None) | (event.c.ends_at >= covers.start))
            return sorted(
                {row.key for row in connection.execute(near) if carries([decode(Event, row.value)], covers, calendar)}
            )

    def load_debts(self, calendar_id: CalendarId, due_at: datetime | None = None) -> list[Debt]:
        """See ``EventStore.load_debts``."""
        statement = _DEBTS if due_at is None else _DEBTS_DUE
        with self._database.reading() as connection:
            rows = connection.execute(statement, {"calendar_id": calendar_id, "due_at": due_at})
            debts = [items.debt_of(row) for row in rows]
            if not debts:
                require_calendar(connection, calendar_id)
        return sorted(debts, key=_by_age)

    def load_debtors(self, owner: str, due_at: datetime | None = None) -> Mapping[CalendarId, Sequence[Debt]]:
        """See ``EventStore.load_debtors``."""
        statement = _OWED if due_at is None else _OWED_DUE
        owed: dict[CalendarId, list[Debt]] = defaultdict(list)
        with self._database.reading() as connection:
            for row in connection.execute(statement, {"owner": owner, "due_at": due_at}):
                owed[row.calendar_id].append(items.debt_of(row))
        return {calendar_id: sorted(debts, key=_by_age) for calendar_id, debts in owed.items()}

    def load_events(self, owner: str, identities: Collection[str]) -> list[StoredEvent]:
        """See ``EventStore.load_events``."""
        rows: list[Any] = []
        with self._database.reading() as connection:
            ids = list(connection.scalars(_ENABLED, {"owner": owner}))
            for hashes in chunks(map(digest, identities)):
                for part in chunks(ids):
                    rows.extend(connection.execute(_BY_IDENTITY, {"ids": part, "hashes": hashes}))
        rows.sort(key=lambda row: (row.calendar_id, row.key, row.position))
        return [StoredEvent(row.calendar_id, decode(Event, row.value)) for row in rows]

    def load_identities(self, owner: str, window: Window) -> set[str]:
        """See ``EventStore.load_identities``."""
        found: set[str] = set()
        with self._database.reading() as connection:
            ids = list(connection.scalars(_CALENDARS, {"owner": owner}))
            for calendar_id in ids:
                # Two range searches in one index; an OR would be neither.
                for reaching in (_ENDING, _ENDLESS):
                    near = {"calendar_id": calendar_id, "start": window.start, "end": window.end}
                    found.update(connection.scalars(reaching, near))
        return found

    def load_unplanned(self, owner: str) -> Unplanned:
        """See ``EventStore.load_unplanned``."""
        uids, keys, upto = set[str](), set[str](), 0
        with self._database.reading() as connection:
            # Not kept as rows: after a first read there is one for each event.
            for line_id, is_key, word in connection.execute(_UNPLANNED, {"owner": owner}):
                (keys if is_key else uids).add(word)
                upto = max(upto, line_id)
        return Unplanned(frozenset(uids), frozenset(keys), upto)


def _known(connection: sa.Connection, calendar_id: CalendarId, changes: Changes) -> Known:
    stored = items.load_stored_items(connection, calendar_id, named_keys(changes), changes.removed)
    keys = {*named_keys(changes), *stored}
    return Known(
        state=items.read_state(connection, calendar_id),
        items=stored,
        debts=items.load_debts_by_key(connection, calendar_id, keys),
        blocks=load_blocks_at(connection, calendar_id, keys),
    )


def _by_age(debt: Debt) -> tuple[datetime, str]:
    return debt.since, debt.key
