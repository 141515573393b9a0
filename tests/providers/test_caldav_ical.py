"""iCalendar text and what becomes of it: times in their zones, series, oddities parked or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from hypothesis import given
from hypothesis import strategies as st

from caldav_hands import ics
from caldav_texts import one, parse, timed
from calsync_core.core.occurrences import expand
from calsync_core.icalendar.reader import Reader, parse_zone_name
from calsync_core.models import (
    Availability,
    Response,
    Span,
    Window,
)

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Tokyo"]
# iCalendar can't write a fold: a wall time that exists twice means the first, one that is skipped counts from before.
LOCAL = st.datetimes(datetime(2021, 1, 1), datetime(2029, 12, 31)).map(lambda at: at.replace(microsecond=0, fold=0))  # noqa: DTZ001  (a wall time: naive on purpose)


RULES = {
    "Europe/Berlin": ("+0100", "+0200", "03-29T02", "BYMONTH=3;BYDAY=-1SU", "10-25T03", "BYMONTH=10;BYDAY=-1SU"),
    "America/New_York": ("-0500", "-0400", "03-08T02", "BYMONTH=3;BYDAY=2SU", "11-01T02", "BYMONTH=11;BYDAY=1SU"),
    "Australia/Lord_Howe": ("+1030", "+1100", "10-04T02", "BYMONTH=10;BYDAY=1SU", "04-05T02", "BYMONTH=4;BYDAY=1SU"),
    "Asia/Kolkata": ("+0530", "+0530", "01-01T00", "", "01-01T00", ""),
    "Asia/Tehran": ("+0330", "+0330", "01-01T00", "", "01-01T00", ""),
    "Asia/Tokyo": ("+0900", "+0900", "01-01T00", "", "01-01T00", ""),
}
"""Offsets, and when summer and winter time begin in 2015 and by which rule since."""


def vtimezone(zone: str, name: str, extra: str = "") -> str:
    """The zone's real rules under a name that says nothing."""
    winter, summer, *onsets = RULES[zone]
    lines = [f"BEGIN:VTIMEZONE\nTZID:{name}\n{extra}".rstrip()]
    for kind, start, rule, before, after in (
        ("DAYLIGHT", *onsets[:2], winter, summer),
        ("STANDARD", *onsets[2:], summer, winter),
    ):
        lines += [f"BEGIN:{kind}", f"DTSTART:2015{start.replace('-', '')}0000"]
        lines += [f"RRULE:FREQ=YEARLY;{rule}"] if rule else []
        lines += [f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", f"END:{kind}"]
    return "\n".join([*lines, "END:VTIMEZONE", ""])


def utc(moment: object) -> datetime:
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC)


# Times


@given(local=LOCAL, zone=st.sampled_from(ZONES), minutes=st.integers(1, 600))
def test_named_zones_mean_what_another_parser_says(local: datetime, zone: str, minutes: int) -> None:  # I-19
    end = local + timedelta(minutes=minutes)
    body = timed(start=f"DTSTART;TZID={zone}:{local:%Y%m%dT%H%M%S}", end=f"DTEND;TZID={zone}:{end:%Y%m%dT%H%M%S}")
    span = one(body).span
    (theirs,) = icalendar.Calendar.from_ical(ics(body)).walk("VEVENT")
    assert utc(span.start) == utc(theirs.decoded("DTSTART"))
    last = utc(theirs.decoded("DTEND"))
    if last > utc(span.start):
        assert utc(span.end) == last
    else:
        assert utc(span.end) - utc(span.start) == timedelta(minutes=minutes), "a wall length over a skipped hour"


@given(local=LOCAL, zone=st.sampled_from(ZONES))
def test_a_zone_of_its_own_is_followed_to_the_second(local: datetime, zone: str) -> None:  # I-24
    """A single event needs no name for its zone: the file's own rules give the instant."""
    body = timed(start=f"DTSTART;TZID=Custom 7:{local:%Y%m%dT%H%M%S}", end="DURATION:PT1H")
    event = one(body, zones=vtimezone(zone, "Custom 7"))
    truth = local.replace(tzinfo=ZoneInfo(zone))
    assert event.parked is None
    assert utc(event.span.start) == utc(truth)


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("20260329T015959", "20260329T005959"),
        ("20260329T020000", "20260329T010000"),
        ("20260329T023000", "20260329T013000"),
        ("20260329T030000", "20260329T010000"),
        ("20261025T015959", "20261024T235959"),
        ("20261025T023000", "20261025T003000"),
        ("20261025T030000", "20261025T020000"),
    ],
)
def test_hours_that_are_skipped_or_come_twice_in_a_zone_of_its_own(local: str, instant: str) -> None:  # I-19, I-24
    """RFC 5545 section 3.3.5: the offset before the gap; the first of two."""
    body = timed(start=f"DTSTART;TZID=Custom:{local}", end="DURATION:PT1H")
    assert f"{utc(one(body, zones=vtimezone('Europe/Berlin', 'Custom')).span.start):%Y%m%dT%H%M%S}" == instant


@given(zone=st.sampled_from(ZONES), local=LOCAL)
def test_a_series_in_a_zone_of_its_own_gets_one_that_does_the_same(zone: str, local: datetime) -> None:  # I-24
    body = timed("RRULE:FREQ=DAILY", f"DTSTART;TZID=Custom 7:{local:%Y%m%dT%H%M%S}", "DURATION:PT1H")
    start = one(body, zones=vtimezone(zone, "Custom 7")).span.start
    assert isinstance(start, datetime)
    found = start.tzinfo
    assert isinstance(found, ZoneInfo)
    for day in range(0, 365, 5):
        at = (local + timedelta(days=day)).replace(tzinfo=UTC)
        assert at.astimezone(found).utcoffset() == at.astimezone(ZoneInfo(zone)).utcoffset()


def test_rules_that_are_an_hour_off_still_match() -> None:  # I-24
    """Icalendar writes an onset in the offset after it; such files are common."""
    made = icalendar.Timezone.from_tzid("Europe/Berlin", first_date=date(2020, 1, 1), last_date=date(2035, 1, 1))
    zones = re.sub(r"TZID:.*\n", "TZID:Custom\n", made.to_ical().decode().replace("\r\n", "\n"), count=1)
    start = one(
        timed("RRULE:FREQ=DAILY", "DTSTART;TZID=Custom:20260303T090000", "DURATION:PT1H"), zones=zones
    ).span.start
    assert isinstance(start, datetime)
    assert [(start + timedelta(days=day)).utcoffset() for day in (0, 60)] == [timedelta(hours=1), timedelta(hours=2)]


def test_one_name_for_two_zones_is_two_zones() -> None:  # I-24
    """Icalendar's parser keeps the first one's rules for the whole process."""
    body = timed(start="DTSTART;TZID=Custom:20260703T090000", end="DURATION:PT1H")
    starts = [one(body, zones=vtimezone(zone, "Custom")).span.start for zone in ("Asia/Tehran", "America/New_York")]
    assert [utc(start).strftime("%H:%M") for start in starts] == ["05:30", "13:00"]


def test_a_vtimezone_may_name_itself() -> None:  # I-24
    zones = vtimezone("Europe/Berlin", "Mine", "X-LIC-LOCATION:Europe/Berlin\n")
    event = one(timed("RRULE:FREQ=DAILY", "DTSTART;TZID=Mine:20260303T090000", "DURATION:PT1H"), zones=zones)
    assert event.span.start == datetime(2026, 3, 3, 9, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "start",
    [
        "DTSTART;TZID=W. Europe Standard Time:20260303T090000",
        'DTSTART;TZID="W. Europe Standard Time":20260303T090000',
        "DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260303T090000",
        "DTSTART;TZID=Europe/Berlin;VALUE=DATE-TIME:20260303T090000",
        'DTSTART;X-P="a:b;c";TZID=Europe/Berlin:20260303T090000',
        "dtstart;tzid=Europe/Berlin:20260303T090000",
    ],
)
def test_zones_go_by_many_names(start: str) -> None:  # I-24
    event = one(timed(start=start, end="DURATION:PT1H"))
    assert event.span == Span(datetime(2026, 3, 3, 9, tzinfo=BERLIN), datetime(2026, 3, 3, 10, tzinfo=BERLIN))


ODD_ZONE = """BEGIN:VTIMEZONE
TZID:Odd
BEGIN:STANDARD
DTSTART:20000101T000000
TZOFFSETFROM:+0117
TZOFFSETTO:+0117
END:STANDARD
END:VTIMEZONE
"""
ENDLESS_ZONE = ODD_ZONE.replace("TZOFFSETFROM", "RRULE:FREQ=SECONDLY\nTZOFFSETFROM")


@pytest.mark.parametrize(
    ("body", "zones"),
    [
        (timed(start="DTSTART;TZID=Nowhere:20260303T090000", end="DURATION:PT1H"), ""),
        (timed(start="DTSTART:20260303T090000", end="DURATION:PT1H"), ""),
        (timed("RRULE:FREQ=DAILY", "DTSTART;TZID=Odd:20260303T090000", "DURATION:PT1H"), ODD_ZONE),
        (timed(start="DTSTART;TZID=Odd:20260303T090000", end="DURATION:PT1H"), ENDLESS_ZONE),
        (timed("RRULE:FREQ=DAILY\nEXDATE;TZID=Nowhere:20260304T090000"), ""),
        (timed("RRULE:FREQ=DAILY\nRDATE:" + ",".join(["20260304T090000Z"] * 5_001)), ""),
        (timed("RRULE:FREQ=DAILY;BYDAY=" + "MO," * 1_000 + "MO"), ""),
        (timed(end="DURATION:P367D"), ""),
        (timed(end="DTEND:20990101T000000Z"), ""),
        (timed(end="DURATION:P99999999999W"), ""),
        (timed(start="DTSTART:00010101T000000Z", end="DURATION:PT1H"), ""),
    ],
)
def test_what_nobody_can_place_is_parked_once(body: str, zones: str) -> None:  # I-24, I-25
    """With a reason and never by a guess; it blocks nothing, and the rest of its resource is read."""
    event, other = parse(f"{body}\n====\n{timed().replace('UID:x', 'UID:y')}", zones=zones)
    assert event.parked
    assert other.parked is None


def test_the_offset_of_a_zone_of_its_own_is_exact() -> None:  # I-24
    event = one(timed(start="DTSTART;TZID=Odd:20260303T090000", end="DURATION:PT1H"), zones=ODD_ZONE)
    assert utc(event.span.start) == datetime(2026, 3, 3, 7, 43, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_floating_times_are_in_the_calendar_s_zone(zone: str) -> None:  # I-24
    event = one(timed(start="DTSTART:20260303T090000", end="DTEND:20260303T100000"), zone=zone)
    assert event.span.start == datetime(2026, 3, 3, 9, tzinfo=ZoneInfo(zone))


DAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260305", Span(DAY, date(2026, 3, 5))),
        ("DTSTART;VALUE=DATE:20260303", "", Span(DAY, date(2026, 3, 4))),
        ("DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260303", Span(DAY, date(2026, 3, 4))),
        ("DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260301", Span(DAY, DAY)),
        ("DTSTART;VALUE=DATE:20260303", "DURATION:P2D", Span(DAY, date(2026, 3, 5))),
        ("DTSTART:20260303", "", Span(DAY, date(2026, 3, 4))),
        ("DTSTART;VALUE=DATE:20260303", "DTEND:20260304T120000Z", Span(DAY, date(2026, 3, 4))),
        ("DTSTART:20260303T090000Z", "", Span(NINE, NINE)),
        ("DTSTART:20260303T090000Z", "DTEND:20260303T080000Z", Span(NINE, NINE)),
        ("DTSTART:20260303T090000Z", "DURATION:-PT1H", Span(NINE, NINE)),
        ("DTSTART:20260303T090000Z", "DURATION:PT1H30M", Span(NINE, NINE + timedelta(minutes=90))),
        ("DTSTART:20260303T090000Z", "DTEND;VALUE=DATE:20260304", Span(NINE, NINE + timedelta(hours=15))),
        ("DTSTART:20260303T090060Z", "DURATION:PT1S", Span(NINE.replace(second=59), NINE + timedelta(minutes=1))),
    ],
)
def test_ends_that_are_missing_mixed_or_wrong(start: str, end: str, span: Span) -> None:  # I-18, I-25
    assert one(timed(start=start, end=end)).span == span


def test_days_are_nominal_and_hours_exact() -> None:  # I-19
    """RFC 5545 section 3.3.6, over the night the clocks go forward."""
    start = "DTSTART;TZID=Europe/Berlin:20260328T120000"
    assert one(timed(start=start, end="DURATION:P1D")).span.end == datetime(2026, 3, 29, 12, tzinfo=BERLIN)
    assert one(timed(start=start, end="DURATION:PT24H")).span.end == datetime(2026, 3, 29, 13, tzinfo=BERLIN)


# Series


SERIES = timed("RRULE:FREQ=WEEKLY;COUNT=4", "DTSTART;TZID=W. Europe Standard Time:20260316T090000", "DURATION:PT1H")


def exception(recurrence_id: str, start: str = "DTSTART:20260323T120000Z") -> str:
    return timed(recurrence_id, start, "DURATION:PT1H")


def test_exceptions_name_their_slot() -> None:  # I-21
    events = parse(
        "\n====\n".join(
            [
                exception("RECURRENCE-ID;TZID=Europe/Berlin:20260323T090000\nSTATUS:CANCELLED"),
                SERIES,
                exception("RECURRENCE-ID;RANGE=THISANDFUTURE:20260330T070000Z"),
            ]
        )
    )
    assert [(event.id, event.series, event.slot, event.and_future, event.cancelled) for event in events] == [
        ("x.ics", None, "", False, False),
        ("x.ics#20260323T080000Z", "x.ics", "20260323T080000Z", False, True),
        ("x.ics#20260330T070000Z-THISANDFUTURE", "x.ics", "20260330T070000Z", True, False),
    ]
    assert {event.uid for event in events} == {"x"}


@pytest.mark.parametrize(
    "recurrence_id", ["RECURRENCE-ID;VALUE=DATE:20260323", "RECURRENCE-ID;TZID=Nowhere:20260323T090000"]
)
def test_a_slot_named_carelessly_is_still_found(recurrence_id: str) -> None:  # I-21
    assert parse(f"{SERIES}\n====\n{exception(recurrence_id)}")[1].slot == "20260323T080000Z"


def test_an_all_day_slot_named_with_a_time_is_a_date() -> None:  # I-18, I-21
    master = timed("RRULE:FREQ=DAILY", "DTSTART;VALUE=DATE:20260303", "")
    events = parse(f"{master}\n====\n{exception('RECURRENCE-ID:20260305T000000Z')}")
    assert events[1].slot == "20260305"


def test_the_later_revision_of_an_exception_counts() -> None:  # I-14
    old = exception("RECURRENCE-ID:20260323T080000Z\nSEQUENCE:2\nSUMMARY:new")
    new = exception("RECURRENCE-ID:20260323T080000Z\nSEQUENCE:1\nSUMMARY:old")
    assert [event.title for event in parse(f"{SERIES}\n====\n{old}\n====\n{new}")] == ["", "new"]


def test_exceptions_without_their_master_stand_for_themselves() -> None:
    (event,) = parse(exception("RECURRENCE-ID:20260323T080000Z"))
    assert (event.series, event.slot) == ("x.ics", "20260323T080000Z")


def test_several_events_in_one_resource_have_ids_of_their_own() -> None:
    body = "\n====\n".join(
        [SERIES, SERIES.replace("UID:x", "UID:y"), timed(), exception("RECURRENCE-ID:20260323T080000Z")]
    )
    events = parse(body + "\n====\n" + exception("RECURRENCE-ID:20260323T080000Z").replace("UID:x", "UID:y"))
    assert len({event.id for event in events}) == len(events) == 5
    assert {event.series for event in events if event.uid == "y" and event.slot} == {"x.ics#y"}


def test_zones_in_recurrence_lines_are_names_anybody_knows() -> None:  # I-24
    lines = (
        "RRULE:FREQ=WEEKLY;UNTIL=20260501T000000Z\n"
        "EXDATE;TZID=W. Europe Standard Time:20260323T090000,20260330T090000\n"
        "EXDATE;TZID=Odd:20260406T081700\nEXDATE:20260413T070000Z\nEXDATE;VALUE=DATE:20260420\nEXDATE:20260427T090000\n"
        "RDATE;VALUE=PERIOD:20260317T080000Z/PT2H\nRDATE;VALUE=PERIOD;TZID=Odd:20260318T091700/20260318T101700"
    )
    body = timed(lines, "DTSTART;TZID=W. Europe Standard Time:20260316T090000", "DURATION:PT1H")
    assert one(body, zones=ODD_ZONE).recurrence == (
        "RRULE:FREQ=WEEKLY;UNTIL=20260501T000000Z",
        "EXDATE;TZID=Europe/Berlin:20260323T090000,20260330T090000",
        "EXDATE:20260406T070000Z",
        "EXDATE:20260413T070000Z",
        "EXDATE;VALUE=DATE:20260420",
        "EXDATE;TZID=Europe/Berlin:20260427T090000",
        "RDATE;VALUE=PERIOD:20260317T080000Z/PT2H",
        "RDATE;VALUE=PERIOD:20260318T080000Z/20260318T090000Z",
    )


@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2025, 1, 1), date(2026, 3, 1)),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY"]),
    excluded=st.integers(1, 20),
)
def test_series_take_place_when_another_library_says(zone: str, day: date, rule: str, excluded: int) -> None:  # I-19
    """From the file to the occurrences, with one moved and one left out."""
    left_out, moved = day + timedelta(days=excluded), day + timedelta(days=excluded + 7)
    lines = f"RRULE:{rule}\nEXDATE;TZID={zone}:{left_out:%Y%m%dT120000}"
    master = timed(lines, f"DTSTART;TZID={zone}:{day:%Y%m%dT120000}", "DURATION:PT1H")
    other = timed(
        f"RECURRENCE-ID;TZID={zone}:{moved:%Y%m%dT120000}",
        f"DTSTART;TZID={zone}:{moved:%Y%m%dT150000}",
        "DURATION:PT2H",
    )
    text = ics(master, other)
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    ours = expand(Reader().parse("x.ics", text).events, Window(begin, end), UTC).occurrences
    theirs = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(begin, end)
    assert sorted(each.span.edges(UTC) for each in ours) == sorted(
        (utc(each.decoded("DTSTART")), utc(each.decoded("DTEND"))) for each in theirs
    )


# What else an event says


@pytest.mark.parametrize(
    ("lines", "availability"),
    [
        ("", Availability.BUSY),
        ("TRANSP:OPAQUE", Availability.BUSY),
        ("TRANSP:transparent", Availability.FREE),
        ("STATUS:TENTATIVE", Availability.TENTATIVE),
        ("STATUS:TENTATIVE\nTRANSP:TRANSPARENT", Availability.FREE),
        ("X-MICROSOFT-CDO-BUSYSTATUS:FREE", Availability.FREE),
        ("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", Availability.TENTATIVE),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF", Availability.BUSY),
    ],
)
def test_availability(lines: str, availability: Availability) -> None:
    assert one(timed(lines)).availability is availability


@pytest.mark.parametrize(
    ("people", "response"),
    [
        ("", Response.NONE),
        ("ATTENDEE;PARTSTAT=DECLINED:mailto:bo@example.com", Response.NONE),
        ("ATTENDEE;PARTSTAT=DECLINED:MAILTO:Ana@Example.com", Response.DECLINED),
        ('ATTENDEE;CN="Ana: A";PARTSTAT=accepted:mailto:ana@example.com', Response.ACCEPTED),
        ("ATTENDEE;PARTSTAT=TENTATIVE:mailto:ana@example.com", Response.TENTATIVE),
        ("ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ana@example.com", Response.NEEDS_ACTION),
        ("ATTENDEE:mailto:ana@example.com", Response.NEEDS_ACTION),
        ("ATTENDEE;EMAIL=ana@example.com;PARTSTAT=DECLINED:/aMTIz/principal/", Response.DECLINED),
        ("ORGANIZER:mailto:ana@example.com\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ana@example.com", Response.NONE),
    ],
)
def test_the_login_s_own_answer(people: str, response: Response) -> None:
    assert one(timed(people), own=("ana@example.com",)).response is response


def test_status_and_privacy() -> None:
    assert [one(timed(f"STATUS:{status}")).cancelled for status in ("CANCELLED", "CONFIRMED")] == [True, False]
    assert [one(timed(f"CLASS:{kind}")).private for kind in ("PRIVATE", "CONFIDENTIAL", "PUBLIC")] == [
        True,
        True,
        False,
    ]


def test_nothing_else_of_theirs_is_kept() -> None:  # decision 7, I-39
    secret = "Rosebud"
    lines = (
        f"DESCRIPTION:{secret}\nLOCATION:{secret}\nATTENDEE;CN={secret}:mailto:{secret}@example.com\n"
        f"ORGANIZER;CN={secret}:mailto:{secret}@example.com\nCOMMENT:{secret}\nX-NOTE:{secret}\nURL:https://{secret}.example"
    )
    event = one(timed(lines))
    assert secret.lower() not in repr(event).lower()
    assert event.title == ""


def test_titles_are_unescaped_and_not_shown() -> None:  # I-39
    event = one(timed(r"SUMMARY;LANGUAGE=de:Zahn\; \\n\, ärztin\nII"))
    assert event.title == "Zahn; \\n, ärztin\nII"
    assert "Zahn" not in repr(event)


@pytest.mark.parametrize("component", ["VTODO", "VJOURNAL", "VFREEBUSY"])
def test_a_resource_without_events_is_an_empty_item(component: str) -> None:
    text = ics(timed()).replace("VEVENT", component)
    assert Reader().parse("x.ics", text, '"e"').events == ()


# Texts that are no calendar


WHOLE = ics(SERIES, exception("RECURRENCE-ID:20260323T080000Z\nSUMMARY:Ünïcödé"), zones=ODD_ZONE)


@given(cut=st.integers(0, len(WHOLE) - len("END:VCALENDAR\r\n") + 12))
def test_a_cut_file_is_never_half_read(cut: int) -> None:  # I-07
    with pytest.raises(ValueError):  # noqa: PT011  (which one depends on where it was cut)
        Reader().parse("x.ics", WHOLE[:cut])


@given(width=st.integers(1, 74), separator=st.sampled_from(["\r\n ", "\n ", "\r\n\t"]))
def test_folding_changes_nothing(width: int, separator: str) -> None:
    lines = WHOLE.rstrip().split("\r\n")
    folded = [separator.join(line[at : at + width] for at in range(0, len(line), width)) for line in lines]
    assert Reader().parse("x.ics", "\r\n".join(folded)) == Reader().parse("x.ics", WHOLE)


NOISE = st.text(max_size=30)
DAMAGES: list[Callable[[str, str], list[str]]] = [
    lambda _line, _noise: [],
    lambda line, _noise: [line, line],
    lambda line, _noise: [line[: len(line) // 2]],
    lambda line, _noise: [re.sub(r"\d", "9", line)],
    lambda line, _noise: [re.sub(r"\d+", "", line)],
    lambda _line, noise: [noise],
    lambda line, noise: [f"{line.partition(':')[0]}:{noise}"],
]


@given(damages=st.lists(st.tuples(st.integers(0, 99), st.sampled_from(DAMAGES), NOISE), min_size=1, max_size=4))
def test_any_text_is_read_or_refused(damages: list[tuple[int, Callable[[str, str], list[str]], str]]) -> None:  # I-07
    """Lines lost, doubled, cut or replaced: an item or a ValueError, nothing else (I-37)."""
    lines = WHOLE.split("\r\n")
    for place, damage, noise in damages:
        at = place % len(lines)
        lines[at : at + 1] = damage(lines[at], noise)
    try:
        item = Reader(UTC_ZONE).parse("x.ics", "\r\n".join(lines))
    except ValueError:
        return
    assert item.key == "x.ics"
    assert len({event.id for event in item.events}) == len(item.events)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<html></html>",
        ics("UID:x"),
        ics(timed(start="DTSTART:20261325T090000Z")),
        ics(timed(start="DTSTART:tomorrow")),
        ics(timed(end="DTEND:later")),
        ics(timed(end="DURATION:P")),
        ics(timed("RRULE:FREQ=DAILY\nEXDATE:never")),
        "BEGIN:VCALENDAR\r\n" * 50 + "END:VCALENDAR\r\n" * 50,
        "BEGIN:VCALENDAR\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ics(*[timed()] * 5_001),
    ],
)
def test_what_is_no_calendar_is_refused(text: str) -> None:  # I-07
    with pytest.raises(ValueError):  # noqa: PT011  (the message is for a person)
        Reader().parse("x.ics", text)


def test_the_zone_of_a_calendar() -> None:
    calendar = ics(zones=vtimezone("Europe/Berlin", "Europe/Berlin"))
    assert parse_zone_name(calendar) == BERLIN
    assert parse_zone_name(ics(zones=vtimezone("Asia/Kolkata", "Custom 3"))) is not None
    for nothing in ("", "Europe/Berlin", ics(), ics(zones=ODD_ZONE)):
        assert parse_zone_name(nothing) is None
