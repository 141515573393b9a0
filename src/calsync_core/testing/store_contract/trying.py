"""What holds of owners who are only observed, and of what each run is remembered to have written."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.errors import UnknownRun
from calsync_core.models import (
    Block,
    BlockContent,
    Mode,
    Operation,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    Reason,
    Span,
    SyncReport,
    SyncType,
    Written,
)
from calsync_core.testing.store_contract.bench import (
    NOW,
    SHAPE,
    StoreBench,
    WithBench,
    a_block,
    an_operation,
)

__all__ = ["TryingContract"]

_DAY = timedelta(days=1)


class TryingContract(WithBench):
    """``save_mode``, what it keeps from being written, and ``load_writes``."""

    def test_a_mode_is_an_owners_and_write_unless_set(self, bench: StoreBench) -> None:
        """Also of one that nobody knows yet; names are told apart exactly."""
        bench.store.save_mode("ana", Mode.OBSERVE)
        bench.store.save_mode("nobody yet", Mode.OBSERVE)
        assert bench.store.load_mode("ana") is bench.store.load_mode("nobody yet") is Mode.OBSERVE
        assert {bench.store.load_mode(name) for name in ("Ana", "ana ", "bo")} == {Mode.WRITE}
        bench.store.save_mode("ana", Mode.WRITE)
        assert bench.store.load_mode("ana") is Mode.WRITE

    def test_a_change_of_mode_makes_the_owner_due(self, bench: StoreBench) -> None:
        """I-51: the shape is forgotten in the same transaction, and the horizon kept; saying it again changes nothing,
        nor does a plan change the mode.
        """
        for mode in (Mode.OBSERVE, Mode.WRITE):
            bench.forget_what_is_unplanned()
            before = bench.store.load_plan_state("ana")
            assert before.shape == SHAPE
            bench.store.save_mode("ana", mode)
            after = bench.store.load_plan_state("ana")
            assert after == PlanState(None, before.horizon_end, before.resets + 1)
            bench.plan()
            bench.store.save_mode("ana", mode)
            assert bench.store.load_plan_state("ana").shape == SHAPE
            assert bench.store.load_mode("ana") is mode

    def test_nothing_of_an_observed_owner_is_given_out(self, bench: StoreBench) -> None:
        """Whatever was decided, or tried, before; it is due again once the owner is written for."""
        tried, waiting = (
            a_block(bench.source, bench.target, "k1"),
            a_block(bench.source, bench.target, "k2", NOW + _DAY),
        )
        bench.plan(an_operation(tried), an_operation(waiting), records=(tried, waiting))
        [claimed] = bench.claim(limit=1)
        bench.record(Outcome(claimed.id, OutcomeStatus.RETRY, retry_after=1))
        bench.store.save_mode("ana", Mode.OBSERVE)
        later = NOW + timedelta(seconds=5)
        assert bench.claim(at=later) == []
        assert bench.store.load_open_targets("ana", later) == bench.store.load_open_targets(None, later) == []
        assert bench.store.load_due(later, SHAPE, NOW).targets == ()
        assert [intent.attempts for intent in bench.store.load_intents("ana")] == [1, 0]
        bench.store.save_mode("ana", Mode.WRITE)
        assert bench.store.load_open_targets("ana", later) == [bench.target.key]
        assert [(intent.operation.ref, intent.in_doubt) for intent in bench.claim(at=later)] == [
            (tried.ref, True),
            (waiting.ref, False),
        ]

    def test_what_the_host_ordered_is_given_out_in_every_mode(self, bench: StoreBench) -> None:
        """And what waits with it on the same target is not."""
        wish, order = a_block(bench.source, bench.target, "k1"), a_block(bench.source, bench.target, "k2", NOW + _DAY)
        ordered = an_operation(order, OperationKind.DELETE, reason=Reason.UNDONE)
        bench.plan(an_operation(wish), ordered, records=(wish, order))
        bench.store.save_mode("ana", Mode.OBSERVE)
        assert bench.store.load_open_targets("ana", NOW) == [bench.target.key]
        assert bench.store.load_due(NOW, SHAPE, NOW).targets == (bench.target.key,)
        [intent] = bench.claim(limit=1)
        assert intent.operation == ordered
        assert bench.claim() == []

    def test_another_owner_goes_on(self, bench: StoreBench) -> None:
        """A mode is nobody else's."""
        strange = bench.stranger()
        ours, theirs = a_block(bench.source, bench.target), a_block(strange, strange, "k9")
        bench.plan(an_operation(ours), records=(ours,))
        plan = Plan("bo", (an_operation(theirs),), (theirs,))
        bench.store.save_plan(bench.lease("owner:bo"), plan, upto=0, state=PlanState(), at=NOW)
        bench.store.save_mode("ana", Mode.OBSERVE)
        assert bench.store.load_open_targets(None, NOW) == [strange.key]
        assert len(bench.store.claim_intents(bench.lease_of(strange), strange.key, 9, NOW)) == 1

    def test_what_a_run_wrote_is_remembered_in_the_order_of_decision(self, bench: StoreBench) -> None:
        """With what stood there before, what was sent, and what the provider made of it."""
        run = bench.store.save_run(SyncReport(SyncType.FULL, NOW)).key
        made, moved, gone = (a_block(bench.source, bench.target, f"k{n}", NOW + n * _DAY) for n in (3, 2, 1))
        before = BlockContent(Span(NOW, NOW + _DAY), "🔒 Büro \x00")
        operations = (
            an_operation(made),
            an_operation(moved, OperationKind.UPDATE, before=before),
            an_operation(gone, OperationKind.DELETE),
        )
        bench.plan(*operations, records=(made, moved, gone))
        seen = BlockContent(Span(NOW, NOW + _DAY), "made of it")
        outcomes = [Outcome(intent.id, OutcomeStatus.DONE, seen=seen) for intent in bench.claim()]
        bench.record(*outcomes[:1], run_id=run)
        bench.record(*outcomes, run_id=run)
        target = bench.target.key
        assert bench.store.load_writes(run) == [
            Written(OperationKind.CREATE, made.ref, target, None, made.content, seen),
            Written(OperationKind.UPDATE, moved.ref, target, before, moved.content, seen),
            Written(OperationKind.DELETE, gone.ref, target, gone.content),
        ]
        assert bench.store.load_writes(run + 1) == []

    def test_only_what_is_done_was_written(self, bench: StoreBench) -> None:
        """And only with a run."""
        run = bench.store.save_run(SyncReport(SyncType.FULL, NOW)).key
        blocks = [a_block(bench.source, bench.target, f"k{n}") for n, _ in enumerate(OutcomeStatus)]
        bench.plan(*map(an_operation, blocks), records=tuple(blocks))
        claimed = bench.claim()
        statuses = [*OutcomeStatus]
        bench.record(*(Outcome(each.id, how) for each, how in zip(claimed, statuses, strict=True)), run_id=run)
        assert [each.ref for each in bench.store.load_writes(run)] == [claimed[0].operation.ref]
        alone = a_block(bench.source, bench.target, "alone")
        bench.write(alone)
        assert len(bench.store.load_writes(run)) == 1

    def test_nothing_is_recorded_for_an_unknown_run(self, bench: StoreBench) -> None:
        """The intent stays open."""
        block = a_block(bench.source, bench.target)
        bench.plan(an_operation(block), records=(block,))
        [intent] = bench.claim()
        with pytest.raises(UnknownRun, match=r"^run"):
            bench.record(Outcome(intent.id, OutcomeStatus.DONE), run_id=4711)
        assert [each.id for each in bench.store.load_intents("ana")] == [intent.id]
        with pytest.raises(UnknownRun, match=r"^run"):
            bench.store.load_run(4711)

    def test_saving_a_run_again_keeps_what_it_wrote(self, bench: StoreBench) -> None:
        """It is begun with its first write, and finished later."""
        run, _ = _a_write(bench)
        finished = evolve(bench.store.load_run(run), finished_at=NOW, calendars=(bench.target.key,))
        bench.store.save_run(finished)
        assert bench.store.load_run(run) == finished
        assert bench.store.load_runs(bench.target.key) == [finished]
        assert len(bench.store.load_writes(run)) == 1

    def test_a_run_is_forgotten_with_what_it_wrote(self, bench: StoreBench) -> None:
        """One that never finished, with the next one that did; later ones stay."""
        run, _ = _a_write(bench)
        died = bench.store.save_run(SyncReport(SyncType.FULL, NOW - _DAY)).key
        bench.store.save_run(SyncReport(SyncType.FULL, NOW - _DAY, NOW - _DAY))
        latest, operation = _a_write(bench, "k2")
        bench.store.save_run(evolve(bench.store.load_run(run), finished_at=NOW - _DAY))
        assert bench.store.cleanup(NOW) == 3
        assert [each.key for each in bench.store.load_runs()] == [latest]
        assert bench.store.load_writes(run) == bench.store.load_writes(died) == []
        assert [each.ref for each in bench.store.load_writes(latest)] == [operation.ref]

    def test_a_forgotten_calendar_takes_its_writes_along(self, bench: StoreBench) -> None:
        """Nobody can undo them any more; the run stays."""
        run, _ = _a_write(bench)
        bench.store.delete_account(bench.account.key)
        assert bench.store.load_writes(run) == []
        assert bench.store.load_run(run).id == run


def _a_write(bench: StoreBench, key: str = "k1") -> tuple[int, Operation]:
    """A run that has written one block and is not finished."""
    run = bench.store.save_run(SyncReport(SyncType.FULL, NOW)).key
    block: Block = a_block(bench.source, bench.target, key)
    operation = an_operation(block)
    bench.plan(operation, records=(block,))
    [intent] = bench.claim()
    bench.record(Outcome(intent.id, OutcomeStatus.DONE), run_id=run)
    return run, operation
