"""``kill -9`` at random moments, over and over: what stands afterwards is what should (I-01 to I-06).

Workers sync while people change their calendars, until they are killed: at the n-th call of the store, at the n-th
request, before it is carried out or after, in the middle of a batch or of an answer, or just so. The next one takes
over. Where each was when it died is printed; a search kills hundreds.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from gate import Stage, writes
from town import PATIENCE, Town, Worker, anything

pytestmark = pytest.mark.server

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}
KILLS = int(os.environ.get("CALSYNC_TEST_KILLS") or (400 if SEARCHING else 6))
EVERY = 14
"""After so many deaths, all is calm for a while, and looked at."""


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_is_left_by_the_killed_is_put_right(town_on: Callable[..., Town], kind: str) -> None:
    town = town_on(kind, seed=int(os.environ.get("CALSYNC_TEST_SEED") or 1))
    died: Counter[str] = Counter()
    blocks = 0
    for number in range(1, KILLS + 1):
        for _ in range(town.dice.randrange(1, 4)):
            town.live_a_little()
        died[_kill_one(town)] += 1
        if number % EVERY == 0 or number == KILLS:
            town.calm_sync()
            blocks += town.verify()
    for where, count in died.most_common():
        print(f"{kind}: {count:4} died {where}")  # noqa: T201  (belongs to the output)
    assert blocks > KILLS // EVERY, "nothing much was going on"
    if kind == "sqlite":
        _check_file(town.url.removeprefix("sqlite:///"))


def _kill_one(town: Town) -> str:
    """Have a worker work and die; returns where it died."""
    return town.dice.choice([_at_a_moment, _at_a_store_call, *[_at_a_request] * 3])(town)


def _next_worker(town: Town) -> Worker:
    """At work once the dead one's leases have ended; sometimes it came before that, and waited."""
    dice = town.dice
    threads, passes = dice.choice([1, 4]), timedelta(seconds=dice.randrange(61, 200))
    if dice.random() < 0.2:
        worker = town.fork(threads=threads)
        time.sleep(0.1)
        town.clock.advance(passes)
        return worker
    town.clock.advance(passes)
    return town.fork(threads=threads)


def _at_a_moment(town: Town) -> str:
    worker = _next_worker(town)
    for _ in range(3):
        town.live_a_little()
        time.sleep(town.dice.uniform(0, 0.2))
    return _dead(town, worker)


def _at_a_store_call(town: Town) -> str:
    n, pause = town.dice.randrange(1, 200), town.dice.uniform(0, 0.004)
    worker = _next_worker(town)
    deadline = time.monotonic() + 5
    while worker.crossed < n and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(pause)
    return _dead(town, worker)


def _at_a_request(town: Town) -> str:
    """At the n-th request at all, or the n-th that writes; it dies first, then the gate goes on, or does not."""
    dice = town.dice
    stage = dice.choice([*Stage])
    arrives = dice.random() < 0.5

    worker = _next_worker(town)

    def kill() -> bool:
        worker.kill()
        return arrives

    trap = town.set_trap(stage, kill, n=dice.randrange(1, 8), fits=dice.choice([writes, anything]))
    worker.wait(lambda worker: trap.sprung.is_set() or len(worker.rounds) > 1)
    if town.trap is trap:
        town.trap = None
        return _dead(town, worker)
    assert trap.sprung.wait(PATIENCE)
    town.wait_until_quiet()
    fate = "" if stage is not Stage.ARRIVED else ", which went on" if arrives else ", which got lost"
    return f"{_WORDS[stage]} {trap.caught}{fate}"


_WORDS = {
    Stage.ARRIVED: "with the arrival of",
    Stage.PART: "within a batch, at",
    Stage.DONE: "before the answer to",
    Stage.HALF: "in the middle of the answer to",
}


def _dead(town: Town, worker: Worker) -> str:
    where = town.where(worker)
    worker.kill()
    return where


def _check_file(path: str) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
