"""Our blocks in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calsync_core.core.extent import slot_end
from calsync_core.core.recording import deleted_suspiciously, line_for
from calsync_core.models import Block, BlockState, CalendarId, Event, Sighting
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import Role, among, chunks, lock_owners, note, replace, require_targets

__all__ = ["HELD", "SQLBlocks", "load_blocks_at", "load_blocks_by_ref", "replace_blocks"]

HELD = tables.blocks.c.held_since >= datetime(1000, 1, 1, tzinfo=UTC)
"""The guard holds the block's deletion. A range, because "is not null" alone uses no index in SQLite."""


_BLOCK, _EVENT, _ITEM, _CALENDAR = tables.blocks, tables.events, tables.items, tables.calendars
_OF_OWNER = sa.select(_BLOCK.c.value).where(_BLOCK.c.owner == sa.bindparam("owner"))
_BY_UID = _OF_OWNER.where(among(_BLOCK.c.uid_hash, "hashes"))
_ONE_OF_EACH_UID = (
    sa.select(_BLOCK.c.uid_hash, sa.func.min(_BLOCK.c.ref))
    .where(_BLOCK.c.owner == sa.bindparam("owner"))
    .group_by(_BLOCK.c.uid_hash)
)
_BY_KEY = sa.select(_BLOCK.c.value).where(among(_BLOCK.c.key, "keys"))
_BY_REF = sa.select(_BLOCK.c.value).where(among(_BLOCK.c.ref, "refs"))
_AT = sa.select(_BLOCK.c.value).where(
    _BLOCK.c.target_id == sa.bindparam("target_id"), among(_BLOCK.c.native_hash, "hashes")
)
_HELD = sa.select(_BLOCK.c.value).where(HELD)
_MOST_HELD = 100
# In order, so that PostgreSQL searches the index also before it knows how few are held.
_SOME_HELD = sa.select(_BLOCK.c.ref, _BLOCK.c.owner).where(HELD).order_by(_BLOCK.c.held_since).limit(_MOST_HELD + 1)
# Not as HELD: of all that are held, PostgreSQL would look up who has them.
_HELD_OF_OWNER = _OF_OWNER.where(sa.func.coalesce(_BLOCK.c.held_since, _BLOCK.c.held_since).is_not(None))
_CALENDARS = sa.select(_CALENDAR.c.id).where(_CALENDAR.c.owner == sa.bindparam("owner"))
_SIGHTINGS = (
    sa.select(_EVENT.c.calendar_id, _ITEM.c.key, _ITEM.c.etag, _EVENT.c.position, _EVENT.c.value)
    .join(_ITEM, (_ITEM.c.calendar_id == _EVENT.c.calendar_id) & (_ITEM.c.key_hash == _EVENT.c.key_hash))
    .where(among(_EVENT.c.calendar_id, "ids"))
)
_ALL_SIGHTINGS = _SIGHTINGS.where(_EVENT.c.mark_hash > "")
_STRAYS = _ALL_SIGHTINGS.where(
    ~sa.exists().where(_BLOCK.c.target_id == _EVENT.c.calendar_id, _BLOCK.c.native_hash == _EVENT.c.key_hash)
)
_SIGHTINGS_BY_KEY = _SIGHTINGS.where(among(_EVENT.c.mark_hash, "hashes"))
_DELETED = sa.select(_BLOCK.c.source_id, _BLOCK.c.value).where(
    among(_BLOCK.c.source_id, "ids"),
    _BLOCK.c.state == str(BlockState.DELETED),
    _BLOCK.c.changed_at >= sa.bindparam("since"),
)
_LIVE = (
    sa.select(_BLOCK.c.source_id, sa.func.count().label("blocks"))
    .where(
        among(_BLOCK.c.source_id, "ids"),
        _BLOCK.c.state == str(BlockState.LIVE),
        _BLOCK.c.slot_end > sa.bindparam("after"),
    )
    .group_by(_BLOCK.c.source_id)
)


class SQLBlocks(Role):
    """``BlockStore`` in SQL."""

    def load_blocks(self, owner: str, uids: Collection[str] | None = None) -> list[Block]:
        """See ``BlockStore.load_blocks``."""
        with self._database.reading() as connection:
            if uids is None:
                return _blocks(connection.scalars(_OF_OWNER, {"owner": owner}))
            values: list[str] = []
            for hashes in chunks(map(digest, uids)):
                values += connection.scalars(_BY_UID, {"owner": owner, "hashes": hashes})
        return _blocks(values)

    def load_blocks_by_key(self, keys: Collection[str]) -> list[Block]:
        """See ``BlockStore.load_blocks_by_key``."""
        values: list[str] = []
        with self._database.reading() as connection:
            for each in chunks(keys):
                values += connection.scalars(_BY_KEY, {"keys": each})
        return _blocks(values)

    def load_uids(self, owner: str, *, besides: Collection[str] = ()) -> set[str]:
        """See ``BlockStore.load_uids``."""
        known = set(map(digest, besides))
        with self._database.reading() as connection:
            found = connection.execute(_ONE_OF_EACH_UID, {"owner": owner})
            refs = [ref for uid_hash, ref in found if uid_hash not in known]
            return {block.uid for each in chunks(refs) for block in load_blocks_by_ref(connection, each).values()}

    def load_held(self, owner: str | None = None) -> list[Block]:
        """See ``BlockStore.load_held``."""
        with self._database.reading() as connection:
            if owner is None:
                return _blocks(connection.scalars(_HELD))
            # Mostly few are held, whoever's they are, and an owner has many blocks. Where a whole installation has
            # been emptied it is the other way round.
            found = list(connection.execute(_SOME_HELD))
            if len(found) > _MOST_HELD:
                return _blocks(connection.scalars(_HELD_OF_OWNER, {"owner": owner}))
            held = load_blocks_by_ref(connection, [row.ref for row in found if row.owner == owner])
        return sorted(held.values(), key=lambda block: block.ref)

    def save_blocks(self, blocks: Sequence[Block]) -> None:
        """See ``BlockStore.save_blocks``."""
        with self._database.writing() as connection:
            require_targets(connection, blocks)
            lock_owners(connection, {block.owner for block in blocks})
            replace_blocks(connection, blocks)
            for target_id in sorted({block.target_id for block in blocks}):
                note(connection, [line_for(block) for block in blocks if block.target_id == target_id], target_id)

    def load_sightings(self, owner: str, keys: Collection[str] | None = None) -> list[Sighting]:
        """See ``BlockStore.load_sightings``."""
        rows: list[Any] = []
        with self._database.reading() as connection:
            ids = list(connection.scalars(_CALENDARS, {"owner": owner}))
            for part in chunks(ids):
                if keys is None:
                    rows.extend(connection.execute(_ALL_SIGHTINGS, {"ids": part}))
                for hashes in chunks(map(digest, keys or ())):
                    rows.extend(connection.execute(_SIGHTINGS_BY_KEY, {"ids": part, "hashes": hashes}))
        return _sightings(rows)

    def load_strays(self, owner: str) -> list[Sighting]:
        """See ``BlockStore.load_strays``."""
        with self._database.reading() as connection:
            ids = list(connection.scalars(_CALENDARS, {"owner": owner}))
            rows = [row for part in chunks(ids) for row in connection.execute(_STRAYS, {"ids": part})]
        return _sightings(rows)

    def count_deleted(self, source_ids: Collection[CalendarId], since: datetime) -> Mapping[CalendarId, int]:
        """See ``BlockStore.count_deleted``."""
        found = dict.fromkeys(source_ids, 0)
        with self._database.reading() as connection:
            for ids in chunks(source_ids):
                for row in connection.execute(_DELETED, {"ids": ids, "since": since}):
                    found[row.source_id] += deleted_suspiciously(decode(Block, row.value))
        return found

    def count_live(self, source_ids: Collection[CalendarId], after: datetime) -> Mapping[CalendarId, int]:
        """See ``BlockStore.count_live``."""
        found = dict.fromkeys(source_ids, 0)
        with self._database.reading() as connection:
            for ids in chunks(source_ids):
                found |= {row.source_id: row.blocks for row in connection.execute(_LIVE, {"ids": ids, "after": after})}
        return found


def _sightings(rows: list[Any]) -> list[Sighting]:
    rows.sort(key=lambda row: (row.calendar_id, row.key, row.position))
    return [Sighting(row.calendar_id, decode(Event, row.value), row.etag) for row in rows]


def replace_blocks(connection: sa.Connection, blocks: Iterable[Block]) -> None:
    """Insert or replace blocks by their ref."""
    replace(connection, tables.blocks.c.ref, {block.ref: _row(block) for block in blocks})


def load_blocks_by_ref(connection: sa.Connection, refs: Collection[str]) -> dict[str, Block]:
    """Recorded blocks by their ref."""
    values: list[str] = []
    for each in chunks(refs):
        values += connection.scalars(_BY_REF, {"refs": each})
    return {block.ref: block for block in _blocks(values)}


def load_blocks_at(
    connection: sa.Connection, calendar_id: CalendarId, native_ids: Collection[str]
) -> dict[str, list[Block]]:
    """Recorded blocks of every state by their native id on this calendar."""
    values: list[str] = []
    for hashes in chunks(map(digest, native_ids)):
        values += connection.scalars(_AT, {"target_id": calendar_id, "hashes": hashes})
    found: dict[str, list[Block]] = {}
    for block in _blocks(values):
        found.setdefault(block.native_id, []).append(block)
    return found


def _blocks(values: Iterable[str]) -> list[Block]:
    return sorted((decode(Block, value) for value in values), key=lambda block: block.ref)


def _row(block: Block) -> dict[str, Any]:
    return {
        "ref": block.ref,
        "key": block.key,
        "owner": block.owner,
        "source_id": block.source_id,
        "target_id": block.target_id,
        "uid_hash": digest(block.uid),
        "native_hash": digest(block.native_id),
        "state": str(block.state),
        "held_since": block.held_since,
        "changed_at": block.changed_at,
        "slot_end": slot_end(block),
        "value": encode(block),
    }
