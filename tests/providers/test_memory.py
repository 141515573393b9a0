"""The in-memory service: the contract in every shape it can take, and what only it can do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from calsync_core.errors import CursorExpired, InvalidValue
from calsync_core.models import (
    BlockContent,
    Calendar,
    CalendarRole,
    KnownItem,
    Mark,
    OperationKind,
    OutcomeStatus,
    Password,
    Span,
    Window,
)
from calsync_core.protocols import RequestMeter, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService, Write
from calsync_core.providers.memory.server import TITLE_LIMIT
from calsync_core.testing.provider_contract.bench import START, meeting
from calsync_core.testing.provider_kit import Bench, BlockHands, CorruptingHands, ProviderContract, RemoteHands
from memory_bench import Hands, bench_of, series, service_of, session_of
from planted import PASSWORD

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY, OTHER_KEY = "k" * 32, "o" * 32
BUSY = BlockContent(Span(START, START + HOUR), "🔒 Busy")
LATER = BlockContent(Span(START + DAY, START + DAY + HOUR), "🔒 Busy")
AWAY = {"soon": 3, "late": 400, "ended": -30}
"""Meetings, and how many days from the start they are."""

SHAPES: dict[str, dict[str, Any]] = {
    "whole": {},
    "small-pages": {"page_size": 1},
    "split": {"split_series": True},
    "windowed": {"window_listing": True},
    "no-etag-on-write": {"etag_on_write": False},
    "no-preconditions": {"enforce_preconditions": False},
    "no-tentative": {"shows_tentative": False},
    "gives-ids": {"assigns_ids": True},
}


@pytest.fixture(params=SHAPES)
def service(request: pytest.FixtureRequest) -> MemoryService:
    made = MemoryService(**SHAPES[request.param])
    made.add_user("ana", PASSWORD, timezone="Europe/Berlin")
    made.add_user("bo", "other")
    return made


class TestMemoryProvider(ProviderContract):
    @pytest.fixture
    def provider(self, service: MemoryService) -> MemoryProvider:
        return MemoryProvider(service)

    @pytest.fixture(autouse=True)
    def _shape_of_series(self, service: MemoryService) -> None:
        self.gives_masters = not service.window_listing

    @pytest.fixture
    def session(self) -> Session:
        return session_of("ana", PASSWORD)

    @pytest.fixture
    def wrong_session(self) -> Session:
        return session_of("ana", "wrong")

    @pytest.fixture
    def calendar(self, service: MemoryService) -> Calendar:
        return Calendar(1, "ana", service.add_calendar("ana", "Work", primary=True), "Work", id=1)

    @pytest.fixture
    def read_only_calendar(self, service: MemoryService) -> Calendar:
        remote_id = service.add_calendar("bo", "Team")
        service.share(remote_id, "ana", CalendarRole.READER)
        return Calendar(1, "ana", remote_id, "Team", CalendarRole.READER, id=2)

    @pytest.fixture
    def remote(self, service: MemoryService, calendar: Calendar) -> RemoteHands:
        return Hands(service, calendar.remote_id)


def test_the_hands_can_do_everything_the_contract_asks_for() -> None:
    hands = bench_of(MemoryService()).hands
    assert isinstance(hands, RemoteHands)
    assert isinstance(hands, BlockHands)
    assert isinstance(hands, CorruptingHands)


@pytest.fixture
def bench() -> Bench:
    return bench_of(MemoryService())


def test_a_series_is_one_item_or_several() -> None:
    whole, split = bench_of(MemoryService()), bench_of(MemoryService(split_series=True))
    for bench in (whole, split):
        bench.hands.put(*series(service_of(bench)))
    (item,) = whole.read().items
    assert [event.id for event in item.events] == ["s", "s#20260303T090000Z", "s#20260304T090000Z"]
    apart = split.read().items
    assert [(item.key, item.series) for item in apart] == [
        ("s", None),
        ("s#20260303T090000Z", "s"),
        ("s#20260304T090000Z", "s"),
    ]
    assert {event for one in apart for event in one.events} == set(item.events)


@pytest.mark.parametrize("split", [False, True])
def test_a_series_is_edited_in_parts(split: bool) -> None:  # I-21, I-22
    bench = bench_of(MemoryService(split_series=split))
    service, where = service_of(bench), bench.calendar.remote_id
    master, moved, off = series(service)
    service.put(where, master)
    cursor = bench.read().cursor
    service.put(where, moved)
    service.put(where, off)
    changes = bench.read(cursor)
    assert {event.slot for event in changes.events("s")} >= {moved.slot, off.slot}
    service.remove(where, moved.id)
    assert moved.slot not in {event.slot for item in service.items(where) for event in item.events}
    later = bench.read(changes.cursor)
    assert later.removed == ((moved.id,) if split else ())
    service.put(where, evolve(master, title="Anew"))
    assert [event.id for item in service.items(where) for event in item.events] == ["s"]
    service.put(where, off)
    cursor = bench.read().cursor
    service.remove(where, "s")
    assert service.items(where) == []
    assert bench.read(cursor).removed == ("s",), "its exceptions go without a word"


def test_a_windowed_listing_shows_its_window_only() -> None:  # I-10
    bench = bench_of(MemoryService(window_listing=True))
    service, where = service_of(bench), bench.calendar.remote_id
    soon, late, ended = (bench.hands.put(meeting(uid, START + days * DAY)) for uid, days in AWAY.items())
    reading = bench.read()
    assert reading.covers is not None
    assert reading.covers.start <= bench.window.start
    assert reading.covers.end >= bench.window.end
    assert reading.keys() == {soon}
    assert {item.key for item in bench.lookup(soon, late, ended).items} == {soon, late, ended}
    service.move(where, soon, START + 400 * DAY)
    changes = bench.read(reading.cursor)
    assert changes.removed == (soon,)
    further = evolve(bench, window=Window(bench.window.start, bench.window.end + 29 * DAY))
    assert not further.read(changes.cursor).snapshot, "the listing read ahead"
    beyond = evolve(bench, window=Window(bench.window.start, START + 500 * DAY)).read(changes.cursor)
    assert beyond.snapshot
    assert beyond.keys() == {soon, late}


def test_a_windowed_series_is_the_occurrences_in_the_window() -> None:  # I-20, I-23
    bench = bench_of(MemoryService(window_listing=True))
    service, where = service_of(bench), bench.calendar.remote_id
    old = START - 5 * 365 * DAY
    service.put(where, service.event("s", old, old + HOUR, recurrence=("RRULE:FREQ=DAILY",)))
    reading = bench.read()
    assert reading.covers is not None
    (item,) = reading.items
    assert len(item.events) == (reading.covers.end - reading.covers.start).days
    assert all(reading.covers.overlaps(event.span, UTC) for event in item.events)
    assert {(event.series, event.recurrence, event.uid) for event in item.events} == {("s", (), "s")}
    later = evolve(bench, window=Window(bench.window.start, bench.window.end + 60 * DAY))
    again = later.read(reading.cursor, known=lambda _: {"s": KnownItem("s", item.etag)})
    assert len(again.items[0].events) == len(item.events) + 60, "an etag says nothing of another window"
    assert {event.id for event in again.items[0].events} <= {event.id for event in bench.lookup("s").items[0].events}
    ended = service.event("s", old, old + HOUR, recurrence=("RRULE:FREQ=DAILY;COUNT=9",))
    service.put(where, ended)
    assert bench.read(again.cursor).removed == ("s",)
    assert [(one.key, one.events) for one in bench.lookup("s").items] == [("s", ())], "it is there, and takes no time"


def test_expired_and_undone_cursors_are_told(bench: Bench) -> None:  # I-10
    service = service_of(bench)
    before = service.snapshot()
    bench.hands.put(meeting("a"))
    cursor = bench.read().cursor
    service.restore(before)
    bench.hands.put(meeting("b"))
    with pytest.raises(CursorExpired):
        bench.read(cursor)
    cursor = bench.read().cursor
    service.expire_cursors()
    with pytest.raises(CursorExpired):
        bench.read(cursor)
    assert bench.read().keys() == {"b"}


def test_no_etag_comes_twice_even_in_an_undone_life(bench: Bench) -> None:
    service = service_of(bench)
    before = service.snapshot()
    etags = []
    for number in range(3):
        service.restore(before)
        bench.hands.put(meeting("a", START + number * HOUR))
        etags.append(service.items(bench.calendar.remote_id)[0].etag)
    assert len(set(etags)) == 3


def test_a_snapshot_brings_everything_back(bench: Bench) -> None:
    service, where = service_of(bench), bench.calendar.remote_id
    bench.hands.put(meeting("a"))
    bench.create(KEY, BUSY)
    cursor, items, writes = bench.read().cursor, service.items(where), list(service.writes)
    before = service.snapshot()
    for _ in range(2):
        bench.hands.remove("a")
        bench.delete(KEY, BUSY, None)
        service.share(where, "bo", CalendarRole.READER)
        service.remove_calendar(where)
        service.set_password("ana", "changed")
        service.restore(before)
        assert (service.items(where), service.writes) == (items, writes)
        assert bench.read(cursor).quiet


def test_lag_hides_the_newest_changes_until_it_ends(bench: Bench) -> None:  # I-47
    service = service_of(bench)
    cursor = bench.read().cursor
    service.lag = 1
    bench.create(KEY, BUSY)
    block = bench.native_id(KEY)
    assert bench.lookup(block).gone == (block,)
    assert bench.read().quiet
    cursor = bench.read(cursor).cursor
    bench.hands.put(meeting("a"))
    assert bench.read(cursor).keys() == {block}
    service.lag = 0
    assert bench.read(cursor).keys() == {block, "a"}


def test_a_dragged_event_keeps_its_length_on_the_time_line(bench: Bench) -> None:  # I-19
    service, where, zone = service_of(bench), bench.calendar.remote_id, ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 27, 1, 30, tzinfo=zone)
    service.put(where, service.event("a", start, start + HOUR))
    service.move(where, "a", datetime(2026, 3, 29, 1, 30, tzinfo=zone))
    assert service.items(where)[0].events[0].span.end == datetime(2026, 3, 29, 3, 30, tzinfo=zone)
    service.put(where, service.event("d", date(2026, 3, 2), date(2026, 3, 4)))
    service.move(where, "d", date(2026, 3, 29))
    assert service.items(where)[1].events[0].span == Span(date(2026, 3, 29), date(2026, 3, 31))


def test_writes_name_what_adapters_did_and_nothing_else(bench: Bench) -> None:
    service, where, block = service_of(bench), bench.calendar.remote_id, bench.native_id(KEY)
    bench.hands.put(meeting("a"))
    bench.create(KEY, BUSY)
    bench.create(KEY, BUSY)
    bench.update(KEY, LATER, None)
    bench.update(KEY, BUSY, '"stale"')
    service.move(where, block, START)
    bench.delete(KEY, BUSY, None)
    bench.delete(KEY, BUSY, None)
    assert service.writes == [Write(where, kind, block) for kind in OperationKind]


def test_titles_that_the_server_changes_are_read_back_changed() -> None:
    bench = bench_of(MemoryService(renormalise_titles=True))
    outcome = bench.create(KEY, evolve(BUSY, title="  Away  "))
    assert outcome.seen == evolve(BUSY, title="Away"[:TITLE_LIMIT])


def test_a_create_in_doubt_is_not_taken_for_what_somebody_made_of_it(bench: Bench) -> None:  # I-45, I-05
    service, where, block = service_of(bench), bench.calendar.remote_id, bench.native_id(KEY)
    bench.create(KEY, BUSY)
    before = service.snapshot()
    tampering: list[Callable[[], None]] = [
        lambda: service.move(where, block, START + DAY),
        lambda: service.adorn(where, block),
    ]
    for tamper in tampering:
        service.restore(before)
        tamper()
        shown = service.items(where)
        assert bench.create(KEY, BUSY, in_doubt=True).status is OutcomeStatus.TAKEN
        assert service.items(where) == shown


@pytest.mark.parametrize("enforced", [True, False])
def test_an_adorned_block_is_never_written_without_its_etag(enforced: bool) -> None:  # I-45
    bench = bench_of(MemoryService(enforce_preconditions=enforced))
    bench.create(KEY, BUSY)
    service_of(bench).adorn(bench.calendar.remote_id, bench.native_id(KEY))
    assert bench.update(KEY, LATER, None).status is OutcomeStatus.CHANGED
    assert bench.delete(KEY, BUSY, None).status is OutcomeStatus.CHANGED
    assert bench.delete(KEY, BUSY, None, in_doubt=True).status is OutcomeStatus.CHANGED
    assert len(service_of(bench).writes) == 1


def test_a_block_made_a_series_is_adorned(bench: Bench) -> None:  # I-45
    bench.create(KEY, BUSY)
    service_of(bench).edit(bench.calendar.remote_id, bench.native_id(KEY), recurrence=("RRULE:FREQ=DAILY",))
    assert bench.block(KEY).events[0].adorned


def test_a_tag_counts_only_for_the_block_it_was_made_for(bench: Bench) -> None:  # I-45
    bench.create(KEY, BUSY)
    service_of(bench).copy_block(bench.calendar.remote_id, bench.native_id(KEY), bench.native_id(OTHER_KEY))
    assert bench.block(OTHER_KEY).events[0].mark == Mark(OTHER_KEY, 0, None)


def test_the_constant_marks_whoever_wrote_it(bench: Bench) -> None:  # I-15, I-16
    bench.hands.put(meeting("calsync-not_a_key"))
    bench.hands.put(meeting("calsyncing"))
    marks = {item.key: item.events[0].mark for item in bench.read().items}
    assert marks == {"calsync-not_a_key": Mark("not_a_key"), "calsyncing": None}


def test_a_textual_mark_is_the_events_own(bench: Bench) -> None:  # I-17
    textual = Mark("ana@example.com:Work:17", textual=True)
    bench.hands.put(evolve(meeting("a"), mark=textual))
    bench.hands.put(evolve(meeting("b"), mark=Mark(KEY)))
    assert [item.events[0].mark for item in bench.read().items] == [textual, None]


def test_calendars_are_shared_with_roles(bench: Bench) -> None:  # I-16
    service, where = service_of(bench), bench.calendar.remote_id
    service.add_user("bo", "other")
    service.share(where, "bo", CalendarRole.WRITER)
    bo = session_of("bo", "other")
    (seen,) = bench.provider.list_calendars(bo)
    assert (seen.remote_id, seen.role, seen.primary) == (where, CalendarRole.WRITER, False)
    assert evolve(bench, session=bo).create(KEY, BUSY).status is OutcomeStatus.DONE
    service.remove_calendar(where)
    assert bench.provider.list_calendars(bench.session) == []
    service.bring_back(where)
    assert bench.block(KEY).key == bench.native_id(KEY)


def test_a_renewed_credential_is_tried_once(bench: Bench) -> None:  # I-35
    class Renewing:
        asked: list[bool] = []  # noqa: RUF012  (one test's notebook)

        def credential(self, *, renew: bool = False) -> Password:
            self.asked.append(renew)
            return Password("ana", PASSWORD if renew else "outdated")

    session = Session(bench.session.account, Renewing(), RequestMeter(), bench.session.clock)
    assert bench.provider.identify(session).subject == "memory:ana"
    assert Renewing.asked == [False, True]
    assert session.meter.sent == 2


def test_requests_are_counted_as_a_network_would_see_them() -> None:
    bench = bench_of(MemoryService(page_size=10))
    for number in range(25):
        bench.hands.put(meeting(f"event-{number}"))

    def cost(action: Callable[[], object]) -> int:
        before = bench.session.meter.sent
        action()
        return bench.session.meter.sent - before

    assert cost(bench.read) == 3
    assert cost(lambda: bench.lookup(*map(str, range(101)))) == 3
    assert cost(lambda: bench.create(KEY, BUSY)) == 1
    assert cost(lambda: bench.update(KEY, LATER, bench.block(KEY).etag)) == 2
    assert cost(lambda: bench.delete(KEY, LATER, None)) == 2


def test_eight_threads_make_one_block_and_lose_no_write(bench: Bench) -> None:  # I-06
    statuses: list[OutcomeStatus] = []

    def work(number: int) -> None:
        statuses.append(bench.create(KEY, BUSY).status)
        for turn in range(20):
            bench.hands.put(meeting(f"{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [OutcomeStatus.DONE] + [OutcomeStatus.TAKEN] * 7
    assert len(bench.read().items) == 161


def test_mistakes_of_a_test_are_named(bench: Bench) -> None:  # I-44
    service, where = service_of(bench), bench.calendar.remote_id
    for mistake, name in (
        (lambda: MemoryService(page_size=0), "page_size"),
        (lambda: MemoryService(split_series=True, window_listing=True), "split_series"),
        (lambda: service.add_calendar("nobody", "X"), "user"),
        (lambda: service.add_calendar("ana", "Work"), "remote_id"),
        (lambda: service.put("no/where", meeting("a")), "calendar_id"),
        (lambda: service.put(where), "what"),
        (lambda: service.put(where, meeting("a"), meeting("b")), "what"),
        (lambda: service.edit(where, "a", title="b"), "event_id"),
        (lambda: service.remove(where, "a"), "event_id"),
        (lambda: service.corrupt(where, "a"), "key"),
        (lambda: service.copy_block(where, "a", "b"), "key"),
    ):
        with pytest.raises(InvalidValue, match=rf"^{name}:"):
            mistake()
