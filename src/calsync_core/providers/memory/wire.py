"""What the in-memory service stores, and its pure translation into items and blocks and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from attrs import evolve, frozen

from calsync_core.core.occurrences import expand
from calsync_core.models import Availability, BlockContent, Event, Item, Mark, Moment, Tag, Window

__all__ = ["PREFIX", "Resource", "build_event", "build_native_id", "parse_content", "parse_in_window", "parse_item"]

PREFIX = "calsync-"
"""The public constant: an id that begins with it names a busy block, whoever wrote it."""

_FIRST_WRITE = datetime(2026, 1, 1, tzinfo=UTC)
_NATIVE_ID = re.compile(rf"{PREFIX}([0-9a-v]+)-(0|[1-9][0-9]*)", re.ASCII)


@frozen
class Resource:
    """One stored thing, as the server keeps it: it knows of tags, but nothing of marks.

    Attributes:
        key: Its id in the calendar.
        events: As their author wrote them.
        stamp: Which write of the server made it; its etag and its version.
        series: Key of the master's resource, where a series is spread over several.
        tag: The private tag that came with it.
        tagged_as: The id for which that tag was made: a copy carries the tag, but under another id.
        name: What its creator called it, where the service gives ids itself. A copy has none.
        readable: False: the server lists it but can't hand it out.
    """

    key: str
    events: tuple[Event, ...]
    stamp: int = 0
    series: str | None = None
    tag: Tag | None = None
    tagged_as: str | None = None
    readable: bool = True
    name: str | None = None

    @property
    def called(self) -> str:
        """What tells whether it is a block, and which: its name, or its id where that was chosen by its creator."""
        return self.name or self.key

    @property
    def is_block(self) -> bool:
        """Whether it carries the public constant."""
        return self.called.startswith(PREFIX)

    @property
    def etag(self) -> str:
        """The revision tag; no two writes of one server share it."""
        return f'"{self.stamp}"'

    @property
    def version(self) -> datetime:
        """When it was written, on the server's own clock, which ticks with every write."""
        return _FIRST_WRITE + timedelta(seconds=self.stamp)


def build_native_id(key: str, generation: int) -> str:
    """The id of a block; injective, because a key (base32hex) has no hyphen."""
    return f"{PREFIX}{key}-{generation}"


def build_event(native_id: str, content: BlockContent, *, shows_tentative: bool) -> Event:
    """The event that a block is stored as."""
    show_as = content.show_as
    if show_as is Availability.TENTATIVE and not shows_tentative:
        show_as = Availability.BUSY
    return Event(native_id, native_id, content.span.in_utc(), title=content.title, availability=show_as)


def _parse_mark(resource: Resource) -> Mark | None:
    if not resource.is_block:
        return None
    tag = resource.tag if resource.tagged_as == resource.called else None
    named = _NATIVE_ID.fullmatch(resource.called)
    if named is None:
        return Mark(resource.called.removeprefix(PREFIX), tag=tag)
    return Mark(named[1], int(named[2]), tag)


def parse_item(resource: Resource) -> Item:
    """The resource in our words; a block of anybody's carries a mark and no UID."""
    events = resource.events
    mark = _parse_mark(resource)
    if mark is not None:
        changed = len(events) > 1 or any(event.recurrence for event in events)
        events = tuple(evolve(each, uid=None, mark=mark, adorned=each.adorned or changed) for each in events)
    return Item(resource.key, events, resource.etag, resource.version, resource.series)


def parse_content(item: Item) -> BlockContent | None:
    """What a block says, in the form in which ``BlockContent`` is compared; None if it says nothing."""
    if not item.events:
        return None
    event = item.events[0]
    return BlockContent.shown_by(event)


def parse_in_window(resource: Resource, window: Window, zone: tzinfo) -> Item | None:
    """What a listing of this window shows of the resource: None if nothing, and a series as single occurrences.

    They come as exceptions without a master. All-day midnights lie in the zone.
    """
    item = parse_item(resource)
    if not any(event.recurrence or event.series for event in item.events):
        return item if any(window.overlaps(event.span, zone) for event in item.events) else None
    events = tuple(
        evolve(
            found.event,
            id=f"{item.key}#{found.slot}",
            series=item.key,
            original_start=_parse_slot(found.slot),
            span=found.span,
            recurrence=(),
        )
        for found in expand(item.events, window, zone).occurrences
    )
    return evolve(item, events=events) if events else None


def _parse_slot(slot: str) -> Moment:
    moment = datetime.strptime(slot, "%Y%m%dT%H%M%SZ" if "T" in slot else "%Y%m%d").replace(tzinfo=UTC)
    return moment if "T" in slot else moment.date()
