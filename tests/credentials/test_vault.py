"""What is sealed says nothing without a key, and nothing for another account (I-39)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from attrs import evolve
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.credentials import KeptLogin, Vault, carry_on, check_keys, fingerprint, new_key
from calsync_core.errors import ConfigurationError
from calsync_core.models import Account, BearerToken, Login, OAuthGrant, Password, ServiceAccountGrant

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECRET = "correct horse battery staple"
ANA = Account("ana", "memory", "home", id=3)
texts = st.text(max_size=30)
optional = st.none() | texts
moments = st.none() | st.datetimes(timezones=st.just(UTC))
scopes = st.lists(texts, max_size=2).map(tuple)
logins: st.SearchStrategy[Login] = st.one_of(
    st.builds(Password, texts, texts),
    st.builds(BearerToken, texts, scopes, optional),
    st.builds(
        OAuthGrant, st.text(min_size=1), optional, optional, optional, scopes, optional, moments, optional, optional
    ),
    st.builds(ServiceAccountGrant, texts, st.text(min_size=1), scopes, optional, moments),
)
LOGINS: list[Login] = [
    Password("ana", SECRET),
    BearerToken(SECRET),
    OAuthGrant("app", SECRET, f"{SECRET} 2", "https://x.example/token", ("a", "b"), f"{SECRET} 3", NOW, f"{SECRET} 4"),
    ServiceAccountGrant(json.dumps({"private_key": SECRET}), "ana@example.com", ("a",), f"{SECRET} 2", NOW),
]


@given(logins, moments)
def test_a_login_comes_back_as_it_was_sealed(login: Login, at: datetime | None) -> None:
    vault = Vault(new_key())
    kept = KeptLogin(login, fingerprint(login), at)
    assert vault.unseal(ANA, vault.seal(ANA, kept)) == kept


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: type(login).__name__)
def test_nothing_of_a_login_can_be_read_without_a_key(login: Login) -> None:  # I-39
    vault = Vault(new_key())
    kept = KeptLogin.of(login)
    sealed = vault.seal(ANA, kept)
    assert SECRET not in sealed + repr(vault) + str(vault) + repr(kept) + repr(login)
    assert vault.seal(ANA, kept) != sealed  # not even that two logins are the same


def test_a_row_that_was_copied_to_another_account_is_refused() -> None:  # I-39
    vault = Vault(new_key())
    sealed = vault.seal(ANA, KeptLogin.of(LOGINS[0]))
    for other in (
        evolve(ANA, id=4, name="work"),
        evolve(ANA, provider="caldav"),
        evolve(ANA, base_url="https://evil.example/"),
    ):
        with pytest.raises(ConfigurationError, match=r"account '(home|work)' \(id [34]\).*another account or server"):
            vault.unseal(other, sealed)
    renamed = evolve(ANA, name="private", owner="ana-maria")
    assert vault.unseal(renamed, sealed).login == LOGINS[0]


def test_the_first_key_seals_and_each_one_opens() -> None:
    old, new = new_key(), new_key()
    kept = KeptLogin.of(LOGINS[2])
    sealed = Vault(old).seal(ANA, kept)
    both = Vault([new, old])
    assert both.unseal(ANA, sealed) == kept
    resealed = both.reseal(sealed)
    assert Vault(new).unseal(ANA, resealed) == kept
    assert both.reseal(resealed) == resealed
    with pytest.raises(ConfigurationError, match="encryption_key"):
        Vault(old).unseal(ANA, resealed)
    with pytest.raises(ConfigurationError, match="encryption_key"):
        Vault(old).reseal(resealed)


@pytest.mark.parametrize("text", ["", "gAAAAA", "x" * 500, "ünïcode \ud800", '{"version": 1}'])
def test_what_no_key_opens_is_told_with_its_account_only(text: str) -> None:  # I-39, I-44
    with pytest.raises(ConfigurationError, match=r"^encryption_key: .* account 'home' \(id 3\)$") as caught:
        Vault(new_key()).unseal(ANA, text)
    assert text not in str(caught.value) or not text
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "plain",
    [
        b"not json " + SECRET.encode(),
        json.dumps([SECRET]).encode(),
        json.dumps({"version": 2, "login": SECRET}).encode(),
        json.dumps({"version": 1, "for": [3, "memory", None], "kind": SECRET, "login": {"x": SECRET}}).encode(),
        json.dumps(
            {"version": 1, "for": [3, "memory", None], "kind": "oauth", "given": "", "renewed_at": None,
             "login": {"client_id": "", "refresh_token": SECRET}}
        ).encode(),
    ],
)  # fmt: skip
def test_a_damaged_login_is_told_without_showing_it(plain: bytes) -> None:  # I-39
    key = new_key()
    sealed = Fernet(key).encrypt(plain).decode()
    with pytest.raises(ConfigurationError, match=r"account 'home'.*connect it again") as caught:
        Vault(key).unseal(ANA, sealed)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None  # a parser's error would hold the text


KEY = "uSBKdtiF-XRpyyyAN_YyFKVxQ65g74RhibBfLBeBNdM="


@pytest.mark.parametrize("keys", ["", "short", "x" * 44, KEY + "=", KEY[:-1], KEY.replace("u", "ü"), [], [KEY, "no"]])
def test_a_bad_key_is_one_clear_error_that_does_not_show_it(keys: str | list[str]) -> None:  # I-44, I-39
    with pytest.raises(ConfigurationError, match=r"^encryption_key(\[1\])?: (must be 44|at least one)") as caught:
        Vault(keys)
    for key in [keys] if isinstance(keys, str) else keys:
        assert not key or key not in str(caught.value).replace("no ", "")


def test_new_keys_are_keys_and_differ() -> None:
    keys = [new_key() for _ in range(5)]
    assert check_keys(keys) == tuple(keys)
    assert len(set(keys)) == 5


def test_the_same_login_has_the_same_fingerprint_and_another_one_has_not() -> None:  # I-46
    grant = OAuthGrant("app", "s", "refresh")
    same = [grant, evolve(grant, client_secret="t", token_url="https://x", access_token="a", scopes=("b",))]
    others: list[Login] = [
        evolve(grant, refresh_token="other"),
        evolve(grant, client_id="other"),
        OAuthGrant("app", cache="refresh2"),
        OAuthGrant("app"),
        OAuthGrant("app", acts_for="ana@example.com"),
        evolve(grant, acts_for="ana@example.com"),
        ServiceAccountGrant("app", "refresh"),
        ServiceAccountGrant("apprefresh", "x"),
        Password("app", "refresh"),
        Password("appr", "efresh"),
        BearerToken("apprefresh"),
    ]
    assert len({fingerprint(login) for login in same}) == 1
    assert len({fingerprint(login) for login in [grant, *others]}) == len(others) + 1


def test_a_rotated_grant_goes_on_with_what_the_operator_changed() -> None:  # I-36
    first = OAuthGrant("app", "old secret", "r0")
    kept = KeptLogin(evolve(first, refresh_token="r7", access_token="a7", expires_at=NOW), fingerprint(first), NOW)
    told = OAuthGrant("app", "new secret", "r0", "https://new.example/token")
    assert carry_on(kept, told) == evolve(
        kept, login=evolve(told, refresh_token="r7", access_token="a7", expires_at=NOW)
    )
    wider = ServiceAccountGrant("k", "ana@example.com", ("a", "b"))
    narrow = KeptLogin(evolve(wider, scopes=("a",), access_token="t"), fingerprint(wider), NOW)
    assert carry_on(narrow, wider).login == wider
    assert carry_on(narrow, evolve(wider, scopes=())) == narrow
