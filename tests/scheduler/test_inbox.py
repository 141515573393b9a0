"""The inbox's worker: whoever's server is slow holds up nobody else, and it ends in time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from calsync_core.core.watching import COOL_DOWN
from calsync_core.errors import StoreError, Unreachable
from calsync_core.models import Account, CalendarId
from calsync_core.protocols import Session
from calsync_core.providers.memory import MemoryProvider
from calsync_core.scheduler import InboxWorker
from calsync_core.stores import MemoryStore
from planted import PASSWORD
from push_world import PushWorld
from waiting import WAIT, until
from world import World, at


class Hanging(MemoryProvider):
    """A service that does not answer the requests about one owner's calendars before it is told to.

    Attributes:
        hung: Set once a request hangs.
        answer: Set it, and it answers.
    """

    owner: str | None = None

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        self.hung, self.answer = threading.Event(), threading.Event()

    def fetch_changes(self, session: Session, request: Any) -> Any:
        if session.account.owner == self.owner:
            self.hung.set()
            assert self.answer.wait(60)
        return super().fetch_changes(session, request)


class Neighbours(PushWorld):
    """Ana's calendars, and Bo's beside them in the same engine."""

    def add_neighbour(self) -> None:
        for name in ("work", "home"):
            user = f"bo-{name}"
            self.service.add_user(user, PASSWORD)
            self.remote[f"bo-{name}"] = self.service.add_calendar(user, name, timezone="Europe/Berlin", primary=True)
            account = self.engine.connect(Account("bo", self.kind_of(name), name), self.login(name, "bo"))
            (found,) = self.engine.discover(account.key)
            self.calendars[f"bo-{name}"] = self.engine.enable(found.key)


@pytest.fixture
def world() -> Iterator[Neighbours]:
    world = Neighbours(("work", "home"))
    world.add_neighbour()
    world.provider = Hanging(world.memory)
    world.restart()
    world.settle(60)
    yield world
    hanging(world).answer.set()


def hanging(world: PushWorld) -> Hanging:
    assert isinstance(world.provider, Hanging)
    return world.provider


def written(world: PushWorld, name: str) -> threading.Event:
    """Set once a block stands on a calendar."""
    seen = threading.Event()

    def look() -> None:
        while not seen.wait(0.02):
            if world.blocks(name):
                seen.set()

    threading.Thread(target=look, daemon=True).start()
    return seen


def test_one_owners_hung_server_delays_nobody_else(world: Neighbours) -> None:  # I-37
    hanging(world).owner = "ana"
    worker = InboxWorker(world.engine, tick=0.05)
    worker.start()
    try:
        world.book("work", "m1", at(1))
        world.deliver()
        worker.wake()
        assert hanging(world).hung.wait(30)
        world.book("bo-work", "m2", at(2))
        world.deliver()
        worker.wake()
        assert written(world, "bo-home").wait(30)
        assert world.blocks("home") == []
        hanging(world).answer.set()
        assert written(world, "home").wait(30)
    finally:
        hanging(world).answer.set()
        assert worker.stop(30)


def test_what_comes_for_an_owner_who_is_being_served_is_done_right_after(world: Neighbours) -> None:  # I-27
    """Nobody takes her twice at once, and no other look is planned for an hour."""
    hanging(world).owner = "ana"
    with working(InboxWorker(world.engine, tick=3600)) as worker:
        world.book("work", "m1", at(1))
        world.deliver()
        worker.wake()
        assert hanging(world).hung.wait(WAIT)
        world.clock.advance(2 * COOL_DOWN)
        world.book("home", "m2", at(2))
        world.deliver()
        worker.wake()
        # Her second push was seen, and left alone.
        until(lambda: worker.job.pause() > 0)
        hanging(world).answer.set()
        until(lambda: world.blocks("work"))


@contextmanager
def working(worker: InboxWorker) -> Iterator[InboxWorker]:
    worker.start()
    try:
        yield worker
    finally:
        assert worker.stop(WAIT)


def looks_until(worker: InboxWorker, condition: Callable[[], object]) -> None:
    """Wake it again and again, as pushes do, until then."""

    def woken() -> bool:
        worker.wake()
        return bool(condition())

    until(woken)


class Refusing(MemoryStore):
    """A store that can't say what came for one owner."""

    owner: str | None = None
    asked = looks = 0

    def load_notified_owners(self, at: datetime) -> list[str]:
        self.looks += 1
        return super().load_notified_owners(at)

    def load_notified(self, at: datetime, owner: str | None = None) -> list[CalendarId]:
        if owner is not None and owner == self.owner:
            self.asked += 1
            raise StoreError("not hers")
        return super().load_notified(at, owner)


@pytest.fixture
def troubled() -> Neighbours:
    """News of both owners, and a store that fails for Ana."""
    store = Refusing()
    world = Neighbours(("work", "home"), store=store)
    world.add_neighbour()
    world.settle(60)
    world.book("work", "m1", at(1))
    world.book("bo-work", "m2", at(2))
    world.deliver()
    store.owner = "ana"
    return world


def refusing(world: World) -> Refusing:
    assert isinstance(world.store, Refusing)
    return world.store


def test_an_owner_who_found_no_thread_is_served_by_the_next_one_free(troubled: Neighbours) -> None:  # I-37
    """There is one thread only, it has Ana and fails, and no other look is planned for an hour."""
    with working(InboxWorker(troubled.engine, tick=3600, width=1)) as worker:
        worker.wake()
        until(lambda: troubled.blocks("bo-home"))


def test_an_owner_whose_news_cannot_be_worked_off_rests(
    troubled: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:  # I-34, I-37
    """However often others have the worker look."""
    monkeypatch.setattr("calsync_core.scheduler.inbox.FIRST_PAUSE_SECONDS", 300.0)
    store = refusing(troubled)
    with working(InboxWorker(troubled.engine, tick=3600)) as worker:
        looks_until(worker, lambda: troubled.blocks("bo-home"))
        looks = store.looks
        looks_until(worker, lambda: store.looks > looks + 3)
        assert store.asked == 1


def test_each_failure_in_a_row_has_an_owner_rest_longer(
    troubled: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:  # I-34
    monkeypatch.setattr("calsync_core.scheduler.inbox.FIRST_PAUSE_SECONDS", 0.001)
    store = refusing(troubled)
    with capture_logs() as logs, working(InboxWorker(troubled.engine, tick=3600)) as worker:
        looks_until(worker, lambda: store.asked >= 3)
        store.owner = None
        looks_until(worker, lambda: troubled.blocks("home"))
        store.owner = "ana"
        troubled.clock.advance(2 * COOL_DOWN)
        troubled.book("work", "m3", at(3))
        troubled.deliver()
        asked = store.asked
        looks_until(worker, lambda: store.asked > asked)
    failures = [each["failures"] for each in logs if each["event"] == "inbox_failed"]
    # Once it was worked off, it is as if it had never failed.
    again = failures.index(1, 1)
    assert failures == [*range(1, again + 1), *range(1, len(failures) - again + 1)]


def test_however_often_it_is_woken_it_looks_ten_times_a_second_at_the_most() -> None:
    """Under load every push wakes it, and one look serves all that came meanwhile."""
    store = Refusing()
    world = Neighbours((), store=store)
    with working(InboxWorker(world.engine, tick=3600)) as worker:
        began = time.monotonic()
        looks_until(worker, lambda: store.looks >= 5)
        assert store.looks <= 1 + (time.monotonic() - began) / 0.1


def test_stopping_does_not_wait_for_a_hung_server(world: Neighbours) -> None:
    hanging(world).owner = "ana"
    worker = InboxWorker(world.engine, tick=0.05)
    worker.start()
    world.book("work", "m1", at(1))
    world.deliver()
    worker.wake()
    assert hanging(world).hung.wait(30)
    assert not worker.stop(0.1)
    hanging(world).answer.set()
    assert worker.stop(30)
    assert not worker.alive


def test_a_server_that_answers_nobody_is_not_waited_for_by_everybody() -> None:  # I-34, I-37
    """Three accounts have waited in vain: the rest of the run asks it nothing more."""
    asked: list[str] = []

    class Dead(MemoryProvider):
        def fetch_changes(self, session: Session, request: Any) -> Any:  # noqa: ARG002  (the port's signature)
            asked.append(session.account.name)
            raise Unreachable("no answer in time")

    world = PushWorld(tuple(f"c{number}" for number in range(8)))
    world.settle(60)
    world.provider = Dead(world.memory)
    world.restart()
    report = world.engine.sync_all_calendars()
    assert len(asked) == 3
    assert {failure.kind for failure in report.errors} == {"Unreachable"}


def test_owners_take_turns_where_there_are_more_than_threads(world: Neighbours) -> None:
    """Who was served last is asked last: news that never ends at the front of the alphabet starves nobody."""
    asked: list[str] = []

    class Watched(InboxWorker):
        def _take(self, owner: str) -> None:
            asked.append(owner)

    world.book("work", "m1", at(1))
    world.book("bo-work", "m2", at(2))
    world.deliver()
    worker = Watched(world.engine)
    worker._process = os.getpid()  # as if it ran in threads, without any
    worker._look()
    worker._last = "ana"
    worker._look()
    assert asked == ["ana", "bo", "bo", "ana"]
