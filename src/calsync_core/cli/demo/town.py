"""The demo's world: two real CalDAV servers, four calendars of one person, and what her calendar app does there.

Everything here talks to the servers directly and knows nothing of the engine, so that it can check the engine's work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from xml.etree import ElementTree

import httpx
from attrs import field, frozen

from calsync_core.cli.demo.calendars import EXAMPLE_MONDAY, read_calendar, shift, split
from calsync_core.testing.servers import CalDAVServer, RadicaleServer, ServerError

__all__ = ["EMAIL", "OWNER", "PASSWORD", "ZONE", "Desk", "Town", "open_town"]

OWNER, PASSWORD, EMAIL, ZONE = "ana", "demo-password", "ana@example.com", "Europe/Berlin"

_LAYOUT = {"company": {"work": "Work", "on-call": "On-call"}, "home": {"private": "Private", "family": "Family"}}
_LIST = (
    '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop>'
    '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>'
    "</C:calendar-query>"
)


@frozen
class Desk:
    """One calendar, as its owner's own app sees it.

    Attributes:
        own: The resources she made, as she last wrote them: everything else on the calendar is a busy block.
        stored: The same as the server gave them back right after.
    """

    name: str
    url: str
    server: CalDAVServer
    own: dict[str, str] = field(factory=dict)
    stored: dict[str, str] = field(factory=dict)

    def put(self, name: str, text: str) -> None:
        """She saves an event."""
        self.server.put(self.url, name, text)
        self.own[name] = text
        self.stored[name] = self.server.read(self.url, name)

    def listing(self) -> dict[str, str]:
        """Every resource on the server, right now, by name."""
        answer = httpx.request(
            "REPORT",
            self.url,
            content=_LIST,
            headers={"Depth": "1", "Content-Type": "application/xml; charset=utf-8"},
            auth=(OWNER, PASSWORD),
            timeout=30,
            trust_env=False,
        )
        if answer.status_code != httpx.codes.MULTI_STATUS:
            raise ServerError(f"radicale: REPORT gave {answer.status_code}")
        tree = ElementTree.fromstring(answer.text)  # noqa: S314  (our own child process wrote it)
        return {
            (node.findtext("{DAV:}href") or "").rpartition("/")[2]: data.text or ""
            for node in tree.iterfind("{DAV:}response")
            for data in node.iter("{urn:ietf:params:xml:ns:caldav}calendar-data")
        }

    def blocks(self, listing: Mapping[str, str]) -> dict[str, str]:
        """What of a listing isn't hers."""
        return {name: text for name, text in listing.items() if name not in self.own}

    def untouched(self, listing: Mapping[str, str]) -> bool:
        """Whether all her own events are there, line for line as the server first stored them."""
        return all(listing.get(name, "").splitlines() == text.splitlines() for name, text in self.stored.items())


@frozen
class Town:
    """The servers by account name, and all calendars in the order they are shown."""

    monday: date
    servers: dict[str, CalDAVServer]
    desks: tuple[Desk, ...]

    def desk(self, name: str) -> Desk:
        """The calendar of this name."""
        return next(desk for desk in self.desks if desk.name == name)

    def listings(self) -> dict[str, dict[str, str]]:
        """What stands on every calendar right now."""
        return {desk.name: desk.listing() for desk in self.desks}


@contextmanager
def open_town(monday: date) -> Iterator[Town]:
    """Start the servers and load the example calendars, moved to the week of this Monday.

    Raises:
        ConfigurationError: Radicale or the example calendars aren't installed.
        ServerError: a server did not start.
    """
    servers: dict[str, CalDAVServer] = {name: RadicaleServer({OWNER: PASSWORD}) for name in _LAYOUT}
    days = (monday - EXAMPLE_MONDAY).days
    try:
        desks: list[Desk] = []
        for account, calendars in _LAYOUT.items():
            server = servers[account]
            server.start()
            for slug, name in calendars.items():
                desk = Desk(name, server.add_calendar(OWNER, slug, name=name, timezone=ZONE), server)
                for resource, text in split(shift(read_calendar(slug), days)).items():
                    desk.put(resource, text)
                desks.append(desk)
        yield Town(monday, servers, tuple(desks))
    finally:
        for server in servers.values():
            server.stop()
