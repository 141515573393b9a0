"""Block keys and tags: deterministic, keyed, injective in what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.core.identity import Keyring
from calsync_core.errors import ConfigurationError
from calsync_core.models import Tag

OLD, NEW = "an old secret, long enough", "a new secret, long enough"
NAMES = st.text(max_size=20)


@given(st.tuples(NAMES, NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES, NAMES))
def test_a_key_names_one_occurrence_on_one_target(one: tuple[str, ...], other: tuple[str, ...]) -> None:  # I-06
    keyring = Keyring.of(NEW)
    assert (keyring.block_keys(*one) == keyring.block_keys(*other)) == (one == other)


@given(NAMES, NAMES)
def test_a_key_fits_everywhere(uid: str, slot: str) -> None:
    (key,) = Keyring.of(NEW).block_keys("ana", uid, slot, "caldav:x")
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdefghijklmnopqrstuv")  # Google's alphabet for event ids


def test_parts_do_not_run_into_each_other() -> None:
    keyring = Keyring.of(NEW)
    assert keyring.block_keys("a", "bc", "", "t") != keyring.block_keys("ab", "c", "", "t")


def test_after_a_rotation_the_first_secret_signs_and_all_recognise() -> None:  # decision 2
    before, after = Keyring.of(OLD), Keyring.of([NEW, OLD])
    names = ("ana", "uid", "", "caldav:home")
    assert after.block_keys(*names)[0] != before.block_keys(*names)[0]
    assert before.block_keys(*names)[0] in after.block_keys(*names)
    tag = before.tag("ana", "caldav:work")
    assert after.wrote(tag, "ana")
    assert after.source_of(tag, {1: "caldav:home", 2: "caldav:work"}) == 2


def test_nobody_else_wrote_it() -> None:  # I-16
    tag = Keyring.of(OLD).tag("ana", "caldav:work")
    assert not Keyring.of(NEW).wrote(tag, "ana")
    assert not Keyring.of(OLD).wrote(tag, "bob")
    assert Keyring.of(OLD).source_of(tag, {1: "caldav:home"}) is None
    assert not Keyring.of(OLD).wrote(Tag("", "", ""), "ana")


@pytest.mark.parametrize("secret", ["", "short", [], [NEW, "short"]])
def test_a_weak_secret_is_refused_by_name(secret: str | list[str]) -> None:  # I-44
    with pytest.raises(ConfigurationError, match="secret"):
        Keyring.of(secret)


def test_a_secret_never_shows() -> None:  # I-39
    assert NEW not in repr(Keyring.of(NEW))
