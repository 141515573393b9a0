"""The inbox worked off: pushes that were stored become syncs, one for each owner however many came.

A notification says only that a calendar is worth reading, so all that wait for one calendar are done with one read. A
worker that dies leaves them PROCESSING under a lease that ends; whoever takes the next one takes them along (I-28).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from attrs import define, evolve, field, frozen

from calsync_core.core import watching
from calsync_core.errors import LeaseBusy, LeaseLost, ProviderError
from calsync_core.log import Logger
from calsync_core.models import (
    Calendar,
    CalendarId,
    InboxReport,
    KnownItem,
    Lease,
    NoticeKind,
    Notification,
    NotificationStatus,
    PushKind,
    SyncFailure,
    SyncType,
    Watch,
)
from calsync_core.steps.access import usable
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.due import loaded
from calsync_core.steps.run import Run, each
from calsync_core.steps.subscriptions import Wish, maintain
from calsync_core.steps.sync import sync

__all__ = ["work_off"]

_RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_LOOK_AGAIN = timedelta(minutes=1)
_FOUND_NOTHING = "FoundNothing"

log = Logger("calsync_core")


@define
class _Tally:
    """Counts over all threads."""

    report: InboxReport = field(factory=InboxReport)
    lock: threading.Lock = field(factory=threading.Lock)

    def add(self, report: InboxReport) -> None:
        with self.lock:
            mine = self.report
            self.report = InboxReport(
                calendars=mine.calendars + report.calendars,
                completed=mine.completed + report.completed,
                retrying=mine.retrying + report.retrying,
                failed=mine.failed + report.failed,
                echoes=mine.echoes + report.echoes,
                runs=(*mine.runs, *report.runs),
                errors=(*mine.errors, *report.errors),
            )


def _notified(context: Context, owner: str | None = None) -> dict[str, list[Calendar]]:
    """Calendars with a notification that can be processed now, by their owners; all, or one owner's."""
    by_owner: dict[str, list[Calendar]] = defaultdict(list)
    store, now = context.store, context.clock.now()
    for calendar in store.together(lambda: loaded(context, store.load_notified(now, owner)), writes=False):
        by_owner[calendar.owner].append(calendar)
    return by_owner


def work_off(context: Context, owner: str | None = None) -> InboxReport:
    """Process every notification that is due now, owners side by side; all, or one owner's."""
    by_owner = _notified(context, owner)
    tally = _Tally()

    def attend(owner: str) -> None:
        try:
            began = context.clock.monotonic()
            claim = partial(_claimed, context, by_owner[owner])
            with context.leases([f"inbox:{owner}"], claim, wait=False) as (lease, claimed), lease.kept():
                tally.add(_Owner(context, lease, claimed, began).work())
        except (LeaseBusy, LeaseLost):
            # Another worker is at it, or took over from us; what came after it began waits for the next pass.
            return

    each(attend, by_owner, at_most=context.max_workers)
    return tally.report


@frozen
class _Claimed:
    """What waited for an owner's calendars.

    Attributes:
        calendars: With notifications.
        notifications: Of each of them.
        watches: What was known of their push.
    """

    calendars: Sequence[Calendar]
    notifications: Mapping[CalendarId, Sequence[Notification]]
    watches: Mapping[CalendarId, Watch]


def _claimed(context: Context, calendars: Sequence[Calendar], lease: Lease) -> _Claimed:
    """Take what waits for these calendars."""
    now = context.clock.now()
    watches = context.store.load_watches([calendar.key for calendar in calendars])
    # A burst must not become a row of syncs (I-27).
    cool = [calendar for calendar in calendars if watching.has_cooled(watches.get(calendar.key), now)]
    taken = {calendar.key: context.store.claim_notifications(lease, calendar.key, now) for calendar in cool}
    return _Claimed([calendar for calendar in cool if taken[calendar.key]], taken, watches)


@define
class _Owner:
    """The notifications of one owner's calendars, in use under the owner's lease of the inbox."""

    context: Context
    lease: HeldLease
    found: _Claimed
    began: float

    def work(self) -> InboxReport:
        """Repair, read and write, and note for each notification what became of it."""
        calendars, claimed, watches = self.found.calendars, self.found.notifications, self.found.watches
        run = Run(SyncType.WEBHOOK)
        self._repair(run, calendars, claimed)
        to_read = self._with_news()
        report = None
        if to_read:
            report = sync(
                self.context,
                run,
                to_read,
                notified_at=_since(claimed, to_read),
                expects_echo=all(key in watches and watching.unread(watches[key]) for key in _keys(to_read)),
            )
        if run.stopped:
            return InboxReport()
        seconds = self.context.clock.monotonic() - self.began

        def settle(lease: Lease) -> list[Notification]:
            settled = [
                one
                for calendar in calendars
                for one in self._settle(run, calendar, claimed[calendar.key], seconds, read=calendar in to_read)
            ]
            self.context.store.settle_notifications(lease, settled, self.context.clock.now())
            return settled

        settled = self.lease.last(settle)
        echoed = sum(calendar.enabled for calendar in calendars if calendar not in to_read)
        echoed += len(to_read) if report is not None and report.echo else 0
        return _summary(settled, run.failures, echoed, None if report is None else report.id)

    def _with_news(self) -> list[Calendar]:
        """The calendars that must be read."""

        def look() -> list[Calendar]:
            claimed = self.found.notifications
            return [each for each in self.found.calendars if self._tells_of_news(each, claimed[each.key])]

        return self.context.store.together(look, writes=False)

    def _repair(
        self, run: Run, calendars: Sequence[Calendar], claimed: Mapping[CalendarId, Sequence[Notification]]
    ) -> None:
        """Do what the provider says of a subscription before its calendar is read: reading closes the gap (I-31)."""
        for calendar in calendars:
            kinds = {one.kind for one in claimed[calendar.key]}
            if kinds & {PushKind.ENDED, PushKind.REAUTHORIZE}:
                gone = {one.subscription_id for one in claimed[calendar.key] if one.kind is PushKind.ENDED}
                wish = Wish(at_once=True, renew=PushKind.REAUTHORIZE in kinds, ended=frozenset(gone))
                maintain(self.context, run, [calendar], wish)

    def _tells_of_news(self, calendar: Calendar, notifications: Sequence[Notification]) -> bool:
        """Whether the calendar must be read: not if each push names a block of ours just as we wrote it last, and not
        while it is off or its account rests; it is read when that ends.
        """
        if not usable(self.context.store.load_account(calendar.account_id), calendar):
            log.info("webhook_ignored", calendar=calendar.id, notified=True)
            return False
        if any(one.item is None or one.etag is None or one.error == _FOUND_NOTHING for one in notifications):
            return True
        known = self.context.store.load_items(calendar.key, {one.item or "" for one in notifications})
        return not all(_is_echo(one, known.get(one.item or "")) for one in notifications)

    def _settle(
        self, run: Run, calendar: Calendar, notifications: Sequence[Notification], seconds: float, *, read: bool
    ) -> list[Notification]:
        now = self.context.clock.now()
        error = run.errors.get(calendar.key) or run.account_errors.get(calendar.account_id)
        if read and error is None and calendar.key not in run.reads:
            error = LookupError("it was not read")
        if error is not None:
            return self._failed(calendar, notifications, error, now)
        if not read or run.seen[calendar.key]:
            return [_finished(one, now, seconds) for one in notifications]
        return _repeated(notifications, now, seconds)

    def _failed(
        self, calendar: Calendar, notifications: Sequence[Notification], error: Exception, now: datetime
    ) -> list[Notification]:
        """Try again after 1, 5 and 15 minutes; then the calendar is left to polling, and the host told."""
        pause = timedelta(seconds=(error.retry_after or 0.0) if isinstance(error, ProviderError) else 0.0)
        kind = type(error).__name__
        settled = [_put_off(one, kind, pause, now) for one in notifications]
        given_up = sum(one.status is NotificationStatus.FAILED for one in settled)
        if given_up:
            self.context.tell(
                NoticeKind.NOTIFICATIONS_FAILED, calendar.owner, calendar=calendar.id, count=given_up, error=kind
            )
            # Its timer was set while push worked, and may run for a day.
            self.context.store.call_for_checks([calendar.key])
        return settled


def _repeated(notifications: Sequence[Notification], now: datetime, seconds: float) -> list[Notification]:
    """A push may come before the change can be read: what found nothing is looked at once more after a while, and at
    that time, also if another push has the calendar read before (I-07).
    """
    settled, asked = [], False
    for one in reversed(notifications):
        if one.error == _FOUND_NOTHING and one.due_at > now:
            settled.append(evolve(one, status=NotificationStatus.RETRYING))
        elif one.error == _FOUND_NOTHING or asked:
            settled.append(_finished(one, now, seconds))
        else:
            # The newest that has not had its second look; for the others the same read counts.
            asked = True
            again = evolve(one, status=NotificationStatus.RETRYING, due_at=now + _LOOK_AGAIN, error=_FOUND_NOTHING)
            settled.append(again)
    return settled[::-1]


def _is_echo(notification: Notification, known: KnownItem | None) -> bool:
    written = known is not None and known.ours and known.etag == notification.etag
    return written and notification.kind is PushKind.CHANGED


def _put_off(notification: Notification, kind: str, pause: timedelta, now: datetime) -> Notification:
    if notification.due_at > now:
        # It was taken along before its time: that is no attempt of its own.
        return evolve(notification, status=NotificationStatus.RETRYING, error=kind)
    if notification.attempts >= len(_RETRIES):
        return evolve(notification, status=NotificationStatus.FAILED, finished_at=now, error=kind)
    due_at = now + max(pause, _RETRIES[notification.attempts])
    attempts = notification.attempts + 1
    return evolve(notification, status=NotificationStatus.RETRYING, attempts=attempts, due_at=due_at, error=kind)


def _finished(notification: Notification, now: datetime, seconds: float) -> Notification:
    return evolve(notification, status=NotificationStatus.COMPLETED, finished_at=now, seconds=seconds)


def _keys(calendars: Sequence[Calendar]) -> list[CalendarId]:
    return [calendar.key for calendar in calendars]


def _since(claimed: Mapping[CalendarId, Sequence[Notification]], calendars: Sequence[Calendar]) -> datetime:
    """When the first of the pushes came that these calendars are read for."""
    return min(one.received_at for calendar in calendars for one in claimed[calendar.key])


def _summary(
    settled: Sequence[Notification], failures: Iterable[SyncFailure], echoes: int, run_id: int | None
) -> InboxReport:
    count = {status: sum(one.status is status for one in settled) for status in NotificationStatus}
    return InboxReport(
        calendars=len({one.calendar_id for one in settled}),
        completed=count[NotificationStatus.COMPLETED],
        retrying=count[NotificationStatus.RETRYING],
        failed=count[NotificationStatus.FAILED],
        echoes=echoes,
        runs=() if run_id is None else (run_id,),
        errors=tuple(failures),
    )
