"""Addresses that people type: this host asks no server of its own network for them."""

from __future__ import annotations

import pytest

from calsync_core.web.connect.servers import checked_address, is_public
from connect_bench import Host

INWARD = [
    *("127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
    *("64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::", "localhost"),
    *("fec0::1", "::127.0.0.1", "::ffff:0:10.0.0.1", "4000::1"),
]


@pytest.mark.parametrize("host", INWARD)
def test_no_address_leads_inward(host: str) -> None:
    literal = f"[{host}]" if ":" in host else host
    assert not is_public(host)
    assert checked_address(f"https://{literal}/dav", private=False) is None
    assert checked_address(literal, private=False) is None


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "1.1.1.1.invalid"])
def test_odd_spellings_lead_nowhere(host: str) -> None:
    """However the machine's resolver reads them."""
    assert checked_address(f"https://{host}/", private=False) is None


@pytest.mark.parametrize("host", ["1.1.1.1", "2606:4700:4700::1111"])
def test_the_internet_is_open(host: str) -> None:
    literal = f"[{host}]" if ":" in host else host
    assert is_public(host)
    assert checked_address(f"{literal}/dav/", private=False) == f"https://{literal}/dav/"


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "http://1.1.1.1/",
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "gopher://1.1.1.1",
            "https://",
            "",
            " ",
            "javascript:x",
        ),
        *("https://ana:pw@1.1.1.1/", "https://1.1.1.1/?x=1", "https://1.1.1.1/#x", "https://1.1.1.1\\@evil.example/"),
        *("https://1.1.1.1/a b", "https://1.1.1.1:99999/", "1.1.1.1/" + "a" * 3_000),
    ],
)
def test_only_plain_https_addresses_are_taken(typed: str) -> None:
    assert checked_address(typed, private=False) is None


def test_a_host_may_admit_its_own_network() -> None:
    assert checked_address("https://10.0.0.1/dav", private=True) == "https://10.0.0.1/dav"
    assert checked_address("http://127.0.0.1:5232/", private=True) == "http://127.0.0.1:5232/"
    assert checked_address("http://10.0.0.1/", private=True) is None


def test_who_types_an_inward_address_is_told_no_more_than_that(host: Host) -> None:
    browser = host.browser()
    browser.open("/caldav")
    browser.submit(username="ana", password="guess", address="https://localhost:22/")
    assert browser.status == 400
    assert "no calendar server that can be used from here" in browser.text
    assert host.nothing_kept()
