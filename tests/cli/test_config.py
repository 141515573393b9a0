"""``calsync.toml``: every fault is one error that names file, table and key, before any request (I-44)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.cli.config import Config, load_config
from calsync_core.credentials import new_key
from calsync_core.errors import ConfigurationError
from calsync_core.models import BearerToken, Mode, OAuthGrant, Password, ServiceAccountGrant, SyncPolicy

HEAD = '[installation]\nsecret = "a-secret-of-this-installation"\n\n[store]\nurl = "sqlite:///calsync.db"\n'
ACCOUNT = """
[[accounts]]
name = "ana-icloud"
owner = "ana"
provider = "caldav"
base_url = "https://dav.example.com/"
auth = { type = "password", username = "ana", password = "hunter2-correct-horse" }
"""


def load(folder: Path, text: str) -> Config:
    path = folder / "calsync.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    message = str(caught.value)
    file = str(folder / "calsync.toml")
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def test_an_owner_is_written_for_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + ACCOUNT).modes == {"ana": Mode.WRITE}
    assert load(tmp_path, HEAD + ACCOUNT + '[owners.ana]\nmode = "observe"\n').modes == {"ana": Mode.OBSERVE}


def test_a_whole_file_becomes_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANA_TOKEN", "a-token-of-anas")
    (tmp_path / "password").write_text("from a file\n")
    config = load(
        tmp_path,
        HEAD
        + '[webhooks]\npublic_url = "https://calendar.example.com/webhooks"\n'
        + '[policy]\nhorizon_days = 30\ntitle = "{title}"\nguard_share = 0.25\non_block_deleted = "respect"\n'
        + ACCOUNT
        + """
        [[accounts]]
        name = "ana-work"
        owner = "ana"
        provider = "caldav"
        email = "ana@example.com"
        timezone = "Europe/Berlin"
        base_url = "http://127.0.0.1:8001/dav/"
        auth = { type = "bearer", token = "env:ANA_TOKEN" }
        calendars = ["Work", "On-call"]
        publish = false

        [[accounts]]
        name = "ben"
        owner = "ben"
        provider = "icloud"
        auth = { type = "password", username = "ben@example.com", password = "file:password" }
        receive = false
        """,
    )
    first, second, third = config.accounts
    assert config.public_url == "https://calendar.example.com/webhooks"
    assert config.policy == SyncPolicy(horizon_days=30, title="{title}", guard_share=0.25, on_block_deleted="respect")
    assert (first.calendars, first.publish, first.receive) == (None, True, True)
    assert (second.calendars, second.publish, second.receive) == (("Work", "On-call"), False, True)
    assert (second.account.email, second.account.timezone) == ("ana@example.com", "Europe/Berlin")
    assert second.login == BearerToken("a-token-of-anas")
    assert third.login == Password("ben@example.com", "from a file")
    assert not third.receive


def test_the_policy_table_has_exactly_the_policys_fields(tmp_path: Path) -> None:
    defaults = SyncPolicy()
    lines = []
    for attribute in fields(SyncPolicy):
        value = getattr(defaults, attribute.name)
        lines.append(f"{attribute.name} = " + (f'"{value}"' if isinstance(value, str) else str(value)))
    assert load(tmp_path, HEAD + "[policy]\n" + "\n".join(lines)).policy == defaults


def test_any_value_may_stand_in_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYS", "45")
    monkeypatch.setenv("PUBLISH", "false")
    monkeypatch.setenv("CALENDARS", '["Work", "env:SECOND"]')
    monkeypatch.setenv("SECOND", "Home")
    (tmp_path / "owner").write_text("ana\n")
    text = HEAD + '[policy]\nhorizon_days = "env:DAYS"\n' + ACCOUNT.replace('"ana"\nprovider', '"file:owner"\nprovider')
    config = load(tmp_path, text + 'publish = "env:PUBLISH"\ncalendars = "env:CALENDARS"\n')
    assert config.policy.horizon_days == 45
    assert config.accounts[0].account.owner == "ana"
    assert config.accounts[0].publish is False
    assert config.accounts[0].calendars == ("Work", "Home")


def test_a_relative_database_lies_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    assert load(tmp_path, HEAD).store_url == f"sqlite:///{tmp_path}/calsync.db"
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:////var/lib/calsync.db", "postgresql+psycopg://db/calsync"):
        assert load(tmp_path, HEAD.replace("sqlite:///calsync.db", url)).store_url == url


def test_a_list_of_secrets_rotates(tmp_path: Path) -> None:
    text = HEAD.replace('"a-secret-of-this-installation"', '["the-new-one-signs", "the-old-one-is-known"]')
    assert load(tmp_path, text).secrets == ("the-new-one-signs", "the-old-one-is-known")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secret = [", "is not valid TOML"),
        ("", "[installation]: secret: is missing"),
        ('[installation]\nsecret = ""\n', "[installation]: secret: must not be empty"),
        ("[installation]\nsecret = 5\n", "[installation]: secret: must be a list of texts, not a number"),
        ('[installation]\nsecrt = "x"\n', '[installation]: secrt: unknown key (did you mean "secret"?)'),
        ('[installation]\nsecret = "env:CALSYNC_NOPE"\n', "environment variable CALSYNC_NOPE is not set"),
        ('[installation]\nsecret = "file:nope"\n', "[installation]: secret: file nope can't be read: No such file"),
        ('[installation]\nsecret = "a-long-enough-secret"\n', "[store]: url: is missing"),
        (HEAD.replace("sqlite:///calsync.db", "calsync.db"), "[store]: url: must be a database URL"),
        ("installation = 1", "[installation]: must be a table"),
        (HEAD + "[polcy]\n", 'top level: polcy: unknown key (did you mean "policy"?)'),
        (HEAD + "[policy]\nhorizon = 9\n", '[policy]: horizon: unknown key (did you mean "horizon_days"?)'),
        (HEAD + "[policy]\nhorizon_days = 0\n", "[policy]: horizon_days: must be a number from 1 to 730, got 0"),
        (HEAD + "[policy]\nhorizon_days = 1.5\n", "[policy]: horizon_days: must be a whole number"),
        (HEAD + '[policy]\nhorizon_days = "90"\n', "[policy]: horizon_days: must be a whole number, not a text"),
        (HEAD + "[policy]\nhorizon_days = true\n", "[policy]: horizon_days: must be a whole number"),
        (HEAD + "[policy]\nguard_share = nan\n", "[policy]: guard_share: must be a finite number"),
        (HEAD + "[policy]\nguard_share = 2\n", "[policy]: guard_share: must be a number from 0 to 1"),
        (HEAD + '[policy]\nall_day = "maybe"\n', "[policy]: all_day: must be one of busy, free, skip, got 'maybe'"),
        (HEAD + "[policy]\ntitle = 7\n", "[policy]: title: must be a text in quotes, not a number"),
        (
            HEAD + '[webhooks]\npublic_url = "http://example.com/"\n',
            "[webhooks]: public_url: plain http:// is accepted",
        ),
        (HEAD + '[webhooks]\nurl = "https://example.com/"\n', "[webhooks]: url: unknown key"),
        (HEAD + ACCOUNT + '[owners.anna]\nmode = "observe"\n', '[owners]: anna: unknown key (did you mean "ana"?)'),
        (HEAD + ACCOUNT + '[owners.ana]\nmod = "observe"\n', '[owners.ana]: mod: unknown key (did you mean "mode"?)'),
        (HEAD + ACCOUNT + '[owners.ana]\nmode = "x"\n', '[owners.ana]: mode: must be "write" or "observe", got \'x\''),
        (HEAD + ACCOUNT + "[owners.ana]\nmode = true\n", "[owners.ana]: mode: must be a text in quotes, not true or"),
        (HEAD + ACCOUNT + '[owners]\nana = "observe"\n', "[owners.ana]: must be a table"),
        (HEAD + "[accounts]\nname = 'x'\n", "top level: accounts: must be written as [[accounts]]"),
        (HEAD + "[[accounts]]\nowner = 'x'\n", "accounts[0]: name: is missing"),
    ],
)
def test_a_fault_is_one_error_that_names_table_and_key(tmp_path: Path, text: str, message: str) -> None:  # I-44
    assert message in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ana"\nprovider', '" "\nprovider', "owner: must not be empty"),
        ('"caldav"', '"caldev"', 'provider: unknown provider "caldev" (known: caldav, google, icloud, microsoft)'),
        ('base_url = "https://dav.example.com/"\n', "", "base_url: is missing: the address of the CalDAV server"),
        ("https://dav.example.com/", "dav.example.com", "base_url: must be a URL that starts with https://"),
        ("https://dav.example.com/", "ftp://dav.example.com", "base_url: must be a URL that starts with https://"),
        ("https://dav.example.com/", "https://[::1", "base_url: is not a valid URL"),
        ("https://dav.example.com/", "https://host:port/", "base_url: is not a valid URL"),
        ("https://dav.example.com/", "https://ana:pw@host/", "base_url: must not contain a user name or password"),
        ("https://dav.example.com/", "http://dav.example.com/", "base_url: plain http:// is accepted for this machine"),
        ("https://dav.example.com/", "http://127.0.0.1.example.com/", "base_url: plain http:// is accepted for"),
        ('owner = "ana"', 'owner = "ana"\ntimezone = "Berlin"', "timezone: 'Berlin' is not an IANA time zone name"),
        ('owner = "ana"', 'owner = "ana"\ntimzone = "UTC"', 'timzone: unknown key (did you mean "timezone"?)'),
        ('owner = "ana"', 'owner = "ana"\npublish = "yes"', "publish: must be true or false, not a text"),
        ('owner = "ana"', 'owner = "ana"\ncalendars = "Work"', "calendars: must be a list of texts, not a text"),
        ('owner = "ana"', 'owner = "ana"\ncalendars = []', "calendars: must not be empty"),
        ('"hunter2-correct-horse"', '"env:ANA_PW"', "auth.password: environment variable ANA_PW is not set"),
        ('username = "ana", ', "", "auth.username: is missing"),
        ("username =", "usrname =", 'auth.usrname: unknown key (did you mean "username"?)'),
        ('type = "password"', 'type = "pasword"', 'auth.type: unknown type "pasword" (did you mean "password"?)'),
        ('type = "password"', 'type = "oauth"', 'auth.type: provider "caldav" takes "password" or "bearer" only'),
    ],
)
def test_a_fault_in_an_account_names_the_account(tmp_path: Path, old: str, new: str, message: str) -> None:  # I-44
    assert old in ACCOUNT
    told = complaint(tmp_path, HEAD + ACCOUNT.replace(old, new))
    assert message in told
    assert told.startswith('accounts[0] "ana-icloud": ')


def google(auth: str) -> str:
    return f'{HEAD}[[accounts]]\nname = "g"\nowner = "o"\nprovider = "google"\nauth = {{ {auth} }}\n'


def test_grants_become_values(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps({"client_email": "bot@example.com", "private_key": "…"}))
    oauth = 'type = "oauth", client_id = "app", refresh_token = "r0"'
    assert load(tmp_path, google(oauth)).accounts[0].login == OAuthGrant("app", None, "r0")
    whole = f'{oauth}, client_secret = "s", token_url = "http://127.0.0.1:8001/token"'
    assert load(tmp_path, google(whole)).accounts[0].login == OAuthGrant(
        "app", "s", "r0", "http://127.0.0.1:8001/token"
    )
    service = load(tmp_path, google('type = "service_account", key = "file:key.json", subject = "ana@example.com"'))
    login = service.accounts[0].login
    assert isinstance(login, ServiceAccountGrant)
    assert (json.loads(login.key)["client_email"], login.subject) == ("bot@example.com", "ana@example.com")
    assert load(tmp_path, google('type = "bearer", token = "t"')).accounts[0].login == BearerToken("t")
    application = 'type = "oauth", client_id = "app", client_secret = "s", acts_for = "ana@contoso.example"'
    microsoft = google(application).replace('"google"', '"microsoft"')
    assert load(tmp_path, microsoft).accounts[0].login == OAuthGrant("app", "s", acts_for="ana@contoso.example")


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        (
            'type = "password", username = "u", password = "p"',
            'type: provider "google" takes "bearer", "oauth" or "service_account" only',
        ),
        ('type = "oauth", refresh_token = "r"', "client_id: is missing"),
        ('type = "oauth", client_id = "c"', "refresh_token: is missing"),
        ('type = "oauth", client_id = "c", acts_for = "a@b.example"', 'acts_for: provider "google" has no such logins'),
        ('type = "oauth", client_id = "", refresh_token = "r"', "client_id: must not be empty"),
        ('type = "oauth", client_id = "c", refresh_tokn = "r"', 'refresh_tokn: unknown key (did you mean "refresh_t'),
        (
            'type = "oauth", client_id = "c", refresh_token = "r", token_url = "http://tokens.example/"',
            "token_url: plain http:// is accepted for this machine (loopback) only",
        ),
        (
            'type = "oauth", client_id = "c", refresh_token = "r", token_url = "https://u:hunter2@tokens.example/"',
            "token_url: must not contain a user name or password",
        ),
        ('type = "service_account", key = "hunter2", subject = "s"', "key: must be a service account's key file"),
        ("type = \"service_account\", key = '{\"private_key\": 1}', subject = 's'", "key: must be a service account's"),
        (
            "type = 'service_account', key = '{\"client_email\": 1, \"private_key\": 1}'",
            "subject: is missing",
        ),
    ],
)
def test_a_fault_in_a_grant_is_one_error_without_its_secrets(tmp_path: Path, auth: str, message: str) -> None:  # I-44
    told = complaint(tmp_path, google(auth))
    assert told.startswith(f'accounts[0] "g": auth.{message}')
    assert "hunter2" not in told


def test_encryption_keys_are_checked_when_the_file_is_read(tmp_path: Path) -> None:  # I-44, I-39
    one, two = new_key(), new_key()
    (tmp_path / "key").write_text(f"{one}\n")
    for written, keys in (
        (f'"{one}"', (one,)),
        (f'["{one}", "{two}"]', (one, two)),
        ('"file:key"', (one,)),
        (f'["{two}", "file:key"]', (two, one)),
    ):
        assert load(tmp_path, f"{HEAD}encryption_key = {written}\n").encryption_keys == keys
    assert load(tmp_path, HEAD).encryption_keys == ()
    for written, message in (
        (
            '"hunter2"',
            "[store]: encryption_key: must be 44 characters of URL-safe base64, as calsync_core.credentials.new_key()",
        ),
        (f'["{one}", "hunter2"]', "[store]: encryption_key: must be 44 characters of URL-safe base64"),
        ("[]", "[store]: encryption_key: must not be empty"),
    ):
        told = complaint(tmp_path, f"{HEAD}encryption_key = {written}\n")
        assert told.startswith(message)
        assert "hunter2" not in told


def test_icloud_takes_no_bearer_token(tmp_path: Path) -> None:
    text = '[[accounts]]\nname = "i"\nowner = "o"\nprovider = "icloud"\nauth = { type = "bearer", token = "t" }\n'
    assert complaint(tmp_path, HEAD + text) == 'accounts[0] "i": auth.type: provider "icloud" takes "password" only'


def test_a_missing_auth_table_is_named(tmp_path: Path) -> None:
    text = '[[accounts]]\nname = "i"\nowner = "o"\nprovider = "icloud"\n'
    assert complaint(tmp_path, HEAD + text) == 'accounts[0] "i": auth: is missing'


def test_two_accounts_of_one_name_are_refused(tmp_path: Path) -> None:
    second = ACCOUNT.replace('owner = "ana"', 'owner = "ben"')
    assert complaint(tmp_path, HEAD + ACCOUNT + second) == (
        'accounts[1] "ana-icloud": name: is taken by accounts[0] "ana-icloud"'
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
def test_plain_http_goes_to_this_machine(tmp_path: Path, host: str) -> None:
    config = load(tmp_path, HEAD + ACCOUNT.replace("https://dav.example.com", f"http://{host}:5232"))
    assert config.accounts[0].account.base_url == f"http://{host}:5232/"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: no such file \(calsync init writes one\)"):
        load_config(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"[installation]\nsecret = '\xe9'\n")
    with pytest.raises(ConfigurationError, match=r"latin\.toml: is not UTF-8 text"):
        load_config(tmp_path / "latin.toml")


def test_no_secret_in_a_repr_or_an_error(tmp_path: Path) -> None:  # I-39
    config = load(tmp_path, HEAD.replace("sqlite:///calsync.db", "postgresql://u:db-password@db/x") + ACCOUNT)
    for secret in ("a-secret-of-this-installation", "hunter2-correct-horse", "db-password"):
        assert secret not in repr(config)


@given(spoilt=st.sampled_from(["", "x", "[", '"', "\\", "=", "\n", "1", "[[accounts]]", "{"]), data=st.data())
def test_however_a_file_is_spoilt_the_error_keeps_the_secrets(  # I-39, I-44
    tmp_path_factory: pytest.TempPathFactory, spoilt: str, data: st.DataObject
) -> None:
    text = HEAD + ACCOUNT
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 12))
    path = tmp_path_factory.getbasetemp() / "spoilt.toml"
    path.write_text(text[:at] + spoilt + text[at + cut :], encoding="utf-8")
    try:
        told = repr(load_config(path))
    except ConfigurationError as error:
        told = str(error)
    assert str(path) in told
    for secret in ("secret-of-this", "hunter2", "correct-horse"):
        assert secret not in told
