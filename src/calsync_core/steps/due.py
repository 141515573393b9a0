"""What is due: which calendars to read now, and the ones that were due and could not be read put off for a while."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import evolve, frozen

from calsync_core.core import watching
from calsync_core.errors import LeaseBusy, ProviderError, Unavailable, UnknownAccount, UnknownCalendar
from calsync_core.models import Account, AccountId, Calendar, CalendarId, PushState, Watch
from calsync_core.steps.access import usable
from calsync_core.steps.context import Context
from calsync_core.steps.read import set_due
from calsync_core.steps.run import Run
from calsync_core.steps.watch import keep_watch, load_watch

__all__ = ["Agenda", "agenda", "loaded", "put_off", "to_read"]

_PAUSE_SECONDS, _SHORT_PAUSE_SECONDS = 300.0, 60.0
"""Until a calendar that was due and could not even be asked for is due again; the short one, where its server or the
network is to blame.
"""


@frozen
class Agenda:
    """What waits, found in the store alone (decision 19).

    Attributes:
        owners: To be planned, or with writes that may be tried.
        calendars: Enabled calendars that are due to be read.
        checks: Calendars whose push is to be looked after.
    """

    owners: frozenset[str]
    calendars: tuple[Calendar, ...]
    checks: tuple[Calendar, ...]


def agenda(context: Context, owner: str | None) -> Agenda:
    """What is due now, for one owner or for all."""
    return context.store.together(lambda: _agenda(context, owner), writes=False)


def _agenda(context: Context, owner: str | None) -> Agenda:
    now = context.clock.now()
    due = context.store.load_due(now, context.shape, context.horizon().end)
    owners = set(due.owners)
    owners |= {calendar.owner for calendar in loaded(context, context.store.load_open_targets(owner, now))}
    return Agenda(
        owners=frozenset(owners if owner is None else owners & {owner}),
        calendars=tuple(
            each for each in loaded(context, due.calendars) if each.enabled and owner in {None, each.owner}
        ),
        checks=tuple(each for each in loaded(context, due.checks) if owner in {None, each.owner}),
    )


def to_read(
    context: Context,
    owner: str | None,
    due: Sequence[Calendar],
    fresh: Iterable[CalendarId],
    *,
    due_only: bool,
    trust_push: bool,
) -> list[Calendar]:
    """The calendars to read now.

    Args:
        context: The engine's.
        owner: Only this owner's.
        due: Those that are due.
        fresh: Those whose subscription has just begun: what changed before was announced by nobody.
        due_only: Leave out those without healthy push whose timer has not run out.
        trust_push: Leave out those with healthy push.
    """
    chosen = {calendar.key: calendar for calendar in (*due, *loaded(context, fresh)) if calendar.enabled}
    if not chosen and due_only:
        return []
    if due_only:
        accounts = context.store.together(lambda: _accounts_of(context, chosen.values()), writes=False)
    else:
        enabled = [calendar for calendar in context.store.load_calendars(owner=owner) if calendar.enabled]
        watches = context.store.load_watches([calendar.key for calendar in enabled])
        now = context.clock.now()
        chosen |= {
            calendar.key: calendar
            for calendar in enabled
            if not trust_push or watching.state_of(watches.get(calendar.key, Watch()), now) is not PushState.ACTIVE
        }
        accounts = {account.key: account for account in context.store.load_accounts(owner)}
    # One that was disconnected meanwhile has no account any more.
    there = [calendar for _, calendar in sorted(chosen.items()) if calendar.account_id in accounts]
    return [calendar for calendar in there if usable(accounts[calendar.account_id], calendar)]


def _accounts_of(context: Context, calendars: Iterable[Calendar]) -> dict[AccountId, Account]:
    """Of these calendars only: a scheduler asks every few seconds what is due, and mostly nothing is."""
    found = {}
    for account_id in {calendar.account_id for calendar in calendars}:
        with suppress(UnknownAccount):
            found[account_id] = context.store.load_account(account_id)
    return found


def put_off(context: Context, run: Run, calendars: Iterable[Calendar]) -> None:
    """Have nothing due again at once that could not be done: not the timer of a calendar that was not read (where the
    read was tried, its own state says when to try again), and not the writes to one whose account was not let in.
    """
    if run.stopped:
        return
    for calendar in calendars:
        if calendar.key not in run.reads:
            with suppress(LeaseBusy):
                _put_off(context, calendar, _again(context, run, calendar))
    for calendar in loaded(context, context.store.load_open_targets(None, context.clock.now())):
        if calendar.key in run.errors or calendar.account_id in run.account_errors:
            with suppress(LeaseBusy), context.lease(f"calendar:{calendar.key}", wait=False) as lease:
                again, now = _again(context, run, calendar), context.clock.now()
                context.store.put_off_intents(lease.current(), calendar.key, again, now)


def _again(context: Context, run: Run, calendar: Calendar) -> datetime:
    error = run.errors.get(calendar.key) or run.account_errors.get(calendar.account_id)
    told = error.retry_after if isinstance(error, ProviderError) else None
    pause = _SHORT_PAUSE_SECONDS if isinstance(error, Unavailable) else _PAUSE_SECONDS
    return context.clock.now() + timedelta(seconds=max(told or 0.0, pause))


def _put_off(context: Context, calendar: Calendar, again: datetime) -> None:
    account = context.store.load_account(calendar.account_id)
    with context.lease(f"calendar:{calendar.key}", wait=False) as lease:
        now = context.clock.now()
        watch = load_watch(context, calendar)
        if watch.due_at is None or watch.due_at <= now:
            keep_watch(context, lease.current(), account, calendar, evolve(watch, due_at=again))
        state = context.store.load_read_state(calendar.key)
        if state.due_at is not None and state.due_at <= now:
            set_due(context, lease, calendar, again)


def loaded(context: Context, calendar_ids: Iterable[CalendarId]) -> list[Calendar]:
    """These calendars, without those that were forgotten meanwhile."""
    found = []
    for calendar_id in calendar_ids:
        try:
            found.append(context.store.load_calendar(calendar_id))
        except UnknownCalendar:
            continue
    return found
