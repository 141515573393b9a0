"""What stands on people's calendars is for ever: every version must know the blocks of every earlier one.

A test that fails here is no reason to change it. Old forms stay; a new one gets lines of its own beside them.
"""

from __future__ import annotations

from calsync_core.core.identity import Keyring
from calsync_core.core.tags import build_tag, find_textual_tag, parse_tag
from calsync_core.icalendar import names as caldav
from calsync_core.models import Tag
from calsync_core.providers.google import names as google
from calsync_core.providers.google import wire as google_wire
from calsync_core.providers.microsoft import names as microsoft

KEYRING = Keyring.of("the installation's secret")
KEY = "us8mok73h871rp80vmgq4dmobemmriri"
TAG = Tag(installation="2ff15f8edf719016", owner="8ac0b74a49fd1fcc", source="4a802d4107e839ac")


def test_keys_are_made_as_ever() -> None:  # decision 2, I-49
    assert KEYRING.block_keys("ana", "planning@example.com", "", "caldav:home") == (KEY,)
    [occurrence] = KEYRING.block_keys("ana", "planning@example.com", "20261124T090000Z", "caldav:home")
    assert occurrence == "l3ivsv0gpkdufene78inpsh46b24g1bt"


def test_tags_are_made_and_read_as_ever() -> None:  # decision 5
    text = f"v1;i=2ff15f8edf719016;o=8ac0b74a49fd1fcc;s=4a802d4107e839ac;k={KEY};g=3"
    assert KEYRING.tag("ana", "caldav:work") == TAG
    assert build_tag(TAG, KEY, 3) == text
    assert parse_tag(text) == (TAG, KEY, 3)
    assert find_textual_tag("CalSync [source:ana@example.com:Work:1]") == "ana@example.com:Work:1"  # I-17


def test_a_block_goes_by_its_name_as_ever() -> None:  # decision 5, I-15
    assert google.block_id(KEY, 3) == f"ca15nc0re3g{KEY}"
    assert caldav.block_uid(KEY, 3) == f"calsync-{KEY}-3"
    assert caldav.block_id(KEY, 3) == f"calsync-{KEY}-3.ics"
    assert microsoft.block_name(KEY, 3) == f"calsync-{KEY}-3"
    assert google.parse_block_id(f"ca15nc0re3g{KEY}") == (KEY, 3)
    assert caldav.parse_block_uid(f"calsync-{KEY}-3") == caldav.parse_block_name(f"calsync-{KEY}-3.ics") == (KEY, 3)
    assert microsoft.parse_block_name(f"calsync-{KEY}-3") == (KEY, 3)


def test_tags_stand_where_they_ever_did() -> None:  # decision 5
    assert google_wire.TAG_PROPERTY == "calsync"
    assert caldav.TAG_PROPERTY == "X-CALSYNC-TAG"
    assert microsoft.NAME_PROPERTY == "String {8f3a2d5e-6b1c-4e0f-9d47-51c0a7e2b964} Name CalsyncName"
    assert microsoft.TAG_PROPERTY == "String {8f3a2d5e-6b1c-4e0f-9d47-51c0a7e2b964} Name CalsyncTag"
