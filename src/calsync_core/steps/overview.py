"""What a host is shown of how things are going: health, metrics, held deletions, plans. No request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from calsync_core.core import watching
from calsync_core.errors import InvalidValue
from calsync_core.models import (
    Account,
    AccountStatus,
    Block,
    BlockState,
    Calendar,
    CalendarHealth,
    CalendarId,
    CalendarStatus,
    HealthReport,
    HeldDeletion,
    Plan,
    PushState,
    ReadState,
    Standing,
    SyncType,
    Watch,
)
from calsync_core.steps.context import Context

__all__ = ["approve", "calendar_health", "concerning", "drop", "health", "held", "merged", "state_of"]


def health(context: Context, owner: str | None) -> HealthReport:
    """The state of every enabled calendar."""
    calendars = sorted(calendar_health(context, owner), key=lambda each: each.calendar)
    owners = {each.owner for each in calendars}
    return HealthReport(
        calendars=tuple(calendars),
        held=len(context.store.load_held(owner)),
        open_intents=sum(len(context.store.load_intents(name)) for name in owners),
    )


def calendar_health(
    context: Context, owner: str | None = None, *, limit: int | None = None, offset: int = 0
) -> list[CalendarHealth]:
    """The states of enabled calendars, those in trouble first, then by id; so many of them, from that place on."""
    now = context.clock.now()
    return [_health_of(each, now) for each in context.store.load_standings(owner, limit=limit, offset=offset)]


def _health_of(standing: Standing, now: datetime) -> CalendarHealth:
    account, calendar, state = standing.account, standing.calendar, standing.state
    return CalendarHealth(
        calendar=calendar.key,
        name=calendar.name,
        account=account.name,
        owner=calendar.owner,
        provider=account.provider,
        publish=calendar.publish,
        receive=calendar.receive,
        state=state_of(account, calendar, state),
        read_at=state.read_at,
        staleness=None if state.read_at is None else (now - state.read_at).total_seconds(),
        failures=state.failures,
        last_error=state.last_error,
        debts=standing.debts,
        blocks=standing.blocks,
        mode=standing.mode,
        **_push_health(standing.watch, now),
    )


def _push_health(watch: Watch | None, now: datetime) -> dict[str, Any]:
    if watch is None:
        return {}
    state = watching.state_of(watch, now)
    return {
        "way": SyncType.WEBHOOK if state is PushState.ACTIVE else SyncType.POLLING,
        "push": str(state),
        "push_expires_at": watch.expires_at,
        "pushed_at": watch.pushed_at,
        "next_read_at": watch.due_at,
        "worst_staleness": watch.interval or None,
    }


def state_of(account: Account, calendar: Calendar, state: ReadState) -> str:
    """In a word; see ``CalendarHealth``."""
    if account.status is not AccountStatus.ACTIVE:
        return str(account.status)
    if calendar.status is not CalendarStatus.OK:
        return str(calendar.status)
    if state.failures:
        return "failing"
    if not state.complete:
        return "unread"
    return "resyncing" if state.resyncing else "ok"


def held(context: Context, owner: str | None) -> list[HeldDeletion]:
    """The deletions the guard holds, earliest first."""
    found = [
        HeldDeletion(
            ref=block.ref,
            owner=block.owner,
            source=block.source_id,
            target=block.target_id,
            start=block.content.span.start.isoformat(),
            end=block.content.span.end.isoformat(),
            since=block.held_since,
            approved=block.approved,
        )
        for block in context.store.load_held(owner)
        if block.held_since is not None
    ]
    return sorted(found, key=lambda deletion: (deletion.start, deletion.ref))


def _choose(context: Context, refs: Collection[str] | None, owner: str | None) -> list[Block]:
    """The held blocks the host decides on: all, or those named.

    Raises:
        InvalidValue: one of the refs is not held.
    """
    blocks = {block.ref: block for block in context.store.load_held(owner)}
    if refs is None:
        return list(blocks.values())
    unknown = sorted(set(refs) - set(blocks))
    if unknown:
        raise InvalidValue(f"refs: not held: {', '.join(unknown)}")
    return [blocks[ref] for ref in sorted(set(refs))]


def approve(context: Context, refs: Collection[str] | None, owner: str | None) -> int:
    """Let held deletions go ahead with the next plan, unless they are wanted again by then."""
    return _decide(context, refs, owner, lambda block: evolve(block, approved=True))


def drop(context: Context, refs: Collection[str] | None, owner: str | None) -> int:
    """Keep the held blocks where they are until their slot is past."""
    now = context.clock.now()

    def pin(block: Block) -> Block:
        return evolve(block, state=BlockState.PINNED, held_since=None, approved=False, changed_at=now)

    return _decide(context, refs, owner, pin)


def _decide(context: Context, refs: Collection[str] | None, owner: str | None, change: Callable[[Block], Block]) -> int:
    """Change held blocks, owner by owner, while nobody plans for them."""
    owners = sorted({block.owner for block in _choose(context, refs, owner)})
    decided = 0
    for name in owners:
        with context.lease(f"owner:{name}"):
            wanted = None if refs is None else set(refs)
            blocks = [block for block in context.store.load_held(name) if wanted is None or block.ref in wanted]
            context.store.save_blocks([change(block) for block in blocks])
            decided += len(blocks)
    return decided


def merged(plans: Sequence[Plan]) -> Plan:
    """Several owners' plans as one."""
    return Plan(
        owner=None,
        operations=tuple(operation for plan in plans for operation in plan.operations),
        records=tuple(record for plan in plans for record in plan.records),
        holds=tuple(hold for plan in plans for hold in plan.holds),
        unsettled=frozenset(uid for plan in plans for uid in plan.unsettled),
        strays=tuple(stray for plan in plans for stray in plan.strays),
        parked=tuple(parked for plan in plans for parked in plan.parked),
    )


def concerning(plan: Plan, calendar_id: CalendarId) -> Plan:
    """What a plan would write because of a calendar, or to it."""
    operations = (op for op in plan.operations if calendar_id in {op.target_id, op.source_id})
    return evolve(plan, operations=tuple(operations))
