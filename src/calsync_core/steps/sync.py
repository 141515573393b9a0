"""One sync: read some calendars, then plan and write for their owners until nothing is left to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from attrs import evolve

from calsync_core.core import watching
from calsync_core.errors import AuthExpired, ConfigurationError, IdentityChanged, ProviderError
from calsync_core.log import Logger
from calsync_core.models import (
    Account,
    AccountStatus,
    Calendar,
    CalendarId,
    NoticeKind,
    Observation,
    ReadState,
    SyncReport,
    SyncType,
)
from calsync_core.steps.access import (
    admit,
    heed_waits,
    load_waits,
    note_answer,
    note_recovery,
    note_refusal,
    usable,
    wait_as_told,
)
from calsync_core.steps.apply import apply_intents
from calsync_core.steps.context import Context
from calsync_core.steps.plan import observe_owner, plan_owner
from calsync_core.steps.read import note_unusable, read_calendar, settle_debts
from calsync_core.steps.run import Run, each
from calsync_core.steps.watch import load_watch

__all__ = ["apply_all", "converge", "read_all", "record", "sync"]

log = Logger("calsync_core")

_MOST_TOLD = 100
"""Owners told of a run in one transaction."""

_MOST_ROUNDS = 4
"""A conflict found while writing is planned and written again at once, but not for ever: the rest stays due."""


def sync(
    context: Context,
    run: Run,
    calendars: Collection[Calendar],
    *,
    owner: str | None = None,
    also: Collection[str] = (),
    notified_at: datetime | None = None,
    expects_echo: bool = False,
    quiet: bool = False,
) -> SyncReport:
    """The pipeline: all ways to sync go through here.

    Args:
        context: The engine's.
        run: Whose ``way`` says what woke it, and with that how much is read.
        calendars: To be read.
        owner: Whom the sync is for, if it is for one.
        also: Owners to plan and write for besides those of the calendars.
        notified_at: When the first push came that woke it.
        expects_echo: All these calendars were written to since they were last read.
        quiet: Record nothing, and tell nobody, if there was nothing to do.
    """
    started_at = context.clock.now()
    owners = {calendar.owner for calendar in calendars} | set(also)
    run.draft = SyncReport(run.way, started_at, owner=owner, notified_at=notified_at)
    _sweep(context, run, calendars, owners, full=run.way is SyncType.FULL)
    draft = evolve(
        run.draft,
        webhook_triggered=run.way is SyncType.WEBHOOK,
        polling_fallback=run.way is SyncType.POLLING and bool(run.reads),
        echo=expects_echo and not run.changed and not run.failures,
    )
    if quiet and not (calendars or run.calendars or run.meter.sent or run.failures or run.observed):
        return evolve(draft, finished_at=context.clock.now(), stopped=run.stopped)
    return record(context, run, draft, sorted(owners))


def _sweep(
    context: Context, run: Run, calendars: Collection[Calendar], owners: Collection[str], *, full: bool = False
) -> None:
    """Read these calendars, and plan and write for these owners: each owner as soon as their own calendars are read, so
    that a slow server delays nobody else (decision 15).
    """
    by_owner: dict[str, list[Calendar]] = defaultdict(list)
    for calendar in calendars:
        by_owner[calendar.owner].append(calendar)
    everybody = sorted({*by_owner, *owners})
    share = max(1, context.max_workers // max(1, len(everybody)))

    def attend(owner: str) -> None:
        if not run.stopped:
            read_all(context, run, by_owner.get(owner, ()), full=full, at_most=share)
            converge(context, run, [owner], at_most=share)

    each(attend, everybody, at_most=context.max_workers)


def read_all(
    context: Context,
    run: Run,
    calendars: Collection[Calendar],
    *,
    full: bool = False,
    afresh: bool = False,
    at_most: int | None = None,
) -> None:
    """Read these calendars: accounts side by side (``at_most`` so many), the calendars of one account one after the
    other.
    """
    by_account: dict[int, list[Calendar]] = defaultdict(list)
    for calendar in calendars:
        by_account[calendar.account_id].append(calendar)

    def read_account(account_id: int) -> None:
        with run.surviving(None):
            stored = context.store.load_account(account_id)
            wanted = [calendar for calendar in by_account[account_id] if usable(stored, calendar)]
            # A credential that is new to this process is tried at once, whatever an older one was told.
            patient = context.logins.is_verified(account_id)
            account = admit(context, run, stored) if wanted else None
            error = run.account_errors.get(account_id)
            for calendar in wanted:
                if isinstance(error, ConfigurationError):
                    note_unusable(context, calendar, error)
                elif account is not None and not run.refused(account):
                    _read_one(context, run, account, calendar, full=full, afresh=afresh, patient=patient)

    each(read_account, by_account, at_most=at_most or context.max_workers)


def _read_one(
    context: Context, run: Run, account: Account, calendar: Calendar, *, full: bool, afresh: bool, patient: bool
) -> None:
    with run.surviving(account, calendar):
        if patient:
            wait_as_told(context, account, calendar.key)
        try:
            full = full or _is_stale(context, run, calendar)
            read_calendar(context, run, account, calendar, full=full, afresh=afresh)
        except ProviderError as error:
            note_answer(context, account, error)
            if isinstance(error, AuthExpired | IdentityChanged):
                note_refusal(context, account, error)
            raise
        except ConfigurationError as error:
            note_unusable(context, calendar, error)
            raise
        note_answer(context, account)
        note_recovery(context, account)


def _is_stale(context: Context, run: Run, calendar: Calendar) -> bool:
    """Whether to read everything for safety's sake; never while somebody waits for what a push announced."""
    if run.way is SyncType.WEBHOOK:
        return False
    now, state = context.clock.now(), context.store.load_read_state(calendar.key)
    return watching.full_due(load_watch(context, calendar), state, context.policy, calendar.key, now) <= now


def converge(context: Context, run: Run, owners: Iterable[str], *, at_most: int | None = None) -> None:
    """Plan and write for each owner until a plan leaves nothing to do; ``at_most`` so many targets side by side.

    Of an owner who is only observed, it is noted what would have been written.
    """
    width = at_most or context.max_workers

    def settle(owner: str) -> None:
        with run.surviving(None):
            pay_debts_of_disabled(context, run, owner)
            for _round in range(_MOST_ROUNDS):
                if run.stopped:
                    return
                decided = plan_owner(context, owner)
                # Of an owner who is only observed, the store gives out what the host ordered.
                targets = context.store.load_open_targets(owner, context.clock.now())
                apply_all(context, run, targets, at_most=width)
                if not decided:
                    seen = observe_owner(context, owner)
                    if seen is None:
                        continue
                    run.observe(owner, seen)
                    return
                if not targets:
                    return
                left = context.store.load_unplanned(owner)
                if not (left.uids or left.keys):
                    return

    for owner in sorted(set(owners)):
        settle(owner)


def pay_debts_of_disabled(context: Context, run: Run, owner: str) -> None:
    """Read by id what is owed on calendars that are no longer read: their blocks can't be taken back before."""
    now, store = context.clock.now(), context.store

    def look() -> list[Calendar]:
        owed = store.load_debtors(owner, now)
        calendars = store.load_calendars(owner=owner) if owed else ()
        return [calendar for calendar in calendars if not calendar.enabled and calendar.key in owed]

    for calendar in store.together(look, writes=False):
        stored = store.load_account(calendar.account_id)
        account = admit(context, run, stored) if stored.status is AccountStatus.ACTIVE else None
        if account is not None:
            with run.surviving(account, calendar), context.at_work(account, calendar) as lease:
                settle_debts(context, run, context.session(account, run.reading, lease), calendar, lease)


def apply_all(context: Context, run: Run, targets: Collection[CalendarId], *, at_most: int) -> None:
    """Write the open intents of these targets, ``at_most`` so many side by side."""

    def apply_one(calendar_id: CalendarId) -> None:
        with run.surviving(None):
            calendar, account, waits = context.store.together(partial(_look, context, calendar_id), writes=False)
            if account.status is AccountStatus.ACTIVE:
                write(account, calendar, waits)

    def write(stored: Account, calendar: Calendar, waits: Mapping[CalendarId, ReadState]) -> None:
        account = admit(context, run, stored)
        if account is None:
            return
        with run.surviving(account, calendar):
            heed_waits(context, account, calendar.key, waits)
            try:
                apply_intents(context, run, account, calendar)
            except ProviderError as error:
                note_answer(context, account, error)
                if isinstance(error, AuthExpired | IdentityChanged):
                    note_refusal(context, account, error)
                raise

    each(apply_one, targets, at_most=at_most)


def _look(context: Context, calendar_id: CalendarId) -> tuple[Calendar, Account, Mapping[CalendarId, ReadState]]:
    """A calendar, its account, and how long nothing may be sent to that."""
    calendar = context.store.load_calendar(calendar_id)
    account = context.store.load_account(calendar.account_id)
    return calendar, account, load_waits(context, account.key)


def record(context: Context, run: Run, draft: SyncReport, owners: Collection[str]) -> SyncReport:
    """Record the run, which is over now, and tell the host: some owners at a time, since nobody else can write to
    SQLite during a transaction.
    """
    horizon = context.horizon()
    counts: dict[str, Any] = {name: run.counts[name] for name in _COUNTS}
    finished = evolve(
        draft,
        finished_at=context.clock.now(),
        calendars=tuple(sorted(run.calendars)),
        calendars_processed=len(run.calendars),
        calendars_read=len(run.reads),
        calendars_changed=len(run.changed),
        api_calls=run.meter.sent,
        reading_calls=run.reading.sent,
        time_window=(horizon.start.isoformat(), horizon.end.isoformat()),
        errors=tuple(run.failures),
        stopped=run.stopped,
        observed=_observation(run),
        **counts,
    )

    # One that was told to stop is neither finished nor failed: the next one goes on.
    concerned = set(owners)
    whom = [] if run.stopped else sorted(concerned)

    def tell(saved: SyncReport, first: int) -> None:
        for owner in whom[first : first + _MOST_TOLD]:
            kind = NoticeKind.SYNC_FAILED if run.failed_for(owner) else NoticeKind.SYNC_FINISHED
            context.tell(kind, owner, run=saved.id, writes=saved.writes, errors=len(saved.errors))

    def save() -> SyncReport:
        # One look, however many owners.
        found = context.store.load_held(next(iter(concerned)) if len(concerned) == 1 else None)
        held = sum(block.owner in concerned for block in found)
        saved = context.store.save_run(evolve(finished, held=held))
        tell(saved, 0)
        return saved

    saved = context.together(save)
    for first in range(_MOST_TOLD, len(whom), _MOST_TOLD):
        context.together(partial(tell, saved, first))
    return saved


def _observation(run: Run) -> Observation | None:
    if not run.observed:
        return None
    plans = run.observed.values()
    return Observation.of(
        run.observed,
        [operation for plan in plans for operation in plan.operations],
        held=sum(len(hold.refs) for plan in plans for hold in plan.holds),
        unsettled=sum(len(plan.unsettled) for plan in plans),
    )


_COUNTS = (
    "events_processed",
    "events_created",
    "events_updated",
    "events_deleted",
    "busy_blocks_created",
    "busy_blocks_updated",
    "busy_blocks_deleted",
)
