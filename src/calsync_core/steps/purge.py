"""Take our blocks back, and prove by a fresh listing that none is left (I-43)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from attrs import evolve, frozen

from calsync_core.models import (
    Account,
    AccountStatus,
    Block,
    BlockState,
    Calendar,
    CalendarId,
    Changes,
    Event,
    Intent,
    Item,
    Operation,
    OperationKind,
    Outcome,
    OutcomeStatus,
    PurgeReport,
    Reason,
    Sighting,
    tombstone,
)
from calsync_core.steps.access import admit, wait_as_told
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.run import Run
from calsync_core.steps.sync import converge

__all__ = ["purge"]


def purge(context: Context, calendars: Collection[Calendar]) -> PurgeReport:
    """Switch the calendars off, take our blocks back from them and their blocks back from the others, and look again.

    Recorded blocks go the ordinary way, unless the owner is only observed; then every calendar is searched for what
    carries our tag, past included: these for any block of ours, and the owners' others, if blocks of these are known
    there, for those. Where nothing could be listed or written, residue is what the store knows to stand there.
    """
    run = Run()
    for calendar in calendars:
        if calendar.enabled:
            context.store.save_calendar(evolve(calendar, enabled=False))
    owners = {calendar.owner for calendar in calendars}
    converge(context, run, owners)
    residue: list[str] = []
    clean: set[tuple[str, str | None]] = set()
    for search in _searches(context, owners, {calendar.key for calendar in calendars}):
        account = context.store.load_account(search.calendar.account_id)
        left = _clear(context, run, account, search)
        residue += [f"{search.calendar.name}: {key}" for key in left or ()]
        if left is not None and not left:
            clean.add((account.name, search.calendar.name))
    # A write that failed at first, where nothing is left now, is no failure.
    errors = tuple(failure for failure in run.failures if (failure.account, failure.calendar) not in clean)
    return PurgeReport(run.counts["busy_blocks_deleted"], tuple(residue), errors, run.meter.sent)


@frozen
class _Search:
    """What is to be taken back from one calendar.

    Attributes:
        sources: Only blocks of these calendars, by id and name in tags; None: any block of ours.
        recorded: Blocks of this target by native id, tombstones included.
        known: Native ids of the blocks that stand here, or may, as far as the store knows.
    """

    context: Context
    calendar: Calendar
    sources: Mapping[CalendarId, str] | None
    recorded: Mapping[str, Block]
    known: frozenset[str] = frozenset()

    def recorded_as(self, key: str, event: Event) -> Block | None:
        """The record of it: under its id, or by its name where the answer to its creation was lost."""
        named = None if event.mark is None else f"{event.mark.key}.{event.mark.generation}"
        same = (block for block in self.recorded.values() if block.ref == named)
        return self.recorded.get(key) or next(same, None)

    def means(self, key: str, event: Event) -> bool:
        """Whether this is a block that this installation wrote for this owner, from these sources, and nothing more."""
        if event.mark is None or event.adorned:
            return False
        block = self.recorded_as(key, event)
        if block is not None:
            return self.sources is None or block.source_id in self.sources
        tag, keyring = event.mark.tag, self.context.keyring
        if tag is None or not keyring.wrote(tag, self.calendar.owner):
            return False
        return self.sources is None or keyring.source_of(tag, self.sources) is not None


def _searches(context: Context, owners: Collection[str], chosen: Collection[CalendarId]) -> Iterator[_Search]:
    """One for each calendar of these owners."""
    store = context.store
    for owner in sorted(owners):
        calendars = store.load_calendars(owner=owner)
        accounts = {account.key: account for account in store.load_accounts(owner)}
        refs = {one.key: context.ref(accounts[one.account_id], one) for one in calendars if one.key in chosen}
        blocks = [block for block in store.load_blocks(owner) if block.state is not BlockState.RELEASED]
        in_doubt = {intent.operation.ref for intent in store.load_intents(owner) if intent.in_doubt}
        sightings = store.load_sightings(owner)
        for calendar in calendars:
            sources = None if calendar.key in chosen else refs
            here = [block for block in blocks if block.target_id == calendar.key]
            search = _Search(context, calendar, sources, {block.native_id: block for block in here})
            seen = (sighting.event for sighting in sightings if sighting.calendar_id == calendar.key)
            known = {event.id for event in seen if search.means(event.id, event)}
            doubtful = (block for block in here if block.ref in in_doubt)
            known |= {block.native_id for block in doubtful if sources is None or block.source_id in sources}
            yield evolve(search, known=frozenset(known))


def _clear(context: Context, run: Run, account: Account, search: _Search) -> list[str] | None:
    """Take back what the search finds and name what is left; None: it could not be looked at, and nothing is known."""
    calendar, is_other = search.calendar, search.sources is not None
    if is_other and not search.known:
        return []
    # Nobody ordered to touch another account that the host has paused.
    barred = account.status is AccountStatus.IDENTITY_CHANGED or (is_other and account.status is AccountStatus.PAUSED)
    if not barred and (calendar.role.writable or search.known):
        admitted = admit(context, run, account)
        if admitted is not None:
            with run.surviving(admitted, calendar):
                if admitted.status is not AccountStatus.AUTH_EXPIRED:
                    wait_as_told(context, admitted, calendar.key)
                return _take_back(context, run, admitted, search)
    return sorted(search.known) or None


def _take_back(context: Context, run: Run, account: Account, search: _Search) -> list[str]:
    """Delete whatever the search finds in a listing, list again, and name what is left."""
    calendar = search.calendar
    provider = context.writer_of(account)
    with context.at_work(account, calendar) as lease:
        session = context.session(account, run.meter, lease)

        _give_up_creates(context, lease, search)

        def listed() -> list[Item]:
            listing = provider.find_blocks(session, calendar)
            return [item for item in listing if any(search.means(item.key, event) for event in item.events)]

        found = listed()
        if not found or not calendar.role.writable:
            return [item.key for item in found]
        intents = [_deletion(context, calendar, number, item) for number, item in enumerate(found)]
        for start in range(0, len(intents), provider.batch_size):
            for outcome in provider.apply(session, calendar, intents[start : start + provider.batch_size]):
                if outcome.status is OutcomeStatus.DONE:
                    run.wrote(calendar.key, OperationKind.DELETE)
        left = listed()
        gone = {item.key for item in found} - {item.key for item in left}
        now = context.clock.now()
        records = (search.recorded_as(item.key, item.events[0]) for item in found if item.key in gone)
        buried = {block.ref: tombstone(block, now, Reason.SWITCHED_OFF) for block in records if block is not None}
        context.store.save_blocks([block for _, block in sorted(buried.items())])
        changes = Changes(at=now, removed=tuple(sorted(gone)))
        context.store.save_changes(lease.current(), calendar.key, changes)
        return [item.key for item in left]


def _give_up_creates(context: Context, lease: HeldLease, search: _Search) -> None:
    """Close creates that wait to be tried again: what was taken back must not be made afterwards.

    Whether one happened all the same is owed, and read by id.
    """
    calendar = search.calendar
    outcomes = [
        Outcome(intent.id, OutcomeStatus.MISSING)
        for intent in context.store.load_intents(calendar.owner)
        if intent.operation.kind is OperationKind.CREATE
        and intent.operation.target_id == calendar.key
        and (search.sources is None or intent.operation.source_id in search.sources)
    ]
    context.store.record_outcomes(lease.current(), calendar.key, outcomes, context.clock.now())


def _deletion(context: Context, calendar: Calendar, number: int, item: Item) -> Intent:
    event = item.events[0]
    mark = event.mark
    operation = Operation(
        kind=OperationKind.DELETE,
        ref=f"{mark.key}.{mark.generation}" if mark else item.key,
        target_id=calendar.key,
        native_id=item.key,
        content=Sighting(calendar.key, event, item.etag).content,
        tag=context.keyring.tag(calendar.owner, ""),
        reason=Reason.SWITCHED_OFF,
        decided_at=context.clock.now(),
        etag=item.etag,
    )
    return Intent(number, operation)
