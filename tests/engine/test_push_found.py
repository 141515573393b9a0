"""What random histories and deaths found in syncing by push first, each as small as it gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.models import Calendar, Lease, Notice, NoticeKind, NotificationStatus, Progress
from calsync_core.protocols import Session, Subscription
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from push_world import WEBHOOKS, PushWorld
from world import at

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world() -> PushWorld:
    """Two calendars that push, read once, at rest."""
    world = PushWorld(("work", "home"))
    world.settle(60)
    return world


def checks_due(world: PushWorld) -> tuple[int, ...]:
    """Calendars whose push waits to be looked after."""
    context = world.engine._context
    return tuple(world.store.load_due(world.clock.now(), context.shape, context.horizon().end).checks)


def test_a_write_does_not_hide_that_a_subscription_is_to_be_ended(world: PushWorld) -> None:
    """Switched off, and a push of another calendar is worked off before the scheduler comes round."""
    world.book("work", "m1", at(1))
    world.settle(60)
    world.engine.disable(world.id("home"))
    world.book("work", "m2", at(2))
    world.deliver()
    world.engine.process_notifications()
    world.settle(60)
    assert world.live_at_service("home") == []
    assert world.store.load_subscriptions(world.id("home")) == []


def test_a_read_does_not_hide_that_the_address_is_gone(world: PushWorld) -> None:
    world.restart(webhook_url=None)
    world.sync()
    world.until(world.clock.now() + 7 * DAY, step=600, tick=600)
    assert world.store.load_subscriptions() == []


def test_a_login_that_is_refused_is_not_looked_at_in_every_pass(world: PushWorld) -> None:  # I-35
    world.memory.set_password("ana-work", "new")
    world.book("work", "m1", at(5))
    world.engine.replace_subscriptions()
    world.until(world.clock.now() + DAY, step=600, tick=600)
    assert checks_due(world) == ()
    world.tick()
    assert checks_due(world) == ()


@pytest.mark.parametrize("connected", [True, False])
def test_a_paused_account_is_not_looked_at_in_every_pass(world: PushWorld, connected: bool) -> None:
    world.engine.pause(world.calendars["work"].account_id)
    if connected:
        world.until(world.clock.now() + 9 * DAY, step=600, tick=600)
    else:
        world.engine.replace_subscriptions()
        world.tick()
    assert checks_due(world) == ()


def test_what_was_pushed_to_a_paused_account_is_read_when_it_is_resumed(world: PushWorld) -> None:
    account = world.calendars["work"].account_id
    world.engine.pause(account)
    world.book("work", "m1", at(5))
    world.settle(HOUR.total_seconds())
    assert world.starts("home") == []
    world.engine.resume(account)
    world.settle(60)
    assert world.starts("home") == [at(5)]
    assert {one.status for one in world.store.load_notifications()} == {NotificationStatus.COMPLETED}
    assert not world.told(NoticeKind.NOTIFICATIONS_FAILED)


def test_a_subscription_that_could_not_be_ended_is_ended_later() -> None:  # I-30
    world = PushWorld(("work", "home"))
    faulty = FaultyProvider(world.provider)
    world.provider = faulty
    world.restart()
    world.settle(60)
    faulty.schedule(Fault(FaultKind.ERROR, on="unsubscribe"))
    world.engine.replace_subscriptions(world.id("work"))
    assert len(world.live_at_service("work")) == 2
    world.until(world.clock.now() + 2 * HOUR, step=600, tick=600)
    assert world.live_at_service("work") == [world.subscription("work").remote_id]


def test_a_watch_believes_no_longer_life_than_its_subscription_has(world: PushWorld) -> None:  # I-30
    """Died between the new subscription, shorter than the old one, and the word of it."""
    kept = world.watch("work")
    world.memory.push = evolve(world.memory.push, lifetime=DAY)
    world.engine.replace_subscriptions(world.id("work"))
    lease = world.store.acquire_lease(f"calendar:{world.id('work')}", "the dead", 60, world.clock.now())
    world.store.save_watch(lease, world.id("work"), kept, world.engine.health().calendars[0].push, world.clock.now())  # type: ignore[arg-type]
    world.clock.advance(timedelta(minutes=2))
    world.restart()
    world.engine.maintain_subscriptions(everything=True)
    assert world.watch("work").expires_at == world.subscription("work").expires_at


def test_what_a_calendar_that_cannot_push_any_more_left_is_ended_later() -> None:  # I-30
    world = PushWorld(("work", "home"))
    faulty = FaultyProvider(world.provider)
    world.provider = faulty
    world.restart()
    world.settle(60)
    faulty.schedule(Fault(FaultKind.ERROR, on="unsubscribe"))
    world.memory.set_pushes(world.remote["work"], pushes=False)
    world.engine.replace_subscriptions(world.id("work"))
    assert len(world.live_at_service("work")) == 1
    world.until(world.clock.now() + 2 * HOUR, step=600, tick=600)
    assert world.live_at_service("work") == []
    assert world.store.load_subscriptions(world.id("work")) == []
    assert world.push_of("work") == "unsupported"


@pytest.mark.parametrize("address", [None, WEBHOOKS])
def test_a_calendar_whose_enabling_was_cut_short_is_read_after_the_restart(address: str | None) -> None:  # I-05
    """Died between the two things that enabling does."""
    world = PushWorld(("work", "home"), webhook_url=address)
    world.settle(60)
    world.engine.disable(world.id("work"))
    world.settle(60)
    world.store.save_calendar(evolve(world.store.load_calendar(world.id("work")), enabled=True))
    world.book("work", "m1", at(1))
    world.restart()
    world.engine.maintain_subscriptions(everything=True)
    world.settle(60)
    assert world.starts("home") == [at(1)]


def test_a_worker_that_is_too_slow_for_its_lease_leaves_the_inbox_to_another(world: PushWorld) -> None:  # I-06, I-28
    def dawdle(progress: Progress) -> None:
        if progress.step == "apply" and "taken" not in leases:
            world.clock.advance(timedelta(seconds=61))
            leases["taken"] = world.store.acquire_lease("inbox:ana", "another worker", 60, world.clock.now())

    leases: dict[str, Lease] = {}
    world.restart(on_progress=dawdle)
    world.book("work", "m1", at(1))
    world.deliver()
    assert world.engine.process_notifications().calendars == 0
    assert world.store.count_waiting(world.id("work")) == 1
    world.store.release_lease(leases["taken"])
    world.settle(120)
    assert world.store.count_waiting(world.id("work")) == 0
    assert world.starts("home") == [at(1)]


def test_a_host_that_is_slow_to_take_notices_spoils_no_pass(world: PushWorld) -> None:  # I-37
    context = world.engine._context
    taken: list[Notice] = []

    class Host:
        def notify(self, notice: Notice) -> None:
            taken.append(notice)
            world.clock.advance(timedelta(seconds=61))
            world.store.acquire_lease("notices", "another worker", 60, world.clock.now())

    context.notifier = Host()
    for _ in range(2):
        context.tell(NoticeKind.BLOCK_RESTORED, "ana", calendar=world.id("work"))
    assert world.engine.deliver_notices() == 0
    assert len(taken) == 1
    assert world.engine.vitals().notices == 2


class Interrupted(MemoryProvider):
    """A service during whose answers the host changes its mind."""

    meanwhile: Callable[[], object] | None = None

    def interrupt(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def subscribe(self, session: Session, calendar: Calendar, **asked: str) -> Subscription:
        made = super().subscribe(session, calendar, **asked)
        self.interrupt()
        return made

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        super().unsubscribe(session, subscription)
        self.interrupt()


def test_switching_off_while_a_subscription_is_made_ends_it(world: PushWorld) -> None:
    world.provider = provider = Interrupted(world.memory)
    world.restart()
    provider.meanwhile = lambda: world.engine.disable(world.id("work"))
    world.engine.replace_subscriptions(world.id("work"))
    world.settle(60)
    assert world.live_at_service("work") == []
    assert world.store.load_subscriptions(world.id("work")) == []


@pytest.mark.parametrize("can_push", [True, False])
def test_switching_on_while_a_subscription_is_ended_makes_another(world: PushWorld, can_push: bool) -> None:
    world.provider = provider = Interrupted(world.memory)
    world.restart()
    world.engine.disable(world.id("work"))
    provider.meanwhile = lambda: world.engine.enable(world.id("work"))
    world.memory.set_pushes(world.remote["work"], pushes=can_push)
    world.tick()
    world.book("work", "m1", at(1))
    world.memory.lose_pushes()
    world.until(world.clock.now() + HOUR)
    assert world.starts("home") == [at(1)]
    assert world.push_of("work") == ("active" if can_push else "unsupported")


def test_a_block_that_somebody_renames_is_put_right_also_where_writes_tell_no_etag() -> None:  # I-01
    world = PushWorld(("work", "home"), service=MemoryService(etag_on_write=False))
    world.book("work", "m1", at(1))
    world.settle(120)
    (block,) = world.blocks("home")
    world.memory.retitle(world.remote["home"], block.key, "Lunch")
    world.settle(120)
    assert [item.events[0].title for item in world.blocks("home")] == [block.events[0].title]
