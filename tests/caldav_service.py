"""A real Radicale with the hands of a ``MemoryService``, for the histories and stories that were written for one."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from attrs import evolve

from caldav_hands import ics, line, new_slug, vevent
from calsync_core.errors import InvalidValue
from calsync_core.icalendar.names import parse_block_name
from calsync_core.icalendar.reader import Reader
from calsync_core.models import CalendarRole, Event, Item, Moment, Password, Span
from calsync_core.protocols import TokenSource
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.caldav.names import collection_url
from calsync_core.providers.memory import MemoryService
from calsync_core.testing import VirtualClock
from calsync_core.testing.servers import RadicaleServer
from dav_servers import running
from google_service import so_much_later
from planted import PASSWORD, guest

__all__ = ["CalDAVService", "radicale_for"]

_BOSS = guest("boss")
_CONTROL = "\x01"
"""In a title it makes the server's whole answer no XML: the resource is there, and can't be read."""


@contextmanager
def radicale_for(*names: str) -> Iterator[RadicaleServer]:
    """A server on which these users can be added. Skips the test where Radicale is not installed."""
    with running(RadicaleServer({_address(name): PASSWORD for name in names})) as server:
        yield server


class Login(TokenSource):
    """A user's password as it is now: right until ``set_password`` says another one."""

    def __init__(self, service: CalDAVService, user: str) -> None:
        self._service = service
        self._user = user

    def credential(self, *, renew: bool = False) -> Password:  # noqa: ARG002  (the port's signature)
        return Password(_address(self._user), self._service.passwords[self._user])


class CalDAVService:
    """Acts as people do in their apps; an event goes by its UID, which is its resource's name as well.

    What stands in the calendars is read from the server's folder: a listing of the server's own would be one request
    for each event.

    Args:
        server: Running, from ``radicale_for``; it is taken over, and what was there before is gone.
        clock: The world's.

    Attributes:
        base_url: Where adapters find the server; whoever stands before it sets this first.
        passwords: Each user's, as they are connected.
    """

    kind = "caldav"
    shows_tentative = True
    renormalise_titles = False

    def __init__(self, server: RadicaleServer, clock: VirtualClock) -> None:
        self.server = server
        self.clock = clock
        self.base_url = server.base_url
        self.passwords: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        for home in self._root.glob("*"):
            shutil.rmtree(home)

    event = staticmethod(MemoryService.event)
    exception = staticmethod(MemoryService.exception)

    def provider(self) -> CalDAVProvider:
        """An adapter that asks this server."""
        made = CalDAVProvider()
        made.default_base = self.base_url
        return made

    def login(self, user: str, _password: str) -> TokenSource:
        """How this user is connected."""
        return Login(self, user)

    # -- people and calendars -------------------------------------------------------------------------------------

    def add_user(self, name: str, password: str) -> None:
        assert self.server.users[_address(name)] == password
        self.passwords[name] = password

    def set_password(self, name: str, password: str) -> None:
        """Another one than that of the first day is not the user's."""
        self.passwords[name] = password

    def add_calendar(self, user: str, _name: str, *, timezone: str = "UTC", primary: bool = True) -> str:
        assert primary
        url = self.server.add_calendar(_address(user), new_slug(), timezone=timezone)
        seen = collection_url(self.base_url, urlsplit(url).path)
        self._urls[seen], self._owners[seen] = url, _address(user)
        return seen

    def share(self, _calendar_id: str, _user: str, role: CalendarRole) -> None:
        """Only what everybody has already: this server reads its rights when it starts."""
        if not role.writable:
            raise InvalidValue("role: rights can't be taken away here")

    def remove_calendar(self, calendar_id: str) -> None:
        if self._folder(calendar_id).exists():
            self._folder(calendar_id).rename(self._attic(calendar_id))

    def bring_back(self, calendar_id: str) -> None:
        if self._attic(calendar_id).exists():
            self._attic(calendar_id).rename(self._folder(calendar_id))

    def expire_cursors(self, calendar_id: str | None = None) -> None:
        for url in self._owners if calendar_id is None else [calendar_id]:
            for token in (self._folder(url) / ".Radicale.cache" / "sync-token").glob("*"):
                token.unlink()

    # -- events ---------------------------------------------------------------------------------------------------

    def put(self, calendar_id: str, *events: Event) -> str:
        """Save a single event or a master, or more exceptions of a stored series, unless the calendar is gone."""
        if not self._folder(calendar_id).exists():
            return events[0].series or events[0].id
        key = events[0].series or events[0].id
        kept = (
            {} if any(event.series is None for event in events) else {one.id: one for one in self._at(calendar_id, key)}
        )
        kept |= {event.id: event for event in events}
        address = self._owners[calendar_id]
        self.server.put(self._urls[calendar_id], key, ics(*(vevent(event, address, _BOSS) for event in kept.values())))
        return key

    def edit(self, calendar_id: str, event_id: str, **changes: Any) -> None:
        item, event = self._find(calendar_id, event_id)
        if "start" in changes:
            start = changes.pop("start")
            changes["span"] = Span(start, changes.pop("end", None) or so_much_later(start, event.span))
        edited = evolve(event, **changes)
        if parse_block_name(item.key) is None:
            self.put(calendar_id, *(edited if one is event else one for one in item.events))
            return
        edges = {"DTSTART": edited.span.start, "DTEND": edited.span.end}
        said = {name: line(name, moment) for name, moment in edges.items()}
        self._rewrite(calendar_id, item.key, {**said, "SUMMARY": f"SUMMARY:{edited.title}"})

    def move(self, calendar_id: str, event_id: str, start: Moment, end: Moment | None = None) -> None:
        self.edit(calendar_id, event_id, start=start, end=end)

    def retitle(self, calendar_id: str, event_id: str, title: str) -> None:
        self.edit(calendar_id, event_id, title=title)

    def remove(self, calendar_id: str, event_id: str) -> None:
        """Delete an event; an exception goes back to its place in the series."""
        item, event = self._find(calendar_id, event_id)
        if event.series is None:
            self.server.delete(self._urls[calendar_id], item.key)
        else:
            self.put(calendar_id, *(one for one in item.events if one is not event))

    def items(self, calendar_id: str) -> list[Item]:
        found = []
        for file in sorted(self._folder(calendar_id).glob("[!.]*")):
            with suppress(FileNotFoundError):  # another process may delete it at this moment
                text = file.read_text(encoding="utf-8")
                etag = hashlib.sha256(text.encode()).hexdigest()
                found.append(self._reader(calendar_id).parse(file.name, text.replace(_CONTROL, ""), etag))
        return found

    def blocks(self, calendar_id: str) -> list[Item]:
        return [item for item in self.items(calendar_id) if parse_block_name(item.key) is not None]

    def adorn(self, calendar_id: str, key: str) -> None:
        self._rewrite(calendar_id, key, {"END:VEVENT": f"ATTENDEE:mailto:{_BOSS}\r\nEND:VEVENT"})

    def strip_tag(self, calendar_id: str, key: str) -> None:
        self._rewrite(calendar_id, key, {"X-CALSYNC-TAG": "X-NOTHING:1"})

    def copy_block(self, calendar_id: str, key: str, copy_id: str, *, to: str | None = None) -> str:
        text = re.sub(r"UID:.*", f"UID:{copy_id}\r", self._unfolded(calendar_id, key))
        self.server.put(self._urls[to or calendar_id], copy_id, text)
        return copy_id

    def corrupt(self, calendar_id: str, key: str) -> None:
        """No app can do this: it is done to the server's file."""
        self._replace(calendar_id, key, "SUMMARY:", f"SUMMARY:{_CONTROL}")

    def mend(self, calendar_id: str, key: str) -> None:
        self._replace(calendar_id, key, _CONTROL, "")

    def _replace(self, calendar_id: str, key: str, old: str, new: str) -> None:
        file = self._folder(calendar_id) / key
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def _rewrite(self, calendar_id: str, key: str, said: dict[str, str]) -> None:
        """Replace whole lines by the names that they begin with."""
        text = self._unfolded(calendar_id, key)
        for name, new in said.items():
            text = re.sub(rf"(?m)^{name}\b.*$", f"{new}\r", text, count=1)
        self.server.put(self._urls[calendar_id], key, text)

    def _unfolded(self, calendar_id: str, key: str) -> str:
        return re.sub(r"\r?\n[ \t]", "", self.server.read(self._urls[calendar_id], key))

    def _at(self, calendar_id: str, key: str) -> tuple[Event, ...]:
        return next((item.events for item in self.items(calendar_id) if item.key == key), ())

    def _find(self, calendar_id: str, event_id: str) -> tuple[Item, Event]:
        for item in self.items(calendar_id):
            for event in item.events:
                if event.id == event_id:
                    return item, event
        raise InvalidValue(f"event_id: nothing with the id {event_id!r}")

    def _reader(self, calendar_id: str) -> Reader:
        return Reader(ZoneInfo("UTC"), frozenset({self._owners[calendar_id]}))

    def _attic(self, calendar_id: str) -> Path:
        return self.server.folder / self._folder(calendar_id).name

    def _folder(self, calendar_id: str) -> Path:
        return self._root / unquote(urlsplit(calendar_id).path).strip("/")

    @property
    def _root(self) -> Path:
        return self.server.folder / "data" / "collection-root"


def _address(user: str) -> str:
    return f"{user}@example.com"
