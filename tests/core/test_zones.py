"""Every name a calendar uses for a zone is resolved or refused: never a crash, never silently UTC."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from calsync_core.core.windows_zones import WINDOWS_ZONES
from calsync_core.core.zones import resolve_zone

# Not places: the machine's own zone, POSIX defaults, a placeholder, and the same zones again with leap seconds.
NO_PLACES = {"localtime", "posixrules", "Factory"}


def test_every_iana_name_is_itself() -> None:  # I-24
    names = {name for name in available_timezones() if not name.startswith(("posix/", "right/"))} - NO_PLACES
    assert {
        name for name in names if resolve_zone(name) != ZoneInfo(name) and name not in {"GMT", "GMT0", "Zulu"}
    } == set()


@pytest.mark.parametrize("name", sorted(WINDOWS_TO_OLSON))
def test_every_windows_name_means_what_cldr_says(name: str) -> None:  # I-24
    assert WINDOWS_ZONES[name] == WINDOWS_TO_OLSON[name]
    assert resolve_zone(name) is not None


@pytest.mark.parametrize("name", sorted(WINDOWS_ZONES))
def test_every_windows_name_leads_to_a_zone_that_exists(name: str) -> None:
    assert resolve_zone(name.upper()) == resolve_zone(name) is not None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("UTC", "UTC"),
        ("GMT", "UTC"),
        ("Z", "UTC"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("/softwarestudio.org/Olson_20011030_5/America/New_York", "America/New_York"),
        ('"Europe/Berlin"', "Europe/Berlin"),
        (" Europe/Berlin\n", "Europe/Berlin"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("Etc/GMT-14", "Etc/GMT-14"),
    ],
)
def test_common_spellings(name: str, key: str) -> None:  # I-24
    assert resolve_zone(name) == ZoneInfo(key)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        '""',
        "tzone://Microsoft/Custom",
        "Customized Time Zone",
        "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        "../../etc/passwd",
        "/../../etc/passwd",
        "/../../Europe/Berlin",
        "/etc/localtime",
        "/etc/passwd",
        "Europe",
        "Europe/",
        "Europe/../Europe/Berlin",
        "localtime",
        "posixrules",
        "Factory",
        "tzdata.zi",
        "zone.tab",
        "Europe/Berlin\0",
        "GMT+0100",
        "a/" * 100_000,
        "x" * 1_000_000,
    ],
)
def test_what_nobody_can_know_is_none(name: str) -> None:  # I-24
    assert resolve_zone(name) is None


@given(st.text() | st.from_regex(r"/?([A-Za-z.]{1,8}/){0,4}[A-Za-z.]{0,8}"))
def test_no_text_makes_it_raise_or_invent_a_zone(name: str) -> None:  # I-24
    found = resolve_zone(name)
    assert found is None or found.key in available_timezones()
