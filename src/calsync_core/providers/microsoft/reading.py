"""Reading one calendar: delta rounds over a window, events by id, and blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import define, evolve, field

from calsync_core.errors import CursorExpired, NotFound, Rejected, Unavailable
from calsync_core.models import ChangePage, Item, Lookup, Unreadable, Window
from calsync_core.protocols import KnownItems, ReadRequest
from calsync_core.providers.microsoft.batch import BATCH_SIZE
from calsync_core.providers.microsoft.cursor import Position, ahead
from calsync_core.providers.microsoft.lookups import EXPANDED, ItemReader, zulu
from calsync_core.providers.microsoft.names import is_block_name
from calsync_core.providers.microsoft.service import PREFERENCES, Service
from calsync_core.providers.microsoft.wire import (
    Json,
    etag_of,
    is_master,
    is_series_etag,
    is_sparse,
    parse_item,
    series_of,
    shows_tag,
)
from calsync_core.transport import Answer

__all__ = ["CalendarReader"]

_PAGE_SIZE = 200
_LONG_BACK, _LONG_AHEAD = timedelta(days=30), timedelta(days=760)
"""What is asked for by id is shown as far as any horizon reaches (730 days), and a month more."""


@define
class CalendarReader:
    """Reads one calendar."""

    service: Service
    calendar_id: str

    @property
    def shape(self) -> str:
        """Of a cursor: the listing it belongs to."""
        return f"graph/1 {self.service.mailbox} {self.calendar_id}"

    def changes(self, request: ReadRequest) -> Iterator[ChangePage]:
        """See ``Provider.fetch_changes``. A new round, and so a snapshot, begins when the horizon nears the edge of
        the window that is baked into the cursor; the old cursor stays good until the caller has the new one.
        """
        position = None if request.cursor is None else Position.read(request.cursor, self.shape)
        if position is not None and not position.reaches(request.window):
            position = None
        window = ahead(self.calendar_id, request.window) if position is None else position.window
        covers = window if position is None else None
        sorter = _Sorter(self, window, request.known, whole=position is None)
        for entries, link in self._pages(position, window):
            page = sorter.sort(entries)
            if link is not None:
                page = sorter.finish(page)
            found = Position(link, window).write(self.shape) if link is not None else None
            yield evolve(page, snapshot=position is None, covers=covers, cursor=found)

    def lookup(self, keys: Sequence[str], now: datetime) -> Lookup:
        """See ``Provider.fetch_items``."""
        window = Window(now - _LONG_BACK, now + _LONG_AHEAD)
        return self.within(window).read(list(dict.fromkeys(keys)))

    def within(self, window: Window) -> ItemReader:
        """Reads by id, with series shown as far as this window."""
        return ItemReader(self.service, self.calendar_id, window)

    def blocks(self) -> Iterator[Item]:
        """See ``Provider.find_blocks``: every event, single ones and masters, whose transaction id is a block's."""
        query = {**EXPANDED, "$top": str(_PAGE_SIZE)}
        call = self.service.call("GET", "calendars", self.calendar_id, "events", query=query)
        unreadable = 0
        for page in self.service.pages(self.service.send(call, reading=True)):
            for entry in page.entries:
                if is_block_name(entry.get("transactionId")):
                    try:
                        yield parse_item(entry)
                    except ValueError:
                        unreadable += 1
        if unreadable:
            raise Unavailable(f"{unreadable} blocks could not be read")

    def tagged(self, window: Window) -> dict[str, Item]:
        """By id, the blocks in a window that a listing shows with their tag.

        It only saves requests: as far as it can't be read, and where it shows no tags, nothing is among them.
        """
        edges = {"startDateTime": zulu(window.start), "endDateTime": zulu(window.end)}
        query = {**EXPANDED, **edges, "$top": str(_PAGE_SIZE)}
        call = self.service.call("GET", "calendars", self.calendar_id, "calendarView", query=query)
        found: dict[str, Item] = {}
        with suppress(Unavailable, Rejected, NotFound):
            # Not repeated as other reads are: there is another way.
            first = self.service.send(call, reading=False)
            for entry in (entry for page in self.service.pages(first) for entry in page.entries):
                if series_of(entry) is None and is_block_name(entry.get("transactionId")):
                    with suppress(ValueError):
                        item = parse_item(entry)
                        if shows_tag(entry):
                            found[item.key] = item
        return found

    def _pages(self, position: Position | None, window: Window) -> Iterator[tuple[list[Json], str | None]]:
        """Entries page by page; the delta link comes with the last page, and only with it (I-11, I-13)."""
        # The page size asked for is a wish; every other preference must be said again with every link.
        headers = {"Prefer": f"{PREFERENCES['Prefer']}, odata.maxpagesize={_PAGE_SIZE}"}
        if position is not None:
            if not self.service.link.allows(position.link):
                raise CursorExpired("the cursor leads to a host that is not allowed")
            first = self.service.follow(position.link, headers)
        else:
            query = {"startDateTime": zulu(window.start), "endDateTime": zulu(window.end)}
            call = self.service.call("GET", "calendars", self.calendar_id, "calendarView", "delta", query=query)
            first = self.service.send(evolve(call, headers=headers), reading=True)
            # Of a request that has no link in it, a 400 is our own fault.
            self.service.require(first)
        for page in self.service.pages(first, headers=headers, check=self._check_round):
            last = page.following is None
            if last and page.delta is None:
                raise Unavailable("the round ended without a delta link")
            yield page.entries, page.delta if last else None

    def _check_round(self, answer: Answer) -> None:
        if not answer.ok and self.service.refusal(answer).cursor_lost:
            raise CursorExpired(f"the link is no longer valid ({self.service.refusal(answer)})")
        self.service.require(answer)


@define
class _Sorter:
    """Sorts a round's entries into pages; what must be read by id comes with the last one.

    Attributes:
        series: Series that changed: a round shows them in parts, without what was cancelled, or as an id alone.
        masters: Those of them that the round showed whole.
        unseen: What must be read by id once: blocks that nobody knows here yet, since a delta shows no tag, and what is
            not shown whole.
        whole: The round shows everything in the window.
        shown: How many entries it showed.
    """

    reader: CalendarReader
    window: Window
    known: KnownItems
    whole: bool
    shown: int = 0
    series: dict[str, None] = field(factory=dict)
    masters: dict[str, Json] = field(factory=dict)
    unseen: dict[str, None] = field(factory=dict)

    def sort(self, entries: Sequence[Json]) -> ChangePage:
        """One page. Of several words about one id the last counts."""
        last: dict[str, Json] = {}
        for entry in entries:
            event_id = entry.get("id")
            if not isinstance(event_id, str) or not event_id:
                raise Unavailable("the round has an event without an id")
            last.pop(event_id, None)
            last[event_id] = entry
        self.shown += len(last)
        known = self.known(list(last)) if last else {}
        items: list[Item] = []
        removed: list[str] = []
        unreadable: list[Unreadable] = []
        for event_id, entry in last.items():
            if "@removed" in entry:
                # Deleted, or changed outside the window: for a series only a look tells which.
                if event_id in known and is_series_etag(known[event_id].etag):
                    self.series[event_id] = None
                else:
                    removed.append(event_id)
                    self.unseen.pop(event_id, None)
            elif (series := series_of(entry)) is not None:
                self._note_series(series, entry)
            elif is_sparse(entry) or (is_block_name(entry.get("transactionId")) and event_id not in known):
                self.unseen[event_id] = None
            else:
                try:
                    items.append(parse_item(entry, shows_tag=False))
                except ValueError as error:
                    unreadable.append(Unreadable(event_id, str(error), etag_of(entry)))
        return ChangePage(tuple(items), (), tuple(removed), tuple(unreadable))

    def _note_series(self, series: str, entry: Json) -> None:
        self.series[series] = None
        # A block that was made a series is read by id all the same: only there its tag is shown.
        if is_master(entry) and not is_block_name(entry.get("transactionId")):
            self.masters[series] = entry

    def finish(self, page: ChangePage) -> ChangePage:
        """The last page, with everything that had to be read by id."""
        tagged = self._tagged()
        keys = [*self.series, *(key for key in self.unseen if key not in self.series and key not in tagged)]
        if not (keys or tagged):
            return page
        found = self.reader.within(self.window).read(keys, series=self.series, masters=self.masters)
        again = {*keys, *tagged}
        return evolve(
            page,
            items=(*(item for item in page.items if item.key not in again), *tagged.values(), *found.items),
            removed=(*page.removed, *found.gone),
            unreadable=(*page.unreadable, *found.unreadable),
        )

    def _tagged(self) -> dict[str, Item]:
        """Those of the unseen that a listing shows with their tag, where that takes fewer requests than to read each by
        its id: in an audit, and where a calendar full of blocks is read for the first time.

        What is not among them is read by id all the same: only there nothing shown means that there is nothing.
        """
        if not self.whole or self.shown // _PAGE_SIZE + 1 >= len(self.unseen) / BATCH_SIZE:
            return {}
        shown = self.reader.tagged(self.window)
        return {key: shown[key] for key in self.unseen if key in shown and key not in self.series}
