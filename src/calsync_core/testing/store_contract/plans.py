"""What holds of plans, intents, claims, and of what is due."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import date, timedelta

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, LeaseBusy, LeaseLost
from calsync_core.models import (
    BlockState,
    Debt,
    Due,
    Intent,
    MirrorRule,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    ReadState,
    Span,
)
from calsync_core.testing.store_contract.bench import (
    NOW,
    SHAPE,
    StoreBench,
    WithBench,
    a_block,
    an_item,
    an_operation,
)

__all__ = ["PlansContract"]

_DAY = timedelta(days=1)
_HORIZON = NOW + 90 * _DAY


class PlansContract(WithBench):
    """``PlanStore``, up to the claim."""

    def test_an_owner_who_was_never_planned_has_a_fresh_state(self, bench: StoreBench) -> None:
        """Also one that nobody knows."""
        assert bench.store.load_plan_state("nobody") == PlanState()
        fresh = bench.store.load_plan_state("ana")
        assert (fresh.shape, fresh.horizon_end) == (None, None)

    def test_a_plan_is_stored_as_a_whole(self, bench: StoreBench) -> None:
        """Records, intents, journal and state."""
        bench.save(bench.source, an_item())
        old = a_block(bench.source, bench.target, "k1", state=BlockState.LIVE)
        bench.store.save_blocks([old])
        new, kept = evolve(old, state=BlockState.PENDING, uid="new"), a_block(bench.source, bench.target, "k2")
        operation = an_operation(kept, etag="e")
        state = bench.planned("ana", "another shape " * 30)
        bench.plan(operation, records=(new, kept), state=state)
        assert bench.store.load_blocks("ana") == [new, kept]
        [intent] = bench.store.load_intents("ana")
        assert intent == Intent(intent.id, operation)
        assert bench.store.load_plan_state("ana") == state
        assert bench.unplanned().uids == frozenset()

    def test_an_operation_comes_back_exactly(self, bench: StoreBench) -> None:
        """A replay is byte for byte the same."""
        block = a_block(bench.source, bench.target)
        content = evolve(block.content, span=Span(date(2026, 11, 24), date(2026, 11, 25)), title="🔒 \x00 é")
        operation = an_operation(block, OperationKind.UPDATE, content=content, decided_at=NOW + timedelta(0, 1, 7))
        bench.plan(operation, records=(block,))
        assert bench.claim()[0].operation == operation

    def test_a_plan_can_be_reset(self, bench: StoreBench) -> None:
        """I-51: everything is planned again; the horizon is kept; an owner nobody knows is no error."""
        bench.forget_what_is_unplanned()
        before = bench.store.load_plan_state("ana")
        bench.store.reset_plan("ana")
        bench.store.reset_plan("nobody")
        assert bench.store.load_plan_state("ana") == PlanState(None, _HORIZON, before.resets + 1)
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).owners == ("ana",)

    def test_a_reset_while_a_plan_is_made_outlives_it(self, bench: StoreBench) -> None:
        """I-51: what the plan did not know of is planned again, also where it was reset before already."""
        for title in ("one", "other"):
            made = bench.planned("ana")
            bench.store.save_rules("ana", [MirrorRule(title=title)])
            bench.plan(state=made)
            after = bench.store.load_plan_state("ana")
            assert (after.shape, after.horizon_end) == (None, _HORIZON)
            assert after.resets > made.resets
        bench.plan()
        assert bench.store.load_plan_state("ana").shape == SHAPE

    def test_a_plan_of_several_owners_is_not_stored(self, bench: StoreBench) -> None:
        """It is for show."""
        with pytest.raises(InvalidValue, match=r"^owner"):
            bench.store.save_plan(bench.lease("owner:x"), Plan(None), upto=0, state=PlanState(), at=NOW)

    def test_nothing_is_planned_under_a_lease_that_passed_on(self, bench: StoreBench) -> None:
        """I-06: the fence; records, intents, journal and state stay."""
        bench.save(bench.source, an_item())
        before = bench.store.load_plan_state("ana")
        bench.store.release_lease(bench.lease("owner:ana"))
        block = a_block(bench.source, bench.target)
        with pytest.raises(LeaseLost):
            bench.plan(an_operation(block), records=(block,))
        assert bench.store.load_blocks("ana") == []
        assert bench.store.load_intents("ana") == []
        assert bench.store.load_plan_state("ana") == before
        assert bench.unplanned().uids == {"uid-e1"}

    def test_a_second_thought_replaces_an_intent_nobody_tried(self, bench: StoreBench) -> None:
        """One open intent per block; the ids go on rising."""
        first, other = a_block(bench.source, bench.target, "k1"), a_block(bench.source, bench.target, "k2")
        bench.plan(an_operation(first), an_operation(other), records=(first, other))
        before = bench.store.load_intents("ana")
        bench.plan(an_operation(first, OperationKind.DELETE))
        after = bench.store.load_intents("ana")
        assert [intent.operation for intent in after] == [
            an_operation(other),
            an_operation(first, OperationKind.DELETE),
        ]
        assert after[0] == before[1]
        assert after[1].id > before[1].id

    def test_a_block_that_is_being_written_is_not_planned(self, bench: StoreBench) -> None:
        """I-06: a claim that came between reading and storing wins; nothing of the plan is stored."""
        block, other = a_block(bench.source, bench.target, "k1"), a_block(bench.source, bench.target, "k2")
        bench.plan(an_operation(block), records=(block,))
        [claimed] = bench.claim()
        bench.save(bench.source, an_item())
        with pytest.raises(LeaseBusy):
            bench.plan(an_operation(other), an_operation(block, OperationKind.DELETE), records=(other, block))
        assert [intent.id for intent in bench.store.load_intents("ana")] == [claimed.id]
        assert bench.store.load_blocks("ana") == [block]
        assert bench.unplanned().uids == {"uid-e1"}

    def test_a_plan_has_one_operation_per_block(self, bench: StoreBench) -> None:
        """Two would race each other."""
        block = a_block(bench.source, bench.target)
        with pytest.raises(InvalidValue, match=r"^operations"):
            bench.plan(an_operation(block), an_operation(block, OperationKind.DELETE), records=(block,))
        assert bench.store.load_blocks("ana") == []

    def test_open_intents_come_by_owner_and_block(self, bench: StoreBench) -> None:
        """In doubt once they were attempted."""
        first, second = (a_block(bench.source, bench.target, key, NOW + _DAY) for key in ("k1", "k2"))
        soon = a_block(bench.source, bench.target, "k3", NOW)
        bench.plan(*map(an_operation, (first, second, soon)), records=(first, second, soon))
        bench.claim(limit=1)
        found = bench.store.load_intents("ana")
        assert [intent.operation.ref for intent in found] == [first.ref, second.ref, soon.ref]
        assert [(intent.in_doubt, intent.attempts) for intent in found] == [(False, 0), (False, 0), (True, 1)]
        assert bench.store.load_intents("ana", {second.ref, "x.0"}) == [found[1]]
        assert bench.store.load_intents("ana", []) == []
        assert bench.store.load_intents("bo") == []

    def test_the_nearest_slot_is_claimed_first(self, bench: StoreBench) -> None:
        """I-33: all-day blocks by their date; the attempt is counted before the intent is given."""
        days = [3, 0, 2, 1]
        blocks = [a_block(bench.source, bench.target, f"k{day}", NOW + day * _DAY) for day in days]
        whole = evolve(blocks[2], content=evolve(blocks[2].content, span=Span(date(2026, 11, 26), date(2026, 11, 27))))
        blocks[2] = whole
        bench.plan(*map(an_operation, blocks), records=tuple(blocks))
        first, rest = bench.claim(limit=1), bench.claim(limit=9)
        assert [intent.operation.ref for intent in first + rest] == ["k0.0", "k1.0", "k2.0", "k3.0"]
        assert {(intent.in_doubt, intent.attempts) for intent in first + rest} == {(False, 1)}
        assert all(intent.attempts == 1 for intent in bench.store.load_intents("ana"))
        assert bench.claim() == []

    def test_only_the_targets_own_intents_are_claimed(self, bench: StoreBench) -> None:
        """Every target has its own queue."""
        here, there = a_block(bench.source, bench.target, "k1"), a_block(bench.target, bench.source, "k2")
        bench.plan(an_operation(here), an_operation(there), records=(here, there))
        assert [intent.operation.ref for intent in bench.claim()] == [here.ref]
        assert bench.store.load_open_targets("ana", NOW) == [bench.source.key, bench.target.key]

    def test_a_claim_is_given_once_per_lease(self, bench: StoreBench) -> None:
        """I-04, I-05: the next lease gets it again, in doubt."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        [first] = bench.claim()
        assert bench.claim() == []
        old = bench.lease_of(bench.target)
        renewed = bench.store.renew_lease(old, 7200, NOW)
        assert bench.store.claim_intents(renewed, bench.target.key, 9, NOW) == []
        bench.store.release_lease(old)
        lease = bench.store.acquire_lease(old.name, "another", 60, NOW)
        [again] = bench.store.claim_intents(lease, bench.target.key, 9, NOW)
        assert again == evolve(first, in_doubt=True, attempts=2)
        with pytest.raises(LeaseLost):
            bench.claim()
        assert bench.store.load_intents("ana") == [again]

    def test_intents_that_are_put_off_wait_and_it_is_no_attempt(self, bench: StoreBench) -> None:
        """Those of this target; one that waits longer goes on waiting."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        lease, later = bench.lease_of(bench.target), NOW + timedelta(minutes=5)
        bench.store.put_off_intents(lease, bench.target.key, later, NOW)
        bench.store.put_off_intents(lease, bench.target.key, NOW + timedelta(minutes=1), NOW)
        soon = later - timedelta(seconds=1)
        assert bench.claim(at=soon) == []
        assert bench.store.load_open_targets("ana", soon) == []
        assert bench.store.load_open_targets("ana", later) == [bench.target.key]
        [intent] = bench.claim(at=later)
        assert not intent.in_doubt

    def test_what_waits_is_claimed_when_it_is_due(self, bench: StoreBench) -> None:
        """I-33: under the same lease, too."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        [intent] = bench.claim()
        bench.record(Outcome(intent.id, OutcomeStatus.RETRY, retry_after=90))
        early, due = NOW + timedelta(seconds=89), NOW + timedelta(seconds=90)
        assert bench.claim(at=early) == []
        assert bench.store.load_open_targets(None, early) == []
        assert bench.store.load_open_targets("ana", due) == [bench.target.key]
        assert bench.claim(at=due) == [evolve(intent, in_doubt=True, attempts=2)]

    def test_open_targets_come_by_owner(self, bench: StoreBench) -> None:
        """Or everybody's; a target without intents is none."""
        strange = bench.stranger()
        ours, theirs = a_block(bench.source, bench.target), a_block(strange, strange, "k9")
        bench.plan(an_operation(ours), records=(ours,))
        lease = bench.lease("owner:bo")
        plan = Plan("bo", (an_operation(theirs),), (theirs,))
        bench.store.save_plan(lease, plan, upto=0, state=PlanState(), at=NOW)
        assert bench.store.load_open_targets(None, NOW) == [bench.target.key, strange.key]
        assert bench.store.load_open_targets("bo", NOW) == [strange.key]
        assert bench.store.load_open_targets("nobody", NOW) == []

    def test_nothing_is_due_when_all_is_done(self, bench: StoreBench) -> None:
        """I-03."""
        bench.read_completely(bench.source, an_item())
        for calendar in (bench.source, bench.target):
            bench.watch(calendar)
        bench.forget_what_is_unplanned()
        assert bench.store.load_due(NOW, SHAPE, _HORIZON) == Due()

    def test_an_owner_is_due_by_journal_shape_and_horizon(self, bench: StoreBench) -> None:
        """I-51: each alone; and one who was never planned."""
        strange = bench.stranger()
        bench.forget_what_is_unplanned()
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).owners == ("bo",)
        theirs = bench.lease("owner:bo")
        bench.store.save_plan(theirs, Plan("bo"), upto=0, state=bench.planned("bo"), at=NOW)
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).owners == ()
        assert bench.store.load_due(NOW, "another", _HORIZON).owners == ("ana", "bo")
        assert bench.store.load_due(NOW, SHAPE, _HORIZON + _DAY).owners == ("ana", "bo")
        bench.save(strange, an_item())
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).owners == ("bo",)

    def test_a_target_is_due_by_its_intents(self, bench: StoreBench) -> None:
        """Also a switched-off one: its blocks are taken back."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block, OperationKind.DELETE), records=(block,))
        bench.store.save_calendar(evolve(bench.target, enabled=False))
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).targets == (bench.target.key,)

    def test_a_calendar_is_due_by_its_time_and_its_debts(self, bench: StoreBench) -> None:
        """Enabled ones only."""
        off = bench.calendar("off", enabled=False)
        for calendar in (bench.source, off):
            state = ReadState(due_at=NOW + _DAY)
            bench.store.save_read_state(bench.lease_of(calendar), calendar.key, state, NOW)
            bench.save(calendar, debts=(Debt("d", "x", NOW, NOW + 2 * _DAY),))
            bench.watch(calendar)
        bench.watch(bench.target)
        bench.save(bench.target, debts=(Debt("d", "x", NOW, NOW + 2 * _DAY),))
        assert bench.store.load_due(NOW, SHAPE, _HORIZON).calendars == ()
        assert bench.store.load_due(NOW + _DAY, SHAPE, _HORIZON).calendars == (bench.source.key,)
        both = (bench.source.key, bench.target.key)
        assert bench.store.load_due(NOW + 2 * _DAY, SHAPE, _HORIZON).calendars == both
