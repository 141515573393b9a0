"""Which occurrences block which calendars, and how the blocks look."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.core.rules import Scene, is_block, judge, wanted
from calsync_core.models import (
    Availability,
    Calendar,
    Event,
    EventKind,
    Mark,
    MirrorRule,
    Occurrence,
    Response,
    Span,
    SyncPolicy,
    VerdictKind,
    Wanted,
)

NINE = datetime(2026, 3, 3, 9, tzinfo=UTC)


def calendar(number: int, **changes: Any) -> Calendar:
    name = f"calendar {number}"
    fields: dict[str, Any] = {"publish": True, "receive": True, "enabled": True} | changes
    return Calendar(account_id=number, owner="ana", remote_id=f"r{number}", name=name, id=number, **fields)


def scene(*rules: MirrorRule, count: int = 3, **changes: Any) -> Scene:
    calendars = {number: calendar(number) for number in range(1, count + 1)}
    return Scene(
        owner="ana",
        calendars=changes.pop("calendars", calendars),
        refs={number: f"memory:r{number}" for number in calendars},
        emails={number: f"ana{number}@example.com" for number in calendars},
        rules=rules,
        policy=changes.pop("policy", SyncPolicy()),
        **changes,
    )


def occurrence(uid: str = "m1", slot: str = "", **changes: Any) -> Occurrence:
    span = changes.pop("span", Span(NINE, NINE + timedelta(hours=1)))
    return Occurrence(Event(changes.pop("id", uid), uid, span, **changes), slot, span)


def only(found: tuple[Wanted, ...], target: int) -> Wanted:
    (wish,) = [wish for wish in found if wish.target_id == target]
    return wish


def test_every_publishing_calendar_blocks_every_other_receiving_one() -> None:
    calendars = {
        1: calendar(1),
        2: calendar(2, publish=False),
        3: calendar(3, receive=False),
        4: calendar(4, enabled=False),
    }
    found = wanted({n: [occurrence(f"m{n}")] for n in calendars}, scene(count=4, calendars=calendars))
    assert {(wish.source_id, wish.target_id) for wish in found} == {(1, 2), (3, 1), (3, 2)}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"response": Response.DECLINED}, VerdictKind.DECLINED),
        ({"availability": Availability.FREE}, VerdictKind.FREE),
        ({"cancelled": True}, VerdictKind.CANCELLED),
        ({"kind": EventKind.WORKING_LOCATION}, VerdictKind.NOT_A_MEETING),
        ({"kind": EventKind.BIRTHDAY}, VerdictKind.NOT_A_MEETING),
        ({"mark": Mark("k")}, VerdictKind.OUR_BLOCK),
        ({"parked": "no such zone"}, VerdictKind.PARKED),
        ({"span": Span(NINE, NINE)}, VerdictKind.EMPTY),
    ],
)
def test_what_takes_no_time_blocks_nothing(changes: dict[str, Any], kind: VerdictKind) -> None:  # decision 9, I-25
    assert judge(occurrence(**changes), MirrorRule(), scene(), 2).kind is kind
    assert wanted({1: [occurrence(**changes)]}, scene()) == ()


@pytest.mark.parametrize(
    ("unanswered", "shows"), [("tentative", Availability.TENTATIVE), ("busy", Availability.BUSY), ("none", None)]
)
def test_unanswered_invitations_are_mirrored_as_policy_says(unanswered: Any, shows: Availability | None) -> None:
    invited = occurrence(response=Response.NEEDS_ACTION)
    for told in (scene(policy=SyncPolicy(unanswered=unanswered)), scene(MirrorRule(unanswered=unanswered))):
        found = wanted({1: [invited]}, told)
        assert [wish.content.show_as for wish in found] == ([shows, shows] if shows else [])


@pytest.mark.parametrize(
    ("all_day", "shows"), [("busy", Availability.BUSY), ("free", Availability.FREE), ("skip", None)]
)
def test_all_day_events_are_mirrored_as_the_rule_says(all_day: Any, shows: Availability | None) -> None:
    trip = occurrence(span=Span(date(2026, 3, 3), date(2026, 3, 5)))
    found = wanted({1: [trip]}, scene(MirrorRule(target=2, all_day=all_day), MirrorRule(source=3)))
    assert [wish.content.show_as for wish in found] == ([shows] if shows else [])
    assert all(wish.content.span == trip.span for wish in found)  # I-18: a date stays a date


def test_a_target_that_cannot_say_tentative_says_busy() -> None:
    maybe = occurrence(availability=Availability.TENTATIVE)
    found = wanted({1: [maybe]}, scene(busy_only=frozenset({2})))
    assert only(found, 2).content.show_as is Availability.BUSY
    assert only(found, 3).content.show_as is Availability.TENTATIVE


def test_the_first_of_overlapping_rules_decides_the_look() -> None:
    told = scene(MirrorRule(source=1, title="One"), MirrorRule(target=2, title="Two"), MirrorRule(title="Rest"))
    found = wanted({1: [occurrence("a")], 3: [occurrence("b")]}, told)
    assert {(wish.uid, wish.target_id): wish.content.title for wish in found} == {
        ("a", 2): "One",
        ("a", 3): "One",
        ("b", 2): "Two",
        ("b", 1): "Rest",
    }


def test_one_meeting_on_two_sources_is_one_block_and_busy_wins() -> None:  # I-06
    found = wanted(
        {1: [occurrence(availability=Availability.TENTATIVE)], 2: [occurrence(id="other")]}, scene(MirrorRule())
    )
    assert [(wish.source_id, wish.target_id, wish.content.show_as) for wish in found] == [(2, 3, Availability.BUSY)]


def test_a_target_that_has_the_meeting_itself_is_not_blocked_unless_it_declined_there() -> None:  # decision 9
    both = {1: [occurrence(slot="20260303T090000Z")], 2: [occurrence(slot="20260303T090000Z", id="copy")]}
    assert {wish.target_id for wish in wanted(both, scene())} == {3}
    declined = {**both, 2: [occurrence(slot="20260303T090000Z", response=Response.DECLINED)]}
    assert {wish.target_id for wish in wanted(declined, scene())} == {2, 3}


def test_of_two_events_in_one_slot_of_a_calendar_each_has_its_block() -> None:  # decision 2
    found = wanted({1: [occurrence(id="a"), occurrence(id="b")]}, scene())
    assert {(wish.slot, wish.target_id) for wish in found} == {("", 2), ("#b", 2), ("", 3), ("#b", 3)}
    assert {wish.uid for wish in found} == {"m1"}


def test_an_event_without_uid_goes_by_its_id() -> None:
    found = wanted(
        {1: [Occurrence(Event("e7", None, Span(NINE, NINE + timedelta(1))), "", Span(NINE, NINE + timedelta(1)))]},
        scene(),
    )
    assert {wish.uid for wish in found} == {"id:e7"}


def test_a_block_with_people_and_a_strangers_textual_tag_are_real_events() -> None:  # I-17, I-45
    told = scene()
    assert is_block(occurrence(mark=Mark("k")).event, told)
    assert not is_block(occurrence(mark=Mark("k"), adorned=True).event, told)
    assert is_block(occurrence(mark=Mark("ANA1@example.com:r1:x", textual=True)).event, told)
    assert not is_block(occurrence(mark=Mark("eve@example.com:r1:x", textual=True)).event, told)
    assert not is_block(occurrence(mark=Mark("ana1@example.com:r9:x", textual=True)).event, told)
    assert not is_block(occurrence(title="🔒 Locksmith").event, told)


@given(st.text(max_size=400), st.text(max_size=400))
def test_titles_are_filled_in_literally_cut_and_clean(pattern: str, title: str) -> None:  # decision 7
    rule = MirrorRule(title=pattern + "{title}") if pattern else MirrorRule(title="{title}")
    content = judge(occurrence(title=title), rule, scene(), 2).content
    assert content is not None
    shown = content.title
    assert 0 < len(shown) <= 255
    assert shown == shown.strip()
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in shown)


def test_a_title_is_no_pattern() -> None:
    content = judge(occurrence(title="{0} {title} %s"), MirrorRule(title="W: {title}"), scene(), 2).content
    assert content is not None
    assert content.title == "W: {0} {title} %s"


@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_a_private_events_title_never_leaves(title: str) -> None:  # decision 7
    content = judge(occurrence(title=f"xq{title}", private=True), MirrorRule(title="{title}"), scene(), 2).content
    assert content is not None
    assert content.title == "Busy"


def test_calendars_named_by_a_rule_only() -> None:
    told = scene(MirrorRule(source=1, target=2))
    assert [(w.source_id, w.target_id) for w in wanted({1: [occurrence("a")], 2: [occurrence("b")]}, told)] == [(1, 2)]
