"""Subscriptions, watches, the inbox and the outbox in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from attrs import evolve

from calsync_core.models import (
    CalendarId,
    Lease,
    Notice,
    Notification,
    NotificationStatus,
    PushState,
    StoredNotice,
    StoredSubscription,
    Watch,
    require_utc,
)
from calsync_core.stores.memory.rows import Role

__all__ = ["MemoryInbox", "MemoryNotices", "MemoryPush", "is_done", "is_waiting"]

_DONE = frozenset({NotificationStatus.COMPLETED, NotificationStatus.FAILED})


class MemoryPush(Role):
    """``PushStore`` in memory."""

    def save_subscription(self, lease: Lease, subscription: StoredSubscription, at: datetime) -> StoredSubscription:
        """See ``PushStore.save_subscription``."""
        name = (subscription.provider, subscription.remote_id)
        with self._lock:
            self._fence(lease, at)
            rows = self._rows
            rows.calendar(subscription.calendar_id)
            for key in [key for key, each in rows.subscriptions.items() if (each.provider, each.remote_id) == name]:
                del rows.subscriptions[key]
            row_id = rows.next_id() if subscription.id is None else subscription.id
            saved = rows.subscriptions[row_id] = evolve(subscription, id=row_id)
            return saved

    def load_subscriptions(self, calendar_id: CalendarId | None = None) -> list[StoredSubscription]:
        """See ``PushStore.load_subscriptions``."""
        with self._lock:
            found = [each for _, each in sorted(self._rows.subscriptions.items())]
        return [each for each in found if calendar_id is None or each.calendar_id == calendar_id]

    def find_subscriptions(self, provider: str, remote_ids: Collection[str]) -> Mapping[str, StoredSubscription]:
        """See ``PushStore.find_subscriptions``."""
        wanted = set(remote_ids)
        return {
            each.remote_id: each
            for each in self.load_subscriptions()
            if each.provider == provider and each.remote_id in wanted
        }

    def delete_subscription(self, lease: Lease, subscription_id: int, at: datetime) -> None:
        """See ``PushStore.delete_subscription``."""
        with self._lock:
            self._fence(lease, at)
            self._rows.subscriptions.pop(subscription_id, None)

    def load_watches(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, Watch]:
        """See ``PushStore.load_watches``."""
        with self._lock:
            found = {key: self._rows.watch(key) for key in sorted(set(calendar_ids))}
        return {key: watch for key, watch in found.items() if watch is not None}

    def save_watch(
        self,
        lease: Lease,
        calendar_id: CalendarId,
        watch: Watch,
        state: PushState,
        at: datetime,
        *,
        answered: int | None = None,
    ) -> None:
        """See ``PushStore.save_watch``."""
        for name, instant in (("due_at", watch.due_at), ("check_at", watch.check_at)):
            if instant is not None:
                require_utc(name, instant)
        with self._lock:
            self._fence(lease, at)
            self._rows.calendar(calendar_id)
            self._rows.watches[calendar_id] = (watch, state)
            if answered is not None and self._rows.called.get(calendar_id) == answered:
                del self._rows.called[calendar_id]

    def call_for_checks(self, calendar_ids: Collection[CalendarId]) -> None:
        """See ``PushStore.call_for_checks``."""
        with self._lock:
            rows = self._rows
            for key in set(calendar_ids) & rows.calendars.keys():
                rows.watches.setdefault(key, (Watch(), PushState.NONE))
                rows.called[key] = rows.called.get(key, 0) + 1


class MemoryInbox(Role):
    """``InboxStore`` in memory."""

    def save_notifications(self, notifications: Sequence[Notification]) -> int:
        """See ``InboxStore.save_notifications``."""
        for each in notifications:
            require_utc("received_at", each.received_at)
            require_utc("due_at", each.due_at)
        with self._lock:
            rows, count = self._rows, 0
            for each in notifications:
                if each.calendar_id not in rows.calendars:
                    continue
                rows.pushed[each.calendar_id] = max(
                    each.received_at, rows.pushed.get(each.calendar_id, each.received_at)
                )
                if each.message is None or (each.subscription_id, each.message) not in rows.messages:
                    rows.put_notification(rows.next_id(), each)
                    count += 1
            return count

    def load_notified(self, at: datetime, owner: str | None = None) -> list[CalendarId]:
        """See ``InboxStore.load_notified``."""
        at = require_utc("at", at)
        with self._lock:
            found = {
                each.calendar_id
                for each in self._waiting()
                if each.due_at <= at or each.status is NotificationStatus.PROCESSING
            }
            return sorted(key for key in found if owner in {None, self._rows.calendars[key].owner})

    def load_notified_owners(self, at: datetime) -> list[str]:
        """See ``InboxStore.load_notified_owners``."""
        with self._lock:
            return sorted({self._rows.calendars[key].owner for key in self.load_notified(at)})

    def claim_notifications(self, lease: Lease, calendar_id: CalendarId, at: datetime) -> list[Notification]:
        """See ``InboxStore.claim_notifications``."""
        with self._lock:
            self._fence(lease, at)
            claimed = [
                evolve(each, status=NotificationStatus.PROCESSING)
                for each in self._waiting()
                if each.calendar_id == calendar_id
            ]
            self._replace(claimed)
            return claimed

    def settle_notifications(self, lease: Lease, notifications: Sequence[Notification], at: datetime) -> None:
        """See ``InboxStore.settle_notifications``."""
        with self._lock:
            self._fence(lease, at)
            self._replace(notifications)

    def load_notifications(self, calendar_id: CalendarId | None = None, limit: int = 50) -> list[Notification]:
        """See ``InboxStore.load_notifications``."""
        with self._lock:
            found = [each for _, each in sorted(self._rows.notifications.items(), reverse=True)]
        return [each for each in found if calendar_id is None or each.calendar_id == calendar_id][: max(0, limit)]

    def _waiting(self) -> list[Notification]:
        return [each for _, each in sorted(self._rows.notifications.items()) if is_waiting(each)]

    def _replace(self, notifications: Iterable[Notification]) -> None:
        for each in notifications:
            if each.id is not None and each.id in self._rows.notifications:
                self._rows.put_notification(each.id, each)


class MemoryNotices(Role):
    """``NoticeStore`` in memory."""

    def save_notice(self, notice: Notice) -> None:
        """See ``NoticeStore.save_notice``."""
        due_at = require_utc("at", notice.at)
        with self._lock:
            row_id = self._rows.next_id()
            self._rows.notices[row_id] = StoredNotice(row_id, _apart(notice), due_at)

    def load_notices(self, owner: str | None = None, limit: int = 100, *, after: int = 0) -> list[StoredNotice]:
        """See ``NoticeStore.load_notices``."""
        with self._lock:
            found = [each for key, each in sorted(self._rows.notices.items()) if key > after]
        mine = [each for each in found if owner is None or each.notice.owner == owner]
        return [evolve(each, notice=_apart(each.notice)) for each in mine[: max(0, limit)]]

    def put_off_notice(self, notice_id: int, attempts: int, due_at: datetime) -> None:
        """See ``NoticeStore.put_off_notice``."""
        due_at = require_utc("due_at", due_at)
        with self._lock:
            waiting = self._rows.notices.get(notice_id)
            if waiting is not None:
                self._rows.notices[notice_id] = evolve(waiting, attempts=attempts, due_at=due_at)

    def delete_notices(self, notice_ids: Collection[int]) -> None:
        """See ``NoticeStore.delete_notices``."""
        with self._lock:
            for key in set(notice_ids):
                self._rows.notices.pop(key, None)


def is_waiting(notification: Notification) -> bool:
    """Whether it is not done with."""
    return notification.status not in _DONE


def is_done(notification: Notification, before: datetime) -> bool:
    """Whether it was done with before the instant."""
    finished_at = notification.finished_at
    return not is_waiting(notification) and finished_at is not None and finished_at < before


def _apart(notice: Notice) -> Notice:
    """The same notice; what is done to the one's details does not reach the other's."""
    return evolve(notice, detail=dict(notice.detail))
