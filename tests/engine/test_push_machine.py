"""Webhooks first, polling behind, under random histories: everything that can happen to calendars, subscriptions,
pushes and processes; then peace, and some days later all must be right, quiet and pushed again.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, precondition, rule

from calsync_core.engine import SyncEngine
from calsync_core.models import NoticeKind, NotificationStatus, PushKind, PushState
from calsync_core.protocols import PushRequest
from calsync_core.providers.memory import MemoryService
from calsync_core.providers.memory.service import PushHabits
from calsync_core.testing.deaths import Toll
from calsync_core.testing.faults import Fault, FaultKind
from calsync_core.testing.store_contract.bench import count_waiting
from interruptions import Interruption
from machine import NAMES, TALLY, Histories, calendars, counted, picks
from oracle import examine
from push_world import WEBHOOKS, PushWorld, shuffled
from world import START, at

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WAITS = (timedelta(seconds=3), timedelta(seconds=20), 2 * MINUTE, 12 * MINUTE, HOUR, 7 * HOUR, DAY, 4 * DAY)

FAULTS = [
    Fault(kind, on=on, retry_after=pause)
    for on in ("subscribe", "renew", "unsubscribe")
    for kind in (FaultKind.ERROR, FaultKind.RATE_LIMITED, FaultKind.LOST_ANSWER)
    for pause in (None, 90.0)
]

TROUBLE = {NoticeKind.PUSH_DEGRADED, NoticeKind.PUSH_SUSPENDED}


class Post:
    """Carries pushes as its mood is: promptly, late, wildly, or not at all."""

    def __init__(self) -> None:
        self.mood = "prompt"
        self.dice = random.Random(0)
        self._held: list[PushRequest] = []

    def __call__(self, pushes: list[PushRequest]) -> list[PushRequest]:
        kept, self._held = [*self._held, *pushes], []
        if self.mood == "late":
            self._held = kept
        if self.mood in {"late", "lost"}:
            return []
        return shuffled(self.dice)(kept) if self.mood == "wild" else kept


class PushHistories(Histories):
    """The same people and troubles, and besides them pushes, their subscriptions, schedulers and deaths."""

    # Polling has them in its own histories.
    another_installation = None  # type: ignore[assignment]  # a rule less
    another_owner = None  # type: ignore[assignment]  # a rule less

    @initialize(
        shape=st.fixed_dictionaries(
            {},
            optional={
                "shows_tentative": st.booleans(),
                "assigns_ids": st.booleans(),
                "etag_on_write": st.booleans(),
            },
        ),
        habits=st.fixed_dictionaries(
            {"lifetime": st.sampled_from([8 * HOUR, 2 * DAY, 5 * DAY])},
            optional={"renewable": st.booleans(), "announces": st.booleans(), "names_items": st.booleans()},
        ),
        wary=st.sampled_from([False, False, False, True]),
        respect=st.sampled_from([False, False, True]),
        full_hours=st.sampled_from([24, 2000]),
    )
    def begin(
        self, *, shape: dict[str, Any], habits: dict[str, Any], wary: bool, respect: bool, full_hours: int
    ) -> None:
        self.habits = PushHabits(**habits)
        self.post = Post()
        shape = {"page_size": 100, **shape}
        super().begin(shape=shape, series={}, wary=wary, respect=respect, full_hours=full_hours)
        self.pass_time(MINUTE, "begin")

    def open_service(self, **shape: Any) -> MemoryService:
        made = MemoryService(**shape)
        made.push = self.habits
        return made

    def open_world(self, **options: Any) -> PushWorld:
        world = PushWorld(NAMES, **options)
        world.post = self.post
        return world

    def interrupted(self, way: str, name: str, stop: Interruption) -> None:  # noqa: ARG002  (as in all histories)
        """Polling has it in its own histories, and ``die`` knows which subscriptions a death leaves behind."""
        self.watched(self.world, lambda: self.by_way(way, name), f"sync {way}")

    @property
    def pushing(self) -> PushWorld:
        """The world, for what only one that pushes can do."""
        assert isinstance(self.world, PushWorld)
        return self.world

    def pass_time(self, span: timedelta, what: str) -> None:
        """Let the endpoint, the inbox and the scheduler work while time passes; the longer, the coarser."""
        pace = max(5.0, min(span.total_seconds() / 60, 900.0))
        end = self.clock.now() + span

        def work() -> None:
            self.pushing.until(end, step=pace, tick=max(30.0, pace), haste=max(3.0, min(pace, 60.0)))

        self.watched(self.world, work, what)

    # -- what happens to pushes and their subscriptions -----------------------------------------------------------

    @rule(mood=st.sampled_from(["prompt", "prompt", "late", "lost", "wild"]), seed=picks)
    def post_is(self, *, mood: str, seed: int) -> None:
        self.post.mood, self.post.dice = mood, random.Random(seed)
        counted(f"post {mood}")

    @rule(pick=picks, deed=st.sampled_from(["kill", "mute", "unmute", *PushKind]))
    def subscription_is(self, *, pick: int, deed: str) -> None:
        memory = self.pushing.memory

        def act(one: str) -> None:
            if deed == "kill":
                memory.kill_subscription(one)
            elif deed in {"mute", "unmute"}:
                memory.mute_subscription(one, muted=deed == "mute")
            else:
                memory.send_push(one, PushKind(deed))

        self.pick(sorted(memory.subscriptions()), pick, act, f"subscription {deed}")

    @rule(name=calendars, pushes=st.booleans())
    def calendar_pushes(self, *, name: str, pushes: bool) -> None:
        self.pushing.memory.set_pushes(self.world.remote[name], pushes=pushes)
        counted("calendar pushes" if pushes else "calendar can't push")

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 4))
    def spoil_subscribing(self, *, fault: Fault, times: int) -> None:
        for _ in range(times):
            self.spoil(fault)
        counted(f"fault {fault.kind} on {fault.on}")

    # -- time, hosts and processes --------------------------------------------------------------------------------

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, *, wait: timedelta) -> None:
        self.pass_time(wait, f"wait {wait}")

    @rule(wait=st.sampled_from(WAITS))
    def nobody_works(self, *, wait: timedelta) -> None:
        """The whole installation is down; the service tells, and nobody hears."""
        self.clock.advance(wait)
        self.pushing.memory.lose_pushes()
        counted("outage")

    @rule(wait=st.sampled_from(WAITS[:4]))
    def nobody_looks(self, *, wait: timedelta) -> None:
        """The endpoint takes pushes in, and no worker runs."""
        self.pushing.deliver()
        self.clock.advance(wait)
        self.pushing.deliver()
        counted("endpoint alone")

    @rule()
    def other_process(self) -> None:
        self.pushing.take_turns()
        counted("other process")

    @rule(url=st.sampled_from([None, WEBHOOKS, WEBHOOKS, "https://new.example/hooks"]), told=st.booleans())
    def address(self, *, url: str | None, told: bool) -> None:
        self.world.restart(webhook_url=url)
        if told:
            self.watched(self.world, lambda: self.world.engine.maintain_subscriptions(everything=True), "maintenance")
        counted(f"address {url}")

    @rule(name=calendars, rest=st.booleans())
    def account_rests(self, *, name: str, rest: bool) -> None:
        account = self.world.store.load_calendar(self.world.id(name)).account_id
        (self.world.engine.pause if rest else self.world.engine.resume)(account)
        counted("pause" if rest else "resume")

    @rule(deed=st.sampled_from(["replace", "end", "everything", "due"]))
    def host_orders(self, *, deed: str) -> None:
        self.watched(self.world, self.deeds()[deed], f"order {deed}")

    @rule(name=calendars)
    def reconnect(self, *, name: str) -> None:
        self.connectable()
        self.watched(self.world, lambda: self.world.connect(name), "reconnect")

    @rule(n=st.integers(1, 160), deed=st.sampled_from(["pass", "pass", "pass", "replace", "end", "everything", "poll"]))
    def die(self, *, n: int, deed: str) -> None:
        toll = Toll(n)

        def work() -> None:
            with self.pushing.mortal(toll):
                self.deeds()[deed]()

        self.watched(self.world, work, f"death at {deed}")
        counted("died" if toll.dead else "survived")

    def deeds(self) -> dict[str, Callable[[], object]]:
        world = self.pushing
        return {
            "pass": lambda: (world.deliver(), world.engine.process_notifications(), world.tick()),
            "replace": world.engine.replace_subscriptions,
            "end": world.engine.end_subscriptions,
            "everything": lambda: world.engine.maintain_subscriptions(everything=True),
            "due": world.engine.maintain_subscriptions,
            "poll": world.engine.sync_calendars_needing_polling,
        }

    @rule()
    def lose_store(self) -> None:
        super().lose_store()
        self.forget()

    @precondition(lambda self: self.backups)
    @rule(pick=picks)
    def restore_backup(self, *, pick: int) -> None:
        super().restore_backup(pick=pick)
        self.forget()
        self.look_through()

    def forget(self) -> None:
        """What this store told the host, and whom it subscribed to, is the past of another one."""
        self.world.notices.clear()
        self.pushing.unanswered |= self.pushing.memory.subscriptions().keys()

    def look_through(self) -> None:
        """Whoever restores a backup has everything read, and clears up where nobody reads: only a purge would."""
        self.heal(helped=False)
        self.watched(self.world, self.world.engine.sync_all_calendars, "sync after a restore")
        recorded = {block.native_id for block in self.world.store.load_blocks("ana")}
        for name in NAMES:
            for item in () if self.is_on(self.world.id(name)) else self.service.blocks(self.world.remote[name]):
                if item.key not in recorded:
                    self.service.remove(self.world.remote[name], item.key)

    # -- peace ----------------------------------------------------------------------------------------------------

    @rule(helped=st.booleans())
    def settle(self, *, helped: bool = False) -> None:
        """All is well again, and after some days everything must be right, with one edit to prove what was doubted."""
        self.heal(helped=helped)
        self.pass_time(2 * DAY, "peace")
        for _ in range(2):
            self.edit_each()
            self.pass_time(2 * DAY, "peace")
            self.check(self.world)
        self.edit_each()
        self.pass_time(MINUTE, "peace")
        verdict = examine(self.world, untagged=frozenset(self.untagged))
        if set(self.states().values()) <= {PushState.ACTIVE}:
            assert verdict.ok, "a minute after a push:\n" + "\n".join(verdict.wrong)
        self.check_push(helped=helped)
        self.pass_time(4 * DAY, "quiet days")
        sent = self.sent()
        self.pass_time(DAY, "quiet day")
        states = self.states()
        allowed = sum(self.quiet_requests(state) for state in states.values())
        assert self.sent() - sent <= allowed, (self.sent() - sent, states)
        self.check(self.world)
        self.check_push(helped=helped)
        assert self.alive() == self.known(), "subscriptions live that nobody knows"

    def heal(self, *, helped: bool) -> None:
        self.calm()
        self.connectable()
        self.mend_items()
        self.post.mood = "prompt"
        for name in NAMES:
            self.pushing.memory.set_pushes(self.world.remote[name], pushes=True)
        for account in self.world.store.load_accounts("ana"):
            self.world.engine.resume(account.key)
        if self.world.options["webhook_url"] is None:
            self.world.restart(webhook_url=WEBHOOKS)
            helped = True
        if helped:
            self.watched(self.world, lambda: self.world.engine.maintain_subscriptions(everything=True), "help")

    def edit_each(self) -> None:
        for name in NAMES:
            self.serial += 1
            start = self.moment(2 + self.serial % 9, 7 + self.serial % 12, START.tzinfo)
            made = self.service.event(f"proof{self.serial}@example.com", start, start + HOUR, title="Proof")
            self.service.put(self.world.remote[name], made)

    def quiet_requests(self, state: PushState) -> int:
        """How many requests a calendar may cost on a day on which nothing happens: polling, or silence and renewals."""
        if state is not PushState.ACTIVE:
            return 40
        habits = self.pushing.memory.push
        return 3 + 2 * (not habits.renewable) + 5 * (DAY // habits.lifetime)

    def sent(self) -> int:
        """Requests of all recorded runs, without those of the horizon's next day of a series: a write and its echo."""
        return sum(run.api_calls - 2 * run.writes for run in self.world.engine.runs(limit=1_000_000))

    def states(self) -> dict[int, PushState]:
        """How far each calendar that is on can rely on push."""
        health = self.world.engine.health().calendars
        return {one.calendar: PushState(one.push) for one in health if self.is_on(one.calendar)}

    def is_on(self, calendar_id: int) -> bool:
        return self.world.store.load_calendar(calendar_id).enabled

    def known(self) -> set[str]:
        return {one.remote_id for one in self.world.store.load_subscriptions() if one.confirmed}

    def alive(self) -> set[str]:
        return set(self.pushing.memory.subscriptions())

    def check_push(self, *, helped: bool) -> None:
        """Push works for whatever can push; nothing waits; and of what was troubled the end was told."""
        states = self.states()
        able = {PushState.ACTIVE} if helped else {PushState.ACTIVE, PushState.UNSUPPORTED}
        assert set(states.values()) <= able, states
        active = sorted(key for key, state in states.items() if state is PushState.ACTIVE)
        stored = [one for one in self.world.store.load_subscriptions() if one.confirmed]
        assert sorted(one.calendar_id for one in stored) == active, (
            "not one subscription for each",
            stored,
            states,
        )  # I-30
        assert self.known() <= self.alive()
        assert not any(count_waiting(self.world.store, key) for key in states)
        context = self.world.engine._context
        due = self.world.store.load_due(self.clock.now(), context.shape, context.horizon().end)
        assert (due.owners, due.targets, due.calendars, due.checks) == ((), (), (), ()), due
        for key in active:
            told = [one.kind for one in self.world.notices if one.calendar == key and one.kind.startswith("push_")]
            assert told[-1:] not in [[kind] for kind in TROUBLE], told
        TALLY["calendars pushed again"] += len(active)


# How many histories: as the profile says where one searches; elsewhere few, since each is weeks long.
TestPushHistories = PushHistories.TestCase
TestPushHistories.settings = (
    settings(stateful_step_count=30) if SEARCHING else settings(stateful_step_count=25, max_examples=30)
)


@pytest.mark.parametrize("seed", range(40 if SEARCHING else 2))
def test_two_threads_work_the_same_inbox_off(seed: int) -> None:  # I-06, I-27, I-28
    """Two processes over one store, each in a thread of its own, while people go on booking."""
    world = PushWorld()
    world.settle(60)
    first = world.engine
    engines: list[SyncEngine] = [first, world.restart()]
    over = threading.Event()
    failures: list[BaseException] = []

    def drain(engine: SyncEngine) -> None:
        try:
            while not over.is_set():
                engine.process_notifications()
                engine.sync_calendars_needing_polling(due_only=True)
        except BaseException as error:  # noqa: BLE001  (to be shown by the test)
            failures.append(error)

    threads = [threading.Thread(target=drain, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    dice = random.Random(seed)
    try:
        for number in range(120):
            name = dice.choice(NAMES)
            world.book(name, f"{name}{number % 9}", at(dice.randrange(1, 20), dice.randrange(24)))
            world.deliver()
            world.clock.advance(timedelta(seconds=dice.choice((0, 1, 3, 8))))
        for _ in range(2_000):
            world.clock.advance(timedelta(seconds=1))
            world.deliver()
            if not any(count_waiting(world.store, world.id(name)) for name in NAMES):
                break
            over.wait(0.005)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    world.settle(120)
    verdict = examine(world)
    assert verdict.ok, "\n".join(verdict.wrong)
    assert {one.status for one in world.store.load_notifications(limit=10_000)} == {NotificationStatus.COMPLETED}
    world.check()
