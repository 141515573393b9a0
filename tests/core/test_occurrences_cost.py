"""What an expansion costs, and what rules written by an enemy achieve: nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calsync_core.core.occurrences import bounds, expand
from counting import calls
from series_events import BERLIN, YEAR, at, days, exception, expanded, master, starts, timed, weekly, window

# What it costs. A step is a period looked at or an instance made; see also the last test of this section.


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY", 7),
        ("FREQ=DAILY;COUNT=50000", 7),
        ("FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU", 2),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,FR", 3),
        ("FREQ=MONTHLY;BYDAY=-1MO,2FR", 1),
        ("FREQ=MONTHLY;BYMONTHDAY=10", 1),
        ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=11,12", 2),
        ("FREQ=YEARLY;BYYEARDAY=70", 1),
        ("FREQ=HOURLY;BYHOUR=9,10", 14),
        ("FREQ=MINUTELY;INTERVAL=720", 14),
        ("FREQ=SECONDLY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", 7),
        ("FREQ=SECONDLY;INTERVAL=86400", 7),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", 0),
        ("FREQ=SECONDLY;INTERVAL=86400;BYSECOND=7", 0),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 0),
        ("FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4,6", 0),
        ("FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2", 0),
        ("FREQ=YEARLY;BYYEARDAY=1;BYMONTH=12", 0),
        ("FREQ=YEARLY;INTERVAL=999999999", 0),
        ("FREQ=SECONDLY;INTERVAL=999999999;BYSETPOS=2", 0),
    ],
)
def test_a_fifty_year_old_master_costs_one_week(rule: str, expected: int) -> None:  # I-20
    series = master(timed("1976-01-05 09:00", 0.25), f"RRULE:{rule}")
    week = window("2026-03-08 23:00", "2026-03-15 23:00")
    assert len(starts(series, inside=week, budget=300)) == expected


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;BYSECOND=0,30",
        f"FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0;BYSECOND={','.join(map(str, range(60)))}",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12;BYSECOND=1,2,3,4,5,6,7,8,9",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=MINUTELY;BYDAY=MO;COUNT=100000",
    ],
)
def test_a_rule_that_costs_too_much_is_parked_whole(rule: str) -> None:  # I-20: never a part, never a hang
    series = master(timed("1926-01-04 09:00"), f"RRULE:{rule}")
    expansion = expanded(series)
    assert expansion.occurrences == ()
    assert [(one.event_id, "steps" in one.reason) for one in expansion.parked] == [("m", True)]


def test_a_costly_series_leaves_the_others_alone() -> None:  # I-37
    bad = master(timed("2026-01-01 09:00"), "RRULE:FREQ=SECONDLY", key="bad")
    expansion = expanded(bad, weekly())
    assert len(expansion.occurrences) == 4
    assert [one.event_id for one in expansion.parked] == ["bad"]


def test_many_lines_and_many_exceptions_share_one_budget() -> None:  # I-20
    many = master(timed("2026-01-01 09:00"), *["RRULE:FREQ=YEARLY;UNTIL=20200101"] * 3_000)
    shifts = [
        exception(at("2026-01-01 09:00") + timedelta(days=day), timed("2026-02-01 09:00"), f"m#{day}", and_future=True)
        for day in range(30)
    ]
    assert len(expanded(many, *shifts).parked) == 1


ALL_DAYS = ",".join(f"{number}{day}" for number in range(-53, 54) if number for day in ("MO", "TU", "WE", "TH", "FR"))
DATES = "-31,-30,-29,1,2,3,30,31"


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY;COUNT=999999999;BYMONTH=2;BYMONTHDAY=30",
        f"FREQ=YEARLY;COUNT=999;BYDAY={ALL_DAYS};BYMONTHDAY={DATES};BYYEARDAY=-366",
        f"FREQ=YEARLY;COUNT=999;BYDAY={ALL_DAYS};BYWEEKNO=53,-53;BYMONTH=6",
        "FREQ=MONTHLY;COUNT=999;BYMONTHDAY=31;BYMONTH=2",
        "FREQ=WEEKLY;COUNT=999;BYMONTHDAY=31;BYMONTH=2;BYSETPOS=-1",
        "FREQ=MINUTELY;COUNT=999;BYHOUR=3;BYMINUTE=7;BYSECOND=5;BYSETPOS=9;BYMONTH=1",
    ],
)
def test_a_step_is_honest(rule: str) -> None:  # I-20: the budget bounds the real work, whatever the rule does
    series = master(timed("0001-01-02 09:00"), f"RRULE:{rule}")
    assert calls(lambda: expanded(series, budget=2_000)) < 400 * 2_000


# Rules written by an enemy.


@pytest.mark.parametrize(
    "line",
    [
        "RRULE:FREQ=DAILY;INTERVAL=0",
        "RRULE:FREQ=DAILY;INTERVAL=-1",
        f"RRULE:FREQ=DAILY;INTERVAL={10**30}",
        f"RRULE:FREQ=DAILY;COUNT={10**12}",
        f"RRULE:FREQ=DAILY;COUNT={'9' * 10_000}",
        "RRULE:FREQ=DAILY;COUNT=0",
        "RRULE:FREQ=DAILY;COUNT=١",
        "RRULE:FREQ=FORTNIGHTLY",
        "RRULE:INTERVAL=2",
        "RRULE:FREQ",
        "RRULE:FREQ=DAILY;FREQ=WEEKLY",
        "RRULE:FREQ=DAILY;RSCALE=GREGORIAN;SKIP=OMIT",
        "RRULE:FREQ=DAILY;BYEASTER=0",
        "RRULE:FREQ=DAILY;SECRET=1",
        "RRULE:FREQ=DAILY;UNTIL=99990231",
        "RRULE:FREQ=DAILY;UNTIL=20260301T250000Z",
        "RRULE:FREQ=DAILY;UNTIL=123456789",
        "RRULE:FREQ=MONTHLY;BYDAY=54MO",
        "RRULE:FREQ=MONTHLY;BYDAY=0MO",
        "RRULE:FREQ=MONTHLY;BYDAY=XX",
        "RRULE:FREQ=MONTHLY;BYDAY=",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=0",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=32",
        "RRULE:FREQ=YEARLY;BYMONTH=13",
        "RRULE:FREQ=YEARLY;BYSETPOS=0;BYDAY=MO",
        "RRULE:FREQ=YEARLY;WKST=SECRET",
        "RRULE:FREQ=DAILY;BYHOUR=24",
        "RDATE:SECRET",
        "RDATE:20260230",
        "RDATE;VALUE=PERIOD:20260302T090000Z/P400D",
        "RDATE;VALUE=PERIOD:20260302T090000Z/-PT1H",
        "RDATE;VALUE=PERIOD:20260302T090000Z/20260301T090000Z",
        "RDATE;VALUE=PERIOD:20260302T090000Z/P999999W",
        "EXDATE;TZID=Mars/SECRET:20260304T090000",
        "EXDATE:SECRET",
        "EXRULE:FREQ=SECRET",
        "DTSTART:20260302T090000Z",
        "SECRET",
        "",
        ":",
        ";;;",
    ],
)
def test_what_cannot_be_read_is_parked_with_a_reason_that_quotes_nothing(line: str) -> None:  # I-25, I-37, I-39
    expansion = expanded(master(timed("2026-03-02 09:00"), line))
    assert expansion.occurrences == ()
    (parked,) = expansion.parked
    assert parked.event_id == "m"
    assert parked.reason.startswith(("RRULE: ", "EXRULE: ", "RDATE: ", "EXDATE: ", "recurrence: "))
    assert "SECRET" not in parked.reason
    assert len(parked.reason) < 100


def test_an_all_day_event_cannot_repeat_within_a_day() -> None:
    assert expanded(master(days("2026-03-02"), "RRULE:FREQ=HOURLY")).parked


@pytest.mark.parametrize(
    "line",
    [
        "rrule:freq=daily;count=3",
        "RRULE:FREQ=DAILY;COUNT=3;",
        "RRULE: FREQ = DAILY ; COUNT = 3",
        "RRULE;X-ODD=1:COUNT=3;FREQ=DAILY",
        "RRULE:FREQ=DAILY;UNTIL=20260304;COUNT=-1",
        "RRULE:FREQ=DAILY;COUNT=03;BYSECOND=0;WKST=SU",
    ],
)
def test_what_is_written_carelessly_is_understood(line: str) -> None:
    assert len(starts(master(timed("2026-03-02 09:00"), line))) == 3


def test_a_leap_second_is_the_second_before_it() -> None:  # RFC 5545, 3.3.12
    series = master(timed("2026-03-02 09:00"), "RRULE:FREQ=DAILY;COUNT=2;BYSECOND=60")
    assert [one.slot[-3:] for one in expanded(series).occurrences] == ["00Z", "59Z"]


def test_an_empty_line_of_a_feed_means_nothing() -> None:
    assert starts(master(timed("2026-03-02 09:00"), "RRULE:")) == ["03-02 09:00"]


PIECES = (
    "FREQ= DAILY SECONDLY YEARLY ; = , COUNT= INTERVAL= UNTIL= 20260401 20260401T000000Z BYDAY= -1 MO BYSETPOS="
    " BYWEEKNO= BYHOUR= 60 0 99999999999 TZID= ß"
)
RULE_NOISE = st.lists(st.sampled_from([*PIECES.split(), "\n", "\0"]), max_size=12).map("".join)


@given(
    st.sampled_from(["RRULE:", "EXRULE:", "RDATE:", "RDATE;VALUE=PERIOD:", "EXDATE;TZID=", ""]), RULE_NOISE | st.text()
)
@example("RRULE:", "FREQ=YEARLY;UNTIL=99991231T235959Z")
def test_no_text_makes_it_raise(name: str, noise: str) -> None:  # I-37
    for span in (timed("2026-03-02 09:00"), days("2026-03-02")):
        event = master(span, name + noise)
        expand([event], YEAR, BERLIN, budget=500)
        bounds(event, BERLIN)
