"""What a provider tells us: events, items, pages of changes, cursors."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from calsync_core.errors import InvalidValue
from calsync_core.models.time import Moment, Span, Window, slot_of

__all__ = [
    "Availability",
    "ChangePage",
    "Cursor",
    "Event",
    "EventKind",
    "Item",
    "KnownItem",
    "Lookup",
    "Mark",
    "Response",
    "Tag",
    "Unreadable",
]


class Availability(StrEnum):
    """What an event does to its owner's time."""

    BUSY = "busy"
    TENTATIVE = "tentative"
    FREE = "free"


class Response(StrEnum):
    """The login's own answer to the invitation."""

    NONE = "none"
    """Not an invitation, or the login is the organiser."""
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    NEEDS_ACTION = "needs_action"
    DECLINED = "declined"


class EventKind(StrEnum):
    """Events that are not meetings (Google's ``eventType``)."""

    DEFAULT = "default"
    WORKING_LOCATION = "working_location"
    BIRTHDAY = "birthday"


@frozen
class Tag:
    """The private tag of one of our blocks: keyed hashes, so that it tells a stranger nothing.

    Attributes:
        installation: Which installation wrote the block.
        owner: For which owner.
        source: From which calendar.
    """

    installation: str
    owner: str
    source: str


@frozen
class Mark:
    """What makes an event a busy block: the public constant in its native id, or the whole textual tag.

    An event with a mark is never mirrored, whoever's it is (decision 5, I-15) — except a textual mark whose address
    and calendar aren't the owner's, which is an ordinary event (I-17).

    Attributes:
        key: The block key that the native id carries. For a textual mark: ``EMAIL:CALENDAR:EVENT``.
        generation: Of the native id; 0 for a textual mark.
        tag: The private tag, if it is still there and was made for this very key.
        textual: Recognised by a ``CalSync [source:…]`` line and not by the native id.
        shows_tag: False where a listing never shows tags (Graph's delta): then what is known of it stays (I-14).
    """

    key: str
    generation: int = 0
    tag: Tag | None = None
    textual: bool = False
    shows_tag: bool = True


@frozen
class Event:
    """One event of theirs, normalised; also one of our blocks as a provider shows it (then ``mark`` is set).

    A series is a master (``recurrence`` set) and its exceptions (``series`` and ``original_start`` set). A provider
    that hands out single occurrences instead of rules gives each as an exception and no master.

    Attributes:
        id: The provider's id, unique within the calendar. CalDAV: the resource's href, for an exception followed by
            ``#`` and its RECURRENCE-ID.
        uid: iCalendar UID; the same for a master and its exceptions, and for the copies of one meeting on several
            calendars. None where the provider has none.
        span: When. For a master, its first occurrence, in the zone in which the rule is expanded.
        series: The id of the master this is an exception of.
        original_start: Of an exception: which occurrence it replaces, or cancels.
        and_future: Of an exception: RFC 5545 RANGE=THISANDFUTURE.
        recurrence: Of a master: RFC 5545 lines ``RRULE:…``, ``RDATE…:…``, ``EXRULE:…``, ``EXDATE…:…`` as the provider
            gave them, unfolded, without DTSTART. TZIDs in them are IANA names.
        cancelled: STATUS:CANCELLED; of an exception: this occurrence does not take place.
        availability: FREE for transparent, TENTATIVE for STATUS:TENTATIVE.
        response: The login's own answer.
        private: Private or confidential: its title never leaves the source.
        title: The source's title; never logged.
        mark: Set if it is a busy block.
        adorned: Of a block: somebody added people, a recurrence or a conference (I-45).
        parked: Why it can't be placed in time (unknown zone, absurd length): it blocks nothing, once, with a reason.
    """

    id: str
    uid: str | None
    span: Span
    series: str | None = None
    original_start: Moment | None = None
    and_future: bool = False
    recurrence: tuple[str, ...] = ()
    cancelled: bool = False
    availability: Availability = Availability.BUSY
    response: Response = Response.NONE
    kind: EventKind = EventKind.DEFAULT
    private: bool = False
    title: str = field(default="", repr=False)
    mark: Mark | None = None
    adorned: bool = False
    parked: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.series is None) != (self.original_start is None):
            raise InvalidValue("original_start: an exception needs both its series and its original start")

    @property
    def identity(self) -> str:
        """What its copies on other calendars share: the UID, or the provider's id where there is none."""
        return self.uid if self.uid else f"id:{self.series or self.id}"

    @property
    def slot(self) -> str:
        """Which occurrence of its series it replaces; empty for a single event or a master."""
        return "" if self.original_start is None else slot_of(self.original_start)


@frozen
class Item:
    """The smallest thing a provider delivers whole, and the store replaces whole.

    CalDAV: a resource with a master and its exceptions. Google: one event. Graph: one event, or all instances of a
    series inside the window.

    Attributes:
        key: The provider's id of the item; stable.
        events: Everything in it that we understand; empty for a to-do or a note. All are replaced together.
        etag: The provider's revision tag, for preconditions; compared for equality only.
        version: When the provider last changed it, if it says: the newest wins over replays (I-14). None: last wins.
        series: The item belongs to a series delivered in several items: the key of the master's item. Removing that
            item removes this one.
    """

    key: str
    events: tuple[Event, ...]
    etag: str | None = None
    version: datetime | None = None
    series: str | None = None


@frozen
class Unreadable:
    """An item that is there but can't be read or parsed: it counts as present and becomes a debt (I-07)."""

    key: str
    reason: str
    etag: str | None = None


@frozen
class Cursor:
    """Where the last complete read ended.

    Attributes:
        value: Opaque: sync token, delta link, CalDAV sync-token. Never logged.
        shape: The exact request that made it (parameters, window, format version): another shape needs a snapshot.
    """

    value: str = field(repr=False)
    shape: str


@frozen
class ChangePage:
    """One page of a read. Pages may be empty; only the last carries a cursor.

    Attributes:
        items: New or changed items.
        present: Keys known to exist unchanged (their etag is the one the store has).
        removed: Keys that the provider says are gone. A key that was never known is harmless.
        unreadable: Items that exist but could not be read.
        snapshot: The pages of this read list everything there is inside ``covers``, so that absence means something.
            The same on every page of one read.
        covers: Of a snapshot: the window it covered; None: the whole calendar.
        cursor: Only on the last page, also if that page is empty.
    """

    items: tuple[Item, ...] = ()
    present: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    snapshot: bool = False
    covers: Window | None = None
    cursor: Cursor | None = None


@frozen
class KnownItem:
    """What the store knows of an item, handed to a provider that can save requests by it.

    Attributes:
        ours: It is a block that we wrote and that the store has recorded.
        written_at: Of ours: when we last wrote it.
        identity: ``Event.identity`` of its first event; None if it has none. Google tells of a cancelled occurrence no
            more than its series' id, and this is what its other occurrences go by.
        marked: Its first event has a mark, so it is or was somebody's busy block.
    """

    key: str
    etag: str | None
    ours: bool = False
    written_at: datetime | None = None
    identity: str | None = None
    marked: bool = False


@frozen
class Lookup:
    """The answer to a read by id. Every key asked for is in exactly one of the three."""

    items: tuple[Item, ...] = ()
    gone: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
