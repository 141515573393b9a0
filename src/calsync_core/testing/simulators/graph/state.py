"""What the simulated tenant stores: mailboxes, calendars, events, and what happened to them in which order."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from attrs import define, field, frozen

from calsync_core.protocols import Clock
from calsync_core.testing.simulators.graph.errors import GraphError, not_found
from calsync_core.testing.simulators.graph.habits import Habits
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.recurrence import Recurrence
from calsync_core.testing.simulators.graph.times import Moment

__all__ = [
    "UID_NO_DATE",
    "UID_STEM",
    "Change",
    "Entry",
    "Folder",
    "Json",
    "Mail",
    "Mailbox",
    "Share",
    "Special",
    "State",
    "Touch",
]

Json = dict[str, Any]
UID_STEM = "040000008200E00074C5B7101A82E008"
"""How every ``iCalUId`` begins that Outlook made itself; eight digits for an instance's date follow."""
UID_NO_DATE = "00000000"


@frozen
class Mail:
    """A mail that a request had Graph send to a person.

    Attributes:
        kind: ``invitation``, ``update``, ``cancellation`` or ``response``.
        to: The address.
        event: The event's immutable id in the sender's calendar.
    """

    kind: Literal["invitation", "update", "cancellation", "response"]
    to: str
    event: str


@define(eq=False)
class Special:
    """What an exception of a series has of its own."""

    start: Moment
    end: Moment
    fields: Json
    version: int = 0


@define(eq=False)
class Entry:
    """A stored single event, or a series with its exceptions.

    Attributes:
        folder: Its calendar; None: it is among the deleted items.
        moves: How often it changed folders; part of its mutable id.
        fields: The rest of what was written, by Graph's names.
        properties: Single-value extended properties, by id.
        uid: ``iCalUId``, which all copies of a meeting share; those of occurrences are made of it.
        version: The number of its last change; ``@odata.etag`` and ``changeKey`` are made of it.
        exceptions: By original start, in UTC.
        cancelled: Original starts, in UTC.
        organizer: The address of a meeting's organizer where that is somebody else.
        response: The owner's answer, ``responseStatus.response``; ``organizer`` also of what is no meeting.
        garbage: What ``corrupt`` put over the JSON, in every answer.
    """

    key: str
    mailbox: Mailbox
    folder: Folder | None
    uid: str
    start: Moment
    end: Moment
    fields: Json
    recurrence: Recurrence | None = None
    transaction_id: str | None = None
    properties: dict[str, str] = field(factory=dict)
    moves: int = 0
    created: datetime | None = None
    modified: datetime | None = None
    version: int = 0
    exceptions: dict[datetime, Special] = field(factory=dict)
    cancelled: set[datetime] = field(factory=set)
    organizer: Json | None = None
    response: str = "organizer"
    garbage: Json = field(factory=dict)

    @property
    def home(self) -> str:
        """The mailbox's zone, by name."""
        return self.mailbox.zone

    @property
    def all_day(self) -> bool:
        """Whether it covers whole days."""
        return bool(self.fields.get("isAllDay"))

    def event_id(self, *, immutable: bool, slot: datetime | None = None) -> str:
        """Its id, or that of an occurrence."""
        place = None if immutable else f"{self.folder.id[-8:] if self.folder else 'deleted'}.{self.moves}"
        return EventId(self.key, slot, place).write()


@frozen
class Touch:
    """The last change of an entry, as its calendar saw it."""

    number: int
    at: datetime
    entry: Entry
    gone: bool
    mutable_id: str


@define(eq=False)
class Folder:
    """A calendar.

    Attributes:
        touched: The last change of everything that ever was in it, by entry's key; in the order of those changes.
    """

    id: str
    mailbox: Mailbox
    name: str
    default: bool = False
    can_edit: bool = True
    group: str = "My Calendars"
    items: dict[str, Entry] = field(factory=dict)
    touched: dict[str, Touch] = field(factory=dict)


@frozen
class Share:
    """Somebody else's calendar in one's own list."""

    id: str
    folder: Folder
    can_edit: bool
    private_items: bool


@define(eq=False)
class Mailbox:
    """A user, and the calendars.

    Attributes:
        id: The user's object id.
        zone: The mailbox's time zone, by its Windows name.
        enabled: Whether there is a mailbox at all.
        transactions: The key of the event that each ``transactionId`` made; how far one reaches is not documented.
    """

    id: str
    upn: str
    mail: str
    name: str
    zone: str
    enabled: bool = True
    folders: dict[str, Folder] = field(factory=dict)
    shares: dict[str, Share] = field(factory=dict)
    groups: list[str] = field(factory=lambda: ["My Calendars"])
    transactions: dict[str, str] = field(factory=dict)

    @property
    def default(self) -> Folder:
        """The default calendar."""
        return next(folder for folder in self.folders.values() if folder.default)


@frozen
class Change:
    """Something happened to an event: what a subscription hears of."""

    kind: Literal["created", "updated", "deleted"]
    folder: Folder
    entry: Entry


class State:
    """Everything, and the counter that orders it. The caller holds the simulator's lock.

    Attributes:
        mails: What requests caused.
        listeners: Told of every change.
    """

    def __init__(self, clock: Clock, habits: Habits, dice: random.Random, tenant: str) -> None:
        self.clock = clock
        self.habits = habits
        self.dice = dice
        self.tenant = tenant
        self.mailboxes: dict[str, Mailbox] = {}
        self.entries: dict[str, Entry] = {}
        self.mails: list[Mail] = []
        self.listeners: list[Callable[[Change], None]] = []
        self.mailing = False
        self.number = 0

    def next_number(self) -> int:
        """A number greater than all before."""
        self.number += 1
        return self.number

    def guid(self) -> str:
        """A new one, the same in every run."""
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def mailbox(self, user: str) -> Mailbox:
        """By object id, user principal name or address. Raises GraphError."""
        folded = user.casefold()
        for mailbox in self.mailboxes.values():
            if folded in {mailbox.id, mailbox.upn.casefold(), mailbox.mail.casefold()}:
                return mailbox
        raise GraphError(404, "Request_ResourceNotFound", f"Resource '{user}' does not exist.")

    def folder(self, calendar: str) -> Folder:
        """By id, anywhere. Raises GraphError."""
        for mailbox in self.mailboxes.values():
            if calendar in mailbox.folders:
                return mailbox.folders[calendar]
            if calendar in mailbox.shares:
                return mailbox.shares[calendar].folder
        raise not_found()

    def add(self, entry: Entry) -> None:
        """Store a new entry."""
        self.entries[entry.key] = entry
        entry.created = self.clock.now()
        self._record(entry, "created")

    def touch(self, entry: Entry, slot: datetime | None = None) -> None:
        """Note that it, or one of its exceptions, has changed."""
        self._record(entry, "updated")
        if slot is not None and slot in entry.exceptions:
            entry.exceptions[slot].version = entry.version

    def move(self, entry: Entry, target: Folder | None) -> None:
        """Into another calendar, or to the deleted items (None)."""
        source = entry.folder
        if source is not None:
            gone = Touch(
                self.next_number(), self.clock.now(), entry, gone=True, mutable_id=entry.event_id(immutable=False)
            )
            del source.items[entry.key]
            source.touched.pop(entry.key, None)
            source.touched[entry.key] = gone
            self._tell(Change("deleted", source, entry))
        entry.folder = target
        entry.moves += 1
        if target is not None:
            self._record(entry, "created")

    def changed_since(self, folder: Folder, number: int) -> tuple[list[Touch], int]:
        """The last changes of what changed after this number, the oldest first, as far as they are visible yet.

        Returns:
            Those, and the number up to which nothing is missing.
        """
        visible = self.clock.now() - self.habits.delta_delay
        found: list[Touch] = []
        reached = self.number
        for touch in reversed(folder.touched.values()):
            if touch.number <= number:
                break
            if touch.at > visible:
                found, reached = [], touch.number - 1
            else:
                found.append(touch)
        return found[::-1], reached

    def _record(self, entry: Entry, kind: Literal["created", "updated"]) -> None:
        folder = entry.folder
        entry.version, entry.modified = self.next_number(), self.clock.now()
        if folder is None:
            return
        folder.items[entry.key] = entry
        touch = Touch(entry.version, entry.modified, entry, gone=False, mutable_id=entry.event_id(immutable=False))
        # Taken out first, so that the order is that of the last changes.
        folder.touched.pop(entry.key, None)
        folder.touched[entry.key] = touch
        self._tell(Change(kind, folder, entry))

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)
