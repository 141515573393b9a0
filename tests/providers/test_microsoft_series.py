"""What Graph says of series, blocks and zones, and what it leaves out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import Unavailable
from calsync_core.models import Event, Mark, Span, slot_of
from calsync_core.providers.microsoft.cursor import ahead
from calsync_core.testing.provider_contract.bench import START, TAG, WINDOW, meeting
from calsync_core.testing.provider_contract.fixtures import BERLIN, BUSY, DAY, HOUR, KEY, LATER, OTHER_KEY
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from graph_hands import (
    Hands,
    bench_of,
    graph_of,
    recurrence_json,
    simulator_of,
    timed_json,
)
from graph_reading import item_of, known_after, read, series, starts
from graph_scripts import Graph, event, page, refusal

# -- series ---------------------------------------------------------------------------------------------------------

MASTERS = ["always", "sometimes", "first_round", "never"]


@pytest.mark.parametrize("masters", MASTERS)
def test_a_deleted_occurrence_is_seen_in_what_is_left(masters: Any) -> None:  # I-21
    """Graph says no word about it."""
    bench = bench_of(masters=masters)
    key = bench.hands.put(series())
    reading = bench.read()
    assert len(item_of(reading, key).events) == 5
    simulator_of(bench).cancel_occurrence(key, START + DAY)
    changes = bench.read(reading.cursor, known_after(reading))
    assert starts(item_of(changes, key)) == [START, *(START + number * DAY for number in (2, 3, 4))]
    assert changes.removed == ()


@pytest.mark.parametrize("masters", MASTERS)
def test_a_moved_occurrence_keeps_its_slot(masters: Any) -> None:  # I-21
    bench = bench_of(masters=masters)
    key = bench.hands.put(series())
    reading = bench.read()
    graph = simulator_of(bench)
    moved = graph.occurrence(key, START + DAY)
    graph.patch_event(moved, timed_json(START + DAY + 3 * HOUR, START + DAY + 4 * HOUR, "Later today"))
    item = item_of(bench.read(reading.cursor, known_after(reading)), key)
    (one,) = [each for each in item.events if each.id == moved]
    assert one.slot == slot_of(START + DAY)
    assert one.span.edges(UTC)[0] == START + DAY + 3 * HOUR
    assert one.title == "Later today"
    assert len(item.events) == 5


def test_a_retimed_series_is_the_same_series() -> None:  # I-48
    """Its occurrences have new ids, and nobody says that the old ones are gone."""
    bench = bench_of()
    key = bench.hands.put(series())
    reading = bench.read()
    bench.hands.put(series(start=START + HOUR))
    item = item_of(bench.read(reading.cursor, known_after(reading)), key)
    assert starts(item) == [START + HOUR + number * DAY for number in range(5)]
    assert not {one.id for one in item.events} & {one.id for one in item_of(reading, key).events}


def test_a_series_and_a_single_event_turn_into_each_other() -> None:  # I-22
    bench = bench_of()
    key = bench.hands.put(meeting("a"))
    reading = bench.read()
    bench.hands.put(evolve(series("a"), title="Planning"))
    grown = bench.read(reading.cursor, known_after(reading))
    assert len(item_of(grown, key).events) == 5
    assert {one.series for one in item_of(grown, key).events} == {key}
    bench.hands.put(meeting("a"))
    shrunk = bench.read(grown.cursor, known_after(grown))
    (one,) = item_of(shrunk, key).events
    assert (one.series, one.id) == (None, key)


def test_the_last_occurrence_deleted_leaves_an_empty_series() -> None:  # I-21
    bench = bench_of()
    key = bench.hands.put(series(count=2))
    reading = bench.read()
    for day in (0, 1):
        simulator_of(bench).cancel_occurrence(key, START + day * DAY)
    assert item_of(bench.read(reading.cursor, known_after(reading)), key).events == ()


def test_more_instances_than_a_page() -> None:  # I-20
    bench = bench_of(longest_page=7)
    key = bench.hands.put(series(count=None))
    item = item_of(bench.read(), key)
    covered = ahead(bench.calendar.remote_id, WINDOW)
    assert len(item.events) == (covered.end.date() - START.date()).days + 1
    assert len({one.slot for one in item.events}) == len(item.events)


def test_an_old_series_shows_this_week() -> None:  # I-20
    bench = bench_of()
    key = bench.hands.put(series(count=None, rule="WEEKLY", start=START - 5 * 364 * DAY))
    assert START.astimezone(BERLIN) in [one.span.start for one in item_of(bench.read(), key).events]


@pytest.mark.parametrize("uids", ["occurrence", "series", "null"])
def test_all_occurrences_go_by_their_master_s_uid(uids: Any) -> None:
    """Whatever Graph says of each one's own (docs issue #17479)."""
    bench = bench_of(occurrence_uids=uids)
    bench.hands.put(series("s@example.com"))
    events = bench.read().events("s@example.com")
    assert len(events) == 5


def test_an_unreadable_instance_makes_the_series_owed() -> None:  # I-07
    """It counts as present, whole; the rest of the calendar comes through."""
    bench = bench_of()
    graph = simulator_of(bench)
    key, good = bench.hands.put(series()), bench.hands.put(meeting("good"))
    reading = bench.read()
    graph.corrupt(key, {"start": {"dateTime": "2026-13-45T09:00:00.0000000", "timeZone": "UTC"}})
    bench.hands.put(meeting("good", START + HOUR))
    changes = bench.read(reading.cursor, known_after(reading))
    assert [one.key for one in changes.unreadable] == [key]
    assert changes.keys() == {good}
    assert bench.lookup(key).items == ()
    graph.corrupt(key, {})
    assert len(bench.lookup(key).items[0].events) == 5


@pytest.mark.parametrize("status", [500, 404, 400, 403, 424])
def test_instances_that_are_not_answered_owe_the_series(status: int) -> None:  # I-07, I-37
    """404 with a code of Graph's: it is gone in the meantime. 403: it is hidden, and the calendar is not."""
    bench = bench_of()
    graph = simulator_of(bench)
    key, other = bench.hands.put(series()), bench.hands.put(series("other"))
    fault = HttpFault(
        HttpFaultKind.ANSWER, refusal(status, "ErrorItemNotFound"), path=f"{key[-20:-4]}.*/instances", inner=True
    )
    graph.fail(fault)
    reading = bench.read()
    assert reading.keys() == {other}
    if status == 404:
        assert reading.removed == (key,)
    else:
        assert [one.key for one in reading.unreadable] == [key]


def test_lost_occurrences_are_caught_by_a_full_view() -> None:  # I-10
    """A snapshot reads every series as it is now, whatever deltas failed to say."""
    bench = bench_of()
    key = bench.hands.put(series())
    bench.read()
    simulator_of(bench).cancel_occurrence(key, START + DAY)
    again = bench.read()
    assert again.snapshot
    assert len(item_of(again, key).events) == 4


def test_a_changed_series_costs_one_batchable_request() -> None:
    """One for the round, one for whatever it takes to know all series that changed; a snapshot's masters are in it."""
    bench = bench_of(masters="never")
    for number in range(8):
        bench.hands.put(series(f"s{number}"))
    reading = bench.read()
    for number in range(8):
        bench.hands.put(series(f"s{number}", 3))
    before = bench.session.meter.sent
    changes = bench.read(reading.cursor, known_after(reading))
    assert bench.session.meter.sent - before == 2
    assert {len(item.events) for item in changes.items} == {3}


def test_a_stale_master_on_a_page_is_not_older_than_its_instances() -> None:  # I-14
    """A replay may show a master as it was; what was read after it is the newer word."""
    old = event("s", type="seriesMaster", recurrence={"pattern": {}}, lastModifiedDateTime="2026-02-01T00:00:00Z")
    one = event("s.1", type="occurrence", seriesMasterId="s", originalStart="2026-03-02T09:00:00Z")
    (only,) = read(Graph(page(old, delta="t"), page(one)))
    assert only.items[0].version == datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)


# -- sparse things ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["start", "end", "isAllDay", "showAs"])
def test_what_is_not_shown_whole_is_read_by_id(missing: str) -> None:  # I-14
    """A single event that lacks what matters blanks nothing."""
    sparse, whole = event("a", **{missing: ...}), event("a", subject="Whole", showAs="tentative")
    graph = Graph(page(sparse, delta="t"), httpx.Response(200, json=whole))
    (only,) = read(graph)
    assert [one.title for item in only.items for one in item.events] == ["Whole"]
    assert len(graph.asked) == 2


def test_the_last_word_on_a_page_counts() -> None:  # I-14
    gone = {"id": "a", "@removed": {"reason": "deleted"}}
    (only,) = read(Graph(page(gone, event("a", subject="Back"), event("b"), {**gone, "id": "b"}, delta="t")))
    assert [item.key for item in only.items] == ["a"]
    assert only.removed == ("b",)


# -- blocks ---------------------------------------------------------------------------------------------------------


def test_a_block_s_tag_is_read_once() -> None:  # I-14, I-15
    """A delta shows no tags: a block that nobody knows is read by id, once; later the delta must do."""
    bench = bench_of()
    cursor = bench.read().cursor
    bench.create(KEY, BUSY)
    bench.create(OTHER_KEY, BUSY)
    seen = bench.read(cursor)
    marks = {event.mark for item in seen.items for event in item.events}
    assert marks == {Mark(KEY, 0, TAG), Mark(OTHER_KEY, 0, TAG)}
    bench.update(KEY, LATER, bench.block(KEY).etag)
    before = bench.session.meter.sent
    again = bench.read(seen.cursor, known_after(seen))
    assert bench.session.meter.sent - before == 1
    assert [event.mark for item in again.items for event in item.events] == [Mark(KEY, 0, None, shows_tag=False)]


def test_an_unknown_block_that_can_not_be_read_is_owed() -> None:  # I-07
    bench = bench_of()
    cursor = bench.read().cursor
    bench.create(KEY, BUSY)
    good = bench.hands.put(meeting("good"))
    simulator_of(bench).fail(
        HttpFault(HttpFaultKind.ANSWER, refusal(500, "x"), method="GET", path=r"/events/A", times=9)
    )
    changes = bench.read(cursor)
    assert changes.keys() == {good}
    assert [one.key for one in changes.unreadable] == [bench.standing(KEY)]


def test_a_block_made_a_series_is_released() -> None:  # I-45
    bench = bench_of()
    bench.create(KEY, BUSY)
    reading = bench.read()
    twice = recurrence_json(series(count=2, start=START + DAY))
    simulator_of(bench).patch_event(bench.standing(KEY), {"recurrence": twice})
    for item in (item_of(bench.read(reading.cursor, known_after(reading)), bench.standing(KEY)), bench.block(KEY)):
        assert len(item.events) == 2
        assert all(one.adorned and one.mark == Mark(KEY, 0, TAG) for one in item.events)
    assert bench.update(KEY, LATER, None).status == "changed"


def test_a_name_that_leads_to_an_unreadable_series_is_not_gone() -> None:  # I-07, I-43
    bench = bench_of()
    bench.create(KEY, BUSY)
    key, name = bench.standing(KEY), bench.native_id(KEY)
    simulator_of(bench).patch_event(key, {"recurrence": recurrence_json(series(start=START + DAY))})
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, refusal(500, "x"), path="/instances", times=99))
    for asked, owed in (((name,), {name}), ((name, key), {key})):
        found = bench.lookup(*asked)
        assert {one.key for one in found.unreadable} == owed
        assert {*found.gone} == {*asked} - owed
        assert found.items == ()


def test_find_blocks_shows_all_before_it_complains() -> None:  # I-43
    bench = bench_of(page_size=1, longest_page=1)
    bench.create(KEY, BUSY)
    bench.create(OTHER_KEY, BUSY)
    bench.hands.put(meeting("a"))
    simulator_of(bench).corrupt(bench.standing(KEY), {"start": None})
    found = bench.writer.find_blocks(bench.session, bench.calendar)
    assert next(found).key == bench.standing(OTHER_KEY)
    with pytest.raises(Unavailable, match="1 block"):
        next(found)


def test_a_name_is_found_behind_any_number_of_copies() -> None:  # I-45
    """A copy has the property and not the name."""
    bench = bench_of(page_size=3, longest_page=3)
    assert isinstance(bench.hands, Hands)
    bench.create(KEY, BUSY)
    for _ in range(7):
        bench.hands.copy_block(bench.standing(KEY))
    assert [item.key for item in bench.lookup(bench.native_id(KEY)).items] == [bench.standing(KEY)]
    assert bench.create(KEY, BUSY, in_doubt=True).native_id == bench.standing(KEY)


def test_many_names_are_looked_for_in_few_requests() -> None:
    bench = bench_of()
    bench.create(KEY, BUSY)
    before = bench.session.meter.sent
    names = [bench.native_id(f"{number:032d}") for number in range(39)]
    found = bench.lookup(bench.native_id(KEY), *names)
    assert [item.key for item in found.items] == [bench.standing(KEY)]
    assert bench.session.meter.sent - before == 2


def test_keys_of_any_kind_are_asked_for() -> None:  # I-38
    """An id never leads to another path than its own."""
    bench = bench_of()
    odd = ["../../me", "a/b", "a?b=c", "a#b", "%2e%2e", "a b", "ü", "\ud800", "x" * 1000, "calsync-'or 1 eq 1"]
    lookup = bench.lookup(*odd)
    assert lookup.items == ()
    root = f"/v1.0/me/calendars/{httpx.QueryParams({'a': bench.calendar.remote_id})}".replace("a=", "")
    inner = [one for one in simulator_of(bench).log if one.inner]
    assert len(inner) == len(odd)
    assert {one.path.rpartition("/events")[0] for one in inner} == {root}


# -- zones ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Pacific Standard Time", "E. Europe Standard Time", "Tonga Standard Time"])
def test_all_day_stays_a_date_in_every_mailbox(zone: str) -> None:  # I-18
    """Single ones and series, with an exclusive end; UTC-8, UTC+2, UTC+13."""
    bench = bench_of(graph_of(zone=zone))
    span = Span(date(2026, 3, 29), date(2026, 3, 31))
    bench.hands.put(Event("d", "d", span, title="Fair"))
    whole = Event("w", "w", Span(date(2026, 3, 9), date(2026, 3, 10)), recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
    bench.hands.put(whole)
    graph = simulator_of(bench)
    local = {"dateTime": "2026-04-06T00:00:00", "timeZone": zone}
    graph.put_event(
        bench.calendar.remote_id,
        {"iCalUId": "l", "isAllDay": True, "start": local, "end": {**local, "dateTime": "2026-04-08T00:00:00"}},
    )
    reading = bench.read()
    assert [one.span for one in reading.events("d")] == [span]
    assert [one.span for one in reading.events("l")] == [Span(date(2026, 4, 6), date(2026, 4, 8))]
    days = [date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)]
    assert [one.span.start for one in reading.events("w")] == days
    assert [one.slot for one in reading.events("w")] == [slot_of(day) for day in days]


def test_a_custom_zone_is_no_matter_where_times_come_in_utc() -> None:  # I-24
    bench = bench_of()
    graph = simulator_of(bench)
    at = {"dateTime": "2026-03-02T09:00:00.1234567", "timeZone": "tzone://Microsoft/Custom"}
    graph.put_event(
        bench.calendar.remote_id, {"iCalUId": "c", "start": at, "end": {**at, "dateTime": "2026-03-02T10:00:00"}}
    )
    (one,) = bench.read().events("c")
    assert one.span.edges(UTC)[0] == START.replace(microsecond=123456)
