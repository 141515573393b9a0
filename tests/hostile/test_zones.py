"""Names of time zones that are something else: paths, files of the system, far too long (I-24)."""

from __future__ import annotations

import sys
import sysconfig
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import google_scripts
import graph_scripts
from caldav_hands import ics
from calsync_core.core import zones
from calsync_core.core.zones import resolve_zone
from calsync_core.icalendar.reader import Reader
from calsync_core.providers.google.wire import parse_item as parse_google
from calsync_core.providers.microsoft.wire import parse_item as parse_graph
from enemy import Enemy

NAMES = [
    "../../etc/passwd",
    "../../../../../../etc/localtime",
    "/etc/passwd",
    "/etc/localtime",
    "//etc/localtime",
    "/x/../../etc/localtime",
    "Europe/../../../etc/localtime",
    "Europe/./Berlin",
    "Europe//Berlin",
    "Europe/Berlin/",
    "Europe",
    "America/Argentina",
    "localtime",
    "posixrules",
    "Factory",
    "zone.tab",
    "tzdata.zi",
    "leapseconds",
    "leap-seconds.list",
    "iso3166.tab",
    "+VERSION",
    "posix",
    "right",
    "Europe/Berlin\x00",
    "\x00",
    "Europe\\Berlin",
    "C:\\Windows\\System32",
    "\\\\evil.example\\share",
    "file:///etc/localtime",
    "http://evil.example/zone",
    "~/x",
    "con",
    "~root",
    "Europe/Berlin\n",
    "\ud83d",
    "Ｅｕｒｏｐｅ/Ｂｅｒｌｉｎ",
    "E" * 10_000,
    "/" * 10_000,
    "../" * 5_000 + "etc/localtime",
    "Europe/" * 5_000 + "Berlin",
]

_opened: list[str] | None = None


def _note(name: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and name == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opening() -> Iterator[list[str]]:
    """What files are opened meanwhile, by whatever code."""
    global _opened  # noqa: PLW0603  (an audit hook can't be taken off again)
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def is_zone_file(name: str) -> bool:
    places = (*zoneinfo.TZPATH, str(Path(sysconfig.get_paths()["purelib"]) / "tzdata"))
    path = Path(name)
    return path.is_absolute() and ".." not in path.parts and name.startswith(places)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    zones._resolve.cache_clear()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_no_name_opens_a_file_that_is_no_zone(name: str) -> None:
    with opening() as opened:
        found = resolve_zone(name)
        for kind in (f"DTSTART;TZID={name}", f'DTSTART;TZID="{name}"'):
            with suppress(ValueError):
                Reader().parse("x", ics(f"UID:x\n{kind}:20260303T090000"))
        place = {"dateTime": "2026-03-03T09:00:00", "timeZone": name}
        for parse, event in ((parse_google, google_scripts.event), (parse_graph, graph_scripts.event)):
            with suppress(ValueError):
                parse(event("x", start=place, end=place))
    assert [name for name in opened if not is_zone_file(name)] == []
    assert found is None or "/" in found.key


@given(st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed))))
def test_no_text_made_of_names_opens_one_either(enemy: Enemy) -> None:
    with opening() as opened:
        for _ in range(5):
            resolve_zone(
                enemy.text(enemy.chance.choice((*NAMES[:33], "Europe/Berlin", "/x/Europe/Berlin")), NAMES[:33])
            )
    assert [name for name in opened if not is_zone_file(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "right/Europe/Berlin",
        "right/right/Europe/Berlin",
        "posix/right/right/Europe/Berlin",
        "right/posix/right/Europe/Berlin",
    ],
)
def test_no_zone_counts_leap_seconds(name: str) -> None:
    """Half a minute off, where the system has such files; and a key that other machines don't know."""
    zone = resolve_zone(name)
    assert zone is not None
    assert zone.key == "Europe/Berlin"
    assert datetime(2026, 3, 3, 9, tzinfo=zone) == datetime(2026, 3, 3, 8, tzinfo=UTC)


# -- VTIMEZONE --------------------------------------------------------------------------------------------------------


def vtimezone(*observances: str) -> str:
    return f"BEGIN:VTIMEZONE\nTZID:Odd\n{''.join(observances)}END:VTIMEZONE\n"


def observance(kind: str, start: str, before: str, after: str, rule: str = "") -> str:
    return f"BEGIN:{kind}\nDTSTART:{start}\nTZOFFSETFROM:{before}\nTZOFFSETTO:{after}\n{rule}\nEND:{kind}\n"


ODD_ZONES = {
    "no observances": "",
    "offsets of 99 hours": observance("STANDARD", "19700101T000000", "+9999", "-9999"),
    "almost a day to and fro": observance(
        "STANDARD", "19700101T000000", "+2359", "-2359", "RRULE:FREQ=YEARLY;BYYEARDAY=1"
    ),
    "offsets that are none": observance("STANDARD", "19700101T000000", "", "1e9"),
    "a start that is none": observance("STANDARD", "00000000T000000", "+0100", "+0200"),
    "the year 1": observance("STANDARD", "00010101T000000", "+2300", "-2300"),
    "the year 9999": observance("STANDARD", "99991231T235959", "-2300", "+2300"),
    "rules within rules": observance(
        "STANDARD", "19700101T000000", "+0100", "+0200", "RRULE:FREQ=YEARLY\nRRULE:FREQ=YEARLY"
    ),
    "every second": observance("STANDARD", "19700101T000000", "+0100", "+0200", "RRULE:FREQ=SECONDLY"),
    "a rule that is none": observance("STANDARD", "19700101T000000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYDAY=99XX"),
    "never": observance("STANDARD", "00010131T000000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
    "a zone in the zone": vtimezone(observance("STANDARD", "19700101T000000", "+0100", "+0200")),
}


@pytest.mark.parametrize("zone", ODD_ZONES)
@pytest.mark.parametrize("start", ["20260303T090000", "10000101T000000", "99901231T235959"])
@pytest.mark.parametrize("rule", ["", "\nRRULE:FREQ=DAILY\nEXDATE;TZID=Odd:20260304T090000"])
def test_a_zone_of_its_own_is_an_instant_or_parked_or_a_debt(zone: str, start: str, rule: str) -> None:
    text = ics(f"UID:x\nDTSTART;TZID=Odd:{start}\nDURATION:PT1H{rule}", zones=vtimezone(ODD_ZONES[zone]))
    try:
        (event,) = Reader().parse("x", text).events
    except ValueError:
        return
    first, last = event.span.edges(UTC)
    written = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    assert event.parked or (last - first == timedelta(hours=1) and abs(first - written) < timedelta(days=1))


def test_a_zone_that_names_itself_in_a_circle_is_itself() -> None:
    """Names are resolved once and never through another VTIMEZONE."""
    zones = vtimezone("X-LIC-LOCATION:Odd\n", observance("STANDARD", "19700101T000000", "+0100", "+0330"))
    (event,) = Reader().parse("x", ics("UID:x\nDTSTART;TZID=Odd:20260303T090000", zones=zones)).events
    assert event.span.start == datetime(2026, 3, 3, 5, 30, tzinfo=UTC)
