"""What the engine hands to a store and gets back from it."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from calsync_core.models.accounts import Account, Calendar, CalendarId, Mode
from calsync_core.models.events import Cursor, Event, Item
from calsync_core.models.push import Watch

__all__ = ["ChangeCount", "Changes", "Debt", "Due", "Lease", "ReadState", "Standing", "StoredEvent"]


@frozen
class Lease:
    """The right to work on one thing (``calendar:5``, ``owner:ana``) until it expires.

    Attributes:
        token: Grows with every acquisition of this name. A store write made under an older token, or after expiry,
            is refused with LeaseLost: that is the fence.
    """

    name: str
    holder: str
    token: int
    expires_at: datetime


@frozen
class Debt:
    """An item that must be read by id before anything is concluded from its silence (I-07, I-47).

    Attributes:
        key: ``Item.key``.
        reason: ``unreadable: …``, ``missing``, ``conflict`` …; no titles.
        since: When it was first owed.
        due_at: Not before.
        attempts: Reads by id that did not settle it.
    """

    key: str
    reason: str
    since: datetime
    due_at: datetime
    attempts: int = 0


@frozen
class ReadState:
    """How far a calendar has been read.

    Attributes:
        cursor: None: the next read is a snapshot.
        round: Number of the last snapshot round begun; items seen in a round carry its number.
        complete: A snapshot was once committed: absence of an event here means something.
        read_at: Last committed read.
        full_at: Last committed snapshot.
        due_at: Read again not before this (dirty, retry after failure); None: by the polling timer.
        failures: Failed reads in a row.
        last_error: Kind and message of the last failure; None after a success.
        emptied: A snapshot listed no event although some were known: their blocks' deletion is held (I-07, I-08).
    """

    cursor: Cursor | None = None
    round: int = 0
    complete: bool = False
    read_at: datetime | None = None
    full_at: datetime | None = None
    due_at: datetime | None = None
    failures: int = 0
    last_error: str | None = None
    emptied: bool = False

    @property
    def resyncing(self) -> bool:
        """It was complete once and lost its cursor: a snapshot is under way (I-10)."""
        return self.complete and self.cursor is None


@frozen
class Standing:
    """An enabled calendar, and what a store knows of how it is.

    Attributes:
        watch: None: there is none yet.
        debts: Items of it that are owed.
        blocks: Live blocks of ours on it.
        mode: Its owner's.
    """

    account: Account
    calendar: Calendar
    state: ReadState = ReadState()
    watch: Watch | None = None
    debts: int = 0
    blocks: int = 0
    mode: Mode = Mode.WRITE


@frozen
class StoredEvent:
    """An event and the calendar it is stored for."""

    calendar_id: CalendarId
    event: Event


@frozen
class Changes:
    """What one page of a read changes in the store; the engine has sorted out what may be believed.

    Attributes:
        items: Upserts. An item whose ``version`` is older than the stored one is ignored.
        removed: Keys to delete, together with items whose ``series`` is such a key.
        present: Keys seen unchanged (they only get the round number).
        debts: Keys to be read by id; kept until settled. Their stored items stay and count as seen.
        settled: Keys whose debts are paid.
        round: The snapshot round these belong to; None for an incremental read.
        cursor: With the last page: committed in the same transaction as everything else.
        snapshot_done: With the last page of a snapshot: ``complete`` and ``full_at`` are set.
        at: Now.
    """

    at: datetime
    items: tuple[Item, ...] = ()
    removed: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    debts: tuple[Debt, ...] = ()
    settled: tuple[str, ...] = ()
    round: int | None = None
    cursor: Cursor | None = None
    snapshot_done: bool = False


@frozen
class ChangeCount:
    """What ``save_changes`` did to events that are not ours."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


@frozen
class Due:
    """What waits in the store, found without asking a provider (decision 19).

    Attributes:
        owners: Owners with an unacknowledged journal, an outdated plan shape, or a horizon behind.
        targets: Calendars with open intents that may be tried now.
        calendars: Enabled calendars whose ``ReadState.due_at`` or ``Watch.due_at`` has come, that have debts due, that
            have no Watch yet, or at which somebody called for a look.
        checks: Calendars whose ``Watch.check_at`` has come, or at which somebody called for a look; disabled ones
            included.
    """

    owners: tuple[str, ...] = ()
    targets: tuple[CalendarId, ...] = ()
    calendars: tuple[CalendarId, ...] = ()
    checks: tuple[CalendarId, ...] = ()
