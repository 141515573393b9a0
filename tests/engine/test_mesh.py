"""Google, Microsoft and a real CalDAV server as one person's calendars: soon right, and still from then on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

import caldav_hands
import google_hands
import graph_hands
from calsync_core.engine import SyncEngine
from calsync_core.models import Account, Availability, BearerToken, Calendar, Event, Login, Password, Span, SyncPolicy
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores import MemoryStore
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.provider_kit import RemoteHands
from calsync_core.testing.servers import RadicaleServer
from calsync_core.testing.simulators.graph import GraphSimulator
from dav_servers import running
from planted import PASSWORD, title
from world import SECRET, START, at

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("google", "microsoft", "caldav")

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def radicale() -> Iterator[RadicaleServer]:
    with running(RadicaleServer({caldav_hands.USER: PASSWORD})) as server:
        yield server


class Mesh:
    """One owner, three services, and the hands of the person on each calendar."""

    def __init__(self, radicale: RadicaleServer) -> None:
        self.clock = VirtualClock(START)
        self.google = GoogleSimulator(self.clock)
        self.google.add_user(google_hands.ANA, timezone="Europe/Berlin")
        self.graph = GraphSimulator(clock=self.clock)
        self.graph.add_user(graph_hands.ANA, zone="W. Europe Standard Time")
        self.google_login = BearerToken(self.google.issue_token(google_hands.ANA))
        self.graph_login = BearerToken(self.graph.token(graph_hands.ANA, lifetime=10**9))
        self.dav_url = radicale.base_url
        dav = caldav_hands.new_calendar(radicale, timezone="Europe/Berlin")
        work = graph_hands.calendar_of(self.graph)
        self.remote = {"google": google_hands.ANA, "microsoft": work.remote_id, "caldav": dav.remote_id}
        self.hands: dict[str, RemoteHands] = {
            "google": google_hands.Hands(self.google, _calendar(google_hands.ANA)),
            "microsoft": graph_hands.Hands(self.graph, work.remote_id),
            "caldav": caldav_hands.Hands(radicale, dav),
        }
        self.engine = self.begin()

    def begin(self) -> SyncEngine:
        """An engine over an empty store, connected to all three."""
        self.engine = SyncEngine(
            store=MemoryStore(),
            providers={
                "google": GoogleProvider(transport=self.google.transport()),
                "microsoft": MicrosoftProvider(transport=self.graph.transport()),
                "caldav": CalDAVProvider(),
            },
            clock=self.clock,
            secret=SECRET,
            policy=SyncPolicy(horizon_days=30),
            max_workers=2,
        )
        self._connect("google", self.google_login)
        self._connect("microsoft", self.graph_login)
        self._connect("caldav", Password(caldav_hands.USER, PASSWORD), self.dav_url)
        return self.engine

    def _connect(self, name: str, login: Login, base_url: str | None = None) -> None:
        account = self.engine.connect(Account("ana", name, name, base_url=base_url), login)
        found = {calendar.remote_id: calendar for calendar in self.engine.discover(account.key)}
        self.engine.enable(found[self.remote[name]].key)

    def round(self) -> int:
        """One pass that must not fail; returns how much it wrote."""
        report = self.engine.sync_calendars_needing_polling()
        assert report.ok, report.errors
        self.clock.advance(timedelta(minutes=10))
        return report.writes

    def settle(self) -> int:
        """One round; then everything is right, and stays still for ten more (I-03). Returns how much was written."""
        written = self.round()
        assert [self.round() for _ in range(10)] == [0] * 10
        audit = self.engine.audit()
        assert audit.ok, audit.findings
        assert (self.graph.mails, self.google.mails) == ((), ())  # I-40
        return written

    def count(self) -> dict[str, int]:
        """How many items each calendar has, blocks and all."""
        return {name: len(self.hands[name].list_raw()) for name in NAMES}


def _calendar(remote_id: str) -> Calendar:
    return Calendar(1, "ana", remote_id, remote_id)


def single(uid: str, start: datetime, **more: Any) -> Event:
    return evolve(Event(uid, uid, Span(start, start + HOUR), title=title(uid)), **more)


def weekly(uid: str, start: datetime) -> Event:
    return evolve(single(uid, start), recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",))


def everything(name: str, hour: int) -> list[list[Event]]:
    """A single meeting, a series across the change of the clocks with two exceptions, days, and free time."""
    first = datetime(2026, 3, 16, hour, tzinfo=BERLIN)
    series = weekly(f"{name}-series", first)

    def exception(week: int, **more: Any) -> Event:
        original = first + timedelta(weeks=week)
        made = evolve(series, id=f"x{week}", series=series.id, original_start=original, recurrence=())
        return evolve(made, **{"span": Span(original, original + HOUR), **more})

    moved = first + timedelta(weeks=1, hours=1)
    return [
        [single(f"{name}-single", at(2, hour))],
        [series, exception(1, span=Span(moved, moved + HOUR)), exception(2, cancelled=True)],
        [evolve(single(f"{name}-days", at(1)), span=Span(date(2026, 3, 9), date(2026, 3, 11)))],
        [single(f"{name}-free", at(4, hour), availability=Availability.FREE)],
        [single(f"{name}-private", at(5, hour), private=True)],
    ]


def test_a_mesh_of_three_services_comes_to_rest(radicale: RadicaleServer) -> None:  # I-01, I-03
    """Then the person books, moves and cancels on each of them, and it does so again."""
    mesh = Mesh(radicale)
    for hour, name in zip((8, 10, 12), NAMES, strict=True):
        for events in everything(name, hour):
            mesh.hands[name].put(*events)
    # The single meeting, two occurrences within the horizon, the days and the private one, on two other calendars each.
    assert mesh.settle() == 3 * 5 * 2

    for number, name in enumerate(NAMES):
        mesh.hands[name].put(single(f"{name}-single", at(7, 9 + number)))
        mesh.hands[name].put(single(f"{name}-new", at(8, 9 + number)))
    assert mesh.settle() == 3 * 2 * 2
    before = mesh.count()

    for name in NAMES:
        (new,) = [key for key, text in mesh.hands[name].list_raw().items() if title(f"{name}-new") in text]
        mesh.hands[name].remove(new)
    assert mesh.settle() == 3 * 2
    assert mesh.count() == {name: number - 3 for name, number in before.items()}


def test_one_meeting_on_all_three_blocks_nowhere_twice(radicale: RadicaleServer) -> None:  # I-06
    """The same UID in the same slot on two calendars: the third has one block for it, the two have none."""
    for here, there in itertools.combinations(NAMES, 2):
        mesh = Mesh(radicale)
        for name in (here, there):
            mesh.hands[name].put(single("shared@example.com", at(2)))
        mesh.settle()
        (third,) = set(NAMES) - {here, there}
        assert mesh.count() == {here: 1, there: 1, third: 1}


def test_a_mesh_s_store_is_lost(radicale: RadicaleServer) -> None:  # I-49
    """The same secret, an empty store: every block is adopted on each service, none is doubled or deleted."""
    mesh = Mesh(radicale)
    for hour, name in zip((8, 10, 12), NAMES, strict=True):
        for events in everything(name, hour):
            mesh.hands[name].put(*events)
    mesh.settle()
    before = {name: set(mesh.hands[name].list_raw()) for name in NAMES}
    mesh.begin()
    mesh.settle()
    assert {name: set(mesh.hands[name].list_raw()) for name in NAMES} == before
