"""The demo's world: one person, and the services that keep her four calendars.

Google and Microsoft are simulated in this process, and asked over HTTP like the real ones; the CalDAV servers are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date

import httpx
from attrs import frozen

from calsync_core.cli.demo.calendars import EXAMPLE_MONDAY, read_calendar, shift, split
from calsync_core.cli.demo.desks import CalDAVDesk, Desk
from calsync_core.cli.demo.google import GoogleDesk
from calsync_core.cli.demo.microsoft import WINDOWS_ZONES, GraphDesk
from calsync_core.testing.servers import RadicaleServer
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator

__all__ = ["EMAIL", "OWNER", "ZONE", "Login", "Town", "open_town"]

OWNER, EMAIL, ZONE = "ana", "ana@example.com", "Europe/Berlin"

_PASSWORD = "demo-password"  # noqa: S105  (of servers that live as long as the story)


@frozen
class Login:
    """One account in the ``calsync.toml`` that the story is told with.

    Attributes:
        auth: The ``auth`` table.
        kept: What keeps the calendar, in words.
    """

    name: str
    provider: str
    base_url: str
    auth: dict[str, str]
    kept: str
    desk: Desk


@frozen
class Town:
    """Her accounts, in the order in which their calendars are shown."""

    monday: date
    logins: tuple[Login, ...]

    @property
    def desks(self) -> tuple[Desk, ...]:
        """All calendars."""
        return tuple(login.desk for login in self.logins)

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
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=30, trust_env=False))
        logins = (
            _open_microsoft(stack, client, "office", "Work"),
            _open_caldav(stack, client, "operations", "On-call"),
            _open_google(stack, client, "personal", "Private"),
            _open_caldav(stack, client, "home", "Family"),
        )
        days = (monday - EXAMPLE_MONDAY).days
        for login in logins:
            login.desk.put(split(shift(read_calendar(login.desk.name.lower()), days)))
        yield Town(monday, logins)


def _open_caldav(stack: ExitStack, client: httpx.Client, name: str, calendar: str) -> Login:
    server = RadicaleServer({OWNER: _PASSWORD})
    stack.callback(server.stop)
    server.start()
    url = server.add_calendar(OWNER, calendar.lower(), name=calendar, timezone=ZONE)
    desk = CalDAVDesk(calendar, client, url, server, (OWNER, _PASSWORD))
    auth = {"type": "password", "username": OWNER, "password": _PASSWORD}
    return Login(name, "caldav", server.base_url, auth, "a Radicale server", desk)


def _open_google(stack: ExitStack, client: httpx.Client, name: str, calendar: str) -> Login:
    google = stack.enter_context(GoogleSimulator())
    primary = google.add_user(EMAIL, timezone=ZONE)
    google.edit_line(primary, EMAIL, summaryOverride=calendar)
    token = google.issue_token(EMAIL)
    desk = GoogleDesk(calendar, client, google, primary, token)
    return Login(name, "google", google.base_url, _bearer(token), "Google Calendar, simulated", desk)


def _open_microsoft(stack: ExitStack, client: httpx.Client, name: str, calendar: str) -> Login:
    graph = stack.enter_context(GraphSimulator())
    graph.add_user(EMAIL, zone=WINDOWS_ZONES[ZONE])
    token = graph.token(EMAIL)
    desk = GraphDesk(calendar, client, graph, graph.add_calendar(EMAIL, calendar), EMAIL, ZONE, token)
    return Login(name, "microsoft", graph.base_url, _bearer(token), "Microsoft 365, simulated", desk)


def _bearer(token: str) -> dict[str, str]:
    return {"type": "bearer", "token": token}
