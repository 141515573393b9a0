"""Items, their events and debts as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from calsync_core.core.absorbing import StoredItem
from calsync_core.core.extent import reach
from calsync_core.core.recording import owe, plannable
from calsync_core.models import CalendarId, Debt, Event, ReadState
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import among, chunks, insert

__all__ = [
    "delete_items",
    "insert_items",
    "load_debts_by_key",
    "load_events_by_key",
    "load_stored_items",
    "owe_debts",
    "read_state",
    "refresh_items",
    "save_state",
    "stamp_items",
]


_ITEM, _EVENT, _DEBT, _STATE = tables.items, tables.events, tables.debts, tables.read_states
_READ_STATE = sa.select(_STATE.c.value).where(_STATE.c.calendar_id == sa.bindparam("calendar_id"))
_THE_STATE = sa.update(_STATE).where(_STATE.c.calendar_id == sa.bindparam("the_calendar"))
_ITEMS = {
    column: sa.select(_ITEM).where(_ITEM.c.calendar_id == sa.bindparam("calendar_id"), among(column, "hashes"))
    for column in (_ITEM.c.key_hash, _ITEM.c.series_hash)
}
_EVENTS = (
    sa.select(_EVENT.c.key_hash, _EVENT.c.value)
    .where(_EVENT.c.calendar_id == sa.bindparam("calendar_id"), among(_EVENT.c.key_hash, "hashes"))
    .order_by(_EVENT.c.key_hash, _EVENT.c.position)
)
_THESE_DEBTS = (_DEBT.c.calendar_id == sa.bindparam("calendar_id"), among(_DEBT.c.key_hash, "hashes"))
_DEBTS, _DELETE_DEBTS = sa.select(_DEBT).where(*_THESE_DEBTS), sa.delete(_DEBT).where(*_THESE_DEBTS)
_DELETE_ITEMS = sa.delete(_ITEM).where(
    _ITEM.c.calendar_id == sa.bindparam("calendar_id"), among(_ITEM.c.key_hash, "hashes")
)
_THE_ITEM = sa.update(_ITEM).where(
    _ITEM.c.calendar_id == sa.bindparam("the_calendar"), _ITEM.c.key_hash == sa.bindparam("the_key")
)
_THESE_ITEMS = sa.update(_ITEM).where(
    _ITEM.c.calendar_id == sa.bindparam("the_calendar"), among(_ITEM.c.key_hash, "the_keys")
)


def read_state(connection: sa.Connection, calendar_id: CalendarId) -> ReadState:
    """A calendar's read state; a fresh one if it was never read."""
    value = connection.scalar(_READ_STATE, {"calendar_id": calendar_id})
    return ReadState() if value is None else decode(ReadState, value)


def save_state(connection: sa.Connection, calendar_id: CalendarId, state: ReadState) -> None:
    """Replace a calendar's read state."""
    columns = {"due_at": state.due_at, "failures": state.failures, "value": encode(state)}
    if not connection.execute(_THE_STATE, {"the_calendar": calendar_id, **columns}).rowcount:
        insert(connection, _STATE, [{"calendar_id": calendar_id, **columns}])


def load_stored_items(
    connection: sa.Connection, calendar_id: CalendarId, keys: Collection[str], series: Collection[str] = ()
) -> dict[str, StoredItem]:
    """The stored items of these keys, and those that belong to one of these series, with their events."""
    rows = {}
    for column, names in ((_ITEM.c.key_hash, keys), (_ITEM.c.series_hash, series)):
        for hashes in chunks(map(digest, names)):
            found = connection.execute(_ITEMS[column], {"calendar_id": calendar_id, "hashes": hashes})
            rows.update({row.key_hash: row for row in found})
    events = load_events_by_key(connection, calendar_id, rows)
    return {
        row.key: StoredItem(row.key, tuple(events.get(row.key_hash, ())), row.etag, row.version, row.series, row.round)
        for row in rows.values()
    }


def load_events_by_key(
    connection: sa.Connection, calendar_id: CalendarId, key_hashes: Iterable[str]
) -> dict[str, list[Event]]:
    """The events of items, by the hash of the item's key, in their order."""
    found: dict[str, list[Event]] = {}
    for hashes in chunks(key_hashes):
        for row in connection.execute(_EVENTS, {"calendar_id": calendar_id, "hashes": hashes}):
            found.setdefault(row.key_hash, []).append(decode(Event, row.value))
    return found


def insert_items(connection: sa.Connection, calendar_id: CalendarId, items: Sequence[StoredItem]) -> None:
    """Add items with all their events; none of them is there."""
    # First what can fail without the database.
    events = [row for item in items for row in _event_rows(calendar_id, item)]
    insert(connection, tables.items, [_item_row(calendar_id, item) for item in items])
    insert(connection, tables.events, events)


def refresh_items(connection: sa.Connection, calendar_id: CalendarId, items: Sequence[StoredItem]) -> None:
    """Update items whose events are as they were."""
    if not items:
        return
    columns = ("etag", "version", "series", "series_hash", "round")
    rows = [_item_row(calendar_id, item) for item in items]
    connection.execute(
        _THE_ITEM,
        [
            {"the_calendar": calendar_id, "the_key": row["key_hash"], **{column: row[column] for column in columns}}
            for row in rows
        ],
    )


def stamp_items(connection: sa.Connection, calendar_id: CalendarId, keys: Collection[str], seen_round: int) -> None:
    """Give stored items a round number."""
    for hashes in chunks(map(digest, keys)):
        connection.execute(_THESE_ITEMS, {"the_calendar": calendar_id, "the_keys": hashes, "round": seen_round})


def delete_items(connection: sa.Connection, calendar_id: CalendarId, keys: Collection[str]) -> None:
    """Delete items; foreign keys take along their events."""
    for hashes in chunks(map(digest, keys)):
        connection.execute(_DELETE_ITEMS, {"calendar_id": calendar_id, "hashes": hashes})


def load_debts_by_key(connection: sa.Connection, calendar_id: CalendarId, keys: Collection[str]) -> dict[str, Debt]:
    """What is owed of these keys."""
    found = {}
    for hashes in chunks(map(digest, keys)):
        rows = connection.execute(_DEBTS, {"calendar_id": calendar_id, "hashes": hashes})
        found.update({row.key: debt_of(row) for row in rows})
    return found


def debt_of(row: sa.Row[Any]) -> Debt:
    """A debt from its row."""
    return Debt(row.key, row.reason, row.since, row.due_at, row.attempts)


def owe_debts(connection: sa.Connection, calendar_id: CalendarId, debts: Sequence[Debt]) -> None:
    """Insert or replace debts; what is owed already keeps its ``since``."""
    owed = load_debts_by_key(connection, calendar_id, [debt.key for debt in debts])
    rows = {}
    for debt in debts:
        kept = owe(owed.get(debt.key), debt)
        rows[digest(debt.key)] = {
            "calendar_id": calendar_id,
            "key_hash": digest(debt.key),
            "key": debt.key,
            "reason": debt.reason,
            "since": kept.since,
            "due_at": debt.due_at,
            "attempts": debt.attempts,
        }
    settle_debts(connection, calendar_id, [debt.key for debt in debts])
    insert(connection, tables.debts, list(rows.values()))


def settle_debts(connection: sa.Connection, calendar_id: CalendarId, keys: Collection[str]) -> None:
    """Forget debts that are paid."""
    for hashes in chunks(map(digest, keys)):
        connection.execute(_DELETE_DEBTS, {"calendar_id": calendar_id, "hashes": hashes})


def _item_row(calendar_id: CalendarId, item: StoredItem) -> dict[str, Any]:
    return {
        "calendar_id": calendar_id,
        "key_hash": digest(item.key),
        "key": item.key,
        "etag": item.etag,
        "version": item.version,
        "series": item.series,
        "series_hash": None if item.series is None else digest(item.series),
        "round": item.round,
    }


def _event_rows(calendar_id: CalendarId, item: StoredItem) -> Iterable[dict[str, Any]]:
    for position, event in enumerate(item.events):
        starts_at, ends_at = reach(event)
        yield {
            "calendar_id": calendar_id,
            "key_hash": digest(item.key),
            "position": position,
            "identity": event.identity,
            "identity_hash": digest(event.identity),
            "plannable": plannable(event),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "mark_hash": None if event.mark is None else digest(event.mark.key),
            "value": encode(event),
        }
