"""What Google's events mean: kinds, answers, times, marks, and garbage in any field."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from calsync_core.core.occurrences import expand
from calsync_core.core.tags import build_tag
from calsync_core.models import Availability, Event, EventKind, Mark, Response, Span, Window
from calsync_core.providers.google.names import block_id, parse_block_id
from calsync_core.providers.google.wire import EVENT_FIELDS, TAG_PROPERTY, is_deleted, parse_calendar, parse_item
from calsync_core.testing.provider_contract.bench import TAG
from calsync_core.testing.provider_contract.fixtures import KEY
from google_scripts import event

BERLIN = ZoneInfo("Europe/Berlin")
OURS = block_id(KEY, 2)


def parsed(key: str = "a", **fields: Any) -> Event:
    return parse_item(event(key, **fields)).events[0]


def tagged(key: str = KEY, generation: int = 2) -> dict[str, Any]:
    return {"private": {TAG_PROPERTY: build_tag(TAG, key, generation)}}


# -- what it does to somebody's time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "availability"),
    [
        ({}, Availability.BUSY),
        ({"transparency": "opaque"}, Availability.BUSY),
        ({"transparency": "transparent"}, Availability.FREE),
        ({"status": "tentative"}, Availability.TENTATIVE),
        ({"status": "tentative", "transparency": "transparent"}, Availability.FREE),
        ({"eventType": "focusTime"}, Availability.BUSY),
        ({"eventType": "outOfOffice"}, Availability.BUSY),
        ({"eventType": "fromGmail"}, Availability.BUSY),
        ({"transparency": None, "status": None}, Availability.BUSY),
    ],
)
def test_availability(fields: dict[str, Any], availability: Availability) -> None:
    """What is not said is opaque."""
    assert parsed(**fields).availability is availability


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("workingLocation", EventKind.WORKING_LOCATION),
        ("birthday", EventKind.BIRTHDAY),
        *((kind, EventKind.DEFAULT) for kind in ("default", "focusTime", "outOfOffice", "fromGmail", "new", None)),
    ],
)
def test_kinds(kind: str | None, meant: EventKind) -> None:
    assert parsed(eventType=kind).kind is meant


ME, YOU = {"self": True, "email": "ana@example.com"}, {"email": "bob@example.com", "responseStatus": "declined"}


@pytest.mark.parametrize(
    ("attendees", "organised", "response"),
    [
        (None, True, Response.NONE),
        ([YOU], False, Response.NONE),
        ([YOU, ME | {"responseStatus": "accepted"}], False, Response.ACCEPTED),
        ([ME | {"responseStatus": "tentative"}, YOU], False, Response.TENTATIVE),
        ([ME | {"responseStatus": "needsAction"}, YOU], False, Response.NEEDS_ACTION),
        ([ME | {"responseStatus": "declined"}], False, Response.DECLINED),
        ([ME | {"responseStatus": "needsAction"}, YOU], True, Response.NONE),
        ([ME | {"responseStatus": "accepted"}, YOU], True, Response.ACCEPTED),
        ([ME | {"responseStatus": "declined"}, YOU], True, Response.DECLINED),
        ([ME], False, Response.NEEDS_ACTION),
        ([ME | {"responseStatus": "perhaps"}], False, Response.NEEDS_ACTION),
    ],
)
def test_own_answer(attendees: list[dict[str, Any]] | None, *, organised: bool, response: Response) -> None:
    """Other people's answers mean nothing; an organiser who said nothing takes part."""
    organiser = {"self": True} if organised else {"email": "bob@example.com"}
    assert parsed(attendees=attendees, organizer=organiser).response is response


@pytest.mark.parametrize(
    ("visibility", "private"),
    [(None, False), ("default", False), ("public", False), ("private", True), ("confidential", True)],
)
def test_visibility(visibility: str | None, *, private: bool) -> None:
    assert parsed(visibility=visibility).private is private


# -- when -----------------------------------------------------------------------------------------------------------


def test_a_time_is_in_the_zone_that_it_names() -> None:  # I-19
    """The offset is the calendar's, the zone the event's: a series is expanded in the zone."""
    at = {"dateTime": "2026-03-02T01:00:00-08:00", "timeZone": "Europe/Berlin"}
    one = parsed(start=at, end={**at, "dateTime": "2026-03-02T02:00:00-08:00"}, recurrence=["RRULE:FREQ=WEEKLY"])
    assert one.span.start == datetime(2026, 3, 2, 10, tzinfo=BERLIN)
    assert isinstance(one.span.start, datetime)
    assert one.span.start.tzinfo is BERLIN


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Africa/Cairo", "Pacific/Tongatapu"])
def test_all_day_stays_a_date(zone: str) -> None:  # I-18
    """A zone beside a date means nothing."""
    one = parsed(start={"date": "2026-03-29", "timeZone": zone}, end={"date": "2026-03-31", "timeZone": zone})
    assert one.span == Span(date(2026, 3, 29), date(2026, 3, 31))
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    (found,) = expand([one], window, ZoneInfo(zone)).occurrences
    assert found.span == one.span


@pytest.mark.parametrize("zone", ["W. Europe Standard Time", "GMT", "Etc/UTC", "europe/berlin", "Mars/Olympus", ""])
def test_odd_zones_of_single_events_cost_nothing(zone: str) -> None:  # I-24
    """The offset says when it is."""
    at = {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": zone}
    one = parsed(start=at, end={**at, "dateTime": "2026-03-02T11:00:00+01:00"})
    assert one.span.in_utc().start == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert one.parked is None


def test_a_series_in_an_unknown_zone_is_parked() -> None:  # I-24
    """Never silently UTC: nobody could say where its occurrences go in summer."""
    at = {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Mars/Olympus"}
    end = {**at, "dateTime": "2026-03-02T11:00:00+01:00"}
    one = parsed(start=at, end=end, recurrence=["RRULE:FREQ=DAILY"])
    assert one.parked == "unknown time zone"
    listed = parsed(recurrence=["RRULE:FREQ=DAILY", "EXDATE;TZID=Mars/Olympus:20260303T100000"])
    assert listed.parked == "unknown time zone"


def test_zones_in_recurrence_lines_are_ones_that_can_be_found() -> None:  # I-24
    line = "EXDATE;TZID=W. Europe Standard Time:20260303T100000"
    one = parsed(recurrence=["rrule:FREQ=DAILY;COUNT=3", line])
    assert one.recurrence == ("RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20260303T100000")
    assert one.parked is None


def test_a_time_without_an_offset_is_in_its_zone() -> None:
    at = {"dateTime": "2026-03-29T03:30:00", "timeZone": "Europe/Berlin"}
    one = parsed(start=at, end={**at, "dateTime": "2026-03-29T04:30:00"})
    assert one.span.in_utc().start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ({"date": "2026-03-02"}, {"date": "2026-03-01"}),
        ({"dateTime": "2026-03-02T10:00:00Z"}, {"dateTime": "2026-03-02T09:00:00Z"}),
    ],
)
def test_an_end_before_the_start_makes_it_zero_long(start: dict[str, str], end: dict[str, str]) -> None:  # I-25
    assert parsed(start=start, end=end).span.empty


@pytest.mark.parametrize(
    "fields",
    [
        {"start": None},
        {"end": None},
        {"start": {}, "end": {}},
        {"start": {"date": "2026-03-02"}},
        {"start": {"dateTime": "2026-03-02T10:00:00", "timeZone": "Mars/Olympus"}},
        {"start": {"dateTime": "2026-02-30T10:00:00Z"}},
        {"recurringEventId": "s"},
        {"recurrence": ["RRULE:" + "A" * 3000]},
        {"recurrence": ["EXDATE:"] * 6000},
        {"updated": "2026-03-01T08:00:00"},
    ],
)
def test_what_makes_no_sense_is_a_value_error(fields: dict[str, Any]) -> None:  # I-07
    """It names the field, and quotes nothing that may be private."""
    with pytest.raises(ValueError, match=r"^[\w. ]+") as refused:
        parsed(summary="Dentist", **fields)
    assert "Dentist" not in str(refused.value)


def test_a_cancelled_occurrence_stands_for_its_slot() -> None:  # I-21
    bare = {
        "id": "s_20260303T090000Z",
        "status": "cancelled",
        "recurringEventId": "s",
        "originalStartTime": {"dateTime": "2026-03-03T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    }
    assert not is_deleted(bare)
    item = parse_item(bare, "s@google.com")
    assert item.series == "s"
    (one,) = item.events
    assert (one.cancelled, one.uid, one.slot) == (True, "s@google.com", "20260303T090000Z")
    assert is_deleted({"id": "a", "status": "cancelled"})


# -- whose it is ----------------------------------------------------------------------------------------------------


def test_the_id_makes_a_block() -> None:  # I-15
    """And names it, whatever else was changed; a block has no UID that could be mirrored."""
    one = parsed(OURS, extendedProperties=tagged(), summary="🔒 Locksmith", visibility="private")
    assert one.mark == Mark(KEY, 2, TAG)
    assert (one.uid, one.identity, one.adorned, one.private) == (None, f"id:{OURS}", False, False)
    assert parsed(OURS).mark == Mark(KEY, 2, None)
    assert parsed("ca15nc0re", id="ca15nc0re").mark == Mark("", 0, None)


def test_a_tag_under_another_id_marks_nothing() -> None:  # I-45
    assert parsed("qh9", extendedProperties=tagged()).mark is None
    assert parsed(block_id("1" * 32, 0), extendedProperties=tagged()).mark == Mark("1" * 32, 0, None)
    assert parsed(block_id(KEY, 3), extendedProperties=tagged()).mark == Mark(KEY, 3, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"attendees": [YOU]},
        {"attendees": [ME]},
        {"attendeesOmitted": True},
        {"recurrence": ["RRULE:FREQ=DAILY"]},
        {"hangoutLink": "https://meet.google.com/x"},
        {"conferenceData": {"conferenceId": "x"}},
        {"recurringEventId": "x", "originalStartTime": {"date": "2026-03-02"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_adorned_blocks(fields: dict[str, Any]) -> None:  # I-45
    """People, a recurrence or a conference make it the user's; then it is read as any event is."""
    one = parsed(OURS, extendedProperties=tagged(), visibility="private", **fields)
    assert one.adorned
    assert one.private


@pytest.mark.parametrize(
    ("description", "fields", "marked"),
    [
        ("CalSync [source:ana@example.com:cal:ev1]", {}, True),
        ("Notes\n  CalSync [source:ana@example.com:cal:ev1]  \nmore", {}, True),
        ("see CalSync [source:ana@example.com:cal:ev1]", {}, False),
        ("CalSync [source:ana@example.com]", {}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"attendees": [YOU]}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"attendeesOmitted": True}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"organizer": {"email": "bob@example.com"}}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"organizer": None}, True),
    ],
)
def test_textual_tags(description: str, fields: dict[str, Any], *, marked: bool) -> None:  # I-17
    """Only a whole line, on an event that nobody else is part of."""
    mark = parsed(description=description, summary="🔒 Locksmith", **fields).mark
    assert mark == (Mark("ana@example.com:cal:ev1", textual=True) if marked else None)


@given(st.text("0123456789abcdefghijklmnopqrstuv", min_size=1, max_size=40), st.integers(0, 10**9 - 1))
def test_ids_name_their_block(key: str, generation: int) -> None:  # I-06
    """Reversibly, in the alphabet that Google allows, also with an instance's ending."""
    made = block_id(key, generation)
    assert set(made) <= set("0123456789abcdefghijklmnopqrstuv")
    assert 5 <= len(made) <= 1024
    assert parse_block_id(made) == (key, generation)
    assert parse_block_id(f"{made}_20260303T090000Z") == (key, generation)


# -- garbage --------------------------------------------------------------------------------------------------------

texts = st.text(max_size=8) | st.sampled_from(
    ["\ud800", "2026-03-02", "2026-03-02T09:00:00Z", "cancelled", "0001-01-01"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = re.sub(r"\([^)]*\)", "", EVENT_FIELDS).split(",")
times = st.fixed_dictionaries(
    {},
    optional={
        "date": st.dates().map(str) | anything,
        "dateTime": st.datetimes(timezones=st.timezones()).map(str) | anything,
        "timeZone": st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "Mars/Olympus"]) | anything,
    },
)


@given(st.dictionaries(st.sampled_from(FIELDS), times | anything, max_size=5), st.sampled_from(["a", OURS]))
@example({"start": {"date": "0001-01-01"}, "end": {"date": "9999-12-31"}}, "a")
@example({"start": {"dateTime": "0001-01-01T00:00:00+14:00"}}, "a")
@example({"attendees": [3]}, "a")
@example({"extendedProperties": {"private": []}}, OURS)
def test_any_json_in_any_field(garbage: dict[str, Any], key: str) -> None:  # I-07, I-25, I-37
    """An event, or one ValueError; and what comes through can be expanded in any zone."""
    entry = {**event(key), **garbage}
    try:
        assert is_deleted(entry) in {True, False}
        item = parse_item(entry)
    except ValueError:
        return
    assert item.key == entry["id"]
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=40))
    for zone in (UTC, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")):
        expand(item.events, window, zone)


@given(
    st.dictionaries(
        st.sampled_from(["id", "summary", "summaryOverride", "timeZone", "accessRole", "primary"]), anything
    )
)
def test_any_json_as_a_calendar(entry: dict[str, Any]) -> None:  # I-37
    try:
        calendar = parse_calendar(entry)
    except ValueError:
        return
    assert calendar.remote_id == entry["id"]
    assert isinstance(calendar.name, str)
