"""``calsync demo``: the example calendars, the second opinion that checks the engine's work, and the whole story."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import recurring_ical_events
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from calsync_core.cli.application import calsync
from calsync_core.cli.demo import story, telling
from calsync_core.cli.demo.calendars import EXAMPLE_MONDAY, read_calendar, shift, split, story_monday
from calsync_core.cli.demo.desks import Desk
from calsync_core.cli.demo.google import GoogleDesk
from calsync_core.cli.demo.microsoft import GraphDesk
from calsync_core.cli.demo.proof import Shown, block_differences, shown_on, shown_week
from calsync_core.cli.demo.story import CHAPTERS
from calsync_core.cli.demo.town import EMAIL, ZONE, Town, open_town
from calsync_core.cli.registry import DEMO_NEEDS
from calsync_core.testing.servers import ServerError
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator

pytestmark = pytest.mark.fiction

NAMES = ("work", "on-call", "private", "family")
DAYS = st.dates(date(2024, 1, 1), date(2032, 12, 31))


# -- the example calendars ----------------------------------------------------------------------------------------


@given(today=DAYS)
def test_the_storys_week_begins_on_a_monday_two_to_eight_days_ahead(today: date) -> None:
    monday = story_monday(today)
    assert monday.weekday() == 0
    assert timedelta(days=2) <= monday - today <= timedelta(days=8)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_calendars_are_real_icalendar_files(name: str) -> None:
    text = read_calendar(name)
    events = Calendar.from_ical(text).walk("VEVENT")
    assert len(events) >= 2
    assert all(len(line.encode()) <= 75 for line in text.splitlines())
    named = set(re.findall(r"TZID=([^:;]+)", text))
    assert named == set(re.findall(r"^TZID:(.+)$", text, re.MULTILINE))


def test_the_example_calendars_have_what_makes_syncing_hard() -> None:
    everything = "".join(read_calendar(name) for name in NAMES)
    for needed in (
        "RRULE:FREQ=WEEKLY",
        "INTERVAL=2",
        "EXDATE;TZID",
        "RECURRENCE-ID;TZID",
        "VALUE=DATE",
        "PARTSTAT=DECLINED",
        "PARTSTAT=NEEDS-ACTION",
        "STATUS:TENTATIVE",
        "STATUS:CANCELLED",
        "TRANSP:TRANSPARENT",
        "CLASS:PRIVATE",
        "TZID=America/New_York",
        "TZID=Europe/London",
        "BEGIN:VALARM",
    ):
        assert needed in everything.replace("\r\n ", ""), needed


@given(weeks=st.integers(-150, 350), name=st.sampled_from(NAMES))
def test_shifting_by_weeks_keeps_weekdays_and_wall_times(weeks: int, name: str) -> None:  # I-19
    def local_week(text: str, monday: date) -> list[tuple[str, int, str]]:
        start = datetime(monday.year, monday.month, monday.day, tzinfo=ZoneInfo("Europe/Berlin"))
        found = recurring_ical_events.of(Calendar.from_ical(text)).between(start, start + timedelta(days=7))
        return sorted(
            (str(each["UID"]), (as_date(began) - monday).days, f"{began:%H:%M}")
            for each in found
            for began in [each.decoded("DTSTART")]
            if "RRULE:FREQ=YEARLY" not in str(each.to_ical())
        )

    def as_date(moment: date) -> date:
        return moment.date() if isinstance(moment, datetime) else moment

    text = read_calendar(name)
    monday = EXAMPLE_MONDAY + timedelta(weeks=weeks)
    assert local_week(shift(text, 7 * weeks), monday) == local_week(text, EXAMPLE_MONDAY)


@pytest.mark.parametrize("name", NAMES)
def test_splitting_loses_no_event(name: str) -> None:
    text = read_calendar(name)
    parts = split(text)
    events = [event for part in parts.values() for event in Calendar.from_ical(part).walk("VEVENT")]
    whole = Calendar.from_ical(text).walk("VEVENT")
    assert sorted(event.to_ical() for event in events) == sorted(event.to_ical() for event in whole)
    for part in parts.values():
        assert len({str(event["UID"]) for event in Calendar.from_ical(part).walk("VEVENT")}) == 1
        assert all(len(line) <= 75 for line in part.splitlines())


# -- the second opinion: a check that can't fail would prove nothing -------------------------------------------------


BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 30, 9, tzinfo=BERLIN)
MEETING = Shown(MONDAY, MONDAY + timedelta(hours=1), "busy", "Meeting", "m@test", MONDAY, block=False)
BLOCK = evolve(MEETING, title="Busy", uid="block", block=True)


def test_the_right_blocks_are_no_difference() -> None:
    assert block_differences({"Work": [MEETING], "Home": [BLOCK]}) == []


@pytest.mark.parametrize(
    ("week", "wrong"),
    [
        ({"Work": [MEETING], "Home": []}, ["Home: missing Mon 30 Nov 09:00"]),
        ({"Work": [MEETING], "Home": [BLOCK, BLOCK]}, ["Home: too much Mon 30 Nov 09:00"]),
        ({"Work": [MEETING, BLOCK], "Home": [BLOCK]}, ["Work: too much Mon 30 Nov 09:00"]),
        ({"Work": [evolve(MEETING, kind="declined")], "Home": [BLOCK]}, ["Home: too much Mon 30 Nov 09:00"]),
        ({"Work": [evolve(MEETING, kind="free")], "Home": [BLOCK]}, ["Home: too much Mon 30 Nov 09:00"]),
        (
            {"Work": [evolve(MEETING, kind="tentative")], "Home": [BLOCK]},
            ["Home: missing Mon 30 Nov 09:00", "Home: too much Mon 30 Nov 09:00"],
        ),
        (
            {"Work": [MEETING], "Home": [evolve(BLOCK, start=MONDAY - timedelta(hours=1))]},
            ["Home: missing Mon 30 Nov 09:00", "Home: too much Mon 30 Nov 08:00"],
        ),
        ({"Work": [MEETING], "Home": [MEETING, BLOCK]}, ["Home: too much Mon 30 Nov 09:00"]),
    ],
)
def test_every_wrong_block_is_a_difference(week: dict[str, list[Shown]], wrong: list[str]) -> None:
    assert block_differences(week) == wrong


# -- Google's and Microsoft's events: made from the same files, and read back by the demo's own code ------------------

EXTRA = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//calsync-core//tests//EN",
        "BEGIN:VEVENT",
        "UID:extra@test",
        "DTSTAMP:20260105T080000Z",
        "DTSTART;VALUE=DATE:20260105",
        "DTEND;VALUE=DATE:20260106",
        "SUMMARY:Extra\\, all day; and so on",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
)
YEARLY = EXTRA.replace("SUMMARY", "RRULE:FREQ=YEARLY\r\nSUMMARY")


@pytest.fixture
def google() -> Iterator[GoogleDesk]:
    with GoogleSimulator() as simulator, httpx.Client(trust_env=False) as client:
        primary = simulator.add_user(EMAIL, timezone=ZONE)
        yield GoogleDesk("Private", client, simulator, primary, simulator.issue_token(EMAIL))


@pytest.fixture
def graph() -> Iterator[GraphDesk]:
    with GraphSimulator() as simulator, httpx.Client(trust_env=False) as client:
        simulator.add_user(EMAIL, zone="W. Europe Standard Time")
        [calendar] = simulator.calendars(EMAIL)
        yield GraphDesk("Work", client, simulator, calendar, EMAIL, ZONE, simulator.token(EMAIL))


def check_reads_back(desk: Desk, name: str) -> None:
    """That the service lists what the file says; what was left out of a series, as cancelled."""
    texts = split(read_calendar(name))
    desk.put(texts)
    for weeks in (0, 1, 12, 30):  # the 12th is the one in which the clocks change
        there = Town(EXAMPLE_MONDAY + timedelta(weeks=weeks), ())
        wanted = Counter(shown_on(there, texts, own=set(texts)))
        shown = Counter(shown_on(there, desk.listing(), own=set(texts)))
        assert wanted, weeks
        assert wanted - shown == Counter()
        left_out = [f"{each.start:%a %H:%M} {each.kind} {each.title}" for each in (shown - wanted).elements()]
        assert left_out == (["Wed 09:15 cancelled Stand-up"] if (name, weeks) == ("work", 0) else [])


@pytest.mark.parametrize("name", ["on-call", "private", "family"])
def test_google_lists_what_the_files_say(google: GoogleDesk, name: str) -> None:  # I-18, I-19
    check_reads_back(google, name)


@pytest.mark.parametrize("name", ["work", "on-call", "private"])
def test_microsoft_lists_what_the_files_say(graph: GraphDesk, name: str) -> None:  # I-18, I-19
    check_reads_back(graph, name)


def test_all_day_series_are_read_back_from_both(google: GoogleDesk, graph: GraphDesk) -> None:  # I-18
    series = EXTRA.replace("SUMMARY", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\nEXDATE;VALUE=DATE:20260107\r\nSUMMARY")
    [event] = re.findall(r"BEGIN:VEVENT.*END:VEVENT\r\n", EXTRA, re.DOTALL)
    moved = event.replace("20260105", "20260113").replace("20260106", "20260114")
    moved = moved.replace("SUMMARY:Extra", "RECURRENCE-ID;VALUE=DATE:20260112\r\nSUMMARY:Moved")
    texts = {"series.ics": series.replace("END:VCALENDAR", f"{moved}END:VCALENDAR")}
    for desk in (google, graph):
        desk.put(texts)
        for weeks in (0, 1, 2):
            there = Town(EXAMPLE_MONDAY + timedelta(weeks=weeks), ())
            shown = [each for each in shown_on(there, desk.listing(), own=set(texts)) if each.kind != "cancelled"]
            assert shown == shown_on(there, texts, own=set(texts))


def test_a_listing_goes_over_as_many_pages_as_there_are(google: GoogleDesk, graph: GraphDesk) -> None:  # I-13
    google.put(split(read_calendar("private")))
    graph.put(split(read_calendar("work")))
    whole = google.listing(), graph.listing()
    google.google.habits.page_size, google.google.habits.empty_pages = 2, 1
    graph.graph.habits.longest_page = 3
    google.google.clear_log()
    graph.graph.clear_log()
    assert (google.listing(), graph.listing()) == whole
    assert google.google.count()["GET"] > 3
    assert graph.graph.count()["GET"] > 4


def test_answers_at_google_are_read_back(google: GoogleDesk) -> None:
    texts = {name: text for name, text in split(read_calendar("work")).items() if "ATTENDEE" in text}
    google.put(texts)
    there = Town(EXAMPLE_MONDAY, ())
    shown = shown_on(there, google.listing(), own=set(texts))
    assert [each.kind for each in shown] == ["tentative", "declined", "busy"]
    assert shown == shown_on(there, texts, own=set(texts))


def test_a_cancelled_occurrence_at_google_is_read_back(google: GoogleDesk) -> None:
    [name, text] = next(pair for pair in split(read_calendar("private")).items() if "choir" in pair[0])
    google.put({name: text})
    cancelled = text.replace("SUMMARY:Choir (moved)", "SUMMARY:Choir\r\nSTATUS:CANCELLED")
    google.put({name: cancelled})
    shown = shown_on(Town(EXAMPLE_MONDAY, ()), google.listing(), own={name})
    assert [(each.kind, f"{each.slot:%a %H:%M}") for each in shown] == [("cancelled", "Wed 19:30")]


def test_a_change_that_shows_nowhere_does_not_go_unnoticed(google: GoogleDesk, graph: GraphDesk) -> None:  # I-02
    for desk in (google, graph):
        desk.put({"extra.ics": EXTRA})
        assert desk.untouched(desk.listing())
    [event] = google.google.events(google.calendar_id)
    google.google.patch_event(google.calendar_id, event["id"], {"colorId": "4"})
    [event] = graph.graph.events(graph.calendar_id)
    graph.graph.patch_event(event["id"], {"categories": ["Red"]})
    assert not google.untouched(google.listing())
    assert not graph.untouched(graph.listing())


def test_a_series_that_the_demo_cannot_translate_is_refused(graph: GraphDesk) -> None:
    with pytest.raises(ServerError, match="no way to repeat an event at Microsoft like RRULE:FREQ=YEARLY"):
        graph.put({"yearly.ics": YEARLY})


@pytest.mark.parametrize("service", ["google", "graph"])
def test_a_service_that_refuses_to_list_is_an_error(service: str, request: pytest.FixtureRequest) -> None:
    desk = request.getfixturevalue(service)
    desk.token = "wrong"
    with pytest.raises(ServerError, match=r"GET .*/events gave 401"):
        desk.listing()


# -- the town --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    if find_spec("radicale") is None:
        pytest.skip("radicale is not installed")
    with open_town(story_monday(datetime.now(BERLIN).date())) as made:
        yield made


@pytest.mark.server
def test_the_town_shows_the_storys_week_and_misses_every_block(town: Town) -> None:
    listings = town.listings()
    week = shown_week(town, listings)
    assert [len(listings[desk.name]) for desk in town.desks] == [len(desk.own) for desk in town.desks]
    kinds = {each.kind for shown in week.values() for each in shown}
    assert kinds == {"busy", "tentative", "free", "declined", "cancelled"}
    differences = block_differences(week)
    assert len(differences) >= 40
    assert all(": missing " in each for each in differences)


@pytest.mark.server
def test_a_changed_event_of_hers_does_not_go_unnoticed(town: Town) -> None:  # I-02
    for desk in town.desks:
        listing = desk.listing()
        assert desk.untouched(listing)
        name, text = next(iter(listing.items()))
        assert not desk.untouched({**listing, name: text.replace("SUMMARY:", "SUMMARY:Not ")})
        assert not desk.untouched({other: each for other, each in listing.items() if other != name})


@pytest.mark.server
def test_what_she_deletes_is_gone_from_its_service(town: Town) -> None:
    for desk in town.desks:
        before = desk.listing()
        desk.put({"extra.ics": EXTRA})
        assert set(desk.listing()) == {*before, "extra.ics"}
        assert not desk.blocks(desk.listing())
        desk.delete("extra.ics")
        assert desk.listing() == before
        assert "extra.ics" not in {*desk.own, *desk.stored}


@pytest.mark.server
def test_all_of_anas_edits_change_what_they_should(town: Town) -> None:
    def work() -> list[tuple[str, str]]:
        desk = town.desk("Work")
        return [
            (each.title, f"{each.start:%a %H:%M} {each.kind}")
            for each in shown_on(town, desk.listing(), own=set(desk.own))
        ]

    edits = {chapter.title: chapter.edit for chapter in CHAPTERS}
    assert ("Design review", "Tue 14:00 busy") in work()
    edits["A meeting moves"](town)
    assert ("Design review", "Wed 10:00 busy") in work()
    assert ("Design review", "Tue 14:00 busy") not in work()
    edits["Ana declines"](town)
    assert ("Budget round", "Thu 13:00 declined") in work()
    edits["One occurrence is cancelled"](town)
    assert ("Stand-up", "Thu 09:15 cancelled") in work()
    assert ("Stand-up", "Fri 09:15 busy") in work()


# -- the whole story ------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_the_story_comes_out_right_and_says_so_as_json() -> None:
    result = CliRunner().invoke(calsync, ["demo", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert [step["wrong"] for step in told["steps"]] == [[]] * len(told["steps"])
    assert len(told["steps"]) == len(CHAPTERS) + 2
    keys = {"title", "wrong", "created", "updated", "deleted", "requests", "seconds", "ok"}
    assert all(step.keys() == keys for step in told["steps"])
    idle = next(step for step in told["steps"] if step["title"] == "Nothing happened")
    assert (idle["created"], idle["updated"], idle["deleted"]) == (0, 0, 0)
    assert 0 < idle["requests"] <= 4
    assert told["steps"][0]["created"] == told["steps"][-1]["deleted"] + 6


@pytest.mark.server
@pytest.mark.parametrize("width", [80, 120])
def test_the_story_is_readable_without_a_terminal(tmp_path: Path, width: int) -> None:
    command = [sys.executable, "-c", "import sys; from calsync_core.cli import main; sys.exit(main())", "demo"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"COLUMNS": str(width), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\x1b" not in ended.stdout
    assert all(len(line) <= width for line in ended.stdout.splitlines())
    assert f"all {len(CHAPTERS) + 2} steps came out right" in ended.stdout
    for words in ("Design review", "🔒 Busy", "was deleted by hand", "moved", "0 missing, 0 extra, 0 wrong"):
        assert words in ended.stdout
    told = " ".join(ended.stdout.split())
    assert "Work On-call Private Family Microsoft CalDAV Google CalDAV" in told
    assert "Google and Microsoft are simulated on this machine; the CalDAV servers are real." in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.server
def test_a_step_that_goes_wrong_ends_with_code_1_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ana's flight is off the moment her block is gone: the story expects the block back, and must notice."""

    def delete_block_and_flight(town: Town) -> None:
        story.CHAPTERS[4].edit(town)
        town.desk("Private").delete("flight-lhr.ics")

    changed = evolve(story.CHAPTERS[4], edit=delete_block_and_flight)
    monkeypatch.setattr(telling, "CHAPTERS", (*story.CHAPTERS[:4], changed, *story.CHAPTERS[5:]))
    result = CliRunner().invoke(calsync, ["demo"])
    assert result.exit_code == 1
    assert "did not come out right: 5 (A block is deleted by mistake)" in " ".join(result.stdout.split())


def test_all_that_the_demo_needs_comes_with_its_extra() -> None:
    """What the tests bring along hides what is missing."""
    comes = {canonicalize_name(name) for name in required("calsync-core", {"demo"})}
    packages = metadata.packages_distributions()
    for name in DEMO_NEEDS:
        assert {canonicalize_name(each) for each in packages[name.partition(".")[0]]} & comes, name


def required(distribution: str, extras: Collection[str]) -> set[str]:
    """The names of all distributions that one installs with these extras, itself included."""
    found, waiting = set(), [(distribution, frozenset(extras))]
    while waiting:
        asked = waiting.pop()
        if asked in found:
            continue
        found.add(asked)
        name, wanted = asked
        for line in metadata.requires(name) or ():
            needed = Requirement(line)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                waiting.append((needed.name, frozenset(needed.extras)))
    return {name for name, _ in found}
