"""How often one address may be wrong."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from calsync_core.testing import VirtualClock
from calsync_core.web.limits import Limiter


@given(st.integers(1, 50), st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60))
def test_never_more_mistakes_than_the_rate_and_the_burst(per_minute: int, steps: list[tuple[bool, float]]) -> None:
    clock = VirtualClock()
    limiter = Limiter(per_minute, clock)
    made = 0
    for wrong, pause in steps:
        clock.advance(timedelta(seconds=pause))
        if limiter.wait("192.0.2.1") == 0 and wrong:
            limiter.charge("192.0.2.1")
            made += 1
    assert made <= per_minute + per_minute * clock.monotonic() / 60 + 1e-6


@given(st.integers(1, 1_000), st.integers(1, 5))
def test_who_waits_as_long_as_told_is_listened_to(per_minute: int, excess: int) -> None:
    clock = VirtualClock()
    limiter = Limiter(per_minute, clock)
    for _ in range(per_minute + excess):
        limiter.charge("192.0.2.1")
    wait = limiter.wait("192.0.2.1")
    assert 0 < wait <= 60 / per_minute + 1e-6
    clock.advance(timedelta(seconds=wait + 0.001))
    assert limiter.wait("192.0.2.1") == 0


def test_it_remembers_only_so_many() -> None:
    limiter = Limiter(1, VirtualClock(), most=100)
    for number in range(10_000):
        limiter.charge(f"client {number}")
    assert len(limiter) == 100
    assert limiter.wait("client 0") == 0
    assert limiter.wait("client 9999") > 0


def test_a_network_of_addresses_is_one() -> None:
    limiter = Limiter(1, VirtualClock())
    limiter.charge("2001:db8:1:2::1")
    limiter.charge("::ffff:192.0.2.1")
    waits = ["2001:db8:1:2:ffff::7", "2001:db8:1:3::1", "192.0.2.1", "192.0.2.2", "x" * 500, None]
    assert [limiter.wait(address) > 0 for address in waits] == [True, False, True, False, False, False]
    limiter.charge(None)
    assert len(limiter) == 2
