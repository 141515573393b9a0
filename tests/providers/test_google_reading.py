"""Google's listings: sync tokens, pages, and cancelled occurrences that say next to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import CursorExpired, NotFound, Rejected, Unavailable
from calsync_core.models import ChangePage, Cursor, Event, Item, KnownItem, Span, slot_of
from calsync_core.protocols import KnownItems, ReadRequest, nothing_known
from calsync_core.testing.provider_contract.bench import START, WINDOW, Reading, meeting
from calsync_core.testing.provider_contract.fixtures import BERLIN, BUSY, DAY, HOUR, KEY
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from google_hands import ANA, BOB, bench_of, calendar_of, google_of, session_of
from google_scripts import WORK, Google, event, page, refusal


def series(uid: str = "s", count: int = 5) -> Event:
    start = START.astimezone(BERLIN)
    return Event(uid, uid, Span(start, start + HOUR), recurrence=(f"RRULE:FREQ=DAILY;COUNT={count}",), title="Daily")


def cancelled(master: Event, nth: int) -> Event:
    start = master.span.start + nth * DAY
    return evolve(
        master,
        id=f"x{nth}",
        series=master.id,
        original_start=start,
        recurrence=(),
        span=Span(start, start),
        cancelled=True,
    )


def known_after(reading: Reading) -> KnownItems:
    """What a store would say that had saved this reading."""
    stored = {item.key: KnownItem(item.key, item.etag, identity=item.events[0].identity) for item in reading.items}

    def look_up(keys: Sequence[str] | None) -> Mapping[str, KnownItem]:
        return {key: known for key, known in stored.items() if keys is None or key in keys}

    return look_up


def read(google: Google, cursor: Cursor | None = None) -> list[ChangePage]:
    return list(google.provider.fetch_changes(google.session, ReadRequest(WORK, WINDOW, cursor)))


def by_key(items: Sequence[Item]) -> dict[str, Item]:
    return {item.key: item for item in items}


# -- sync tokens and pages -----------------------------------------------------------------------------------------


def test_short_and_empty_pages_are_not_the_end() -> None:  # I-11, I-13
    """And each page's request says the same again, the sync token included."""
    bench = bench_of()
    google = google_of(bench)
    keys = {bench.hands.put(meeting(f"e{number}")) for number in range(5)}
    google.habits.page_size, google.habits.empty_pages = 2, 2
    reading = bench.read()
    assert reading.keys() == keys
    assert reading.sizes == (0, 0, 2, 0, 0, 2, 0, 0, 1)
    bench.hands.put(meeting("e0", START + HOUR))
    google.clear_log()
    changes = bench.read(reading.cursor)
    assert changes.sizes == (0, 0, 1)
    queries = [dict(logged.request.query) for logged in google.log]
    tokens = [query.pop("pageToken", None) for query in queries]
    assert [tokens[0], len(set(tokens))] == [None, 3]
    assert {query["syncToken"] for query in queries} == {reading.cursor.value}
    assert len({tuple(sorted(query.items())) for query in queries}) == 1


@pytest.mark.parametrize("reason", ["fullSyncRequired", "updatedMinTooLongAgo", "deleted"])
@pytest.mark.parametrize("page_number", [0, 1])
def test_410_of_every_reason_expires_the_cursor(reason: str, page_number: int) -> None:  # I-10
    bench = bench_of()
    google = google_of(bench)
    bench.hands.put(meeting("a"))
    cursor = bench.read().cursor
    bench.hands.put(meeting("b"))
    google.habits.empty_pages = 1
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(410, reason), path="/events$", skip=page_number))
    with pytest.raises(CursorExpired):
        bench.read(cursor)
    assert len(bench.read().items) == 2


def test_a_token_of_another_login_or_make_is_expired() -> None:  # I-10, I-12
    """400 with a token is the token's fault; without one it is ours."""
    bench = bench_of()
    google = google_of(bench)
    google.add_user(BOB)
    google.share(bench.calendar.remote_id, BOB, "reader")
    cursor = bench.read().cursor
    with pytest.raises(CursorExpired):
        evolve(bench, session=session_of(google, user=BOB)).read(cursor)
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(400, "invalid")))
    with pytest.raises(Rejected):
        bench.read()


def test_changed_rights_expire_the_cursor() -> None:  # I-10
    bench = bench_of()
    google = google_of(bench)
    google.add_user(BOB)
    cursor = bench.read().cursor
    google.share(bench.calendar.remote_id, BOB, "reader")
    with pytest.raises(CursorExpired):
        bench.read(cursor)


def test_no_token_on_the_last_page_is_no_end() -> None:  # I-11
    google = Google(page(event("a"), following="2"), page(event("b")))
    with pytest.raises(Unavailable, match="sync token"):
        read(google)


def test_a_token_before_the_last_page_is_not_taken() -> None:  # I-11
    google = Google(page(event("a"), token="too soon", following="2"), page(event("b"), token="right"))
    first, last = read(google)
    assert first.cursor is None
    assert last.cursor is not None
    assert last.cursor.value == "right"


def test_a_repeated_page_is_an_error() -> None:  # I-13
    google = Google(page(event("a"), following="2"), page(event("b"), following="3"), page(event("c"), following="2"))
    with pytest.raises(Unavailable, match="repeats"):
        read(google)
    assert len(google.asked) == 3


def test_a_repeated_page_of_calendars_is_an_error() -> None:  # I-13
    google = Google(page({"id": "a", "accessRole": "owner"}, following="2"))
    with pytest.raises(Unavailable, match="repeats"):
        google.provider.list_calendars(google.session)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"3", b'{"items": 3}', b'{"items": [3]}', b'{"items": [{}], "nextSyncToken": "t"}']
)
def test_what_is_no_listing_concludes_nothing(body: bytes) -> None:  # I-07
    google = Google(httpx.Response(200, content=body))
    with pytest.raises(Unavailable):
        read(google)


def test_a_listing_without_items_is_an_empty_page() -> None:
    """Where nothing changed, the member may be left out."""
    google = Google(httpx.Response(200, json={"nextSyncToken": "t"}))
    (only,) = read(google)
    assert only.items == ()
    assert only.cursor is not None


def test_a_calendar_hidden_from_the_login_is_not_found() -> None:  # I-42
    bench = bench_of()
    google_of(bench).share(bench.calendar.remote_id, ANA, "none")
    with pytest.raises(NotFound):
        bench.read()


# -- events that say less and less -------------------------------------------------------------------------------


def test_a_deleted_master_arrives_as_a_bare_id() -> None:  # I-22
    """It is enough; what else is gone with it, the store knows."""
    bench = bench_of()
    master = series()
    key = bench.hands.put(master, cancelled(master, 2))
    reading = bench.read()
    bench.hands.remove(key)
    changes = bench.read(reading.cursor, known_after(reading))
    assert changes.items == ()
    assert key in changes.removed


@pytest.mark.parametrize("knows", [True, False], ids=["the store knows the master", "nobody knows the master"])
def test_a_cancelled_occurrence_is_known_by_its_series(*, knows: bool) -> None:  # I-21
    """It comes with its id, series and slot; the UID is the series', from the store or else from one request."""
    bench = bench_of()
    google = google_of(bench)
    master = series()
    key = bench.hands.put(master)
    reading = bench.read()
    google.remove_event(bench.calendar.remote_id, f"{key}_{slot_of(START + DAY)}")
    google.clear_log()
    changes = bench.read(reading.cursor, known_after(reading) if knows else nothing_known)
    (item,) = changes.items
    (one,) = item.events
    assert (one.uid, one.series, one.slot, one.cancelled) == ("s", key, slot_of(START + DAY), True)
    assert item.series == key
    assert len(google.log) == (1 if knows else 2)
    by_id = bench.lookup(item.key).items[0].events[0]
    assert (by_id.uid, by_id.slot, by_id.cancelled) == ("s", one.slot, True)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_masters_may_come_before_or_after_their_exceptions(size: int) -> None:  # I-14, I-21
    """Also pages apart, in whatever order; nothing is asked for that is in the listing."""
    bench = bench_of()
    google = google_of(bench)
    google.habits.page_size = size
    expected = {}
    for number in range(6):
        master = series(f"s{number}")
        key = bench.hands.put(master, cancelled(master, 1), cancelled(master, 3))
        expected[f"s{number}"] = key
    google.clear_log()
    reading = bench.read()
    assert {item.events[0].uid for item in reading.items} == set(expected)
    assert len(reading.items) == 18
    assert len(google.log) == len(reading.sizes)


def test_a_cancelled_occurrence_of_a_deleted_series_means_nothing() -> None:  # I-22
    """Whether its series went in the same read, or is found to be gone."""
    lost = {"id": "s_1", "status": "cancelled", "recurringEventId": "s", "originalStartTime": {"date": "2026-03-03"}}
    together = Google(page({"id": "s", "status": "cancelled"}, following="2"), page(lost, token="t"))
    pages = read(together, Cursor("old", _shape()))
    assert [one.removed for one in pages] == [("s",), ("s_1",)]
    assert len(together.asked) == 2
    found = Google(page(lost, token="t"), lambda _: httpx.Response(404, content=refusal(404, "notFound").body))
    (only,) = read(found, Cursor("old", _shape()))
    assert only.removed == ("s_1",)


def test_one_series_that_can_not_be_read_fails_no_other_event() -> None:  # I-07, I-37
    """Its cancelled occurrences are owed; the rest comes through, and the cursor with it."""
    bench = bench_of()
    google = google_of(bench)
    for name in ("one", "two"):
        key = bench.hands.put(series(name))
    reading = bench.read()
    lost = []
    for item in reading.items:
        lost.append(f"{item.key}_{slot_of(START + DAY)}")
        google.remove_event(bench.calendar.remote_id, lost[-1])
    good = bench.hands.put(meeting("good"))
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(500, "backendError"), path=f"/{key}$", inner=True))
    changes = bench.read(reading.cursor)
    assert [one.key for one in changes.unreadable] == [f"{key}_{slot_of(START + DAY)}"]
    assert changes.keys() == {good, *lost} - {f"{key}_{slot_of(START + DAY)}"}


def test_a_single_event_becomes_a_series_and_back() -> None:  # I-22
    bench = bench_of()
    key = bench.hands.put(meeting("a"))
    cursor = bench.read().cursor
    bench.hands.put(evolve(series("a"), title="Planning"))
    grown = bench.read(cursor)
    assert by_key(grown.items)[key].events[0].recurrence == ("RRULE:FREQ=DAILY;COUNT=5",)
    bench.hands.put(meeting("a"))
    shrunk = bench.read(grown.cursor)
    assert by_key(shrunk.items)[key].events[0].recurrence == ()


def test_a_series_split_in_two() -> None:  # I-22
    """This and following: one ends, another begins under a UID of its own."""
    bench = bench_of()
    bench.hands.put(series("s", 6))
    cursor = bench.read().cursor
    bench.hands.put(series("s", 3))
    later = series("s_R20260305", 3)
    shift = timedelta(days=3, hours=1)
    start = START.astimezone(BERLIN) + shift
    bench.hands.put(evolve(later, span=Span(start, start + HOUR)))
    changes = bench.read(cursor)
    assert {(event.uid, event.recurrence[0][-7:]) for item in changes.items for event in item.events} == {
        ("s", "COUNT=3"),
        ("s_R20260305", "COUNT=3"),
    }


def test_replays_say_when_they_were_changed() -> None:  # I-14
    """So that whoever keeps the newest revision is not told an older one."""
    bench = bench_of()
    google = google_of(bench)
    keys = [bench.hands.put(meeting(f"e{number}")) for number in range(3)]
    cursor = bench.read().cursor
    bench.hands.put(meeting("e1", START + HOUR))
    google.habits.replays, google.habits.page_size = 2, 1
    changes = bench.read(cursor)
    shown = [item.key for item in changes.items]
    assert set(shown) >= {keys[1], keys[2]}
    assert len(shown) > len(set(shown))
    assert all(item.version is not None and item.version.tzinfo is UTC for item in changes.items)
    moved = by_key(changes.items)[keys[1]]
    others = [item.version for item in changes.items if item.key != keys[1]]
    assert moved.version is not None
    assert all(moved.version > other for other in others if other is not None)


def test_lagging_lists_lose_nothing() -> None:  # I-07
    """What a list does not show yet comes with the next one: the token covers what was shown, and no more."""
    bench = bench_of()
    google = google_of(bench)
    bench.hands.put(meeting("a"))
    google.habits.lag = 1
    reading = bench.read()
    assert reading.keys() == set()
    google.habits.lag = 0
    assert [event.uid for item in bench.read(reading.cursor).items for event in item.events] == ["a"]


def test_garbage_in_one_event_is_that_event_s_alone() -> None:  # I-07, I-37
    bench = bench_of()
    google = google_of(bench)
    bad, good = bench.hands.put(meeting("bad")), bench.hands.put(meeting("good"))
    for garbage in ({"start": 3}, {"end": {"date": "soon"}}, {"recurrence": "RRULE"}, {"updated": "yesterday"}):
        google.corrupt(bench.calendar.remote_id, bad, **garbage)
        reading = bench.read()
        assert reading.keys() == {good}
        assert [one.key for one in reading.unreadable] == [bad]
        assert reading.unreadable[0].etag is not None
    google.corrupt(bench.calendar.remote_id, bad)
    assert bench.lookup(bad).items[0].key == bad


def test_keys_of_any_kind_are_asked_for() -> None:  # I-38
    """An id never leads to another path than its own."""
    bench = bench_of()
    google = google_of(bench)
    odd = ["../../users/me/calendarList", "a/b", "a?b=c", "a#b", "%2e%2e", "a b", "ü", "\ud800", "x" * 1000]
    lookup = bench.lookup(*odd)
    assert set(lookup.gone) == set(odd)
    root = f"/calendar/v3/calendars/{bench.calendar.remote_id.replace('@', '%40')}/events"
    assert {logged.path.rpartition("/events/")[0] for logged in google.log if logged.inner} == {
        root.removesuffix("/events")
    }
    assert len(bench.lookup(odd[0]).gone) == 1


def test_the_window_of_a_snapshot_is_everything() -> None:  # I-04
    """Far past and future are listed, so that absence means something everywhere."""
    bench = bench_of()
    keys = {bench.hands.put(meeting(f"y{year}", datetime(year, 1, 2, 9, tzinfo=UTC))) for year in (1971, 2026, 2199)}
    reading = bench.read()
    assert (reading.keys(), reading.covers) == (keys, None)


def test_find_blocks_shows_all_before_it_complains() -> None:  # I-43
    bench: Bench = bench_of()
    google = google_of(bench)
    bench.create(KEY, BUSY)
    bench.create("v" * 32, BUSY)
    google.corrupt(bench.calendar.remote_id, bench.native_id(KEY), start=None)
    blocks = bench.writer.find_blocks(bench.session, bench.calendar)
    assert next(blocks).key == bench.native_id("v" * 32)
    with pytest.raises(Unavailable, match="1 block"):
        next(blocks)


def test_calendars_say_role_zone_and_name() -> None:
    bench = bench_of(timezone="Europe/Berlin")
    google = google_of(bench)
    google.add_user(BOB, timezone="Asia/Tokyo")
    roles = {
        "reader": "reader",
        "writer": "writer",
        "writerWithoutPrivateAccess": "reader",
        "freeBusyReader": "free_busy",
    }
    shared = {role: google.add_calendar(BOB, role) for role in roles}
    for role, calendar_id in shared.items():
        google.share(calendar_id, ANA, role)
    google.edit_line(shared["reader"], ANA, summaryOverride="Bob's")
    gone = calendar_of(google, "Gone")
    google.remove_calendar(gone.remote_id)
    listed = {one.remote_id: one for one in bench.provider.list_calendars(bench.session)}
    assert {role: str(listed[calendar_id].role) for role, calendar_id in shared.items()} == roles
    assert listed[shared["reader"]].name == "Bob's"
    assert (listed[ANA].primary, listed[ANA].timezone) == (True, "Europe/Berlin")
    assert not listed[bench.calendar.remote_id].primary
    assert listed[shared["writer"]].timezone == "Asia/Tokyo"
    assert gone.remote_id not in listed


def test_a_calendar_that_is_listed_twice_is_one() -> None:  # I-14
    """As lists do that change while they are paged through; the last word counts."""
    named = [page({"id": "a", "summary": name, "accessRole": "owner"}, following=name) for name in ("Old", "Older")]
    google = Google(*named, page({"id": "a", "summary": "New", "accessRole": "reader"}))
    assert [(one.name, str(one.role)) for one in google.provider.list_calendars(google.session)] == [("New", "reader")]


def _shape() -> str:
    google = Google(page(token="t"))
    cursor = read(google)[-1].cursor
    assert cursor is not None
    return cursor.shape


@pytest.mark.parametrize("company", [0, 3])
def test_an_event_that_google_chokes_on_fails_nothing_else(company: int) -> None:  # I-07, I-37
    """Asked for alone or among others: it counts as present, and is owed."""
    bench = bench_of()
    bad = bench.hands.put(meeting("bad"))
    others = [bench.hands.put(meeting(f"good-{number}")) for number in range(company)]
    chokes = HttpFault(
        HttpFaultKind.ANSWER, refusal(500, "backendError"), path=f"/events/{bad}", times=9, inner=bool(company)
    )
    google_of(bench).fail(chokes)
    found = bench.lookup(bad, *others)
    assert [one.key for one in found.unreadable] == [bad]
    assert [item.key for item in found.items] == others
    assert found.gone == ()


def test_an_event_hidden_from_this_login_does_not_hide_its_calendar() -> None:  # I-37, I-42
    """403 to one event of a calendar that can be read is that event's; a calendar that can't be read says so."""
    bench = bench_of()
    hidden, shown = bench.hands.put(meeting("hidden")), bench.hands.put(meeting("shown"))
    forbidden = HttpFault(HttpFaultKind.ANSWER, refusal(403, "forbidden"), path=f"/events/{hidden}", inner=True)
    google_of(bench).fail(forbidden)
    found = bench.lookup(hidden, shown)
    assert [one.key for one in found.unreadable] == [hidden]
    assert [item.key for item in found.items] == [shown]
    google_of(bench).fail(forbidden)
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, refusal(403, "forbidden"), path="/events$"))
    with pytest.raises(NotFound):
        bench.lookup(hidden, shown)
