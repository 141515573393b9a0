"""The sharp edges of ``calendarView/delta``. Sources: "delta-query-events", "event-delta", docs issues as named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from calsync_core.testing.simulators.graph import Habits
from graph_world import ANA, BERLIN, PROPERTY, GraphWorld, code, series, timed

_DAILY = {"type": "daily"}


def test_an_event_comes_whole_once_and_then_never_again(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    first = world.first_round()
    assert set(first.of("singleInstance")) == {event}
    assert first.of("singleInstance")[event]["subject"] == "Planning"
    assert world.round(first.link).items == []


def test_a_delta_shows_the_transaction_id_and_never_an_extended_property(world: GraphWorld) -> None:
    """M-DELTA: no $expand, so none; the documentation's sample has a transactionId."""
    properties = [{"id": PROPERTY, "value": "x"}]
    body = timed(
        "2026-03-03T09:00:00", "2026-03-03T10:00:00", transactionId="t-1", singleValueExtendedProperties=properties
    )
    assert world.client.post("me/events", json=body).status_code == 201
    (item,) = world.first_round().items
    assert item["transactionId"] == "t-1"
    assert "singleValueExtendedProperties" not in item


@pytest.mark.parametrize("option", ["$select=id", "$expand=attachments", "$filter=x", "$orderby=id", "$search=x"])
def test_options_are_refused(world: GraphWorld, option: str) -> None:
    """M-DELTA: "$select, $expand, $filter, $orderby, $search" are not supported."""
    window = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    answer = world.client.get(f"me/calendarView/delta?{window}&{option}")
    assert (answer.status_code, code(answer)) == (400, "ErrorInvalidUrlQuery")


def test_the_window_is_needed_once_and_lives_in_the_link(world: GraphWorld) -> None:
    """M-DELTA: start and end are encoded into the token of each link."""
    answer = world.client.get("me/calendarView/delta")
    assert answer.status_code == 400
    link = world.first_round("2026-03-01", "2026-03-08").link
    assert "startDateTime" not in link
    inside = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    outside = world.put(timed("2026-03-13T09:00:00", "2026-03-13T10:00:00"))
    following = world.round(link)
    assert set(following.of("singleInstance")) == {inside}
    assert set(following.of("removed")) == {outside}


def test_removed_has_two_meanings(world: GraphWorld) -> None:
    """M-DELTA: deleted, or changed while outside of the window, also if the client never saw it."""
    deleted = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    moved = world.put(timed("2026-03-04T09:00:00", "2026-03-04T10:00:00"))
    stranger = world.put(timed("2026-06-04T09:00:00", "2026-06-04T10:00:00"))
    first = world.first_round()
    assert stranger not in {item["id"] for item in first.items}
    world.simulator.remove_event(deleted)
    world.simulator.patch_event(moved, timed("2026-05-04T09:00:00", "2026-05-04T10:00:00"))
    world.simulator.patch_event(stranger, {"subject": "Elsewhere"})
    removed = world.round(first.link).of("removed")
    assert set(removed) == {deleted, moved, stranger}
    assert all(item["@removed"] == {"reason": "deleted"} for item in removed.values())


def test_an_event_that_moves_to_another_calendar_leaves_one_and_comes_to_the_other(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    here = world.first_round().link
    other = world.simulator.add_calendar(ANA, "Other")
    there_link = f"https://graph.microsoft.com/v1.0/me/calendars/{other}/calendarView/delta"
    there = world.round(f"{there_link}?startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z").link
    world.simulator.move_event(event, other)
    assert set(world.round(here).of("removed")) == {event}
    assert set(world.round(there).of("singleInstance")) == {event}


def test_an_occurrence_is_sparse(world: GraphWorld) -> None:
    """Docs issue #7632: nothing but type, etag, id, seriesMasterId, start and end."""
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY, subject="Stand-up"))
    first = world.first_round("2026-03-01", "2026-03-08")
    occurrences = first.of("occurrence")
    assert len(occurrences) == 6
    for item in occurrences.values():
        assert set(item) == {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}
        assert item["seriesMasterId"] == master
    # Its times are the first occurrence's, and mean nothing more.
    assert first.of("seriesMaster")[master]["start"]["dateTime"] == "2026-03-02T08:00:00.0000000"


@pytest.mark.parametrize(("masters", "first", "later"), [("always", 1, 1), ("first_round", 1, 0), ("never", 0, 0)])
def test_the_master_may_be_missing(masters: Any, first: int, later: int) -> None:
    """Docs issues #7632 and #22197, keeper.sh #409: in the payload, or not."""
    world = GraphWorld(Habits(masters=masters))
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    found = world.first_round("2026-03-01", "2026-03-08")
    assert len(found.of("seriesMaster")) == first
    world.simulator.patch_event(master, {"subject": "Renamed"})
    assert len(world.round(found.link).of("seriesMaster")) == later


def test_sometimes_the_master_is_there_and_sometimes_not(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    link = world.first_round().link
    seen = set()
    for number in range(20):
        world.simulator.patch_event(master, {"subject": f"Name {number}"})
        found = world.round(link)
        link = found.link
        seen.add(len(found.of("seriesMaster")))
    assert seen == {0, 1}


def test_a_deleted_occurrence_only_shows_in_what_is_left(world: GraphWorld) -> None:
    """StackOverflow 55641502: the master and all remaining occurrences come again, and nothing says "removed"."""
    world.habits.masters = "always"
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    first = world.first_round("2026-03-01", "2026-03-08")
    gone = world.simulator.occurrence(master, date(2026, 3, 4))
    world.simulator.cancel_occurrence(master, date(2026, 3, 4))
    later = world.round(first.link)
    assert later.of("removed") == {}
    assert set(later.of("seriesMaster")) == {master}
    assert set(later.of("occurrence")) == set(first.of("occurrence")) - {gone}


def test_an_exception_is_whole_and_keeps_the_occurrences_id(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY, subject="Stand-up"))
    first = world.first_round("2026-03-01", "2026-03-08")
    changed = world.simulator.occurrence(master, date(2026, 3, 4))
    new_times = timed("2026-03-04T11:00:00", "2026-03-04T12:00:00", zone=BERLIN)
    world.simulator.patch_event(changed, new_times | {"subject": "Later today"})
    later = world.round(first.link)
    assert changed in first.of("occurrence")
    item = later.of("exception")[changed]
    assert (item["subject"], item["seriesMasterId"]) == ("Later today", master)
    assert item["originalStart"] == "2026-03-04T08:00:00Z"
    assert item["start"]["dateTime"] == "2026-03-04T10:00:00.0000000"


def test_an_exception_that_leaves_the_window_is_removed(world: GraphWorld) -> None:
    weekly = {"type": "weekly", "daysOfWeek": ["monday"]}
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", weekly))
    first = world.first_round("2026-03-01", "2026-03-12")
    moved = world.simulator.occurrence(master, date(2026, 3, 9))
    world.simulator.patch_event(moved, timed("2026-03-13T09:00:00", "2026-03-13T10:00:00", zone=BERLIN))
    later = world.round(first.link)
    assert set(later.of("removed")) == {moved}
    assert len(later.of("occurrence")) == 1


def test_a_retimed_series_has_new_occurrence_ids_and_the_old_ones_are_never_removed(world: GraphWorld) -> None:
    """Dankcalendar #95."""
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    first = world.first_round("2026-03-01", "2026-03-08")
    world.simulator.patch_event(master, timed("2026-03-02T14:00:00", "2026-03-02T15:00:00", zone=BERLIN))
    later = world.round(first.link)
    assert later.of("removed") == {}
    assert len(later.of("occurrence")) == 6
    assert not set(later.of("occurrence")) & set(first.of("occurrence"))
    assert world.client.get(f"me/events/{min(first.of('occurrence'))}").status_code == 404


@pytest.mark.parametrize("each", [False, True])
def test_a_deleted_series_is_removed(*, each: bool) -> None:
    world = GraphWorld(Habits(removed_occurrences=each))
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    first = world.first_round("2026-03-01", "2026-03-08")
    world.simulator.remove_event(master)
    expected = {master} | (set(first.of("occurrence")) if each else set())
    assert set(world.round(first.link).of("removed")) == expected
    assert world.client.get(f"me/events/{master}").status_code == 404


def test_a_single_event_becomes_a_series_and_back(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-02T09:00:00", "2026-03-02T10:00:00", zone=BERLIN))
    link = world.first_round("2026-03-01", "2026-03-08").link
    extent = {"type": "numbered", "numberOfOccurrences": 3, "startDate": "2026-03-02"}
    world.simulator.patch_event(event, {"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": extent}})
    found = world.round(link)
    assert len(found.of("occurrence")) == 3
    assert found.of("singleInstance") == {}
    world.simulator.patch_event(event, {"recurrence": None})
    assert set(world.round(found.link).of("singleInstance")) == {event}


def test_a_round_has_an_empty_page_inside_a_replay_and_no_order(world: GraphWorld) -> None:
    """M-DELTAOV: empty pages with a next link, the same item twice, any order."""
    events = [world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00")) for day in range(2, 27)]
    found = world.first_round(size=10)
    assert [] in found.pages[:-1]
    ids = [item["id"] for item in found.items]
    assert len(ids) == 26
    assert set(ids) == set(events)
    assert list(dict.fromkeys(ids)) != events
    assert max(len(page) for page in found.pages) == 10


def test_a_calm_service_does_none_of_that() -> None:
    world = GraphWorld(Habits(empty_pages=False, replays=False, shuffled=False))
    events = [world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00")) for day in range(2, 27)]
    assert [[item["id"] for item in page] for page in world.first_round(size=10).pages] == [
        events[:10],
        events[10:20],
        events[20:],
    ]


def test_links_may_be_followed_twice(world: GraphWorld) -> None:
    """M-DELTAOV: replays. The same delta link tells the same changes again."""
    link = world.first_round().link
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    assert set(world.round(link).of("singleInstance")) == {event}
    assert set(world.round(link).of("singleInstance")) == {event}


def test_what_changes_in_the_middle_of_a_round_is_told_in_the_next(world: GraphWorld) -> None:
    events = [world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00")) for day in range(2, 12)]
    window = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    prefer = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=4'}
    page = world.client.get(f"me/calendars/{world.calendar}/calendarView/delta?{window}", headers=prefer).json()
    for event in events:
        world.simulator.remove_event(event)
    new = world.put(timed("2026-03-20T09:00:00", "2026-03-20T10:00:00"))
    rest = world.round(page["@odata.nextLink"], size=4)
    assert rest.items == []
    following = world.round(rest.link)
    assert set(following.of("removed")) == set(events)
    assert set(following.of("singleInstance")) == {new}


@pytest.mark.parametrize(
    ("status", "reason"),
    [(410, "syncStateNotFound"), (410, "resyncRequired"), (404, "syncStateNotFound"), (400, "syncStateInvalid")],
)
def test_links_expire_in_every_shape(world: GraphWorld, status: int, reason: str) -> None:
    """M-DELTAOV: 410 with a Location, or "40X" with syncStateNotFound; others are reported."""
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    link = world.first_round().link
    world.simulator.expire_delta_links(status, reason)
    answer = world.client.get(link)
    assert (answer.status_code, code(answer)) == (status, reason)
    assert ("Location" in answer.headers) == (status == 410)
    assert set(world.first_round().of("singleInstance")) == {event}
    if status == 410:
        assert answer.headers["Location"].endswith("$deltatoken=")
        assert set(world.round(answer.headers["Location"]).of("singleInstance")) == {event}


def test_links_expire_in_mid_page(world: GraphWorld) -> None:
    for day in range(2, 27):
        world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00"))
    world.simulator.expire_delta_links(after=2)
    with pytest.raises(AssertionError, match="syncStateNotFound"):
        world.first_round(size=5)
    assert [logged.status for logged in world.simulator.log] == [200, 200, 410]
    assert len(world.first_round(size=5).of("singleInstance")) == 25


def test_a_made_up_token_is_invalid(world: GraphWorld) -> None:
    answer = world.client.get("me/calendarView/delta?$deltatoken=abc")
    assert (answer.status_code, code(answer)) == (400, "SyncStateInvalid")


def test_a_link_belongs_to_its_calendar(world: GraphWorld) -> None:
    other = world.simulator.add_calendar(ANA, "Other")
    link = world.first_round().link.replace(world.calendar, other)
    assert world.client.get(link).status_code == 400


def test_without_the_preference_ids_have_another_form(world: GraphWorld) -> None:
    """M-IMM: the header applies to the request that carries it, and to no other."""
    immutable = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    first = world.first_round(prefer='outlook.timezone="UTC"')
    (mutable,) = first.of("singleInstance")
    assert mutable != immutable
    world.simulator.remove_event(immutable)
    assert set(world.round(first.link, prefer="").of("removed")) == {mutable}
    assert set(world.round(first.link).of("removed")) == {immutable}


def test_the_page_size_is_each_requests_own(world: GraphWorld) -> None:
    for day in range(2, 27):
        world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00"))
    assert max(len(page) for page in world.first_round(size=3).pages) == 3
    assert max(len(page) for page in world.first_round().pages) == 10
    assert len(world.first_round(size=1000).pages) == 1


def test_an_unreadable_event_comes_as_it_is(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    link = world.first_round().link
    world.simulator.corrupt(event, {"start": {"dateTime": "yesterday", "timeZone": 7}, "type": "surprise"})
    (item,) = world.round(link).items
    assert item["start"] == {"dateTime": "yesterday", "timeZone": 7}
    world.simulator.corrupt(event, {})
    assert world.get(f"me/events/{event}")["start"]["timeZone"] == "UTC"


def test_a_change_may_show_late(world: GraphWorld) -> None:
    """Seen on OneDrive (onedrive-api-docs #1402); not verified for calendars, hence off."""
    link = world.first_round().link
    world.habits.delta_delay = timedelta(seconds=30)
    early = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    world.clock.advance(timedelta(seconds=20))
    late = world.put(timed("2026-03-04T09:00:00", "2026-03-04T10:00:00"))
    found = world.round(link)
    assert found.items == []
    world.clock.advance(timedelta(seconds=10))
    found = world.round(found.link)
    assert set(found.of("singleInstance")) == {early}
    world.clock.advance(timedelta(seconds=20))
    assert set(world.round(found.link).of("singleInstance")) == {late}
