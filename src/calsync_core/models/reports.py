"""What the host gets to see of its calls: reports, audits, explanations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import fields, frozen, has

from calsync_core.errors import InvalidValue
from calsync_core.models.accounts import CalendarId
from calsync_core.models.observing import Observation

__all__ = [
    "AuditFinding",
    "AuditReport",
    "BusyTime",
    "CalendarExplanation",
    "Explanation",
    "HeldDeletion",
    "LeftBlock",
    "PurgeReport",
    "SyncFailure",
    "SyncReport",
    "SyncType",
    "UndoReport",
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
        finished_at: None: it is under way and has begun to write, or it ended with its process.
        observed: What it would have written for owners who are only observed; None: it planned for no such owner.
        undoes: The run that this one took back, by ``engine.undo``.
        stopped: The engine was told to stop before it was done; a later sync of a new engine goes on.
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
    observed: Observation | None = None
    undoes: int | None = None
    stopped: bool = False
    errors: tuple[SyncFailure, ...] = ()
    id: int | None = None

    @property
    def key(self) -> int:
        """The id of a recorded run. Raises InvalidValue if it was not recorded."""
        if self.id is None:
            raise InvalidValue("id: this run was not recorded")
        return self.id

    @property
    def ok(self) -> bool:
        """It was done, and nothing failed; a held deletion is not a failure."""
        return not (self.errors or self.stopped)

    @property
    def writes(self) -> int:
        """Blocks created, updated and deleted."""
        return self.busy_blocks_created + self.busy_blocks_updated + self.busy_blocks_deleted

    @property
    def summary(self) -> str:
        """For a person, in a line."""
        seconds = (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0
        nothing = "Nothing to write" if self.observed is None else "Nothing written"
        changed = f"{self.writes} blocks written" if self.writes else nothing
        told = f"{changed} · {self.calendars_processed} calendars · {self.api_calls} requests · {seconds:.1f} s"
        return f"Stopped before it was done · {told}" if self.stopped else told

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
    """Every calendar listed afresh and compared with what the rules want.

    Attributes:
        stopped: The engine was told to stop before everything was listed: what is found then says little.
    """

    missing: int = 0
    extra: int = 0
    wrong: int = 0
    excepted: int = 0
    checked: int = 0
    repaired: int = 0
    stopped: bool = False
    findings: tuple[AuditFinding, ...] = ()
    errors: tuple[SyncFailure, ...] = ()
    api_calls: int = 0

    @property
    def ok(self) -> bool:
        """Everything was listed, and all differences are excepted."""
        return not (self.missing or self.extra or self.wrong or self.errors or self.stopped)

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
class LeftBlock:
    """A block that an undo left as it is.

    Attributes:
        block: ``Block.ref``.
        why: ``changed``: it is no longer as the run left it; ``taken``: somebody added people, a recurrence or a
            conference; ``replaced``: another block stands for it; ``in doubt``: whether a write or a deletion happened
            is not known yet, try again; ``out of reach``: the calendar's login turned out to be somebody else's, or
            this engine does not have its provider; ``unknown``: what stood there before, or its record, is not known
            any more.
    """

    block: str
    calendar: CalendarId
    why: str


@frozen
class UndoReport:
    """What taking back one run's writes achieved.

    Attributes:
        undone: The run that was taken back.
        run: The recorded run that did it, to be undone like any other; None: nothing had to be written.
        deleted: Blocks that the run had created, and are gone.
        reverted: Blocks that the run had updated, and say again what they said before.
        remade: Blocks that the run had deleted, and stand again.
        already: Blocks that were as before the run already.
        left: Blocks that were not touched, and why.
        waiting: Decided and not yet written: the next sync goes on, or another call.
        observed: Owners who are only observed from now on, since the next sync would write the same again.
    """

    undone: int
    run: int | None = None
    deleted: int = 0
    reverted: int = 0
    remade: int = 0
    already: int = 0
    left: tuple[LeftBlock, ...] = ()
    waiting: int = 0
    observed: tuple[str, ...] = ()
    errors: tuple[SyncFailure, ...] = ()
    api_calls: int = 0

    @property
    def ok(self) -> bool:
        """Nothing failed or waits; a block that was left because somebody changed it is no failure."""
        return not (self.errors or self.waiting)

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
