"""What holds for every calendar: slices, order, slots, bounds; and the rules against dateutil."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from calsync_core.core.occurrences import bounds, expand
from calsync_core.core.occurrences.instances import instances
from calsync_core.core.occurrences.rule import parse_rule
from calsync_core.core.occurrences.walls import Steps
from calsync_core.models import Event, Span, Window, slot_of
from series_events import BERLIN, NEW_YORK, YEAR, exception, master, timed, utc

# Properties over whole calendars.

TEXTS = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;COUNT=12",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=40",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU",
    "FREQ=WEEKLY;COUNT=5",
    "FREQ=WEEKLY;BYDAY=TU,TH;COUNT=9",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;COUNT=3",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=7",
    "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO,SU",
    "FREQ=YEARLY;COUNT=2",
    "FREQ=HOURLY;INTERVAL=7;COUNT=90",
    "FREQ=DAILY;UNTIL=20260402T010000Z",
    "FREQ=WEEKLY;UNTIL=20261101",
]
DATES_NEAR = st.dates(date(2026, 3, 1), date(2026, 5, 1)) | st.dates(date(2026, 10, 10), date(2026, 11, 10))
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0, tzinfo=None, fold=0)) | st.sampled_from(
    [datetime(2026, 1, 1, 2, 30).time(), datetime(2026, 1, 1, 23, 0).time()]  # noqa: DTZ001  (a wall time: naive on purpose)
)


@st.composite
def spans(draw: st.DrawFn, zone: ZoneInfo | None) -> Span:
    day = draw(DATES_NEAR)
    if zone is None:
        return Span(day, day + timedelta(days=draw(st.integers(0, 10))))
    start = datetime.combine(day, draw(CLOCKS), tzinfo=zone)
    return Span(start, (start.astimezone(UTC) + timedelta(minutes=draw(st.integers(0, 3_000)))).astimezone(zone))


@st.composite
def a_series(draw: st.DrawFn, key: str) -> list[Event]:
    zone = draw(st.sampled_from([None, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]))
    span = draw(spans(zone))
    rule = draw(st.sampled_from(TEXTS))
    lines = [f"RRULE:{rule}"] if zone is not None or "HOURLY" not in rule else []
    for name in draw(st.lists(st.sampled_from(["RDATE", "EXDATE"]), max_size=3)):
        moment = draw(spans(zone)).start
        lines.append(f"{name};VALUE=DATE:{slot_of(moment)}" if zone is None else f"{name}:{slot_of(moment)}")
    found = [master(span, *lines, key=key)]
    wide = Window(utc("2026-01-01"), utc("2026-12-01"))
    slots = [one.span.start for one in expand(found, wide, BERLIN).occurrences] or [span.start]
    for number in range(draw(st.integers(0, 4))):
        original = draw(st.sampled_from(slots[:60]))
        changed = draw(spans(draw(st.sampled_from([zone, zone, None, BERLIN]))))
        flags = {"cancelled": draw(st.booleans()), "and_future": draw(st.booleans())}
        found.append(exception(original, changed, f"{key}#{number}", key, **flags))
    return found[1:] if draw(st.integers(0, 9)) == 0 else found


CALENDARS = st.tuples(a_series("a"), a_series("b")).map(lambda both: [*both[0], *both[1]])
PLACES = ("America/Los_Angeles", "Europe/Berlin", "Europe/Helsinki", "Pacific/Tongatapu")
CALENDAR_ZONES = st.sampled_from([ZoneInfo(name) for name in PLACES])
CUTS = st.lists(st.integers(0, 300 * 24 * 60), min_size=2, max_size=5, unique=True).map(sorted)


def _windows(cuts: Iterable[int]) -> list[Window]:
    edges = [utc("2026-02-01") + timedelta(minutes=minutes) for minutes in cuts]
    return [Window(start, end) for start, end in pairwise(edges)]


@given(CALENDARS, CALENDAR_ZONES, CUTS)
def test_slices_of_a_window_show_what_the_window_shows(
    events: list[Event], zone: ZoneInfo, cuts: list[int]
) -> None:  # I-23
    slices = _windows(cuts)
    whole = expand(events, Window(slices[0].start, slices[-1].end), zone)
    parts = [expand(events, piece, zone) for piece in slices]
    assert {one for part in parts for one in part.occurrences} == set(whole.occurrences)
    for piece, part in zip(slices, parts, strict=True):
        assert part.occurrences == tuple(one for one in whole.occurrences if piece.overlaps(one.span, zone))


@given(CALENDARS, CALENDAR_ZONES, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(events: list[Event], zone: ZoneInfo, random: Any) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert expand(shuffled, YEAR, zone) == expand(events, YEAR, zone)


@given(CALENDARS, CALENDAR_ZONES)
def test_slots_are_distinct_and_occurrences_in_order(events: list[Event], zone: ZoneInfo) -> None:  # decision 2
    found = expand(events, YEAR, zone).occurrences
    keys = [(one.event.series or one.event.id, one.slot) for one in found]
    assert len(keys) == len(set(keys))
    order = [(one.span.edges(zone)[0], one.event.id, one.slot) for one in found]
    assert order == sorted(order)


@given(CALENDARS, CALENDAR_ZONES)
def test_every_occurrence_lies_within_the_bounds_of_its_event(events: list[Event], zone: ZoneInfo) -> None:
    for one in expand(events, Window(utc("2024-01-01"), utc("2029-01-01")), zone).occurrences:
        first, last = bounds(one.event, zone)
        start, end = one.span.edges(zone)
        assert first <= start
        assert last is None or (end <= last and start < last)


@given(CALENDARS, CALENDAR_ZONES)
def test_a_cancelled_exception_changes_nothing_but_its_slot(events: list[Event], zone: ZoneInfo) -> None:  # I-21
    plain = [event for event in events if event.series is None]
    before = expand(plain, YEAR, zone).occurrences
    assume(before and before[len(before) // 2].slot)
    victim = before[len(before) // 2]
    original = victim.span.start
    gone = exception(original, victim.span, "gone", victim.event.id, cancelled=True)
    assert slot_of(original) == victim.slot
    after = expand([*plain, gone], YEAR, zone).occurrences
    assert after == tuple(one for one in before if one is not victim)


def test_bounds_tell_what_ends_from_what_does_not() -> None:
    span = timed("2026-03-02 09:00")
    assert bounds(master(span), BERLIN) == span.edges(BERLIN)
    assert bounds(master(span, "RRULE:FREQ=DAILY"), BERLIN)[1] is None
    assert bounds(master(span, "RRULE:FREQ=OFTEN"), BERLIN)[1] is None
    assert bounds(exception(span.start, span, and_future=True), BERLIN)[1] is None
    for ending in ("FREQ=DAILY;COUNT=9", "FREQ=WEEKLY;BYDAY=MO;COUNT=9", "FREQ=DAILY;UNTIL=20260401"):
        last = bounds(master(span, f"RRULE:{ending}"), BERLIN)[1]
        assert last is not None
        assert last < utc("2026-06-01")


def test_bounds_reach_to_an_added_period() -> None:
    event = master(timed("2026-03-02 09:00"), "RDATE;VALUE=PERIOD:20250401T080000Z/P60D,20270401T080000Z/P60D")
    first, last = bounds(event, BERLIN)
    assert first <= utc("2025-04-01 08:00")
    assert last is not None
    assert utc("2027-05-31 08:00") <= last < utc("2027-07-01")


# The rules alone, against dateutil, which walks every period from the start.


@given(st.data())
def test_rules_name_the_same_walls_as_dateutil(data: st.DataObject) -> None:  # I-20
    finite = [text for text in TEXTS if "UNTIL" not in text and "BYWEEKNO" not in text]
    text = data.draw(st.sampled_from([*finite, *(f"{text};INTERVAL=5" for text in finite if "INTERVAL" not in text)]))
    first = datetime.combine(data.draw(st.dates(date(2000, 1, 1), date(2026, 1, 1))), data.draw(CLOCKS))
    start = first + timedelta(days=data.draw(st.integers(-10, 3_000)))
    end = start + timedelta(days=data.draw(st.integers(0, 400)))
    found = instances(parse_rule(text), first, start, end, Steps(20_000), anchored=False)
    assert list(found) == rrulestr(text, dtstart=first).between(start, end, inc=True)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.booleans())
def test_week_numbers_are_those_of_iso_8601(day: date, backwards: bool) -> None:
    # dateutil gives the first days of 2011 to a 53rd week that 2010 does not have.
    year, week, _ = day.isocalendar()
    total = date(year, 12, 28).isocalendar().week
    number = week - total - 1 if backwards else week
    first = datetime(day.year, 1, 1)  # noqa: DTZ001  (a wall time: naive on purpose)
    rule = parse_rule(f"FREQ=YEARLY;BYWEEKNO={number};BYDAY=MO,TU,WE,TH,FR,SA,SU")
    found = instances(rule, first, datetime.combine(day, first.time()), datetime.combine(day, first.time()), Steps(99))
    assert len(list(found)) == 1
