"""Series and slots that an enemy invented: they cost what they are worth, and stop nobody else's plan (I-20, I-37)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

import google_scripts
import graph_scripts
from calsync_core.core.absorbing import Known, absorb, stored_item
from calsync_core.core.occurrences import expand
from calsync_core.core.reading import relevant
from calsync_core.models import (
    Calendar,
    Changes,
    Event,
    Item,
    Moment,
    ReadState,
    Span,
)
from calsync_core.providers.google.wire import parse_item as parse_google
from calsync_core.providers.microsoft.wire import parse_series
from counting import calls
from series_events import YEAR, expanded, master, timed
from world import World, at

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 2, tzinfo=UTC)

# -- slots that no calendar has ---------------------------------------------------------------------------------------

BEYOND: list[Moment] = [
    date(1, 1, 1),
    date(9999, 12, 31),
    datetime(1, 1, 1, tzinfo=TOKYO),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=NEW_YORK),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("slot", BEYOND, ids=str)
@pytest.mark.parametrize("zone", [TOKYO, NEW_YORK, UTC], ids=str)
def test_an_occurrence_of_a_slot_beyond_all_calendars_stops_nothing(slot: Moment, zone: ZoneInfo) -> None:
    """It stands for itself; a master beside it is parked at worst, and other series go on."""
    odd = Event("m#1", "m", timed("2026-03-03 09:00"), series="m", original_start=slot)
    item = Item("m", (odd, evolve(odd, id="m#2", cancelled=True), evolve(odd, id="m#3", and_future=True)))
    (kept,) = relevant((item,), zone, NOW)
    assert kept.events
    whole = master(timed("2026-03-02 09:00"), "RRULE:FREQ=WEEKLY;COUNT=3", key="other")
    for events in (kept.events, (master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY;COUNT=2"), *kept.events)):
        found = expand((*events, whole), YEAR, zone).occurrences
        assert sum(one.event.id == "other" for one in found) == 3
    assert odd.slot


@pytest.mark.parametrize("start", ["0001-01-01", "9999-12-31"])
def test_services_may_tell_of_such_slots(start: str) -> None:
    told = google_scripts.event("x", recurringEventId="m", originalStartTime={"date": start})
    shown = graph_scripts.event("x", isAllDay=True, originalStart=f"{start}T00:00:00Z", originalStartTimeZone="UTC")
    days = {"dateTime": "2026-03-02T00:00:00", "timeZone": "UTC"}
    items = [parse_google(told), parse_series(graph_scripts.event("m"), [{**shown, "start": days, "end": days}])]
    for zone in (TOKYO, NEW_YORK):
        for item in relevant(items, zone, NOW):
            expand(item.events, YEAR, zone)


# -- names that no encoding has ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uid",
    ["\ud83d", "\x00", "u" * 1_000_000, "\u202e", "\r\nUID:another", "' OR 1=1 --"],
    ids=lambda uid: ascii(uid)[:20],
)
def test_no_uid_stops_the_plan(uid: str) -> None:  # I-37
    """One invitation must not leave the owner without blocks; and each of its own meetings gets one, once."""
    world = World(("work", "home"))
    for number, name in enumerate((uid, "ordinary")):
        event = world.memory.event(name, at(number), at(number, 10), id=f"event-{number}")
        world.memory.put(world.remote["work"], event)
    report = world.engine.sync_all_calendars()
    assert (report.busy_blocks_created, report.errors) == (2, ())
    assert world.engine.sync_all_calendars().busy_blocks_created == 0
    assert world.engine.audit().ok


# -- series of thousands ----------------------------------------------------------------------------------------------


def thousands(number: int, title: str) -> Item:
    first = timed("2026-03-02 09:00")
    events = [
        Event(f"m#{n}", "m", first, series="m", original_start=NOW + timedelta(hours=n), title=title)
        for n in range(number)
    ]
    return Item("m", (master(first, "RRULE:FREQ=HOURLY"), *events), etag=title)


def test_a_resource_that_changes_costs_what_it_has() -> None:
    """Whoever can change 5,000 exceptions at once must not have each compared with each."""

    def cost(number: int) -> int:
        before, after = thousands(number, "a"), thousands(number, "b")
        known = Known(ReadState(), {"m": stored_item(before, None, 0)}, {}, {})
        return calls(lambda: absorb(Changes(at=NOW, items=(after,)), Calendar(1, "ana", "r", "Work", id=1), known))

    assert cost(400) < 3 * cost(200)


@pytest.mark.parametrize(
    "lines",
    [
        ["RDATE:" + ",".join(["20260303T090000Z"] * 1_100)] * 20,
        ["EXDATE:20260303T090000Z"] * 4_999 + ["EXDATE:" + "20260303," * 2_000] * 9,
        ["RRULE:FREQ=DAILY"] * 5_001,
        ["RRULE:" + "A" * 3_000],
        {"RRULE:FREQ=DAILY": 1},
        "RRULE:FREQ=DAILY",
    ],
    ids=["long", "many", "lines", "rule", "object", "text"],
)
def test_a_series_of_absurd_length_is_a_debt(lines: object) -> None:
    """Every plan reads its lines again, and what was stored once costs for ever."""
    with pytest.raises(ValueError, match="recurrence") as refused:
        parse_google(json.loads(json.dumps(google_scripts.event("x", recurrence=lines))))
    assert len(str(refused.value)) < 100


def test_a_series_that_is_as_long_as_it_may_be_is_planned() -> None:
    days = ",".join(f"2026{1 + n % 12:02d}{1 + n % 28:02d}T{n % 24:02d}{n % 60:02d}00Z" for n in range(1_100))
    item = parse_google(google_scripts.event("x", recurrence=[f"RDATE:{days}"] * 10))
    (event,) = item.events
    assert expanded(event).occurrences


def test_events_of_a_thousand_years_are_parked_once() -> None:  # I-25
    odd = Event("long", "long", Span(datetime(1026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)))
    for event in (odd, evolve(odd, recurrence=("RRULE:FREQ=DAILY",))):
        expansion = expanded(event)
        assert expansion.occurrences == ()
        assert [one.event_id for one in expansion.parked] == ["long"]
