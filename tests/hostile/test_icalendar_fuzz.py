"""Calendar files that an enemy wrote: an item, parked with a reason, or a ValueError, which is a debt (I-07, I-24)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caldav_hands import ics
from calsync_core.core.extent import reach
from calsync_core.core.identity import Keyring
from calsync_core.core.occurrences import bounds, expand
from calsync_core.core.reading import relevant
from calsync_core.icalendar import components, parse_feed
from calsync_core.icalendar.components import MAX_TEXT, parse_components
from calsync_core.icalendar.reader import MAX_EVENTS, Reader, parse_zone_name
from calsync_core.models import Item, Window
from confined import confined
from enemy import TITLE, Enemy

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(NOW, NOW.replace(month=6))
READERS = (Reader(), Reader(BERLIN, frozenset({"ana@example.com"})))
KEYRING = Keyring.of("a secret for tests only")

ZONE = """BEGIN:VTIMEZONE
TZID:Odd
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
RDATE:20260101T000000
END:DAYLIGHT
END:VTIMEZONE
"""
INVITATION = ics(
    f"""UID:i
DTSTAMP:20260301T000000Z
DTSTART;TZID=Odd:20260303T090000
DTEND;TZID="Odd":20260303T100000
RRULE:FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20260601T000000Z
EXDATE;TZID=Odd:20260305T090000,20260310T090000
RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20260306T090000/PT1H
SUMMARY;LANGUAGE=en;X-P="a:b;c":{TITLE}\\, and more
ORGANIZER;CN=Bo:mailto:bo@example.com
ATTENDEE;PARTSTAT=ACCEPTED;CN="A, B":mailto:ana@example.com
SEQUENCE:2
CLASS:PRIVATE
X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE
ATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA
BEGIN:VALARM
TRIGGER:-PT15M
END:VALARM""",
    f"""UID:i
DTSTAMP:20260301T000000Z
RECURRENCE-ID;TZID=Odd;RANGE=THISANDFUTURE:20260312T090000
DTSTART;TZID=Odd:20260312T110000
DURATION:P0DT1H30M
SUMMARY:{TITLE}""",
    f"UID:calsync-0-0\nDTSTART;VALUE=DATE:20260303\nDTEND;VALUE=DATE:20260305\nSUMMARY:{TITLE}\nX-CALSYNC-TAG:v1;i=a",
    zones=ZONE,
)
DATA = Path(__file__).parents[1] / "core" / "data"
FILES = (INVITATION, *(path.read_text() for path in sorted(DATA.glob("*.ics"))))

PIECES = (
    *(
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "BEGIN:VEVENT",
        "END:VEVENT",
        "BEGIN:VTIMEZONE",
        "END:VTIMEZONE",
        "BEGIN:X",
        "",
    ),
    *(
        "BEGIN:STANDARD",
        "END:STANDARD",
        "UID:i",
        "UID:",
        "UID:\u2028",
        f"UID:{'u' * 5_000}",
        "DTSTART:00010101T000000Z",
    ),
    *("DTSTART:99991231T235959", "DTSTART:20260230", "DTSTART;TZID=Odd:10000101T000000", "DTEND:99901231T235960Z"),
    *("DTSTART;VALUE=DATE:99901231", "DTSTART;TZID=../../etc/passwd:20260303T090000", "DTSTART;TZID=:20260303T090000"),
    *("DURATION:P99999999999D", f"DURATION:P{'9' * 5_000}W", "DURATION:-PT1S", "DURATION:P", "RECURRENCE-ID:20260303"),
    *(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:10000101T000000Z",
        "RECURRENCE-ID;TZID=No:20260303T090000",
        "SEQUENCE:99999999999",
    ),
    *("RRULE:FREQ=SECONDLY", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "RRULE:FREQ=DAILY;COUNT=1000000000000"),
    *("RRULE:FREQ=DAILY;INTERVAL=0", "RRULE:FREQ=DAILY;UNTIL=19700101", f"RRULE:{'A' * 3_000}", "EXRULE:FREQ=MINUTELY"),
    *("RRULE:FREQ=YEARLY;COUNT=99999;BYDAY=MO,TU,WE,TH,FR,SA,SU", "RRULE:FREQ=YEARLY;BYYEARDAY=-366;BYSETPOS=-1,1"),
    *("EXDATE:" + "20260303T090000Z," * 400, "RDATE;VALUE=PERIOD:20260303T090000Z/P9999W", "RDATE:99901231T235959Z"),
    *(
        "TZOFFSETFROM:+9999",
        "TZOFFSETTO:-2359",
        "TZOFFSETTO:+235959",
        "TZID:Europe/Berlin",
        "TZID:Odd",
        "X-LIC-LOCATION:..",
    ),
    *(
        "A" + ";B= " * 30,
        'A;B="',
        ";:",
        ":",
        "X" * 300 + ":1",
        " folded",
        "\tfolded",
        "STATUS:CANCELLED",
        "SUMMARY:\x00\x1b",
    ),
)

enemies = st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed)))


def read(reader: Reader, text: str) -> Item | None:
    """As a sync reads it; None: a debt."""
    try:
        return reader.parse("x.ics", text, '"1"')
    except ValueError as reason:
        said = str(reason)
    assert TITLE not in said
    assert len(said) < 200
    return None


def used(item: Item) -> None:
    """What a sync does with it next."""
    for zone in (BERLIN, UTC):
        for one in relevant((item,), zone, NOW):
            expansion = expand(one.events, WINDOW, zone, budget=500)
            assert not [parked for parked in expansion.parked if TITLE in parked.reason]
    for event in item.events:
        reach(event)
        bounds(event, BERLIN)
        KEYRING.block_keys("ana", event.identity, event.slot, "caldav:x")


@given(enemies)
def test_any_file_is_an_item_or_a_debt(enemy: Enemy) -> None:
    text = enemy.chance.choice(FILES)
    for _ in range(8):
        changed = enemy.lines(text, PIECES)
        if enemy.now_and_then(4):
            changed = enemy.octets(changed.encode("utf-8", "replace")).decode("utf-8", "replace")
        for reader in READERS:
            item = read(reader, changed)
            if item is not None:
                used(item)


@given(enemies)
def test_any_feed_is_items_and_debts_or_none(enemy: Enemy) -> None:
    changed = enemy.lines(enemy.chance.choice(FILES), PIECES)
    with suppress(ValueError):
        feed = parse_feed(changed, floating=BERLIN)
        assert parse_feed(changed, floating=BERLIN) == feed
        assert not [debt for debt in feed.unreadable if TITLE in debt.reason or len(debt.reason) > 200]
        for item in feed.items:
            used(item)


@given(enemies)
def test_any_zone_of_a_calendar_is_one_or_none(enemy: Enemy) -> None:
    found = parse_zone_name(enemy.lines(f"BEGIN:VCALENDAR\n{ZONE}END:VCALENDAR", PIECES))
    assert found is None or isinstance(found, ZoneInfo)


# -- far too much of everything ---------------------------------------------------------------------------------------


def whole(*lines: str, zones: str = "") -> str:
    return ics("\n".join(("UID:x", *lines)), zones=zones)


START = "DTSTART:20260303T090000Z"


def zone(*observances: str, name: str = "Odd") -> str:
    return f"BEGIN:VTIMEZONE\nTZID:{name}\n{''.join(observances)}END:VTIMEZONE\n"


def observance(rule: str, year: int = 1) -> str:
    return (
        f"BEGIN:STANDARD\nDTSTART:{year:04d}0131T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0230\n{rule}\nEND:STANDARD\n"
    )


def in_zone(observances: list[str], number: int, rule: str = "") -> str:
    """So many events in one zone, each in a year of its own, so that no answer serves two."""
    bodies = [f"UID:{n}\nDTSTART;TZID=Odd:{1000 + n % 8_000}0303T090000{rule}" for n in range(number)]
    return ics(*bodies, zones=zone(*observances))


EVERY_DAY = "RRULE:FREQ=YEARLY;COUNT=9999999;BYDAY=MO,TU,WE,TH,FR,SA,SU"
NEVER = "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"
BOMBS = {
    "a line with 3^40 ways to be none": lambda: whole(START, "A" + ";B=  " * 40),
    "a line of blanks": lambda: whole(START, "A;B=" + " " * 1_000_000),
    "quotes": lambda: whole(START, 'A;B="' + '""' * 500_000),
    "a name that could be a conference": lambda: ics(f"UID:calsync-0-0\n{START}\nX-{'ZOOM' * 250_000}:1"),
    "a zone's rule that never comes": lambda: in_zone([observance(NEVER)] * 499, 1_000),
    "a zone's rule for every day": lambda: in_zone([observance(EVERY_DAY)] * 499, 1_000),
    "a zone with a million onsets": lambda: in_zone(
        [observance("RDATE:" + ",".join(["20260101T000000"] * 499))] * 490, 100
    ),
    "a thousand zones, each for a series": lambda: ics(
        *(f"UID:{n}\nDTSTART;TZID=Z{n}:20260303T090000\nRRULE:FREQ=DAILY" for n in range(1_000)),
        zones="".join(
            zone(observance(f"RDATE:2026{1 + n % 12:02d}{1 + n % 28:02d}T{n % 24:02d}0000"), name=f"Z{n}")
            for n in range(1_000)
        ),
    ),
    "as many exceptions as may be, for all that follows": lambda: ics(
        f"UID:x\n{START}\nRRULE:FREQ=DAILY",
        *(
            f"UID:x\n{START}\nRECURRENCE-ID;RANGE=THISANDFUTURE:"
            f"{2026 + n // 300}{1 + n // 25 % 12:02d}{1 + n % 25:02d}T090000Z"
            for n in range(MAX_EVENTS - 1)
        ),
    ),
    "too many exceptions": lambda: ics(*[f"UID:x\nRECURRENCE-ID:20260303T090000Z\n{START}"] * 100_000),
    "a hundred thousand dates": lambda: whole(START, "RDATE:" + ",".join(["20260303T090000Z"] * 100_000)),
    "a hundred thousand lines of dates": lambda: whole(START, *["EXDATE:20260303T090000Z"] * 100_000),
    "deep components": lambda: "BEGIN:VCALENDAR\n" + "BEGIN:A\n" * 1_000_000,
    "deep components that close": lambda: (
        "BEGIN:VCALENDAR\n" + "BEGIN:A\n" * 100_000 + "END:A\n" * 100_000 + "END:VCALENDAR\n"
    ),
    "empty lines": lambda: whole(START, "\n" * 5_000_000),
    "lines of one letter": lambda: whole(START, "A:\n" * 7_000_000),
    "folds": lambda: whole(START, "SUMMARY:a" + "\n b" * 5_000_000),
    "parameters": lambda: whole(START, "A" + ";B=1" * 5_000_000 + ":"),
    "a name of a megabyte": lambda: whole(START, f"SUMMARY:{'a' * 1_000_000}", f"UID:{'u' * 1_000_000}"),
    "escapes": lambda: whole(START, "SUMMARY:" + "\\" * 5_000_000),
    "a file that is too large": lambda: whole(START, "DESCRIPTION:" + "a" * MAX_TEXT),
    "a thousand years": lambda: whole("DTSTART:10260303T090000Z", "DTEND:20260303T090000Z", "RRULE:FREQ=DAILY"),
    "digits": lambda: whole(f"DTSTART:{'9' * 1_000_000}", f"DURATION:P{'9' * 1_000_000}D"),
}


def explode(name: str) -> str:
    item = read(Reader(BERLIN), BOMBS[name]())
    if item is None:
        return "a debt"
    used(item)
    return f"{len(item.events)} events"


def test_bombs_cost_little() -> None:
    """In time and memory: each in a process of its own, which is ended if it takes more (I-20, I-34)."""
    told = confined("hostile/test_icalendar_fuzz.py", "explode", BOMBS, megabytes=1_500)
    assert {name: end for name, end in told.items() if not end.endswith((" events", "a debt"))} == {}


def test_the_number_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "MAX_LINES", 1_000)
    parse_components("BEGIN:VCALENDAR\n" + "A:\n" * 997 + "END:VCALENDAR\n")
    with pytest.raises(ValueError, match="lines"):
        parse_components("BEGIN:VCALENDAR\n" + "A:\n" * 1_000 + "END:VCALENDAR\n")
