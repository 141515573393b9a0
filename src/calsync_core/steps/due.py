"""What is due: which calendars to read now, and the ones that were due and could not be read put off for a while."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from calsync_core.core import watching
from calsync_core.errors import LeaseBusy, ProviderError, UnknownCalendar
from calsync_core.models import Calendar, CalendarId, PushState, Watch
from calsync_core.steps.access import usable
from calsync_core.steps.context import Context
from calsync_core.steps.read import set_due
from calsync_core.steps.run import Run
from calsync_core.steps.watch import keep_watch, load_watch

__all__ = ["Agenda", "agenda", "put_off", "to_read"]

_PAUSE_SECONDS = 300.0
"""Until a calendar that was due and could not even be asked for is due again."""


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
    now = context.clock.now()
    due = context.store.load_due(now, context.shape, context.horizon().end)
    owners = set(due.owners)
    owners |= {calendar.owner for calendar in _loaded(context, context.store.load_open_targets(owner, now))}
    return Agenda(
        owners=frozenset(owners if owner is None else owners & {owner}),
        calendars=tuple(
            each for each in _loaded(context, due.calendars) if each.enabled and owner in {None, each.owner}
        ),
        checks=tuple(each for each in _loaded(context, due.checks) if owner in {None, each.owner}),
    )


def to_read(
    context: Context, owner: str | None, due: Sequence[Calendar], fresh: Iterable[CalendarId], *, due_only: bool
) -> list[Calendar]:
    """The calendars to read now.

    Args:
        context: The engine's.
        owner: Only this owner's.
        due: Those that are due.
        fresh: Those whose subscription has just begun: what changed before was announced by nobody.
        due_only: Leave out those without healthy push whose timer has not run out.
    """
    chosen = {calendar.key: calendar for calendar in (*due, *_loaded(context, fresh)) if calendar.enabled}
    if not due_only:
        enabled = [calendar for calendar in context.store.load_calendars(owner=owner) if calendar.enabled]
        watches = context.store.load_watches([calendar.key for calendar in enabled])
        now = context.clock.now()
        chosen |= {
            calendar.key: calendar
            for calendar in enabled
            if watching.state_of(watches.get(calendar.key, Watch()), now) is not PushState.ACTIVE
        }
    accounts = {account.key: account for account in context.store.load_accounts(owner)}
    return [chosen[key] for key in sorted(chosen) if usable(accounts[chosen[key].account_id], chosen[key])]


def put_off(context: Context, run: Run, calendars: Iterable[Calendar]) -> None:
    """Have no timer fire again at once for a calendar that could not be read; where the read was tried, its own state
    says when to try again.
    """
    for calendar in calendars:
        if calendar.key in run.reads or run.stopped:
            continue
        error = run.errors.get(calendar.key) or run.account_errors.get(calendar.account_id)
        told = error.retry_after if isinstance(error, ProviderError) else None
        again = context.clock.now() + timedelta(seconds=max(told or 0.0, _PAUSE_SECONDS))
        try:
            _put_off(context, calendar, again)
        except LeaseBusy:
            continue


def _put_off(context: Context, calendar: Calendar, again: datetime) -> None:
    account = context.store.load_account(calendar.account_id)
    with context.lease(f"calendar:{calendar.key}", wait=False) as lease:
        now = context.clock.now()
        watch = load_watch(context, calendar)
        if watch.due_at is None or watch.due_at <= now:
            keep_watch(context, lease, account, calendar, evolve(watch, due_at=again))
        state = context.store.load_read_state(calendar.key)
        if state.due_at is not None and state.due_at <= now:
            set_due(context, lease, calendar, again)


def _loaded(context: Context, calendar_ids: Iterable[CalendarId]) -> list[Calendar]:
    """These calendars, without those that were forgotten meanwhile."""
    found = []
    for calendar_id in calendar_ids:
        try:
            found.append(context.store.load_calendar(calendar_id))
        except UnknownCalendar:
            continue
    return found
