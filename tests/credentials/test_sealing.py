"""Records in other people's hands: read by nobody, made by nobody else, and good for a while only."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calsync_core.core.identity import Keyring
from calsync_core.credentials import Sealer
from calsync_core.testing import VirtualClock
from planted import secret

OLD, NEW = "an old secret of ours", "a new secret of ours"


def sealer(*secrets: str, purpose: str = "connect", clock: VirtualClock | None = None) -> Sealer:
    return Sealer(Keyring.of(secrets or (OLD,)).keys(purpose), clock or VirtualClock())


RECORDS = st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.integers() | st.text(max_size=30))


@given(RECORDS)
@example({"half a pair, which UTF-8 proper can't say": "\udc80"})
def test_what_was_sealed_comes_back(record: dict[str, object]) -> None:
    ours = sealer()
    sealed = ours.seal(record)
    assert ours.unseal(sealed, seconds=60) == record
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


def test_it_says_nothing() -> None:
    record = {"verifier": secret("verifier")}
    one, two = (sealer().seal(record) for _ in range(2))
    assert one != two
    assert secret("verifier").encode() not in base64.urlsafe_b64decode(one)


def test_it_ends() -> None:
    clock = VirtualClock()
    ours = sealer(clock=clock)
    sealed = ours.seal({"a": 1})
    clock.advance(timedelta(seconds=60))
    assert ours.unseal(sealed, seconds=60) == {"a": 1}
    clock.advance(timedelta(seconds=1))
    assert ours.unseal(sealed, seconds=60) is None


@pytest.mark.parametrize("stranger", [sealer(NEW), sealer(purpose="another")])
def test_nobody_else_opens_or_makes_it(stranger: Sealer) -> None:
    ours = sealer()
    assert stranger.unseal(ours.seal({}), seconds=60) is None
    assert not stranger.signed(ours.sign("a", "b"), "a", "b")


@given(st.text(max_size=90))
def test_what_anybody_makes_up_is_none(text: str) -> None:
    assert sealer().unseal(text, seconds=60) is None
    assert not sealer().signed(text, "a")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_what_was_touched_is_none(place: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sealer().seal({"owner": "ana"})))
    raw[place % len(raw)] ^= flip
    assert sealer().unseal(base64.urlsafe_b64encode(bytes(raw)).decode(), seconds=60) is None


def test_secrets_rotate() -> None:
    before, after = sealer(OLD), sealer(NEW, OLD)
    assert after.unseal(before.seal({"a": 1}), seconds=60) == {"a": 1}
    assert after.signed(before.sign("a"), "a")
    assert before.unseal(after.seal({"a": 1}), seconds=60) is None
    assert not before.signed(after.sign("a"), "a")


def test_a_signature_is_for_these_parts() -> None:
    ours = sealer()
    made = ours.sign("ab", "c")
    assert ours.signed(made, "ab", "c")
    assert not ours.signed(made, "a", "bc")
    assert not ours.signed(made, "ab", "c", "")


def test_keys_of_two_purposes_have_nothing_in_common() -> None:
    ring = Keyring.of([OLD, NEW])
    assert len({*ring.keys("a"), *ring.keys("b"), *(text.encode() for text in (OLD, NEW))}) == 6
    assert {len(key) for key in ring.keys("a")} == {32}
