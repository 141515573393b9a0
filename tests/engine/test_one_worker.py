"""Services that admit few requests at a time to one login: one worker at a time works with it (I-33)."""

from __future__ import annotations

from datetime import timedelta

from calsync_core.errors import LeaseBusy
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.steps.context import Context
from world import World, at


class Exclusive(MemoryProvider):
    one_worker_per_login = True


def context_of(world: World) -> Context:
    return world.engine._context


def two_calendars(provider: type[MemoryProvider]) -> World:
    """One login with two calendars, and another login with one."""
    service = MemoryService()
    world = World(service=service, provider=provider(service))
    more = service.add_calendar("ana-work", "more")
    account = world.store.load_account(world.calendars["work"].account_id)
    found = {calendar.remote_id: calendar for calendar in world.engine.discover(account.key)}
    world.remote["more"] = more
    world.calendars["more"] = world.engine.enable(found[more].key)
    return world


def others_may_work(world: World, name: str) -> bool:
    """Whether a worker in another process could begin with this calendar at once."""
    other = World((), service=world.service, provider=world.provider, clock=world.clock, store=world.store)
    calendar = world.calendars[name]
    before = world.clock.now()
    try:
        with context_of(other).at_work(world.store.load_account(calendar.account_id), calendar):
            return world.clock.now() == before  # waiting moves a virtual clock
    except LeaseBusy:
        return False


def test_one_worker_per_login_and_others_unhindered() -> None:
    world = two_calendars(Exclusive)
    account = world.store.load_account(world.calendars["work"].account_id)
    with context_of(world).at_work(account, world.calendars["work"]):
        assert others_may_work(world, "home")
        assert not others_may_work(world, "more")
    assert others_may_work(world, "more")


def test_ordinary_services_work_side_by_side() -> None:
    world = two_calendars(MemoryProvider)
    account = world.store.load_account(world.calendars["work"].account_id)
    with context_of(world).at_work(account, world.calendars["work"]):
        assert others_may_work(world, "more")


def test_a_long_piece_of_work_keeps_the_login_as_well() -> None:
    world = two_calendars(Exclusive)
    account = world.store.load_account(world.calendars["work"].account_id)
    with context_of(world).at_work(account, world.calendars["work"]) as lease:
        for _ in range(5):
            world.clock.advance(timedelta(seconds=40))
            lease.current()
        assert not others_may_work(world, "more")


def test_a_sync_gets_through_all_calendars_of_one_login() -> None:
    world = two_calendars(Exclusive)
    world.book("home", "talk", at(1))
    world.restart(max_workers=4)
    assert world.sync().busy_blocks_created == 3
    world.check()
