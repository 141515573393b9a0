"""What reading and writing do to the record: the store's decisions, as pure functions over values.

A store loads the rows that a call names, asks one of these functions what becomes of them, and saves the answer in
the same transaction. Two stores can therefore differ in how they keep rows, not in what they conclude.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from attrs import define, evolve, field, frozen

from calsync_core.errors import InvalidValue, LeaseBusy
from calsync_core.models import (
    Block,
    BlockState,
    Calendar,
    CalendarId,
    Debt,
    Event,
    Intent,
    Item,
    Lease,
    Mark,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    Written,
    tombstone,
)

__all__ = [
    "LONGEST_WAIT",
    "Line",
    "Settled",
    "calendars_of",
    "check_plan",
    "deleted_suspiciously",
    "holds",
    "in_order",
    "is_newest",
    "line_for",
    "lives",
    "owe",
    "plannable",
    "planned",
    "settle",
    "touched_owners",
    "unsettled_lines",
    "wait_after",
]

_SHORTEST_WAIT = 1.0

LONGEST_WAIT = timedelta(hours=1)
"""An intent that keeps failing is tried at least this often, unless the provider asks for more patience."""


@frozen
class Line:
    """One journal line: something of this owner's must be planned again.

    Attributes:
        word: An event identity (``Block.uid``), or the key of a mark that belongs to no recorded block.
        is_key: ``word`` is such a key.
    """

    owner: str
    word: str
    is_key: bool = False


def in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Always the same order. By a key: two values compared as they are would be made into tuples each time."""
    return tuple(sorted(lines, key=attrgetter("owner", "word", "is_key")))


def line_for(block: Block) -> Line:
    """The journal line that has a recorded block planned again."""
    return Line(block.owner, block.uid)


def owe(owed: Debt | None, debt: Debt) -> Debt:
    """The debt as it is stored: one that is owed already keeps its ``since``."""
    return debt if owed is None else evolve(debt, since=owed.since)


def plannable(event: Event) -> bool:
    """Whether the rules may have to judge it: no mark, or a mark that may prove to be no block of ours."""
    return event.mark is None or event.mark.textual or event.adorned


def is_newest(current: Lease | None, lease: Lease) -> bool:
    """Whether the lease is the newest of its name and was not given back; it may have expired."""
    return current is not None and (current.token, current.holder) == (lease.token, lease.holder)


def holds(current: Lease | None, lease: Lease, at: datetime) -> bool:
    """Whether a write under ``lease`` may happen: it is the newest of its name, not given back, not expired.

    Args:
        current: As stored, with the expiry of its last renewal; None: never given, or given back.
        lease: What the writer has; its expiry may be older than the stored one.
        at: Now.
    """
    return current is not None and is_newest(current, lease) and current.expires_at > at


def planned(now: PlanState, after: PlanState) -> PlanState:
    """An owner's state once a plan is stored: all stays to be planned again if that was said while the plan was made.

    Args:
        now: As stored.
        after: What the plan covers, with the resets it was made under.
    """
    return after if after.resets == now.resets else evolve(now, horizon_end=after.horizon_end)


def touched_owners(before: Calendar | None, after: Calendar | None) -> set[str]:
    """Owners whose wanted blocks may differ once a calendar was saved or forgotten."""
    if before is not None and after is not None and _effect(before) == _effect(after):
        return set()
    return {calendar.owner for calendar in (before, after) if calendar is not None}


def _effect(calendar: Calendar) -> tuple[object, ...]:
    return (
        calendar.enabled,
        calendar.publish,
        calendar.receive,
        calendar.timezone,
        calendar.owner,
        calendar.role,
        calendar.status,
    )


def lives(block: Block) -> bool:
    """Whether the record says that it stands there as ours, or is about to."""
    return block.state not in {BlockState.DELETED, BlockState.RELEASED}


def calendars_of(blocks: Iterable[Block]) -> set[CalendarId]:
    """The targets that must be known for these blocks to be saved."""
    return {block.target_id for block in blocks}


def deleted_suspiciously(block: Block) -> bool:
    """Whether a tombstone counts against the guard's limits (I-08)."""
    return block.deleted_for is not None and block.deleted_for.suspicious


@frozen
class Settled:
    """What a batch of outcomes changes in the store.

    Attributes:
        blocks: Records to replace by ref.
        written: Items to store as fresh read-backs, with their events, without a journal line.
        removed: Item keys to delete, without a journal line.
        debts: Debts to insert; one that is owed already keeps its ``since``.
        lines: Journal lines, in a stable order.
        closed: Intents to delete.
        waiting: Intents that stay open and the instant from which they may be claimed again.
        wrote: What was done, by intent id, for the record of the run that did it.
    """

    blocks: tuple[Block, ...] = ()
    written: tuple[Item, ...] = ()
    removed: tuple[str, ...] = ()
    debts: tuple[Debt, ...] = ()
    lines: tuple[Line, ...] = ()
    closed: tuple[int, ...] = ()
    waiting: Mapping[int, datetime] = field(factory=dict)
    wrote: Mapping[int, Written] = field(factory=dict)


@define
class _Batch:
    """Outcomes on their way to ``Settled``."""

    blocks: dict[str, Block]
    at: datetime
    changed: dict[str, None] = field(factory=dict)
    written: dict[str, Item] = field(factory=dict)
    removed: dict[str, None] = field(factory=dict)
    debts: dict[str, Debt] = field(factory=dict)
    lines: set[Line] = field(factory=set)

    def change(self, block: Block) -> None:
        self.blocks[block.ref] = block
        self.changed[block.ref] = None


def settle(
    outcomes: Sequence[Outcome], intents: Mapping[int, Intent], blocks: Mapping[str, Block], at: datetime
) -> Settled:
    """Decide what outcomes do to blocks, items, debts and intents; see ``PlanStore.record_outcomes``.

    Args:
        outcomes: As the provider gave them. One whose intent is not in ``intents`` is ignored, as is a second one for
            an intent that the first one closed.
        intents: Open intents of the target, by id.
        blocks: The recorded blocks of these intents, by ref. An operation without a record only touches its item.
        at: Now.
    """
    batch = _Batch(dict(blocks), at)
    closed: dict[int, None] = {}
    waiting: dict[int, datetime] = {}
    wrote: dict[int, Written] = {}
    for outcome in outcomes:
        intent = intents.get(outcome.intent_id)
        if intent is None or intent.id in closed:
            continue
        if outcome.status is OutcomeStatus.RETRY:
            waiting[intent.id] = at + wait_after(outcome.retry_after, intent.attempts)
            continue
        waiting.pop(intent.id, None)
        closed[intent.id] = None
        if outcome.status is OutcomeStatus.DONE:
            wrote[intent.id] = Written.by(intent.operation, outcome)
        _close(batch, intent, outcome)
    return Settled(
        blocks=tuple(batch.blocks[ref] for ref in batch.changed),
        written=tuple(batch.written.values()),
        removed=tuple(batch.removed),
        debts=tuple(batch.debts.values()),
        lines=in_order(batch.lines),
        closed=tuple(closed),
        waiting=waiting,
        wrote=wrote,
    )


def wait_after(retry_after: float | None, attempts: int) -> timedelta:
    """How long to leave an intent alone that did not happen: what the provider wished, or 30 s doubled per attempt.

    Never less than a second: a worker that claims until nothing is due would not come to an end.
    """
    if retry_after is not None:
        return timedelta(seconds=max(_SHORTEST_WAIT, retry_after))
    return min(timedelta(seconds=30 * 2 ** min(attempts, 16)), LONGEST_WAIT)


def _close(batch: _Batch, intent: Intent, outcome: Outcome) -> None:
    operation, block = intent.operation, batch.blocks.get(intent.operation.ref)
    if outcome.status is OutcomeStatus.DONE and operation.kind is OperationKind.DELETE:
        for key in {operation.native_id, block.native_id if block else operation.native_id}:
            batch.removed[key] = None
            batch.written.pop(key, None)
        if block is not None:
            batch.change(tombstone(block, batch.at, operation.reason))
    elif outcome.status is OutcomeStatus.DONE:
        _written(batch, intent, outcome, block)
    elif outcome.status is OutcomeStatus.REJECTED:
        if block is not None:
            reason = outcome.message or "rejected"
            refused = evolve(block, state=BlockState.PARKED, reason=reason, content=operation.content)
            batch.change(evolve(refused, changed_at=batch.at))
    else:
        taken = outcome.status is OutcomeStatus.TAKEN
        reason = "taken" if taken else "conflict"
        native_id = outcome.native_id or operation.native_id
        batch.debts[native_id] = Debt(native_id, reason, since=batch.at, due_at=batch.at)
        if block is not None:
            batch.lines.add(line_for(block))
            if taken:
                block = evolve(block, state=BlockState.TAKEN, changed_at=batch.at)
            if taken or outcome.native_id is not None:
                batch.change(evolve(block, native_id=native_id))


def _written(batch: _Batch, intent: Intent, outcome: Outcome, block: Block | None) -> None:
    operation = intent.operation
    native_id = outcome.native_id or operation.native_id
    seen = outcome.seen or operation.content
    if block is not None:
        standing = evolve(block, state=BlockState.LIVE, content=operation.content, seen=seen, etag=outcome.etag)
        created_at = batch.at if operation.kind is OperationKind.CREATE else block.created_at
        batch.change(evolve(standing, native_id=native_id, reason=None, created_at=created_at, changed_at=batch.at))
    key, _, generation = operation.ref.rpartition(".")
    event = Event(
        id=native_id,
        uid=None,
        span=seen.span,
        availability=seen.show_as,
        title=seen.title,
        mark=Mark(key, int(generation), operation.tag),
    )
    batch.removed.pop(native_id, None)
    batch.written[native_id] = Item(native_id, (event,), outcome.etag)


def check_plan(plan: Plan, attempted: Iterable[str]) -> str:
    """The plan's owner, once it is sure that the plan can be stored.

    Args:
        plan: What a planner made.
        attempted: Refs of blocks whose open intent was claimed before.

    Raises:
        InvalidValue: it has no owner, or two operations on one block.
        LeaseBusy: another worker began to write one of its blocks while it was made; the next pass plans it again.
    """
    if plan.owner is None:
        raise InvalidValue("owner: a plan of several owners is only for show")
    refs = [operation.ref for operation in plan.operations]
    if len(refs) != len(set(refs)):
        raise InvalidValue("operations: a plan can have only one operation on a block")
    overtaken = set(refs) & set(attempted)
    if overtaken:
        raise LeaseBusy(f"the plan was overtaken: another worker is writing {len(overtaken)} of its blocks")
    return plan.owner


def unsettled_lines(plan: Plan, owner: str) -> tuple[Line, ...]:
    """The journal lines by which a plan asks to be made again."""
    return tuple(Line(owner, identity) for identity in sorted(plan.unsettled))
