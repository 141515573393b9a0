"""Patterns, ranges and clocks. Sources: "recurrencepattern", "recurrencerange"; [MS-OXOCAL] where they are silent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from dateutil.rrule import rrulestr

from calsync_core.testing.simulators.graph.recurrence import Recurrence
from graph_world import ANA, BERLIN, GraphWorld, code, series, timed, utc

_WINDOW = {"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2027-12-31T00:00:00Z"}

# The pattern, its start, and the rule of RFC 5545 that names the same days.
_PATTERNS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "daily"}, "2026-03-02", "FREQ=DAILY"),
    ({"type": "daily", "interval": 3}, "2026-03-02", "FREQ=DAILY;INTERVAL=3"),
    ({"type": "weekly", "daysOfWeek": ["monday", "friday"]}, "2026-03-02", "FREQ=WEEKLY;BYDAY=MO,FR;WKST=SU"),
    (
        {"type": "weekly", "daysOfWeek": ["sunday", "tuesday"], "interval": 2, "firstDayOfWeek": "sunday"},
        "2026-03-03",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=SU",
    ),
    (
        {"type": "weekly", "daysOfWeek": ["sunday", "tuesday"], "interval": 2, "firstDayOfWeek": "monday"},
        "2026-03-03",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=MO",
    ),
    (
        {"type": "absoluteMonthly", "dayOfMonth": 15, "interval": 2},
        "2026-03-15",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=15",
    ),
    (
        {"type": "relativeMonthly", "daysOfWeek": ["tuesday"], "index": "second"},
        "2026-03-10",
        "FREQ=MONTHLY;BYDAY=+2TU",
    ),
    ({"type": "relativeMonthly", "daysOfWeek": ["friday"], "index": "last"}, "2026-03-27", "FREQ=MONTHLY;BYDAY=-1FR"),
    (
        {"type": "relativeMonthly", "daysOfWeek": ["saturday", "sunday"], "index": "first"},
        "2026-03-01",
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1",
    ),
    ({"type": "absoluteYearly", "dayOfMonth": 2, "month": 3}, "2026-03-02", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=2"),
    (
        {"type": "relativeYearly", "daysOfWeek": ["thursday"], "index": "fourth", "month": 11},
        "2026-11-26",
        "FREQ=YEARLY;BYMONTH=11;BYDAY=+4TH",
    ),
]


def _parsed(pattern: dict[str, Any], start: str, **extent: Any) -> Recurrence:
    whole = {"type": "noEnd", "startDate": start} | extent
    return Recurrence.parse({"pattern": {"interval": 1} | pattern, "range": whole}, "UTC", "UTC")


@pytest.mark.parametrize(("pattern", "start", "rule"), _PATTERNS, ids=[rule for _, _, rule in _PATTERNS])
def test_patterns_name_the_days_of_the_same_rule(pattern: dict[str, Any], start: str, rule: str) -> None:
    numbered = _parsed(pattern, start, type="numbered", numberOfOccurrences=40)
    expected = rrulestr(f"{rule};COUNT=40", dtstart=datetime.fromisoformat(start))
    assert list(numbered.dates()) == [moment.date() for moment in expected]


def test_a_short_month_has_its_last_day() -> None:
    """[MS-OXOCAL] MonthNth/Month: Outlook takes the last day where RFC 5545 would skip the month."""
    dates = list(
        _parsed(
            {"type": "absoluteMonthly", "dayOfMonth": 31}, "2026-01-31", type="numbered", numberOfOccurrences=4
        ).dates()
    )
    assert dates == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


def test_the_end_date_is_inclusive() -> None:
    dates = list(_parsed({"type": "daily"}, "2026-03-02", type="endDate", endDate="2026-03-04").dates())
    assert dates == [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]


def test_what_graph_shows_of_a_recurrence(world: GraphWorld) -> None:
    event = world.put(
        series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "weekly", "daysOfWeek": ["monday"]})
    )
    shown = world.get(f"me/events/{event}")["recurrence"]
    assert shown == {
        "pattern": {
            "type": "weekly",
            "interval": 1,
            "month": 0,
            "dayOfMonth": 0,
            "daysOfWeek": ["monday"],
            "firstDayOfWeek": "sunday",
            "index": "first",
        },
        "range": {
            "type": "noEnd",
            "startDate": "2026-03-02",
            "endDate": "0001-01-01",
            "recurrenceTimeZone": BERLIN,
            "numberOfOccurrences": 0,
        },
    }


@pytest.mark.parametrize("zone", [BERLIN, "Europe/Berlin"])
def test_a_series_keeps_its_wall_clock_over_both_changes(world: GraphWorld, zone: str) -> None:
    """I-19: 29 March and 25 October 2026 in Berlin; Windows and IANA names both work."""
    weekly = {"type": "weekly", "daysOfWeek": ["monday"]}
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", weekly, zone=zone))
    starts = [
        one["start"]["dateTime"][:16] for one in world.all_of(f"me/events/{master}/instances", **_WINDOW, _top="1000")
    ]
    assert starts[3:5] == ["2026-03-23T08:00", "2026-03-30T07:00"]
    assert {"2026-10-19T07:00", "2026-10-26T08:00"} <= set(starts)


def test_an_occurrence_ends_by_the_wall_clock_too(world: GraphWorld) -> None:
    """[MS-OXOCAL] 2.2.1.44: both ends are minutes of the day. In the night of 29 March an hour is missing."""
    world.put(series("2026-03-27T23:00:00", "2026-03-28T07:00:00", {"type": "daily"}))
    nights = world.simulator.instances(world.calendar, utc("2026-03-27T12:00"), utc("2026-03-30T12:00"))
    assert [(one["start"]["dateTime"][8:13], one["end"]["dateTime"][8:13]) for one in nights] == [
        ("27T22", "28T06"),
        ("28T22", "29T05"),
        ("29T21", "30T05"),
    ]


def test_the_recurrence_zone_rules_over_the_events(world: GraphWorld) -> None:
    """A range may name a zone ("recurrencerange"); the event was written in UTC."""
    extent = {"type": "noEnd", "recurrenceTimeZone": BERLIN}
    body = series("2026-03-02T08:00:00", "2026-03-02T09:00:00", {"type": "daily"}, extent, zone="UTC")
    master = world.put(body)
    starts = {
        one["start"]["dateTime"][:16] for one in world.all_of(f"me/events/{master}/instances", **_WINDOW, _top="1000")
    }
    assert {"2026-03-28T08:00", "2026-03-29T07:00"} <= starts


def test_a_series_in_a_custom_zone_follows_the_mailbox(world: GraphWorld) -> None:
    weekly = {"type": "weekly", "daysOfWeek": ["monday"]}
    master = world.put(series("2026-03-23T09:00:00", "2026-03-23T10:00:00", weekly, zone="tzone://Microsoft/Custom"))
    assert world.get(f"me/events/{master}")["recurrence"]["range"]["recurrenceTimeZone"] == "tzone://Microsoft/Custom"
    instances = world.simulator.instances(world.calendar, utc("2026-03-23"), utc("2026-04-01"))
    assert [one["start"]["dateTime"][11:16] for one in instances] == ["08:00", "07:00"]


def test_an_old_series_has_this_weeks_occurrences(world: GraphWorld) -> None:
    master = world.put(
        series("2021-03-01T09:00:00", "2021-03-01T10:00:00", {"type": "weekly", "daysOfWeek": ["monday"]})
    )
    found = world.first_round("2026-03-02", "2026-03-09")
    assert [item["start"]["dateTime"] for item in found.of("occurrence").values()] == ["2026-03-02T08:00:00.0000000"]
    assert found.of("seriesMaster")[master]["start"]["dateTime"][:10] == "2021-03-01"


def test_an_all_day_series_stays_on_its_dates(world: GraphWorld) -> None:
    body = series(
        "2026-03-28T00:00:00",
        "2026-03-29T00:00:00",
        {"type": "daily"},
        {"type": "numbered", "numberOfOccurrences": 3},
        isAllDay=True,
    )
    world.put(body)
    found = world.first_round("2026-03-01", "2026-04-30").of("occurrence").values()
    assert sorted(item["start"]["dateTime"][:16] for item in found) == [
        "2026-03-28T00:00",
        "2026-03-29T00:00",
        "2026-03-30T00:00",
    ]


def test_a_retimed_series_loses_its_exceptions(world: GraphWorld) -> None:
    """Outlook's own warning; what was deleted is back."""
    master = world.put(
        series(
            "2026-03-02T09:00:00",
            "2026-03-02T10:00:00",
            {"type": "daily"},
            {"type": "numbered", "numberOfOccurrences": 4},
        )
    )
    world.simulator.patch_event(world.simulator.occurrence(master, date(2026, 3, 3)), {"subject": "Special"})
    world.simulator.cancel_occurrence(master, date(2026, 3, 4))
    world.simulator.patch_event(master, {"subject": "Renamed"})
    kinds = [one["type"] for one in world.simulator.instances(world.calendar, utc("2026-03-01"), utc("2026-04-01"))]
    assert kinds == ["occurrence", "exception", "occurrence"]
    world.simulator.patch_event(master, timed("2026-03-02T10:00:00", "2026-03-02T11:00:00", zone=BERLIN))
    kinds = [one["type"] for one in world.simulator.instances(world.calendar, utc("2026-03-01"), utc("2026-04-01"))]
    assert kinds == ["occurrence"] * 4


def test_a_series_with_another_range_has_its_deleted_occurrences_back(world: GraphWorld) -> None:
    extent = {"type": "numbered", "numberOfOccurrences": 4, "startDate": "2026-03-02"}
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}, extent))
    world.simulator.cancel_occurrence(master, date(2026, 3, 4))
    longer = {"pattern": {"type": "daily", "interval": 1}, "range": extent | {"numberOfOccurrences": 5}}
    world.simulator.patch_event(master, {"recurrence": longer})
    assert len(world.simulator.instances(world.calendar, utc("2026-03-01"), utc("2026-04-01"))) == 5


@pytest.mark.parametrize(
    ("pattern", "extent"),
    [
        ({"type": "hourly"}, {}),
        ({"type": "weekly"}, {}),
        ({"type": "weekly", "daysOfWeek": ["someday"]}, {}),
        ({"type": "daily", "interval": 0}, {}),
        ({"type": "absoluteMonthly"}, {}),
        ({"type": "relativeMonthly", "daysOfWeek": ["monday"], "index": "fifth"}, {}),
        ({"type": "daily"}, {"type": "numbered"}),
        ({"type": "daily"}, {"type": "endDate", "endDate": "soon"}),
        ({"type": "daily"}, {"type": "endDate", "endDate": "2026-03-01"}),
        ({"type": "daily"}, {"startDate": "2026-03-03"}),
    ],
)
def test_bad_recurrences_are_refused(world: GraphWorld, pattern: dict[str, Any], extent: dict[str, Any]) -> None:
    """The range's start date must be the event's ("recurrencerange")."""
    answer = world.client.post("me/events", json=series("2026-03-02T09:00:00", "2026-03-02T10:00:00", pattern, extent))
    assert (answer.status_code, code(answer)) == (400, "ErrorPropertyValidationFailure")
    assert world.simulator.events(world.simulator.calendars(ANA)[0]) == []


@pytest.mark.parametrize("start", ["2026-03-02T09:00:00", "2026-03-09T11:00:00", "2026-03-16T09:00:00"])
def test_an_occurrence_must_not_cross_its_neighbours(world: GraphWorld, start: str) -> None:
    """M-UPD: 400 ErrorOccurrenceCrossingBoundary. Weekly on Mondays; the one of the 9th is moved."""
    master = world.put(
        series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "weekly", "daysOfWeek": ["monday"]})
    )
    occurrence = world.simulator.occurrence(master, date(2026, 3, 9))
    answer = world.client.patch(
        f"me/events/{occurrence}", json=timed(start, start.replace(":00:00", ":30:00"), zone=BERLIN)
    )
    if start.startswith("2026-03-09"):
        assert answer.json()["type"] == "exception"
    else:
        assert (answer.status_code, code(answer)) == (400, "ErrorOccurrenceCrossingBoundary")
