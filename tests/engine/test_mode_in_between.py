"""An owner's mode may change just as a worker looked at it: what it does then must be right in the new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from calsync_core.models import Mode
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing.deaths import Died, DyingStore
from interruptions import DiesAt
from world import World, at


class Looked(MemoryStore):
    """Lets something happen after somebody was told the mode, or has set it, and before they go on."""

    happens: Callable[[], object] | None = None
    follows: Callable[[], object] | None = None

    def load_mode(self, owner: str) -> Mode:
        mode = super().load_mode(owner)
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return mode

    def save_mode(self, owner: str, mode: Mode) -> None:
        super().save_mode(owner, mode)
        follows, self.follows = self.follows, None
        if follows is not None:
            follows()


@pytest.fixture
def store() -> Looked:
    return Looked()


@pytest.fixture
def world(store: Looked) -> World:
    made = World(("work", "home"), store=store)
    made.sync()
    made.book("work", "m", at(2))
    return made


def test_who_is_written_for_again_meanwhile_is_written_for(world: World, store: Looked) -> None:  # I-01
    world.engine.set_mode("ana", "observe")
    store.happens = lambda: world.engine.set_mode("ana", "write")
    world.sync()
    world.sync()
    assert world.starts("home") == [at(2)]
    world.check()


def test_of_who_is_only_observed_meanwhile_nothing_is_decided(world: World, store: Looked) -> None:
    store.happens = lambda: world.engine.set_mode("ana", "observe")
    world.sync()
    assert store.load_blocks("ana") == []
    assert store.load_intents("ana") == []
    report = world.sync()
    assert report.observed is not None
    assert report.observed.writes == 1


def test_an_undo_decided_meanwhile_is_carried_out(world: World, store: Looked) -> None:
    run = world.sync().key

    def undo_and_die() -> None:
        with pytest.raises(Died):
            world.worker(store=cast("Store", DyingStore(store, DiesAt("after save_plan")))).undo(run)

    store.reset_plan("ana")
    store.happens = undo_and_die
    world.sync()
    world.sync()
    assert world.blocks("home") == []


def test_an_undo_leaves_who_is_written_for_again_meanwhile(world: World, store: Looked) -> None:  # I-01
    """The host's later word counts, and what the rules want stands."""
    run = world.sync().key
    twin = world.worker()

    def write_again() -> None:
        twin.set_mode("ana", "write")
        twin.sync_all_calendars()

    store.follows = write_again
    report = world.engine.undo(run)
    assert (report.deleted, report.waiting, report.observed) == (0, 1, ())
    assert world.starts("home") == [at(2)]
    world.check()
