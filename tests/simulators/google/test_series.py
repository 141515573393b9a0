"""Series: instances and their ids, exceptions, both changes of the clock, and what becomes of exceptions."""

from __future__ import annotations

from typing import Any

import pytest

from discovery import CheckedGoogle
from google_bench import ANN, Client, all_day, reason, timed

DAILY: dict[str, Any] = {"recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}


def starts(ann: Client, event_id: str, **query: Any) -> list[str]:
    items = ann.event("GET", f"{event_id}/instances", **query).json()["items"]
    return [one["start"].get("dateTime", one["start"].get("date")) for one in items]


def test_instances_are_named_by_their_original_start(ann: Client) -> None:
    """Discovery document, ``Event.originalStartTime`` and ``iCalUID``: shared by all, the ids are not."""
    ann.insert(timed("series", **DAILY))
    instances = ann.event("GET", "series/instances").json()["items"]
    assert [one["id"] for one in instances] == [f"series_2026030{day}T090000Z" for day in (2, 3, 4)]
    assert {(one["iCalUID"], one["recurringEventId"]) for one in instances} == {("series@google.com", "series")}
    assert all(one["originalStartTime"] == one["start"] and "recurrence" not in one for one in instances)
    assert ann.event("GET", instances[1]["id"]).json() == instances[1]


def test_all_day_instances_are_named_by_their_date(ann: Client) -> None:
    ann.insert(all_day("leave", "2026-03-02", "2026-03-04", recurrence=["RRULE:FREQ=WEEKLY;COUNT=2"]))
    second = ann.event("GET", "leave_20260309").json()
    assert (second["start"], second["end"]) == ({"date": "2026-03-09"}, {"date": "2026-03-11"})
    assert second["originalStartTime"] == {"date": "2026-03-09"}


@pytest.mark.parametrize("event_id", ["series_20260305T090000Z", "series_20260303", "series_x", "x_20260302T090000Z"])
def test_there_is_no_instance_where_the_series_has_none(ann: Client, event_id: str) -> None:
    ann.insert(timed("series", **DAILY))
    for method, body in (("GET", None), ("PUT", timed()), ("DELETE", None)):
        assert reason(ann.event(method, event_id, body)) == (404, "notFound")


def test_the_wall_clock_stays_over_both_changes(ann: Client) -> None:
    """RFC 5545, 3.3.10: a rule is expanded in the zone of its start."""
    ann.insert(timed("spring", "2026-03-28T10:00:00", **DAILY))
    assert starts(ann, "spring", timeZone="UTC") == [
        "2026-03-28T09:00:00Z",
        "2026-03-29T08:00:00Z",
        "2026-03-30T08:00:00Z",
    ]
    ann.insert(timed("autumn", "2026-10-24T10:00:00", **DAILY))
    assert starts(ann, "autumn", timeZone="UTC")[1] == "2026-10-25T09:00:00Z"


def test_a_wall_time_that_does_not_exist_comes_with_the_offset_before(ann: Client) -> None:
    """RFC 5545, 3.3.5: a missing local time is read with the offset before the gap."""
    ann.insert(timed("spring", "2026-03-28T02:30:00", **DAILY))
    assert starts(ann, "spring")[1] == "2026-03-29T03:30:00+02:00"


def test_every_instance_lasts_as_long_as_the_first(ann: Client) -> None:
    """RFC 5545, 3.8.5.3: an end gives an exact duration, also over a change of the clock."""
    night = timed("nigh0", "2026-03-28T01:30:00", **DAILY)
    night["end"]["dateTime"] = "2026-03-28T03:30:00"
    ann.insert(night)
    second = ann.event("GET", "nigh0_20260329T003000Z").json()
    assert second["start"]["dateTime"] == "2026-03-29T01:30:00+01:00"
    assert second["end"]["dateTime"] == "2026-03-29T04:30:00+02:00"


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (["RRULE:FREQ=DAILY;UNTIL=20260303T090000Z"], "23"),
        (["RRULE:FREQ=DAILY;UNTIL=20260303T085959Z"], "2"),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20260303T100000"], "24"),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260303T090000Z,20260304T090000Z"], "2"),
        (["RRULE:FREQ=DAILY;COUNT=2", "RDATE:20260306T090000Z"], "236"),
        (["RDATE;TZID=Europe/Berlin:20260305T100000"], "25"),
    ],
    ids=str,
)
def test_rules_dates_and_exceptions_of_them(ann: Client, lines: list[str], days: str) -> None:
    """RFC 5545, 3.8.5; ``UNTIL`` is inclusive and in UTC."""
    ann.insert(timed("series", recurrence=lines))
    assert "".join(start[9] for start in starts(ann, "series")) == days


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (["RRULE:FREQ=DAILY;UNTIL=20260304"], "234"),
        (["RRULE:FREQ=DAILY;UNTIL=20260304T000000Z"], "234"),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20260303"], "24"),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260303T000000Z"], "24"),
        (["RDATE;VALUE=DATE:20260305,20260306"], "256"),
    ],
    ids=str,
)
def test_rules_and_dates_of_all_day_series(ann: Client, lines: list[str], days: str) -> None:
    """RFC 5545, 3.8.5, and the forms that other programs write into all-day series."""
    ann.insert(all_day("leave", "2026-03-02", "2026-03-03", recurrence=lines))
    assert "".join(start[9] for start in starts(ann, "leave")) == days


def test_a_whole_day_may_be_excluded(ann: Client) -> None:
    ann.insert(timed("series", recurrence=["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20260303"]))
    assert "".join(start[9] for start in starts(ann, "series")) == "24"


def test_a_list_may_trail_behind_a_series(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(ANN, timed("series", **DAILY))
    google.remove_event(ANN, "series_20260303T090000Z")
    google.habits.lag = 1
    assert len(ann.ids(singleEvents=True)) == 3
    google.habits.lag = 0
    assert len(ann.ids(singleEvents=True)) == 2


def test_changing_an_instance_makes_an_exception(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(timed("series", **DAILY))
    _, token = ann.listed()
    moved = timed(start="2026-03-03T15:00:00", summary="Moved")
    saved = ann.event("PUT", "series_20260303T090000Z", moved).json()
    assert saved["originalStartTime"]["dateTime"] == "2026-03-03T10:00:00+01:00"
    assert saved["recurringEventId"] == "series"
    assert ann.ids(syncToken=token) == ["series_20260303T090000Z"]
    assert starts(ann, "series")[1] == "2026-03-03T15:00:00+01:00"
    assert [one["id"] for one in google.events(ANN)] == ["series", "series_20260303T090000Z"]
    recurring = ann.event("PATCH", "series_20260304T090000Z", {"recurrence": ["RRULE:FREQ=DAILY"]})
    assert reason(recurring) == (400, "invalid")


def test_deleting_an_instance_leaves_a_tombstone_that_can_be_revived(ann: Client) -> None:
    """Discovery document, ``Event.status``: a cancelled exception lives as long as its series."""
    ann.insert(timed("series", **DAILY))
    assert ann.event("DELETE", "series_20260303T090000Z").status_code == 204
    assert reason(ann.event("DELETE", "series_20260303T090000Z")) == (410, "deleted")
    assert len(starts(ann, "series")) == 2
    assert len(starts(ann, "series", showDeleted=True)) == 3
    ann.event("PUT", "series_20260303T090000Z", timed(start="2026-03-03T10:00:00", status="confirmed"))
    assert len(starts(ann, "series")) == 3


def test_deleting_a_series_takes_everything(google: CheckedGoogle, ann: Client) -> None:
    """A deleted master arrives alone and bare; its exceptions are never heard of again."""
    ann.insert(timed("series", **DAILY))
    ann.event("PATCH", "series_20260303T090000Z", {"summary": "Exception"})
    _, token = ann.listed()
    ann.event("DELETE", "series")
    items, _ = ann.listed(syncToken=token)
    assert [(one["id"], one["status"], "recurrence" in one) for one in items] == [("series", "cancelled", False)]
    assert google.events(ANN) == []
    assert ann.event("GET", "series_20260303T090000Z").json()["status"] == "cancelled"
    assert reason(ann.event("DELETE", "series_20260304T090000Z")) == (410, "deleted")


@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
def test_a_moved_series_loses_its_exceptions(google: CheckedGoogle, ann: Client, *, told: bool) -> None:
    """What the service says about them is unknown; both ways can be had."""
    google.habits.tells_lost_exceptions = told
    ann.insert(timed("series", **DAILY))
    ann.event("PATCH", "series_20260303T090000Z", {"summary": "Exception"})
    _, token = ann.listed()
    ann.event("PATCH", "series", {"start": {"dateTime": "2026-03-02T10:30:00"}})
    items = {one["id"]: one["status"] for one in ann.listed(syncToken=token)[0]}
    lost = {"series_20260303T090000Z": "cancelled"} if told else {}
    assert items == {"series": "confirmed"} | lost
    assert starts(ann, "series") == [f"2026-03-0{day}T10:30:00+01:00" for day in (2, 3, 4)]


def test_a_longer_series_keeps_its_exceptions(ann: Client) -> None:
    ann.insert(timed("series", **DAILY))
    ann.event("PATCH", "series_20260303T090000Z", {"summary": "Exception"})
    ann.event("PATCH", "series", {"recurrence": ["RRULE:FREQ=DAILY;COUNT=4"]})
    items = ann.event("GET", "series/instances").json()["items"]
    assert [one["summary"] for one in items] == ["Review", "Exception", "Review", "Review"]


def test_a_series_becomes_a_single_event_and_back(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(timed("series", **DAILY))
    ann.event("DELETE", "series_20260303T090000Z")
    assert "recurrence" not in ann.event("PUT", "series", timed()).json()
    assert [one["id"] for one in google.events(ANN, deleted=True)] == ["series"]
    assert reason(ann.event("GET", "series/instances"))[0] == 400
    ann.event("PATCH", "series", DAILY)
    assert len(starts(ann, "series")) == 3


def test_instances_have_windows_and_an_original_start(ann: Client) -> None:
    """Discovery document, ``events.instances``: here ``timeMin`` is inclusive."""
    ann.insert(timed("series", recurrence=["RRULE:FREQ=DAILY"]))
    window = {"timeMin": "2026-03-03T10:00:00Z", "timeMax": "2026-03-05T09:00:00Z"}
    assert starts(ann, "series", **window) == ["2026-03-03T10:00:00+01:00", "2026-03-04T10:00:00+01:00"]
    assert starts(ann, "series", originalStart="2026-03-04T10:00:00+01:00") == ["2026-03-04T10:00:00+01:00"]
    first = ann.event("GET", "series/instances", maxResults=3).json()
    second = ann.event("GET", "series/instances", maxResults=3, pageToken=first["nextPageToken"]).json()
    assert [one["start"]["dateTime"][9] for one in second["items"]] == ["5", "6", "7"]


def test_an_endless_series_is_expanded_only_so_far(google: CheckedGoogle, ann: Client) -> None:
    """How far ``singleEvents=true`` goes without ``timeMax`` is unknown; it ends somewhere."""
    google.put_event(ANN, timed("series", recurrence=["RRULE:FREQ=WEEKLY"]))
    assert 100 < len(ann.ids(singleEvents=True)) < 110
