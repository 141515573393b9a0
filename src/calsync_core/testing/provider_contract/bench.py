"""What a provider's contract test works with: the hands of the user, and shorthands around one provider."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from calsync_core.models import (
    BlockContent,
    Calendar,
    Cursor,
    Event,
    Intent,
    Item,
    Lookup,
    Operation,
    OperationKind,
    Outcome,
    Reason,
    Span,
    Tag,
    Unreadable,
    Window,
)
from calsync_core.protocols import KnownItems, Provider, PublishingProvider, ReadRequest, Session, nothing_known

__all__ = [
    "START",
    "TAG",
    "WINDOW",
    "Bench",
    "BlockHands",
    "CorruptingHands",
    "Reading",
    "RemoteHands",
    "exceptions_of",
    "meeting",
]

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""The contract's "now": a Monday, four weeks before Europe's change to summer time."""

WINDOW = Window(START - timedelta(days=1), START + timedelta(days=90))
"""The horizon of every read."""

TAG = Tag(installation="1f" * 8, owner="2e" * 8, source="3d" * 8)
"""The private tag of the contract's blocks."""


@runtime_checkable
class RemoteHands(Protocol):
    """The hands of the calendar's user: acts past the provider, as an app would, and sees what is really stored.

    It belongs to one calendar, the one of the test.
    """

    def put(self, *events: Event) -> str:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """Save what a person would: a single event, or a master with all its exceptions. Saved again, it is edited.

        Only ``uid``, ``span``, ``recurrence``, ``original_start``, ``cancelled``, ``availability``, ``private`` and
        ``title`` matter. ``id`` and ``series`` are the test's own: the service gives its ids, and ``uid`` says what
        belongs together.

        Returns:
            ``Item.key`` of the single event or master, as the provider will show it.
        """

    def remove(self, key: str) -> None:
        """Delete the item; a master takes its exceptions along. A block may be deleted so too."""

    def list_raw(self) -> Mapping[str, str]:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """By ``Item.key``, every item as the service stores it (iCalendar, JSON), as text."""


@runtime_checkable
class BlockHands(Protocol):
    """More hands, for services where a test can tamper with a block; without them those tests are skipped."""

    def copy_block(self, key: str) -> str:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """Duplicate an item with all its properties, the private tag too, as an app does; return the copy's key."""

    def strip_tag(self, key: str) -> None:
        """Lose the private tag, and keep the rest."""

    def invite(self, key: str, address: str) -> None:
        """Put a person on the event."""


@runtime_checkable
class CorruptingHands(Protocol):
    """More hands, for services that store what nobody can parse; without them those tests are skipped."""

    def put_unreadable(self) -> str:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """Store an item that can't be understood; return its key."""


@frozen
class Reading:
    """A whole read: its pages added up.

    Attributes:
        sizes: How many things each page had.
    """

    items: tuple[Item, ...]
    present: tuple[str, ...]
    removed: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    snapshot: bool
    covers: Window | None
    cursor: Cursor
    sizes: tuple[int, ...]

    @property
    def quiet(self) -> bool:
        """Nothing is reported as new, changed or gone."""
        return not (self.items or self.removed or self.unreadable)

    def tells_gone(self, key: str) -> bool:
        """Whether it says that the item is gone: it names it, or lists everything else."""
        listed = self.keys() | {*self.present} | {one.key for one in self.unreadable}
        return key in self.removed or (self.snapshot and key not in listed)

    def keys(self) -> set[str]:
        """Of all items that it shows."""
        return {item.key for item in self.items}

    def events(self, uid: str) -> list[Event]:
        """Everything with this UID, in order of time."""
        found = [event for item in self.items for event in item.events if event.uid == uid]
        return sorted(found, key=lambda event: event.span.edges(UTC))


@frozen
class Bench:
    """One provider, one login, one calendar that began empty, and its user's hands.

    Attributes:
        window: The horizon of every read.
    """

    provider: PublishingProvider
    session: Session
    calendar: Calendar
    hands: RemoteHands
    window: Window = WINDOW
    _numbers: count[int] = field(factory=lambda: count(1), repr=False)
    _places: dict[str, str] = field(factory=dict, repr=False)

    @property
    def writer(self) -> Provider:
        """The provider, to write with."""
        assert isinstance(self.provider, Provider), "this provider only publishes"
        return self.provider

    @property
    def publishes_only(self) -> bool:
        """Whether nothing can be written there."""
        return not isinstance(self.provider, Provider)

    def absent(self, number: int) -> str:
        """The key of an item that is not there."""
        return f"absent-{number}" if self.publishes_only else self.native_id(f"{number:032d}")

    def read(self, cursor: Cursor | None = None, known: KnownItems = nothing_known) -> Reading:
        """Read to the end, and check what holds of the pages of every read."""
        pages = list(self.provider.fetch_changes(self.session, ReadRequest(self.calendar, self.window, cursor, known)))
        *earlier, last = pages
        assert last.cursor is not None, "the last page has a cursor, also if it is empty"
        assert all(page.cursor is None for page in earlier), "only the last page has a cursor"
        assert len({(page.snapshot, page.covers) for page in pages}) == 1, "the pages of one read are of one kind"
        assert cursor is not None or last.snapshot, "without a cursor everything is listed"
        return Reading(
            items=tuple(item for page in pages for item in page.items),
            present=tuple(key for page in pages for key in page.present),
            removed=tuple(key for page in pages for key in page.removed),
            unreadable=tuple(one for page in pages for one in page.unreadable),
            snapshot=last.snapshot,
            covers=last.covers,
            cursor=last.cursor,
            sizes=tuple(len(page.items) + len(page.present) + len(page.removed) for page in pages),
        )

    def lookup(self, *keys: str) -> Lookup:
        """Read by id, and check that every key is answered exactly once.

        What was asked for by its name may stand under another id; then it is gone under the name.
        """
        found = self.provider.fetch_items(self.session, self.calendar, keys)
        answered = [item.key for item in found.items] + list(found.gone) + [one.key for one in found.unreadable]
        elsewhere = [item.key for item in found.items if item.key not in keys and self._names_of(item) & {*found.gone}]
        assert sorted(answered) == sorted({*keys, *elsewhere}), "every key is in one of items, gone, unreadable"
        return found

    def _names_of(self, item: Item) -> set[str]:
        marks = [event.mark for event in item.events if event.mark is not None]
        return {self.native_id(mark.key, mark.generation) for mark in marks}

    def block(self, key: str, generation: int = 0) -> Item:
        """The block with this key, read by its id."""
        found = self.lookup(self.standing(key, generation))
        assert len(found.items) == 1, f"there is no readable block {key}.{generation}"
        return found.items[0]

    def native_id(self, key: str, generation: int = 0) -> str:
        """What this block is called on the bench's calendar; its id, unless the service gives ids itself."""
        return self.writer.native_id(self.calendar, key, generation)

    def standing(self, key: str, generation: int = 0) -> str:
        """The id of this block as a store would know it: where the outcomes of its writes said, else its name."""
        name = self.native_id(key, generation)
        return self._places.get(name, name)

    def intent(
        self,
        kind: OperationKind,
        key: str,
        content: BlockContent,
        *,
        etag: str | None = None,
        in_doubt: bool = False,
    ) -> Intent:
        """An intent for generation 0 of this block, by the id that a store would know."""
        operation = Operation(
            kind=kind,
            ref=f"{key}.0",
            target_id=self.calendar.id or 0,
            native_id=self.native_id(key) if kind is OperationKind.CREATE else self.standing(key),
            content=content,
            tag=TAG,
            reason=Reason.BOOKED,
            decided_at=START,
            etag=etag,
        )
        return Intent(next(self._numbers), operation, in_doubt, attempts=2 if in_doubt else 1)

    def apply(self, *intents: Intent) -> list[Outcome]:
        """Write, and check that every intent has its outcome."""
        outcomes = list(self.writer.apply(self.session, self.calendar, intents))
        assert sorted(outcome.intent_id for outcome in outcomes) == sorted(intent.id for intent in intents)
        by_id = {outcome.intent_id: outcome for outcome in outcomes}
        for intent in intents:
            if by_id[intent.id].native_id is not None:
                key, _, generation = intent.operation.ref.rpartition(".")
                self._places[self.native_id(key, int(generation))] = by_id[intent.id].native_id or ""
        return [by_id[intent.id] for intent in intents]

    def create(self, key: str, content: BlockContent, *, in_doubt: bool = False) -> Outcome:
        """Write a new block."""
        return self.apply(self.intent(OperationKind.CREATE, key, content, in_doubt=in_doubt))[0]

    def update(self, key: str, content: BlockContent, etag: str | None, *, in_doubt: bool = False) -> Outcome:
        """Rewrite a block."""
        return self.apply(self.intent(OperationKind.UPDATE, key, content, etag=etag, in_doubt=in_doubt))[0]

    def delete(self, key: str, content: BlockContent, etag: str | None, *, in_doubt: bool = False) -> Outcome:
        """Take a block back."""
        return self.apply(self.intent(OperationKind.DELETE, key, content, etag=etag, in_doubt=in_doubt))[0]

    def etags(self, reading: Reading) -> dict[str, str | None]:
        """What a store would know after this reading."""
        return {item.key: item.etag for item in reading.items}


def meeting(uid: str, start: datetime = START, hours: float = 1, title: str = "Planning") -> Event:
    """An ordinary single event."""
    return Event(uid, uid, Span(start, start + timedelta(hours=hours)), title=title)


def exceptions_of(events: Iterable[Event]) -> dict[str, Event]:
    """The exceptions among these events, by their slot."""
    return {event.slot: event for event in events if event.original_start is not None}
