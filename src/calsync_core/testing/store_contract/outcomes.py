"""What the outcome of a write does to the record."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from calsync_core.errors import LeaseLost
from calsync_core.models import (
    Block,
    BlockContent,
    BlockState,
    Debt,
    Event,
    KnownItem,
    Mark,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Reason,
    Sighting,
    Span,
    Unplanned,
    tombstone,
)
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_sighting,
    an_operation,
)

__all__ = ["OutcomesContract"]

_HOUR = timedelta(hours=1)
_LATER = NOW + timedelta(minutes=1)


class OutcomesContract(WithBench):
    """``PlanStore.record_outcomes``."""

    def test_a_create_that_is_done_stands(self, bench: StoreBench) -> None:
        """The block is LIVE, the item is known as if it had been read, and nothing is unplanned."""
        block = a_block(bench.source, bench.target, reason="parked once")
        _try(bench, block, status=OutcomeStatus.DONE, etag="w1")
        live = evolve(
            block,
            state=BlockState.LIVE,
            seen=block.content,
            etag="w1",
            reason=None,
            created_at=_LATER,
            changed_at=_LATER,
        )
        assert bench.store.load_blocks("ana") == [live]
        assert bench.store.load_intents("ana") == []
        assert bench.unplanned() == Unplanned()
        identity = f"id:{block.native_id}"
        written = KnownItem(block.native_id, "w1", ours=True, written_at=_LATER, identity=identity, marked=True)
        assert bench.store.load_items(bench.target.key) == {block.native_id: written}
        tag = an_operation(block).tag
        event = Event(block.native_id, None, block.content.span, title="Busy", mark=Mark(block.key, 0, tag))
        assert bench.store.load_sightings("ana") == [Sighting(bench.target.key, event, "w1")]

    def test_what_the_provider_made_of_it_is_remembered(self, bench: StoreBench) -> None:
        """Decision 10: edits are compared with the first read-back; and it may stand under another id."""
        block = a_block(bench.source, bench.target, generation=7)
        seen = BlockContent(Span(NOW, NOW + 2 * _HOUR), "Busy…")
        _try(bench, block, status=OutcomeStatus.DONE, seen=seen, native_id="moved")
        found = bench.block(block.ref)
        assert (found.content, found.seen, found.native_id, found.etag) == (block.content, seen, "moved", None)
        [sighting] = bench.store.load_sightings("ana")
        assert sighting.content == seen
        assert sighting.event.id == "moved"
        assert sighting.event.mark == Mark(block.key, 7, an_operation(block).tag)
        assert list(bench.store.load_items(bench.target.key)) == ["moved"]

    def test_an_update_that_is_done_keeps_the_birthday(self, bench: StoreBench) -> None:
        """And replaces what the calendar showed."""
        block = a_block(bench.source, bench.target, created_at=NOW - _HOUR)
        bench.save(bench.target, a_sighting(block))
        moved = evolve(block, content=BlockContent(Span(NOW + _HOUR, NOW + 2 * _HOUR), "Busy"))
        _try(bench, moved, OperationKind.UPDATE, status=OutcomeStatus.DONE, etag="w2")
        assert bench.block(block.ref) == evolve(
            moved, state=BlockState.LIVE, seen=moved.content, etag="w2", changed_at=_LATER
        )
        assert [sighting.content for sighting in bench.store.load_sightings("ana")] == [moved.content]
        assert bench.unplanned() == Unplanned()

    def test_our_own_write_is_no_news_when_it_is_read(self, bench: StoreBench) -> None:
        """I-03: the echo that is as we recorded it asks for no plan."""
        block = a_block(bench.source, bench.target)
        _try(bench, block, status=OutcomeStatus.DONE, etag="w1")
        [sighting] = bench.store.load_sightings("ana")
        echo = evolve(a_sighting(block), events=(sighting.event,), etag="w1")
        bench.save(bench.target, echo)
        assert bench.unplanned() == Unplanned()

    def test_a_write_during_a_round_is_seen_in_it(self, bench: StoreBench) -> None:
        """I-07: what we have just written is not absent."""
        begun = bench.begin_round(bench.target)
        _try(bench, a_block(bench.source, bench.target), status=OutcomeStatus.DONE)
        assert bench.store.load_unseen(bench.target.key, begun, None) == []

    def test_a_delete_that_is_done_leaves_a_tombstone(self, bench: StoreBench) -> None:
        """I-50: the item is gone without a line in the journal."""
        block = a_block(bench.source, bench.target, held_since=NOW, approved=True, state=BlockState.LIVE, etag="x")
        bench.save(bench.target, a_sighting(block))
        operation = an_operation(block, OperationKind.DELETE, reason=Reason.NO_LONGER_WANTED)
        bench.plan(operation, records=(block,))
        bench.record(Outcome(bench.claim()[0].id, OutcomeStatus.DONE), at=_LATER)
        assert bench.store.load_blocks("ana") == [tombstone(block, _LATER, Reason.NO_LONGER_WANTED)]
        assert bench.store.load_items(bench.target.key) == {}
        assert bench.store.load_sightings("ana") == []
        assert bench.store.load_intents("ana") == []
        assert bench.unplanned() == Unplanned()
        assert bench.store.count_deleted([bench.source.key], _LATER) == {bench.source.key: 1}

    def test_a_taken_id_is_looked_at(self, bench: StoreBench) -> None:
        """I-04: by whom, a read by id will say."""
        block = a_block(bench.source, bench.target)
        _try(bench, block, status=OutcomeStatus.TAKEN)
        assert bench.block(block.ref) == evolve(block, state=BlockState.TAKEN, changed_at=_LATER)
        assert bench.store.load_debts(bench.target.key) == [Debt(block.native_id, "taken", _LATER, _LATER)]
        assert bench.store.load_intents("ana") == []
        assert bench.unplanned().uids == {block.uid}

    @pytest.mark.parametrize("status", [OutcomeStatus.CHANGED, OutcomeStatus.MISSING])
    def test_a_conflict_is_looked_at(self, bench: StoreBench, status: OutcomeStatus) -> None:
        """I-47: somebody else wrote first; the record stays as it is until a read by id."""
        block = a_block(bench.source, bench.target, state=BlockState.LIVE)
        bench.save(bench.target, a_sighting(block))
        _try(bench, block, OperationKind.UPDATE, status=status)
        assert bench.store.load_blocks("ana") == [block]
        assert bench.store.load_debts(bench.target.key) == [Debt(block.native_id, "conflict", _LATER, _LATER)]
        assert bench.store.load_intents("ana") == []
        assert bench.unplanned().uids == {block.uid}
        assert len(bench.store.load_sightings("ana")) == 1

    def test_an_older_debt_keeps_its_age(self, bench: StoreBench) -> None:
        """The rest of it is replaced."""
        block = a_block(bench.source, bench.target)
        bench.save(bench.target, debts=(Debt(block.native_id, "unreadable", NOW - _HOUR, NOW + _HOUR, 3),))
        _try(bench, block, OperationKind.UPDATE, status=OutcomeStatus.CHANGED)
        assert bench.store.load_debts(bench.target.key) == [Debt(block.native_id, "conflict", NOW - _HOUR, _LATER)]

    @pytest.mark.parametrize(
        ("retry_after", "attempts", "seconds"),
        [
            (None, 1, 60),
            (None, 2, 120),
            (None, 3, 240),
            (None, 9, 3600),
            (0.0, 1, 1),
            (7.5, 4, 7.5),
            (86400.0, 1, 86400),
        ],
    )
    def test_what_did_not_happen_is_tried_again(
        self, bench: StoreBench, retry_after: float | None, attempts: int, seconds: float
    ) -> None:
        """I-34: as the provider asks, or less and less often; nothing else changes."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        at = done_at = NOW
        long = bench.store.renew_lease(bench.lease_of(bench.target), 1e7, NOW)
        for _ in range(attempts):
            [intent] = bench.store.claim_intents(long, bench.target.key, 1, at)
            outcome = Outcome(intent.id, OutcomeStatus.RETRY, retry_after=retry_after, message="time-out")
            bench.record(outcome, at=at)
            done_at, at = at, at + timedelta(days=2)
        due = done_at + timedelta(seconds=seconds)
        assert bench.store.load_open_targets("ana", due) == [bench.target.key]
        assert bench.store.load_open_targets("ana", due - timedelta(milliseconds=1)) == []
        [waiting] = bench.store.load_intents("ana")
        assert (waiting.attempts, waiting.in_doubt) == (attempts, True)
        assert bench.store.load_blocks("ana") == [block]
        assert bench.unplanned() == Unplanned()

    def test_a_refused_write_parks_its_block(self, bench: StoreBench) -> None:
        """I-34: a permanent error is not tried again."""
        block = a_block(bench.source, bench.target)
        refused = BlockContent(block.content.span, "refused")
        bench.plan(an_operation(block, content=refused), records=(block,))
        [intent] = bench.claim()
        bench.record(Outcome(intent.id, OutcomeStatus.REJECTED, message="400 invalid"), at=_LATER)
        parked = evolve(block, state=BlockState.PARKED, reason="400 invalid", content=refused, changed_at=_LATER)
        assert bench.store.load_blocks("ana") == [parked]
        assert bench.store.load_intents("ana") == []
        assert bench.store.load_debts(bench.target.key) == []
        assert bench.unplanned() == Unplanned()

    def test_outcomes_of_a_batch_are_recorded_together(self, bench: StoreBench) -> None:
        """Unknown ids, and those of other targets, are ignored; a second word on an intent counts for nothing."""
        good, bad = a_block(bench.source, bench.target, "k1"), a_block(bench.source, bench.target, "k2")
        there = a_block(bench.target, bench.source, "k3")
        bench.plan(*map(an_operation, (good, bad, there)), records=(good, bad, there))
        first, second = bench.claim()
        other = next(intent for intent in bench.store.load_intents("ana") if intent.operation.ref == there.ref)
        bench.record(
            Outcome(987_654, OutcomeStatus.DONE),
            Outcome(first.id, OutcomeStatus.DONE),
            Outcome(first.id, OutcomeStatus.TAKEN),
            Outcome(other.id, OutcomeStatus.DONE),
            Outcome(second.id, OutcomeStatus.REJECTED),
        )
        states = {block.ref: block.state for block in bench.store.load_blocks("ana")}
        assert states == {
            good.ref: BlockState.LIVE,
            bad.ref: BlockState.PARKED,
            there.ref: BlockState.PENDING,
        }
        assert [intent.id for intent in bench.store.load_intents("ana")] == [other.id]
        bench.record(Outcome(first.id, OutcomeStatus.REJECTED))
        assert bench.block(good.ref).state is BlockState.LIVE

    def test_nothing_is_recorded_under_a_lease_that_passed_on(self, bench: StoreBench) -> None:
        """I-50: the write may have landed; the next lease looks before it sends."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        [intent] = bench.claim()
        bench.store.release_lease(bench.lease_of(bench.target))
        with pytest.raises(LeaseLost):
            bench.record(Outcome(intent.id, OutcomeStatus.DONE))
        assert bench.store.load_blocks("ana") == [block]
        assert bench.store.load_intents("ana", [block.ref])[0].in_doubt
        assert bench.store.load_items(bench.target.key) == {}

    def test_a_lease_also_ends_by_time(self, bench: StoreBench) -> None:
        """I-06: at its very end, whoever waits for it may have it."""
        lease = bench.store.acquire_lease("calendar:brief", "w", 60, NOW)
        with pytest.raises(LeaseLost):
            bench.store.record_outcomes(lease, bench.target.key, [], lease.expires_at)
        bench.store.record_outcomes(lease, bench.target.key, [], lease.expires_at - timedelta(microseconds=1))


def _try(bench: StoreBench, block: Block, kind: OperationKind = OperationKind.CREATE, **outcome: Any) -> None:
    """One write, recorded a minute later, with an empty journal before it."""
    bench.plan(an_operation(block, kind), records=(block,))
    [intent] = bench.claim()
    bench.record(Outcome(intent.id, **outcome), at=_LATER)
