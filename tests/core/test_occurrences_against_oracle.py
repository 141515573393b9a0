"""Our expansion against ``recurring-ical-events``, over its own calendars, nasty ones of ours, and generated ones.

Where the two differ on purpose, the words of RFC 5545 stand beside the exclusion.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from calsync_core.core.occurrences import expand
from calsync_core.core.zones import resolve_zone
from calsync_core.models import Event, Moment, Occurrence, Span, Window, slot_of

OWN_CALENDARS = sorted((Path(__file__).parent / "data").glob("*.ics"))
ITS_CALENDARS = sorted((Path(recurring_ical_events.__file__).parent / "test" / "calendars").glob("*.ics"))

Found: TypeAlias = set[tuple[str, str, str, str]]
"""Summary, slot (empty where the oracle can't know it), start and end."""


# The smallest translation of an .ics into events; the real one is the CalDAV provider's and has its own tests.


def read_events(text: str, zone: tzinfo) -> list[Event]:
    calendar = icalendar.Calendar.from_ical(text)
    zone = resolve_zone(str(calendar.get("X-WR-TIMEZONE", ""))) or zone
    latest: dict[str, tuple[int, Event]] = {}
    for component in calendar.walk("VEVENT"):
        event = _event(component, zone)
        sequence = int(component.get("SEQUENCE", 0))
        if event.id not in latest or latest[event.id][0] <= sequence:
            latest[event.id] = (sequence, event)
    return [event for _, event in latest.values()]


def _event(component: Any, zone: tzinfo) -> Event:
    uid = str(component.get("UID", "no uid"))
    start = _moment(component["DTSTART"], zone)
    original = component.get("RECURRENCE-ID")
    named = None if original is None else _moment(original, zone)
    return Event(
        id=uid if named is None else f"{uid}#{slot_of(named)}",
        uid=uid,
        span=Span(start, _end(component, start, zone)),
        series=None if named is None else uid,
        original_start=named,
        and_future=original is not None and original.params.get("RANGE") == "THISANDFUTURE",
        recurrence=tuple(_recurrence(component)) if named is None else (),
        cancelled=str(component.get("STATUS", "")).upper() == "CANCELLED",
        title=str(component.get("SUMMARY", "")),
    )


def _end(component: Any, start: Moment, zone: tzinfo) -> Moment:
    if "DTEND" in component:
        return _moment(component["DTEND"], zone)
    if "DURATION" in component:
        return start + component["DURATION"].dt  # type: ignore[no-any-return]  # icalendar's components are mappings of anything
    return start if isinstance(start, datetime) else start + timedelta(days=1)


def _moment(prop: Any, zone: tzinfo) -> Moment:
    value: date = prop.dt
    if not isinstance(value, datetime):
        return value
    named = resolve_zone(str(prop.params.get("TZID", "")))
    if named is None and value.utcoffset() == timedelta(0):
        named = ZoneInfo("UTC")
    return value.replace(tzinfo=named or zone)


def _recurrence(component: Any) -> Iterator[str]:
    for line in component.content_lines(sorted=False):
        if str(line).split(":")[0].split(";")[0] in {"RRULE", "RDATE", "EXRULE", "EXDATE"}:
            yield str(line)


def ours(text: str, window: Window, zone: tzinfo) -> tuple[Occurrence, ...]:
    expansion = expand(read_events(text, zone), window, zone)
    assert not expansion.parked
    return expansion.occurrences


def theirs(text: str, window: Window, zone: tzinfo) -> list[Any]:
    # A wide query, cut by our own window: what lies at an edge is not what is compared here.
    wide = timedelta(days=40)
    query = recurring_ical_events.of(icalendar.Calendar.from_ical(text), skip_bad_series=True)
    return [
        found
        for found in query.between(window.start - wide, window.end + timedelta(days=3))
        if str(found.get("STATUS", "")).upper() != "CANCELLED" and window.overlaps(_span(found, zone), zone)
    ]


def _span(found: Any, zone: tzinfo) -> Span:
    """The oracle's occurrence with an exact length.

    It adds the length on the wall. RFC 5545, 3.8.5.3: "If the duration of the recurring component is specified with
    the DTEND or DUE property, the same exact duration will apply to all the members of the generated recurrence set."
    That differs in the nights of a daylight saving change, also for a start that does not exist.
    """
    start, end = _moment(found["DTSTART"], zone), _moment(found["DTEND"], zone)
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return Span(start, end)
    shown = end.astimezone(start.tzinfo).replace(tzinfo=None) - start.replace(tzinfo=None)
    return Span(start.astimezone(UTC), start.astimezone(UTC) + shown)


def compare(text: str, window: Window, zone: tzinfo, *, slots: bool = True) -> int:
    """Assert that both find the same; return how much that is."""
    # The oracle names all occurrences after a THISANDFUTURE exception by the same RECURRENCE-ID, and those that follow
    # keep their own original start by RFC 5545, 3.8.4.4.
    slots = slots and "THISANDFUTURE" not in text
    mine = {
        _row(one.event.title, one.slot or slot_of(one.span.start), one.span, slots) for one in ours(text, window, zone)
    }
    other = {
        _row(str(one.get("SUMMARY", "")), slot_of(_moment(one["RECURRENCE-ID"], zone)), _span(one, zone), slots)
        for one in theirs(text, window, zone)
    }
    assert mine == other
    return len(mine)


def _row(title: str, slot: str, span: Span, slots: bool) -> tuple[str, str, str, str]:
    return title, slot if slots else "", slot_of(span.start), slot_of(span.end)


# Its calendars, and ours.

# Here times name the days of an all-day series. The oracle leaves them as they are; a slot has the series' own kind.
SLOTS_DIFFER = {"issue_28_rrule_with_UTC_endinginZ.ics", "issue_36_recurrence_ID_format.ics"}
NOT_COMPARED = {
    "bad_rrule_missing_until_event.ics": "has a broken rule: parked here, skipped there",
    "duration.ics": "four single events share one UID; RFC 5545, 3.8.4.7: 'The UID itself MUST be a globally unique'",
    "end_before_start_event.ics": "the oracle swaps DTSTART and DTEND; RFC 5545, 3.8.2.2: DTEND 'MUST be later'",
    "issue_132_swapped_start_and_end.ics": "the oracle swaps DTSTART and DTEND",
    "issue_15_duplicated_events.ics": "two single events share one UID",
    "issue_201_mixed_datetime_and_date.ics": "DTSTART and DTEND of two kinds; RFC 5545, 3.8.2.2: 'MUST be the same'",
    "issue_201_test_matrix.ics": "DTSTART and DTEND of two kinds",
    "issue_253_additional_recurrence_id.ics": "the oracle drops overrides of lower SEQUENCE than their master's",
    "issue_75_range_parameter.ics": "the oracle drops UNTIL's own day from a timed series: UNTIL 'bounds inclusively'",
}


COMPARED = [path for path in ITS_CALENDARS if path.name not in NOT_COMPARED]


@pytest.mark.parametrize("path", COMPARED, ids=lambda path: path.stem)
def test_its_own_calendars_expand_alike(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    starts = [event.span.edges(UTC)[0] for event in read_events(text, UTC)]
    if starts:
        window = Window(min(starts) - timedelta(days=100), max(starts) + timedelta(days=800))
        compare(text, window, UTC, slots=path.name not in SLOTS_DIFFER)


def test_most_of_its_calendars_are_compared() -> None:
    assert set(NOT_COMPARED) < {path.name for path in ITS_CALENDARS}
    assert len(COMPARED) > 80


def test_its_broken_rule_is_parked() -> None:  # I-37
    (path,) = [path for path in ITS_CALENDARS if path.name == "bad_rrule_missing_until_event.ics"]
    year = Window(datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
    assert len(expand(read_events(path.read_text(encoding="utf-8"), UTC), year, UTC).parked) == 1


ZONES = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("path", OWN_CALENDARS, ids=lambda path: path.stem)
def test_our_nasty_calendars_expand_alike(path: Path, zone: str) -> None:  # I-18, I-19, I-20, I-21, I-22
    text = path.read_text(encoding="utf-8")
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in range(2024, 2028)]
    found = [compare(text, Window(start, end), ZoneInfo(zone)) for start, end in pairwise(years)]
    # `Pacific/Apia` had its missing day in 2011.
    found.append(
        compare(text, Window(datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 2, 1, tzinfo=UTC)), ZoneInfo(zone))
    )
    assert sum(found) > 10


# Generated calendars.

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
NEAR_A_CHANGE = [date(2026, 3, 27), date(2026, 3, 6), date(2026, 10, 23), date(2026, 10, 30), date(2026, 4, 3)]


def _some(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda found: ",".join(map(str, found)))


def _backwards(high: int) -> st.SearchStrategy[int]:
    return st.integers(1, high) | st.integers(-high, -1)


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(["YEARLY", "MONTHLY", "MONTHLY", "WEEKLY", "WEEKLY", "DAILY", "HOURLY"]))
    parts = [
        f"FREQ={freq}",
        f"INTERVAL={draw(st.sampled_from([1, 1, 2, 3, 5] if freq != 'HOURLY' else [1, 5, 11, 24]))}",
    ]
    # With "MO,2TU" dateutil finds no day, as none is both. RFC 5545, 3.3.10: BYDAY is a "list of days of the week" and
    # "each BYDAY value can also be preceded by" a number.
    counted = freq in {"YEARLY", "MONTHLY"} and draw(st.booleans())
    ordinals = st.sampled_from(["1", "2", "-1", "5"]) if counted else st.just("")
    optional = {
        "BYMONTH": _some(st.integers(1, 12)),
        "BYMONTHDAY": _some(_backwards(31)),
        "BYDAY": _some(st.tuples(ordinals, st.sampled_from(DAYS)).map("".join)),
        "BYHOUR": _some(st.sampled_from([0, 1, 2, 3, 9, 23])),
        "BYMINUTE": _some(st.sampled_from([0, 30])),
        "WKST": st.sampled_from(DAYS),
    }
    if freq in {"YEARLY", "MONTHLY"}:
        # dateutil cuts the first week at DTSTART before it counts. RFC 5545, 3.3.10: "BYSETPOS operates on a set of
        # recurrence instances in one interval of the recurrence rule", and the interval is the whole week.
        optional["BYSETPOS"] = _some(_backwards(4), 2)
    if freq == "YEARLY":
        optional["BYYEARDAY"] = _some(_backwards(366))
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), max_size=3))
    parts += [f"{name}={draw(optional[name])}" for name in sorted(chosen)]
    return ";".join(parts)


@st.composite
def calendars(draw: st.DrawFn) -> str:
    all_day = draw(st.booleans())
    zone = draw(st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]))
    day = draw(st.sampled_from(NEAR_A_CHANGE)) - timedelta(days=draw(st.sampled_from([0, 1, 2, 7, 370, 3000])))
    clock = (
        time() if all_day else draw(st.sampled_from([time(2, 30), time(0, 0), time(9, 0), time(1, 45), time(23, 30)]))
    )
    first = datetime.combine(day, clock)
    rule = draw(rules())
    if all_day:
        rule = ";".join(part for part in rule.split(";") if not part.startswith(("BYHOUR", "BYMINUTE")))
        assume("HOURLY" not in rule)
    limit = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    try:
        found = list(islice(rrulestr(f"{rule};UNTIL=20281231T000000", dtstart=first), 40))
    except ValueError:
        # dateutil, and so the oracle, refuses a rule of which it can tell that it never matches.
        reject()
    if limit == "COUNT":
        # The oracle does not count a DTSTART that the rule does not name. RFC 5545, 3.3.10: "The DTSTART property
        # value always counts as the first occurrence."
        assume(found and found[0] == first)
        rule += f";COUNT={draw(st.integers(1, 30))}"
    elif limit == "UNTIL":
        until = first + timedelta(days=draw(st.integers(0, 500)))
        rule += f";UNTIL={_text(until, all_day)}" if all_day else f";UNTIL={_in_utc(until, zone)}"

    def moment(name: str, value: datetime) -> str:
        return f"{name};VALUE=DATE:{_text(value, True)}" if all_day else f"{name};TZID={zone}:{_text(value, False)}"

    length = (
        timedelta(days=draw(st.integers(1, 3))) if all_day else timedelta(minutes=draw(st.sampled_from([60, 90, 600])))
    )
    instances = st.sampled_from(found or [first])
    body = ["UID:series", "SUMMARY:series", moment("DTSTART", first), moment("DTEND", first + length), f"RRULE:{rule}"]
    # The oracle lets the digits of an EXDATE with TZID count as UTC too, and so excludes a second time of the same day.
    excluded = 0 if "HOUR" in rule else 3
    body += [moment("EXDATE", value) for value in draw(st.lists(instances, max_size=excluded, unique=True))]
    shifts = st.integers(-30, 60).map(lambda days: timedelta(days=days))
    body += [
        moment("RDATE", first + draw(shifts) + timedelta(minutes=0 if all_day else 5))
        for _ in range(draw(st.integers(0, 2)))
    ]
    events = [body]
    for number, original in enumerate(draw(st.lists(instances, max_size=3, unique=True))):
        start = original + draw(shifts)
        title = f"override {number}"
        status = [f"STATUS:{draw(st.sampled_from(['CONFIRMED', 'CANCELLED']))}"]
        named = moment("RECURRENCE-ID", original)
        events.append(
            [
                "UID:series",
                f"SUMMARY:{title}",
                named,
                moment("DTSTART", start),
                moment("DTEND", start + length),
                *status,
            ]
        )
    lines = [line for event in events for line in ("BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", *event, "END:VEVENT")]
    return "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", *lines, "END:VCALENDAR", ""])


def _text(wall: datetime, all_day: bool) -> str:
    return wall.strftime("%Y%m%d" if all_day else "%Y%m%dT%H%M%S")


def _in_utc(wall: datetime, zone: str) -> str:
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(calendars(), st.sampled_from(ZONES), st.integers(0, 300), st.integers(1, 60))
def test_generated_calendars_expand_alike(text: str, zone: str, day: int, days: int) -> None:  # I-19, I-20, I-21
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    compare(text, Window(start, start + timedelta(days=days)), ZoneInfo(zone))
