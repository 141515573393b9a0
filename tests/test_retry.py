"""The retry policy: short waits inside the call, long ones for the caller, nothing twice that won't get better."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core import retry
from calsync_core.errors import AuthExpired, Conflict, NotFound, ProviderError, RateLimited, Rejected, Unavailable
from calsync_core.testing import VirtualClock


class Service:
    """Fails as told, one failure a call, and then answers."""

    def __init__(self, *failures: ProviderError) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def test_an_answer_costs_one_call_and_no_wait() -> None:
    clock, service = VirtualClock(), Service()
    assert retry.call(service, clock) == "answer"
    assert (service.calls, clock.monotonic()) == (1, 0)


@given(wait=st.floats(0, retry.LONGEST_WAIT))
def test_what_the_provider_asked_for_is_waited_on_the_injected_clock(wait: float) -> None:  # I-33
    clock, service = VirtualClock(), Service(RateLimited(retry_after=wait))
    assert retry.call(service, clock) == "answer"
    # A clock counts in microseconds.
    assert clock.monotonic() >= wait - 1e-6
    assert service.calls == 2


@given(wait=st.floats(retry.LONGEST_WAIT, 1e6, exclude_min=True))
def test_a_long_wait_is_the_caller_s(wait: float) -> None:  # I-33
    clock, failure = VirtualClock(), RateLimited(retry_after=wait)
    service = Service(failure)
    with pytest.raises(RateLimited) as raised:
        retry.call(service, clock)
    assert raised.value is failure
    assert (service.calls, clock.monotonic()) == (1, 0)


def test_there_is_a_ceiling_and_the_last_error_comes_out_unchanged() -> None:  # I-34
    failures = [Unavailable(str(number)) for number in range(9)]
    service = Service(*failures)
    with pytest.raises(Unavailable) as raised:
        retry.call(service, VirtualClock(), retry.RetryPolicy(attempts=4))
    assert service.calls == 4
    assert raised.value is failures[3]


def test_waits_are_spread() -> None:  # I-34
    """Many clients that failed together do not come back together."""
    waits = set()
    for _ in range(20):
        clock = VirtualClock()
        retry.call(Service(Unavailable()), clock)
        waits.add(clock.monotonic())
    assert len(waits) > 10


def test_no_attempt_begins_after_the_budget() -> None:  # I-34
    clock = VirtualClock()
    service = Service(*[RateLimited(retry_after=8.0) for _ in range(9)])
    with pytest.raises(RateLimited):
        retry.call(service, clock, retry.RetryPolicy(attempts=9, budget=20))
    assert service.calls == 4, "after 0, 8, 16 and 24 seconds; then the budget is spent"


@pytest.mark.parametrize("kind", [AuthExpired, Conflict, NotFound, Rejected])
def test_a_permanent_error_is_not_retried(kind: type[ProviderError]) -> None:  # I-34
    clock, service = VirtualClock(), Service(kind("no"))
    with pytest.raises(kind):
        retry.call(service, clock)
    assert (service.calls, clock.monotonic()) == (1, 0)


def test_what_the_policy_leaves_out_is_not_retried() -> None:
    """A write whose answer was lost may have happened."""
    service = Service(Unavailable("lost"))
    with pytest.raises(Unavailable):
        retry.call(service, VirtualClock(), retry.RetryPolicy(errors=(RateLimited,)))
    assert service.calls == 1


def test_an_error_of_another_kind_passes_through() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry.call(broken, VirtualClock())


def test_whoever_waits_only_so_long_is_not_made_to_wait_for_an_attempt_after_that() -> None:  # I-34
    """The wait before an attempt counts, not only the attempts before it."""
    clock, service = VirtualClock(), Service(RateLimited(retry_after=4.0), RateLimited(retry_after=9.0))
    with pytest.raises(RateLimited):
        retry.call(service, clock, ends=clock.monotonic() + 10.0)
    assert service.calls == 2
    assert clock.monotonic() < 5.0
