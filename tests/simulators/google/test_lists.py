"""Listing and syncing: what the discovery document and Google's sync guide say, and the liberties they leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, all_day, reason, timed


def test_the_sync_token_comes_with_the_last_page_only(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``Events.nextSyncToken``: omitted if further results are available."""
    for number in range(5):
        google.put_event(ANN, timed(f"event{number}"))
    items, token = ann.listed(maxResults=2)
    assert len(items) == 5
    assert token is not None
    assert len(ann.page(maxResults=2).json()["items"]) == 2


def test_pages_may_be_short_and_empty(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``maxResults``: fewer, or none at all, even if there are more."""
    for number in range(3):
        google.put_event(ANN, timed(f"event{number}"))
    google.habits.page_size, google.habits.empty_pages = 1, 2
    first = ann.page()
    assert first.json()["items"] == []
    assert "nextPageToken" in first.json()
    assert ann.ids() == ["event0", "event1", "event2"]


@pytest.mark.parametrize(
    "query",
    [
        {"iCalUID": "x"},
        {"orderBy": "updated"},
        {"privateExtendedProperty": "a=b"},
        {"q": "review"},
        {"sharedExtendedProperty": "a=b"},
        {"timeMin": "2026-03-01T00:00:00Z"},
        {"timeMax": "2026-04-01T00:00:00Z"},
        {"updatedMin": "2026-03-01T00:00:00Z"},
        {"showDeleted": False},
        {"singleEvents": True},
        {"eventTypes": "default"},
        {"timeZone": "UTC"},
        {"maxAttendees": 1},
        {"maxResults": 10},
    ],
    ids=str,
)
def test_a_sync_token_tolerates_no_other_parameters(ann: Client, query: dict[str, Any]) -> None:
    """Discovery document, ``syncToken``: eight can't be specified, the others should be the same as initially."""
    _, token = ann.listed()
    assert reason(ann.page(syncToken=token, **query)) == (400, "invalid")


def test_a_default_may_be_said_or_left_out(ann: Client) -> None:
    """The same parameters by meaning are the same parameters."""
    _, token = ann.listed(singleEvents=False, maxResults=250)
    assert ann.page(syncToken=token).status_code == 200


def test_the_window_belongs_to_the_first_list_only(google: CheckedGoogle, ann: Client) -> None:
    """Google's sample begins a sync with ``timeMin``; that later results keep to it is nowhere said, so they don't."""
    _, token = ann.listed(timeMin="2026-03-01T00:00:00Z")
    assert token is not None
    google.put_event(ANN, timed("old00", "2020-01-01T10:00:00"))
    assert ann.ids(syncToken=token) == ["old00"]


@pytest.mark.parametrize("query", [{"orderBy": "updated"}, {"q": "x"}, {"privateExtendedProperty": "a=b"}], ids=str)
def test_some_lists_give_no_sync_token(ann: Client, query: dict[str, Any]) -> None:
    """Reported: google-api-ruby-client #312."""
    assert ann.listed(**query)[1] is None


def test_a_further_page_wants_the_same_request(google: CheckedGoogle, ann: Client) -> None:
    """Sync guide: the page of an incremental list is asked for with the same sync token."""
    _, token = ann.listed(maxResults=1)
    google.put_event(ANN, timed("event1"))
    google.put_event(ANN, timed("event2"))
    page = ann.page(maxResults=1, syncToken=token).json()
    assert reason(ann.page(maxResults=1, pageToken=page["nextPageToken"])) == (400, "invalid")
    assert reason(ann.page(maxResults=2, syncToken=token, pageToken=page["nextPageToken"])) == (400, "invalid")
    assert reason(ann.page(maxResults=1, syncToken=token, pageToken="nonsense")) == (400, "invalid")
    rest = ann.page(maxResults=1, syncToken=token, pageToken=page["nextPageToken"]).json()
    assert sorted(one["id"] for one in page["items"] + rest["items"]) == ["event1", "event2"]


def test_what_changes_between_two_pages_is_in_the_next_sync(google: CheckedGoogle, ann: Client) -> None:
    """Sync guide: the token covers what changed since the result was returned."""
    google.put_event(ANN, timed("event1"))
    google.put_event(ANN, timed("event2"))
    page = ann.page(maxResults=1).json()
    google.put_event(ANN, timed("event3"))
    google.remove_event(ANN, "event1")
    rest = ann.page(maxResults=1, pageToken=page["nextPageToken"]).json()
    assert ann.ids(maxResults=1, syncToken=rest["nextSyncToken"]) == ["event1", "event3"]


def test_a_deleted_event_is_a_bare_id(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``Event.status``: deleted events are only guaranteed to have the id."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY"]))
    google.put_event(ANN, timed("single"))
    _, token = ann.listed()
    google.remove_event(ANN, "series")
    google.remove_event(ANN, "single")
    items, _ = ann.listed(syncToken=token)
    assert {one["id"]: set(one) for one in items} == {
        "series": {"id", "status", "kind", "etag"},
        "single": {"id", "status", "kind", "etag"},
    }
    assert ann.ids() == []


def test_deleted_events_keep_their_details_where_they_are_asked_for(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``Event.status``: on the organiser's calendar they can be restored; ``get`` returns them."""
    google.put_event(ANN, timed("single"))
    google.remove_event(ANN, "single")
    assert ann.listed(showDeleted=True)[0][0]["summary"] == "Review"
    assert ann.event("GET", "single").json()["summary"] == "Review"


def test_a_cancelled_exception_is_always_in_the_list(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``showDeleted``: included if ``showDeleted`` and ``singleEvents`` are both false."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
    google.remove_event(ANN, "series_20260303T090000Z")
    items, _ = ann.listed()
    lost = next(one for one in items if one["status"] == "cancelled")
    assert set(lost) == {"id", "status", "kind", "etag", "recurringEventId", "originalStartTime"}
    assert lost["originalStartTime"] == {"dateTime": "2026-03-03T10:00:00+01:00", "timeZone": "Europe/Berlin"}
    assert ann.ids(singleEvents=True) == ["series_20260302T090000Z", "series_20260304T090000Z"]
    assert len(ann.ids(singleEvents=True, showDeleted=True)) == 3


def test_both_switches_show_no_deleted_master(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``showDeleted``: only single instances, not the underlying recurring events."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
    google.put_event(ANN, timed("single"))
    google.remove_event(ANN, "series")
    google.remove_event(ANN, "single")
    assert ann.ids(singleEvents=True, showDeleted=True) == ["single"]
    assert ann.ids(showDeleted=True) == ["series", "single"]


def test_single_events_sync_by_instance(google: CheckedGoogle, ann: Client) -> None:
    """The sync guide's own examples use ``singleEvents=true`` with ``syncToken``."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
    _, token = ann.listed(singleEvents=True)
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=2"]))
    items, token = ann.listed(singleEvents=True, syncToken=token)
    assert {one["id"]: one["status"] for one in items} == {
        "series_20260302T090000Z": "confirmed",
        "series_20260303T090000Z": "confirmed",
        "series_20260304T090000Z": "cancelled",
    }
    google.remove_event(ANN, "series")
    items, _ = ann.listed(singleEvents=True, syncToken=token)
    assert {one["status"] for one in items} == {"cancelled"}
    assert len(items) >= 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["ends9", "long0", "start10"]),
        ({"timeMin": "2026-03-02T09:00:00Z"}, ["long0", "start10"]),
        ({"timeMin": "2026-03-02T08:59:59Z"}, ["ends9", "long0", "start10"]),
        ({"timeMax": "2026-03-02T10:00:00Z"}, ["ends9", "long0"]),
        ({"timeMax": "2026-03-02T10:00:01Z"}, ["ends9", "long0", "start10"]),
    ],
    ids=str,
)
def test_windows_exclude_their_bounds(
    google: CheckedGoogle, ann: Client, query: dict[str, str], found: list[str]
) -> None:
    """Discovery document: ``timeMin`` is exclusive for the end, ``timeMax`` for the start (Berlin is at +01:00)."""
    google.put_event(ANN, timed("ends9", "2026-03-02T09:00:00"))
    google.put_event(ANN, timed("start10", "2026-03-02T11:00:00"))
    google.put_event(ANN, all_day("long0", "2026-03-01", "2026-03-05"))
    assert ann.ids(**query) == found


def test_a_master_is_in_the_window_of_its_instances(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(ANN, timed("series", "2021-03-01T10:00:00", recurrence=["RRULE:FREQ=WEEKLY"]))
    google.put_event(ANN, timed("ended", "2021-03-01T10:00:00", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"]))
    window = {"timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-03-08T00:00:00Z"}
    assert ann.ids(**window) == ["series"]
    assert ann.ids(**window, singleEvents=True) == ["series_20260302T090000Z"]
    assert ann.ids(timeMin="2026-03-01T00:00:00Z") == ["series"]


def test_a_window_may_not_show_what_was_moved_out_of_it(google: CheckedGoogle, ann: Client) -> None:
    """Unknown; assumed is what hurts a client that expands series itself."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
    google.patch_event(ANN, "series_20260303T090000Z", timed(start="2026-02-01T10:00:00"))
    window = {"timeMin": "2026-03-01T00:00:00Z"}
    assert ann.ids(**window) == ["series"]
    google.habits.windows_hide_moved = False
    assert ann.ids(**window) == ["series", "series_20260303T090000Z"]


def test_windows_make_sense_or_are_refused(ann: Client) -> None:
    """Discovery document: an offset is mandatory, and ``timeMax`` greater than ``timeMin``."""
    assert reason(ann.page(timeMin="2026-03-02T09:00:00"))[0] == 400
    empty = {"timeMin": "2026-03-02T09:00:00Z", "timeMax": "2026-03-02T09:00:00Z"}
    assert reason(ann.page(**empty)) == (400, "timeRangeEmpty")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"eventTypes": ["focusTime", "default"]}, ["focus", "plain", "tag00"]),
        ({"eventTypes": "outOfOffice"}, []),
        ({"iCalUID": "plain@google.com"}, ["plain"]),
        ({"q": "RETRO"}, ["tag00"]),
        ({"privateExtendedProperty": "a=1"}, ["tag00"]),
        ({"privateExtendedProperty": ["a=1", "b=2"]}, ["tag00"]),
        ({"privateExtendedProperty": ["a=1", "b=3"]}, []),
        ({"sharedExtendedProperty": "a=1"}, []),
    ],
    ids=str,
)
def test_filters(google: CheckedGoogle, ann: Client, query: dict[str, Any], found: list[str]) -> None:
    """Discovery document, parameters of ``events.list``; several property constraints must all match."""
    google.put_event(ANN, timed("plain"))
    google.put_event(ANN, timed("focus", eventType="focusTime"))
    google.put_event(ANN, timed("tag00", summary="Retro", extendedProperties={"private": {"a": "1", "b": "2"}}))
    assert ann.ids(**query) == found


def test_a_tag_finds_deleted_events_too(google: CheckedGoogle, ann: Client) -> None:
    """Extended-properties guide: search with ``privateExtendedProperty``; ``showDeleted`` adds what was deleted."""
    google.put_event(ANN, timed("tag00", extendedProperties={"private": {"a": "1"}}))
    google.remove_event(ANN, "tag00")
    assert ann.ids(privateExtendedProperty="a=1") == []
    assert ann.ids(privateExtendedProperty="a=1", showDeleted=True) == ["tag00"]


def test_orders(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``orderBy``: by start only for single events."""
    google.put_event(ANN, timed("later", "2026-03-05T10:00:00"))
    google.put_event(ANN, timed("early", "2026-03-02T10:00:00"))
    assert [one["id"] for one in ann.listed(orderBy="startTime", singleEvents=True)[0]] == ["early", "later"]
    assert [one["id"] for one in ann.listed(orderBy="updated")[0]] == ["later", "early"]
    assert reason(ann.page(orderBy="startTime")) == (400, "invalid")


def test_updated_min_has_a_reach_and_shows_what_was_deleted(
    google: CheckedGoogle, ann: Client, clock: VirtualClock
) -> None:
    """Discovery document, ``updatedMin``: deleted entries are always included; error guide: 410 for too long ago."""
    google.put_event(ANN, timed("before"))
    clock.advance(timedelta(hours=1))
    google.put_event(ANN, timed("after"))
    google.put_event(ANN, timed("lost0"))
    google.remove_event(ANN, "lost0")
    assert ann.ids(updatedMin="2026-03-02T09:30:00Z") == ["after", "lost0"]
    assert reason(ann.page(updatedMin="2025-03-02T09:30:00Z")) == (410, "updatedMinTooLongAgo")


def test_a_void_sync_token_means_start_afresh(google: CheckedGoogle, ann: Client) -> None:
    """Error guide, 410 ``fullSyncRequired``; an ACL change is a documented cause."""
    _, token = ann.listed()
    google.share(ANN, BOB, "reader")
    gone = ann.page(syncToken=token)
    assert reason(gone) == (410, "fullSyncRequired")
    assert gone.json()["error"]["errors"][0]["location"] == "syncToken"
    _, token = ann.listed()
    google.expire_sync_tokens(BOB)
    assert ann.page(syncToken=token).status_code == 200
    google.expire_sync_tokens()
    assert reason(ann.page(syncToken=token)) == (410, "fullSyncRequired")


def test_a_sync_token_is_for_one_calendar_and_user(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    google.share(ANN, BOB, "reader")
    _, token = ann.listed()
    assert reason(bob.page(ANN, syncToken=token)) == (400, "invalid")
    assert reason(ann.page(google.add_calendar(ANN, "Family"), syncToken=token)) == (400, "invalid")
    assert reason(ann.page(syncToken="nonsense")) == (400, "invalid")


def test_a_list_may_trail_behind(google: CheckedGoogle, ann: Client) -> None:
    """Nothing promises that a list shows a write at once; nothing may be lost by that."""
    google.put_event(ANN, timed("event1"))
    google.put_event(ANN, timed("event2"))
    google.habits.lag = 1
    items, token = ann.listed()
    assert [one["id"] for one in items] == ["event1"]
    assert ann.event("GET", "event2").status_code == 200
    google.remove_event(ANN, "event1")
    items, token = ann.listed(syncToken=token)
    assert [(one["id"], one["status"]) for one in items] == [("event2", "confirmed")]
    google.habits.lag = 0
    assert ann.ids(syncToken=token) == ["event1"]


def test_items_may_come_again(google: CheckedGoogle, ann: Client) -> None:
    for number in range(3):
        google.put_event(ANN, timed(f"event{number}"))
    google.habits.replays = 1
    items, token = ann.listed(maxResults=1)
    assert len(items) == 4
    assert ann.ids(maxResults=1, syncToken=token) == ["event2", "event2"]


def test_a_list_speaks_the_zone_that_is_asked_for(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``timeZone``: used in the response; by default the calendar's."""
    google.put_event(ANN, timed("event1"))
    assert ann.page().json()["items"][0]["start"]["dateTime"] == "2026-03-02T10:00:00+01:00"
    tokyo = ann.page(timeZone="Asia/Tokyo").json()["items"][0]["start"]
    assert tokyo == {"dateTime": "2026-03-02T18:00:00+09:00", "timeZone": "Europe/Berlin"}
    assert ann.page(timeZone="UTC").json()["items"][0]["start"]["dateTime"] == "2026-03-02T09:00:00Z"
    assert reason(ann.page(timeZone="Mars/Olympus"))[0] == 400


def test_fields_cut_the_answer(google: CheckedGoogle, ann: Client) -> None:
    """Partial responses: what is not named is not there, the sync token included."""
    google.put_event(ANN, timed("event1"))
    page = ann.page(fields="items(id,start/dateTime),nextPageToken").json()
    assert page == {"items": [{"id": "event1", "start": {"dateTime": "2026-03-02T10:00:00+01:00"}}]}
    assert set(ann.page(fields="nextSyncToken,items/*").json()["items"][0]) > {"id", "summary", "start"}
    assert reason(ann.page(fields="items(id"))[0] == 400


def test_more_attendees_than_asked_for_are_left_out(google: CheckedGoogle, bob: Client) -> None:
    """Discovery document, ``maxAttendees``: then only the participant is returned."""
    people = [{"email": BOB}, {"email": "carl@example.com"}]
    google.put_event(ANN, timed("event1", attendees=people))
    assert len(bob.page(maxAttendees=2).json()["items"][0]["attendees"]) == 2
    event = bob.page(maxAttendees=1).json()["items"][0]
    assert [one["email"] for one in event["attendees"]] == [BOB]
    assert event["attendeesOmitted"] is True


def test_an_unreadable_event_until_it_is_mended(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(ANN, timed("event1"))
    google.corrupt(ANN, "event1", start={"dateTime": "tomorrow"}, recurrence=["RRULE:FREQ=SOMETIMES"])
    assert ann.page().json()["items"][0]["start"] == {"dateTime": "tomorrow"}
    assert ann.event("GET", "event1").json()["recurrence"] == ["RRULE:FREQ=SOMETIMES"]
    assert google.problems != []
    google.problems.clear()
    google.corrupt(ANN, "event1")
    assert ann.page().json()["items"][0] == google.event(ANN, "event1")


@pytest.mark.parametrize(
    "query",
    [{"page": 1}, {"maxResults": 0}, {"showDeleted": "yes"}, {"orderBy": "end"}, {"privateExtendedProperty": "a"}],
    ids=str,
)
def test_strange_parameters_are_refused(ann: Client, query: dict[str, Any]) -> None:
    assert ann.page(**query).status_code == 400


def test_the_list_of_calendars_syncs_too(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``calendarList.list``: deleted entries are always in an incremental result."""
    family = google.add_calendar(ANN, "Family")
    token = ann.ask("GET", "/users/me/calendarList").json()["nextSyncToken"]
    google.remove_calendar(family)
    work = google.add_calendar(ANN, "Work")
    changed = ann.ask("GET", "/users/me/calendarList", syncToken=token).json()["items"]
    assert {(one["id"], one.get("deleted", False)) for one in changed} == {(family, True), (work, False)}
    mixed = ann.ask("GET", "/users/me/calendarList", syncToken=token, minAccessRole="owner")
    assert reason(mixed) == (400, "invalid")
    google.expire_sync_tokens()
    assert reason(ann.ask("GET", "/users/me/calendarList", syncToken=token)) == (410, "fullSyncRequired")


def test_the_list_of_calendars_has_roles_and_hidden_entries(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    google.share(ANN, BOB, "reader")
    family = google.add_calendar(BOB, "Family")
    google.edit_line(family, BOB, hidden=True, summaryOverride="Home")

    def ids(**query: Any) -> dict[str, str]:
        items = bob.ask("GET", "/users/me/calendarList", **query).json()["items"]
        return {one["id"]: one["accessRole"] for one in items}

    assert ids() == {ANN: "reader", BOB: "owner"}
    assert ids(minAccessRole="writer") == {BOB: "owner"}
    assert ids(showHidden=True) == {ANN: "reader", BOB: "owner", family: "owner"}
    assert bob.ask("GET", f"/users/me/calendarList/{family}").json()["summaryOverride"] == "Home"
    assert "primary" not in bob.ask("GET", f"/users/me/calendarList/{ANN}").json()
    assert ann.ask("GET", "/users/me/calendarList/primary").json()["primary"] is True
