"""Blocks as iCalendar text: written, read back, and told from everybody else's events."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from caldav_texts import STAMP, one, parse, timed
from calsync_core.errors import InvalidValue
from calsync_core.icalendar.reader import Reader
from calsync_core.models import (
    Availability,
    BlockContent,
    Mark,
    Operation,
    OperationKind,
    Reason,
    Sighting,
    Span,
    Tag,
)
from calsync_core.providers.caldav.blocks import build_block

TAG = Tag("1f1f", "2e2e", "3d3d")
TAGGED = "X-CALSYNC-TAG:v1;i=1f1f;o=2e2e;s=3d3d;k={};g={}"


def operation(content: BlockContent, key: str = "0a1b", generation: int = 0) -> Operation:
    return Operation(
        kind=OperationKind.CREATE,
        ref=f"{key}.{generation}",
        target_id=1,
        native_id=f"calsync-{key}-{generation}.ics",
        content=content,
        tag=TAG,
        reason=Reason.BOOKED,
        decided_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


PLAIN = BlockContent(Span(date(2026, 3, 3), date(2026, 3, 4)), "")
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  (a wall time: naive on purpose)
    lambda at: at.replace(microsecond=0)
)
SPANS = st.builds(
    lambda start, minutes: Span(start, start + timedelta(minutes=minutes)), INSTANTS, st.integers(1, 500_000)
) | st.builds(
    lambda start, days: Span(start, start + timedelta(days=days)),
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.integers(1, 366),
)
TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cn"]), max_size=255)
CONTENTS = st.builds(BlockContent, SPANS, TITLES, st.sampled_from(Availability))


@given(content=CONTENTS, generation=st.integers(0, 99))
def test_what_a_block_says_is_read_back(content: BlockContent, generation: int) -> None:  # I-18
    text = build_block(operation(content, generation=generation))
    (event,) = Reader().parse(f"calsync-0a1b-{generation}.ics", text).events
    assert Sighting(1, event, None).content == content
    assert event.mark == Mark("0a1b", generation, TAG)
    assert not event.adorned


@given(content=CONTENTS)
def test_a_block_is_well_formed_and_always_the_same(content: BlockContent) -> None:  # I-04
    """Short lines, CRLF, and what another parser reads from it."""
    text = build_block(operation(content))
    assert build_block(operation(content)) == text
    assert text.endswith("\r\n")
    assert all(len(line.encode()) <= 75 and "\n" not in line for line in text.split("\r\n"))
    (event,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert str(event["SUMMARY"]) == content.title
    assert (event.decoded("DTSTART"), event.decoded("DTEND")) == (content.span.start, content.span.end)
    assert {each.name for each in icalendar.Calendar.from_ical(text).walk()} == {"VCALENDAR", "VEVENT"}


@given(title=st.text(max_size=60))
def test_no_title_adds_a_line(title: str) -> None:  # I-40
    """Not even one with line breaks, which the planner has removed before."""
    harmless = build_block(operation(BlockContent(Span(date(2026, 3, 3), date(2026, 3, 4)), "")))
    text = build_block(
        operation(BlockContent(Span(date(2026, 3, 3), date(2026, 3, 4)), f"{title}\r\nATTENDEE:mailto:x"))
    )
    unfolded = re.sub(r"\r\n ", "", text)
    names = [line.partition(":")[0] for line in unfolded.split("\r\n")]
    assert names == [line.partition(":")[0] for line in harmless.split("\r\n")]


def test_only_a_block_s_name_gets_a_body() -> None:
    with pytest.raises(InvalidValue):
        build_block(
            evolve(operation(BlockContent(Span(date(2026, 3, 3), date(2026, 3, 4)), "")), native_id="meeting.ics")
        )


@pytest.mark.parametrize(
    ("name", "uid", "tag", "mark"),
    [
        ("calsync-0a1b-0.ics", "calsync-0a1b-0", TAGGED.format("0a1b", 0), Mark("0a1b", 0, TAG)),
        ("calsync-0a1b-0.ics", "calsync-0a1b-0", TAGGED.format("0a1b", 0).replace(";", r"\;"), Mark("0a1b", 0, TAG)),
        ("calsync-0a1b-0.ics", "calsync-0a1b-0", "", Mark("0a1b", 0)),
        ("calsync-0a1b-0.ics", "another", "", Mark("0a1b", 0)),
        ("renamed.ics", "calsync-0a1b-7", TAGGED.format("0a1b", 7), Mark("0a1b", 7, TAG)),
        ("renamed.ics", "calsync-0a1b-7", "", Mark("0a1b", 7)),
        ("copy.ics", "copy", TAGGED.format("0a1b", 0), None),
        ("calsync-ffff-0.ics", "calsync-ffff-0", TAGGED.format("0a1b", 0), None),
        ("calsync-0a1b-0.ics", "calsync-0a1b-0", TAGGED.format("0a1b", 1), None),
        ("calsync-0a1b-0.ics", "calsync-0a1b-0", "X-CALSYNC-TAG:v1;garbled", Mark("0a1b", 0)),
        ("x.ics", "x", "SUMMARY:🔒 Locksmith", None),
    ],
)
def test_whose_block_it_is(name: str, uid: str, tag: str, mark: Mark | None) -> None:  # I-15, I-16, I-45
    body = "\n".join(filter(None, (f"UID:{uid}", STAMP, "DTSTART:20260303T090000Z", "DTEND:20260303T100000Z", tag)))
    assert one(body, name=name).mark == mark


BLOCK = timed(TAGGED.format("0a1b", 0)).replace("UID:x", "UID:calsync-0a1b-0")


@pytest.mark.parametrize(
    ("addition", "adorned"),
    [
        ("", False),
        ("ATTENDEE:mailto:bo@example.com", True),
        ("ORGANIZER:mailto:bo@example.com", True),
        ("ORGANIZER:MAILTO:Ana@Example.com", False),
        ("RRULE:FREQ=DAILY", True),
        ("RDATE:20260304T090000Z", True),
        ("CONFERENCE;VALUE=URI:https://meet.example.com/x", True),
        ("X-GOOGLE-CONFERENCE:https://meet.example.com/x", True),
        ("X-MICROSOFT-SKYPETEAMSMEETINGURL:https://teams.example.com/x", True),
        ("X-GOOGLE-CONFERENCE:", False),
        ("LOCATION:Room 1", False),
        ("X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC", False),
    ],
)
def test_what_makes_a_block_the_user_s(addition: str, adorned: bool) -> None:  # I-45
    assert one(f"{BLOCK}\n{addition}", own=("ana@example.com",)).adorned is adorned


def test_a_block_with_an_exception_is_the_user_s() -> None:  # I-45
    moved = BLOCK.replace("DTSTART:20260303T09", "DTSTART:20260303T08") + "\nRECURRENCE-ID:20260303T090000Z"
    assert [event.adorned for event in parse(f"{BLOCK}\n====\n{moved}")] == [True, True]


@pytest.mark.parametrize(
    ("description", "key"),
    [
        (r"CalSync [source:a@b.de:primary:e1]", "a@b.de:primary:e1"),
        (r"Hello\n CalSync [source:a@b.de:https://h:8443/dav/:e1] \nBye", "a@b.de:https://h:8443/dav/:e1"),
        (r"see CalSync [source:a@b.de:primary:e1]", None),
        (r"CalSync [source:a@b.de:primary:e1] and more", None),
        (r"CalSync [source:a@b.de:e1]", None),
        (r"CalSync [source:]", None),
        (r"calsync [source:a@b.de:primary:e1]", None),
    ],
)
def test_a_textual_tag_counts_only_whole(description: str, key: str | None) -> None:  # I-17
    event = one(timed(f"SUMMARY:🔒 Locksmith\nDESCRIPTION:{description}"))
    assert event.mark == (Mark(key, textual=True) if key else None)


@pytest.mark.parametrize("people", ["ATTENDEE:mailto:bo@example.com", "ORGANIZER:mailto:bo@example.com"])
def test_a_textual_tag_on_a_meeting_is_a_stranger_s_text(people: str) -> None:  # I-17
    assert one(timed(f"DESCRIPTION:CalSync [source:a@b.de:primary:e1]\n{people}")).mark is None
