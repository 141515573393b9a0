"""What CalDAV's probes work with."""

from __future__ import annotations

import secrets

import httpx
from attrs import field, frozen

from caldav_hands import ics
from calsync_core.providers.caldav.wire import Multistatus, build_sync, parse_multistatus
from live.caldav.service import ICAL, XML, CalDAVService
from live.scratch import Scratch
from live.wire import need

__all__ = ["DavWorld", "body", "new_name"]

_TIMES = ("DTSTART:20260302T100000Z", "DTEND:20260302T110000Z")


@frozen
class DavWorld:
    """An account, and a scratch calendar that probes leave as they like.

    Attributes:
        url: The calendar's.
    """

    dav: CalDAVService
    url: str
    scratch: Scratch
    _other: list[str] = field(factory=list)

    def other(self) -> str:
        """A second scratch calendar, made when it is first needed."""
        if not self._other:
            self._other.append(self.scratch.new().remote_id)
        return self._other[0]

    def put(self, name: str, text: str, calendar: str | None = None, **headers: str) -> httpx.Response:
        """PUT a resource; header names with underscores for hyphens."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"{calendar or self.url}{name}.ics"
        return self.dav.wire.ask("PUT", url, content=text.encode(), headers={**ICAL, **named})

    def stored(self, name: str | None = None) -> str:
        """The name of a new resource."""
        name = name or new_name()
        need(self.put(name, body(name)))
        return name

    def etag(self, name: str) -> str:
        """What the resource's GET says, or an empty text."""
        return str(need(self.ask("GET", name)).headers.get("ETag", ""))

    def ask(self, method: str, name: str, **headers: str) -> httpx.Response:
        """A request about one resource."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.dav.wire.ask(method, f"{self.url}{name}.ics", headers=named)

    def report(self, content: str, calendar: str | None = None, depth: str = "1") -> httpx.Response:
        """A REPORT on the calendar."""
        return self.dav.wire.ask("REPORT", calendar or self.url, content=content, headers={**XML, "Depth": depth})

    def synced(self, token: str = "", calendar: str | None = None) -> Multistatus:
        """What changed since a token."""
        answer = need(self.report(build_sync(token, data=False), calendar, depth="0"), 207)
        return parse_multistatus(answer.content)


def new_name() -> str:
    """A resource name, and UID, that nobody ever used."""
    return f"probe-{secrets.token_hex(8)}"


def body(uid: str | None, *lines: str, times: tuple[str, ...] = _TIMES) -> str:
    """An event of one hour."""
    named = [f"UID:{uid}"] if uid else []
    return ics("\n".join([*named, "DTSTAMP:20260301T000000Z", *times, "SUMMARY:Probe", *lines]))
