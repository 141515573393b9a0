"""What the host is told without having asked."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from calsync_core.models.accounts import AccountId, CalendarId
from calsync_core.models.reports import plain

__all__ = ["Notice", "NoticeKind"]


class NoticeKind(StrEnum):
    """What the host may want to know."""

    SYNC_FINISHED = "sync_finished"
    SYNC_FAILED = "sync_failed"
    REAUTHORIZATION_NEEDED = "reauthorization_needed"
    IDENTITY_CHANGED = "identity_changed"
    DELETIONS_HELD = "deletions_held"
    BLOCK_RESTORED = "block_restored"
    BLOCK_RELEASED = "block_released"
    BLOCK_PARKED = "block_parked"
    TARGET_READ_ONLY = "target_read_only"
    CALENDAR_VANISHED = "calendar_vanished"
    CALENDAR_RECOVERED = "calendar_recovered"
    PUSH_DEGRADED = "push_degraded"
    """Push fails again and again for a calendar: polling has taken over, and repair goes on."""
    PUSH_SUSPENDED = "push_suspended"
    """Push is given up for a calendar but for a slow probe."""
    PUSH_RECOVERED = "push_recovered"
    NOTIFICATIONS_FAILED = "notifications_failed"
    """Notifications of a calendar could not be processed in four attempts; it is polled."""
    AUDIT_FAILED = "audit_failed"
    """A scheduled audit found something missing, extra or wrong; it was put right as far as it could be."""


@frozen
class Notice:
    """One outbound message to the host. Ids yes, titles never.

    Attributes:
        at: When it came to be.
        id: Given by the store when the notice is delivered, and the same each time it is offered again: what a receiver
            knows a repetition by.
    """

    kind: NoticeKind
    owner: str
    at: datetime
    account: AccountId | None = None
    calendar: CalendarId | None = None
    detail: dict[str, Any] = field(factory=dict)
    id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))
