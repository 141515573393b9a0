"""The inbox's worker: whoever's server is slow holds up nobody else, and it ends in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from calsync_core.errors import Unreachable
from calsync_core.models import Account
from calsync_core.protocols import Session
from calsync_core.providers.memory import MemoryProvider
from calsync_core.scheduler import InboxWorker
from push_world import PushWorld
from world import PASSWORD, at


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
