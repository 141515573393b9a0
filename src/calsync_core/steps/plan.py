"""PLAN: from stored events to a stored plan, for one owner. No request is sent here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from functools import partial

from attrs import evolve, frozen

from calsync_core.core.draft import STRAY, NativeId, Situation, keys_of, nearest_first
from calsync_core.core.guards import Guard
from calsync_core.core.occurrences import expand
from calsync_core.core.planning import plan
from calsync_core.core.reading import EXPANSION_MARGIN, earliest
from calsync_core.core.rules import Scene, wanted
from calsync_core.errors import LeaseBusy
from calsync_core.models import (
    Account,
    AccountId,
    AccountStatus,
    Block,
    BlockState,
    CalendarId,
    Event,
    Intent,
    Lease,
    Mode,
    NoticeKind,
    Occurrence,
    OperationKind,
    Parked,
    Plan,
    PlanState,
    ReadState,
    Reason,
    StoredEvent,
    Unplanned,
    Wanted,
    Window,
)
from calsync_core.steps.context import Context, HeldLease

__all__ = ["Unfolded", "gather", "observe_owner", "plan_owner", "preview_owner", "stage", "unfold"]

_LOOKS_AGAIN = 2


def plan_owner(context: Context, owner: str) -> Plan | None:
    """Plan what is unplanned for an owner and store the decisions as intents.

    The journal lines it covers, the horizon's new days, and everything if rules, policy, planner or time-zone database
    changed. Held deletions are looked at again every time (I-08).

    Returns:
        None if the owner is only observed: nothing was decided.
    """
    unplanned, state, mode = context.store.together(partial(_progress_and_mode, context, owner), writes=False)
    if mode is Mode.OBSERVE:
        return None
    planned = (state.shape, state.horizon_end) == (context.shape, context.horizon().end)
    if planned and not (unplanned.uids or unplanned.keys):
        return Plan(owner)
    with context.lease(f"owner:{owner}") as lease:
        for _ in range(_LOOKS_AGAIN):
            try:
                return _planned(context, owner, lease)
            except LeaseBusy:
                # Another worker began to write one of these blocks meanwhile: look again.
                continue
        return _planned(context, owner, lease)


def _planned(context: Context, owner: str, lease: HeldLease) -> Plan | None:
    """Make the plan, and store it with what the host is to be told of it; none if the owner is only observed by now."""
    looked = context.store.together(partial(_look_to_write, context, owner), writes=False)
    if looked is None:
        return None
    unplanned, before, situation = looked
    after = evolve(before, shape=context.shape, horizon_end=situation.horizon.end)
    made = plan(situation)

    def save(lease: Lease) -> None:
        _tell(context, owner, made, {block.ref: block for block in (*situation.blocks, *situation.others)})
        context.store.save_plan(lease, made, upto=unplanned.upto, state=after, at=context.clock.now())

    lease.last(save)
    return made


def _look_to_write(context: Context, owner: str) -> tuple[Unplanned, PlanState, Situation] | None:
    # Asked under the lease: what the host ordered since anybody asked before is nobody's to plan over.
    return None if context.store.load_mode(owner) is Mode.OBSERVE else _look(context, owner)


def _look(context: Context, owner: str) -> tuple[Unplanned, PlanState, Situation]:
    unplanned, before = _progress(context, owner)
    return unplanned, before, gather(context, owner, unplanned, before)


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
    _, _, situation = context.store.together(partial(_look, context, owner), writes=False)
    return plan(situation)


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


def stage(context: Context, owner: str) -> Scene:
    """The owner's calendars and wishes, as the rules see them."""
    accounts = {account.key: account for account in context.store.load_accounts(owner)}
    calendars = {calendar.key: calendar for calendar in context.store.load_calendars(owner=owner)}
    return Scene(
        owner=owner,
        calendars=calendars,
        refs={key: context.ref(accounts[calendar.account_id], calendar) for key, calendar in calendars.items()},
        emails={key: accounts[calendar.account_id].email for key, calendar in calendars.items()},
        busy_only=frozenset(
            key
            for key, calendar in calendars.items()
            if not getattr(context.providers.get(accounts[calendar.account_id].provider), "shows_tentative", True)
        ),
        rules=tuple(context.store.load_rules(owner)),
        policy=context.policy,
    )


@frozen
class Unfolded:
    """Occurrences per calendar, and what could not be placed in time."""

    occurrences: dict[CalendarId, Sequence[Occurrence]]
    parked: tuple[Parked, ...]


def unfold(events: Iterable[StoredEvent], scene: Scene, window: Window) -> Unfolded:
    """Each calendar's occurrences inside the window, and the events that could not be placed."""
    by_calendar: dict[CalendarId, list[Event]] = defaultdict(list)
    for stored in events:
        by_calendar[stored.calendar_id].append(stored.event)
    occurrences: dict[CalendarId, Sequence[Occurrence]] = {}
    parked: list[Parked] = []
    for calendar_id, found in by_calendar.items():
        expansion = expand(found, window, scene.calendars[calendar_id].zone)
        occurrences[calendar_id] = expansion.occurrences
        parked += expansion.parked
    return Unfolded(occurrences, tuple(parked))


def gather(context: Context, owner: str, unplanned: Unplanned, before: PlanState) -> Situation:
    """Everything a plan depends on, read from the store: work grows with what is unplanned, not with what is stored."""
    store, horizon = context.store, context.horizon()
    scene = stage(context, owner)
    everything = before.shape != context.shape
    slid = before.horizon_end is not None and before.horizon_end < horizon.end
    identities = _identities(context, owner, unplanned, before, horizon)
    blocks = store.load_blocks(owner, identities)
    unfolded = unfold(store.load_events(owner, identities), scene, _reach(horizon, blocks))
    wishes = _wishes(unfolded, scene, horizon)
    keys = {key for wish in wishes for key in keys_of(wish, scene, context.keyring)}
    waiting = {uid.removeprefix(STRAY) for uid in unplanned.uids if uid.startswith(STRAY)}
    # Where all are looked for, only those without a record are: the others are as many as there are blocks.
    loose = store.load_strays(owner) if everything or slid else store.load_sightings(owner, unplanned.keys | waiting)
    loose_keys = {sighting.event.mark.key for sighting in loose if sighting.event.mark}
    refs = {block.ref for block in blocks}
    others = [block for block in store.load_blocks_by_key(keys | loose_keys) if block.ref not in refs]
    recorded = {(block.target_id, block.native_id) for block in (*blocks, *others)}
    intents = store.load_intents(owner, refs)
    states = {key: store.load_read_state(key) for key, calendar in scene.calendars.items() if calendar.enabled}
    owed = {key: store.load_debts(key) for key in scene.calendars}
    accounts = {account.key: account for account in store.load_accounts(owner)}
    return Situation(
        scene=scene,
        keyring=context.keyring,
        native_id=_native_ids(context, scene, accounts),
        now=context.clock.now(),
        horizon=horizon,
        guard=_guard(context, scene, states, Counter(block.source_id for block in (*blocks, *others)), len(loose)),
        wanted=wishes,
        blocks=blocks,
        others=others,
        sightings=store.load_sightings(owner, keys | {block.alias or block.key for block in (*blocks, *others)}),
        strays=[sighting for sighting in loose if (sighting.calendar_id, sighting.event.id) not in recorded],
        in_doubt=frozenset(intent.operation.ref for intent in intents if intent.in_doubt),
        waiting={intent.operation.ref: intent.operation for intent in intents if not intent.in_doubt},
        doubtful=frozenset((key, debt.key) for key, debts in owed.items() for debt in debts),
        unread=frozenset(key for key, state in states.items() if not state.complete),
        judgeable=frozenset(key for key, state in states.items() if state.complete and state.cursor and not owed[key]),
        barred=_barred(context, scene, accounts),
        parked=unfolded.parked,
    )


def _identities(
    context: Context, owner: str, unplanned: Unplanned, before: PlanState, horizon: Window
) -> frozenset[str]:
    store = context.store
    if before.shape != context.shape:
        window = Window(earliest(horizon.start), horizon.end)
        return frozenset(store.load_identities(owner, window)) | {block.uid for block in store.load_blocks(owner)}
    # A block that shows up under another id than the recorded one is known by its key.
    renamed = (block.uid for block in store.load_blocks_by_key(unplanned.keys) if block.owner == owner)
    found = set(unplanned.uids) | {block.uid for block in store.load_held(owner)} | set(renamed)
    if before.horizon_end is not None and before.horizon_end < horizon.end:
        start, passed = earliest(horizon.start), horizon.end - before.horizon_end
        found |= store.load_identities(owner, Window(start - passed, start))
        found |= store.load_identities(owner, Window(before.horizon_end - EXPANSION_MARGIN, horizon.end))
    return frozenset(found)


def _reach(horizon: Window, blocks: Collection[Block]) -> Window:
    """The horizon, stretched over blocks that stand beyond it: they are wanted or not like the others."""
    ends = (block.content.span.edges(UTC)[1] + EXPANSION_MARGIN for block in blocks)
    return Window(earliest(horizon.start), max([horizon.end, *ends]))


def _wishes(unfolded: Unfolded, scene: Scene, horizon: Window) -> list[Wanted]:
    """What is wanted in the horizon, as if nothing lay beyond; and beyond it, of which only standing blocks are kept.

    How far beyond we look depends on what stands there, and must not decide what happens here.
    """
    near = {
        calendar_id: [found for found in occurrences if found.span.edges(UTC)[0] < horizon.end]
        for calendar_id, occurrences in unfolded.occurrences.items()
    }
    here = wanted(near, scene)
    if all(len(near[calendar_id]) == len(found) for calendar_id, found in unfolded.occurrences.items()):
        return list(here)
    names = {(wish.uid, wish.slot, wish.target_id) for wish in here}
    beyond = (wish for wish in wanted(unfolded.occurrences, scene) if wish.content.span.edges(UTC)[0] >= horizon.end)
    return [*here, *(wish for wish in beyond if (wish.uid, wish.slot, wish.target_id) not in names)]


def _native_ids(context: Context, scene: Scene, accounts: Mapping[AccountId, Account]) -> NativeId:
    def native_id(target_id: CalendarId, key: str, generation: int) -> str:
        calendar = scene.calendars[target_id]
        return context.writer_of(accounts[calendar.account_id]).native_id(calendar, key, generation)

    return native_id


def _guard(
    context: Context,
    scene: Scene,
    states: Mapping[CalendarId, ReadState],
    blocks: Counter[CalendarId],
    strays: int,
) -> Guard:
    """What deletions are measured against.

    Args:
        context: The engine's.
        scene: The owner's.
        states: How far the calendars are read.
        blocks: How many blocks of each source are looked at, and so may be deleted.
        strays: How many more there are whose source nobody has recorded.
    """
    now = context.clock.now()
    about_to_go = Counter(
        intent.operation.source_id
        for intent in context.store.load_intents(scene.owner)
        if intent.operation.kind is OperationKind.DELETE and intent.operation.reason.suspicious
    )
    most = context.policy.guard_max
    found = context.store.count_deleted(scene.calendars, now - timedelta(hours=24))
    deleted = {key: count + about_to_go[key] for key, count in found.items()}
    # Counting all blocks of a source would have the smallest change cost more, the more of them there are.
    weighed = [key for key in scene.calendars if blocks[key] + strays + deleted[key] > most]
    live = context.store.count_live(weighed, now) if weighed else {}
    return Guard(
        most=most,
        share=context.policy.guard_share,
        deleted=deleted,
        live={key: count - about_to_go[key] for key, count in live.items()},
        emptied=frozenset(key for key, state in states.items() if state.emptied),
    )


def _barred(context: Context, scene: Scene, accounts: Mapping[AccountId, Account]) -> frozenset[CalendarId]:
    """Targets whose login is somebody else's, or whose provider this process does not have."""
    barred = {
        account.key
        for account in accounts.values()
        if account.status is AccountStatus.IDENTITY_CHANGED or account.provider not in context.providers
    }
    return frozenset(key for key, calendar in scene.calendars.items() if calendar.account_id in barred)


def _tell(context: Context, owner: str, made: Plan, before: Mapping[str, Block]) -> None:
    """Notices about blocks whose state changed, and about deletions held for the first time."""
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
