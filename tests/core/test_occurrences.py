"""What takes place when: single events, daylight saving, whole days, and where a series begins and ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from calsync_core.core.occurrences import bounds, expand, may_recur
from calsync_core.models import Expansion, Mark, Moment, Occurrence, Parked, Span, Window
from series_events import (
    NEW_YORK,
    YEAR,
    at,
    days,
    exception,
    expanded,
    lengths,
    master,
    short,
    starts,
    timed,
    utc,
    window,
)

SPRING = date(2026, 3, 29)
AUTUMN = date(2026, 10, 25)


# Single events.


def test_a_single_event_is_its_own_occurrence() -> None:
    event = master(timed("2026-03-02 09:00"))
    assert expanded(event).occurrences == (Occurrence(event, "", event.span),)
    assert not may_recur(event)


def test_the_window_is_half_open() -> None:
    event = master(timed("2026-03-02 09:00"))
    assert starts(event, inside=window("2026-03-02 08:59", "2026-03-02 09:30"))
    assert not starts(event, inside=window("2026-03-02 09:00", "2026-03-02 09:30"))
    assert not starts(event, inside=window("2026-03-02 07:00", "2026-03-02 08:00"))


def test_a_cancelled_event_yields_nothing_and_a_cancelled_master_takes_its_exceptions_along() -> None:
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY;COUNT=3", cancelled=True)
    moved = exception(at("2026-03-03 09:00"), timed("2026-03-03 12:00"))
    assert expanded(master(timed("2026-03-02 09:00"), cancelled=True)) == Expansion()
    assert expanded(series, moved) == Expansion()


def test_a_cancelled_master_that_is_parked_is_gone_all_the_same() -> None:
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY", cancelled=True, parked="unknown time zone")
    moved = exception(at("2026-03-03 09:00"), timed("2026-03-03 12:00"))
    assert expanded(series, moved) == Expansion()


def test_a_mark_means_nothing_here() -> None:  # the rules judge it (I-15)
    assert starts(master(timed("2026-03-02 09:00"), mark=Mark("key"))) == ["03-02 09:00"]


def test_what_the_provider_could_not_place_is_parked_with_its_reason() -> None:  # I-24
    event = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY", parked="unknown time zone")
    assert expanded(event) == Expansion((), (Parked("m", "unknown time zone"),))


@pytest.mark.parametrize(
    "span", [Span(utc("2026-01-01"), utc("2027-01-02 00:00:01")), days("2026-01-01", 367), days("1900-01-01", 10**5)]
)
@pytest.mark.parametrize("recurrence", [(), ("RRULE:FREQ=DAILY",)])
def test_what_is_absurdly_long_is_parked_once(span: Span, recurrence: tuple[str, ...]) -> None:  # I-25
    assert expanded(master(span, *recurrence)) == Expansion((), (Parked("m", "longer than a year"),))


def test_a_leap_year_long_event_is_allowed() -> None:
    assert len(expanded(master(days("2026-01-01", 366))).occurrences) == 1


def test_what_has_no_length_is_yielded_as_it_is() -> None:  # I-25
    expansion = expanded(master(timed("2026-03-02 09:00", 0), "RRULE:FREQ=DAILY;COUNT=3"))
    assert lengths(expansion) == [timedelta(0)] * 3


@pytest.mark.parametrize("moment", [date.min, date.max, utc("0001-01-01"), utc("9999-12-31 23:00")])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize("recurrence", [(), ("RRULE:FREQ=DAILY",), ("RRULE:FREQ=YEARLY;UNTIL=99991231T235959Z",)])
def test_the_ends_of_the_calendar_are_no_trap(moment: Moment, zone: str, recurrence: tuple[str, ...]) -> None:
    home = ZoneInfo(zone)
    event = master(Span(moment, moment), *recurrence)
    expansion = expand([event, exception(moment, Span(moment, moment))], YEAR, home, budget=2_000)
    assert len(expansion.parked) <= 2
    first, last = bounds(event, home)
    assert last is None or first <= last


# Daylight saving.


def test_a_series_keeps_its_wall_time_across_both_changes() -> None:  # I-19
    series = master(timed("2025-01-02 09:00"), "RRULE:FREQ=WEEKLY")
    found = expanded(series).occurrences
    assert {occurrence.span.start.strftime("%H:%M") for occurrence in found} == {"09:00"}
    assert {slot[-7:] for slot in (occurrence.slot for occurrence in found)} == {"080000Z", "070000Z"}


def test_a_wall_time_that_does_not_exist_is_read_with_the_offset_before_the_gap() -> None:  # I-19
    series = master(timed("2026-03-28 02:30"), "RRULE:FREQ=DAILY;COUNT=3")
    assert starts(series) == ["03-28 02:30", "03-29 03:30", "03-30 02:30"]
    assert lengths(expanded(series)) == [timedelta(hours=1)] * 3


def test_a_wall_time_that_exists_twice_is_the_first() -> None:  # I-19
    series = master(timed("2026-10-24 02:30"), "RRULE:FREQ=DAILY;COUNT=3")
    assert [occurrence.slot for occurrence in expanded(series).occurrences] == [
        "20261024T003000Z",
        "20261025T003000Z",
        "20261026T013000Z",
    ]
    assert lengths(expanded(series)) == [timedelta(hours=1)] * 3


def test_a_first_occurrence_says_itself_which_of_two_equal_wall_times_it_means() -> None:  # I-19
    second = at("2026-10-25 02:30").replace(fold=1)
    series = master(Span(second, second + timedelta(hours=1)), "RRULE:FREQ=DAILY;COUNT=2")
    assert [occurrence.slot for occurrence in expanded(series).occurrences] == ["20261025T013000Z", "20261026T013000Z"]


@pytest.mark.parametrize("recurrence", [(), ("RRULE:FREQ=WEEKLY;COUNT=3",)])
def test_an_event_that_the_gap_swallowed_keeps_its_length(recurrence: tuple[str, ...]) -> None:  # I-19
    event = master(timed("2026-03-29 02:30"), *recurrence)
    assert event.span.empty
    assert set(lengths(expanded(event))) == {timedelta(hours=1)}
    assert starts(event)[0] == "03-29 02:30" or expanded(event).occurrences[0].slot == "20260329T013000Z"


def test_the_end_fixes_an_exact_duration() -> None:  # RFC 5545, 3.8.5.3
    series = master(Span(at("2026-10-20 23:00"), at("2026-10-21 07:00")), "RRULE:FREQ=DAILY;COUNT=8")
    assert lengths(expanded(series)) == [timedelta(hours=8)] * 8
    in_the_long_night = expanded(series).occurrences[4]
    assert short(in_the_long_night.span.end) == "10-25 06:00"


def test_only_the_first_of_a_series_has_the_odd_length_that_it_was_written_with() -> None:
    series = master(Span(at("2026-10-24 23:00"), at("2026-10-25 07:00")), "RRULE:FREQ=DAILY;COUNT=3")
    assert lengths(expanded(series)) == [timedelta(hours=9), timedelta(hours=8), timedelta(hours=8)]


def test_two_wall_times_that_mean_one_instant_are_one_occurrence() -> None:  # I-19
    series = master(timed("2026-03-29 00:00", 0.5), "RRULE:FREQ=HOURLY;COUNT=6")
    assert starts(series) == ["03-29 00:00", "03-29 01:00", "03-29 03:00", "03-29 04:00", "03-29 05:00"]


def test_an_end_in_another_zone_is_read_on_the_clock_of_the_start() -> None:
    flight = Span(at("2026-06-01 10:00"), at("2026-06-01 13:00", NEW_YORK))
    assert lengths(expanded(master(flight, "RRULE:FREQ=WEEKLY;COUNT=30"))) == [timedelta(hours=9)] * 30


@pytest.mark.parametrize("place", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("home", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_calendars_zone_does_not_touch_what_has_a_time(place: str, home: str) -> None:  # I-19
    series = master(timed("2026-01-01 12:00", 0.5, ZoneInfo(place)), "RRULE:FREQ=DAILY")
    instant = datetime(2026, 5, 5, 12, 15, tzinfo=ZoneInfo(place))
    found = expand([series], Window(instant, instant + timedelta(minutes=1)), ZoneInfo(home)).occurrences
    assert [one.span.start for one in found] == [instant - timedelta(minutes=15)]


# All-day.

ZONES = ["America/Los_Angeles", "Europe/Helsinki", "Pacific/Tongatapu"]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("day", [SPRING, AUTUMN, date(2026, 3, 8), date(2026, 11, 1)])
def test_an_all_day_series_is_made_of_dates_in_every_zone(name: str, day: date) -> None:  # I-18
    zone = ZoneInfo(name)
    series = master(Span(day - timedelta(days=400), day - timedelta(days=399)), "RRULE:FREQ=DAILY")
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    morrow = midnight + timedelta(days=1)
    for inside in (Window(midnight, morrow), Window(morrow - timedelta(seconds=1), morrow)):
        found = expand([series], inside, zone).occurrences
        assert [(one.span, one.slot) for one in found] == [(Span(day, day + timedelta(days=1)), day.strftime("%Y%m%d"))]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("until", ["20260310", "20260310T000000Z", "20260310T235959Z"])
def test_until_of_an_all_day_series_is_a_day_however_it_is_written(name: str, until: str) -> None:  # I-18
    series = master(days("2026-03-08"), f"RRULE:FREQ=DAILY;UNTIL={until}")
    found = expand([series], YEAR, ZoneInfo(name)).occurrences
    assert [one.slot for one in found] == ["20260308", "20260309", "20260310"]


@pytest.mark.parametrize("name", ZONES)
def test_a_midnight_of_the_calendars_own_zone_means_its_day(name: str) -> None:  # I-18; so writes Exchange
    zone = ZoneInfo(name)
    until, excluded = (
        datetime(2026, 3, day, tzinfo=zone).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ") for day in (10, 9)
    )
    series = master(days("2026-03-08"), f"RRULE:FREQ=DAILY;UNTIL={until}", f"EXDATE:{excluded}")
    assert [one.slot for one in expand([series], YEAR, zone).occurrences] == ["20260308", "20260310"]


def test_parts_for_times_are_ignored_in_an_all_day_series() -> None:  # RFC 5545, 3.3.10
    assert starts(master(days("2026-03-02"), "RRULE:FREQ=DAILY;COUNT=2;BYHOUR=9,10;BYMINUTE=30")) == ["03-02", "03-03"]


def test_an_all_day_series_with_dates_excluded_added_and_moved() -> None:  # I-18, I-21
    series = master(days("2026-03-02", 2), "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;VALUE=DATE:20260309", "RDATE:20260401")
    moved = exception(date(2026, 3, 16), days("2026-03-18"))
    assert starts(series, moved) == ["03-02", "03-18", "03-23", "04-01"]


# DTSTART, COUNT and UNTIL.


def test_the_start_is_the_first_occurrence_and_counts() -> None:  # RFC 5545, 3.3.10
    tuesday = timed("2026-03-03 09:00")
    assert starts(master(tuesday, "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3")) == [
        "03-03 09:00",
        "03-09 09:00",
        "03-16 09:00",
    ]
    assert starts(master(tuesday, "RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=2")) == ["03-03 09:00", "03-10 09:00"]


def test_the_start_is_an_occurrence_of_an_rdate_series_too() -> None:
    assert starts(master(timed("2026-03-03 09:00"), "RDATE:20260401T100000Z")) == ["03-03 09:00", "04-01 12:00"]


def test_exdates_do_not_make_a_count_longer() -> None:
    series = master(timed("2026-03-03 09:00"), "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20260304T090000")
    assert starts(series) == ["03-03 09:00", "03-05 09:00"]


@pytest.mark.parametrize("until", ["20260305", "20260305T080000Z", "20260305T090000", "20260305T225959Z"])
def test_until_includes_what_starts_then(until: str) -> None:
    series = master(timed("2026-03-03 09:00"), f"RRULE:FREQ=DAILY;UNTIL={until}")
    assert starts(series) == ["03-03 09:00", "03-04 09:00", "03-05 09:00"]


@pytest.mark.parametrize("until", ["20260304", "20260305T075959Z", "20260305T085959"])
def test_until_excludes_what_starts_later(until: str) -> None:
    assert starts(master(timed("2026-03-03 09:00"), f"RRULE:FREQ=DAILY;UNTIL={until}")) == [
        "03-03 09:00",
        "03-04 09:00",
    ]


def test_until_before_the_start_leaves_nothing() -> None:  # I-22: what a split at the first occurrence leaves behind
    assert starts(master(timed("2026-03-03 09:00"), "RRULE:FREQ=DAILY;UNTIL=20260302T225959Z")) == []


def test_an_until_in_the_doubled_hour_is_an_instant() -> None:  # I-19
    # 02:45 happens at 00:45 UTC first, before an UNTIL whose wall clock shows only 02:15.
    series = master(timed("2026-10-23 02:45"), "RRULE:FREQ=DAILY;UNTIL=20261025T011500Z")
    assert starts(series) == ["10-23 02:45", "10-24 02:45", "10-25 02:45"]


def test_a_split_series_has_each_occurrence_once() -> None:  # I-22
    old = master(timed("2026-01-05 09:00"), "RRULE:FREQ=WEEKLY;UNTIL=20260308T225959Z", key="old")
    new = master(timed("2026-03-09 10:00"), "RRULE:FREQ=WEEKLY", key="new")
    found = starts(old, new, inside=window("2026-02-22", "2026-03-25"))
    assert found == ["02-23 09:00", "03-02 09:00", "03-09 10:00", "03-16 10:00", "03-23 10:00"]


def test_several_rules_are_united() -> None:
    series = master(timed("2026-01-01 09:00"), "RRULE:FREQ=MONTHLY;COUNT=2", "RRULE:FREQ=YEARLY;BYMONTH=7;COUNT=1")
    assert starts(series) == ["01-01 09:00", "02-01 09:00", "07-01 09:00"]


def test_an_exrule_takes_out_what_it_names() -> None:
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY;COUNT=5", "EXRULE:FREQ=DAILY;INTERVAL=2")
    assert starts(series) == ["03-03 09:00", "03-05 09:00"]


def test_a_list_of_days_may_mix_counted_and_plain_ones() -> None:  # RFC 5545, 3.3.10; dateutil finds none of these
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=MONTHLY;BYDAY=SU,1MO;UNTIL=20260320")
    assert starts(series) == ["03-02 09:00", "03-08 09:00", "03-15 09:00"]


def test_a_week_number_without_a_day_means_the_day_of_the_start() -> None:  # RFC 5545, 3.3.10
    series = master(timed("2025-05-14 09:00"), "RRULE:FREQ=YEARLY;BYWEEKNO=20")
    assert starts(series) == ["05-13 09:00"]


def test_a_position_in_the_first_week_counts_from_the_weeks_beginning() -> None:  # RFC 5545, 3.3.10
    series = master(timed("2026-03-04 09:00"), "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2;COUNT=2")
    assert starts(series) == ["03-04 09:00", "03-11 09:00"]
