"""Take back what one run wrote, the ordinary way: read, plan, intents, apply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from attrs import frozen

from calsync_core.core.draft import Situation
from calsync_core.core.undoing import Undoing
from calsync_core.core.undoing import undo as plan_undo
from calsync_core.errors import LeaseBusy
from calsync_core.models import (
    Block,
    Calendar,
    Intent,
    LeftBlock,
    Mode,
    PlanState,
    SyncReport,
    UndoReport,
    Unplanned,
    Written,
)
from calsync_core.steps.context import Context
from calsync_core.steps.gather import gather
from calsync_core.steps.run import Run
from calsync_core.steps.sync import apply_all, read_all, record

__all__ = ["undo"]

_MOST_ROUNDS = 4
"""A block that turns out to have been changed meanwhile is read and looked at again, but not for ever."""


def undo(context: Context, run_id: int) -> UndoReport:
    """Take back what a run wrote, on the blocks that are still as it left them.

    The calendars are read first. Whoever has something to be taken back is only observed from then on, and before it is
    decided: nobody may write the same again meanwhile. Nothing more is decided for whoever the host has written for
    again since. A call that ended half-way left a part done and a part in open intents, which the next sync or call
    finishes.

    Raises:
        UnknownRun: no such run.
    """
    context.store.load_run(run_id)
    whose = _whose(context, context.store.load_writes(run_id))
    run = Run()
    run.draft = SyncReport(run.way, context.clock.now(), undoes=run_id)
    read_all(context, run, _calendars(context, whose))
    before = {owner: _look(context, owner, whose) for owner in whose.by_owner}
    concerned = dict.fromkeys(
        owner for owner, undoing in before.items() if undoing.plan.operations or undoing.under_way
    )
    for owner in concerned:
        context.store.save_mode(owner, Mode.OBSERVE)
        with run.surviving(None):
            _take_back(context, run, owner, whose)
    ends = [_look(context, owner, whose) if owner in concerned else undoing for owner, undoing in before.items()]
    finished = record(context, run, run.draft, concerned) if concerned else None
    return UndoReport(
        undone=run_id,
        run=None if finished is None else finished.id,
        deleted=run.counts["busy_blocks_deleted"],
        reverted=run.counts["busy_blocks_updated"],
        remade=run.counts["busy_blocks_created"],
        already=sum(len(undoing.already) for undoing in before.values()),
        left=(*whose.unknown, *(left for end in ends for left in end.left)),
        waiting=sum(len(end.under_way) + len(end.plan.operations) for end in ends),
        observed=tuple(owner for owner in concerned if context.store.load_mode(owner) is Mode.OBSERVE),
        errors=tuple(run.failures),
        api_calls=run.meter.sent,
    )


@frozen
class _Whose:
    """A run's writes, by the owner of the blocks.

    Attributes:
        uids: Each owner's identities that they are about.
        unknown: Blocks that nobody remembers any more.
    """

    by_owner: Mapping[str, Sequence[Written]]
    uids: Mapping[str, frozenset[str]]
    unknown: tuple[LeftBlock, ...]


def _whose(context: Context, writes: Sequence[Written]) -> _Whose:
    keys = {each.ref.rpartition(".")[0] for each in writes}
    blocks: dict[str, Block] = {block.ref: block for block in context.store.load_blocks_by_key(keys)}
    by_owner: dict[str, list[Written]] = defaultdict(list)
    unknown: dict[str, LeftBlock] = {}
    for each in writes:
        if each.ref in blocks:
            by_owner[blocks[each.ref].owner].append(each)
        else:
            unknown[each.ref] = LeftBlock(each.ref, each.target_id, "unknown")
    uids = {owner: frozenset(blocks[each.ref].uid for each in theirs) for owner, theirs in by_owner.items()}
    return _Whose(dict(sorted(by_owner.items())), uids, tuple(unknown.values()))


def _calendars(context: Context, whose: _Whose) -> list[Calendar]:
    keys = sorted({each.target_id for writes in whose.by_owner.values() for each in writes})
    return [calendar for calendar in map(context.store.load_calendar, keys) if calendar.enabled]


def _look(context: Context, owner: str, whose: _Whose) -> Undoing:
    """What is left to take back, as far as the store knows."""
    as_planned = PlanState(context.shape, context.horizon().end)

    def look() -> tuple[Situation, Sequence[Intent]]:
        situation = gather(context, owner, Unplanned(uids=whose.uids[owner]), as_planned)
        return situation, context.store.load_intents(owner)

    situation, intents = context.store.together(look, writes=False)
    ordered = frozenset(intent.operation.ref for intent in intents if intent.operation.ordered)
    return plan_undo(situation, whose.by_owner[owner], ordered)


def _take_back(context: Context, run: Run, owner: str, whose: _Whose) -> None:
    """Decide, store and write, until nothing is left that can be written now."""
    for _round in range(_MOST_ROUNDS):
        with context.lease(f"owner:{owner}") as lease:
            # Only what is under the lease is decided: a plan of the rules' own may have been made since.
            state = context.store.load_plan_state(owner)
            if context.store.load_mode(owner) is not Mode.OBSERVE:
                # The host's later word: nobody would plan again over what was written now.
                return
            made, now = _look(context, owner, whose).plan, context.clock.now()
            try:
                context.store.save_plan(lease.current(), made, upto=0, state=state, at=now)
            except LeaseBusy:
                # Another worker began to write one of these blocks meanwhile: look again.
                continue
        targets = context.store.load_open_targets(owner, context.clock.now())
        if not targets or run.stopped:
            return
        apply_all(context, run, targets, at_most=context.max_workers)
