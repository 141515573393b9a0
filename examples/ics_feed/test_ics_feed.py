"""The provider's contract, kept: calsync's own tests, a feed on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from attrs import evolve
from calsync_ics_feed import IcsFeedProvider

from calsync_core import Account, BearerToken, StaticTokens
from calsync_core.models import Calendar, CalendarRole, Event
from calsync_core.protocols import RequestMeter, Session
from calsync_core.testing import VirtualClock, icalendar_of, vevent_of
from calsync_core.testing.provider_kit import PublishingContract

PATH = "/roster-4f9c2ab1d07e.ics"


class FeedServer:
    """Publishes one calendar, and is the hands of whoever keeps that calendar."""

    def __init__(self) -> None:
        self.events: dict[str, str] = {}
        self.path = PATH
        self.instead: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.text().encode()
                etag = f'"{hashlib.sha256(body).hexdigest()}"'
                known, found = (
                    self.headers.get("If-None-Match") == etag,
                    self.path == outer.path,
                )
                self.send_response((304 if known else 200) if found else 404)
                self.send_header("ETag", etag)
                self.send_header(
                    "Content-Length", str(len(body)) if found and not known else "0"
                )
                self.end_headers()
                if found and not known:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Keep quiet: the path is a secret."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{self.path}"

    def text(self) -> str:
        if self.instead is not None:
            return self.instead
        return icalendar_of(*self.events.values(), head="X-WR-CALNAME:Roster")

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    # -- the kit's RemoteHands and CorruptingHands -------------------------------------

    def put(self, *events: Event) -> str:
        key = str(events[0].uid)
        self.events[key] = "\nEND:VEVENT\nBEGIN:VEVENT\n".join(map(vevent_of, events))
        return key

    def remove(self, key: str) -> None:
        del self.events[key]

    def list_raw(self) -> Mapping[str, str]:
        return dict(self.events)

    def put_unreadable(self) -> str:
        self.events["bad"] = "UID:bad\nDTSTART:20261325T090000Z"
        return "bad"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    made = FeedServer()
    yield made
    made.stop()


class TestIcsFeed(PublishingContract):
    """Every promise that a provider makes which is only read."""

    @pytest.fixture
    def provider(self) -> IcsFeedProvider:
        return IcsFeedProvider()

    @pytest.fixture
    def session(self, server: FeedServer) -> Session:
        account = Account(owner="ana", provider="ics-feed", name="roster")
        return Session(
            account,
            StaticTokens(BearerToken(server.address)),
            RequestMeter(),
            VirtualClock(),
        )

    @pytest.fixture
    def wrong_session(self, session: Session, server: FeedServer) -> Session:
        return evolve(
            session,
            tokens=StaticTokens(BearerToken(server.address.replace("4f9c", "0000"))),
        )

    @pytest.fixture
    def calendar(self) -> Calendar:
        return Calendar(1, "ana", "roster", "Roster", role=CalendarRole.READER, id=1)

    @pytest.fixture
    def remote(self, server: FeedServer) -> FeedServer:
        return server
