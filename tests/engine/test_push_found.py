"""What random histories and deaths found in syncing by push first, each as small as it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from attrs import evolve

from calsync_core.engine import SyncEngine
from calsync_core.errors import Rejected
from calsync_core.models import (
    Account,
    Calendar,
    ChangePage,
    Lease,
    Notice,
    NoticeKind,
    NotificationStatus,
    Progress,
    PushKind,
    PushState,
)
from calsync_core.protocols import ReadRequest, Session, Subscription
from calsync_core.providers.memory import MemoryProvider, MemoryService, PushHabits
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from calsync_core.testing.store_contract.bench import count_waiting
from planted import PASSWORD
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
    world.store.save_watch(lease, world.id("work"), kept, PushState.ACTIVE, world.clock.now())
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
    assert count_waiting(world.store, world.id("work")) == 1
    world.store.release_lease(leases["taken"])
    world.settle(120)
    assert count_waiting(world.store, world.id("work")) == 0
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
    # What it took is not offered to it again, by whomever.
    assert world.engine.vitals().notices == 1


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


# -- found by a hostile reading ---------------------------------------------------------------------------------------


def rested(world: PushWorld) -> None:
    """Let push prove itself for so long that the timers run for a day."""
    for day in range(4):
        world.book("work", f"rested-{day}", at(10 + day))
        world.until(world.clock.now() + timedelta(hours=20))
    assert world.watch("work").interval > 20 * 3600


def test_without_push_a_timer_of_the_good_times_is_too_long(world: PushWorld) -> None:  # I-32
    rested(world)
    world.restart(webhook_url=None)
    world.engine.maintain_subscriptions(everything=True)
    world.book("work", "unheard", at(20))
    world.until(world.clock.now() + timedelta(hours=1, minutes=5))
    assert at(20) in world.starts("home")


def test_a_subscription_that_cannot_be_renewed_is_tried_now_and_then_and_told_of_once() -> None:  # I-34
    service = MemoryService()
    service.push = PushHabits(lifetime=timedelta(days=2))
    faulty = FaultyProvider(MemoryProvider(service))
    world = PushWorld(("work", "home"), service=service, provider=faulty)
    world.settle(60)
    world.until(world.clock.now() + timedelta(hours=34))
    for _ in range(200):
        for what in ("renew", "subscribe"):
            faulty.schedule(Fault(FaultKind.ERROR, on=what, error=Rejected("no")))
    for number in range(3 * 14):
        when = world.clock.now() + number * timedelta(minutes=20)
        world.plan(when, partial(world.book, "work", "busy", at(9, number % 24)))
    before = len(faulty.injected)
    world.until(world.clock.now() + timedelta(hours=13))
    # Two calendars: 1, 2, 4 … 60 minutes apart, whatever is pushed meanwhile.
    assert len(faulty.injected) - before <= 2 * 20
    assert world.told(NoticeKind.PUSH_RECOVERED) == []
    assert len(world.told(NoticeKind.PUSH_DEGRADED)) == 2


def test_what_found_nothing_gets_its_second_look_also_if_another_push_comes_between(world: PushWorld) -> None:  # I-07
    work = world.subscription("work").remote_id
    world.memory.send_push(work, PushKind.CHANGED)
    world.settle(10)
    world.memory.send_push(work, PushKind.CHANGED)
    world.settle(20)
    # Now the change that the first push told of can be read; nothing more is pushed.
    world.post = lambda _pushes: []
    world.book("work", "late", at(2))
    world.settle(60)
    assert at(2) in world.starts("home")


def test_a_calendar_whose_pushes_are_given_up_is_read_soon(world: PushWorld) -> None:
    rested(world)

    class Broken(MemoryProvider):
        def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:  # noqa: ARG002  (the port's signature)
            raise RuntimeError("a defect in an adapter")

    well = world.provider
    world.provider = Broken(world.memory)
    world.restart()
    world.book("work", "m1", at(20))
    world.settle(25 * 60)
    assert world.told(NoticeKind.NOTIFICATIONS_FAILED)
    world.provider = well
    world.restart()
    world.until(world.clock.now() + timedelta(minutes=10))
    assert at(20) in world.starts("home")


def test_a_defect_in_a_provider_leaks_no_subscriptions(world: PushWorld) -> None:  # I-34
    class Defective(MemoryProvider):
        asked = 0

        def subscribe(
            self, session: Session, calendar: Calendar, *, subscription_id: str, secret: str, url: str
        ) -> Subscription:
            super().subscribe(session, calendar, subscription_id=subscription_id, secret=secret, url=url)
            type(self).asked += 1
            raise KeyError("odd JSON")

    world.provider = Defective(world.memory)
    world.restart()
    for name in ("work", "home"):
        world.memory.kill_subscription(world.subscription(name).remote_id)
    world.engine.replace_subscriptions()
    world.until(world.clock.now() + timedelta(hours=1))
    assert Defective.asked <= 2 * 8


def test_writes_that_an_account_is_not_let_in_for_fail_no_pass_again_and_again() -> None:
    world = PushWorld(("work", "home"), webhook_url=None)
    world.settle(60)
    # A process that was given the login of one account only.
    world.engine = SyncEngine(
        store=world.store, providers={"memory": world.provider}, notifier=world, clock=world.clock, **world.options
    )
    world.book("work", "m1", at(3))
    world.engine.attach(world.calendars["work"].account_id, world.login("work"))
    world.until(world.clock.now() + timedelta(hours=1))
    assert len(world.told(NoticeKind.SYNC_FAILED)) <= 20


def test_one_owners_failure_is_no_other_owners() -> None:  # I-37
    world = PushWorld(("work", "home"), webhook_url=None)
    for name in ("work", "home"):
        user = f"bo-{name}"
        world.service.add_user(user, PASSWORD)
        remote = world.memory.add_calendar(user, name, primary=True)
        account = world.engine.connect(Account("bo", "memory", name), world.login(name, "bo"))
        (found,) = world.engine.discover(account.key)
        world.engine.enable(found.key)
        assert remote == found.remote_id
    world.settle(60)
    world.memory.set_password("ana-work", "another")
    world.notices.clear()
    world.engine.sync_calendars_needing_polling()
    kinds = {(notice.owner, notice.kind) for notice in world.notices}
    assert ("ana", NoticeKind.SYNC_FAILED) in kinds
    assert {kind for owner, kind in kinds if owner == "bo"} == {NoticeKind.SYNC_FINISHED}


def test_what_is_over_by_now_is_no_news_to_an_audit(world: PushWorld) -> None:  # I-32
    """It lists afresh, and the store lets go of what is over: no push could have told of that."""
    world.book("work", "soon", at(0, 12))
    world.book("work", "later", at(20))
    world.settle(600)
    world.until(at(2), step=600, tick=600)
    before = world.subscription("work").id
    assert world.engine.audit("ana").ok
    assert world.watch("work").doubted_at is None
    world.settle(3600)
    assert world.subscription("work").id == before


def test_a_change_that_an_audit_finds_is_a_doubt(world: PushWorld) -> None:  # I-32
    world.settle(600)
    world.post = lambda _pushes: []
    world.book("work", "new", at(20))
    world.deliver()
    assert world.engine.audit("ana", repair=True).repaired
    assert world.watch("work").doubted_at == world.clock.now()
