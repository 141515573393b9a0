"""What the host gets to see: reports, audits, explanations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, fields, frozen, has

from calsync_core.models.accounts import CalendarId

__all__ = [
    "AuditFinding",
    "AuditReport",
    "BusyTime",
    "CalendarExplanation",
    "CalendarHealth",
    "Explanation",
    "HealthReport",
    "HeldDeletion",
    "Metrics",
    "Progress",
    "PurgeReport",
    "SyncFailure",
    "SyncReport",
    "SyncType",
    "Vitals",
]


def plain(value: Any) -> Any:
    """A value of this package as JSON has it: dictionaries, lists, strings, numbers; instants in ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if has(type(value)):
        return {each.name: plain(getattr(value, each.name)) for each in fields(type(value))}
    return value


class SyncType(StrEnum):
    """What woke a sync."""

    WEBHOOK = "webhook"
    POLLING = "polling"
    FULL = "full"


@frozen
class SyncFailure:
    """One account or calendar that failed while the rest went on.

    Attributes:
        account: The account's name.
        calendar: The calendar's name; None if the whole account failed.
        kind: Class name of the error.
    """

    account: str
    calendar: str | None
    kind: str
    message: str


@frozen
class SyncReport:
    """One recorded sync (a run).

    Attributes:
        api_calls: HTTP requests sent to providers.
        time_window: The horizon that was planned, as two ISO 8601 instants in UTC.
        held: Deletions held by the guard after this run.
        reading_calls: Those of ``api_calls`` that read; writes cost the same whatever woke them.
        calendars_read: How many calendars were read.
        calendars_changed: On how many of them an event of their own had changed.
        webhook_triggered: A push woke it.
        polling_fallback: Calendars read because push is missing, silent or failing.
        echo: A push woke it that told of nothing but our own writes; counted apart from the webhook share.
        notified_at: When the first of the pushes came that woke it; with ``finished_at``, its latency.
        id: Given by the store.
    """

    sync_type: SyncType
    started_at: datetime
    finished_at: datetime | None = None
    owner: str | None = None
    calendars: tuple[CalendarId, ...] = ()
    calendars_processed: int = 0
    events_processed: int = 0
    events_created: int = 0
    events_updated: int = 0
    events_deleted: int = 0
    busy_blocks_created: int = 0
    busy_blocks_updated: int = 0
    busy_blocks_deleted: int = 0
    webhook_triggered: bool = False
    polling_fallback: bool = False
    echo: bool = False
    notified_at: datetime | None = None
    api_calls: int = 0
    reading_calls: int = 0
    calendars_read: int = 0
    calendars_changed: int = 0
    time_window: tuple[str, str] | None = None
    held: int = 0
    errors: tuple[SyncFailure, ...] = ()
    id: int | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed; a held deletion is not a failure."""
        return not self.errors

    @property
    def writes(self) -> int:
        """Blocks created, updated and deleted."""
        return self.busy_blocks_created + self.busy_blocks_updated + self.busy_blocks_deleted

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "ok": self.ok}


@frozen
class AuditFinding:
    """One difference between what should be and what a fresh listing shows.

    Attributes:
        kind: ``missing``, ``extra``, ``wrong``; or the exception that excuses it: ``held``, ``pinned``,
            ``respected``, ``parked``, ``released``.
        block: ``Block.ref``, or the native id of a block nobody recorded.
    """

    kind: str
    calendar: CalendarId
    block: str
    start: str
    detail: str = ""


@frozen
class AuditReport:
    """Every calendar listed afresh and compared with what the rules want."""

    missing: int = 0
    extra: int = 0
    wrong: int = 0
    excepted: int = 0
    checked: int = 0
    repaired: int = 0
    findings: tuple[AuditFinding, ...] = ()
    errors: tuple[SyncFailure, ...] = ()
    api_calls: int = 0

    @property
    def ok(self) -> bool:
        """Everything was listed, and all differences are excepted."""
        return not (self.missing or self.extra or self.wrong or self.errors)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "ok": self.ok}


@frozen
class PurgeReport:
    """What taking back our blocks achieved.

    Attributes:
        residue: What a fresh listing still shows afterwards, or where none could be had, what is known to stand there
            or may: ``calendar name: native id`` (I-43).
    """

    removed: int = 0
    residue: tuple[str, ...] = ()
    errors: tuple[SyncFailure, ...] = ()
    api_calls: int = 0

    @property
    def ok(self) -> bool:
        """Nothing of ours is left and every calendar could be listed."""
        return not (self.residue or self.errors)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**plain(self), "ok": self.ok}


@frozen
class HeldDeletion:
    """One deletion the guard holds."""

    ref: str
    owner: str
    source: CalendarId
    target: CalendarId
    start: str
    end: str
    since: datetime
    approved: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))


@frozen
class BusyTime:
    """A merged stretch of an owner's busy time, in UTC."""

    start: datetime
    end: datetime
    tentative: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))


@frozen
class CalendarExplanation:
    """Why an instant is blocked on one calendar, or not.

    Attributes:
        blocked: A block of ours, or an event of its own, covers the instant.
        because: Sentences, one per event or block that has to do with it; no titles.
    """

    calendar: CalendarId
    name: str
    blocked: bool
    because: tuple[str, ...] = ()


@frozen
class Explanation:
    """Why an instant is blocked, or not, on each of an owner's enabled calendars. From the store, no request."""

    owner: str
    instant: datetime
    calendars: tuple[CalendarExplanation, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(plain(self))


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
        calls_saved: ``polling_calls`` less ``reading_calls``.
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
        backlog: Notifications that are not done with.
        backlog_since: Since when the one of them that has been due longest has been due.
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
