"""Workers in several processes that sync the same owner at the same time, while people change their calendars (I-06).

Sometimes time jumps in the middle, so that leases of those who are at work run out and pass to the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from stopping import kinds_of_errors
from town import Town, Worker

pytestmark = pytest.mark.server

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}
RACES = int(os.environ.get("CALSYNC_TEST_RACES") or (40 if SEARCHING else 1))
ROUNDS = 2


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("store", ["sqlite", "postgresql", "mariadb"])
def test_workers_on_one_owner_make_what_one_would(town_on: Callable[..., Town], store: str) -> None:
    town = town_on(store, seed=int(os.environ.get("CALSYNC_TEST_SEED") or 1))
    blocks = workers = 0
    for number in range(RACES):
        town.clock.advance(timedelta(minutes=2))
        for _ in range(3):
            town.live_a_little()
        racing = _race(town, jumps=number % 2 == 1)
        workers += len(racing)
        town.calm_sync()
        blocks += town.verify()
    print(f"{store}: {RACES} races of {workers} workers, {ROUNDS} rounds each")  # noqa: T201  (belongs to the output)
    assert blocks > RACES


def _race(town: Town, *, jumps: bool) -> list[Worker]:
    dice = town.dice
    racing = [town.fork(rounds=ROUNDS, threads=dice.choice([1, 4])) for _ in range(dice.randrange(2, 5))]
    for _ in range(6):
        time.sleep(dice.uniform(0, 0.3))
        town.live_a_little()
        if jumps:
            town.clock.advance(timedelta(seconds=dice.choice([0, 20, 65])))
    errors = {kind for worker in racing for kind in kinds_of_errors(worker.finish())}
    # Only who was overtaken fails, and then at nothing else.
    assert errors <= ({"LeaseLost", "LeaseBusy"} if jumps else set()), errors
    return racing
