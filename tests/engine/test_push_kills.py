"""Killed at every boundary of what push does, and restarted: no push that was taken is lost, no subscription is
doubled, and every change arrives (I-05, I-28, I-29, I-30).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen

from calsync_core.models import NotificationStatus, PushKind, SyncPolicy
from calsync_core.providers.memory import MemoryService
from calsync_core.providers.memory.service import PushHabits
from calsync_core.testing.deaths import Toll
from oracle import examine
from push_world import PushWorld
from stories import theirs
from world import at

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}
"""Die at every boundary; otherwise at every so-manieth of a long story."""

NAMES = ("work", "home")
DAY = timedelta(days=1)


@frozen
class Story:
    """What was before, what is going on when the process dies, and what the host orders again if it was not answered.

    Attributes:
        least: Fewer boundaries than this would mean that the story was not told.
        pushed: All that changed is to arrive within minutes of the restart: by push, not by a timer.
    """

    name: str
    setting: Callable[[], PushWorld]
    deed: Callable[[PushWorld], object]
    least: int
    again: Callable[[PushWorld], object] = lambda _world: None
    pushed: bool = True


def a_world(**habits: Any) -> PushWorld:
    service = MemoryService(page_size=2)
    service.push = PushHabits(**habits)
    world = PushWorld(NAMES, service=service, policy=SyncPolicy(horizon_days=14))
    world.book("work", "standup", at(1), recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
    world.settle(60)
    return world


def pass_by(world: PushWorld, seconds: float = 1.0) -> None:
    """What the endpoint, a worker of the inbox and the scheduler do once."""
    world.clock.advance(timedelta(seconds=seconds))
    world.deliver()
    world.engine.process_notifications()
    world.tick()


# -- settings and deeds -----------------------------------------------------------------------------------------------


def disabled() -> PushWorld:
    world = a_world(announces=True)
    for name in NAMES:
        world.engine.disable(world.id(name))
    world.settle(60)
    world.book("home", "meanwhile", at(5))
    world.memory.lose_pushes()
    return world


def switch_on(world: PushWorld) -> None:
    for name in NAMES:
        world.engine.enable(world.id(name))
    pass_by(world)
    pass_by(world, 15)


def enable_again(world: PushWorld) -> None:
    for name in NAMES:
        world.engine.enable(world.id(name))


def booked() -> PushWorld:
    world = a_world(names_items=True)
    book_some(world)
    return world


def book_some(world: PushWorld) -> None:
    world.book("work", "m1", at(2, 14))
    world.book("home", "h1", at(3, 14))
    world.book("work", "m2", at(4, 14))


def work_it_off(world: PushWorld) -> None:
    pass_by(world)
    pass_by(world, 15)
    pass_by(world, 60)


def accept(world: PushWorld) -> None:
    world.clock.advance(timedelta(seconds=1))
    world.deliver()


def due_for_renewal(*, renewable: bool) -> PushWorld:
    world = a_world(lifetime=3 * DAY, renewable=renewable, announces=True)
    checks = [world.watch(name).check_at or at(0) for name in NAMES]
    world.until(min(checks) - timedelta(seconds=1), step=3600, tick=3600)
    world.clock.advance(max(checks) - world.clock.now())
    book_some(world)
    return world


def renewable() -> PushWorld:
    return due_for_renewal(renewable=True)


def only_anew() -> PushWorld:
    return due_for_renewal(renewable=False)


def doubted() -> PushWorld:
    """Home's subscription is gone, and nobody knows: its echo is missing."""
    world = a_world()
    world.memory.kill_subscription(world.subscription("home").remote_id)
    world.book("work", "m1", at(2, 14))
    world.settle(60)
    world.clock.advance(timedelta(minutes=10))
    book_some(world)
    return world


def replace(world: PushWorld) -> None:
    world.engine.replace_subscriptions()
    pass_by(world)


def word_of(kind: PushKind) -> Callable[[], PushWorld]:
    def setting() -> PushWorld:
        world = a_world()
        world.settle(20 * 60)
        world.memory.send_push(world.subscription("work").remote_id, kind)
        world.book("work", "hidden", at(5))
        return world

    return setting


def switch_off(world: PushWorld) -> None:
    world.engine.disable(world.id("home"))
    pass_by(world)


def disable_again(world: PushWorld) -> None:
    world.engine.disable(world.id("home"))


def push_then_off(world: PushWorld) -> None:
    """A push is worked off before the scheduler looks after what was switched off."""
    world.engine.disable(world.id("home"))
    world.deliver()
    world.engine.process_notifications()
    world.tick()


def disconnect(world: PushWorld) -> None:
    world.engine.disconnect(world.calendars["home"].account_id)


def disconnect_again(world: PushWorld) -> None:
    if any(one.key == world.id("home") for one in world.store.load_calendars()):
        disconnect(world)


def address_gone(world: PushWorld) -> None:
    world.engine.maintain_subscriptions(everything=True)
    pass_by(world)


def without_address() -> PushWorld:
    world = a_world()
    world.restart(webhook_url=None)
    return world


def moved_address() -> PushWorld:
    world = a_world()
    world.restart(webhook_url="https://new.example/hooks")
    return world


def paused() -> PushWorld:
    world = a_world()
    world.engine.pause(world.calendars["work"].account_id)
    world.book("work", "m1", at(2, 14))
    world.settle(60)
    return world


def resume(world: PushWorld) -> None:
    resume_again(world)
    pass_by(world)


def resume_again(world: PushWorld) -> None:
    world.engine.resume(world.calendars["work"].account_id)


STORIES = [
    Story("enable and subscribe", disabled, switch_on, 60, enable_again),
    Story("accept a push", booked, accept, 4),
    Story("work pushes off", booked, work_it_off, 100),
    Story("renew in place", renewable, work_it_off, 100),
    Story("renew anew", only_anew, work_it_off, 100),
    Story("replace what is doubted", doubted, work_it_off, 100),
    Story("change all secrets", booked, replace, 100, lambda world: world.engine.replace_subscriptions()),
    Story("gone, says the service", word_of(PushKind.ENDED), work_it_off, 60),
    Story("reauthorize, says the service", word_of(PushKind.REAUTHORIZE), work_it_off, 60),
    Story("missed, says the service", word_of(PushKind.MISSED), work_it_off, 60),
    Story("disable", booked, switch_off, 60, disable_again),
    Story("disable and work pushes off", booked, push_then_off, 60, disable_again),
    Story("resume", paused, resume, 60, resume_again),
    Story("disconnect", booked, disconnect, 60, disconnect_again),
    Story("the address is gone", without_address, address_gone, 20, address_gone, pushed=False),
    Story("the address moved", moved_address, address_gone, 20, address_gone),
]


# -- death and afterwards ---------------------------------------------------------------------------------------------


def die_at(story: Story, n: int) -> int | None:
    """Tell the story dying at the n-th boundary, restart, and check; if it has no n-th, how many it has."""
    world = story.setting()
    before = theirs(world)
    toll = Toll(n)
    with world.mortal(toll):
        story.deed(world)
    if not toll.dead:
        return len(toll.crossed)
    where = f"{story.name}: died at boundary {n}, {toll.crossed[-1]}"
    # Past every lease of the dead; what the scheduler would do at its next start is left out: no help is needed.
    world.clock.advance(timedelta(minutes=2))
    world.deliver()
    story.again(world)
    world.until(world.clock.now() + timedelta(minutes=5), step=15, haste=15)
    if story.pushed:
        assert examine(world).ok, f"{where}: a push that was taken is lost\n" + "\n".join(examine(world).wrong)  # I-28
    world.until(world.clock.now() + timedelta(hours=2), step=600, tick=300, haste=60)
    verdict = examine(world)
    assert verdict.ok, f"{where}\n" + "\n".join(verdict.wrong)
    left_behind(world, where)
    subscribed_once(world, where)
    world.check()
    assert theirs(world) == {place: etag for place, etag in before.items() if place[0] in world.remote}, where
    return None


def left_behind(world: PushWorld, where: str) -> None:
    """Every notification that was taken is done with, and nothing is due again and again."""
    rows = world.store.load_notifications(limit=10_000)
    assert {one.status for one in rows} <= {NotificationStatus.COMPLETED}, (where, rows)
    now = world.clock.now()
    due = world.store.load_due(now, world.engine._context.shape, world.engine._context.horizon().end)
    assert (due.owners, due.targets, due.calendars, due.checks) == ((), (), (), ()), where


def subscribed_once(world: PushWorld, where: str) -> None:
    """One subscription for each calendar that is on, here and at the service; one may live there unknown to us only if
    whoever asked for it died before its name was stored.
    """
    url = world.engine._context.webhook_url
    on = {one.key for one in world.store.load_calendars() if one.enabled and url is not None}
    stored = [one for one in world.store.load_subscriptions() if one.confirmed]
    assert sorted(one.calendar_id for one in stored) == sorted(on), where
    known = {one.remote_id for one in stored}
    alive = set(world.memory.subscriptions())
    assert known <= alive, where
    assert alive - known <= world.unanswered, where
    assert len(alive - known) <= 1, where
    for name in world.calendars:
        if world.id(name) in on:
            assert world.push_of(name) == "active", where
            assert world.subscription(name).expires_at == world.watch(name).expires_at, where


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_boundary(story: Story) -> None:  # I-05, I-28, I-29, I-30
    every = 1 if SEARCHING else 13
    for told, n in enumerate(itertools.count(1, every)):
        boundaries = die_at(story, n)
        if boundaries is not None:
            print(f"{story.name}: killed at {told} of {boundaries} boundaries")  # noqa: T201  (belongs to the output)
            assert boundaries >= story.least
            return
