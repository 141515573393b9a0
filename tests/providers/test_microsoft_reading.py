"""Graph's delta rounds: windows in cursors, pages, two meanings of removed, and every way a link can end."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import CursorExpired, NotFound, Rejected, Unavailable
from calsync_core.models import OperationKind, Window
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.providers.microsoft.cursor import ahead
from calsync_core.testing.provider_contract.bench import START, WINDOW, meeting
from calsync_core.testing.provider_contract.fixtures import BUSY, DAY, HOUR, KEY, LATER
from calsync_core.testing.provider_kit import Bench, BlockHands
from graph_hands import (
    ANA,
    BO,
    bench_of,
    calendar_of,
    clock_of,
    simulator_of,
    timed_json,
)
from graph_reading import cursor_to, item_of, known_after, read, series
from graph_scripts import DELTA, Graph, event, page

# -- the window in the cursor ---------------------------------------------------------------------------------------


def test_a_round_reaches_past_the_horizon() -> None:
    """So that the horizon can slide for weeks before a new round is needed; not all calendars' rounds on one day."""
    bench = bench_of()
    after = WINDOW.end + 29 * DAY
    key = bench.hands.put(meeting("later", after))
    reading = bench.read()
    assert reading.keys() == {key}
    assert reading.covers is not None
    assert reading.covers.end >= WINDOW.end + 30 * DAY
    ends = {ahead(f"calendar-{number}", WINDOW).end for number in range(50)}
    assert len(ends) == 7
    assert max(ends) - min(ends) == 6 * DAY


def test_a_new_round_only_when_the_horizon_nears_the_edge() -> None:  # I-12, I-23
    """Day after day it costs one request and is no snapshot; then comes one snapshot, and the old cursor stays good."""
    bench = bench_of()
    key = bench.hands.put(meeting("a", START + 60 * DAY))
    cursor = bench.read().cursor
    snapshots = []
    for day in range(1, 80):
        window = Window(WINDOW.start + day * DAY, WINDOW.end + day * DAY)
        reading = evolve(bench, window=window).read(cursor)
        if reading.snapshot:
            snapshots.append(day)
            assert reading.covers is not None
            assert reading.covers.start <= window.start
            assert reading.covers.end >= window.end
            if day < 59:
                assert reading.keys() == {key}
            # It was not committed: whoever has the old cursor asks with it again, and the same happens.
            again = evolve(bench, window=window).read(cursor)
            assert again.snapshot
        cursor = reading.cursor
    assert 1 <= len(snapshots) <= 2
    assert 31 <= snapshots[0] <= 37


def test_a_longer_horizon_needs_a_new_round_at_once() -> None:  # I-12
    bench = bench_of()
    far = bench.hands.put(meeting("far", START + 300 * DAY))
    cursor = bench.read().cursor
    wide = evolve(bench, window=Window(WINDOW.start, START + 400 * DAY)).read(cursor)
    assert wide.snapshot
    assert wide.keys() == {far}


# -- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_in_any_order_with_replays_and_blanks(size: int) -> None:  # I-11, I-13, I-14
    bench = bench_of(longest_page=size)
    keys = {bench.hands.put(meeting(f"e{number}", START + number * HOUR)) for number in range(7)}
    whole = bench.hands.put(series())
    reading = bench.read()
    assert reading.keys() == keys | {whole}
    assert (0 in reading.sizes) is (size < 7)
    bench.hands.put(meeting("e0", START + 2 * DAY))
    bench.hands.put(meeting("e1", START + 3 * DAY))
    changes = bench.read(reading.cursor, known_after(reading))
    moved = {event.uid: event.span.edges(UTC)[0] for item in changes.items for event in item.events}
    assert moved == {"e0": START + 2 * DAY, "e1": START + 3 * DAY}


def test_every_request_says_the_same_again() -> None:  # I-12
    """Immutable ids and UTC, also in parts of batches and for links; the page size too."""
    bench = bench_of(longest_page=2)
    for number in range(5):
        bench.hands.put(series(f"s{number}"))
    cursor = bench.read().cursor
    bench.create(KEY, BUSY)
    bench.hands.put(series("s0", 3))
    bench.read(cursor)
    list(bench.writer.find_blocks(bench.session, bench.calendar))
    log = [one for one in simulator_of(bench).log if one.inner or not one.path.endswith("$batch")]
    assert len(log) > 20
    for logged in log:
        prefer = logged.request.headers["prefer"]
        assert 'IdType="ImmutableId"' in prefer
        assert 'outlook.timezone="UTC"' in prefer
        if logged.path.endswith("/delta"):
            assert "odata.maxpagesize=" in prefer
        assert (
            not [name for name, _ in logged.request.query if name.startswith("$")]
            or "/delta" not in logged.path
            or ({name for name, _ in logged.request.query} <= {"$skiptoken", "$deltatoken"})
        )


@pytest.mark.parametrize(
    "elsewhere", ["https://graph.example.net/v1.0/x", "http://localhost:81/v1.0/x", "ftp://localhost/"]
)
def test_links_to_other_hosts_are_not_followed(elsewhere: str) -> None:  # I-38
    graph = Graph(page(event("a"), following=elsewhere))
    with pytest.raises(Unavailable, match="not allowed"):
        read(graph)
    assert len(graph.asked) == 1
    with pytest.raises(CursorExpired, match="not allowed"):
        read(graph, cursor_to(elsewhere))
    assert len(graph.asked) == 1
    with pytest.raises(Unavailable, match="not allowed"):
        graph.provider.list_calendars(graph.session)


def test_a_repeated_link_is_an_error() -> None:  # I-13
    graph = Graph(page(event("a"), following="2"), page(event("b"), following="3"), page(event("c"), following="2"))
    with pytest.raises(Unavailable, match="repeats"):
        read(graph)
    assert len(graph.asked) == 3
    with pytest.raises(Unavailable, match="repeats"):
        graph.provider.list_calendars(graph.session)


def test_there_is_an_end_to_pages(monkeypatch: pytest.MonkeyPatch) -> None:  # I-13
    monkeypatch.setattr("calsync_core.providers.microsoft.service.MAX_PAGES", 5)
    asked = 0

    def endless(_request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return page(following=str(asked))

    with pytest.raises(Unavailable, match="more than 5 pages"):
        read(Graph(endless))
    assert asked == 6


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"3", b"{}", b'{"value": 3}', b'{"value": [3]}', b'{"value": [{}]}']
)
def test_what_is_no_listing_concludes_nothing(body: bytes) -> None:  # I-07
    with pytest.raises(Unavailable):
        read(Graph(httpx.Response(200, content=body)))


def test_a_round_without_a_delta_link_is_not_over() -> None:  # I-11
    with pytest.raises(Unavailable, match="delta link"):
        read(Graph(page(event("a"), following="2"), page(event("b"))))


def test_a_delta_link_before_the_end_is_not_taken() -> None:  # I-11
    first, last = read(Graph(page(event("a"), following="2", delta="too-soon"), page(event("b"), delta="right")))
    assert first.cursor is None
    assert last.cursor is not None
    assert "right" in last.cursor.value


# -- links that are no longer valid ----------------------------------------------------------------------------------

RESETS = [
    (410, "syncStateNotFound"),
    (410, "resyncRequired"),
    (410, "Gone"),
    (400, "syncStateNotFound"),
    (400, "SyncStateInvalid"),
    (400, "ErrorInvalidParameter"),
    (404, "syncStateNotFound"),
    (404, "SyncStateInvalid"),
]


@pytest.mark.parametrize(("status", "code"), RESETS)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_reset_at_once_or_in_mid_page(status: int, code: str, after: int) -> None:  # I-10
    bench = bench_of(longest_page=1)
    graph = simulator_of(bench)
    keys = {bench.hands.put(meeting("a")), bench.hands.put(meeting("b"))}
    cursor = bench.read().cursor
    for number in range(3):
        keys.add(bench.hands.put(meeting(f"c{number}")))
    graph.expire_delta_links(status, code, after=after)
    with pytest.raises(CursorExpired):
        bench.read(cursor)
    # A new round can meet the rest of it in the middle; then it was no round, and the next one is.
    assert bench.read().keys() == keys


def test_a_reset_in_an_inner_error() -> None:  # I-10
    body = {"error": {"code": "UnknownError", "message": "", "innererror": {"code": "syncStateNotFound"}}}
    with pytest.raises(CursorExpired):
        read(Graph(httpx.Response(404, json=body)), cursor_to(DELTA))


def test_not_every_404_is_a_reset() -> None:  # I-42
    with pytest.raises(NotFound):
        read(Graph(httpx.Response(404, json={"error": {"code": "ErrorItemNotFound"}})), cursor_to(DELTA))
    with pytest.raises(Unavailable):
        read(Graph(httpx.Response(404, text="no such route")), cursor_to(DELTA))


def test_a_refused_round_is_no_reset() -> None:
    """A 400 for a request without a link is ours: a new snapshot would end in the same."""
    with pytest.raises(Rejected):
        read(Graph(httpx.Response(400, json={"error": {"code": "ErrorInvalidParameter"}})))


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", '{"link": "x"}', '{"link": "x", "window": ["a", "b"]}', '{"link": "x", "window": [1]}']
)
def test_a_garbled_cursor_is_expired(value: str) -> None:  # I-10
    with pytest.raises(CursorExpired):
        read(Graph(page(delta="t")), evolve(cursor_to(DELTA), value=value))


def test_a_cursor_of_another_mailbox_or_calendar_is_expired() -> None:  # I-12
    bench = bench_of()
    cursor = bench.read().cursor
    other = evolve(bench, calendar=calendar_of(simulator_of(bench), "Home"))
    with pytest.raises(CursorExpired):
        other.read(cursor)


# -- removed, in both meanings ---------------------------------------------------------------------------------------


def test_removed_is_deleted_or_outside_the_window() -> None:  # I-22
    """Of a single event both mean that it is not there; of what was never known it means nothing."""
    bench = bench_of()
    graph = simulator_of(bench)
    gone, moved = bench.hands.put(meeting("gone")), bench.hands.put(meeting("moved"))
    reading = bench.read()
    bench.hands.remove(gone)
    graph.patch_event(moved, timed_json(START + 500 * DAY, START + 500 * DAY + HOUR))
    far = bench.hands.put(meeting("far", START + 600 * DAY))
    changes = bench.read(reading.cursor, known_after(reading))
    assert changes.items == ()
    assert set(changes.removed) == {gone, moved, far}
    assert [item.key for item in bench.lookup(moved, far).items] == [moved, far]
    graph.patch_event(moved, timed_json(START + DAY, START + DAY + HOUR))
    assert bench.read(changes.cursor).keys() == {moved}


def test_a_series_that_left_the_window_is_not_gone() -> None:  # I-22
    """Removed is said of it, a look says that it stands; no occurrence in the window is left of it."""
    bench = bench_of()
    graph = simulator_of(bench)
    key = bench.hands.put(series(count=3))
    reading = bench.read()
    later = series(count=3, start=START + 500 * DAY)
    bench.hands.put(later)
    graph.clear_log()
    changes = bench.read(reading.cursor, known_after(reading))
    assert changes.removed == ()
    assert item_of(changes, key).events == ()
    bench.hands.remove(key)
    assert set(bench.read(changes.cursor, known_after(changes)).removed) == {key}


@pytest.mark.parametrize("removed_occurrences", [False, True])
def test_a_deleted_series_is_gone(removed_occurrences: bool) -> None:  # I-22
    bench = bench_of(removed_occurrences=removed_occurrences)
    key = bench.hands.put(series())
    reading = bench.read()
    bench.hands.remove(key)
    changes = bench.read(reading.cursor, known_after(reading))
    assert key in changes.removed
    assert changes.items == ()


def test_what_moved_to_another_calendar_is_gone_from_this_one() -> None:
    bench = bench_of()
    graph = simulator_of(bench)
    keys = [bench.hands.put(meeting("a")), bench.hands.put(series())]
    reading = bench.read()
    for key in keys:
        graph.move_event(key, graph.calendars(ANA)[0])
    assert set(bench.read(reading.cursor, known_after(reading)).removed) == set(keys)


# -- calendars ------------------------------------------------------------------------------------------------------


def test_calendars_of_all_groups_with_their_rights() -> None:
    bench = bench_of(page_size=1)
    graph = simulator_of(bench)
    club = graph.add_calendar(ANA, "Club", group="Other")
    locked = graph.add_calendar(ANA, "Birthdays", can_edit=False)
    shared = graph.share_calendar(graph.calendars(BO)[0], ANA)
    edited = graph.share_calendar(graph.add_calendar(BO, "Team"), ANA, can_edit=True)
    listed = {one.remote_id: one for one in bench.provider.list_calendars(bench.session)}
    roles = {
        name: str(listed[key].role)
        for name, key in {
            "own": graph.calendars(ANA)[0],
            "club": club,
            "locked": locked,
            "shared": shared,
            "edited": edited,
        }.items()
    }
    assert roles == {"own": "owner", "club": "owner", "locked": "reader", "shared": "reader", "edited": "writer"}
    assert [one.name for one in listed.values() if one.primary] == ["Calendar"]
    assert len(listed) == 6


def test_a_writable_shared_calendar_is_written_to() -> None:
    """An update and a delete go through the calendar: by ``/me/events`` only the login's own mailbox is reached."""
    bench = bench_of()
    graph = simulator_of(bench)
    shared = graph.share_calendar(graph.add_calendar(BO, "Team"), ANA, can_edit=True)
    team = evolve(bench, calendar=evolve(bench.calendar, remote_id=shared))
    team.create(KEY, BUSY)
    assert team.update(KEY, LATER, team.block(KEY).etag).status == "done"
    assert team.delete(KEY, LATER, None).status == "done"


def test_time_passes_and_the_window_is_the_round_s() -> None:
    """An event just outside of the horizon and inside the round is a change like any other."""
    bench = bench_of()
    cursor = bench.read().cursor
    clock_of(simulator_of(bench)).advance(timedelta(days=3))
    key = bench.hands.put(meeting("edge", WINDOW.end + 10 * DAY))
    assert bench.read(cursor).keys() == {key}


# -- many blocks at once ----------------------------------------------------------------------------------------------


def full_of_blocks(blocks: int = 60, **habits: Any) -> Bench:
    """A calendar with blocks, one of which lost its tag, among meetings and a series."""
    bench = bench_of(**habits)
    bench.apply(*(bench.intent(OperationKind.CREATE, f"{number:032}", BUSY) for number in range(blocks)))
    assert isinstance(bench.hands, BlockHands)
    bench.hands.strip_tag(bench.standing(f"{7:032}"))
    for number in range(5):
        bench.hands.put(meeting(f"meeting-{number}"))
    bench.hands.put(series("daily"))
    return bench


def test_a_calendar_full_of_blocks_takes_one_listing_more_and_not_a_read_of_each() -> None:
    bench = full_of_blocks()
    before = bench.session.meter.sent
    reading = bench.read()
    sent = bench.session.meter.sent - before
    marks = [event.mark for item in reading.items for event in item.events if event.mark is not None]
    assert sum(mark.tag is not None for mark in marks) == 59
    # The round, the listing, and in one batch the block that shows no tag and the series.
    assert sent == 3


def test_where_a_listing_shows_no_tags_each_is_read_by_id() -> None:
    """With the same result: what a listing leaves out is not thought to be missing."""
    found = full_of_blocks(view_expands=False).read()
    usual = full_of_blocks().read()
    assert {(item.key, item.events) for item in found.items} == {(item.key, item.events) for item in usual.items}
    assert len(found.items) == 60 + 5 + 1


class BadView(httpx.BaseTransport):
    """A Graph whose calendar view goes wrong: on its first page or a later one, with a status or with nonsense."""

    def __init__(self, inner: httpx.BaseTransport, page: str, wrong: int | str) -> None:
        self._inner, self._page, self._wrong = inner, page, wrong
        self.spoilt = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        later = "skip" in str(request.url).lower()
        if not request.url.path.endswith("/calendarView") or later != (self._page == "later"):
            return answer
        self.spoilt += 1
        if isinstance(self._wrong, int):
            return httpx.Response(self._wrong, json={"error": {"code": "ErrorWrong", "message": "no"}})
        answer.read()
        whole = answer.json()
        whole["value"][0]["singleValueExtendedProperties"] = [self._wrong]
        return httpx.Response(200, json=whole)


@pytest.mark.parametrize("wrong", [400, 403, 404, 500, 501, 504, "nonsense"])
@pytest.mark.parametrize("page", ["first", "later"])
def test_a_listing_that_fails_fails_nothing_else(page: str, wrong: int | str) -> None:
    """It only saves requests; what it did not show is read by id."""
    bench = full_of_blocks(longest_page=30)
    transport = BadView(simulator_of(bench).transport(), page, wrong)
    reading = evolve(bench, provider=MicrosoftProvider(transport=transport)).read()
    assert {(item.key, item.events) for item in reading.items} == {
        (item.key, item.events) for item in full_of_blocks().read().items
    }
    assert transport.spoilt
    assert page == "later" or transport.spoilt == 1, "there is another way, so nobody tries this one again"


def test_few_blocks_are_read_by_id() -> None:
    bench = full_of_blocks(20)
    before = bench.session.meter.sent
    assert len(bench.read().items) == 20 + 5 + 1
    # The round, and two batches for the blocks and the series.
    assert bench.session.meter.sent - before == 3
