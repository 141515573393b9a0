"""One owner's calendars at Google, at a real CalDAV server and in memory keep each other honest (I-01, I-03)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

import caldav_hands
import google_hands
from calsync_core.engine import SyncEngine
from calsync_core.models import Account, BearerToken, Calendar, Credential, Event, Password, Span, SyncPolicy
from calsync_core.protocols import RequestMeter
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.provider_kit import RemoteHands
from calsync_core.testing.servers import RadicaleServer
from dav_servers import running
from memory_bench import Hands as MemoryHands
from planted import PASSWORD
from world import START, at

pytestmark = pytest.mark.server

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ("google", "caldav", "memory")


@pytest.fixture
def radicale() -> Iterator[RadicaleServer]:
    with running(RadicaleServer({caldav_hands.USER: PASSWORD})) as server:
        yield server


class Mesh:
    """Three calendars of Ana's, and the engine over them."""

    def __init__(self, radicale: RadicaleServer) -> None:
        self.clock = VirtualClock(START)
        self.google = GoogleSimulator(self.clock)
        self.google.add_user(google_hands.ANA, timezone="Europe/Berlin")
        memory = MemoryService()
        memory.add_user("ana", PASSWORD)
        memory_id = memory.add_calendar("ana", "Memory", timezone="Europe/Berlin", primary=True)
        dav_id = caldav_hands.new_calendar(radicale, "Europe/Berlin").remote_id
        self.engine = SyncEngine(
            store=MemoryStore(),
            providers={
                "google": GoogleProvider(transport=self.google.transport()),
                "caldav": CalDAVProvider(),
                "memory": MemoryProvider(memory),
            },
            secret="a secret for tests only",
            clock=self.clock,
            policy=SyncPolicy(horizon_days=21),
            max_workers=1,
        )
        logins: dict[str, Credential] = {
            "google": BearerToken(self.google.issue_token(google_hands.ANA)),
            "caldav": Password(caldav_hands.USER, PASSWORD),
            "memory": Password("ana", PASSWORD),
        }
        remote = {"google": google_hands.ANA, "caldav": dav_id, "memory": memory_id}
        self.calendars: dict[str, Calendar] = {}
        for name in NAMES:
            base = radicale.base_url if name == "caldav" else None
            account = self.engine.connect(Account("ana", name, name, base_url=base), logins[name])
            found = {one.remote_id: one for one in self.engine.discover(account.key)}
            self.calendars[name] = self.engine.enable(found[remote[name]].key)
        self.hands: dict[str, RemoteHands] = {
            "google": google_hands.Hands(self.google, self.calendars["google"]),
            "caldav": caldav_hands.Hands(radicale, self.calendars["caldav"]),
            "memory": MemoryHands(memory, memory_id),
        }

    def busy(self, name: str) -> list[Span]:
        """The blocks that a calendar shows, by a fresh listing."""
        calendar = self.calendars[name]
        account = self.engine._context.store.load_account(calendar.account_id)
        provider = self.engine._context.writer_of(account)
        session = self.engine._context.session(account, RequestMeter())
        spans = [item.events[0].span for item in provider.find_blocks(session, calendar)]
        return sorted(spans, key=lambda span: span.edges(UTC))

    def rounds(self) -> list[int]:
        """How many writes each of ten rounds takes."""
        writes = []
        for _ in range(10):
            report = self.engine.sync_calendars_needing_polling()
            assert report.ok, report.errors
            writes.append(report.writes)
            self.clock.advance(timedelta(minutes=2))
        return writes


def hour(start: datetime) -> Span:
    return Span(start.astimezone(UTC), (start + timedelta(hours=1)).astimezone(UTC))


@pytest.fixture
def mesh(radicale: RadicaleServer) -> Mesh:
    return Mesh(radicale)


def test_it_converges_and_rests(mesh: Mesh) -> None:  # I-01, I-03, I-18, I-19
    first = datetime(2026, 3, 3, 9, tzinfo=BERLIN)
    daily = Event("daily", "daily@x", Span(first, first + timedelta(hours=1)), recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
    second = first + timedelta(days=1)
    off = evolve(
        daily,
        id="off",
        series="daily",
        original_start=second,
        recurrence=(),
        span=Span(second, second + timedelta(hours=1)),
        cancelled=True,
    )
    trip = Event("trip", "trip@x", Span(date(2026, 3, 7), date(2026, 3, 9)), title="Trip")
    dinner = Event("dinner", "dinner@x", hour(at(4, 18)), title="Dinner")
    mesh.hands["google"].put(daily, off)
    mesh.hands["caldav"].put(trip)
    mesh.hands["memory"].put(dinner)
    # Four occurrences, each on two calendars.
    assert mesh.rounds() == [8, *[0] * 9]
    of_google = [hour(first), hour(first + timedelta(days=2))]
    assert mesh.busy("caldav") == sorted([*of_google, dinner.span], key=lambda span: span.edges(UTC))
    assert mesh.busy("memory") == [*of_google, trip.span]
    assert mesh.busy("google") == [dinner.span, trip.span]
    assert mesh.engine.audit().ok


def test_changes_everywhere_at_once(mesh: Mesh) -> None:  # I-01, I-03, I-21, I-40
    for number, name in enumerate(NAMES):
        mesh.hands[name].put(Event(name, f"{name}@x", hour(at(2 + number, 10)), title="Meeting"))
    # The same meeting on two calendars blocks the third one only.
    for name in ("google", "caldav"):
        mesh.hands[name].put(Event("both", "both@x", hour(at(6, 12)), title="Both"))
    mesh.rounds()
    mesh.hands["google"].put(Event("google", "google@x", hour(at(2, 15)), title="Meeting"))
    mesh.hands["memory"].remove("memory")
    mesh.hands["caldav"].put(Event("caldav", "caldav@x", hour(at(3, 8)), title="Meeting"))
    assert mesh.rounds()[1:] == [0] * 9
    assert mesh.busy("google") == [hour(at(3, 8))]
    assert mesh.busy("caldav") == [hour(at(2, 15))]
    assert mesh.busy("memory") == [hour(at(2, 15)), hour(at(3, 8)), hour(at(6, 12))]
    assert mesh.google.mails == ()
    assert mesh.engine.audit().ok
