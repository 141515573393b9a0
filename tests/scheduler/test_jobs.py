"""When a job is due: after its interval, after a failure, when hurried, and never while it runs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from calsync_core.errors import Stopped, StoreError
from calsync_core.scheduler.jobs import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Job, JobThread
from calsync_core.testing.clock import VirtualClock
from waiting import WAIT


def job(
    clock: VirtualClock, work: Callable[[], object], *, interval: float = 30, due_at: float = 0, seed: int = 0
) -> Job:
    return Job("work", interval, due_at, work, clock, random.Random(seed))


def fail() -> None:
    raise StoreError("down")


def pass_time(clock: VirtualClock, seconds: float) -> None:
    clock.advance(timedelta(seconds=seconds))


def test_it_comes_round_an_interval_after_it_ended() -> None:
    clock = VirtualClock()
    each = job(clock, lambda: pass_time(clock, 12), due_at=4)
    assert each.pause() == 4
    pass_time(clock, 4)
    assert each.pause() <= 0
    assert each.attempt()
    assert each.pause() == 30


def test_a_failure_is_logged_by_its_kind_alone() -> None:  # I-39
    def stumble() -> None:
        raise ValueError("Lunch with the auditor")

    with capture_logs() as logs:
        job(VirtualClock(), stumble).attempt()
    assert [(each["event"], each["kind"]) for each in logs] == [("job_failed", "ValueError")]
    assert "auditor" not in str(logs)


@given(seed=st.integers(0, 1000), failures=st.integers(1, 40))
def test_each_failure_puts_it_off_for_longer_up_to_a_ceiling(seed: int, failures: int) -> None:  # I-34
    clock = VirtualClock()
    each = job(clock, fail, seed=seed)
    for number in range(failures):
        each.attempt()
        pause, longest = each.pause(), min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number)
        assert longest / 2 - 0.001 <= pause <= longest + 0.001
        pass_time(clock, pause + 0.001)


def test_jobs_that_failed_together_do_not_come_back_together() -> None:  # I-34
    each = [job(VirtualClock(), fail, seed=seed) for seed in range(20)]
    assert all(one.attempt() for one in each)
    assert len({one.pause() for one in each}) == 20


def test_after_a_success_it_is_as_if_it_had_never_failed() -> None:
    clock, down = VirtualClock(), [True]

    def work() -> None:
        if down:
            fail()

    each = job(clock, work)
    for _ in range(6):
        each.attempt()
        pass_time(clock, LONGEST_PAUSE_SECONDS)
    down.clear()
    with capture_logs() as logs:
        assert each.attempt()
    assert [entry["event"] for entry in logs] == ["job_recovered"]
    assert each.pause() == 30
    down.append(True)
    each.attempt()
    assert each.pause() <= FIRST_PAUSE_SECONDS


def test_an_engine_that_was_stopped_is_no_failure_to_warn_of() -> None:
    def work() -> None:
        raise Stopped("told to stop")

    with capture_logs() as logs:
        job(VirtualClock(), work).attempt()
    assert [(each["event"], each["log_level"]) for each in logs] == [("job_stopped", "info")]


def test_hurried_it_is_due_at_once() -> None:
    each = job(VirtualClock(), lambda: None, due_at=1000)
    each.hurry()
    assert each.pause() <= 0
    each.attempt()
    assert each.pause() == 30


def test_hurried_while_it_runs_it_runs_again() -> None:  # I-27
    """What hurries it may have come after it looked."""
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            each.hurry()

    each = job(VirtualClock(), work)
    each.attempt()
    assert each.pause() <= 0
    each.attempt()
    assert each.pause() == 30


def test_hurried_while_it_fails_it_waits_the_first_pause_all_the_same() -> None:
    clock = VirtualClock()
    each = job(clock, fail)
    for _ in range(8):
        each.attempt()
        pass_time(clock, LONGEST_PAUSE_SECONDS)
    each.attempt()
    assert each.pause() > FIRST_PAUSE_SECONDS
    each.hurry()
    each.hurry()
    assert each.pause() == pytest.approx(FIRST_PAUSE_SECONDS)


def test_it_never_overlaps_itself() -> None:
    began, go_on = threading.Event(), threading.Event()
    runs: list[str] = []

    def work() -> None:
        runs.append(threading.current_thread().name)
        began.set()
        go_on.wait(WAIT)

    each = job(VirtualClock(), work)
    first = threading.Thread(target=each.attempt)
    first.start()
    assert began.wait(WAIT)
    assert not each.attempt()
    go_on.set()
    first.join(WAIT)
    assert len(runs) == 1


def test_a_thread_that_is_woken_while_it_looks_misses_nothing() -> None:  # I-27
    """It has just been told that nothing is due, and is about to wait for an hour."""
    done = threading.Event()

    class Overtaken(Job):
        looks = 0

        def pause(self) -> float:
            pause = super().pause()
            self.looks += 1
            if self.looks == 1:
                thread.wake()
            return pause

    thread = JobThread(Overtaken("work", 3600, 3600, done.set, VirtualClock(), random.Random(0)))
    thread.start()
    assert done.wait(WAIT)
    thread.end()
    assert thread.ended(WAIT)
