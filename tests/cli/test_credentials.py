"""Grants in ``calsync.toml``, and the logins that the database keeps, against Google's calendars on this machine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from click.testing import CliRunner

from calsync_core.cli.application import calsync
from calsync_core.credentials import new_key
from calsync_core.testing.simulators.google import GoogleSimulator
from household import noon
from planted import LUNCH

WORK, HOME = "ana@work.example", "ana@home.example"


@define
class Google:
    """Two people's calendars there, one configuration here."""

    simulator: GoogleSimulator
    folder: Path
    refresh: dict[str, str]

    @property
    def config(self) -> Path:
        return self.folder / "calsync.toml"

    @property
    def renewals(self) -> int:
        return sum(exchange.path.endswith("/token") for exchange in self.simulator.log)

    def write(self, *keys: str) -> None:
        head = '[installation]\nsecret = "the-secret-of-this-test"\n[store]\nurl = "sqlite:///calsync.db"\n'
        listed = f"encryption_key = {json.dumps(list(keys))}\n" if keys else ""
        self.config.write_text(head + listed + "".join(self._account(user) for user in (WORK, HOME)), encoding="utf-8")

    def _account(self, user: str) -> str:
        client, secret = self.simulator.client_id, self.simulator.client_secret
        auth = f'client_id = "{client}", client_secret = "{secret}", refresh_token = "{self.refresh[user]}"'
        return (
            f'[[accounts]]\nname = "{user.partition("@")[2]}"\nowner = "ana"\nprovider = "google"\n'
            f'base_url = "{self.simulator.base_url}"\n'
            f'auth = {{ type = "oauth", {auth}, token_url = "{self.simulator.token_url}" }}\n'
        )

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(calsync, ["--config", str(self.config), *words, "--json"])
        assert result.exit_code == code, result.output
        values = json.loads(result.stdout)
        assert isinstance(values, dict)
        return values

    def book(self, user: str, days: int) -> None:
        start, end = noon(days), noon(days + 1)
        times = {"start": {"dateTime": start.isoformat()}, "end": {"dateTime": end.isoformat()}}
        self.simulator.put_event(user, {"summary": LUNCH, **times})


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Google]:
    with GoogleSimulator() as simulator:
        for user in (WORK, HOME):
            simulator.add_user(user)
        yield Google(simulator, tmp_path, {user: simulator.grant(user) for user in (WORK, HOME)})


def test_calls_share_one_access_token_through_the_database(google: Google) -> None:  # I-36
    google.write(new_key())
    google.book(WORK, 2)
    assert google.json("sync")["busy_blocks_created"] == 1
    assert google.renewals == 2
    for command in ("sync", "status", "audit", "sync"):
        google.json(command)
    assert google.renewals == 2
    google.simulator.expire_access_tokens()
    google.json("sync")
    assert google.renewals == 4


def test_without_a_key_each_call_renews_and_the_database_keeps_nothing(google: Google) -> None:  # I-39
    google.write()
    google.book(WORK, 2)
    assert google.json("sync")["busy_blocks_created"] == 1
    google.json("sync")
    assert google.renewals == 4
    with sqlite3.connect(google.folder / "calsync.db") as raw:
        assert raw.execute("SELECT count(*) FROM calsync_credentials").fetchone() == (0,)
    raw.close()


def test_keys_rotate(google: Google) -> None:  # I-39
    old, new = new_key(), new_key()
    google.write(old)
    google.json("sync")
    google.write(new, old)
    assert google.json("credentials", "rotate") == {"rotated": 2, "stored": 2}
    assert google.json("credentials", "rotate") == {"rotated": 0, "stored": 2}
    google.write(new)
    google.json("sync")
    google.write(old)
    for command in (["sync"], ["credentials", "rotate"]):
        told = google.json(*command, code=2)["error"]
        assert "encryption_key: no key given opens" in told
    google.write()
    assert "[store]: encryption_key: is missing" in google.json("credentials", "rotate", code=2)["error"]


def test_a_lost_key_is_left_behind_account_by_account(google: Google) -> None:  # I-44
    google.write(new_key())
    google.json("sync")
    google.write(new_key())
    google.json("sync", code=2)
    for account in ("work.example", "home.example"):
        assert google.json("credentials", "forget", account) == {"forgotten": account}
    google.json("sync")
    google.json("sync")
    assert (
        'no "nobody" (known: home.example, work.example)'
        in google.json("credentials", "forget", "nobody", code=2)["error"]
    )


def test_a_new_refresh_token_in_the_file_is_used_once_it_is_known_whose_it_is(google: Google) -> None:  # I-46
    google.write(new_key())
    google.json("sync")
    text = google.config.read_text()
    google.config.write_text(text.replace(google.refresh[HOME], google.refresh[WORK]))
    failed = google.json("sync", code=1)
    assert [(error["account"], error["kind"]) for error in failed["errors"]] == [("home.example", "IdentityChanged")]
    google.simulator.revoke(google.refresh[HOME])
    google.config.write_text(text.replace(google.refresh[HOME], google.simulator.grant(HOME)))
    google.json("sync")


def test_an_account_that_left_the_file_can_still_be_purged(google: Google) -> None:  # I-43
    google.write(new_key())
    google.book(WORK, 2)
    google.json("sync")
    text = google.config.read_text()
    google.config.write_text(text[: text.rindex("[[accounts]]")])
    purged = google.json("purge", "--yes")
    assert (purged["ok"], purged["removed"]) == (True, 1)


def test_it_says_what_it_did_in_words(google: Google) -> None:
    google.write(new_key())
    google.json("sync")
    for words, said in (
        (["rotate"], "0 of 2 stored logins sealed anew; all are under the first key now."),
        (["forget", "work.example"], "The stored login of work.example is forgotten."),
    ):
        result = CliRunner().invoke(calsync, ["--config", str(google.config), "credentials", *words])
        assert (result.exit_code, result.stdout.strip()) == (0, said)
