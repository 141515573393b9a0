"""What the host gets to see of how things stand: health, metrics, vitals, progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import field, frozen

from calsync_core.models.accounts import CalendarId, Mode
from calsync_core.models.reports import SyncType, plain

__all__ = ["CalendarHealth", "HealthReport", "Metrics", "Progress", "Vitals"]


@frozen
class CalendarHealth:
    """One calendar's state, from the store.

    Attributes:
        state: ``ok``; ``unread`` (never completely), ``resyncing`` (its cursor was lost, I-10), ``failing``, or what
            the account or calendar status says (``paused``, ``auth_expired``, ``read_only``, ``vanished`` …).
        way: What keeps it up to date now: ``webhook`` or ``polling``.
        push: How far its push can be relied on.
        push_expires_at: When its subscription ends; None: it has none.
        pushed_at: When the last push came.
        next_read_at: When it is read without a push.
        worst_staleness: Seconds that a change could stay unnoticed if every push about it were lost; None: unread.
        staleness: Seconds since the last complete read; None if there was none.
        debts: Items that could not be read and are owed.
        blocks: Live blocks of ours on it.
        mode: Whether its owner is written for, or only observed.
    """

    calendar: CalendarId
    name: str
    account: str
    owner: str
    provider: str
    publish: bool
    receive: bool
    state: str
    way: SyncType = SyncType.POLLING
    push: str = "none"
    push_expires_at: datetime | None = None
    pushed_at: datetime | None = None
    next_read_at: datetime | None = None
    worst_staleness: float | None = None
    read_at: datetime | None = None
    staleness: float | None = None
    failures: int = 0
    last_error: str | None = None
    debts: int = 0
    blocks: int = 0
    mode: Mode = Mode.WRITE


@frozen
class HealthReport:
    """All enabled calendars' states, and what waits for the host."""

    calendars: tuple[CalendarHealth, ...] = ()
    held: int = 0
    open_intents: int = 0

    @property
    def healthy(self) -> bool:
        """Every calendar is ``ok``."""
        return all(calendar.state == "ok" for calendar in self.calendars)

    @property
    def status(self) -> str:
        """``healthy``; ``degraded``: a calendar is not ok, or its push fails; ``unhealthy``: none is ok."""
        if self.calendars and all(calendar.state != "ok" for calendar in self.calendars):
            return "unhealthy"
        troubled = any(calendar.push in {"failing", "suspended"} for calendar in self.calendars)
        return "healthy" if self.healthy and not troubled else "degraded"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "healthy": self.healthy, "status": self.status}


@frozen
class Metrics:
    """What the recorded runs of the last hours add up to.

    Attributes:
        by_type: Runs per ``sync_type``.
        reads: Calendars read, by what woke the read: ``webhook``, ``polling``, ``full``; and ``echo``, those that were
            woken by a push about our own writes alone.
        news: Those of the reads that found an event changed, by what woke them.
        webhook_share: Share of the news that a push brought, 0 to 1; None without news. Reads that found nothing, for
            safety's sake or as echoes, brought none to anybody.
        latency: Seconds from a push to the last block written because of it, as ``p50``, ``p95`` and ``p99``; empty if
            no push led to a write.
        api_calls: HTTP requests sent.
        reading_calls: Those of them that read, echoes included.
        polling_calls: What reading every enabled calendar each 15 minutes would have cost, at one request a read.
        calls_saved: ``polling_calls`` less ``reading_calls``, or 0: a first read of everything costs more.
        success_rate: Share of runs without errors, 0 to 1; None without runs.
        complete: False: there were more runs than are counted here.
    """

    hours: float
    runs: int = 0
    by_type: dict[str, int] = field(factory=dict)
    reads: dict[str, int] = field(factory=dict)
    news: dict[str, int] = field(factory=dict)
    webhook_share: float | None = None
    latency: dict[str, float] = field(factory=dict)
    api_calls: int = 0
    reading_calls: int = 0
    polling_calls: int = 0
    calls_saved: int = 0
    blocks_written: int = 0
    events_processed: int = 0
    failed_runs: int = 0
    success_rate: float | None = None
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))


@frozen
class Progress:
    """How far a long piece of work is.

    Attributes:
        step: ``read``, ``plan`` or ``apply``.
        subject: The calendar's or owner's name.
        done: Items read or operations written so far.
        total: How many there will be; None while unknown.
        finished: This step on this subject is over.
    """

    step: str
    subject: str
    done: int = 0
    total: int | None = None
    finished: bool = False


@frozen
class Vitals:
    """Whether an installation is alive, in numbers: no name of an owner, account or calendar, and no request.

    Attributes:
        calendars: Enabled ones.
        failing: Enabled calendars whose last read failed, or whose account is refused.
        push: Enabled calendars by the state of their push, as last saved.
        backlog: Notifications that are not done with, also those that wait on purpose: for more echoes, or to be tried
            again.
        backlog_since: Since when the one of them that has been due longest has been due; for who asks the engine, None
            if none is due yet.
        notices: Notices that the host has not taken yet.
        open_intents: Writes decided and not yet known to have happened.
        held: Deletions that the guard holds.
    """

    calendars: int = 0
    failing: int = 0
    push: dict[str, int] = field(factory=dict)
    backlog: int = 0
    backlog_since: datetime | None = None
    notices: int = 0
    open_intents: int = 0
    held: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))
