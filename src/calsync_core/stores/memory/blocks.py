"""Our blocks in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from calsync_core.core.extent import slot_end
from calsync_core.core.recording import deleted_suspiciously, line_for
from calsync_core.models import Block, BlockState, CalendarId, Sighting, require_utc
from calsync_core.stores.memory.rows import Role

__all__ = ["MemoryBlocks"]


def _by_ref(blocks: Iterable[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block.ref)


class MemoryBlocks(Role):
    """``BlockStore`` in memory."""

    def load_blocks(self, owner: str, uids: Collection[str] | None = None) -> list[Block]:
        """See ``BlockStore.load_blocks``."""
        with self._lock:
            rows = self._rows
            if uids is None:
                return _by_ref(block for block in rows.blocks.values() if block.owner == owner)
            refs = {ref for uid in set(uids) for ref in rows.by_uid.get((owner, uid), {})}
            return _by_ref(rows.blocks[ref] for ref in refs)

    def load_blocks_by_key(self, keys: Collection[str]) -> list[Block]:
        """See ``BlockStore.load_blocks_by_key``."""
        wanted = set(keys)
        with self._lock:
            return _by_ref(block for block in self._rows.blocks.values() if block.key in wanted)

    def load_uids(self, owner: str, *, besides: Collection[str] = ()) -> set[str]:
        """See ``BlockStore.load_uids``."""
        with self._lock:
            uids = {uid for (whose, uid), refs in self._rows.by_uid.items() if whose == owner and refs}
        return uids.difference(besides)

    def load_held(self, owner: str | None = None) -> list[Block]:
        """See ``BlockStore.load_held``."""
        with self._lock:
            return _by_ref(
                block
                for block in self._rows.blocks.values()
                if block.held_since is not None and (owner is None or block.owner == owner)
            )

    def save_blocks(self, blocks: Sequence[Block]) -> None:
        """See ``BlockStore.save_blocks``."""
        with self._lock:
            self._require_targets(blocks)
            for block in blocks:
                self._rows.put_block(block)
                self._rows.note([line_for(block)], block.target_id)

    def load_sightings(self, owner: str, keys: Collection[str] | None = None) -> list[Sighting]:
        """See ``BlockStore.load_sightings``."""
        wanted = None if keys is None else set(keys)
        with self._lock:
            return [
                Sighting(calendar.key, event, item.etag)
                for calendar in self._rows.calendars_of(owner)
                for item, event in self._rows.events(calendar.key, self._rows.items[calendar.key])
                if event.mark is not None and (wanted is None or event.mark.key in wanted)
            ]

    def load_strays(self, owner: str) -> list[Sighting]:
        """See ``BlockStore.load_strays``."""
        with self._lock:
            return [
                Sighting(calendar.key, event, item.etag)
                for calendar in self._rows.calendars_of(owner)
                for item, event in self._rows.events(calendar.key, self._rows.items[calendar.key])
                if event.mark is not None and not self._rows.blocks_at(calendar.key, item.key)
            ]

    def count_deleted(self, source_ids: Collection[CalendarId], since: datetime) -> Mapping[CalendarId, int]:
        """See ``BlockStore.count_deleted``."""
        since = require_utc("since", since)
        return self._count(source_ids, lambda block: _deleted_since(block, since))

    def count_live(self, source_ids: Collection[CalendarId], after: datetime) -> Mapping[CalendarId, int]:
        """See ``BlockStore.count_live``."""
        after = require_utc("after", after)
        return self._count(source_ids, lambda block: block.state is BlockState.LIVE and slot_end(block) > after)

    def _count(self, source_ids: Collection[CalendarId], counts: Callable[[Block], bool]) -> Mapping[CalendarId, int]:
        found = dict.fromkeys(source_ids, 0)
        with self._lock:
            for block in self._rows.blocks.values():
                if block.source_id in found:
                    found[block.source_id] += counts(block)
        return found


def _deleted_since(block: Block, since: datetime) -> bool:
    lately = block.changed_at is not None and block.changed_at >= since
    return block.state is BlockState.DELETED and lately and deleted_suspiciously(block)
