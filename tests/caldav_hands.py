"""The user's hands on a real CalDAV server, and shorthands that several CalDAV test modules share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import count
from zoneinfo import ZoneInfo

from calsync_core.models import Account, Availability, Calendar, Event, Moment, Password, Response
from calsync_core.protocols import RequestMeter, Session
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.servers import CalDAVServer
from planted import DETAIL, PASSWORD

USER = "ana"
_slugs = count(1)


def ics(*events: str, zones: str = "") -> str:
    """A whole iCalendar file around VEVENT bodies given as plain lines."""
    inner = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{zones}{inner}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


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
    lines = [
        f"UID:{event.uid}",
        "DTSTAMP:20260301T000000Z",
        line("DTSTART", event.span.start),
        line("DTEND", event.span.end),
        f"SUMMARY:{re.sub(rf'([;,]|{re.escape(chr(92))})', rf'{chr(92) * 3}1', event.title)}",
        f"DESCRIPTION:{DETAIL}",
        f"LOCATION:{DETAIL}",
        "TRANSP:TRANSPARENT" if event.availability is Availability.FREE else "TRANSP:OPAQUE",
        *event.recurrence,
    ]
    if event.private:
        lines.append("CLASS:PRIVATE")
    if event.original_start is not None:
        lines.append(line("RECURRENCE-ID", event.original_start))
    if event.cancelled:
        lines.append("STATUS:CANCELLED")
    if event.response is not Response.NONE:
        answer = {Response.NEEDS_ACTION: "NEEDS-ACTION"}.get(event.response, event.response.value.upper())
        lines += [f"ORGANIZER:mailto:{organizer}", f"ATTENDEE;PARTSTAT={answer}:mailto:{own}"]
    return "\n".join(lines)


def line(name: str, moment: Moment | date) -> str:
    """One property that is a time."""
    if not isinstance(moment, datetime):
        return f"{name};VALUE=DATE:{moment:%Y%m%d}"
    if isinstance(moment.tzinfo, ZoneInfo) and moment.tzinfo.key != "UTC":
        return f"{name};TZID={moment.tzinfo.key}:{moment:%Y%m%dT%H%M%S}"
    return f"{name}:{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
