"""Our side: busy blocks, the operations that write them, and what became of those."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, frozen

from calsync_core.models.accounts import CalendarId
from calsync_core.models.events import Availability, Event, Tag
from calsync_core.models.time import Span

__all__ = [
    "Block",
    "BlockContent",
    "BlockState",
    "Intent",
    "Operation",
    "OperationKind",
    "Outcome",
    "OutcomeStatus",
    "Reason",
    "Sighting",
    "Written",
]


@frozen
class BlockContent:
    """All that a block says. What is not in here never leaves the source (decision 7).

    Attributes:
        span: Timed spans in UTC; all-day spans as dates.
        title: At most 255 characters, no control characters; never logged.
        show_as: BUSY, TENTATIVE, or FREE for an all-day event mirrored as free.
    """

    span: Span
    title: str = field(repr=False)
    show_as: Availability = Availability.BUSY

    @classmethod
    def shown_by(cls, event: Event) -> BlockContent:
        """What an event says, in the form in which contents are compared."""
        return cls(event.span.in_utc(), event.title, event.availability)


class BlockState(StrEnum):
    """Where a block is in its life."""

    PENDING = "pending"
    """A create is decided; its intent is open."""
    TAKEN = "taken"
    """The create found its id in use; a read by id will say by what."""
    LIVE = "live"
    """It stands on the target, as far as we know."""
    DELETED = "deleted"
    """Tombstone: if it is ever seen again before its slot is past, it is a late write and is undone (I-50)."""
    RELEASED = "released"
    """The user made it theirs (added people, a recurrence, a conference): never written again (I-45)."""
    RESPECTED = "respected"
    """The user deleted or edited it and policy says to obey, until the source's times change."""
    PARKED = "parked"
    """Refused permanently, or repaired too often (I-47): left alone until the wanted content changes."""
    PINNED = "pinned"
    """The host dropped its held deletion: it stays until its slot is past."""


class Reason(StrEnum):
    """Why the planner wants an operation; shown by ``plan`` and ``explain``."""

    BOOKED = "booked"
    MOVED = "moved"
    RETITLED = "retitled"
    ANSWERED = "answered"
    """The source's availability or answer changed how the block shows."""
    NO_LONGER_WANTED = "no_longer_wanted"
    SWITCHED_OFF = "switched_off"
    """The host disabled a calendar, changed rules or ordered a purge: exempt from the guard."""
    USER_DELETED = "user_deleted"
    USER_EDITED = "user_edited"
    LATE_WRITE = "late_write"
    ORPHANED = "orphaned"
    ADOPTED = "adopted"
    UNDONE = "undone"
    """The host ordered that what a run wrote is taken back: goes ahead also where the owner is only observed."""

    @property
    def suspicious(self) -> bool:
        """Whether a deletion for this reason may be the sign of a source gone wrong, and not the host's order."""
        return self in {Reason.NO_LONGER_WANTED, Reason.ORPHANED}


@frozen
class Block:
    """One busy block of ours, as recorded.

    ``key`` and ``generation`` name it for life: they are in its native id. ``uid`` and ``slot`` say whose time it
    shows now; a moved series re-points blocks instead of deleting and creating them (decision 8).

    Attributes:
        key: Keyed hash of owner, UID, slot and target at birth; lower-case base32hex.
        native_id: The target's id of it, as in ``Item.key``; until the first write is answered, where the service gives
            ids itself, ``Provider.native_id``.
        source_id: The calendar whose event it shows; of several, the one whose rule comes first.
        content: What we last wrote, or are writing.
        seen: The first read-back of that content (None until then): edits are compared with this (decision 10).
        etag: Of our last write or read-back; None if the provider gave none.
        held_since: The guard holds its deletion since then.
        approved: The host approved the held deletion.
        repairs: When it was restored in the last 24 hours.
        reason: Why it is parked, released or respected.
        alias: The key under which its target shows it, if that is another than ``key`` (an older system's block).
        deleted_for: Of a tombstone: why we deleted it; None if somebody else did, or it never stood.
        changed_at: When ``content`` or ``state`` last changed; for DELETED: when it was deleted.
    """

    key: str
    generation: int
    owner: str
    source_id: CalendarId
    target_id: CalendarId
    uid: str
    slot: str
    native_id: str
    content: BlockContent
    state: BlockState = BlockState.PENDING
    seen: BlockContent | None = None
    etag: str | None = None
    held_since: datetime | None = None
    approved: bool = False
    repairs: tuple[datetime, ...] = ()
    reason: str | None = None
    alias: str | None = field(default=None, repr=False)
    deleted_for: Reason | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def ref(self) -> str:
        """Its primary key in every store: ``key.generation``."""
        return f"{self.key}.{self.generation}"


@frozen
class Sighting:
    """A block as a target calendar shows it: an event with a mark."""

    calendar_id: CalendarId
    event: Event
    etag: str | None

    @property
    def content(self) -> BlockContent:
        """What it says, comparable with ``Block.seen``."""
        return BlockContent.shown_by(self.event)


class OperationKind(StrEnum):
    """What an operation does on the target."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@frozen
class Operation:
    """One write on one target, complete: building its body needs nothing else.

    Attributes:
        ref: ``Block.ref``.
        native_id: Target's id; for a create, the one it shall get.
        content: What the block shall say; of a delete: what it said.
        tag: The private tag to write.
        etag: Precondition of an update or delete. None: the provider reads the item afresh before it writes.
        decided_at: When it was planned; goes into the body where a format needs a stamp, so that a replay is
            byte for byte the same.
        source_id: The calendar whose event the block shows.
        before: What the target showed of the block when this was planned; None: nothing, or it was planned by a
            version that did not say.
    """

    kind: OperationKind
    ref: str
    target_id: CalendarId
    native_id: str
    content: BlockContent
    tag: Tag
    reason: Reason
    decided_at: datetime
    etag: str | None = None
    source_id: CalendarId | None = None
    before: BlockContent | None = None

    @property
    def ordered(self) -> bool:
        """Whether it is written in every mode of the owner: an order of the host's, and no wish of the rules."""
        return self.reason is Reason.UNDONE


@frozen
class Intent:
    """An operation decided and stored, not yet known to have happened.

    Attributes:
        id: Given by the store, ascending.
        in_doubt: It was claimed under an earlier lease: it may have happened, so look before sending (decision 3).
        attempts: How often it was claimed.
    """

    id: int
    operation: Operation
    in_doubt: bool = False
    attempts: int = 0


class OutcomeStatus(StrEnum):
    """What became of an operation."""

    DONE = "done"
    """It is as intended now, whether by this request or an earlier one; deleting what is gone is done (I-41)."""
    TAKEN = "taken"
    """A create found its id in use."""
    CHANGED = "changed"
    """A precondition failed: somebody else wrote first. Read by id, then plan again."""
    MISSING = "missing"
    """An update found nothing. Read by id, then plan again."""
    RETRY = "retry"
    """It did not happen, or nobody knows; try again after ``retry_after``."""
    REJECTED = "rejected"
    """The same request will never succeed; the block is parked with the reason."""


@frozen
class Outcome:
    """What became of one intent.

    Attributes:
        etag: The item's new revision tag, if the provider told.
        seen: What the provider answered that it stored; None if it did not say.
        native_id: Where it stands, if not where the operation said: of DONE, and of TAKEN and CHANGED as far as the
            provider knows.
        retry_after: Seconds, for RETRY.
        message: For RETRY and REJECTED: why, without titles or secrets.
    """

    intent_id: int
    status: OutcomeStatus
    etag: str | None = None
    seen: BlockContent | None = None
    native_id: str | None = None
    retry_after: float | None = None
    message: str | None = None


@frozen
class Written:
    """One write that a run made, as it is remembered to be undone.

    Attributes:
        ref: ``Block.ref``.
        before: What the target showed before; None for a create, or where an older version planned it.
        after: What was sent; None for a delete.
        seen: What the provider answered that it stored; None if it did not say.
    """

    kind: OperationKind
    ref: str
    target_id: CalendarId
    before: BlockContent | None = None
    after: BlockContent | None = None
    seen: BlockContent | None = None

    @classmethod
    def by(cls, operation: Operation, outcome: Outcome) -> Written:
        """What an operation that is done has written."""
        deleted = operation.kind is OperationKind.DELETE
        return cls(
            kind=operation.kind,
            ref=operation.ref,
            target_id=operation.target_id,
            before=operation.before or (operation.content if deleted else None),
            after=None if deleted else operation.content,
            seen=None if deleted else outcome.seen,
        )


def tombstone(block: Block, at: datetime, deleted_for: Reason | None = None) -> Block:
    """The block as remembered after its deletion, by us for this reason or else by somebody."""
    gone = evolve(block, state=BlockState.DELETED, held_since=None, approved=False, seen=None, etag=None)
    return evolve(gone, deleted_for=deleted_for, changed_at=at)
