"""Stories of an engine that is killed at a boundary and restarted, told over whatever service one gives them.

Each is told once for every request, answer and store call in it, dying there. A new engine over the same store and the
same service then finds its way from what is due, without a new edit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeAlias, cast
from zoneinfo import ZoneInfo

from attrs import frozen

from calsync_core.models import Event, Response, SyncPolicy
from calsync_core.protocols import Store
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore, Toll
from mixed_service import Service
from oracle import examine
from world import World, at

__all__ = ["STORIES", "Make", "Story", "kill_everywhere"]

BERLIN = ZoneInfo("Europe/Berlin")

Make: TypeAlias = Callable[[], Service]
"""A new, empty service, with small pages."""


@frozen
class Story:
    """What was before, what the engine is doing when it dies, and what must hold at the end besides the oracle's word.

    Attributes:
        least: Fewer boundaries than this would mean that the story was not told.
        stride: How many boundaries later it dies the next time, where there is no time for all of them.
    """

    name: str
    setting: Callable[[Make], World]
    deed: Callable[[World], object]
    least: int
    end: Callable[[World], None] = lambda _world: None
    stride: int = 1


def series(world: World, name: str, uid: str, count: int = 4) -> Event:
    start = datetime(2026, 3, 3, 9, 0, tzinfo=BERLIN)
    event = world.service.event(
        uid, start, start + timedelta(minutes=30), recurrence=(f"RRULE:FREQ=DAILY;COUNT={count}",)
    )
    world.service.put(world.remote[name], event)
    return event


def a_mesh(make: Make) -> World:
    world = World(policy=SyncPolicy(horizon_days=14), service=make())
    series(world, "work", "standup")
    for name in ("work", "home"):
        world.book(name, "shared", at(2, 14))
    world.book("club", "match", at(3, 18), 2)
    trip = world.service.event("trip", date(2026, 3, 9), date(2026, 3, 11))
    world.service.put(world.remote["home"], trip)
    return world


def a_changed_mesh(make: Make) -> World:
    world = a_mesh(make)
    world.sync()
    world.clock.advance(timedelta(minutes=10))
    service, remote = world.service, world.remote
    service.move(remote["club"], "match", at(4, 18))
    service.remove(remote["home"], "trip")
    standup = next(item.events[0] for item in service.items(remote["work"]) if item.key == "standup")
    service.put(remote["work"], service.exception(standup, standup.span.start, cancelled=True))
    service.edit(remote["work"], "shared", response=Response.DECLINED)
    first, second, *_ = world.blocks("club")
    service.remove(remote["club"], first.key)
    service.move(remote["club"], second.key, at(6))
    service.retitle(remote["home"], world.blocks("home")[0].key, "Lunch")
    service.adorn(remote["home"], world.blocks("home")[1].key)
    return world


def a_hold(make: Make) -> World:
    world = World(("work", "home"), policy=SyncPolicy(horizon_days=14, guard_max=2, guard_share=0.2), service=make())
    for number in range(5):
        world.book("work", f"w{number}", at(number + 1))
    world.book("work", "stays", at(8))
    world.sync()
    for number in range(5):
        world.service.remove(world.remote["work"], f"w{number}")
    return world


def hold_and_approve(world: World) -> None:
    world.engine.sync_calendars_needing_polling()
    assert len(world.engine.held()) == 5
    world.engine.approve()
    world.engine.sync_calendars_needing_polling()


def nothing_but_what_stays(world: World) -> None:
    if world.engine.held():  # it died before the host could decide: the hold is still there to be decided
        world.engine.approve()
        world.sync()
    assert world.starts("home") == [at(8)]


def a_synced_mesh(make: Make) -> World:
    world = a_mesh(make)
    world.sync()
    return world


def account_of(world: World, name: str) -> int:
    return world.store.load_calendar(world.id(name)).account_id


def disconnect_home(world: World) -> None:
    world.engine.disconnect(account_of(world, "home"))


def disconnected(world: World) -> None:
    if any(calendar.key == world.id("home") for calendar in world.store.load_calendars()):
        disconnect_home(world)  # the host repeats an order that was never answered
        world.sync()
    assert world.blocks("home") == []
    assert at(2, 14) in world.starts("club")


def purged(world: World) -> None:
    world.engine.purge()
    assert [world.blocks(name) for name in ("work", "home", "club")] == [[], [], []]


def a_lost_cursor(make: Make) -> World:
    world = a_synced_mesh(make)
    world.service.expire_cursors()
    world.service.remove(world.remote["work"], "shared")
    world.service.move(world.remote["club"], "match", at(5, 18))
    world.service.remove(world.remote["home"], world.blocks("home")[0].key)
    world.clock.advance(timedelta(minutes=10))
    return world


def debts(make: Make) -> World:
    world = a_synced_mesh(make)
    world.service.corrupt(world.remote["work"], "standup")
    world.service.corrupt(world.remote["club"], world.blocks("club")[0].key)
    world.book("work", "new", at(7))
    world.service.corrupt(world.remote["work"], "new")
    world.sync()
    for name in ("work", "club"):
        for item in world.service.items(world.remote[name]):
            world.service.mend(world.remote[name], item.key)
    world.service.remove(world.remote["work"], "new")
    world.clock.advance(timedelta(minutes=10))
    return world


def a_lost_store(make: Make) -> World:
    world = a_changed_mesh(make)
    fresh = World((), service=world.service, clock=world.clock, policy=world.options["policy"])
    fresh.remote = world.remote
    for name in world.remote:
        fresh.connect(name)
    return fresh


def looks(world: World) -> list[tuple[str, str]]:
    """What the blocks say and where, whatever they are called."""
    return sorted(
        (name, f"{one.span.in_utc()} {one.availability} {one.title}")
        for name in world.remote
        for item in world.blocks(name)
        for one in item.events
        if not one.adorned
    )


def a_run_to_undo(make: Make) -> World:
    """It creates, updates and deletes, and is the latest."""
    world = a_synced_mesh(make)
    world.clock.advance(timedelta(minutes=10))
    stood = looks(world)
    world.service.move(world.remote["club"], "match", at(4, 18))
    world.service.remove(world.remote["home"], "trip")
    world.book("work", "new", at(7))
    world.before = stood, world.sync().key
    assert looks(world) != stood
    return world


def undo_it(world: World) -> None:
    assert world.before is not None
    world.engine.undo(world.before[1])


def undone_and_written_again(world: World) -> None:
    assert world.before is not None
    undo_it(world)  # the host repeats an order that was never answered
    assert looks(world) == world.before[0]
    seen = world.sync().observed
    assert seen is not None
    assert seen.writes == 6
    assert world.engine.runs()[0].writes == 0
    undo_it(world)
    assert looks(world) == world.before[0]
    world.engine.set_mode("ana", "write")
    world.sync()


def poll(world: World) -> None:
    world.engine.sync_calendars_needing_polling()


STORIES = [
    Story("first sync of a mesh with series", a_mesh, poll, 200),
    Story("moves, deletions and tampering", a_changed_mesh, poll, 200),
    Story("hold and approve", a_hold, hold_and_approve, 60, nothing_but_what_stays),
    Story("disconnect", a_synced_mesh, disconnect_home, 60, disconnected),
    Story("purge", a_synced_mesh, lambda world: world.engine.purge(), 100, purged),
    Story("lost cursor and snapshot", a_lost_cursor, poll, 150),
    Story("debts", debts, poll, 60),
    Story("lost store", a_lost_store, poll, 200),
    Story("undo", a_run_to_undo, undo_it, 60, undone_and_written_again, stride=11),
    Story("audit and repair", a_changed_mesh, lambda world: world.engine.audit(repair=True), 200),
]


def theirs(world: World) -> dict[tuple[str, str], str | None]:
    """Every event on the service that is not a block, or no longer only one, with its etag."""
    return {
        (name, item.key): item.etag
        for name in world.remote
        for item in world.service.items(world.remote[name])
        if item.events[0].mark is None or item.events[0].adorned
    }


def die_at(story: Story, make: Make, n: int) -> int | None:
    """Tell the story dying at the n-th boundary, restart, and check; if it has no n-th, how many it has."""
    world = story.setting(make)
    before = theirs(world)
    toll = Toll(n)
    store, provider = world.store, world.provider
    world.store = cast("Store", DyingStore(store, toll))  # it gets the port's methods where no checker sees them
    world.provider = DyingProvider(provider, toll)
    world.restart()
    try:
        story.deed(world)
    except Died:
        pass
    else:
        return len(toll.crossed)
    finally:
        world.store, world.provider = store, provider
    world.clock.advance(timedelta(minutes=2))  # past every lease of the dead
    world.restart()
    for _ in range(2):
        world.sync()
        world.clock.advance(timedelta(minutes=2))
    story.end(world)
    where = f"{story.name}: died at boundary {n}, {toll.crossed[-1]}"
    verdict = examine(world)
    assert verdict.ok, f"{where}\n" + "\n".join(verdict.wrong)
    assert world.sync().writes == 0, where
    assert theirs(world) == before, where
    audit = world.engine.audit()
    assert audit.ok, (where, audit.findings)
    return None


def kill_everywhere(story: Story, make: Make, *, every: int = 1, first: int = 1) -> None:
    """Tell a story once for each of its boundaries, or for every so-manieth, from the first on."""
    for told, n in enumerate(itertools.count(first, every)):
        boundaries = die_at(story, make, n)
        if boundaries is not None:
            print(f"{story.name}: killed at {told} of {boundaries} boundaries")  # noqa: T201  (belongs to the output)
            assert boundaries >= story.least
            return
