"""A block that turns up where it was not written: on another calendar, or twice (I-01, I-15, decision 5)."""

from __future__ import annotations

import pytest

from calsync_core.models import BlockState
from world import World, at


def synced() -> tuple[World, str]:
    """A meeting at work, blocked at home and in the club; the key of the block at home."""
    world = World()
    world.book("work", "talk", at(3))
    world.sync()
    return world, world.blocks("home")[0].key


def drag(world: World, key: str) -> None:
    """The user drags the block from home to the club, and it keeps its id and tag, as at Google and Outlook."""
    world.service.copy_block(world.remote["home"], key, key, to=world.remote["club"])
    world.service.remove(world.remote["home"], key)


@pytest.mark.parametrize("order", [("club", "home"), ("home", "club")])
def test_a_block_dragged_to_another_calendar_comes_back_and_leaves_it(order: tuple[str, str]) -> None:
    world, key = synced()
    drag(world, key)
    world.clock.sleep(3600)
    for name in order:
        world.engine.sync_from_webhook(world.id(name))
    world.clock.sleep(3600)
    world.sync()
    assert world.starts("home") == world.starts("club") == [at(3)]
    world.check()


def test_a_block_dragged_away_does_not_stay_when_its_meeting_is_cancelled() -> None:
    world, key = synced()
    drag(world, key)
    world.clock.sleep(3600)
    world.engine.sync_from_webhook(world.id("club"))
    world.service.remove(world.remote["work"], "talk")
    world.clock.sleep(3600)
    world.sync()
    world.clock.sleep(3600)
    world.sync()
    assert (world.blocks("home"), world.blocks("club")) == ([], [])
    world.check()


def test_the_record_of_the_first_does_not_become_that_of_the_second() -> None:
    """Both stand for a while: the one at home is the one that is known."""
    world, key = synced()
    world.service.copy_block(world.remote["home"], key, key, to=world.remote["club"])
    world.clock.sleep(3600)
    world.sync()
    live = {block.target_id: block for block in world.store.load_blocks("ana") if block.state is BlockState.LIVE}
    assert live[world.id("home")].native_id == key
    assert world.starts("home") == world.starts("club") == [at(3)]
    world.check()
