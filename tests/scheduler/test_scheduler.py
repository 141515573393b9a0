"""The four jobs over a small world: in virtual time by ``run_due``, in real time by ``run``."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from attrs import define, field
from structlog.testing import capture_logs

from calsync_core.engine import SyncEngine
from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import Calendar, ChangePage, Due, NoticeKind, SyncPolicy
from calsync_core.protocols import ReadRequest, Session, Store, Subscription
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.scheduler import InboxWorker, Scheduler
from calsync_core.stores import MemoryStore
from calsync_core.system import SystemClock
from push_world import PushWorld
from waiting import WAIT, Renewing, until
from world import START, World, at

DAY = 24 * 3600.0


def dice(seed: int = 0) -> random.Random:
    return random.Random(seed)


def pass_time(world: World, scheduler: Scheduler, seconds: float, step: float = 10) -> Counter[str]:
    """Let so much time pass for a host whose loop comes round each step; which jobs ran how often."""
    ran: Counter[str] = Counter()
    for _ in range(round(seconds / step)):
        world.clock.advance(timedelta(seconds=step))
        ran.update(scheduler.run_due())
    return ran


class FlakyStore:
    """A store that can't be reached for a while."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise StoreError("the database is down")
        return getattr(self._inner, name)


def flaky() -> tuple[FlakyStore, Store]:
    store = FlakyStore(MemoryStore())
    return store, cast("Store", store)


class Counted(MemoryProvider):
    """Counts, by calendar, how often it is asked for a subscription."""

    def __init__(self, service: MemoryService) -> None:
        super().__init__(service)
        self.asked: Counter[str] = Counter()

    def subscribe(self, session: Session, calendar: Calendar, **asked: str) -> Subscription:
        self.asked[calendar.name] += 1
        return super().subscribe(session, calendar, **asked)


class Gate(MemoryProvider):
    """A provider whose answers wait at a gate, once it is shut: all, or only those that list everything."""

    def __init__(self, service: MemoryService, *, lets_changes_pass: bool = False) -> None:
        super().__init__(service)
        self.service = service
        self.open, self.reached = threading.Event(), threading.Event()
        self.open.set()
        self._lets_changes_pass = lets_changes_pass

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        passes = self._lets_changes_pass and request.cursor is not None
        if not (self.open.is_set() or passes):
            self.reached.set()
            assert self.open.wait(WAIT)
        yield from super().fetch_changes(session, request)


# -- when ---------------------------------------------------------------------------------------------------------


def test_each_job_comes_round_at_its_own_pace() -> None:
    world = World()
    scheduler = Scheduler(world.engine, dice=dice())
    first = pass_time(world, scheduler, 30)
    assert first["polling"] >= 1
    assert first["maintenance"] == 1
    ran = pass_time(world, scheduler, 2 * 3600)
    assert ran["inbox"] == 720
    assert ran["polling"] == 240
    assert ran["maintenance"] == 4
    assert ran["audit"] == 1
    assert pass_time(world, scheduler, DAY, step=600)["audit"] == 1


def test_nothing_is_due_twice_at_one_instant() -> None:
    world = World()
    scheduler = Scheduler(world.engine, dice=dice())
    world.clock.advance(timedelta(seconds=5))
    assert set(scheduler.run_due()) == {"inbox", "polling", "maintenance"}
    assert scheduler.run_due() == []


def test_processes_that_start_together_do_not_begin_together() -> None:
    world = World()
    firsts = [[job.due_at for job in Scheduler(world.engine, dice=dice(seed)).jobs] for seed in range(10)]
    for each_job in zip(*firsts, strict=True):
        assert len(set(each_job)) == 10
    now = world.clock.monotonic()
    for inbox, polling, maintenance, audit in firsts:
        assert inbox - now <= 1
        assert max(polling, maintenance) - now <= 5
        assert audit - now <= 900


@pytest.mark.parametrize(
    "wrong",
    [
        {"polling_tick": 0.0},
        {"maintenance_interval": -1.0},
        {"inbox_tick": float("nan")},
        {"audit_days": 0.5},
        {"cleanup_days": 0.0},
    ],
)
def test_an_interval_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:  # I-44
    with pytest.raises(InvalidValue):
        Scheduler(World(()).engine, **wrong)


def test_a_job_of_the_hosts_own_is_done_like_the_others() -> None:
    world = World()
    scheduler = Scheduler(world.engine, dice=dice())
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        if len(runs) == 2:
            raise ValueError("once")

    scheduler.add("own", 100, work)
    with pytest.raises(InvalidValue, match="there is a job 'own' already"):
        scheduler.add("own", 5, work)
    pass_time(world, scheduler, 320)
    assert len(runs) == 5  # at 0, 100, once more some seconds after, and then each 100 again


# -- what ---------------------------------------------------------------------------------------------------------


def test_polling_keeps_calendars_in_step_and_notices_are_delivered() -> None:  # I-32
    world = World()
    world.book("work", "a", at(2))
    scheduler = Scheduler(world.engine, dice=dice())
    pass_time(world, scheduler, 60)
    world.check()
    world.book("home", "b", at(3))
    pass_time(world, scheduler, 3700, step=30)
    world.check()
    assert world.notices


@pytest.mark.parametrize("troubled", [False, True], ids=["quiet pass", "failing pass"])
def test_polling_offers_what_an_earlier_process_could_not_deliver(troubled: bool) -> None:
    class Stubborn(MemoryStore):
        def load_due(self, at: datetime, shape: str, horizon_end: datetime) -> Due:
            if troubled:
                raise StoreError("not this")
            return super().load_due(at, shape, horizon_end)

    world = World(("work",), store=Stubborn())
    world.engine.sync_all_calendars()
    world.engine._context.tell(NoticeKind.BLOCK_RESTORED, "ana", calendar=world.id("work"))
    world.restart()
    scheduler = Scheduler(world.engine, maintenance_interval=DAY, dice=dice())
    pass_time(world, scheduler, 10, step=1)
    assert len(world.told(NoticeKind.BLOCK_RESTORED)) == 1


def test_a_start_looks_at_every_subscription_and_each_later_round_at_what_is_due() -> None:  # I-30
    """The address moved while no process ran: nothing in the store says that a subscription is to be looked at."""
    world = PushWorld(("work", "home"))
    world.memory.set_pushes(world.remote["home"], pushes=False)
    world.settle(60)
    world.provider = Counted(world.memory)
    world.restart(webhook_url="https://new.example/hooks")
    scheduler = Scheduler(world.engine, dice=dice())
    pass_time(world, scheduler, 2 * 3600, step=30)
    assert world.subscription("work").url == "https://new.example/hooks/memory"
    # One that can't push is asked once more at a start, and not with every round.
    assert world.provider.asked == {"work": 1, "home": 1}


def test_what_is_old_enough_is_forgotten() -> None:
    world = World()
    world.sync()
    scheduler = Scheduler(world.engine, cleanup_days=2, dice=dice())
    pass_time(world, scheduler, DAY, step=1800)
    first = world.engine.runs(limit=1000)[-1].started_at
    assert first == START
    pass_time(world, scheduler, 2 * DAY, step=1800)
    assert world.engine.runs(limit=1000)[-1].started_at > first


def test_every_owner_is_audited_once_in_the_round() -> None:
    world = World(("work",))
    owners = ["ana", *(f"owner-{number}" for number in range(12))]
    for world.owner in owners[1:]:
        world.add("work")
    scheduler = Scheduler(world.engine, dice=dice())
    with capture_logs() as logs:
        ran = pass_time(world, scheduler, 7 * DAY, step=3600)
    audited = [each["owner"] for each in logs if each["event"] == "audit_finished"]
    assert ran["audit"] == 7
    assert sorted(audited) == sorted(owners)


def test_an_audit_that_was_missed_is_made_up_for() -> None:
    """The machine was asleep on the owner's day."""
    world = World()
    scheduler = Scheduler(world.engine, dice=dice())
    with capture_logs() as logs:
        pass_time(world, scheduler, 1800)
        world.clock.advance(timedelta(days=9))
        pass_time(world, scheduler, 1800)
    assert len([each for each in logs if each["event"] == "audit_finished"]) >= 1


def test_what_an_audit_finds_wrong_is_put_right() -> None:  # I-01
    world = World(policy=SyncPolicy(horizon_days=30, full_hours=10_000))
    world.book("work", "a", at(20))
    scheduler = Scheduler(world.engine, dice=dice())
    pass_time(world, scheduler, 1800)  # today's audits are over
    [block] = world.blocks("home")
    del world.memory._shelf(world.remote["home"]).resources[block.key]  # and no change log tells of it
    pass_time(world, scheduler, 7200, step=60)
    assert world.blocks("home") == []
    with capture_logs() as logs:
        pass_time(world, scheduler, 8 * DAY, step=3600)
    assert [each["repaired"] for each in logs if each["event"] == "audit_finished" and each["repaired"]] == [1]
    assert [notice.detail for notice in world.told(NoticeKind.AUDIT_FAILED)] == [{"missing": 1}]
    assert len(world.blocks("home")) == 1
    world.check()


# -- trouble ------------------------------------------------------------------------------------------------------


def test_a_store_that_is_down_at_the_start_and_in_between_ends_nothing() -> None:  # I-05
    inner, store = flaky()
    world = World(store=store)
    world.book("work", "a", at(2))
    inner.down = True
    scheduler = Scheduler(world.engine, dice=dice())
    with capture_logs() as logs:
        pass_time(world, scheduler, 3600, step=1)
    failed = Counter(each["job"] for each in logs if each["event"] == "job_failed")
    assert set(failed) == {"inbox", "polling", "maintenance", "audit"}
    assert {each["kind"] for each in logs if each["event"] == "job_failed"} == {"StoreError"}
    assert max(failed.values()) < 40  # backing off: an hour has 3600 ticks
    inner.down = False
    pass_time(world, scheduler, 400, step=5)
    world.check()
    inner.down = True
    world.book("home", "b", at(3))
    pass_time(world, scheduler, 600, step=5)
    inner.down = False
    pass_time(world, scheduler, 4000, step=10)
    world.check()


def test_one_owners_audit_that_fails_keeps_no_other_from_theirs() -> None:  # I-37
    class Picky(FlakyStore):
        def load_calendars(self, *, owner: str | None = None, **rest: Any) -> list[Calendar]:
            if self.down and owner == "ana":
                raise StoreError("not hers")
            found: list[Calendar] = self._inner.load_calendars(owner=owner, **rest)
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    store = Picky(MemoryStore())
    world = World(("work",), store=cast("Store", store))
    for world.owner in ("bob", "eve"):
        world.add("work")
    scheduler = Scheduler(world.engine, audit_days=1, dice=dice())
    store.down = True
    with capture_logs() as logs:
        pass_time(world, scheduler, 1800)
    assert [each["owner"] for each in logs if each["event"] == "audit_finished"] == ["bob", "eve"]
    assert {each["owner"] for each in logs if each["event"] == "audit_not_done"} == {"ana"}
    store.down = False
    with capture_logs() as logs:
        pass_time(world, scheduler, 600)
    assert [each["owner"] for each in logs if each["event"] == "audit_finished"] == ["ana"]


# -- several processes --------------------------------------------------------------------------------------------


def test_two_schedulers_over_one_store_never_do_one_job_at_once() -> None:  # I-06
    world = World()
    twin = World((), service=world.service, clock=world.clock, store=world.store)
    began, go_on, second = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        assert go_on.wait(WAIT)

    one, two = Scheduler(world.engine, dice=dice(1)), Scheduler(twin.engine, dice=dice(2))
    one.add("own", 60, slow)
    two.add("own", 60, second.set)
    world.clock.advance(timedelta(seconds=5))
    with capture_logs() as logs:
        busy = threading.Thread(target=one.run_due)
        busy.start()
        assert began.wait(WAIT)
        assert "own" in two.run_due()
    assert not second.is_set()
    assert not [each for each in logs if each["event"] == "job_failed"]
    go_on.set()
    busy.join(WAIT)
    world.clock.advance(timedelta(seconds=60))
    assert "own" in two.run_due()
    assert second.is_set()


def test_a_job_that_outlasts_a_lease_stays_with_its_process(monkeypatch: pytest.MonkeyPatch) -> None:  # I-06
    monkeypatch.setattr("calsync_core.steps.context._KEEP_SECONDS", 0.005)
    store = Renewing()
    world = World((), store=store)
    twin = World((), clock=world.clock, store=store)
    with world.engine.job("own") as mine:
        assert mine
        store.outlast(world.clock, "job:own")
        with twin.engine.job("own") as also_mine:
            assert not also_mine
    with twin.engine.job("own") as mine:
        assert mine


# -- threads ------------------------------------------------------------------------------------------------------


class RealWorld(World):
    """A world whose engine goes by the machine's clock."""

    def restart(self, **changes: Any) -> SyncEngine:
        self.options |= {"clock": SystemClock(), **changes}
        self.engine = SyncEngine(
            store=self.store,
            providers=self.providers,
            notifier=self,
            tokens=lambda account: self.login(account.name, account.owner),
            **self.options,
        )
        return self.engine


@define
class Running:
    """A scheduler at work in a thread."""

    scheduler: Scheduler
    stop: threading.Event = field(factory=threading.Event)
    ended: list[bool] = field(factory=list)
    grace: float = WAIT
    thread: threading.Thread = field(init=False)

    def __enter__(self) -> Running:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(2 * WAIT)

    def _run(self) -> None:
        self.ended.append(self.scheduler.run(self.stop, grace=self.grace))


def tomorrow() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


def test_it_works_until_it_is_told_to_stop() -> None:
    world = RealWorld(("work", "home"))
    world.book("work", "a", tomorrow())
    with Running(Scheduler(world.engine, polling_tick=0.05)) as running:
        until(lambda: world.blocks("home"))
        assert running.ended == []
    assert running.ended == [True]
    assert world.engine.sync_calendars_needing_polling().api_calls == 0


def test_a_sync_under_way_ends_at_its_next_request_and_the_next_process_finishes() -> None:  # I-05
    gate = Gate(MemoryService())
    world = RealWorld(("work", "home"), service=gate.service, provider=gate)
    world.book("work", "a", tomorrow())
    gate.open.clear()
    with capture_logs() as logs, Running(Scheduler(world.engine, polling_tick=0.05)) as running:
        assert gate.reached.wait(WAIT)
        running.stop.set()
        until(lambda: [each for each in logs if each["event"] == "scheduler_stopping"])
        gate.open.set()
    assert running.ended == [True]
    assert world.blocks("home") == []
    world.restart()
    world.sync()
    world.check()
    assert len(world.blocks("home")) == 1


def test_no_audit_is_begun_once_it_was_told_to_stop() -> None:
    """An engine that was stopped reads nothing: what such an audit said of an owner would be worth nothing."""
    gate = Gate(MemoryService(), lets_changes_pass=True)
    world = RealWorld(("work",), service=gate.service, provider=gate)
    for world.owner in ("bob", "eve"):
        world.add("work")
    world.sync()
    gate.open.clear()
    scheduler = Scheduler(world.engine, audit_days=1, dice=dice())
    scheduler.jobs[-1].hurry()
    with capture_logs() as logs, Running(scheduler) as running:
        assert gate.reached.wait(WAIT)
        running.stop.set()
        until(lambda: [each for each in logs if each["event"] == "scheduler_stopping"])
        gate.open.set()
    assert running.ended == [True]
    assert [each["owner"] for each in logs if each["event"] == "audit_finished"] == ["ana"]


def test_a_job_that_does_not_end_is_left_after_the_grace() -> None:
    gate = Gate(MemoryService())
    world = RealWorld(("work", "home"), service=gate.service, provider=gate)
    gate.open.clear()
    with capture_logs() as logs, Running(Scheduler(world.engine, polling_tick=0.05), grace=0.2) as running:
        assert gate.reached.wait(WAIT)
        running.stop.set()
        running.thread.join(WAIT)
        assert running.ended == [False]
        gate.open.set()
    assert [each["jobs"] for each in logs if each["event"] == "jobs_abandoned"] == [["polling"]]


def test_two_processes_share_the_work_in_real_time() -> None:  # I-06
    world = RealWorld(("work", "home"))
    twin = RealWorld((), service=world.service, store=world.store)
    world.book("work", "uid-0", tomorrow())  # before the first read: the next one may be a minute later
    with Running(Scheduler(world.engine, polling_tick=0.02)), Running(Scheduler(twin.engine, polling_tick=0.02)):
        for number in range(1, 5):
            world.book("work", f"uid-{number}", tomorrow() + timedelta(hours=2 * number))
        until(lambda: len(world.blocks("home")) >= 1)
    world.restart()
    world.sync()
    world.check()
    assert len(world.blocks("home")) == 5


# -- the inbox ----------------------------------------------------------------------------------------------------


def pushing_world() -> RealWorld:
    """Calendars that push, and the first pass done."""
    world = RealWorld(("work", "home"), webhook_url="https://calendar.example.com/webhooks")
    world.engine.maintain_subscriptions(everything=True)
    world.sync()
    world.memory.lose_pushes()
    return world


def push(world: World) -> None:
    """Bring what the service has sent so far."""
    for request in world.memory.take_pushes():
        world.engine.accept_push("memory", request)


def test_a_push_wakes_the_inbox() -> None:  # I-28
    world = pushing_world()
    worker = InboxWorker(world.engine, tick=3600)
    worker.start()
    worker.start()
    world.book("work", "a", tomorrow())
    push(world)

    def blocked() -> bool:
        assert worker.alive
        worker.wake()
        return bool(world.blocks("home"))

    until(blocked)
    for _ in range(2):
        assert worker.stop(WAIT)
        assert not worker.alive
        worker.start()
    assert worker.stop(WAIT)


def test_the_inbox_is_worked_off_without_being_woken_and_through_a_dead_store() -> None:  # I-05
    inner, store = flaky()
    world = RealWorld(("work", "home"), store=store, webhook_url="https://calendar.example.com/webhooks")
    world.engine.maintain_subscriptions(everything=True)
    world.sync()
    world.memory.lose_pushes()
    worker = InboxWorker(world.engine, tick=0.05, dice=dice())
    inner.down = True
    with capture_logs() as logs:
        worker.start()
        until(lambda: [each for each in logs if each["event"] == "job_failed"])
        inner.down = False
        world.book("work", "a", tomorrow())
        push(world)
        until(lambda: world.blocks("home"))
    assert worker.alive
    assert worker.stop(WAIT)
