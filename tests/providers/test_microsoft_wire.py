"""What Graph's events mean: kinds, answers, times, marks, and garbage in any field."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from calsync_core.core.occurrences import expand
from calsync_core.core.tags import build_tag
from calsync_core.models import (
    Availability,
    BlockContent,
    Event,
    Mark,
    Operation,
    OperationKind,
    Reason,
    Response,
    Span,
    Window,
)
from calsync_core.providers.microsoft.bodies import build_change, build_new
from calsync_core.providers.microsoft.names import TAG_PROPERTY, block_name, parse_block_name
from calsync_core.providers.microsoft.wire import EVENT_FIELDS, parse_calendar, parse_item, parse_series, series_of
from calsync_core.testing.provider_contract.bench import START, TAG
from calsync_core.testing.provider_contract.fixtures import BUSY, CONTENTS, KEY
from graph_scripts import event

BERLIN = ZoneInfo("Europe/Berlin")
OURS = block_name(KEY, 2)


def parsed(key: str = "a", *, shows_tag: bool = True, **fields: Any) -> Event:
    return parse_item(event(key, **fields), shows_tag=shows_tag).events[0]


def tagged(key: str = KEY, generation: int = 2, name: str = TAG_PROPERTY) -> list[dict[str, str]]:
    return [{"id": name, "value": build_tag(TAG, key, generation)}]


def at(text: str, zone: str | None = "UTC") -> dict[str, str | None]:
    return {"dateTime": text, "timeZone": zone}


# -- what it does to somebody's time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "availability"),
    [
        ("free", Availability.FREE),
        ("workingElsewhere", Availability.FREE),
        ("tentative", Availability.TENTATIVE),
        ("busy", Availability.BUSY),
        ("oof", Availability.BUSY),
        ("unknown", Availability.BUSY),
        ("new", Availability.BUSY),
        (None, Availability.BUSY),
    ],
)
def test_availability(shown: str | None, availability: Availability) -> None:
    assert parsed(showAs=shown).availability is availability


@pytest.mark.parametrize(
    ("answer", "organised", "response"),
    [
        ("organizer", True, Response.NONE),
        ("none", False, Response.NONE),
        ("accepted", False, Response.ACCEPTED),
        ("tentativelyAccepted", False, Response.TENTATIVE),
        ("declined", False, Response.DECLINED),
        ("notResponded", False, Response.NEEDS_ACTION),
        ("notResponded", True, Response.NONE),
        ("perhaps", False, Response.NONE),
        (None, False, Response.NONE),
    ],
)
def test_own_answer(answer: str | None, *, organised: bool, response: Response) -> None:
    assert parsed(responseStatus={"response": answer}, isOrganizer=organised).response is response
    assert parsed(responseStatus=None, isOrganizer=organised).response is Response.NONE


@pytest.mark.parametrize(
    ("sensitivity", "private"),
    [("normal", False), (None, False), ("personal", True), ("private", True), ("confidential", True), ("new", True)],
)
def test_sensitivity(sensitivity: str | None, *, private: bool) -> None:
    """What is not plainly everybody's is private."""
    assert parsed(sensitivity=sensitivity).private is private


# -- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["2026-03-02T09:00:00.0000000", "2026-03-02T09:00:00", "2026-03-02T09:00", "2026-03-02T10:00:00.0000000+01:00"],
)
def test_times_in_utc(text: str) -> None:
    """Seven digits of a second, fewer, or an offset that should not be there."""
    assert parsed(start=at(text)).span.start == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_fractions_are_cut_to_what_we_can_say() -> None:
    assert parsed(start=at("2026-03-02T09:00:00.1234567")).span.start == datetime(2026, 3, 2, 9, 0, 0, 123456, UTC)


@pytest.mark.parametrize("zone", ["W. Europe Standard Time", "Europe/Berlin"])
def test_a_zone_by_any_name(zone: str) -> None:  # I-24
    """Graph answers in UTC, as asked; a server that does not is understood all the same."""
    one = parsed(start=at("2026-07-01T09:00:00", zone), end=at("2026-07-01T10:00:00", zone))
    assert one.span.start == datetime(2026, 7, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["tzone://Microsoft/Custom", "Mars/Olympus"])
def test_an_unknown_zone_is_never_taken_for_utc(zone: str) -> None:  # I-24
    with pytest.raises(ValueError, match="timeZone"):
        parsed(start=at("2026-07-01T09:00:00", zone))


@pytest.mark.parametrize("zone", ["UTC", "Pacific Standard Time", "Tonga Standard Time", "Mars/Olympus", None])
def test_all_day_is_the_date_as_written(zone: str | None) -> None:  # I-18
    one = parsed(isAllDay=True, start=at("2026-03-29T00:00:00.0000000", zone), end=at("2026-03-31T00:00:00", zone))
    assert one.span == Span(date(2026, 3, 29), date(2026, 3, 31))


@pytest.mark.parametrize(
    ("original", "zone", "day"),
    [
        ("2026-03-02T00:00:00Z", "UTC", date(2026, 3, 2)),
        ("2026-03-01T23:00:00Z", "W. Europe Standard Time", date(2026, 3, 2)),
        ("2026-03-02T08:00:00Z", "Pacific Standard Time", date(2026, 3, 2)),
        ("2026-03-01T11:00:00Z", "Tonga Standard Time", date(2026, 3, 2)),
        ("2026-03-01T23:00:00Z", "tzone://Microsoft/Custom", date(2026, 3, 2)),
        ("2026-03-02T08:00:00Z", "", date(2026, 3, 2)),
    ],
)
def test_which_day_of_a_series_it_was(original: str, zone: str, day: date) -> None:  # I-18, I-21
    """``originalStart`` is an instant even where the series is of days."""
    moved = event(
        "s.1",
        type="exception",
        seriesMasterId="s",
        isAllDay=True,
        start=at("2026-03-05T00:00:00"),
        end=at("2026-03-06T00:00:00"),
        originalStart=original,
        originalStartTimeZone=zone,
    )
    (one,) = parse_series(event("s", type="seriesMaster"), [moved]).events
    assert (one.original_start, one.span.start) == (day, date(2026, 3, 5))


def test_an_end_before_the_start_makes_it_zero_long() -> None:  # I-25
    assert parsed(end=at("2026-03-02T08:00:00")).span.empty
    assert parsed(isAllDay=True, start=at("2026-03-02T00:00:00"), end=at("2026-03-01T00:00:00")).span.empty


@pytest.mark.parametrize(
    "fields",
    [
        {"start": None},
        {"end": ...},
        {"start": {}},
        {"start": at("2026-02-30T10:00:00")},
        {"start": {"dateTime": 3}},
        {"start": "2026-03-02"},
        {"id": ""},
        {"id": 3},
        {"lastModifiedDateTime": "yesterday"},
    ],
)
def test_what_makes_no_sense_is_a_value_error(fields: dict[str, Any]) -> None:  # I-07
    """It quotes nothing that may be private."""
    with pytest.raises(ValueError, match=r".+") as refused:
        parsed(subject="Dentist", **fields)
    assert "Dentist" not in str(refused.value)


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_the_transaction_id_makes_a_block() -> None:  # I-15
    """And names it, whatever else was changed; a block has no UID that could be mirrored."""
    ours: dict[str, Any] = {"transactionId": OURS, "singleValueExtendedProperties": tagged()}
    one = parsed(**ours, subject="🔒 Locksmith", sensitivity="private")
    assert one.mark == Mark(KEY, 2, TAG)
    assert (one.uid, one.adorned, one.private, one.response) == (None, False, False, Response.NONE)
    assert parsed(transactionId=OURS).mark == Mark(KEY, 2, None)
    assert parsed(transactionId=OURS, shows_tag=False).mark == Mark(KEY, 2, None, shows_tag=False)
    assert parsed(transactionId="calsync-of another make").mark == Mark("of another make", 0, None)


def test_a_tag_under_another_name_marks_nothing() -> None:  # I-45
    assert parsed(singleValueExtendedProperties=tagged()).mark is None
    other: dict[str, Any] = {"transactionId": block_name(KEY, 3), "singleValueExtendedProperties": tagged()}
    assert parsed(**other).mark == Mark(KEY, 3, None)


def test_a_property_is_found_whatever_the_case_of_its_letters() -> None:
    name = TAG_PROPERTY.replace("8f3a", "8F3A")
    assert parsed(transactionId=OURS, singleValueExtendedProperties=tagged(name=name)).mark == Mark(KEY, 2, TAG)


@pytest.mark.parametrize(
    "fields",
    [
        {"attendees": [{"emailAddress": {"address": "bo@contoso.example"}}]},
        {"recurrence": {"pattern": {}}},
        {"onlineMeeting": {"joinUrl": "https://teams.microsoft.com/x"}},
        {"isOnlineMeeting": True},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_adorned_blocks(fields: dict[str, Any]) -> None:  # I-45
    """Then it is read as any event is."""
    one = parsed(transactionId=OURS, singleValueExtendedProperties=tagged(), sensitivity="private", **fields)
    assert one.adorned
    assert one.private


@pytest.mark.parametrize(
    ("content", "fields", "marked"),
    [
        ("CalSync [source:ana@example.com:cal:ev1]", {}, True),
        ("Notes\r\n  CalSync [source:ana@example.com:cal:ev1]  \r\nmore", {}, True),
        ("see CalSync [source:ana@example.com:cal:ev1]", {}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"attendees": [{"type": "required"}]}, False),
        ("CalSync [source:ana@example.com:cal:ev1]", {"isOrganizer": False}, False),
        ("CalSync [source:ana@example.com]", {}, False),
    ],
)
def test_textual_tags(content: str, fields: dict[str, Any], *, marked: bool) -> None:  # I-17
    """Only a whole line, on an event that nobody else is part of."""
    body = {"contentType": "text", "content": content}
    mark = parsed(body=body, subject="🔒 Locksmith", **fields).mark
    assert mark == (Mark("ana@example.com:cal:ev1", textual=True) if marked else None)


def test_occurrences_are_their_master_s() -> None:
    assert series_of(event("s", type="seriesMaster")) == "s"
    assert series_of(event("s.1", type="occurrence", seriesMasterId="s")) == "s"
    assert series_of(event("a")) is None


@given(st.text("0123456789abcdefghijklmnopqrstuv", min_size=1, max_size=40), st.integers(0, 10**9 - 1))
def test_names_name_their_block(key: str, generation: int) -> None:  # I-06
    assert parse_block_name(block_name(key, generation)) == (key, generation)


# -- what is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTENTS)
def test_bodies_are_pure_and_say_nothing_of_people(name: str) -> None:  # I-40
    """The same twice; what an update leaves out stays as it is, so that only a create says what never changes."""
    operation = _operation(CONTENTS[name])
    new, change = build_new(operation), build_change(operation)
    assert build_new(operation) == new
    assert new.keys() - change.keys() == {"transactionId", "responseRequested", "allowNewTimeProposals"}
    assert not new.keys() & {"attendees", "location", "locations", "body", "onlineMeeting", "organizer", "recurrence"}
    assert (new["isReminderOn"], new["sensitivity"], new["responseRequested"]) == (False, "private", False)
    shown = {"@odata.etag": "x", "id": "x", "type": "singleInstance", **new}
    one = parse_item(shown).events[0]
    assert BlockContent(one.span.in_utc(), one.title, one.availability) == CONTENTS[name]
    assert one.mark == Mark(KEY, 2, TAG)


def test_a_foreign_name_is_not_written() -> None:  # I-44
    with pytest.raises(ValueError, match="native_id"):
        build_new(_operation(BUSY, native_id="AAMk"))


def _operation(content: BlockContent, native_id: str = OURS) -> Operation:
    return Operation(OperationKind.CREATE, f"{KEY}.2", 1, native_id, content, TAG, Reason.BOOKED, START)


# -- garbage --------------------------------------------------------------------------------------------------------

texts = st.text(max_size=8) | st.sampled_from(
    ["\ud800", "2026-03-02", "2026-03-02T09:00:00.0000000", "seriesMaster", "0001-01-01T00:00:00", OURS]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = [*EVENT_FIELDS.split(","), "singleValueExtendedProperties", "@odata.etag"]
times = st.fixed_dictionaries(
    {},
    optional={
        "dateTime": st.datetimes(timezones=st.none() | st.timezones()).map(lambda one: one.isoformat()) | anything,
        "timeZone": st.sampled_from(["UTC", "W. Europe Standard Time", "Mars/Olympus"]) | anything,
    },
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), times | anything, max_size=5),
    st.sampled_from([None, OURS]),
    st.booleans(),
)
@example({"start": at("0001-01-01T00:00:00"), "end": at("9999-12-31T00:00:00"), "isAllDay": True}, None, True)
@example({"start": at("0001-01-01T00:00:00+14:00")}, None, True)
@example({"originalStart": "0001-01-01T00:00:00+14:00"}, None, False)
@example({"attendees": [3], "body": []}, None, True)
@example({"singleValueExtendedProperties": [3]}, OURS, True)
@example({"onlineMeeting": 3}, OURS, False)
def test_any_json_in_any_field(garbage: dict[str, Any], name: str | None, single: bool) -> None:  # I-07, I-25, I-37
    """An event, or one ValueError; and what comes through can be expanded in any zone."""
    entry = {**event("a", transactionId=name), **garbage}
    try:
        item = parse_item(entry) if single else parse_series(event("s"), [entry, event("s.2")])
    except ValueError:
        return
    assert item.key == (entry["id"] if single else "s")
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=40))
    for zone in (UTC, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")):
        expand(item.events, window, zone)


@given(
    st.dictionaries(st.sampled_from(["name", "canEdit", "canShare", "isDefaultCalendar", "owner"]), anything),
    st.just("c") | anything,
)
@example({"owner": 3}, "c")
@example({"owner": {"address": 3}}, "c")
def test_any_json_as_a_calendar(entry: dict[str, Any], key: Any) -> None:  # I-37
    try:
        calendar = parse_calendar({"id": key, **entry}, "ana@contoso.example")
    except ValueError:
        return
    assert calendar.remote_id == key
    assert isinstance(calendar.name, str)
