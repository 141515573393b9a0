"""The watch on each calendar: loaded, moved on by ``core.watching``, saved, and told of where the host should know."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from calsync_core.core import watching
from calsync_core.models import Account, Calendar, Lease, PushState, SyncType, Watch
from calsync_core.protocols import PushProvider
from calsync_core.steps.context import Context

__all__ = ["keep_watch", "load_watch", "note_failed_read", "note_read", "note_write", "push_provider", "push_url"]


def push_provider(context: Context, account: Account) -> PushProvider | None:
    """The account's provider, if it can push and there is an address to push to."""
    return None if context.webhook_url is None else context.pushing.get(account.provider)


def push_url(context: Context, account: Account) -> str:
    """Where the account's provider should push to."""
    return f"{context.webhook_url}/{account.provider}"


def load_watch(context: Context, calendar: Calendar) -> Watch:
    """What is known of the calendar's push, its latest push taken into account."""
    return watching.settled(context.store.load_watches([calendar.key]).get(calendar.key, Watch()))


def keep_watch(
    context: Context,
    lease: Lease,
    account: Account,
    calendar: Calendar,
    watch: Watch,
    *,
    looked: bool = False,
    answered: int | None = None,
    again: datetime | None = None,
) -> PushState:
    """Save it with when to look at it next, and tell the host of trouble and its end, each once.

    Args:
        context: The engine's.
        lease: The calendar's.
        account: The calendar's.
        calendar: Whose watch.
        watch: As it is now.
        looked: Its subscription was just looked after. Otherwise a look that was planned is still to come.
        answered: The call for a look that this one answers.
        again: By when to look once more, if nothing else is planned between now and then.
    """
    now = context.clock.now()
    possible = push_provider(context, account) is not None and calendar.enabled
    planned = watch.check_at
    watch = watching.scheduled(watch, calendar.key, now, possible=possible)
    if not looked and planned is not None:
        watch = evolve(watch, check_at=min(planned, watch.check_at or planned))
    elif again is not None and not (watch.check_at is not None and now < watch.check_at < again):
        watch = evolve(watch, check_at=again)
    state = watching.state_of(watch, now)
    if calendar.enabled and state is not PushState.ACTIVE:
        watch = watching.hastened(watch, calendar.key, now, watching.Pace.of(context.policy))
    notice = watching.notice_due(watch, now)
    if notice is not None:
        context.tell(notice, calendar.owner, calendar=calendar.id, failures=watch.failures, error=watch.last_error)
        watch = watching.noted(watch, now)
    context.store.save_watch(lease, calendar.key, watch, state, now, answered=answered)
    return state


def note_read(
    context: Context, lease: Lease, account: Account, calendar: Calendar, *, found: bool, way: SyncType
) -> None:
    """The calendar was read completely; decide when it is read again without a push."""
    now = context.clock.now()
    before = load_watch(context, calendar)
    pace = watching.Pace.of(context.policy)
    by_push = way is SyncType.WEBHOOK
    watch = watching.record_read(before, calendar.key, now, found=found, by_push=by_push, pace=pace)
    state = context.store.load_read_state(calendar.key)
    full_at = watching.full_due(watch, state, context.policy, calendar.key, now)
    if watch.due_at is not None and full_at < watch.due_at:
        watch = evolve(watch, due_at=max(full_at, now))
    keep_watch(context, lease, account, calendar, watch)


def note_failed_read(context: Context, lease: Lease, account: Account, calendar: Calendar, again: datetime) -> None:
    """The calendar could not be read: no timer of its own before the next attempt."""
    keep_watch(context, lease, account, calendar, evolve(load_watch(context, calendar), due_at=again))


def note_write(context: Context, lease: Lease, account: Account, calendar: Calendar, since: datetime) -> None:
    """Blocks were written to the calendar from ``since`` on: an echo should follow, if it pushes."""
    if push_provider(context, account) is not None:
        watch = watching.record_write(load_watch(context, calendar), since, context.clock.now())
        keep_watch(context, lease, account, calendar, watch)
