"""Services that answer as an enemy would: all that comes of it are items, debts, or an error of ours (I-07, I-37)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import google_hands
import graph_hands
from caldav_hands import session_for
from caldav_scripts import Hands as NoHands
from caldav_scripts import event as an_event
from calsync_core.core.extent import reach
from calsync_core.core.identity import Keyring
from calsync_core.core.occurrences import bounds, expand
from calsync_core.core.reading import relevant
from calsync_core.models import Calendar, Credential, Cursor, Event, Item, OperationKind, Span
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.testing.provider_contract.bench import START, WINDOW, Bench, Reading, meeting
from calsync_core.testing.provider_contract.fixtures import BERLIN, BUSY, DAY, HOUR, KEY, LATER, OTHER_KEY
from calsync_core.transport import Answer, Connection, Connections
from enemy import TITLE, Enemy, Twisted, asked
from scripted_server import COLLECTION, Dav, Reply, Request

KEYRING = Keyring.of("a secret for tests only")
ZONES = (BERLIN, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("America/Los_Angeles"))

enemies = st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed)))


def events() -> list[list[Event]]:
    """A meeting, a day, and a series with an occurrence moved and another cancelled."""
    local = START.astimezone(BERLIN)
    master = Event("s", "s", Span(local, local + HOUR), recurrence=("RRULE:FREQ=DAILY;COUNT=5",), title=TITLE)
    moved, gone = (
        Event("x", "s", Span(at, at + HOUR), series="s", original_start=local + DAY * number, title=TITLE)
        for number, at in ((1, local + DAY + HOUR), (2, local + 2 * DAY))
    )
    day = Span(START.date(), START.date() + timedelta(days=2))
    return [
        [meeting("one", title=TITLE)],
        [Event("d", "d", day, title=TITLE)],
        [master, moved, evolve(gone, cancelled=True)],
    ]


def used(items: Iterable[Item]) -> None:
    """What a sync does with items next must not fail either: one of them would stop the owner's plan."""
    for item in items:
        for zone in ZONES:
            kept = relevant((item,), zone, START)
            for one in kept:
                expand(one.events, WINDOW, zone, budget=500)
        for event in item.events:
            reach(event)
            bounds(event, BERLIN)
            KEYRING.block_keys("ana", event.identity, event.slot, item.key)


def everything(bench: Bench, keys: list[str], cursor: Cursor | None) -> None:
    """Every question there is, and all kinds of writes."""
    provider, session, calendar = bench.provider, bench.session, bench.calendar
    kinds = (OperationKind.UPDATE, OperationKind.DELETE, OperationKind.CREATE)
    intents = [bench.intent(kind, KEY, LATER, etag='"1"') for kind in kinds]
    unsure = bench.intent(OperationKind.CREATE, OTHER_KEY, BUSY, in_doubt=True)
    for answer in asked(
        lambda: provider.identify(session),
        lambda: provider.list_calendars(session),
        bench.read,
        lambda: bench.read(cursor),
        lambda: bench.lookup(*keys),
        lambda: bench.lookup(keys[0]),
        lambda: list(bench.writer.find_blocks(session, calendar)),
        lambda: bench.apply(*intents),
        lambda: bench.apply(unsure),
    ):
        if isinstance(answer, Reading):
            used(answer.items)
            assert not [one for one in answer.unreadable if TITLE in one.reason or len(one.reason) > 2_000]


@given(enemies)
def test_an_enemy_in_google_s_place(enemy: Enemy) -> None:
    bench = google_hands.bench_of(timezone="Europe/Berlin")
    keys = [bench.hands.put(*each) for each in events()]
    bench.create(KEY, BUSY)
    cursor = bench.read().cursor
    bench.hands.put(meeting("two", title=TITLE))
    twisted = Twisted(google_hands.google_of(bench).transport(), enemy)
    everything(evolve(bench, provider=GoogleProvider(transport=twisted)), [*keys, bench.standing(KEY)], cursor)
    assert twisted.hosts == {"localhost"}


@given(enemies)
def test_an_enemy_in_graph_s_place(enemy: Enemy) -> None:
    bench = graph_hands.bench_of()
    keys = [bench.hands.put(*each) for each in events()]
    bench.create(KEY, BUSY)
    cursor = bench.read().cursor
    bench.hands.put(meeting("two", title=TITLE))
    twisted = Twisted(graph_hands.simulator_of(bench).transport(), enemy)
    everything(evolve(bench, provider=MicrosoftProvider(transport=twisted)), [*keys, bench.standing(KEY)], cursor)
    assert twisted.hosts == {"localhost"}


class InProcess(Connection):
    """A connection to a script, without sockets."""

    def __init__(self, answers: Enemy, dav: Dav) -> None:
        self._enemy = answers
        self._dav = dav

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        del timeout
        path = url.removeprefix("http://localhost")
        assert path != url, "another host was asked"
        lower = {name.lower(): value for name, value in headers.items()}
        reply = self._dav(Request(method, path, lower, body.decode()))
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        if self._enemy.now_and_then(3):
            return Answer(reply.status, _lower(reply), content, url)
        status = self._enemy.chance.choice((*(reply.status,) * 12, 204, 403, 404, 409, 412, 429, 500, 507))
        changed = self._enemy.octets(content) if self._enemy.now_and_then(6) else _twisted(self._enemy, content)
        return Answer(status, _lower(reply), changed, url)

    def close(self) -> None:
        """Nothing is open."""


def _lower(reply: Reply) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


XML = (
    *("<response>", "</response>", "<href>//[</href>", "<href>http://evil.example/x.ics</href>", "<href/>", "<a/>"),
    *(
        "<href>http://localhost:99999/</href>",
        "<href>/dav/work/../../x.ics</href>",
        "<href>/dav/work/%00%ff.ics</href>",
    ),
    *("<status>HTTP/1.1 404 Not Found</status>", f"<status>HTTP/1.1 {'9' * 5_000} x</status>", "<status>x</status>"),
    *("<status>HTTP/1.1 ٤٠٤ x</status>", "<status/>", "&#0;", "&#xD800;", "&lt;", "&x;", "<!--", "<![CDATA[", "]]>"),
    *('<?xml version="1.0" encoding="utf-16"?>', "<!DOCTYPE m>", "<?php x?>", "<getetag>&#10;X: y</getetag>"),
    *(
        "BEGIN:VEVENT\r\n",
        "END:VCALENDAR\r\n",
        "RRULE:FREQ=SECONDLY\r\n",
        "DTSTART;TZID=../../etc/passwd:20260303T090000\r\n",
    ),
    *("UID:calsync-0-0\r\n", "RECURRENCE-ID:00010101T000000Z\r\n", "DURATION:P99999999999D\r\n", "xmlns:x='y'"),
)


def _twisted(enemy: Enemy, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    pieces = [*XML, text[:200], text[-200:]]
    return enemy.text(text.replace("><", "><"), pieces).encode("utf-8", "replace")


@given(enemies)
def test_an_enemy_in_a_caldav_server_s_place(enemy: Enemy) -> None:
    dav = Dav({f"{name}.ics": an_event(name, f"SUMMARY:{TITLE}") for name in "ab"})
    dav.sync = not enemy.now_and_then(3)
    provider = CalDAVProvider()

    def connect(_credential: Credential, _timeout: float) -> Connection:
        return InProcess(enemy, dav)

    provider._connections = Connections(connect)
    calendar = Calendar(1, "ana", f"http://localhost{COLLECTION}", "Work", id=1)
    bench = Bench(provider, session_for("http://localhost/dav/"), calendar, NoHands())
    cursor = Cursor('{"at": null, "mode": "sync", "token": "http://sync/1"}', "caldav:1:floating=-")
    everything(bench, ["a.ics", "b.ics", "gone.ics", "a/b c.ics"], cursor)
