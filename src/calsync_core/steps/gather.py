"""What a plan depends on, read from the store: all at once, or in pages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, timedelta

from attrs import evolve, field, frozen

from calsync_core.core.draft import STRAY, NativeId, Situation, keys_of
from calsync_core.core.guards import Guard
from calsync_core.core.occurrences import expand
from calsync_core.core.planning import Part
from calsync_core.core.reading import EXPANSION_MARGIN, earliest
from calsync_core.core.rules import Scene, wanted
from calsync_core.models import (
    Account,
    AccountId,
    AccountStatus,
    Block,
    CalendarId,
    Event,
    Occurrence,
    OperationKind,
    Parked,
    Plan,
    PlanState,
    Sighting,
    Span,
    StoredEvent,
    Unplanned,
    Wanted,
    Window,
)
from calsync_core.steps.context import Context

__all__ = ["PAGE", "Agenda", "Unfolded", "gather", "gather_all", "gather_next", "open_agenda", "stage", "unfold"]

PAGE = 1_000
"""Identities looked at at a time: what that takes of memory grows with a page, and not with the calendar."""


def stage(context: Context, owner: str) -> Scene:
    """The owner's calendars and wishes, as the rules see them."""
    return _scene(context, owner, _accounts(context, owner))


def _accounts(context: Context, owner: str) -> dict[AccountId, Account]:
    return {account.key: account for account in context.store.load_accounts(owner)}


def _scene(context: Context, owner: str, accounts: Mapping[AccountId, Account]) -> Scene:
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


@frozen
class Whole:
    """What must be known of all that is planned where it is planned in pages, as it is before the first of them.

    Attributes:
        guard: What deletions are measured against.
        stray_keys: Of blocks that nobody recorded.
        spots: Targets and times at which those stand that a wish which has no key for them may take over.
    """

    guard: Guard
    stray_keys: frozenset[str]
    spots: frozenset[tuple[CalendarId, Span]]


@frozen
class Agenda:
    """What is to be planned for an owner: some pages of identities, and then, in one look, all that is left.

    Attributes:
        unplanned: What the journal said before any of it was looked at; of pages only how far.
        before: How far the plan reached then.
        horizon: Of all pages, whatever the clock says meanwhile.
        pages: Identities still to be looked at.
        last: Those that are looked at together at the end, with what belongs to no identity.
        whole: None: all is looked at at once.
        wished: Keys of strays that wishes planned so far have.
    """

    owner: str
    unplanned: Unplanned
    before: PlanState
    horizon: Window
    pages: tuple[tuple[str, ...], ...]
    last: frozenset[str]
    whole: Whole | None = None
    wished: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def spots(self) -> frozenset[tuple[CalendarId, Span]]:
        """See ``Whole``; none where all is looked at at once."""
        return frozenset() if self.whole is None else self.whole.spots

    def after(self, part: Part, situation: Situation) -> Agenda:
        """What is left once this part of the next page, which was planned in this situation, is stored."""
        wished = self.wished
        if self.whole is not None and self.whole.stray_keys:
            keys = (key for wish in situation.wanted for key in keys_of(wish, situation.scene, situation.keyring))
            wished |= self.whole.stray_keys.intersection(keys)
        return evolve(self, pages=self.pages[1:], last=self.last | part.later, wished=wished)


def gather_all(context: Context, owner: str) -> Iterator[Situation]:
    """Everything of an owner in pages, whatever is planned; what belongs to no identity comes with the last one."""
    agenda = open_agenda(context, owner, Unplanned(), PlanState(), paged=True)
    while agenda.pages:
        situation = gather_next(context, agenda)
        yield situation
        agenda = agenda.after(Part(Plan(owner)), situation)
    yield gather_next(context, agenda)


def gather(context: Context, owner: str, unplanned: Unplanned, before: PlanState) -> Situation:
    """Everything a plan depends on: work grows with what is unplanned, not with what is stored."""
    return gather_next(context, open_agenda(context, owner, unplanned, before))


def open_agenda(
    context: Context, owner: str, unplanned: Unplanned, before: PlanState, *, paged: bool = False
) -> Agenda:
    """Look up what is to be planned.

    Args:
        context: The engine's.
        owner: Whose.
        unplanned: What the journal says.
        before: How far the plan reaches.
        paged: Not all of it at once, if it is much.
    """
    horizon = context.horizon()
    identities = _identities(context, owner, unplanned, before, horizon)
    if not paged or len(identities) <= PAGE:
        return Agenda(owner, unplanned, before, horizon, (), identities)
    # Strays last: a wish may take one over by then.
    alone = sorted(identity for identity in identities if not identity.startswith(STRAY))
    pages = tuple(tuple(alone[start : start + PAGE]) for start in range(0, len(alone), PAGE))
    agenda = Agenda(owner, unplanned, before, horizon, pages, identities.difference(alone))
    # What the journal said is known by now, and may be much.
    return evolve(agenda, whole=_whole(context, agenda), unplanned=Unplanned(upto=unplanned.upto))


def _whole(context: Context, agenda: Agenda) -> Whole:
    marked = [(sighting, mark) for sighting in _candidates(context, agenda) if (mark := sighting.event.mark)]
    return Whole(
        guard=_guard(context, stage(context, agenda.owner)),
        stray_keys=frozenset(mark.key for _, mark in marked),
        spots=frozenset(
            (sighting.calendar_id, sighting.content.span)
            for sighting, mark in marked
            if mark.tag is not None and context.keyring.wrote(mark.tag, agenda.owner)
        ),
    )


def _loose(context: Context, agenda: Agenda) -> list[Sighting]:
    """Sightings among which are the strays to be judged now."""
    if agenda.pages:
        return []
    if agenda.whole is None:
        return _candidates(context, agenda)
    # Not those that the pages recorded. What came since the first of them is in the journal.
    keys = agenda.whole.stray_keys
    found = context.store.load_strays(agenda.owner) if keys else []
    return [sighting for sighting in found if sighting.event.mark and sighting.event.mark.key in keys]


def _candidates(context: Context, agenda: Agenda) -> list[Sighting]:
    unplanned, before = agenda.unplanned, agenda.before
    if before.shape != context.shape or _slid(before, agenda.horizon):
        # Only those without a record: the others are as many as there are blocks.
        return context.store.load_strays(agenda.owner)
    waiting = {uid.removeprefix(STRAY) for uid in unplanned.uids if uid.startswith(STRAY)}
    return context.store.load_sightings(agenda.owner, unplanned.keys | waiting)


def _slid(before: PlanState, horizon: Window) -> bool:
    return before.horizon_end is not None and before.horizon_end < horizon.end


def gather_next(context: Context, agenda: Agenda) -> Situation:
    """Everything that the next page's plan depends on, or the last look's if there is no page left."""
    store, horizon, owner = context.store, agenda.horizon, agenda.owner
    accounts = _accounts(context, owner)
    scene = _scene(context, owner, accounts)
    identities = agenda.pages[0] if agenda.pages else agenda.last
    blocks = store.load_blocks(owner, identities)
    unfolded = unfold(store.load_events(owner, identities), scene, _reach(horizon, blocks))
    wishes = _wishes(unfolded, scene, horizon)
    keys = {key for wish in wishes for key in keys_of(wish, scene, context.keyring)}
    loose = _loose(context, agenda)
    loose_keys = {sighting.event.mark.key for sighting in loose if sighting.event.mark}
    refs = {block.ref for block in blocks}
    others = [block for block in store.load_blocks_by_key(keys | loose_keys) if block.ref not in refs]
    recorded = {(block.target_id, block.native_id) for block in (*blocks, *others)}
    intents = store.load_intents(owner, {block.ref for block in (*blocks, *others)})
    states = store.load_read_states([key for key, calendar in scene.calendars.items() if calendar.enabled])
    emptied = frozenset(key for key, state in states.items() if state.emptied)
    owed = store.load_debtors(owner)
    if agenda.whole is None:
        guard = _guard(context, scene, Counter(block.source_id for block in (*blocks, *others)), len(loose))
    else:
        guard = agenda.whole.guard
    return Situation(
        scene=scene,
        keyring=context.keyring,
        native_id=_native_ids(context, scene, accounts),
        now=context.clock.now(),
        horizon=horizon,
        guard=evolve(guard, emptied=emptied),
        wanted=wishes,
        blocks=blocks,
        others=others,
        sightings=store.load_sightings(owner, keys | {block.alias or block.key for block in (*blocks, *others)}),
        strays=[sighting for sighting in loose if (sighting.calendar_id, sighting.event.id) not in recorded],
        in_doubt=frozenset(intent.operation.ref for intent in intents if intent.in_doubt),
        waiting={intent.operation.ref: intent.operation for intent in intents if not intent.in_doubt},
        doubtful=frozenset((key, debt.key) for key, debts in owed.items() for debt in debts),
        unread=frozenset(key for key, state in states.items() if not state.complete),
        judgeable=frozenset(key for key, state in states.items() if state.complete and state.cursor).difference(owed),
        barred=_barred(context, scene, accounts),
        wished=agenda.wished,
        parked=unfolded.parked,
    )


def _identities(
    context: Context, owner: str, unplanned: Unplanned, before: PlanState, horizon: Window
) -> frozenset[str]:
    store = context.store
    if before.shape != context.shape:
        window = Window(earliest(horizon.start), horizon.end)
        known = store.load_identities(owner, window)
        return frozenset(known | store.load_uids(owner, besides=known))
    # A block that shows up under another id than the recorded one is known by its key.
    renamed = (block.uid for block in store.load_blocks_by_key(unplanned.keys) if block.owner == owner)
    found = set(unplanned.uids) | {block.uid for block in store.load_held(owner)} | set(renamed)
    if before.horizon_end is not None and _slid(before, horizon):
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


def _guard(context: Context, scene: Scene, blocks: Counter[CalendarId] | None = None, strays: int = 0) -> Guard:
    """What deletions are measured against.

    Args:
        context: The engine's.
        scene: The owner's.
        blocks: How many blocks of each source are looked at, and so may be deleted; None: any number.
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
    weighed = [key for key in scene.calendars if blocks is None or blocks[key] + strays + deleted[key] > most]
    live = context.store.count_live(weighed, now) if weighed else {}
    return Guard(
        most=most,
        share=context.policy.guard_share,
        deleted=deleted,
        live={key: count - about_to_go[key] for key, count in live.items()},
    )


def _barred(context: Context, scene: Scene, accounts: Mapping[AccountId, Account]) -> frozenset[CalendarId]:
    """Targets whose login is somebody else's, or whose provider this process does not have."""
    barred = {
        account.key
        for account in accounts.values()
        if account.status is AccountStatus.IDENTITY_CHANGED or account.provider not in context.providers
    }
    return frozenset(key for key, calendar in scene.calendars.items() if calendar.account_id in barred)
