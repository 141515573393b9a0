"""The user's hands on a real CalDAV server, and shorthands that several CalDAV test modules share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

from calsync_core.models import Account, Calendar, Event, Password, Response
from calsync_core.protocols import RequestMeter, Session
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.servers import CalDAVServer
from calsync_core.testing.texts import icalendar_of, time_line, vevent_of
from planted import DETAIL, PASSWORD

USER = "ana"
_slugs = count(1)


def ics(*events: str, zones: str = "") -> str:
    """A whole iCalendar file around VEVENT bodies given as plain lines."""
    return icalendar_of(*events, head=zones)


def session_for(base_url: str, password: str = PASSWORD, *, email: str | None = None) -> Session:
    account = Account("ana", "caldav", "ana-dav", email=email, base_url=base_url)
    return Session(account, StaticTokens(Password(USER, password)), RequestMeter(), VirtualClock())


def new_slug(prefix: str = "calendar") -> str:
    return f"{prefix}-{next(_slugs)}"


def new_calendar(server: CalDAVServer, timezone: str | None = None) -> Calendar:
    """An empty calendar, its own for every test."""
    url = server.add_calendar(USER, new_slug(), timezone=timezone)
    return Calendar(1, "ana", url, "Work", timezone=timezone, id=1)


class Hands:
    """The user of one calendar, with an app that stores iCalendar."""

    def __init__(self, server: CalDAVServer, calendar: Calendar) -> None:
        self.server = server
        self.url = calendar.remote_id

    def put(self, *events: Event) -> str:
        key = f"{events[0].uid}.ics"
        self.server.put(self.url, key, ics(*(vevent(event) for event in events)))
        return key

    def remove(self, key: str) -> None:
        self.server.delete(self.url, key)

    def list_raw(self) -> Mapping[str, str]:
        return {name: self.server.read(self.url, name) for name in self.server.names(self.url)}

    def copy_block(self, key: str) -> str:
        text = re.sub(r"UID:.*", "UID:a-copy\r", self._unfolded(key))
        self.server.put(self.url, "a-copy.ics", text)
        return "a-copy.ics"

    def strip_tag(self, key: str) -> None:
        self.server.put(self.url, key, re.sub(r"X-CALSYNC-TAG:.*\n", "", self._unfolded(key)))

    def invite(self, key: str, address: str) -> None:
        guest = f"ATTENDEE:mailto:{address}\r\nEND:VEVENT"
        self.server.put(self.url, key, self._unfolded(key).replace("END:VEVENT", guest))

    def _unfolded(self, key: str) -> str:
        return re.sub(r"\r?\n[ \t]", "", self.server.read(self.url, key))


class CarelessHands(Hands):
    """On a server that stores what it can't parse."""

    def put_unreadable(self) -> str:
        self.server.put(self.url, "bad.ics", ics("UID:bad\nDTSTAMP:20260301T000000Z\nDTSTART:20261325T090000Z"))
        return "bad.ics"


def vevent(event: Event, own: str = "", organizer: str = "") -> str:
    """An event as an app stores it; with an answer, it is the organizer's, and the answer that of the own address."""
    further = [f"DESCRIPTION:{DETAIL}", f"LOCATION:{DETAIL}"]
    if event.response is not Response.NONE:
        answer = {Response.NEEDS_ACTION: "NEEDS-ACTION"}.get(event.response, event.response.value.upper())
        further += [f"ORGANIZER:mailto:{organizer}", f"ATTENDEE;PARTSTAT={answer}:mailto:{own}"]
    return vevent_of(event, *further)


line = time_line
