"""What random histories found, each as the shortest story that shows it."""

from __future__ import annotations

from datetime import date, timedelta

from calsync_core.models import SyncPolicy
from calsync_core.providers.memory import MemoryService
from world import World, at


def test_a_listing_by_window_covers_all_that_is_not_past_everywhere() -> None:  # decisions 4 and 17
    world = World(("work", "home"), service=MemoryService(window_listing=True))
    trip = world.service.event(
        "trip", date(2026, 3, 3), date(2026, 3, 4), recurrence=("RRULE:FREQ=DAILY;COUNT=4",), title="trip"
    )
    world.service.put(world.remote["work"], trip)
    world.sync()
    world.clock.advance(at(2, 1) - world.clock.now())  # the first day is over in Berlin, but not in Honolulu
    assert world.engine.sync_all_calendars().writes == 0
    assert len(world.blocks("home")) == 4
    world.check()


def test_a_copy_that_is_past_no_longer_decides_for_the_others() -> None:  # I-01
    world = World()
    world.book("work", "shared", at(1))
    world.book("home", "shared", at(9))
    world.sync()
    assert world.starts("club") == [at(1)]  # the same meeting: one block, and the first calendar decides
    world.clock.advance(timedelta(days=4))
    world.sync()
    assert at(9) in world.starts("club")
    world.check()


def test_a_copy_beyond_the_horizon_does_not_decide_yet() -> None:  # I-01
    world = World(policy=SyncPolicy(horizon_days=5))
    world.book("club", "shared", at(9))
    world.book("home", "far", at(3))
    world.sync()
    world.service.move(world.remote["home"], "far", at(12))  # its blocks stand beyond the horizon now
    world.sync()
    world.service.edit(world.remote["home"], "far", title="seen by the same plan")
    world.book("home", "shared", at(2))
    world.sync()
    assert at(2) in world.starts("club")
    world.check()


def test_a_block_dragged_out_of_the_past_does_not_stay_ahead() -> None:  # I-01, decision 17
    world = World(("work", "home"))
    world.book("work", "m1", at(1))
    world.sync()
    world.service.move(world.remote["home"], world.blocks("home")[0].key, at(6))
    world.clock.advance(timedelta(days=4))
    world.sync()
    assert world.blocks("home") == []
    world.check()


def test_a_block_dragged_out_of_the_hour_that_is_just_over_is_put_back() -> None:  # I-01, decision 17
    """Its meeting is still remembered, and over all the same."""
    world = World(("work", "home"))
    world.book("work", "m1", at(1))
    world.sync()
    world.clock.advance(at(1, 20) - world.clock.now())
    world.service.move(world.remote["home"], world.blocks("home")[0].key, at(6))
    world.sync()
    assert world.starts("home") == [at(1)]
    world.check()
    assert world.sync().writes == 0
    world.check()
