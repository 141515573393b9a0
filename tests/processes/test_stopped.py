"""A worker is stopped, its lease runs out, another one takes over: what the first does once it goes on (I-50).

It can't change the store any more, whatever it was about to store; and what it had sent, or sends at that moment, is
found and put right by the next sync. ``kill -STOP`` comes while a request of its is held at the service's gate, or just
before it calls the store.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import define

from calsync_core.testing.simulators.messages import Request
from gate import Stage, writes
from town import KINDS, PATIENCE, Town, Worker, anything
from world import at

pytestmark = pytest.mark.server

A_WHILE = timedelta(minutes=2)


@define
class Stopped:
    """A worker that does nothing, and perhaps its request at a gate."""

    town: Town
    worker: Worker
    held: threading.Event | None = None

    def let_the_request_through(self) -> None:
        """It gets to its service, if it had not, and is answered."""
        assert self.held is not None
        self.held.set()
        self.town.wait_until_quiet()

    def go_on(self) -> list[dict[str, Any]]:
        """``kill -CONT``; returns what it reports once it is done."""
        if self.held is not None:
            self.held.set()
        self.worker.signal(signal.SIGCONT)
        return self.worker.finish()


def stopped_at_a_request(town: Town, kind: str, stage: Stage, fits: Callable[[Request], bool], **order: Any) -> Stopped:
    """Fork a worker, hold a request of its at this gate, and stop it."""
    held = threading.Event()
    trap = town.set_trap(stage, lambda: held.wait(PATIENCE), kind=kind, fits=fits)
    worker = town.fork(**{"rounds": 1, "threads": 1, **order})
    assert trap.reached.wait(PATIENCE), "it never asked"
    worker.signal(signal.SIGSTOP)
    return Stopped(town, worker, held)


def stopped_before(town: Town, call: str, nth: int = 1, **order: Any) -> Stopped:
    """Fork a worker that is stopped just before it calls the store so."""
    worker = town.fork(**{"rounds": 1, "threads": 1, "stop_at": (f"before {call}", nth), **order})
    return Stopped(town, worker.wait(lambda worker: worker.stopped))


def kinds_of_errors(reports: list[dict[str, Any]]) -> set[str]:
    return {error["kind"] for report in reports for error in report["errors"]}


def source_for(kind: str) -> str:
    """Where to book so that a block comes to a calendar of this kind."""
    return KINDS[KINDS.index(kind) - 1]


def prepare(town: Town, kind: str, what: str) -> None:
    """Have a write of this sort due on a calendar of this kind."""
    source = source_for(kind)
    if what != "create":
        town.put(source, "meeting", at(2))
    town.put(source, "another", at(6))
    town.calm_sync()
    if what == "delete":
        town.cancel(source, "meeting")
    else:
        town.put(source, "meeting", at(3 if what == "update" else 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["create", "update", "delete"])
@pytest.mark.parametrize("stage", [Stage.ARRIVED, Stage.DONE])
@pytest.mark.parametrize("meanwhile", ["cancelled", "moved", "left"])
def test_a_write_that_lands_late_is_found_and_undone(  # I-50
    town_on: Callable[..., Town], kind: str, what: str, stage: Stage, meanwhile: str
) -> None:
    town = town_on()
    prepare(town, kind, what)
    stopped = stopped_at_a_request(town, kind, stage, writes)
    if meanwhile == "moved" or (meanwhile == "cancelled" and what == "delete"):
        town.put(source_for(kind), "meeting", at(4))
    elif meanwhile == "cancelled":
        town.cancel(source_for(kind), "meeting")
    assert not kinds_of_errors(town.calm_sync())
    town.verify_now()

    stopped.let_the_request_through()
    before = town.contents()
    assert "LeaseLost" in kinds_of_errors(stopped.go_on())
    assert town.contents() == before
    town.calm_sync()
    town.verify()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_long_ago_is_not_stored_over_what_is_newer(town_on: Callable[..., Town], kind: str) -> None:
    town = town_on()
    town.put(kind, "meeting", at(2))
    town.calm_sync()
    town.put(kind, "meeting", at(3))
    stopped = stopped_at_a_request(town, kind, Stage.DONE, anything)
    town.put(kind, "meeting", at(4))
    assert not kinds_of_errors(town.calm_sync())
    town.verify_now()

    before = town.contents()
    assert "LeaseLost" in kinds_of_errors(stopped.go_on())
    assert town.contents() == before
    town.verify()


@pytest.mark.parametrize("store", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("call", ["save_changes", "save_plan", "claim_intents", "record_outcomes"])
def test_who_lost_a_lease_stores_nothing(town_on: Callable[..., Town], store: str, call: str) -> None:
    town = town_on(store)
    prepare(town, "google", "update")
    stopped = stopped_before(town, call)
    town.put(source_for("google"), "meeting", at(4))
    assert not kinds_of_errors(town.calm_sync())
    town.verify()

    before = town.contents()
    assert "LeaseLost" in kinds_of_errors(stopped.go_on())
    assert town.contents() == before
    town.verify()


def test_a_slow_worker_whose_clock_is_behind_loses_its_lease_all_the_same(town_on: Callable[..., Town]) -> None:
    town = town_on()
    prepare(town, "google", "create")
    slow = stopped_at_a_request(town, "google", Stage.ARRIVED, writes)
    slow.worker.signal(signal.SIGCONT)  # it is only waiting, and by its own clock not even for long
    town.cancel(source_for("google"), "meeting")
    assert not kinds_of_errors(town.fork(rounds=2, ahead=120.0).finish())
    before = town.contents()
    assert "LeaseLost" in kinds_of_errors(slow.go_on())
    assert town.contents() == before
    town.clock.advance(A_WHILE)
    town.calm_sync()
    town.verify()


@pytest.mark.parametrize("stage", [Stage.ARRIVED, Stage.DONE])
def test_who_sleeps_for_hours_and_was_not_missed_goes_on(town_on: Callable[..., Town], stage: Stage) -> None:
    town = town_on()
    prepare(town, "caldav", "create")
    stopped = stopped_at_a_request(town, "caldav", stage, writes)
    town.clock.advance(timedelta(hours=5))
    assert not kinds_of_errors(stopped.go_on())
    town.verify()
