"""What a change costs beside the classic way, and that it stays so: the benchmark itself, on small calendars."""

from __future__ import annotations

import pytest
from benchmarks.requests_per_change import Case, classic_way, our_way

STEPS = ("create", "move", "cancel")


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_a_change_costs_a_tenth_of_the_classic_way_and_not_more_on_a_larger_calendar(provider: str) -> None:
    """Requests as the service counts them, echoes included, for two pages of events and for six."""
    small, large = (Case(provider, ahead, 1, steps=STEPS, page=50) for ahead in (100, 300))
    here, there, classic = dict(our_way(small)), dict(our_way(large)), dict(classic_way(small))
    assert here.keys() == there.keys() == set(STEPS)
    for step in STEPS:
        (ours, _), (theirs, _) = here[step], classic[step]
        assert there[step] == here[step], step
        assert ours.requests <= 0.1 * theirs.requests, step
        assert ours.calls <= 0.1 * theirs.calls, step
