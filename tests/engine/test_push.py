"""Webhooks first, polling behind: one owner's calendars that push, and everything that can go wrong with that."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, RateLimited, StoreError, Unavailable, UnknownProvider
from calsync_core.models import (
    Calendar,
    Notice,
    NoticeKind,
    NotificationStatus,
    PushKind,
    SyncType,
)
from calsync_core.protocols import PushRequest, Session, Subscription
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.providers.memory.service import PushHabits
from calsync_core.steps.receive import fingerprint
from calsync_core.stores import MemoryStore
from calsync_core.testing.store_contract.bench import count_waiting
from planted import PASSWORD
from push_world import PushWorld, shuffled
from world import at

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world() -> PushWorld:
    """Three calendars that push, read once, at rest."""
    world = PushWorld()
    world.settle(60)
    return world


def last_run(world: PushWorld) -> int:
    return world.engine.runs(limit=1)[0].id or 0


# -- the ordinary way -------------------------------------------------------------------------------------------------


def test_a_change_is_on_the_others_as_soon_as_it_is_pushed(world: PushWorld) -> None:
    since, sent = last_run(world), world.engine.metrics(1).api_calls
    world.book("work", "m1", at(1))
    world.settle(1)
    assert world.starts("home") == world.starts("club") == [at(1)]
    (run,) = world.reads_since(since)
    assert run.sync_type is SyncType.WEBHOOK
    assert (run.webhook_triggered, run.polling_fallback, run.echo) == (True, False, False)
    # One read, and one write for each target.
    assert (run.calendars_read, run.reading_calls, run.writes, run.api_calls) == (1, 1, 2, 3)
    assert world.engine.metrics(1).api_calls == sent + 3


def test_subscriptions_are_made_before_the_first_read(world: PushWorld) -> None:
    """What changes between the two is then pushed: no gap."""
    for name in ("work", "home", "club"):
        assert world.push_of(name) == "active"
        assert world.live_at_service(name) == [world.subscription(name).remote_id]
    (first,) = world.engine.runs()
    assert first.calendars_read == 3
    assert world.watch("work").subscribed_at == first.started_at


@pytest.mark.parametrize("names_items", [False, True], ids=["bare", "named"])
def test_echoes_of_our_own_writes(world: PushWorld, names_items: bool) -> None:
    """Coalesced into one read of each target, or into none where the push names the block; counted apart."""
    world.memory.push = evolve(world.memory.push, names_items=names_items)
    since = last_run(world)
    for number in range(5):
        world.book("work", f"m{number}", at(1, 9 + number))
    world.settle(30)
    runs = world.reads_since(since)
    assert [run.echo for run in runs] == ([False] if names_items else [False, True])
    assert sum(run.calendars_read for run in runs if run.echo) == (0 if names_items else 2)
    before = world.subscription("home")
    world.settle(3600)
    assert world.push_of("home") == "active"
    assert world.subscription("home") == before
    assert world.engine.metrics(2).reads.get("echo", 0) == (0 if names_items else 2)
    world.check()


def test_a_change_beside_our_own_write_is_not_taken_for_an_echo(world: PushWorld) -> None:
    """At most the echo delay later, and counted as what it is."""
    world.memory.push = evolve(world.memory.push, names_items=True)
    world.book("work", "m1", at(1))
    world.settle(1)
    world.book("home", "h1", at(2))
    world.settle(15)
    assert world.starts("work") == [at(2)]
    assert not world.engine.runs(limit=1)[0].echo


def test_a_block_that_somebody_moves_is_no_echo(world: PushWorld) -> None:
    """Its etag is another than the one of our last write."""
    world.memory.push = evolve(world.memory.push, names_items=True)
    world.book("work", "m1", at(1))
    world.settle(60)
    (block,) = world.blocks("home")
    world.memory.move(world.remote["home"], block.key, at(5))
    world.settle(60)
    assert world.starts("home") == [at(1)]


# -- who may push (I-26) ----------------------------------------------------------------------------------------------


def push_body(world: PushWorld, name: str) -> dict[str, Any]:
    """An authentic push of one calendar, taken off its way."""
    world.book(name, "lure", at(3))
    (request,) = world.memory.take_pushes()
    body = json.loads(request.body)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    "forgery",
    [
        {"secret": "guessed"},
        {"secret": ""},
        {"secret": None},
        {"secret": "ü" * 10},
        {"subscription": "unknown"},
        {"subscription": "x" * 100_000},
        {"resource": "calendars/other/events"},
    ],
    ids=["wrong", "empty", "missing", "not ASCII", "unknown", "long", "resource"],
)
def test_a_forged_push_changes_nothing(world: PushWorld, forgery: dict[str, str | None]) -> None:  # I-26
    body = push_body(world, "work") | forgery
    before = world.watch("work")
    receipt = world.engine.accept_push("memory", PushRequest({}, {}, json.dumps(body).encode()))
    assert (receipt.accepted, receipt.dropped) == (0, 1)
    assert world.store.load_notifications() == []
    assert world.watch("work") == before


def test_another_calendars_secret_proves_nothing(world: PushWorld) -> None:  # I-26
    body = push_body(world, "work")
    body["secret"] = push_body(world, "home")["secret"]
    assert world.engine.accept_push("memory", PushRequest({}, {}, json.dumps(body).encode())).dropped == 1


def test_no_secret_is_kept(world: PushWorld) -> None:  # I-26, I-39
    secret = str(push_body(world, "work")["secret"])
    stored = world.subscription("work")
    assert stored.secret_hash == fingerprint(secret)
    assert secret not in str(stored)
    assert stored.secret_hash not in repr(stored)
    assert len(secret) == 64
    assert len({one.secret_hash for one in world.engine.subscriptions()}) == 3


def test_what_is_no_push_is_one_clear_error(world: PushWorld) -> None:  # I-44
    with pytest.raises(InvalidValue):
        world.engine.accept_push("memory", PushRequest({}, {}, b"garbage"))
    with pytest.raises(UnknownProvider):
        world.engine.accept_push("nobody", PushRequest({}, {}, b""))


# -- lost, doubled, reordered, delayed (I-27) -------------------------------------------------------------------------


def test_a_burst_leads_to_two_syncs_at_most(world: PushWorld) -> None:  # I-27
    since = last_run(world)
    for number in range(200):
        world.book("work", f"m{number % 7}", at(1, 8 + number % 10))
        if number % 20 == 0:
            world.deliver()
            world.engine.process_notifications()
            world.clock.advance(timedelta(seconds=0.3))
    world.settle(10)
    assert len([run for run in world.reads_since(since) if not run.echo]) == 2
    world.settle(120)
    world.check()


def test_a_push_that_comes_twice_is_one(world: PushWorld) -> None:  # I-27
    world.book("work", "m1", at(1))
    (push,) = world.memory.take_pushes()
    first, second = (world.engine.accept_push("memory", push) for _ in range(2))
    assert (first.accepted, first.doubled) == (1, 0)
    assert (second.accepted, second.doubled) == (0, 1)
    world.settle(1)
    assert world.engine.accept_push("memory", push).doubled == 1


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_post_does_the_state_is_the_same(seed: int) -> None:  # I-01, I-27, I-32
    """A week of edits whose pushes are lost, doubled and shuffled ends where a week of good ones does."""
    dice = random.Random(seed)
    world = PushWorld(("work", "home"))
    world.post = shuffled(dice)
    world.settle(60)
    for number in range(40):
        name = dice.choice(("work", "home"))
        when = at(0) + timedelta(seconds=dice.randrange(6 * 86_400))
        start = at(dice.randrange(20), dice.randrange(24))
        world.plan(when, partial(world.book, name, f"m{number % 9}", start))
    world.until(at(8))
    world.check()


def test_a_notified_read_that_finds_nothing_is_repeated_once(world: PushWorld) -> None:  # I-07
    since = last_run(world)
    world.memory.send_push(world.subscription("work").remote_id, PushKind.CHANGED)
    world.settle(600)
    runs = world.reads_since(since)
    assert [run.calendars_read for run in runs] == [1, 1]
    first, second = (run.started_at for run in runs)
    assert timedelta(seconds=60) <= second - first <= timedelta(seconds=62)
    assert {one.status for one in world.store.load_notifications()} == {NotificationStatus.COMPLETED}


# -- the subscription's life (I-30, I-31) -----------------------------------------------------------------------------


@pytest.mark.parametrize("renewable", [True, False], ids=["in place", "anew"])
def test_a_month_without_a_gap(renewable: bool) -> None:  # I-30
    """At every moment of a month the service has a live subscription, and pushes are believed."""
    service = MemoryService()
    service.push = PushHabits(lifetime=timedelta(days=3), renewable=renewable, announces=True)
    world = PushWorld(("work", "home"), service=service)
    world.settle(60)
    for hour in range(24 * 30):
        world.until(at(0) + hour * HOUR, step=HOUR.total_seconds() / 4, tick=600)
        for name in ("work", "home"):
            assert world.live_at_service(name), hour
            assert world.push_of(name) == "active"
            assert len(world.live_at_service(name)) == 1
        if hour % 50 == 0:
            world.book("work", f"m{hour}", at(hour // 24 + 1, 7))
            world.settle(2)
            assert at(hour // 24 + 1, 7) in world.starts("home")
    world.check()
    assert not world.told(NoticeKind.PUSH_DEGRADED)


def test_a_new_subscription_is_made_before_the_old_one_is_ended(world: PushWorld) -> None:  # I-30
    old = world.subscription("work")
    report = world.engine.replace_subscriptions(world.id("work"))
    new = world.subscription("work")
    assert (report.created, report.ended) == (1, 1)
    assert new.remote_id != old.remote_id
    assert new.secret_hash != old.secret_hash
    assert world.live_at_service("work") == [new.remote_id]


def test_a_secret_is_changed_once_a_month(world: PushWorld) -> None:  # I-26
    first = world.subscription("work").secret_hash
    world.until(at(40), step=3600, tick=600)
    assert world.subscription("work").secret_hash != first


def test_a_channel_that_died_silently_is_noticed_by_a_missing_echo(world: PushWorld) -> None:  # I-30, I-32
    dead = world.subscription("home").remote_id
    world.memory.kill_subscription(dead)
    world.book("work", "m1", at(1))
    world.until(world.clock.now() + 11 * MINUTE)
    assert world.subscription("home").remote_id != dead
    world.book("home", "h1", at(2))
    world.settle(2)
    assert world.starts("work") == [at(2)]
    assert world.push_of("home") == "active"


def test_a_change_that_no_push_announced_makes_the_channel_suspect(world: PushWorld) -> None:  # I-30, I-32
    mute = world.subscription("home").remote_id
    world.memory.mute_subscription(mute)
    world.book("home", "h1", at(2))
    world.until(world.clock.now() + timedelta(hours=7))
    assert world.starts("work") == [at(2)]
    assert world.subscription("home").remote_id != mute
    world.check()


def test_a_channel_that_never_speaks_is_given_up_and_comes_back(world: PushWorld) -> None:  # I-32
    """Polling takes over, the host is told of trouble, of its growth and of its end, each once."""

    def silence() -> None:
        for one in world.live_at_service("home"):
            world.memory.mute_subscription(one)

    started = world.clock.now()
    for number in range(12 * 24 * 3):
        world.plan(started + number * 5 * MINUTE, silence)
    for number in range(3 * 48):
        world.plan(
            started + number * 30 * MINUTE,
            partial(world.book, "home", f"h{number}", at(4, number % 24)),
        )
    world.until(started + 3 * DAY, step=60)
    assert world.push_of("home") == "suspended"
    assert world.push_of("work") == "active"
    # It changed every half hour, so it was read about every five minutes.
    assert max(world.starts("work")) == at(4, 23)
    assert [notice.kind for notice in world.notices if notice.kind.startswith("push_")] == [
        NoticeKind.PUSH_DEGRADED,
        NoticeKind.PUSH_SUSPENDED,
    ]
    world.until(started + 5 * DAY, step=60)
    world.book("home", "news", at(6))
    world.until(started + 6 * DAY, step=60)
    assert world.push_of("home") == "active"
    assert world.told(NoticeKind.PUSH_RECOVERED)[0].calendar == world.id("home")
    world.check()


def test_the_services_word_on_a_subscription_leads_to_its_repair(world: PushWorld) -> None:  # I-31
    old = world.subscription("work")
    world.memory.send_push(old.remote_id, PushKind.ENDED)
    world.settle(10)
    new = world.subscription("work")
    assert new.remote_id != old.remote_id
    world.settle(20 * 60)
    world.memory.send_push(new.remote_id, PushKind.REAUTHORIZE)
    world.settle(10)
    renewed = world.subscription("work")
    assert renewed.remote_id == new.remote_id
    assert renewed.expires_at > new.expires_at
    since = last_run(world)
    world.settle(10)
    world.memory.send_push(new.remote_id, PushKind.MISSED)
    world.settle(10)
    assert [run.sync_type for run in world.reads_since(since)] == [SyncType.WEBHOOK]


def test_what_changed_while_there_was_no_subscription_is_read(world: PushWorld) -> None:  # I-31, I-32
    """``subscriptionRemoved`` comes alone: nothing announces what it hid."""
    world.memory.send_push(world.subscription("work").remote_id, PushKind.ENDED)
    world.book("work", "m1", at(1))
    world.settle(10)
    assert world.starts("home") == [at(1)]


def test_a_calendar_that_cannot_push_is_polled_and_remembered() -> None:  # I-30
    world = PushWorld(("work",))
    user = "ana-old"
    world.service.add_user(user, PASSWORD)
    world.remote["old"] = world.memory.add_calendar(user, "old", primary=True, pushes=False)
    world.connect("old")
    world.settle(60)
    assert world.push_of("old") == "unsupported"
    sent = world.engine.metrics(1).api_calls
    world.book("old", "m1", at(1))
    world.until(world.clock.now() + HOUR)
    assert world.starts("work") == [at(1)]
    report = world.engine.maintain_subscriptions()
    assert (report.created, report.api_calls) == (0, 0)
    assert world.engine.metrics(2).api_calls - sent < 20


def test_switching_off_ends_the_subscription(world: PushWorld) -> None:
    world.engine.disable(world.id("work"))
    world.settle(60)
    assert world.live_at_service("work") == []
    assert world.store.load_subscriptions(world.id("work")) == []
    world.engine.enable(world.id("work"))
    world.settle(60)
    assert len(world.live_at_service("work")) == 1


def test_disconnecting_and_purging_end_subscriptions(world: PushWorld) -> None:  # I-43
    report = world.engine.disconnect(world.calendars["work"].account_id)
    assert report.ok
    assert world.live_at_service("work") == []
    assert world.engine.purge().ok
    assert world.memory.subscriptions() == {}
    assert world.engine.subscriptions() == []


def test_without_an_address_nothing_is_subscribed_to_and_all_is_polled() -> None:
    world = PushWorld(("work", "home"), webhook_url=None)
    world.settle(60)
    assert world.memory.subscriptions() == {}
    world.book("work", "m1", at(1))
    world.until(world.clock.now() + HOUR)
    assert world.starts("home") == [at(1)]


def test_an_address_that_moves_is_followed(world: PushWorld) -> None:
    world.restart(webhook_url="https://new.example/hooks/")
    world.engine.maintain_subscriptions(everything=True)
    assert world.subscription("work").url == "https://new.example/hooks/memory"
    assert len(world.live_at_service("work")) == 1


def test_an_address_that_is_gone_ends_what_there_was(world: PushWorld) -> None:
    world.restart(webhook_url=None)
    world.engine.maintain_subscriptions(everything=True)
    assert world.memory.subscriptions() == {}
    assert world.push_of("work") == "none"


class EarlyProvider(MemoryProvider):
    """A service whose first push comes before the answer to the subscription (I-29)."""

    world: PushWorld

    def subscribe(
        self, session: Session, calendar: Calendar, *, subscription_id: str, secret: str, url: str
    ) -> Subscription:
        made = super().subscribe(session, calendar, subscription_id=subscription_id, secret=secret, url=url)
        self.world.book(calendar.name, f"early-{calendar.name}", at(1))
        self.receipts = [*getattr(self, "receipts", []), *self.world.deliver()]
        return made


def test_a_push_may_come_before_the_answer() -> None:  # I-29
    service = MemoryService()
    service.push = PushHabits(announces=True)
    provider = EarlyProvider(service)
    world = PushWorld(("work", "home"), service=service, provider=provider)
    provider.world = world
    world.settle(60)
    assert [(one.accepted, one.dropped) for one in provider.receipts] == [(1, 0)] * 4
    assert world.starts("home") == [at(1)]
    world.check()


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_an_outage_of_a_day_loses_nothing(world: PushWorld) -> None:  # I-32
    """Neither endpoint nor workers: nobody hears, nobody asks. Then everything comes right by itself."""
    world.up = False
    for hour in range(24):
        world.plan(at(0, 9) + hour * HOUR, partial(world.book, "work", f"m{hour}", at(3, hour)))
    world.until(at(1, 10))
    world.memory.lose_pushes()
    world.up = True
    world.settle(120)
    world.until(at(1, 18))
    assert len(world.starts("home")) == len(world.starts("club")) == 24
    world.check()


def test_an_outage_of_the_endpoint_alone(world: PushWorld) -> None:  # I-32
    """The workers run, and every push of a day is lost: polling takes over by itself and gives back by itself."""
    world.post = lambda _pushes: []
    for hour in range(24):
        world.plan(at(0, 9) + hour * HOUR, partial(world.book, "work", f"m{hour}", at(3, hour)))
    world.until(at(1, 12))
    assert len(world.starts("home")) == 24
    world.post = lambda pushes: pushes
    world.book("work", "back", at(5))
    world.until(at(2, 12))
    # Its next probe has made a subscription, and the first push of that proves it.
    since = last_run(world)
    world.book("work", "again", at(6))
    world.settle(5)
    assert at(6) in world.starts("home")
    assert world.reads_since(since)[0].sync_type is SyncType.WEBHOOK
    assert world.push_of("work") == "active"
    world.check()


def test_what_cannot_be_read_is_tried_again_after_1_5_and_15_minutes(world: PushWorld) -> None:
    tried = []

    class Down(MemoryProvider):
        def fetch_changes(self, session: Session, request: Any) -> Any:
            if request.calendar.name == "work":
                tried.append(world.clock.now())
                raise Unavailable("down")
            return super().fetch_changes(session, request)

    well = world.provider
    world.provider = Down(world.memory)
    world.restart()
    world.book("work", "m1", at(1))
    world.deliver()
    began = world.clock.now()
    for seconds in range(0, 23 * 60, 5):
        world.clock.advance(began + timedelta(seconds=seconds) - world.clock.now())
        world.engine.process_notifications()
    assert [round((when - began).total_seconds() / 60) for when in tried] == [0, 1, 6, 21]
    (one,) = world.store.load_notifications()
    assert (one.status, one.attempts, one.error) == (NotificationStatus.FAILED, 3, "Unavailable")
    (notice,) = world.told(NoticeKind.NOTIFICATIONS_FAILED)
    assert (notice.calendar, notice.detail["count"]) == (world.id("work"), 1)
    world.provider = well
    world.restart()
    world.until(world.clock.now() + 2 * HOUR)
    assert world.starts("home") == [at(1)]
    world.check()


def test_the_providers_patience_is_kept(world: PushWorld) -> None:  # I-33
    class Busy(MemoryProvider):
        def fetch_changes(self, session: Session, request: Any) -> Any:  # noqa: ARG002  (the port's signature)
            raise RateLimited("slowly", retry_after=400.0)

    world.provider = Busy(world.memory)
    world.restart()
    world.book("work", "m1", at(1))
    world.deliver()
    world.engine.process_notifications()
    (one,) = world.store.load_notifications()
    assert one.due_at == world.clock.now() + timedelta(seconds=400)


def test_a_worker_that_dies_leaves_its_notifications_to_the_next(world: PushWorld) -> None:  # I-28
    world.book("work", "m1", at(1))
    world.deliver()
    lease = world.store.acquire_lease("inbox:ana", "a worker that dies", 60, world.clock.now())
    assert len(world.store.claim_notifications(lease, world.id("work"), world.clock.now())) == 1
    assert world.engine.process_notifications().calendars == 0
    world.clock.advance(61 * timedelta(seconds=1))
    assert world.engine.process_notifications().completed == 1
    assert world.starts("home") == [at(1)]


def test_a_push_for_a_calendar_that_is_off_is_done_with(world: PushWorld) -> None:
    world.book("work", "m1", at(1))
    world.deliver()
    world.engine.disable(world.id("work"))
    assert world.engine.process_notifications().completed == 1
    assert count_waiting(world.store, world.id("work")) == 0


def test_a_revoked_login_costs_nothing_and_heals(world: PushWorld) -> None:  # I-35
    world.memory.set_password("ana-work", "new")
    world.book("work", "m1", at(5))
    world.until(world.clock.now() + 2 * DAY, step=60)
    assert len(world.told(NoticeKind.REAUTHORIZATION_NEEDED)) == 1
    assert world.engine.metrics(24).api_calls < 60
    world.memory.set_password("ana-work", PASSWORD)
    world.connect("work")
    world.until(world.clock.now() + HOUR)
    assert world.push_of("work") == "active"
    assert world.starts("home") == [at(5)]


class BrokenStore(MemoryStore):
    """A store whose disk is full now and then."""

    broken = False

    def save_notifications(self, notifications: Any) -> int:
        if self.broken:
            raise StoreError("the disk is full")
        return super().save_notifications(notifications)


def test_what_cannot_be_kept_is_not_taken() -> None:  # I-28
    store = BrokenStore()
    world = PushWorld(("work", "home"), store=store)
    world.settle(60)
    store.broken = True
    world.book("work", "m1", at(1))
    pushes = world.memory.take_pushes()
    for push in pushes:
        with pytest.raises(StoreError):
            world.engine.accept_push("memory", push)
    store.broken = False
    assert [world.engine.accept_push("memory", push).accepted for push in pushes] == [1]


# -- notices ----------------------------------------------------------------------------------------------------------


def test_a_notice_that_the_host_cannot_take_comes_again_and_in_order(world: PushWorld) -> None:
    taken: list[Notice] = []
    refuse = True

    class Host:
        def notify(self, notice: Notice) -> None:
            if refuse and notice.calendar == world.id("work"):
                raise RuntimeError("the mail server is down")
            taken.append(notice)

    world.engine._context.notifier = Host()
    context = world.engine._context
    for number in range(3):
        context.tell(NoticeKind.BLOCK_RESTORED, "ana", calendar=world.id("work"), number=number)
        context.tell(NoticeKind.BLOCK_RESTORED, "ana", calendar=world.id("home"), number=number)
    assert world.engine.deliver_notices() == 3
    assert {notice.calendar for notice in taken} == {world.id("home")}
    world.clock.advance(HOUR)
    # Another process goes on where the first one stopped.
    refuse = False
    assert world.engine.deliver_notices() == 3
    assert [notice.detail["number"] for notice in taken[3:]] == [0, 1, 2]
    assert world.engine.vitals().notices == 0


def test_the_host_is_told_even_if_the_process_dies_before_it_could_be(world: PushWorld) -> None:
    context = world.engine._context
    context.tell(NoticeKind.REAUTHORIZATION_NEEDED, "ana", account=1)
    world.restart()
    world.engine.deliver_notices()
    assert len(world.told(NoticeKind.REAUTHORIZATION_NEEDED)) == 1


# -- figures ----------------------------------------------------------------------------------------------------------


def test_health_names_each_calendars_way_and_worst_staleness(world: PushWorld) -> None:
    (work, *_) = world.engine.health().calendars
    assert (work.way, work.push, work.worst_staleness) == (SyncType.WEBHOOK, "active", 6 * 3600)
    assert world.engine.health().status == "healthy"
    vitals = world.engine.vitals()
    assert (vitals.calendars, vitals.push, vitals.backlog, vitals.failing) == (3, {"active": 3}, 0, 0)
    world.book("work", "m1", at(1))
    world.deliver()
    assert world.engine.vitals().backlog == 1


def test_what_waits_on_purpose_is_not_late(world: PushWorld) -> None:
    world.book("work", "m1", at(1))
    world.settle(10)
    world.book("work", "m2", at(2))
    world.deliver()
    world.engine.process_notifications()
    world.deliver()
    vitals = world.engine.vitals()
    assert (vitals.backlog > 0, vitals.backlog_since) == (True, None)
    world.clock.advance(timedelta(seconds=30))
    since = world.engine.vitals().backlog_since
    assert since is not None
    assert since < world.clock.now()


def test_stopping_sends_no_further_request_and_loses_nothing(world: PushWorld) -> None:
    world.book("work", "m1", at(1))
    world.deliver()
    world.engine.stop()
    assert world.engine.process_notifications().calendars == 0
    assert world.starts("home") == []
    assert not world.told(NoticeKind.SYNC_FAILED)
    for report in (world.engine.sync_all_calendars(), world.engine.sync_calendars_needing_polling(trust_push=False)):
        assert (report.stopped, report.ok, report.errors) == (True, False, ())
        assert report.summary.startswith("Stopped before it was done · Nothing to write")
    assert world.engine.runs(limit=1)[0].stopped
    assert (world.engine.audit().stopped, world.engine.audit().ok) == (True, False)
    assert world.engine.metrics().failed_runs == 0
    world.restart()
    assert world.engine.sync_calendars_needing_polling(due_only=True).ok
    world.clock.advance(timedelta(seconds=5))
    world.settle(10)
    assert world.starts("home") == [at(1)]
