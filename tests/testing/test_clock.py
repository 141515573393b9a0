"""Time passes only when told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.errors import InvalidValue
from calsync_core.protocols import Clock
from calsync_core.testing import VirtualClock

START = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)


def test_it_is_a_clock_that_stands_still() -> None:
    clock = VirtualClock(START)
    assert isinstance(clock, Clock)
    assert [clock.now(), clock.now()] == [START, START]
    assert clock.monotonic() == 0


def test_now_is_utc_wherever_it_starts() -> None:
    clock = VirtualClock(START.astimezone(timezone(timedelta(hours=13))))
    assert clock.now() == START
    assert clock.now().utcoffset() == timedelta()


@given(st.lists(st.floats(min_value=-10, max_value=1e6, allow_nan=False)))
def test_both_times_pass_together(waits: list[float]) -> None:
    clock = VirtualClock(START)
    for wait in waits:
        before = clock.now(), clock.monotonic()
        clock.sleep(wait)
        passed = max(timedelta(), timedelta(seconds=wait))
        assert clock.now() - before[0] == passed
        assert clock.monotonic() == pytest.approx(before[1] + passed.total_seconds())


def test_a_month_takes_no_time() -> None:
    clock = VirtualClock(START)
    assert clock.advance(timedelta(days=31)) == clock.now() == START + timedelta(days=31)


def test_no_wait_of_several_threads_is_lost() -> None:
    clock = VirtualClock(START)

    def wait() -> None:
        for _ in range(500):
            clock.sleep(1)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == START + timedelta(seconds=4000)


def test_naive_start_and_backward_step_are_refused() -> None:  # I-44
    with pytest.raises(InvalidValue, match=r"^start:"):
        VirtualClock(datetime(2026, 3, 2))  # noqa: DTZ001  (the mistake under test)
    with pytest.raises(InvalidValue, match=r"^delta:"):
        VirtualClock(START).advance(timedelta(seconds=-1))
