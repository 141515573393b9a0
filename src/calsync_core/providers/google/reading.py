"""Reading one calendar: changes since a sync token, events by id, and blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from calsync_core.errors import CursorExpired, Unavailable
from calsync_core.models import ChangePage, Cursor, Item, Lookup, Unreadable
from calsync_core.protocols import KnownItems
from calsync_core.providers.google.batch import Call
from calsync_core.providers.google.names import is_block_id
from calsync_core.providers.google.service import Service
from calsync_core.providers.google.wire import EVENT_FIELDS, Json, is_deleted, parse_item, series_of
from calsync_core.transport import Answer

__all__ = ["MAX_PAGES", "CalendarReader"]

MAX_PAGES = 10_000
_PAGE_SIZE = "2500"
_LISTING = {
    "singleEvents": "false",
    "maxResults": _PAGE_SIZE,
    "fields": f"nextPageToken,nextSyncToken,items({EVENT_FIELDS})",
}
"""The same for every page of every listing: a sync token belongs to the parameters it was made with (I-12). Not said:
``showDeleted``, so that a snapshot leaves deleted events out; changes since a token name them all the same."""


@define
class CalendarReader:
    """Reads one calendar."""

    service: Service
    calendar_id: str

    @property
    def shape(self) -> str:
        """Of a cursor: the listing it belongs to."""
        return f"google/1 {self.calendar_id} events={len(_LISTING['fields'])} page={_PAGE_SIZE}"

    def changes(self, cursor: Cursor | None, known: KnownItems) -> Iterator[ChangePage]:
        """See ``Provider.fetch_changes``. A listing covers the whole calendar, past and future."""
        if cursor is not None and cursor.shape != self.shape:
            raise CursorExpired("the cursor was made by a request of another shape")
        sorter = _Sorter(self, known)
        for entries, token in self._pages(cursor.value if cursor else None):
            page = sorter.sort(entries, last=token is not None)
            found = Cursor(token, self.shape) if token is not None else None
            yield evolve(page, snapshot=cursor is None, cursor=found)

    def lookup(self, keys: Sequence[str]) -> Lookup:
        """See ``Provider.fetch_items``."""
        wanted = list(dict.fromkeys(keys))
        found = _Found()
        missing: list[str] = []
        orphans: dict[str, Json] = {}
        for key, answer in zip(wanted, self._get(wanted), strict=True):
            entry = _json(answer)
            if entry is None and self._says_gone(answer):
                missing.append(key)
            elif entry is None:
                found.unreadable.append(Unreadable(key, f"could not be read ({answer.status if answer else 'lost'})"))
            elif is_deleted(entry):
                found.gone.append(key)
            elif _lacks_uid(entry):
                orphans[key] = entry
            else:
                found.take(key, entry)
        if missing:
            # 404 is also what is said of a calendar that is gone: then it means nothing for the event (I-41).
            self.check_exists()
            found.gone += missing
        uids = self._uids({str(series_of(entry)) for entry in orphans.values()})
        for key, entry in orphans.items():
            found.take(key, entry, uids.get(str(series_of(entry))))
        return Lookup(tuple(found.items), tuple(found.gone), tuple(found.unreadable))

    def blocks(self) -> Iterator[Item]:
        """See ``Provider.find_blocks``: a whole listing, since a tag may be lost, but an id can't be."""
        unreadable = 0
        for entries, _ in self._pages(None):
            for entry in entries:
                if is_block_id(str(entry.get("id"))) and not is_deleted(entry):
                    try:
                        yield parse_item(entry)
                    except ValueError:
                        unreadable += 1
        if unreadable:
            raise Unavailable(f"{unreadable} blocks could not be read")

    def check_exists(self) -> None:
        """Raise NotFound if there is no such calendar, or this login may not see it."""
        answer = self.service.send(
            self.service.call(
                "GET", "calendars", self.calendar_id, "events", query={"maxResults": "1", "fields": "kind"}
            ),
            reading=True,
        )
        if not answer.ok:
            raise self.service.refusal(answer).as_error(reading=True)

    def _says_gone(self, answer: Answer | None) -> bool:
        return answer is not None and self.service.refusal(answer).gone

    def master_uids(self, masters: Sequence[str], known: KnownItems) -> dict[str, str | None]:
        """The UIDs of series, from what the store has, else by asking; a series that is gone is left out."""
        stored = known(masters)
        found = {
            key: None if item.identity == f"id:{key}" else item.identity
            for key, item in stored.items()
            if item.identity is not None
        }
        return found | self._uids(set(masters) - found.keys())

    def _uids(self, masters: set[str]) -> dict[str, str | None]:
        wanted = sorted(masters)
        found: dict[str, str | None] = {}
        for key, answer in zip(wanted, self._get(wanted), strict=True):
            entry = _json(answer)
            if entry is not None and not is_deleted(entry):
                found[key] = str(entry["iCalUID"]) if entry.get("iCalUID") else None
            elif entry is None and not self._says_gone(answer):
                raise Unavailable("a series could not be read")
        return found

    def _get(self, keys: Sequence[str]) -> Iterator[Answer | None]:
        calls = [self._event_call(key) for key in keys]
        for answer in self.service.send_all(calls, reading=True):
            if answer is not None and not answer.ok:
                refusal = self.service.refusal(answer)
                if refusal.too_fast or answer.status in {401, 403}:
                    raise refusal.as_error(reading=True)
            yield answer

    def _event_call(self, key: str) -> Call:
        return self.service.call("GET", "calendars", self.calendar_id, "events", key, query={"fields": EVENT_FIELDS})

    def _pages(self, sync_token: str | None) -> Iterator[tuple[list[Json], str | None]]:
        """Entries page by page; the sync token comes with the last page, and only with it (I-11, I-13)."""
        asked = {**_LISTING, **({"syncToken": sync_token} if sync_token is not None else {})}
        seen: set[str] = set()
        page_token: str | None = None
        for _ in range(MAX_PAGES):
            query = asked if page_token is None else {**asked, "pageToken": page_token}
            call = self.service.call("GET", "calendars", self.calendar_id, "events", query=query)
            answer = self.service.send(call, reading=True)
            entries, page_token, token = self._page(answer, changes=sync_token is not None)
            if page_token is None:
                if token is None:
                    raise Unavailable("the listing ended without a sync token")
                yield entries, token
                return
            if page_token in seen:
                raise Unavailable("Google repeats a page")
            seen.add(page_token)
            yield entries, None
        raise Unavailable(f"more than {MAX_PAGES} pages of events")

    def _page(self, answer: Answer, *, changes: bool) -> tuple[list[Json], str | None, str | None]:
        # 410 has several reasons (fullSyncRequired, updatedMinTooLongAgo, changed rights): all mean a snapshot (I-10).
        if answer.status == 410 or (answer.status == 400 and changes):
            raise CursorExpired(f"the sync token is no longer valid ({self.service.refusal(answer)})")
        if not answer.ok:
            raise self.service.refusal(answer).as_error(reading=True)
        page = answer.json()
        items = page.get("items", []) if isinstance(page, dict) else None
        if not isinstance(items, list) or not all(isinstance(entry, dict) for entry in items):
            raise Unavailable("the listing is not a list of events")
        return items, _token(page, "nextPageToken"), _token(page, "nextSyncToken")


@define
class _Found:
    items: list[Item] = field(factory=list)
    gone: list[str] = field(factory=list)
    unreadable: list[Unreadable] = field(factory=list)

    def take(self, key: str, entry: Json, uid: str | None = None) -> None:
        try:
            self.items.append(parse_item(entry, uid))
        except ValueError as error:
            self.unreadable.append(_unreadable(key, entry, error))


@define
class _Sorter:
    """Sorts listed entries into a page; cancelled occurrences wait for the name of their series."""

    reader: CalendarReader
    known: KnownItems
    uids: dict[str, str | None] = field(factory=dict)
    waiting: list[Json] = field(factory=list)

    def sort(self, entries: Sequence[Json], *, last: bool) -> ChangePage:
        """One page; what waits comes with the last one, when every series that changed has been seen."""
        found = _Found()
        removed: list[str] = []
        for entry in entries:
            key = entry.get("id")
            if not isinstance(key, str) or not key:
                raise Unavailable("the listing has an event without an id")
            if is_deleted(entry):
                removed.append(key)
            elif _lacks_uid(entry):
                self.waiting.append(entry)
            else:
                found.take(key, entry)
                if entry.get("recurrence"):
                    self.uids[key] = str(entry["iCalUID"]) if entry.get("iCalUID") else None
        if last and self.waiting:
            removed += self._name_waiting(found)
        return ChangePage(tuple(found.items), (), tuple(removed), tuple(found.unreadable))

    def _name_waiting(self, found: _Found) -> list[str]:
        """Give the waiting ones the UID of their series. Returns those whose series is gone: they mean nothing."""
        unknown = sorted({str(series_of(entry)) for entry in self.waiting} - self.uids.keys())
        uids = self.uids | (self.reader.master_uids(unknown, self.known) if unknown else {})
        lost = []
        for entry in self.waiting:
            series = str(series_of(entry))
            if series in uids:
                found.take(str(entry["id"]), entry, uids[series])
            else:
                lost.append(str(entry["id"]))
        return lost


def _lacks_uid(entry: Json) -> bool:
    """Whether it is an exception that does not say which UID its series has: a cancelled one need not."""
    return series_of(entry) is not None and not entry.get("iCalUID")


def _unreadable(key: str, entry: Json, error: ValueError) -> Unreadable:
    etag = entry.get("etag")
    return Unreadable(key, str(error), etag if isinstance(etag, str) else None)


def _json(answer: Answer | None) -> Mapping[str, Any] | None:
    if answer is None or not answer.ok:
        return None
    try:
        entry = answer.json()
    except Unavailable:
        return None
    return entry if isinstance(entry, dict) and entry.get("id") else None


def _token(page: Json, name: str) -> str | None:
    token = page.get(name)
    return token if isinstance(token, str) and token else None
