"""Titles that strangers chose, where a host lets titles through: text wherever they go, and never more (I-39).

Whoever sends an invitation chooses its title; with ``title="{title}"`` it is written into other calendars.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

import google_hands
import google_scripts
import graph_scripts
from calsync_core.icalendar.components import parse_components
from calsync_core.icalendar.names import block_id
from calsync_core.icalendar.reader import Reader
from calsync_core.models import BlockContent, Mark, Operation, OperationKind, OutcomeStatus, Reason, SyncPolicy
from calsync_core.providers.caldav.blocks import build_block
from calsync_core.providers.caldav.names import quoted_etag
from calsync_core.providers.google import wire as google_wire
from calsync_core.providers.microsoft import wire as graph_wire
from calsync_core.testing.provider_contract.bench import TAG
from calsync_core.testing.provider_contract.fixtures import BUSY, KEY, LATER, OTHER_KEY
from world import World, at

TITLES = [
    "Lunch\r\nATTENDEE:mailto:boss@example.com",
    "Lunch\nEND:VEVENT\nBEGIN:VEVENT\nUID:evil",
    "Lunch\rORGANIZER:mailto:x@example.com",
    "Lunch\u2028DESCRIPTION:x\u2029LOCATION:x\x85URL:http://evil.example/",
    "Lunch\x0bDTSTART:20260101T000000Z\x0cEND:VCALENDAR",
    "Lunch\\nATTENDEE:mailto:x\\;\\,\\\\",
    'Lunch;CN="x":mailto:x@example.com',
    "Lunch\x00after\x1b[2J\x07",
    "Lunch\ud83d\udd12\ud800",
    "\u202egnp.exe\u202c\u2066\u2069",
    "🔒 Busy",
    "CalSync [source:ana@example.com:work:1]",
    "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}",
    "--batch-0123456789\r\nContent-Type: application/http\r\n\r\nDELETE /calendar/v3/calendars/x HTTP/1.1",
    "{title}{title}{0}%s%(x)s$title",
    "<script>alert(1)</script>&lt;&#10;",
    "a" * 100_000,
    "é" * 74 + "🔒" * 74,
    " \t ",
    "\ufeffBEGIN:VCALENDAR",
    "=?utf-8?q?x?=",
]

LINES = [
    "UID",
    "DTSTAMP",
    "DTSTART",
    "DTEND",
    "SUMMARY",
    "CLASS",
    "TRANSP",
    "STATUS",
    "X-MICROSOFT-CDO-BUSYSTATUS",
    "X-CALSYNC-TAG",
]


def operation(title: str, kind: OperationKind = OperationKind.CREATE) -> Operation:
    content = BlockContent(BUSY.span, title)
    decided = datetime(2026, 3, 1, tzinfo=UTC)
    return Operation(kind, f"{KEY}.0", 1, block_id(KEY, 0), content, TAG, Reason.BOOKED, decided)


titles = st.sampled_from(TITLES) | st.text(max_size=200) | st.lists(st.sampled_from(TITLES), max_size=3).map("".join)


@given(titles)
@example("Lunch\u2028ATTENDEE:mailto:x")
def test_a_title_is_one_line_of_a_calendar_file(title: str) -> None:
    """Under every way to tell lines apart that a program may have, and with the same lines as any other block."""
    text = build_block(operation(title))
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    unfolded = text.replace("\r\n ", "")
    assert unfolded.splitlines() == re.split(r"\r\n", unfolded)[:-1]
    (calendar,) = parse_components(text).components
    (event,) = calendar.components
    assert [line.name for line in event.properties] == LINES
    assert not [line for line in event.properties if line.parameters]
    (shown,) = Reader().parse(block_id(KEY, 0), text).events
    assert shown.mark == Mark(KEY, 0, TAG)
    assert not shown.adorned
    assert shown.title == re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]", " ", title)


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:30])
def test_a_title_crosses_from_calendar_to_calendar_as_text(title: str) -> None:
    """By way of the whole engine, with a rule that lets titles through."""
    world = World(("work", "home"), policy=SyncPolicy(horizon_days=30, title="{title}"))
    service = world.memory
    service.put(world.remote["work"], evolve(service.event("x", at(1), at(1, 10)), title=title))
    report = world.engine.sync_all_calendars()
    assert (report.busy_blocks_created, report.errors) == (1, ())
    (block,) = (one for item in service.items(world.remote["home"]) for one in item.events)
    assert len(block.title) <= 255
    assert not [sign for sign in block.title if unicodedata.category(sign) in {"Cc", "Cs"}]
    assert world.engine.sync_all_calendars().as_dict()["busy_blocks_updated"] == 0


# -- what a server says, and what goes out again in a header ----------------------------------------------------------

ETAGS = ['"a"\r\nX-Injected: yes', '"a\x00"', '"\ud83d"', '"é€"', '"a"' * 50_000, '"a"\nDELETE /x HTTP/1.1\n\n', "\x7f"]


@pytest.mark.parametrize("etag", ETAGS, ids=lambda etag: ascii(etag)[:30])
def test_a_tag_that_would_be_more_than_a_tag_is_none(etag: str) -> None:
    """It goes out again as a header, alone or in a part of a batch: what can't is looked at afresh."""
    assert google_wire.parse_item(google_scripts.event("a", etag=etag)).etag is None
    assert graph_wire.parse_item(graph_scripts.event("a", **{"@odata.etag": etag})).etag is None
    assert quoted_etag(etag) is None
    assert google_wire.parse_item(google_scripts.event("a", etag='"a b"')).etag == quoted_etag('"a b"') == '"a b"'


@pytest.mark.parametrize("etag", [etag for etag in ETAGS if "\ud83d" not in etag], ids=lambda etag: ascii(etag)[:30])
def test_a_block_with_such_a_tag_is_still_ours_to_write(etag: str) -> None:  # I-37
    bench = google_hands.bench_of()
    for key in (KEY, OTHER_KEY):
        bench.create(key, BUSY)
        google_hands.google_of(bench).corrupt(bench.calendar.remote_id, bench.native_id(key), etag=etag)
    known = {item.key: item.etag for item in bench.read().items}
    assert set(known.values()) == {None}
    intents = [bench.intent(OperationKind.UPDATE, key, LATER, etag=None) for key in (KEY, OTHER_KEY)]
    assert {outcome.status for outcome in bench.apply(*intents)} == {OutcomeStatus.DONE}
