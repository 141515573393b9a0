"""What becomes unplanned, and when it stops being so."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.models import BlockState, Debt, Mark, Span, Unplanned
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_sighting,
    an_event,
    an_item,
)

__all__ = ["JournalContract"]

_DAY = timedelta(days=1)


class JournalContract(WithBench):
    """``EventStore``'s journal, and how a plan acknowledges it."""

    def test_nothing_is_unplanned_at_first(self, bench: StoreBench) -> None:
        """And for an owner nobody knows."""
        assert bench.unplanned() == bench.unplanned("nobody") == Unplanned()

    def test_every_real_change_is_unplanned(self, bench: StoreBench) -> None:
        """I-11: stored, changed and removed events, under the identity they had and the one they have."""
        bench.save(bench.source, an_item("e1"), an_item("e2", an_event("e2", uid=None)))
        assert bench.unplanned().uids == {"uid-e1", "id:e2"}
        bench.forget_what_is_unplanned()
        bench.save(bench.source, an_item("e1", an_event("e1", uid="other")))
        assert bench.unplanned().uids == {"uid-e1", "other"}
        bench.forget_what_is_unplanned()
        bench.save(bench.source, removed=("e2",))
        assert bench.unplanned().uids == {"id:e2"}
        assert bench.unplanned().keys == frozenset()

    def test_equal_events_are_planned_already(self, bench: StoreBench) -> None:
        """I-03: a new etag alone writes nothing."""
        bench.save(bench.source, an_item("e1"), an_item("r", an_event("a"), an_event("b")))
        bench.forget_what_is_unplanned()
        bench.save(bench.source, an_item("e1", etag="2"), present=("r",))
        assert bench.unplanned().uids == frozenset()
        moved = an_event("b", span=Span(NOW + _DAY, NOW + 2 * _DAY))
        bench.save(bench.source, an_item("r", an_event("a"), moved))
        assert bench.unplanned().uids == {"uid-b"}

    def test_an_ignored_replay_is_no_change(self, bench: StoreBench) -> None:
        """I-14."""
        bench.save(bench.source, an_item(version=NOW))
        bench.forget_what_is_unplanned()
        bench.save(bench.source, an_item("e1", an_event(title="older"), version=NOW - _DAY))
        assert bench.unplanned().uids == frozenset()

    def test_each_owner_has_its_own(self, bench: StoreBench) -> None:
        """Whatever calendar it happened on."""
        strange = bench.stranger()
        bench.save(strange, an_item("e2"))
        bench.save(bench.source, an_item("e1"))
        assert bench.unplanned("ana").uids == {"uid-e1"}
        assert bench.unplanned("bo").uids == {"uid-e2"}
        bench.forget_what_is_unplanned()
        assert bench.unplanned("bo").uids == {"uid-e2"}

    def test_a_block_of_ours_has_its_source_planned_again(self, bench: StoreBench) -> None:
        """A change of a recorded block is a question about its uid, in every state; also its disappearance."""
        for number, state in enumerate(BlockState):
            block = a_block(bench.source, bench.target, f"k{number}", uid=f"u{number}", state=state)
            bench.store.save_blocks([block])
            bench.forget_what_is_unplanned()
            bench.save(bench.target, a_sighting(block))
            assert bench.unplanned().uids == {f"u{number}"}
            assert bench.unplanned().keys == frozenset()
            bench.forget_what_is_unplanned()
            bench.save(bench.target, removed=(block.native_id,))
            assert bench.unplanned().uids == {f"u{number}"}

    def test_a_block_that_nobody_recorded_is_named_by_its_key(self, bench: StoreBench) -> None:
        """I-49: also one that is recorded under another id, or on another calendar."""
        elsewhere = a_block(bench.source, bench.source, "k1")
        copied = a_block(bench.source, bench.target, "k2", native_id="n-original")
        bench.store.save_blocks([elsewhere, copied])
        bench.forget_what_is_unplanned()
        strays = [a_block(bench.source, bench.target, key, native_id=f"n-{key}") for key in ("k1", "k2", "k3")]
        bench.save(bench.target, *map(a_sighting, strays))
        assert bench.unplanned().keys == {"k1", "k2", "k3"}
        assert bench.unplanned().uids == frozenset()

    def test_what_may_be_an_event_after_all_is_planned_as_one_too(self, bench: StoreBench) -> None:
        """I-17, I-45: textual marks and adorned blocks."""
        textual = an_event("t", uid="u-t", mark=Mark("a@b.c:cal:ev", textual=True))
        adorned = an_event("a", uid="u-a", mark=Mark("k9"), adorned=True)
        bench.save(bench.target, an_item("t", textual), an_item("a", adorned))
        assert bench.unplanned().uids == {"u-t", "u-a"}
        assert bench.unplanned().keys == {"a@b.c:cal:ev", "k9"}
        block = a_block(bench.source, bench.target, "k1", native_id="a")
        bench.store.save_blocks([block])
        bench.forget_what_is_unplanned()
        bench.save(bench.target, an_item("a", evolve(adorned, title="edited")))
        assert bench.unplanned().uids == {"u-a", "uid-e1"}

    def test_a_block_that_turns_out_to_be_gone_is_planned_again(self, bench: StoreBench) -> None:
        """I-47: whatever the debt's reason was, and also if its item was never seen."""
        for number, reason in enumerate(("missing", "unreadable: x", "taken", "conflict")):
            block = a_block(bench.source, bench.target, f"k{number}", uid=f"u{number}")
            bench.store.save_blocks([block])
            bench.save(bench.target, debts=(Debt(block.native_id, reason, NOW, NOW),))
            bench.forget_what_is_unplanned()
            bench.save(bench.target, removed=(block.native_id,), settled=(block.native_id,))
            assert bench.unplanned().uids == {f"u{number}"}, reason

    def test_a_block_whose_write_told_no_etag_is_planned_when_it_tells_one(self, bench: StoreBench) -> None:
        """Once: until then nobody can tell an edit from what the service made of the write."""
        block = a_block(bench.source, bench.target, state=BlockState.LIVE, etag=None)
        bench.store.save_blocks([block])
        bench.save(bench.target, evolve(a_sighting(block), etag=None))
        bench.forget_what_is_unplanned()
        bench.save(bench.target, evolve(a_sighting(block), etag=None))
        assert bench.unplanned().uids == frozenset()
        bench.save(bench.target, evolve(a_sighting(block), etag="e9"))
        assert bench.unplanned().uids == {block.uid}
        bench.forget_what_is_unplanned()
        bench.save(bench.target, evolve(a_sighting(block), etag="e9"))
        assert bench.unplanned().uids == frozenset()

    @pytest.mark.parametrize(
        ("reason", "planned"),
        [("conflict", True), ("conflict: again", True), ("taken", True), ("missing", False), ("unreadable", False)],
    )
    def test_a_settled_conflict_is_planned_again(self, bench: StoreBench, reason: str, *, planned: bool) -> None:
        """Though the item is as it was: the write that failed has to be decided anew."""
        block = a_block(bench.source, bench.target, state=BlockState.LIVE)
        bench.store.save_blocks([block])
        bench.save(bench.target, a_sighting(block))
        bench.save(bench.target, debts=(Debt(block.native_id, reason, NOW, NOW),))
        bench.forget_what_is_unplanned()
        bench.save(bench.target, a_sighting(block), settled=(block.native_id,))
        assert bench.unplanned().uids == ({"uid-e1"} if planned else frozenset())
        assert bench.store.load_debts(bench.target.key) == []

    def test_an_owed_key_has_settled_nothing(self, bench: StoreBench) -> None:
        """A debt that is renewed asks for no plan."""
        block = a_block(bench.source, bench.target)
        bench.store.save_blocks([block])
        bench.save(bench.target, debts=(Debt(block.native_id, "conflict", NOW, NOW),))
        bench.forget_what_is_unplanned()
        bench.save(bench.target, debts=(Debt(block.native_id, "conflict", NOW, NOW, attempts=1),))
        assert bench.unplanned() == Unplanned()

    def test_a_plan_acknowledges_only_what_it_has_seen(self, bench: StoreBench) -> None:
        """I-05: what was noted after the journal was read stays."""
        bench.save(bench.source, an_item("e1"))
        seen = bench.unplanned()
        bench.save(bench.source, an_item("e2"))
        bench.plan(upto=seen.upto)
        assert bench.unplanned().uids == {"uid-e2"}
        assert bench.unplanned().upto > seen.upto

    def test_a_plan_can_ask_to_be_made_again(self, bench: StoreBench) -> None:
        """What is unsettled gets a new line, past those that are acknowledged."""
        bench.save(bench.source, an_item("e1"))
        before = bench.unplanned()
        bench.plan(unsettled=frozenset({"uid-e1", "id:other"}))
        assert bench.unplanned().uids == {"uid-e1", "id:other"}
        assert bench.unplanned().upto > before.upto
        bench.plan()
        assert bench.unplanned().uids == frozenset()

    def test_lines_are_numbered_on_after_all_were_acknowledged(self, bench: StoreBench) -> None:
        """A slow plan must not acknowledge what came later under a used number."""
        bench.save(bench.source, an_item("e1"))
        slow = bench.unplanned().upto
        bench.forget_what_is_unplanned()
        bench.save(bench.source, an_item("e2"))
        bench.plan(upto=slow)
        assert bench.unplanned().uids == {"uid-e2"}
