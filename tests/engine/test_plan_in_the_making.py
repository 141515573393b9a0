"""What has everything planned again may come while a plan is in the making: it must not be lost with that plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calsync_core.models import MirrorRule
from calsync_core.stores import MemoryStore
from world import World, at


class Meanwhile(MemoryStore):
    """Lets something happen after a plan was made, and before it is stored."""

    happens: Callable[[], object] | None = None

    def save_plan(self, *args: Any, **rest: Any) -> None:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        super().save_plan(*args, **rest)


def settle(world: World) -> None:
    """The meeting stands, and everybody has had time enough."""
    for _ in range(3):
        world.sync()
    world.check()


def test_a_calendar_is_read_for_the_first_time_meanwhile() -> None:  # I-01, I-06
    store = Meanwhile()
    world = World(("work", "home"), store=store)
    twin = World((), service=world.service, clock=world.clock, store=store)
    world.book("work", "m", at(2))
    store.happens = lambda: twin.engine.plan(world.id("home"))  # reads it, and writes nothing
    world.engine.sync_calendar(world.id("work"))
    settle(world)


def test_the_rules_change_meanwhile() -> None:  # I-51
    store = Meanwhile()
    world = World(("work", "home"), store=store)
    world.sync()
    world.book("work", "m", at(2))
    store.happens = lambda: world.engine.set_rules(
        "ana", [MirrorRule(source=world.id("home"), target=world.id("work"))]
    )
    settle(world)


def test_a_calendar_is_enabled_meanwhile() -> None:  # I-51
    store = Meanwhile()
    world = World(("work", "home"), store=store)
    world.sync()
    world.engine.disable(world.id("home"))
    world.sync()
    world.book("work", "m", at(2))
    store.happens = lambda: world.engine.enable(world.id("home"))
    settle(world)
