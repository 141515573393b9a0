"""The roles of a store that push needs: subscriptions and watches, the inbox, and notices on their way out.

What holds for every role of a store is said in ``calsync_core.protocols.store``.
"""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from calsync_core.models import (
    CalendarId,
    Lease,
    Notice,
    Notification,
    PushState,
    StoredNotice,
    StoredSubscription,
    Watch,
)

__all__ = ["InboxStore", "NoticeStore", "PushStore"]


@runtime_checkable
class PushStore(Protocol):
    """Subscriptions, and how far each calendar's push can be relied on."""

    def save_subscription(self, lease: Lease, subscription: StoredSubscription, at: datetime) -> StoredSubscription:
        """Insert (``id`` None) or replace; return it with its id. ``(provider, remote_id)`` is unique: an insert or
        replacement takes the place of another one of that name.

        Raises:
            UnknownCalendar: its calendar is not in the store.
        """

    def load_subscriptions(self, calendar_id: CalendarId | None = None) -> list[StoredSubscription]:
        """All subscriptions, or one calendar's, unconfirmed ones included. By id."""

    def find_subscriptions(self, provider: str, remote_ids: Collection[str]) -> Mapping[str, StoredSubscription]:
        """Those of a provider with these ids, by id. What strangers send is looked up here: any length, any text."""

    def delete_subscription(self, lease: Lease, subscription_id: int, at: datetime) -> None:
        """Forget it. Unknown: nothing happens."""

    def load_watches(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, Watch]:
        """What is known of these calendars' push; those that have no Watch are left out."""

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
        """Insert or replace it, all but ``pushed_at``, which only ``save_notifications`` changes, and ``called``.
        ``state`` is what ``load_vitals`` counts. The lease is the calendar's. ``answered`` is the number of the call
        that whoever saves has answered: if it is still the last one, there is none any more.

        Raises:
            UnknownCalendar: the calendar is not in the store.
        """

    def call_for_checks(self, calendar_ids: Collection[CalendarId]) -> None:
        """Have these calendars read, if they are enabled, and their subscriptions looked after: give each one's
        ``Watch.called`` a number that it did not have, without a lease; a calendar that has no Watch gets a fresh one.
        Whoever is at work on a calendar saves its Watch without having heard this call: it stays. Unknown calendars are
        left out.
        """


@runtime_checkable
class InboxStore(Protocol):
    """Change notifications that came in. The lease that fences their processing is ``inbox:{owner}``."""

    def save_notifications(self, notifications: Sequence[Notification]) -> int:
        """Insert those that are new, in one transaction, durable when this returns (I-28), and set each calendar's
        ``Watch.pushed_at`` to the latest ``received_at`` if that is later, doubled ones included; a calendar without a
        Watch gets none by this, and its first one knows of the push. Returns how many were new.

        One whose ``(subscription_id, message)`` is there already, or earlier in the list, is the same one come twice; a
        message of None is always new. Those of unknown calendars are left out.
        """

    def load_notified(self, at: datetime, owner: str | None = None) -> list[CalendarId]:
        """Calendars, one owner's if given, with a notification that can be claimed now: PENDING or RETRYING and due, or
        PROCESSING.
        """

    def load_notified_owners(self, at: datetime) -> list[str]:
        """Whose calendars these are, sorted: asked again and again, and so in one look however many there are."""

    def claim_notifications(self, lease: Lease, calendar_id: CalendarId, at: datetime) -> list[Notification]:
        """Mark every PENDING, RETRYING and PROCESSING notification of the calendar, due or not, as PROCESSING, and
        return them by id; none for an unknown calendar. One that is PROCESSING already was left by a worker that died,
        since the lease is ours.
        """

    def settle_notifications(self, lease: Lease, notifications: Sequence[Notification], at: datetime) -> None:
        """Replace these, by id. An unknown id is ignored."""

    def load_notifications(self, calendar_id: CalendarId | None = None, limit: int = 50) -> list[Notification]:
        """Newest first."""


@runtime_checkable
class NoticeStore(Protocol):
    """Notices on their way to the host, until it has taken them. Whoever delivers holds the lease ``notices``."""

    def save_notice(self, notice: Notice) -> None:
        """Append it, due at once; durable when this returns. Its ``detail`` is what JSON can say."""

    def load_notices(self, owner: str | None = None, limit: int = 100, *, after: int = 0) -> list[StoredNotice]:
        """Those not taken yet, oldest first, due or not; those that came after the one of that id."""

    def put_off_notice(self, notice_id: int, attempts: int, due_at: datetime) -> None:
        """The host's notifier raised. Unknown: nothing happens."""

    def delete_notices(self, notice_ids: Collection[int]) -> None:
        """They were taken. Unknown: nothing happens."""
