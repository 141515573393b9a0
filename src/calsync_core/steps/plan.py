"""PLAN: from stored events to a stored plan, for one owner. No request is sent here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import evolve

from calsync_core.core.draft import Situation, nearest_first
from calsync_core.core.planning import plan, plan_part
from calsync_core.errors import LeaseBusy, Stopped
from calsync_core.models import (
    Block,
    BlockState,
    Intent,
    Lease,
    Mode,
    NoticeKind,
    Plan,
    PlanState,
    Reason,
    Unplanned,
)
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.gather import Agenda, gather, gather_next, open_agenda

__all__ = ["observe_owner", "plan_owner", "preview_owner"]

_LOOKS_AGAIN = 2


def plan_owner(context: Context, owner: str) -> bool:
    """Plan what is unplanned for an owner and store the decisions as intents.

    The journal lines it covers, the horizon's new days, and everything if rules, policy, planner or time-zone database
    changed. Held deletions are looked at again every time (I-08).

    Where much is unplanned, it is planned and stored in pages. The owner is due until the last of them is stored: dead
    in between, all of it is looked at again, and what is as it should be by then costs no write.

    Returns:
        False if the owner is only observed: nothing was decided.
    """
    mode, due = context.store.together(partial(_mode_and_due, context, owner), writes=False)
    if mode is Mode.OBSERVE or not due:
        return mode is not Mode.OBSERVE
    with context.lease(f"owner:{owner}") as lease:
        return _plan_all(context, owner, lease)


def _mode_and_due(context: Context, owner: str) -> tuple[Mode, bool]:
    unplanned, state, mode = _progress_and_mode(context, owner)
    planned = (state.shape, state.horizon_end) == (context.shape, context.horizon().end)
    return mode, not planned or bool(unplanned.uids or unplanned.keys)


def _plan_all(context: Context, owner: str, lease: HeldLease) -> bool:
    """Page by page, and then what must be seen as a whole; False if the owner is only observed by now."""
    agenda: Agenda | None = None
    tries = 0
    while True:
        if context.stopping.is_set() and agenda is not None:
            raise Stopped("the engine was told to stop")
        looked = context.store.together(partial(_look_to_write, context, owner, agenda), writes=False)
        if looked is None:
            return False
        agenda, situation = looked
        try:
            if not agenda.pages:
                _save_last(context, agenda, situation, lease)
                return True
            agenda, tries = _save_page(context, agenda, situation, lease), 0
        except LeaseBusy:
            # Another worker began to write one of these blocks meanwhile: look again.
            tries += 1
            if tries > _LOOKS_AGAIN:
                raise


def _save_page(context: Context, agenda: Agenda, situation: Situation, lease: HeldLease) -> Agenda:
    """Plan a page, and store what need not wait for the last look; returns what is left."""
    part = plan_part(situation, agenda.spots)
    held = lease.current()
    if part.plan.records or part.plan.operations or part.plan.unsettled:

        def save() -> None:
            _tell(context, part.plan, situation)
            # Nothing of the journal is covered yet, and the owner is as due as before.
            context.store.save_plan(held, part.plan, upto=0, state=agenda.before, at=context.clock.now())

        context.together(save)
    return agenda.after(part, situation)


def _save_last(context: Context, agenda: Agenda, situation: Situation, lease: HeldLease) -> None:
    """Plan what is left, and store it with what the host is to be told of it: all is planned then."""
    after = evolve(agenda.before, shape=context.shape, horizon_end=agenda.horizon.end)
    made, upto = plan(situation), agenda.unplanned.upto

    def save(held: Lease) -> None:
        _tell(context, made, situation)
        context.store.save_plan(held, made, upto=upto, state=after, at=context.clock.now())

    lease.last(save)


def _look_to_write(context: Context, owner: str, agenda: Agenda | None) -> tuple[Agenda, Situation] | None:
    # Asked under the lease: what the host ordered since anybody asked before is nobody's to plan over.
    if context.store.load_mode(owner) is Mode.OBSERVE:
        return None
    if agenda is None:
        agenda = open_agenda(context, owner, *_progress(context, owner), paged=True)
    return agenda, gather_next(context, agenda)


def _progress(context: Context, owner: str) -> tuple[Unplanned, PlanState]:
    # Both before what they speak of: what changes from here on is for the next plan.
    return context.store.load_unplanned(owner), context.store.load_plan_state(owner)


def _progress_and_mode(context: Context, owner: str) -> tuple[Unplanned, PlanState, Mode]:
    # The mode last: a change of it that comes later is not counted in the state, and has the owner planned again.
    return *_progress(context, owner), context.store.load_mode(owner)


def preview_owner(context: Context, owner: str) -> Plan:
    """The plan that would be stored now, or if the owner were more than observed; nothing is."""
    if context.store.load_mode(owner) is Mode.OBSERVE:
        return _all_due(context, owner)
    return plan(context.store.together(partial(_look, context, owner), writes=False))


def _look(context: Context, owner: str) -> Situation:
    return gather(context, owner, *_progress(context, owner))


def observe_owner(context: Context, owner: str) -> Plan | None:
    """All that would be written for an owner who is only observed: what is not as it should be, and what was decided
    before and waits.

    Nothing of it is stored. That everything was looked at is, or the owner would be due again at once: once they are
    written for, all is planned afresh.

    Returns:
        None if they are written for by now: what is due is to be planned, and nothing was looked at.
    """
    with context.lease(f"owner:{owner}") as lease:
        unplanned, before, mode = context.store.together(partial(_progress_and_mode, context, owner), writes=False)
        if mode is not Mode.OBSERVE:
            return None
        due = _all_due(context, owner)
        after = evolve(before, shape=context.shape, horizon_end=context.horizon().end)
        if unplanned.uids or unplanned.keys or after != before:
            now = context.clock.now()
            lease.last(
                lambda held: context.store.save_plan(held, Plan(owner), upto=unplanned.upto, state=after, at=now)
            )
    return due


def _all_due(context: Context, owner: str) -> Plan:
    """Everything planned afresh, and with it what was decided before and is still to be written."""
    situation, intents = context.store.together(partial(_look_at_all, context, owner), writes=False)
    made = plan(situation)
    waiting = (intent.operation for intent in intents if not intent.in_doubt)
    due = {operation.ref: operation for operation in waiting if not operation.ordered}
    due |= {operation.ref: operation for operation in made.operations}
    return evolve(made, operations=tuple(sorted(due.values(), key=nearest_first)))


def _look_at_all(context: Context, owner: str) -> tuple[Situation, Sequence[Intent]]:
    return gather(context, owner, Unplanned(), PlanState()), context.store.load_intents(owner)


def _tell(context: Context, made: Plan, situation: Situation) -> None:
    """Notices about blocks whose state changed, and about deletions held for the first time."""
    owner, before = situation.scene.owner, {block.ref: block for block in (*situation.blocks, *situation.others)}
    new_holds = {record.ref for record in made.records if record.held_since and not _held(before.get(record.ref))}
    for hold in made.holds:
        if new_holds & set(hold.refs):
            context.tell(
                NoticeKind.DELETIONS_HELD, owner, calendar=hold.source_id, count=len(hold.refs), reason=hold.reason
            )
    for record in made.records:
        kind = _NOTICES.get(record.state)
        old = before.get(record.ref)
        if kind is not None and (old is None or old.state is not record.state):
            context.tell(kind, owner, calendar=record.target_id, block=record.ref, reason=record.reason)
    for operation in made.operations:
        if operation.reason in {Reason.USER_DELETED, Reason.USER_EDITED}:
            context.tell(
                NoticeKind.BLOCK_RESTORED,
                owner,
                calendar=operation.target_id,
                block=operation.ref,
                reason=str(operation.reason),
            )


def _held(block: Block | None) -> bool:
    return block is not None and block.held_since is not None


_NOTICES = {BlockState.RELEASED: NoticeKind.BLOCK_RELEASED, BlockState.PARKED: NoticeKind.BLOCK_PARKED}
