"""CalDAV behind the ``Provider`` port."""

from __future__ import annotations

import threading
from collections.abc import Collection as AnyOf
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from attrs import frozen

from calsync_core.errors import InvalidValue, Unavailable
from calsync_core.icalendar.names import block_id
from calsync_core.icalendar.reader import Reader
from calsync_core.models import (
    Calendar,
    ChangePage,
    Identity,
    Intent,
    Item,
    Lookup,
    Outcome,
    Password,
    RemoteCalendar,
    Window,
)
from calsync_core.protocols import ReadRequest, Session, TokenSource
from calsync_core.providers.caldav.discovery import Principal, find_principal, list_collections
from calsync_core.providers.caldav.names import collection_url
from calsync_core.providers.caldav.reading import Collection, Quirks
from calsync_core.providers.caldav.transport import DavLink, base_of
from calsync_core.providers.caldav.writing import BlockWriter
from calsync_core.transport import Connections, HttpxConnection

__all__ = ["CalDAVProvider", "ICloudProvider"]

ICLOUD = "https://caldav.icloud.com/"
_FRESH_SECONDS = 60.0
"""For so long after a login was asked who it is, its calendars are listed without asking again where they are."""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@frozen
class _Found:
    """Who a login is, at which server, and when that was asked (monotonic seconds)."""

    principal: Principal
    base: str
    at: float


class CalDAVProvider:
    """Any CalDAV server (RFC 4791). The server's address is the account's ``base_url``.

    Args:
        timeout: Seconds one request may take in all.
        allowed_hosts: Hosts besides the base URL's own to which credentials may go: a name, ``name:port``, or
            ``*.example.com`` for every host below it (I-38).
        chunk: Resources per multiget.
        data_in_sync: Ask for the data together with the changes; servers that can't leave it out.

    Raises:
        InvalidValue: names the argument.
    """

    batch_size: int = 50
    shows_tentative: bool = True
    default_base: str | None = None
    """Where accounts without a ``base_url`` are."""

    def __init__(
        self,
        *,
        timeout: float = 60,
        allowed_hosts: AnyOf[str] = (),
        chunk: int = 250,
        data_in_sync: bool = True,
    ) -> None:
        if timeout <= 0:
            raise InvalidValue("timeout: must be more than 0 seconds")
        if chunk < 1:
            raise InvalidValue("chunk: must be at least 1")
        if isinstance(allowed_hosts, str):
            raise InvalidValue("allowed_hosts: needs a collection of hosts, not one string")
        self._timeout = timeout
        self._allowed_hosts = tuple(allowed_hosts)
        self._quirks = Quirks(chunk=chunk, data_in_sync=data_in_sync)
        self._connections = Connections(HttpxConnection)
        self._lock = threading.Lock()
        self._principals: WeakKeyDictionary[TokenSource, _Found] = WeakKeyDictionary()

    def identify(self, session: Session) -> Identity:
        """The principal's URL and first mail address. Two or three requests."""
        principal = self._find_principal(session, self._link(session))
        return Identity(principal.url, next(iter(principal.addresses), None))

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """The calendars in the login's homes; the scheduling default is primary, if the server names one."""
        link = self._link(session)
        with self._lock:
            found = self._principals.get(session.tokens)
        if found is None or found.base != link.base or session.clock.monotonic() - found.at > _FRESH_SECONDS:
            return list_collections(link, self._find_principal(session, link))
        return list_collections(link, found.principal)

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:  # noqa: ARG002  (the port's signature)
        """``calsync-KEY-GENERATION.ics``."""
        return block_id(key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """By sync-collection where the server can, else by comparing etags. A listing covers the whole calendar."""
        yield from self._collection(session, request.calendar).changes(request)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """By calendar-multiget; what it leaves open by GET."""
        return self._collection(session, calendar).lookup(keys)

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """Reads the whole calendar: a block whose resource was renamed is known by its UID only."""
        unreadable = 0
        everything = Window(start=_FIRST, end=_LAST)
        for page in self.fetch_changes(session, ReadRequest(calendar, everything)):
            unreadable += len(page.unreadable)
            yield from (item for item in page.items if _is_block(item))
        if unreadable:
            raise Unavailable(f"{unreadable} resources could not be read")

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """One conditional PUT or DELETE per intent."""
        yield from BlockWriter(self._collection(session, calendar)).apply(intents)

    def _link(self, session: Session) -> DavLink:
        base = base_of(session.account.base_url or self.default_base)
        return DavLink(session, self._connections, base, self._allowed_hosts, self._timeout)

    def _collection(self, session: Session, calendar: Calendar) -> Collection:
        zone = calendar.timezone or session.account.timezone
        reader = Reader(ZoneInfo(zone) if zone else None, self._own_addresses(session))
        return Collection(self._link(session), collection_url(calendar.remote_id, ""), reader, self._quirks)

    def _find_principal(self, session: Session, link: DavLink) -> Principal:
        principal = find_principal(link)
        with self._lock:
            self._principals[session.tokens] = _Found(principal, link.base, session.clock.monotonic())
        return principal

    def _own_addresses(self, session: Session) -> frozenset[str]:
        credential = session.tokens.credential()
        names = {session.account.email, credential.username if isinstance(credential, Password) else None}
        with self._lock:
            found = self._principals.get(session.tokens)
        told = frozenset(found.principal.addresses if found is not None else ())
        return told | {name.lower() for name in names if name and "@" in name}


class ICloudProvider(CalDAVProvider):
    """Apple iCloud with an app-specific password. Accounts live on partition hosts below ``icloud.com``.

    Args:
        timeout: Seconds one request may take in all; a multiget was seen to take 35.
        allowed_hosts: Hosts besides the base URL's own; the default admits Apple's.
        chunk: Resources per multiget; large ones were seen to take more than half a minute.
    """

    default_base = ICLOUD

    def __init__(
        self, *, timeout: float = 120, allowed_hosts: AnyOf[str] = ("*.icloud.com",), chunk: int = 100
    ) -> None:
        super().__init__(timeout=timeout, allowed_hosts=allowed_hosts, chunk=chunk, data_in_sync=False)
        self._quirks = Quirks(chunk=chunk, data_in_sync=False, confirm_missing=True)


def _is_block(item: Item) -> bool:
    return any(event.mark is not None and not event.mark.textual for event in item.events)
