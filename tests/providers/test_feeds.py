"""Whole calendars in one text: what belongs together, what is a change and what is none, what spoils nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from calsync_core.icalendar import parse_feed
from calsync_core.icalendar.names import block_uid, parse_exported_uid
from calsync_core.icalendar.reader import MAX_EVENTS
from calsync_core.models import Event, Mark, Response, Span
from calsync_core.providers.google.names import block_id
from calsync_core.testing import icalendar_of, vevent_of
from planted import LUNCH

START = datetime(2026, 3, 3, 9, tzinfo=ZoneInfo("Europe/Berlin"))
HOUR = timedelta(hours=1)
ONE = Event("a", "a", Span(START, START + HOUR), title=LUNCH)
FLOATING = "UID:f\nDTSTART:20260303T090000\nDTEND:20260303T100000"


def test_a_series_and_its_exceptions_are_one_item_wherever_they_stand() -> None:  # I-21
    master = evolve(ONE, id="s", uid="s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",))
    moved = evolve(ONE, id="s#1", uid="s", series="s", original_start=START + timedelta(days=1))
    feed = parse_feed(icalendar_of(moved, ONE, master))
    assert {item.key: len(item.events) for item in feed.items} == {"s": 2, "a": 1}
    [series] = [item for item in feed.items if item.key == "s"]
    assert [bool(event.recurrence) for event in series.events] == [True, False]


def test_stamps_of_the_moment_are_no_change() -> None:  # I-03
    """Many servers make the text when they are asked, and say so in every event."""

    def etag_of(event: Event, *further: str) -> str | None:
        text = icalendar_of(vevent_of(event, *further).replace("DTSTAMP:2026", f"DTSTAMP:20{20 + len(further)}"))
        return parse_feed(text).items[0].etag

    assert etag_of(ONE) == etag_of(ONE, "LAST-MODIFIED:20260401T000000Z", "CREATED:20260401T000000Z")
    assert etag_of(ONE) == etag_of(ONE, "DESCRIPTION:of no interest")
    others = [evolve(ONE, title="another"), evolve(ONE, span=Span(START, START + 2 * HOUR)), evolve(ONE, private=True)]
    assert len({etag_of(event) for event in (ONE, *others)}) == 4


def test_events_without_a_uid_go_by_what_they_say() -> None:
    one = vevent_of(ONE).replace("UID:a\n", "")
    other = one.replace("T090000", "T080000")
    feed = parse_feed(icalendar_of(one, other, one.replace("DTSTAMP:2026", "DTSTAMP:2027")))
    assert len({item.key for item in feed.items}) == len(feed.items) == 2
    assert {event.uid for item in feed.items for event in item.events} == {None}
    assert [item.key for item in parse_feed(icalendar_of(other)).items] == [feed.items[1].key]


def test_one_that_cannot_be_read_spoils_no_other() -> None:  # I-07, I-37
    feed = parse_feed(icalendar_of("UID:bad\nDTSTART:20261325T090000Z", ONE, "UID:none\nSUMMARY:x", head="X-A:1"))
    assert [item.key for item in feed.items] == ["a"]
    assert [debt.key for debt in feed.unreadable] == ["bad", "none"]
    assert all(debt.etag and LUNCH not in debt.reason for debt in feed.unreadable)


@pytest.mark.parametrize("text", ["", "<html>", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\n"])
def test_what_is_no_whole_calendar_is_none(text: str) -> None:  # I-07
    with pytest.raises(ValueError, match=r"VCALENDAR|ends inside"):
        parse_feed(text)


def test_no_series_is_read_without_an_end() -> None:
    times = "DTSTART:20260303T090000Z\nRECURRENCE-ID:2026"
    feed = parse_feed(icalendar_of(*[f"UID:x\n{times}0303T090000Z"] * (MAX_EVENTS + 1), ONE))
    assert [debt.key for debt in feed.unreadable] == ["x"]
    assert [item.key for item in feed.items] == ["a"]


def test_it_says_what_it_is_called_and_where_it_floats() -> None:  # I-24
    text = icalendar_of(FLOATING, head="X-WR-CALNAME:On call\\, nights\nX-WR-TIMEZONE:W. Europe Standard Time")
    feed = parse_feed(text)
    assert (feed.name, feed.timezone) == ("On call, nights", "Europe/Berlin")
    assert feed.items[0].events[0].span.start == START
    tokyo = parse_feed(text, floating=ZoneInfo("Asia/Tokyo"))
    assert tokyo.items[0].events[0].span.edges(UTC)[0] == datetime(2026, 3, 3, 0, tzinfo=UTC)
    nowhere = parse_feed(icalendar_of(FLOATING, head="X-WR-TIMEZONE:Nowhere/Land"))
    assert (nowhere.name, nowhere.timezone) == (None, None)
    assert "floating" in (nowhere.items[0].events[0].parked or "")


def test_its_user_is_known_by_the_address() -> None:
    declined = vevent_of(ONE, "ATTENDEE;PARTSTAT=DECLINED:mailto:Ana@example.com")
    text = icalendar_of(declined)
    assert parse_feed(text, addresses=["ana@example.com"]).items[0].events[0].response is Response.DECLINED
    assert parse_feed(text).items[0].events[0].response is Response.NONE


def test_blocks_that_a_feed_shows_are_blocks() -> None:  # I-15
    """A calendar that is blocked and published as a feed: its blocks must not be blocked again, and again."""
    key = "0123456789abcdefghijklmnopqrstuv"
    exported = f"{block_id(key, 3)}@google.com"
    assert parse_exported_uid(exported) == (key, 3)
    feed = parse_feed(icalendar_of(*(evolve(ONE, uid=uid) for uid in (exported, block_uid(key, 3), "a@google.com"))))
    assert [item.events[0].mark for item in feed.items] == [Mark(key, 3), Mark(key, 3), None]
