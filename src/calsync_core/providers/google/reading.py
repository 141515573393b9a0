"""Reading one calendar: changes since a sync token, events by id, and blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from attrs import define, field

from calsync_core.errors import CursorExpired, Unavailable
from calsync_core.models import ChangePage, Cursor, Item, Lookup, Unreadable
from calsync_core.protocols import KnownItems, nothing_known
from calsync_core.providers.google.names import is_block_id
from calsync_core.providers.google.service import Service
from calsync_core.providers.google.wire import EVENT_FIELDS, Json, is_deleted, parse_item, series_of
from calsync_core.transport import Answer

__all__ = ["CalendarReader"]

_LISTING = {
    "singleEvents": "false",
    "maxResults": "2500",
    "fields": f"nextPageToken,nextSyncToken,items({EVENT_FIELDS})",
}
"""The same for every page of every listing: a sync token belongs to the parameters it was made with (I-12). Not said:
``showDeleted``, so that a snapshot leaves deleted events out; changes since a token name them all the same."""

_SHAPE = hashlib.sha256(repr(sorted(_LISTING.items())).encode()).hexdigest()[:8]


@define
class CalendarReader:
    """Reads one calendar."""

    service: Service
    calendar_id: str

    @property
    def shape(self) -> str:
        """Of a cursor: the listing it belongs to."""
        return f"google/1 {self.calendar_id} {_SHAPE}"

    def changes(self, cursor: Cursor | None, known: KnownItems) -> Iterator[ChangePage]:
        """See ``Provider.fetch_changes``. A listing covers the whole calendar, past and future."""
        if cursor is not None and cursor.shape != self.shape:
            raise CursorExpired("the cursor was made by a request of another shape")
        sorting = _Sorting(self, known)
        for entries, sync_token in self._pages(cursor.value if cursor else None):
            sorted_out = sorting.sort(entries, last=sync_token is not None)
            yield ChangePage(
                items=tuple(sorted_out.items),
                removed=tuple(sorted_out.gone),
                unreadable=tuple(sorted_out.unreadable),
                snapshot=cursor is None,
                cursor=None if sync_token is None else Cursor(sync_token, self.shape),
            )

    def lookup(self, keys: Sequence[str]) -> Lookup:
        """See ``Provider.fetch_items``."""
        wanted = list(dict.fromkeys(keys))
        sorting = _Sorting(self, nothing_known)
        missing: list[str] = []
        unreadable: list[Unreadable] = []
        entries: list[Json] = []
        for key, answer in self._get(wanted):
            entry = _entry(answer)
            if entry is not None:
                entries.append({**entry, "id": key})
            elif self._says_gone(answer):
                missing.append(key)
            else:
                unreadable.append(Unreadable(key, f"could not be read ({answer.status if answer else 'lost'})"))
        if missing:
            # 404 is also what is said of a calendar that is gone: then it means nothing for the event (I-41).
            self.check_exists()
        found = sorting.sort(entries, last=True)
        return Lookup(tuple(found.items), (*found.gone, *missing), (*found.unreadable, *unreadable))

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
        query = {"maxResults": "1", "fields": "kind"}
        call = self.service.call("GET", "calendars", self.calendar_id, "events", query=query)
        self.service.require(self.service.send(call, reading=True))

    def find_uids(self, masters: Set[str], known: KnownItems) -> dict[str, str | Unreadable | None]:
        """The UIDs of series (None: it has none), from what the store has, else by asking.

        A series that is gone is left out; of one that can't be read nobody knows.
        """
        stored = known(sorted(masters)) if masters else {}
        found: dict[str, str | Unreadable | None] = {
            key: None if item.identity == f"id:{key}" else item.identity
            for key, item in stored.items()
            if item.identity is not None
        }
        for key, answer in self._get(sorted(masters - found.keys())):
            entry = _entry(answer)
            if entry is not None and not is_deleted(entry):
                found[key] = _text(entry, "iCalUID")
            elif entry is None and not self._says_gone(answer):
                found[key] = Unreadable(key, "its series could not be read")
        return found

    def _says_gone(self, answer: Answer | None) -> bool:
        return answer is not None and self.service.refusal(answer).gone

    def _get(self, keys: Sequence[str]) -> Iterator[tuple[str, Answer | None]]:
        """Events by id. Raises what stops more than one of them: limits, and rights that are gone."""
        path = ("calendars", self.calendar_id, "events")
        calls = [self.service.call("GET", *path, key, query={"fields": EVENT_FIELDS}) for key in keys]
        readable = False
        for key, answer in zip(keys, self.service.send_all(calls, reading=True), strict=True):
            if answer is not None and not answer.ok:
                refusal = self.service.refusal(answer)
                if refusal.status == 401 or refusal.too_fast or refusal.lacks_scope:
                    raise refusal.as_error(reading=True)
                if refusal.status == 403 and not readable:
                    # One event may be hidden in a calendar that can be read (I-37).
                    self.check_exists()
                    readable = True
            yield key, answer

    def _pages(self, sync_token: str | None) -> Iterator[tuple[list[Json], str | None]]:
        """Entries page by page; the sync token comes with the last page, and only with it (I-11)."""
        query = {**_LISTING, **({"syncToken": sync_token} if sync_token is not None else {})}
        check = self._check_changes if sync_token is not None else self.service.require
        path = ("calendars", self.calendar_id, "events")
        for page in self.service.pages(*path, query=query, check=check):
            last = _text(page, "nextPageToken") is None
            found = _text(page, "nextSyncToken")
            if last and found is None:
                raise Unavailable("the listing ended without a sync token")
            yield page.get("items", []), found if last else None

    def _check_changes(self, answer: Answer) -> None:
        # 410 has several reasons (fullSyncRequired, updatedMinTooLongAgo, changed rights): all mean a snapshot (I-10).
        # 400 is what is said of a token that is none, or belongs to other parameters.
        if answer.status in {400, 410}:
            raise CursorExpired(f"the sync token is no longer valid ({self.service.refusal(answer)})")
        self.service.require(answer)


@define
class _SortedOut:
    items: list[Item] = field(factory=list)
    gone: list[str] = field(factory=list)
    unreadable: list[Unreadable] = field(factory=list)

    def take(self, key: str, entry: Json, uid: str | None = None) -> None:
        try:
            self.items.append(parse_item(entry, uid))
        except ValueError as error:
            self.unreadable.append(Unreadable(key, str(error), _text(entry, "etag")))


@define
class _Sorting:
    """Sorts entries into events and gone ones.

    A cancelled occurrence need not say more than its series and its slot: it waits for its series' name.
    """

    reader: CalendarReader
    known: KnownItems
    uids: dict[str, str | Unreadable | None] = field(factory=dict)
    gone: set[str] = field(factory=set)
    waiting: list[Json] = field(factory=list)

    def sort(self, entries: Sequence[Json], *, last: bool) -> _SortedOut:
        """One page; what waits comes with the last one, when every series that changed has been seen."""
        found = _SortedOut()
        for entry in entries:
            key = _text(entry, "id")
            if key is None:
                raise Unavailable("the listing has an event without an id")
            if is_deleted(entry):
                found.gone.append(key)
                self.gone.add(key)
            elif series_of(entry) is not None and _text(entry, "iCalUID") is None:
                self.waiting.append(entry)
            else:
                found.take(key, entry)
                self.uids[key] = _text(entry, "iCalUID")
        if last:
            self._name_waiting(found)
        return found

    def _name_waiting(self, found: _SortedOut) -> None:
        """Give the waiting ones the UID of their series; those whose series is gone mean nothing."""
        masters = {str(series_of(entry)) for entry in self.waiting}
        uids = self.uids | self.reader.find_uids(masters - self.uids.keys() - self.gone, self.known)
        for entry in self.waiting:
            key, series = str(entry["id"]), str(series_of(entry))
            uid = uids.get(series)
            if series not in uids:
                found.gone.append(key)
            elif isinstance(uid, Unreadable):
                found.unreadable.append(Unreadable(key, uid.reason, _text(entry, "etag")))
            else:
                found.take(key, entry, uid)


def _entry(answer: Answer | None) -> Mapping[str, Any] | None:
    """The event in an answer; None if there is none in it that can be read."""
    if answer is None or not answer.ok:
        return None
    try:
        entry = answer.json()
    except Unavailable:
        return None
    return entry if isinstance(entry, dict) and _text(entry, "id") is not None else None


def _text(entry: Json, name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value else None
