"""What single lines and exceptions do to a series."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from attrs import evolve

from calsync_core.models import Moment, Parked, slot_of
from series_events import (
    NEW_YORK,
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
    weekly,
    window,
)


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE;TZID=Europe/Berlin:20260304T090000",
        "EXDATE:20260304T080000Z",
        "EXDATE:20260304T090000",
        "EXDATE;TZID=America/New_York:20260304T030000",
        'EXDATE;TZID="America/New_York";X-A="b:c;d":20260304T030000',
        "EXDATE;VALUE=DATE:20260304",
        "exdate;value=date-time;tzid=Europe/Berlin:20260304t090000",
        "EXDATE:20260101T080000Z, 20260304T080000Z,",
    ],
)
def test_an_exdate_takes_out_one_occurrence_however_it_is_written(line: str) -> None:
    assert starts(master(timed("2026-03-03 09:00"), "RRULE:FREQ=DAILY;COUNT=3", line)) == ["03-03 09:00", "03-05 09:00"]


def test_an_exdate_is_an_instant() -> None:  # 09:00 UTC is not 09:00 in Berlin
    series = master(timed("2026-03-03 09:00"), "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20260304T090000Z")
    assert len(starts(series)) == 2


@pytest.mark.parametrize(
    ("line", "start", "length"),
    [
        ("RDATE:20260402T120000Z", "04-02 14:00", 1),
        ("RDATE;TZID=America/New_York:20260402T080000", "04-02 14:00", 1),
        ("RDATE:20260402T140000", "04-02 14:00", 1),
        ("RDATE;VALUE=DATE:20260402", "04-02 09:00", 1),
        ("RDATE;VALUE=PERIOD:20260402T120000Z/PT3H", "04-02 14:00", 3),
        ("RDATE;VALUE=PERIOD:20260402T120000Z/20260402T150000Z", "04-02 14:00", 3),
        ("RDATE;VALUE=PERIOD;TZID=America/New_York:20260402T080000/P1DT1H", "04-02 14:00", 25),
        ("RDATE;VALUE=PERIOD:20260402T120000Z/PT3H,20260402T120000Z/PT3H", "04-02 14:00", 3),
    ],
)
def test_an_rdate_adds_one_occurrence_however_it_is_written(line: str, start: str, length: int) -> None:
    series = master(timed("2026-03-03 09:00"), line)
    assert starts(series) == ["03-03 09:00", start]
    assert lengths(expanded(series))[1] == timedelta(hours=length)


def test_a_period_that_the_rule_names_too_says_how_long() -> None:
    series = master(
        timed("2026-03-03 09:00"),
        "RRULE:FREQ=DAILY;COUNT=2",
        "RDATE:20260304T080000Z",
        "RDATE;VALUE=PERIOD:20260304T080000Z/PT3H",
    )
    assert lengths(expanded(series)) == [timedelta(hours=1), timedelta(hours=3)]


def test_a_long_period_reaches_into_the_window() -> None:
    series = master(timed("2026-03-03 09:00"), "RDATE;VALUE=PERIOD:20260401T080000Z/P60D")
    assert len(expanded(series, inside=window("2026-05-20", "2026-05-21")).occurrences) == 1


# Exceptions.


def test_an_exception_replaces_one_occurrence_and_keeps_its_slot() -> None:  # I-21
    moved = exception(at("2026-03-09 09:00"), timed("2026-03-10 14:00", 2))
    found = expanded(weekly(), moved).occurrences
    assert [short(one.span.start) for one in found] == ["03-02 09:00", "03-10 14:00", "03-16 09:00", "03-23 09:00"]
    assert [one.slot for one in found][1] == slot_of(at("2026-03-09 09:00"))
    assert found[1].event is moved or found[1].event == moved


def test_an_exception_moves_into_the_window_and_out_of_it() -> None:  # I-21
    away = exception(at("2026-03-09 09:00"), timed("2026-06-10 14:00"))
    march, june = window("2026-03-08", "2026-03-14"), window("2026-06-08", "2026-06-14")
    assert starts(weekly(), away, inside=march) == []
    assert starts(weekly(), away, inside=june) == ["06-10 14:00"]


def test_a_cancelled_exception_takes_out_exactly_one() -> None:  # I-21
    cancelled = exception(at("2026-03-09 09:00"), timed("2026-03-09 09:00"), cancelled=True)
    assert starts(weekly(), cancelled) == ["03-02 09:00", "03-16 09:00", "03-23 09:00"]


@pytest.mark.parametrize(
    "original", [utc("2026-03-09 08:00"), at("2026-03-09 03:00", NEW_YORK).replace(hour=4), date(2026, 3, 9)]
)
def test_an_exception_names_its_occurrence_in_any_zone_or_by_its_day(original: Moment) -> None:
    moved = exception(original, timed("2026-03-09 14:00"))
    found = expanded(weekly(), moved).occurrences
    assert [one.slot for one in found if one.event.series] == ["20260309T080000Z"]
    assert len(found) == 4


def test_an_exception_of_an_all_day_series_may_name_it_by_a_time() -> None:  # Exchange
    series = master(days("2026-03-02"), "RRULE:FREQ=DAILY;COUNT=2")
    moved = exception(utc("2026-03-02 23:00"), days("2026-03-20"))
    assert [one.slot for one in expanded(series, moved).occurrences] == ["20260302", "20260303"]


def test_an_exception_that_the_rule_does_not_name_takes_place_all_the_same() -> None:
    extra = exception(at("2026-03-04 09:00"), timed("2026-03-04 10:00"))
    assert "03-04 10:00" in starts(weekly(), extra)


def test_an_exdate_wins_over_an_exception() -> None:
    series = evolve(weekly(), recurrence=(*weekly().recurrence, "EXDATE:20260309T080000Z"))
    assert len(starts(series, exception(at("2026-03-09 09:00"), timed("2026-03-10 14:00")))) == 3


def test_exceptions_without_a_master_stand_for_themselves() -> None:  # Graph never shows one
    first = exception(at("2026-03-02 09:00"), timed("2026-03-02 09:00"), "g1", series="gone")
    second = exception(at("2026-03-09 09:00"), timed("2026-03-10 09:00"), "g2", series="gone")
    gone = exception(at("2026-03-16 09:00"), timed("2026-03-16 09:00"), "g3", series="gone", cancelled=True)
    found = expanded(gone, second, first).occurrences
    assert [(one.event.id, one.slot) for one in found] == [("g1", "20260302T080000Z"), ("g2", "20260309T080000Z")]


def test_a_master_that_does_not_recur_is_replaced_by_its_exception() -> None:  # I-22
    single = master(timed("2026-03-02 09:00"))
    same = exception(at("2026-03-02 09:00"), timed("2026-03-02 12:00"))
    other = exception(at("2026-03-03 09:00"), timed("2026-03-03 12:00"))
    assert starts(single, same) == ["03-02 12:00"]
    assert [(one.slot, short(one.span.start)) for one in expanded(single, other).occurrences] == [
        ("", "03-02 09:00"),
        ("20260303T080000Z", "03-03 12:00"),
    ]


def test_of_two_exceptions_for_one_slot_the_last_by_id_speaks_in_any_order() -> None:
    one = exception(at("2026-03-09 09:00"), timed("2026-03-09 11:00"), "m#a")
    two = exception(at("2026-03-09 09:00"), timed("2026-03-09 12:00"), "m#b")
    assert starts(weekly(), one, two) == starts(weekly(), two, one)
    assert "03-09 12:00" in starts(weekly(), one, two)
    assert starts(one, two) == starts(two, one) == ["03-09 12:00"]


def test_a_parked_exception_does_not_bring_its_occurrence_back() -> None:  # I-24
    odd = exception(at("2026-03-09 09:00"), timed("2026-03-09 09:00"), parked="unknown time zone")
    expansion = expanded(weekly(), odd)
    assert len(expansion.occurrences) == 3
    assert expansion.parked == (Parked("m#1", "unknown time zone"),)


def test_a_parked_master_leaves_its_exceptions_standing() -> None:  # I-24
    moved = exception(at("2026-03-09 09:00"), timed("2026-03-10 14:00"))
    for series in (weekly(parked="odd"), master(timed("2026-03-02 09:00"), "RRULE:FREQ=OFTEN")):
        expansion = expanded(series, moved)
        assert [one.event.id for one in expansion.occurrences] == ["m#1"]
        assert [one.event_id for one in expansion.parked] == ["m"]


# This and all future occurrences (RFC 5545, 3.2.13).


def test_this_and_future_moves_all_later_ones_by_the_same_wall_time() -> None:
    series = master(timed("2026-10-22 09:00"), "RRULE:FREQ=DAILY;COUNT=6")
    later = exception(at("2026-10-24 09:00"), timed("2026-10-24 11:00", 0.5), and_future=True)
    found = expanded(series, later).occurrences
    moved = [f"10-{day} 11:00" for day in (24, 25, 26, 27)]
    assert [short(one.span.start) for one in found] == ["10-22 09:00", "10-23 09:00", *moved]
    assert lengths(expanded(series, later)) == [timedelta(hours=1)] * 2 + [timedelta(minutes=30)] * 4
    assert [one.event.id for one in found] == ["m", "m", *["m#1"] * 4]


def test_occurrences_moved_together_keep_their_own_slots() -> None:  # decision 2: a slot is an identity
    series = master(timed("2026-10-22 09:00"), "RRULE:FREQ=DAILY;COUNT=6")
    later = exception(at("2026-10-24 09:00"), timed("2026-10-26 11:00"), and_future=True)
    unmoved = [one.slot for one in expanded(series).occurrences]
    assert sorted(one.slot for one in expanded(series, later).occurrences) == unmoved


def test_single_exceptions_win_over_this_and_future_and_the_next_one_ends_it() -> None:
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY;COUNT=6")
    noon = exception(at("2026-03-03 09:00"), timed("2026-03-03 12:00"), "m#z", and_future=True)
    single = exception(at("2026-03-04 09:00"), timed("2026-03-04 20:00"), "m#a")
    gone = exception(at("2026-03-05 09:00"), timed("2026-03-05 12:00"), "m#b", cancelled=True)
    early = exception(at("2026-03-06 09:00"), timed("2026-03-06 06:00"), "m#c", and_future=True)
    assert starts(early, gone, series, single, noon) == [
        "03-02 09:00",
        "03-03 12:00",
        "03-04 20:00",
        "03-06 06:00",
        "03-07 06:00",
    ]


def test_for_its_own_slot_a_single_exception_wins_over_this_and_future() -> None:
    later = exception(at("2026-03-16 09:00"), timed("2026-03-16 12:00"), "m#z", and_future=True)
    single = exception(at("2026-03-16 09:00"), timed("2026-03-16 20:00"), "m#a")
    assert starts(weekly(), later, single) == ["03-02 09:00", "03-09 09:00", "03-16 20:00", "03-23 12:00"]


def test_a_cancelled_this_and_future_ends_the_series() -> None:
    end = exception(at("2026-03-16 09:00"), timed("2026-03-16 09:00"), and_future=True, cancelled=True)
    assert starts(weekly(), end) == ["03-02 09:00", "03-09 09:00"]


def test_this_and_future_may_turn_times_into_days_and_back() -> None:
    to_days = exception(at("2026-03-16 09:00"), days("2026-03-17"), and_future=True)
    assert starts(weekly(), to_days) == ["03-02 09:00", "03-09 09:00", "03-17", "03-24"]
    all_day = master(days("2026-03-28"), "RRULE:FREQ=DAILY;COUNT=3")
    to_times = exception(date(2026, 3, 29), timed("2026-03-29 09:00"), and_future=True)
    assert starts(all_day, to_times) == ["03-28", "03-29 09:00", "03-30 09:00"]


def test_a_series_moved_far_away_costs_only_what_is_seen_of_it() -> None:  # I-20
    series = master(timed("1999-03-01 09:00"), "RRULE:FREQ=DAILY")
    away = exception(at("1999-03-02 09:00"), timed("2049-03-02 10:00"), and_future=True)
    found = starts(series, away, inside=window("2050-05-01", "2050-05-03"), budget=30)
    assert found == ["05-01 10:00", "05-02 10:00"]
    assert starts(series, away, inside=window("2026-05-01", "2026-05-03"), budget=30) == []
