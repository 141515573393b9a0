"""Push: what a provider promised, what came in, and how far it can be relied on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from calsync_core.models.accounts import CalendarId
from calsync_core.models.notices import Notice
from calsync_core.models.reports import SyncFailure, plain

__all__ = [
    "InboxReport",
    "Notification",
    "NotificationStatus",
    "PushKind",
    "PushReceipt",
    "PushState",
    "StoredNotice",
    "StoredSubscription",
    "SubscriptionReport",
    "Watch",
]


class PushKind(StrEnum):
    """What a push says. None of them carries data: a push only marks a calendar dirty."""

    CREATED = "created"
    """The subscription itself begins (Google's ``sync``)."""
    CHANGED = "changed"
    MISSED = "missed"
    """Pushes were lost: read what they told of (Graph's ``missed``, I-31)."""
    ENDED = "ended"
    """The subscription or its calendar is gone: make a new one (``subscriptionRemoved``, ``not_exists``)."""
    REAUTHORIZE = "reauthorize"
    """Renew the subscription with a fresh credential soon (``reauthorizationRequired``)."""


class PushState(StrEnum):
    """How far a calendar's push can be relied on."""

    NONE = "none"
    """No subscription yet, or none wanted: no webhook address, or a provider that can't push."""
    ACTIVE = "active"
    FAILING = "failing"
    """Three failures in a row, or no live subscription after a failure: polling has taken over."""
    SUSPENDED = "suspended"
    """Ten failures in a row: polling, and a slow probe."""
    UNSUPPORTED = "unsupported"
    """The provider refuses push for this calendar: remembered, and asked again after a month (I-30)."""


class NotificationStatus(StrEnum):
    """How far a stored notification has come."""

    PENDING = "pending"
    PROCESSING = "processing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"


@frozen
class StoredSubscription:
    """A provider's promise to push, with what proves that a push belongs to it.

    Attributes:
        remote_id: The provider's id of it; until ``confirmed``, the one we proposed.
        secret_hash: SHA-256 of the secret, in hexadecimal; the secret itself is kept nowhere (I-26).
        url: Where it pushes to.
        expires_at: As the provider said; until ``confirmed``, when to stop waiting for its answer.
        resource: The provider's name of what is watched; None until it told.
        confirmed: The provider has answered. A push may come before that (I-29).
        renewed_at: When it was last created or prolonged.
        id: Given by the store.
    """

    calendar_id: CalendarId
    provider: str
    remote_id: str
    secret_hash: str = field(repr=False)
    url: str
    created_at: datetime
    expires_at: datetime
    resource: str | None = None
    confirmed: bool = False
    renewed_at: datetime | None = None
    id: int | None = None


@frozen
class Notification:
    """One inbound change notification, authenticated, in the inbox.

    Attributes:
        subscription_id: ``StoredSubscription.id``.
        due_at: Not to be processed before; every other one of the calendar is then processed with it.
        message: The provider's name of the message: a second one of a subscription is the same, come twice.
        item: ``Item.key`` of what changed, if the push says.
        etag: Its revision, if the push says.
        attempts: Failed ones so far.
        seconds: How long its processing took.
        error: Kind of the last failure.
        id: Given by the store.
    """

    calendar_id: CalendarId
    subscription_id: int
    kind: PushKind
    received_at: datetime
    due_at: datetime
    message: str | None = None
    item: str | None = None
    etag: str | None = None
    status: NotificationStatus = NotificationStatus.PENDING
    attempts: int = 0
    finished_at: datetime | None = None
    seconds: float | None = None
    error: str | None = None
    id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))


@frozen
class Watch:
    """What is known of one calendar's push, and when the calendar is to be looked at next. See ``core.watching``.

    Attributes:
        pushed_at: Last authentic push; kept by the inbox, so saving a Watch never changes it.
        read_at: Last complete read, whatever woke it.
        interval: Seconds until the next read without a push, at the most: the stated worst-case staleness.
        due_at: When that read is due; None: never (switched off).
        check_at: When the subscription is to be looked after; None: nothing to look after.
        called: Number of the last call for a look, until it is answered; like ``pushed_at``, saving never changes it.
        written_at: Our last write to the calendar.
        unechoed_since: Our first write that no push has followed.
        doubted_at: When a read found a change that no push had announced.
        proven_at: When a push last proved that push works, as far as ``failures`` know.
        subscribed_at: When the live subscription began; None: there is none.
        expires_at: When it ends.
        failures: Failed attempts to subscribe, and confirmed doubts, in a row.
        failed_at: When the last one happened.
        last_error: Its kind.
        unsupported_at: When the provider said that this calendar can't push.
        told: The state the host was last told of, so that each change is told once.
    """

    pushed_at: datetime | None = None
    read_at: datetime | None = None
    interval: float = 0.0
    due_at: datetime | None = None
    check_at: datetime | None = None
    called: int | None = None
    written_at: datetime | None = None
    unechoed_since: datetime | None = None
    doubted_at: datetime | None = None
    proven_at: datetime | None = None
    subscribed_at: datetime | None = None
    expires_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    last_error: str | None = None
    unsupported_at: datetime | None = None
    told: PushState = PushState.NONE


@frozen
class StoredNotice:
    """A notice that the host has not taken yet.

    Attributes:
        attempts: How often its notifier raised.
        due_at: Not to be offered before.
    """

    id: int
    notice: Notice
    due_at: datetime
    attempts: int = 0


@frozen
class PushReceipt:
    """What became of one request to the webhook endpoint.

    Attributes:
        reply: Text that the provider waits for, where it asked for an echo; nothing else was done then.
        accepted: Notifications stored, durably.
        doubled: Notifications that had come before.
        dropped: Pushes of unknown subscriptions or with a wrong secret: they changed nothing (I-26).
        calendars: What the stored ones tell of.
    """

    reply: str | None = field(default=None, repr=False)
    accepted: int = 0
    doubled: int = 0
    dropped: int = 0
    calendars: tuple[CalendarId, ...] = ()


@frozen
class InboxReport:
    """What one pass over the inbox did.

    Attributes:
        calendars: Calendars whose notifications were processed.
        completed: Notifications that are done with.
        retrying: Notifications that will be tried again.
        failed: Notifications given up; their calendars are polled.
        runs: Ids of the recorded syncs.
        echoes: Calendars whose pushes told of nothing but our own writes.
    """

    calendars: int = 0
    completed: int = 0
    retrying: int = 0
    failed: int = 0
    echoes: int = 0
    runs: tuple[int, ...] = ()
    errors: tuple[SyncFailure, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.errors

    @property
    def summary(self) -> str:
        """For a person, in a line."""
        return (
            f"{self.calendars} calendars · {self.completed} notifications done with · {self.retrying} to be tried "
            f"again · {self.failed} given up"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "ok": self.ok}


@frozen
class SubscriptionReport:
    """What looking after subscriptions did.

    Attributes:
        checked: Calendars looked at.
        created: New subscriptions, replacements included.
        renewed: Subscriptions prolonged.
        ended: Subscriptions given back.
        unsupported: Calendars that turned out to be unable to push.
        calendars: Calendars whose subscription is new: what changed before it began must be read.
    """

    checked: int = 0
    created: int = 0
    renewed: int = 0
    ended: int = 0
    unsupported: int = 0
    calendars: tuple[CalendarId, ...] = ()
    errors: tuple[SyncFailure, ...] = ()
    api_calls: int = 0

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.errors

    @property
    def summary(self) -> str:
        """For a person, in a line."""
        return (
            f"{self.checked} calendars looked at · {self.created} subscriptions made · {self.renewed} renewed · "
            f"{self.ended} ended · {self.api_calls} requests"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "ok": self.ok}
