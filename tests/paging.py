"""Planning in pages, and beside it planning at once: both must decide the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from attrs import asdict

from calsync_core.steps import gather, sync
from calsync_core.steps import plan as planning
from calsync_core.steps.context import Context
from calsync_core.stores import MemoryStore

__all__ = ["compared", "in_pages"]

PLANNED: dict[str, int] = {"at once": 0, "in pages": 0, "changed something": 0}
"""How many plans were compared, in this process."""

_AT_ONCE = 1_000_000


@contextmanager
def in_pages(size: int) -> Iterator[None]:
    """Have so many identities looked at at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gather, "PAGE", size)
        yield


@contextmanager
def compared() -> Iterator[None]:
    """Have every plan of a sync made at once and in pages of several sizes, where nothing else happens meanwhile."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sync, "plan_owner", _plan_in_every_way)
        yield


def _plan_in_every_way(context: Context, owner: str) -> bool:
    store = context.store
    if not isinstance(store, MemoryStore):  # it dies or stalls somewhere, and must do that once
        with in_pages(2):
            return planning.plan_owner(context, owner)
    before, stood = store.snapshot(), _decided(store, owner)
    with in_pages(_AT_ONCE):
        answer = planning.plan_owner(context, owner)
    whole = _decided(store, owner)
    PLANNED["at once"] += 1
    PLANNED["changed something"] += whole != stood
    for size in (1, 2, 3):
        store.restore(before)
        with in_pages(size):
            assert planning.plan_owner(context, owner) == answer
        assert _decided(store, owner) == whole, f"in pages of {size}, something else was decided"
        PLANNED["in pages"] += 1
    return answer


def _decided(store: MemoryStore, owner: str) -> dict[str, object]:
    """All that a plan may change, and all that it may tell, whatever its ids."""
    unplanned = store.load_unplanned(owner)
    notices = [asdict(stored.notice) for stored in store.load_notices(owner, 1_000)]
    return {
        "blocks": {block.ref: block for block in store.load_blocks(owner)},
        "intents": {intent.operation.ref: (intent.operation, intent.attempts) for intent in store.load_intents(owner)},
        "journal": (unplanned.uids, unplanned.keys),
        "state": store.load_plan_state(owner),
        "notices": sorted(notices, key=repr),
    }
