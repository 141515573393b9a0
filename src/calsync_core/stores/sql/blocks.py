"""Our blocks in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calsync_core.core.extent import slot_end
from calsync_core.core.recording import deleted_suspiciously, line_for
from calsync_core.models import Block, BlockState, CalendarId, Event, Sighting
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import Role, chunks, lock_owners, note, replace, require_targets

__all__ = ["HELD", "SQLBlocks", "load_blocks_at", "load_blocks_by_ref", "replace_blocks"]

HELD = tables.blocks.c.held_since >= datetime(1000, 1, 1, tzinfo=UTC)
"""The guard holds the block's deletion. A range, because "is not null" alone uses no index in SQLite."""


class SQLBlocks(Role):
    """``BlockStore`` in SQL."""

    def load_blocks(self, owner: str, uids: Collection[str] | None = None) -> list[Block]:
        """See ``BlockStore.load_blocks``."""
        table = tables.blocks
        wanted = sa.select(table.c.value).where(table.c.owner == owner)
        with self._database.reading() as connection:
            if uids is None:
                return _blocks(connection.scalars(wanted))
            values: list[str] = []
            for hashes in chunks(map(digest, uids)):
                values += connection.scalars(wanted.where(table.c.uid_hash.in_(hashes)))
        return _blocks(values)

    def load_blocks_by_key(self, keys: Collection[str]) -> list[Block]:
        """See ``BlockStore.load_blocks_by_key``."""
        table = tables.blocks
        values: list[str] = []
        with self._database.reading() as connection:
            for some in chunks(keys):
                values += connection.scalars(sa.select(table.c.value).where(table.c.key.in_(some)))
        return _blocks(values)

    def load_held(self, owner: str | None = None) -> list[Block]:
        """See ``BlockStore.load_held``."""
        table = tables.blocks
        wanted = sa.select(table.c.value).where(HELD)
        if owner is not None:
            wanted = wanted.where(table.c.owner == owner)
        with self._database.reading() as connection:
            return _blocks(connection.scalars(wanted))

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
        event, item, calendar = tables.events, tables.items, tables.calendars
        columns = (event.c.calendar_id, item.c.key, item.c.etag, event.c.position, event.c.value)
        wanted = sa.select(*columns).join(
            item, (item.c.calendar_id == event.c.calendar_id) & (item.c.key_hash == event.c.key_hash)
        )
        rows: list[Any] = []
        with self._database.reading() as connection:
            ids = list(connection.scalars(sa.select(calendar.c.id).where(calendar.c.owner == owner)))
            for calendar_id in ids:
                here = wanted.where(event.c.calendar_id == calendar_id)
                if keys is None:
                    rows.extend(connection.execute(here.where(event.c.mark_hash > "")))
                for hashes in chunks(map(digest, keys or ())):
                    rows.extend(connection.execute(here.where(event.c.mark_hash.in_(hashes))))
        rows.sort(key=lambda row: (row.calendar_id, row.key, row.position))
        return [Sighting(row.calendar_id, decode(Event, row.value), row.etag) for row in rows]

    def count_deleted(self, source_id: CalendarId, since: datetime) -> int:
        """See ``BlockStore.count_deleted``."""
        table = tables.blocks
        lately = (table.c.state == str(BlockState.DELETED), table.c.changed_at >= since)
        wanted = sa.select(table.c.value).where(table.c.source_id == source_id, *lately)
        with self._database.reading() as connection:
            return sum(deleted_suspiciously(decode(Block, value)) for value in connection.scalars(wanted))

    def count_live(self, source_id: CalendarId, after: datetime) -> int:
        """See ``BlockStore.count_live``."""
        table = tables.blocks
        ahead = (table.c.state == str(BlockState.LIVE), table.c.slot_end > after)
        wanted = sa.select(sa.func.count()).select_from(table).where(table.c.source_id == source_id, *ahead)
        with self._database.reading() as connection:
            return int(connection.scalar(wanted) or 0)


def replace_blocks(connection: sa.Connection, blocks: Iterable[Block]) -> None:
    """Insert or replace blocks by their ref."""
    replace(connection, tables.blocks.c.ref, {block.ref: _row(block) for block in blocks})


def load_blocks_by_ref(connection: sa.Connection, refs: Collection[str]) -> dict[str, Block]:
    """Recorded blocks by their ref."""
    table = tables.blocks
    values: list[str] = []
    for some in chunks(refs):
        values += connection.scalars(sa.select(table.c.value).where(table.c.ref.in_(some)))
    return {block.ref: block for block in _blocks(values)}


def load_blocks_at(
    connection: sa.Connection, calendar_id: CalendarId, native_ids: Collection[str]
) -> dict[str, list[Block]]:
    """Recorded blocks of every state by their native id on this calendar."""
    table = tables.blocks
    values: list[str] = []
    for hashes in chunks(map(digest, native_ids)):
        wanted = sa.select(table.c.value).where(table.c.target_id == calendar_id, table.c.native_hash.in_(hashes))
        values += connection.scalars(wanted)
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
