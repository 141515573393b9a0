"""Reading one calendar: delta rounds over a window, events by id, and blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, evolve, field

from calsync_core.errors import CursorExpired, Unavailable
from calsync_core.models import ChangePage, Item, Lookup, Unreadable, Window
from calsync_core.protocols import KnownItems, ReadRequest
from calsync_core.providers.microsoft.cursor import Position, ahead
from calsync_core.providers.microsoft.names import NAME_PROPERTY, is_block_name
from calsync_core.providers.microsoft.series import EXPANDED, MAX_PAGES, SeriesReader, page_of, zulu
from calsync_core.providers.microsoft.service import PREFERENCES, Service
from calsync_core.providers.microsoft.wire import Json, etag_of, is_series_etag, parse_item, series_of

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
        sorter = _Sorter(self, window, request.known)
        for entries, link in self._pages(position, window):
            page = sorter.sort(entries)
            if link is not None:
                page = sorter.finish(page)
            found = Position(link, window).write(self.shape) if link is not None else None
            yield evolve(page, snapshot=position is None, covers=covers, cursor=found)

    def lookup(self, keys: Sequence[str], now: datetime) -> Lookup:
        """See ``Provider.fetch_items``."""
        wanted = list(dict.fromkeys(keys))
        names = [key for key in wanted if is_block_name(key)]
        window = Window(now - _LONG_BACK, now + _LONG_AHEAD)
        found = self._by_id(window).read([key for key in wanted if key not in names])
        items = list(found.items)
        for name in names:
            # A name is no id here: what is called so stands under an id of Graph's.
            items += [each for each in self.find_named(name) if each.key not in {item.key for item in items}]
        return Lookup(tuple(items), (*found.gone, *names), tuple(found.unreadable))

    def find_named(self, name: str) -> list[Item]:
        """The blocks with this name; one at the most, unless somebody plays tricks."""
        condition = f"singleValueExtendedProperties/Any(ep: ep/id eq '{NAME_PROPERTY}' and ep/value eq '{name}')"
        call = self.service.call(
            "GET", "calendars", self.calendar_id, "events", query={"$filter": condition, **EXPANDED}
        )
        answer = self.service.send(call, reading=True)
        if not answer.ok:
            raise self.service.refusal(answer).as_error(reading=True)
        # A copy has the property too, but no transaction id.
        named = [entry for entry in page_of(answer)[0] if entry.get("transactionId") == name]
        try:
            return [parse_item(entry) for entry in named]
        except ValueError as error:
            raise Unavailable(f"a block can't be read ({error})") from None

    def blocks(self) -> Iterator[Item]:
        """See ``Provider.find_blocks``: every event, single ones and masters, whose transaction id is a block's."""
        query = {**EXPANDED, "$top": str(_PAGE_SIZE)}
        answer = self.service.send(
            self.service.call("GET", "calendars", self.calendar_id, "events", query=query), reading=True
        )
        seen: set[str] = set()
        unreadable = 0
        while True:
            if not answer.ok:
                raise self.service.refusal(answer).as_error(reading=True)
            entries, link, _ = page_of(answer)
            for entry in entries:
                if is_block_name(entry.get("transactionId")):
                    try:
                        yield parse_item(entry)
                    except ValueError:
                        unreadable += 1
            if link is None:
                break
            if link in seen or len(seen) > MAX_PAGES:
                raise Unavailable("Graph repeats a page")
            seen.add(link)
            answer = self.service.follow(link, PREFERENCES)
        if unreadable:
            raise Unavailable(f"{unreadable} blocks could not be read")

    def check_exists(self) -> None:
        """Raise NotFound if there is no such calendar, or this login may not see it."""
        self._by_id(Window(_ANY, _ANY)).check_exists()

    def _by_id(self, window: Window) -> SeriesReader:
        return SeriesReader(self.service, self.calendar_id, window)

    def _pages(self, position: Position | None, window: Window) -> Iterator[tuple[list[Json], str | None]]:
        """Entries page by page; the delta link comes with the last page, and only with it (I-11, I-13)."""
        # The page size asked for is a wish; every other preference must be said again with every link.
        headers = {"Prefer": f"{PREFERENCES['Prefer']}, odata.maxpagesize={_PAGE_SIZE}"}
        if position is not None:
            if not self.service.link.allows(position.link):
                raise CursorExpired("the cursor leads to a host that is not allowed")
            answer = self.service.follow(position.link, headers)
        else:
            query = {"startDateTime": zulu(window.start), "endDateTime": zulu(window.end)}
            call = self.service.call("GET", "calendars", self.calendar_id, "calendarView", "delta", query=query)
            answer = self.service.send(evolve(call, headers=headers), reading=True)
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            if not answer.ok:
                refusal = self.service.refusal(answer)
                if refusal.cursor_lost:
                    raise CursorExpired(f"the delta link is no longer valid ({refusal})")
                raise refusal.as_error(reading=True)
            entries, link, delta = page_of(answer)
            if link is None:
                if delta is None:
                    raise Unavailable("the round ended without a delta link")
                yield entries, delta
                return
            if link in seen:
                raise Unavailable("Graph repeats a page")
            seen.add(link)
            yield entries, None
            answer = self.service.follow(link, headers)
        raise Unavailable(f"more than {MAX_PAGES} pages of events")


@define
class _Sorter:
    """Sorts a round's entries into pages; what must be read by id comes with the last one.

    Attributes:
        series: Series that changed: a round shows them in parts, without what was cancelled, or as an id alone.
        strangers: Blocks nobody knows here yet: a delta shows no tag, so that they are read by id once.
    """

    reader: CalendarReader
    window: Window
    known: KnownItems
    series: dict[str, None] = field(factory=dict)
    strangers: dict[str, None] = field(factory=dict)

    def sort(self, entries: Sequence[Json]) -> ChangePage:
        """One page. Of several words about one id the last counts."""
        last: dict[str, Json] = {}
        for entry in entries:
            event_id = entry.get("id")
            if not isinstance(event_id, str) or not event_id:
                raise Unavailable("the round has an event without an id")
            last.pop(event_id, None)
            last[event_id] = entry
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
                    self.strangers.pop(event_id, None)
            elif (series := series_of(entry)) is not None:
                self.series[series] = None
            elif is_block_name(entry.get("transactionId")) and event_id not in known:
                self.strangers[event_id] = None
            else:
                try:
                    items.append(parse_item(entry, shows_tag=False))
                except ValueError as error:
                    unreadable.append(Unreadable(event_id, str(error), etag_of(entry)))
        return ChangePage(tuple(items), (), tuple(removed), tuple(unreadable))

    def finish(self, page: ChangePage) -> ChangePage:
        """The last page, with everything that had to be read by id."""
        keys = [*self.series, *(key for key in self.strangers if key not in self.series)]
        if not keys:
            return page
        reader = SeriesReader(self.reader.service, self.reader.calendar_id, self.window)
        found = reader.read(keys)
        return evolve(
            page,
            items=(*(item for item in page.items if item.key not in set(keys)), *found.items),
            removed=(*page.removed, *found.gone),
            unreadable=(*page.unreadable, *found.unreadable),
        )


_ANY = datetime(2000, 1, 1, tzinfo=UTC)
