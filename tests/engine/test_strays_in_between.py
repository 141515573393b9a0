"""A block that nobody recorded is about to be removed when its meeting comes back (I-01, I-49)."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

import pytest

from calsync_core.models import BlockState
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore, Toll
from interruptions import DiesAt
from world import World, at


class DiesWriting(DiesAt):
    """At the first request once intents were claimed."""

    def cross(self, where: str) -> None:
        Toll.cross(self, where)
        self._over = self._over or (where == "request" and "after claim_intents" in self.crossed)
        if self._over:
            raise Died(f"died {where}")


@pytest.mark.parametrize("toll", [DiesAt("before claim_intents"), DiesWriting("request")], ids=["untried", "in doubt"])
def test_the_meeting_of_a_stray_comes_back_while_its_removal_waits(toll: DiesAt) -> None:
    world = World(("work", "home"))
    world.book("work", "m", at(3))
    world.book("work", "other", at(4))
    world.sync()
    world.service.remove(world.remote["work"], "m")
    world.store = MemoryStore()  # nobody knows the block of the meeting that went
    world.restart()
    for name in world.remote:
        world.connect(name)
    dying = world.worker(
        store=cast("Store", DyingStore(world.store, toll)),
        providers={name: DyingProvider(each, toll) for name, each in world.providers.items()},
    )
    with suppress(Died):
        dying.sync_calendars_needing_polling()
    (intent,) = world.store.load_intents("ana")
    assert intent.operation.kind == "delete"
    world.book("work", "m", at(3))
    for _ in range(3):
        world.clock.sleep(3600)
        world.sync()
    assert world.starts("home") == [at(3), at(4)]
    assert all(block.state is not BlockState.PENDING for block in world.store.load_blocks("ana"))
    world.check()
