"""Reading one calendar collection: what changed, everything, or single resources.

The ways, best first: sync-collection with the last token; an etag listing compared with what is known, skipped where
the collection's ctag has not moved. Data comes inline where a server offers it, else by calendar-multiget in chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from attrs import define, evolve, frozen

from calsync_core.errors import AuthExpired, CursorExpired, NotFound, Unavailable, Unreachable, UnreadableAnswer
from calsync_core.icalendar.reader import Reader
from calsync_core.models import ChangePage, Cursor, Item, KnownItem, Lookup, Unreadable
from calsync_core.protocols import KnownItems, ReadRequest
from calsync_core.providers.caldav.listing import Listed, Listing
from calsync_core.providers.caldav.names import collection_url, is_collection, key_of, quoted_etag, resource_url
from calsync_core.providers.caldav.transport import DavLink
from calsync_core.providers.caldav.wire import (
    CALSERVER,
    DAV,
    Entry,
    Multistatus,
    build_multiget,
    build_propfind,
    build_sync,
    parse_multistatus,
)
from calsync_core.transport import Answer

__all__ = ["Collection", "Quirks"]

FORMAT = 1
"""Of the cursor and of what is read from a resource; another one forces a snapshot (I-12)."""
MAX_PAGES = 1_000
MAX_BROKEN = 12
"""Failures in a row until the server as a whole counts as unavailable: halving down to one of 250 fails nine times."""
_ECHO = timedelta(minutes=5)
_CTAG = f"{{{CALSERVER}}}getctag"
_ETAG = f"{{{DAV}}}getetag"
_TYPE = f"{{{DAV}}}resourcetype"


@frozen
class Quirks:
    """How a kind of server differs.

    Attributes:
        chunk: Resources per calendar-multiget.
        data_in_sync: Ask for the data in the sync answer.
        confirm_missing: A 404 inside a multiget proves nothing: ask for the resource itself.
    """

    chunk: int = 250
    data_in_sync: bool = True
    confirm_missing: bool = False


class _NoSync(Exception):
    """The server can't do sync-collection here."""


@define
class Collection:
    """One calendar on its server, during one call of the provider.

    Attributes:
        url: Absolute, with a slash at the end.
        broken: Failed questions since the last good answer.
    """

    link: DavLink
    url: str
    reader: Reader
    quirks: Quirks
    broken: int = 0

    @property
    def shape(self) -> str:
        """What the stored events depend on besides the resources themselves."""
        zone = self.reader.floating.key if self.reader.floating else "-"
        return f"caldav:{FORMAT}:floating={zone}"

    def changes(self, request: ReadRequest) -> Iterator[ChangePage]:
        """See ``Provider.fetch_changes``."""
        if request.cursor is None:
            yield from self._snapshot(request.known)
            return
        state = _parse_cursor(request.cursor, self.shape)
        if state["mode"] == "sync":
            yield from self._since(state, request.known)
        elif state["token"] is not None and state["token"] == self._ctag():
            yield ChangePage(cursor=request.cursor)
        else:
            yield from self._pages(self._list(), request.known(None), snapshot=True)

    def lookup(self, keys: Sequence[str]) -> Lookup:
        """See ``Provider.fetch_items``."""
        items: list[Item] = []
        gone: list[str] = []
        unreadable: list[Unreadable] = []
        for chunk in _chunks(list(dict.fromkeys(keys)), self.quirks.chunk):
            found = self._fetch({key: resource_url(self.url, key) for key in chunk})
            for key in chunk:
                answer = self._settled(key, found.get(key))
                if isinstance(answer, Item):
                    items.append(answer)
                elif isinstance(answer, Unreadable):
                    unreadable.append(answer)
                else:
                    gone.append(key)
        return Lookup(tuple(items), tuple(gone), tuple(unreadable))

    def _snapshot(self, known: KnownItems) -> Iterator[ChangePage]:
        stored = known(None)
        try:
            listing = self._sync("", data=self.quirks.data_in_sync and not stored)
        except _NoSync:
            listing = self._list()
        listing.gone.clear()
        yield from self._pages(listing, stored, snapshot=True)

    def _since(self, state: Mapping[str, str | None], known: KnownItems) -> Iterator[ChangePage]:
        try:
            listing = self._sync(state["token"] or "", data=self.quirks.data_in_sync)
        except _NoSync:
            raise CursorExpired("the server no longer takes its sync token") from None
        stored = known([*listing.entries, *listing.gone])
        at = datetime.fromisoformat(state["at"]) if state["at"] else None
        if not any(_suspicious(each, stored.get(key), at) for key, each in listing.entries.items()):
            yield from self._pages(listing, stored, snapshot=False)
            return
        # Something is listed that did not change: a server that answers a token it has dropped with a full list
        # (DAViCal, reportedly iCloud) leaves deletions out. Only a listing of our own tells what is gone.
        whole = self._list()
        for key, each in whole.entries.items():
            inline = listing.entries.get(key)
            if inline is not None and inline.data and inline.etag == each.etag:
                whole.entries[key] = inline
        whole.mode, whole.token = listing.mode, listing.token
        yield from self._pages(whole, known(None), snapshot=True)

    def _pages(self, listing: Listing, known: Mapping[str, KnownItem], *, snapshot: bool) -> Iterator[ChangePage]:
        """Chunk by chunk, so that memory does not grow with the calendar; the last page has the cursor."""
        present: list[str] = []
        inline: list[str] = []
        missing: list[str] = []
        for key, each in listing.entries.items():
            stored = known.get(key)
            if stored is not None and each.etag is not None and stored.etag == each.etag:
                present.append(key)
            else:
                (inline if each.data else missing).append(key)
        chunks = [*_chunks(inline, self.quirks.chunk), *_chunks(missing, self.quirks.chunk)] or [[]]
        for number, chunk in enumerate(chunks):
            items, unreadable = self._read(listing, chunk)
            page = ChangePage(items=items, unreadable=unreadable, snapshot=snapshot)
            if number == len(chunks) - 1:
                cursor = _build_cursor(listing, self.shape, self.link.session.clock.now())
                page = evolve(page, present=tuple(present), removed=tuple(sorted(listing.gone)), cursor=cursor)
            yield page

    def _read(self, listing: Listing, keys: Sequence[str]) -> tuple[tuple[Item, ...], tuple[Unreadable, ...]]:
        absent = {key: listing.entries[key].path for key in keys if not listing.entries[key].data}
        fetched = self._fetch(absent) if absent else {}
        items: list[Item] = []
        unreadable: list[Unreadable] = []
        for key in keys:
            listed = listing.entries[key]
            entry = fetched.get(key)
            text, etag = (listed.data, listed.etag) if entry is None else (entry.data, entry.etag or listed.etag)
            if text is None:
                status = "no answer" if entry is None else f"status {entry.status}"
                unreadable.append(Unreadable(key, f"listed, but its data was not given ({status})", listed.etag))
                continue
            parsed = self._parsed(key, text, etag)
            if isinstance(parsed, Item):
                items.append(parsed)
            else:
                unreadable.append(parsed)
        return tuple(items), tuple(unreadable)

    def _parsed(self, key: str, text: str, etag: str | None) -> Item | Unreadable:
        try:
            return self.reader.parse(key, text, etag)
        except ValueError as reason:
            return Unreadable(key, f"not readable as iCalendar: {reason}", etag)

    def _settled(self, key: str, entry: Entry | None) -> Item | Unreadable | None:
        """One answer of a multiget by id; where it leaves doubt, the resource itself is asked. None: gone."""
        if entry is not None and entry.data:
            return self._parsed(key, entry.data, entry.etag)
        if entry is not None and entry.status in {404, 410} and not self.quirks.confirm_missing:
            return None
        try:
            answer = self.link.send("GET", resource_url(self.url, key))
        except Unavailable as failure:
            if not self._at_fault(failure):
                raise
            return Unreadable(key, f"can't be read: {failure}")
        if answer.status in {404, 410}:
            return None
        if answer.status != 200 or not answer.body:
            return Unreadable(key, f"can't be read (status {answer.status})")
        etag = quoted_etag(answer.headers.get("etag"))
        return self._parsed(key, answer.body.decode("utf-8", "replace"), etag)

    def _fetch(self, places: Mapping[str, str]) -> dict[str, Entry]:
        """Multiget by key and href. What fails while the server answers else is asked for again in halves (I-37)."""
        body = build_multiget(place if place.startswith("/") else _path(place) for place in places.values())
        try:
            found = self._report(body)
        except Unavailable as failure:
            self.broken += 1
            if self.broken > MAX_BROKEN or not self._at_fault(failure):
                raise
            if len(places) == 1:
                return {}
            keys = list(places)
            half = len(keys) // 2
            return self._fetch({key: places[key] for key in keys[:half]}) | self._fetch(
                {key: places[key] for key in keys[half:]}
            )
        self.broken = 0
        return {key_of(entry.href): entry for entry in found.entries if key_of(entry.href) in places}

    def _at_fault(self, failure: Unavailable) -> bool:
        """Whether it is this question's fault: a server may choke (500) on whatever touches one resource (I-37)."""
        if isinstance(failure, UnreadableAnswer | Unreachable):
            return isinstance(failure, UnreadableAnswer)
        try:
            self._ctag()
        except Unavailable:
            return False
        return True

    def _report(self, body: str) -> Multistatus:
        answer = self._ask("REPORT", body, "1")
        if answer.status in {400, 413, 414, 422, 507}:
            raise UnreadableAnswer(f"the server refused to give these resources ({answer.status})")
        return self._multistatus(answer)

    def _sync(self, token: str, *, data: bool) -> Listing:
        listing = Listing("sync")
        seen = {token}
        for _ in range(MAX_PAGES):
            try:
                found = self._sync_page(token, first=not token, data=data)
            except Unavailable as failure:
                if not (data and self._at_fault(failure)):
                    raise
                data = False
                continue
            listing.add(found, self.url)
            listing.token = found.sync_token
            if not any(each.status == 507 and is_collection(each.href, self.url) for each in found.entries):
                return listing
            if found.sync_token is None or found.sync_token in seen:
                raise Unavailable("the server repeats a page of changes")
            token = found.sync_token
            seen.add(token)
        raise Unavailable(f"more than {MAX_PAGES} pages of changes")

    def _sync_page(self, token: str, *, first: bool, data: bool) -> Multistatus:
        """One sync-collection REPORT.

        Raises:
            _NoSync: first page, and the server does not know the report.
            CursorExpired: the token is refused, in whichever of the many ways.
        """
        answer = self._ask("REPORT", build_sync(token, data=data), "0")
        if answer.status == 207:
            found = parse_multistatus(answer.body)
            if found.sync_token is None:
                if first:
                    raise _NoSync
                raise Unavailable("a sync answer without a token")
            return found
        if first:
            raise _NoSync
        if answer.status == 404:
            raise NotFound("there is no such calendar")
        if 400 <= answer.status < 500 or answer.status in {501, 507}:
            raise CursorExpired(f"the server no longer takes its sync token ({answer.status})")
        raise Unavailable(f"the changes can't be read ({answer.status})")

    def _list(self) -> Listing:
        body = build_propfind(_ETAG, _TYPE, _CTAG)
        found = self._multistatus(self._ask("PROPFIND", body, "1"))
        own = [each for each in found.entries if is_collection(each.href, self.url)]
        if not own:
            raise Unavailable("a listing that does not name the calendar itself")
        if own[0].status in {404, 410}:
            raise NotFound("there is no such calendar")
        listing = Listing("list", own[0].text(_CTAG))
        listing.add(found, self.url)
        return listing

    def _ctag(self) -> str | None:
        found = self._multistatus(self._ask("PROPFIND", build_propfind(_CTAG), "0"))
        return found.entries[0].text(_CTAG) if found.entries else None

    def _ask(self, method: str, body: str, depth: str) -> Answer:
        """Ask the collection itself; if it has moved, go on where it is now: its members' hrefs are there."""
        answer = self.link.send(method, self.url, body, {"Depth": depth})
        if answer.url != self.url:
            self.url = collection_url(answer.url, "")
        return answer

    def _multistatus(self, answer: Answer) -> Multistatus:
        if answer.status == 207:
            return parse_multistatus(answer.body)
        if answer.status in {404, 410}:
            raise NotFound("there is no such calendar")
        if answer.status == 403:
            self._who()
            raise NotFound("the calendar is hidden from this login (403)")
        raise Unavailable(f"the calendar can't be read ({answer.status})")

    def _who(self) -> None:
        """A 403 may mean the login as a whole (iCloud): the account's own address tells."""
        body = build_propfind(f"{{{DAV}}}current-user-principal")
        if self.link.send("PROPFIND", self.link.base, body, {"Depth": "0"}).status == 403:
            raise AuthExpired("the server refused the login (403)")


def _suspicious(listed: Listed, stored: KnownItem | None, at: datetime | None) -> bool:
    """Whether a change is listed that is none: neither news nor the echo of our own write since the last read."""
    if stored is None or listed.etag is None or stored.etag != listed.etag:
        return False
    echo = stored.ours and (stored.written_at is None or at is None or stored.written_at >= at - _ECHO)
    return not echo


def _chunks(keys: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _path(url: str) -> str:
    return "/" + url.split("://", 1)[-1].partition("/")[2]


def _build_cursor(listing: Listing, shape: str, at: datetime) -> Cursor:
    value = {"mode": listing.mode, "token": listing.token, "at": at.isoformat()}
    return Cursor(json.dumps(value, sort_keys=True), shape)


def _parse_cursor(cursor: Cursor, shape: str) -> Mapping[str, str | None]:
    if cursor.shape != shape:
        raise CursorExpired("the cursor was made by a read of another shape")
    try:
        value = json.loads(cursor.value)
        state = {name: value[name] for name in ("mode", "token", "at")}
    except (ValueError, TypeError, KeyError):
        raise CursorExpired("the cursor is not one of ours") from None
    if state["mode"] not in {"sync", "list"} or (state["mode"] == "sync" and not state["token"]):
        raise CursorExpired("the cursor is not one of ours")
    return state
