"""A CalDAV account: its scratch calendars, and the hands of their user."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import cast
from urllib.parse import quote, urlsplit

import httpx
import pytest
from attrs import evolve

from caldav_hands import Hands
from calsync_core.models import Calendar, Event
from calsync_core.protocols import TokenSource
from calsync_core.providers.caldav import CalDAVProvider, ICloudProvider
from calsync_core.providers.caldav.adapter import ICLOUD
from calsync_core.providers.caldav.names import collection_url, is_collection, key_of
from calsync_core.providers.caldav.wire import CALDAV, DAV, build_propfind, parse_multistatus
from calsync_core.testing.servers import CalDAVServer
from live.findings import Unanswered
from live.service import LiveHands, LiveService
from live.wire import Wire, need

__all__ = ["CalDAVService", "DavHands", "ICloudService"]

XML = {"Content-Type": "application/xml; charset=utf-8"}
ICAL = {"Content-Type": "text/calendar; charset=utf-8"}
_NAME, _TYPE, _ETAG = f"{{{DAV}}}displayname", f"{{{DAV}}}resourcetype", f"{{{DAV}}}getetag"
_HOME = f"{{{CALDAV}}}calendar-home-set"
_MADE = (
    '<?xml version="1.0" encoding="utf-8"?><C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set>'
    '<prop><displayname>{}</displayname><C:supported-calendar-component-set><C:comp name="VEVENT"/>'
    "</C:supported-calendar-component-set></prop></set></C:mkcalendar>"
)


class CalDAVService(LiveService):
    """One account on any CalDAV server."""

    name = "caldav"
    cheap_calendars = True
    default_base: str | None = None

    def make_provider(self) -> CalDAVProvider:
        """For any server."""
        return CalDAVProvider()

    def open_wire(self, tokens: TokenSource) -> Wire:
        """At the server's root."""
        return Wire(collection_url(self.setup.base_url or self.default_base or "", ""), tokens, self.clock)

    @cached_property
    def principal(self) -> str:
        """The login's own URL."""
        return self.provider.identify(self.session).subject

    @cached_property
    def home(self) -> str:
        """Where its calendars are. Raises Unanswered: on a host that this run does not know to be the server's."""
        answer = need(self.propfind(self.principal, _HOME), 207)
        hrefs = [href for entry in parse_multistatus(answer.content).entries for href in entry.hrefs(_HOME)]
        home = collection_url(self.principal, hrefs[0] if hrefs else "")
        if self.trusts(urlsplit(home).hostname or ""):
            self.wire.allow(home)
        return home

    def trusts(self, host: str) -> bool:
        """Whether the login may go there; a server's own host needs no asking."""
        return host == urlsplit(self.wire.base).hostname

    def propfind(self, url: str, *names: str, depth: str = "0") -> httpx.Response:
        """A PROPFIND for these properties."""
        return self.wire.ask("PROPFIND", url, content=build_propfind(*names), headers={**XML, "Depth": depth})

    def list_calendars(self) -> Iterable[tuple[str, str]]:
        """The collections in the home."""
        answer = need(self.propfind(self.home, _NAME, _TYPE, depth="1"), 207)
        for entry in parse_multistatus(answer.content).entries:
            if f"{{{CALDAV}}}calendar" in (entry.names(_TYPE) or ()):
                url = collection_url(self.home, entry.href)
                yield url, entry.text(_NAME) or url.rstrip("/").rpartition("/")[2]

    def make_calendar(self, name: str) -> str:
        """MKCALENDAR."""
        url = collection_url(self.home, f"{quote(name)}/")
        need(self.wire.ask("MKCALENDAR", url, content=_MADE.format(name), headers=XML))
        return url

    def drop_calendar(self, calendar_id: str) -> None:
        """DELETE."""
        need(self.wire.ask("DELETE", calendar_id), 200, 204, 404, 410)

    def hands(self, calendar: Calendar) -> DavHands:
        """The user's."""
        return DavHands(self, calendar)


class ICloudService(CalDAVService):
    """One Apple account with an app-specific password."""

    name = "icloud"
    cheap_calendars = False
    default_base = ICLOUD

    def make_provider(self) -> CalDAVProvider:
        """With Apple's hosts allowed."""
        return ICloudProvider()

    def trusts(self, host: str) -> bool:
        """Accounts live on partition hosts."""
        return super().trusts(host) or host.endswith(".icloud.com")


class DavHands(LiveHands):
    """The user of one calendar; a ``RemoteHands`` and ``BlockHands``."""

    service: CalDAVService

    def __init__(self, service: CalDAVService, calendar: Calendar) -> None:
        super().__init__(service, calendar)
        self._salt = secrets.token_hex(4)
        # The hands of the simulator-less tests need four methods of their server.
        self._user = Hands(cast("CalDAVServer", _Shelf(self)), calendar)

    def put(self, *events: Event) -> str:
        """Under a UID of its own: a server may keep those of other calendars from being used again."""
        self.uids |= {f"{self._salt}-{event.uid}": event.uid or "" for event in events}
        return self._user.put(*(evolve(event, uid=f"{self._salt}-{event.uid}") for event in events))

    def remove(self, key: str) -> None:
        """DELETE."""
        self._user.remove(key)

    def list_raw(self) -> Mapping[str, str]:
        """Every resource's text."""
        self.settle()
        return self._user.list_raw()

    def copy_block(self, key: str) -> str:
        """Under another UID."""
        return self._user.copy_block(key)

    def strip_tag(self, key: str) -> None:
        """Without the private property."""
        self._user.strip_tag(key)

    def invite(self, key: str, address: str) -> None:  # noqa: ARG002  (the hands' signature)
        """Not here."""
        pytest.skip("the server might write to the person")

    def listed(self) -> Mapping[str, str]:
        """Resources and their etags."""
        answer = need(self.service.propfind(self.id, _ETAG, depth="1"), 207)
        entries = parse_multistatus(answer.content).entries
        return {key_of(one.href): one.etag or "" for one in entries if not is_collection(one.href, self.id)}

    def clear(self) -> None:
        """One by one."""
        for key in self.listed():
            self._user.remove(key)
        self.settle()


class _Shelf:
    """What the hands need of a server, over the wire."""

    def __init__(self, hands: DavHands) -> None:
        self._hands = hands
        self._wire = hands.service.wire

    def put(self, calendar_url: str, name: str, text: str) -> str | None:
        answer = need(self._wire.ask("PUT", calendar_url + quote(name), content=text.encode(), headers=ICAL))
        self._hands.note_written(name, None)
        etag: str | None = answer.headers.get("ETag")
        return etag

    def read(self, calendar_url: str, name: str) -> str:
        return need(self._wire.ask("GET", calendar_url + quote(name))).text

    def delete(self, calendar_url: str, name: str = "") -> None:
        need(self._wire.ask("DELETE", calendar_url + quote(name)))
        self._hands.note_deleted(name)

    def names(self, _calendar_url: str) -> list[str]:
        return sorted(self._hands.listed())


def home_host_differs(service: CalDAVService) -> bool:
    """Whether the calendars are on another host than the one that was asked first. Raises Unanswered."""
    home = urlsplit(service.home).hostname
    if home is None:
        raise Unanswered("no calendar home")
    return home != urlsplit(service.wire.base).hostname
