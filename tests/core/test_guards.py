"""The guard: mass deletions wait for the host (I-08)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from calsync_core.core.guards import Guard, hold_back
from calsync_core.models import Block, BlockContent, BlockState, Reason, Span

NINE = datetime(2026, 3, 3, 9, tzinfo=UTC)


def block(number: int, source: int = 1, *, approved: bool = False) -> Block:
    return Block(
        key=f"k{number}",
        generation=0,
        owner="ana",
        source_id=source,
        target_id=9,
        uid=f"u{number}",
        slot="",
        native_id=f"n{number}",
        content=BlockContent(Span(NINE, NINE + timedelta(hours=1)), "Busy"),
        state=BlockState.LIVE,
        approved=approved,
    )


def deletions(count: int, reason: Reason = Reason.NO_LONGER_WANTED, source: int = 1) -> list[tuple[Block, Reason]]:
    return [(block(number, source), reason) for number in range(count)]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 30), st.floats(0, 1))
def test_held_only_beyond_both_limits(now: int, earlier: int, others: int, most: int, share: float) -> None:
    guard = Guard(most, share, deleted={1: earlier}, live={1: now + others})
    total = now + earlier
    suspicious = total > most and total > share * (now + others + earlier)
    held = hold_back(deletions(now), guard)
    assert len(held.refs) == (now if suspicious else 0)


def test_exactly_the_limit_is_not_held() -> None:
    assert not hold_back(deletions(20), Guard(20, 0.0, live={1: 20})).refs
    assert not hold_back(deletions(21), Guard(20, 1.0, live={1: 21})).refs
    assert hold_back(deletions(21), Guard(20, 0.5, live={1: 41})).refs


def test_each_source_is_measured_by_itself() -> None:
    mixed = deletions(21) + [(block(100 + n, 2), Reason.NO_LONGER_WANTED) for n in range(3)]
    held = hold_back(mixed, Guard(20, 0.5, live={1: 21, 2: 3}))
    assert [(hold.source_id, len(hold.refs)) for hold in held.holds] == [(1, 21)]


def test_what_the_host_ordered_or_approved_passes() -> None:
    guard = Guard(0, 0.0, live={1: 50}, emptied=frozenset({1}))
    for reason in (Reason.SWITCHED_OFF, Reason.LATE_WRITE, Reason.ADOPTED):
        assert not hold_back(deletions(50, reason), guard).refs
    assert not hold_back([(block(1, approved=True), Reason.NO_LONGER_WANTED)], guard).refs


def test_a_source_that_suddenly_listed_empty_is_held_whatever_the_number() -> None:  # I-07
    held = hold_back(deletions(1), Guard(20, 0.5, live={1: 1}, emptied=frozenset({1})))
    assert len(held.refs) == 1
    assert "no event" in held.holds[0].reason
