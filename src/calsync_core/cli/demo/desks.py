"""Calendars as their owner's own apps see them: what she saves and deletes, and what is listed.

Everything here talks to the services directly and knows nothing of the engine, so that it can check the engine's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from xml.etree import ElementTree

import httpx
from attrs import define, field

from calsync_core.testing.servers import CalDAVServer, ServerError

__all__ = ["CalDAVDesk", "Desk", "fetch_json"]

_LIST = (
    '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop>'
    '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>'
    "</C:calendar-query>"
)


@define
class Desk(ABC):
    """One calendar.

    Attributes:
        service: Whose, in a word.
        own: The events she made, each by a name of hers and as she last wrote it: everything else is a busy block.
        stored: The same as the service listed them right after.
    """

    service: ClassVar[str]

    name: str
    client: httpx.Client
    own: dict[str, str] = field(factory=dict, init=False)
    stored: dict[str, str] = field(factory=dict, init=False)

    def put(self, texts: Mapping[str, str]) -> None:
        """She saves events: iCalendar texts of one UID each, by name."""
        for name, text in texts.items():
            self._save(name, text)
            self.own[name] = text
        listing = self.listing()
        self.stored.update({name: listing[name] for name in texts})

    def delete(self, name: str) -> None:
        """She deletes an event, or a block; by its name in a listing."""
        self._erase(name)
        self.own.pop(name, None)
        self.stored.pop(name, None)

    @abstractmethod
    def listing(self) -> dict[str, str]:
        """Every event on the service, right now, as iCalendar texts; one of hers under its name."""

    def blocks(self, listing: Mapping[str, str]) -> dict[str, str]:
        """What of a listing isn't hers."""
        return {name: text for name, text in listing.items() if name not in self.own}

    def untouched(self, listing: Mapping[str, str]) -> bool:
        """Whether all her own events are there, line for line as the service first listed them."""
        return all(listing.get(name, "").splitlines() == text.splitlines() for name, text in self.stored.items())

    @abstractmethod
    def _save(self, name: str, text: str) -> None: ...

    @abstractmethod
    def _erase(self, name: str) -> None: ...


@define
class CalDAVDesk(Desk):
    """A calendar on a CalDAV server: it stores iCalendar texts under the very names that she gives."""

    service: ClassVar[str] = "CalDAV"

    url: str
    server: CalDAVServer
    login: tuple[str, str] = field(repr=False)

    def listing(self) -> dict[str, str]:
        """In one REPORT."""
        answer = self.client.request(
            "REPORT",
            self.url,
            content=_LIST,
            headers={"Depth": "1", "Content-Type": "application/xml; charset=utf-8"},
            auth=self.login,
        )
        if answer.status_code != httpx.codes.MULTI_STATUS:
            raise ServerError(f"radicale: REPORT gave {answer.status_code}")
        tree = ElementTree.fromstring(answer.text)  # noqa: S314  (our own child process wrote it)
        return {
            (node.findtext("{DAV:}href") or "").rpartition("/")[2]: data.text or ""
            for node in tree.iterfind("{DAV:}response")
            for data in node.iter("{urn:ietf:params:xml:ns:caldav}calendar-data")
        }

    def _save(self, name: str, text: str) -> None:
        self.server.put(self.url, name, text)

    def _erase(self, name: str) -> None:
        self.server.delete(self.url, name)


def fetch_json(
    client: httpx.Client, url: str, token: str, *, query: Mapping[str, str] | None = None, prefer: str = ""
) -> dict[str, Any]:
    """Ask a service for JSON.

    Args:
        client: What asks.
        url: Absolute.
        token: Of the bearer.
        query: Parameters; None: the URL has its own.
        prefer: The ``Prefer`` header.

    Raises:
        ServerError: it refused.
    """
    headers = {"Authorization": f"Bearer {token}"} | ({"Prefer": prefer} if prefer else {})
    answer = client.get(url, params=query, headers=headers)
    if not answer.is_success:
        raise ServerError(f"GET {answer.url.path} gave {answer.status_code}")
    found: dict[str, Any] = answer.json()
    return found
