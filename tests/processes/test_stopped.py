"""A worker is stopped, its lease runs out, another one takes over: what the first does once it goes on (I-50).

It can't change the store any more, whatever it was about to store; and what it had sent, or sends at that moment, is
found and put right by the next sync. ``kill -STOP`` comes while a request of its is held at the service's gate, or just
before it calls the store.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from calsync_core.stores.sql import tables
from gate import Stage, writes
from stopping import kinds_of_errors, stopped_at_a_request, stopped_before
from town import KINDS, Town, anything
from world import at

pytestmark = pytest.mark.server

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}
LATE_WRITES = [
    ("google", "update", Stage.ARRIVED, "moved"),
    ("microsoft", "update", Stage.ARRIVED, "cancelled"),
    ("microsoft", "create", Stage.DONE, "cancelled"),
    ("caldav", "create", Stage.ARRIVED, "cancelled"),
]
CALLS = [
    ("sqlite", "save_changes"),
    ("sqlite", "save_plan"),
    ("postgresql", "claim_intents"),
    ("mariadb", "record_outcomes"),
]
if SEARCHING:
    LATE_WRITES = [
        *product(KINDS, ("create", "update", "delete"), (Stage.ARRIVED, Stage.DONE), ("cancelled", "moved", "left"))
    ]
    stores, calls = ("sqlite", "postgresql", "mariadb"), ("save_changes", "save_plan", "claim_intents")
    CALLS = [*product(stores, (*calls, "record_outcomes"))]


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


@pytest.mark.parametrize(("kind", "what", "stage", "meanwhile"), LATE_WRITES)
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


@pytest.mark.parametrize("kind", KINDS if SEARCHING else KINDS[:1])
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


@pytest.mark.parametrize(("store", "call"), CALLS)
def test_who_lost_a_lease_stores_nothing(town_on: Callable[..., Town], store: str, call: str) -> None:
    town = town_on(store)
    prepare(town, "google", "update")
    # Of the three calendars, the last that is read: after it nothing is left to be read rightfully.
    stopped = stopped_before(town, call, 3 if call == "save_changes" else 1)
    town.put(source_for("google"), "meeting", at(4))
    assert not kinds_of_errors(town.calm_sync())
    town.verify()

    before = town.contents(tables.read_states)
    assert "LeaseLost" in kinds_of_errors(stopped.go_on())
    assert town.contents(tables.read_states) == before
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
