"""``calsync subscriptions``, and what ``calsync status`` says of push, against Google's calendars on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from click.testing import CliRunner, Result

from calsync_core.cli.application import calsync
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.messages import Response
from household import noon

WORK, HOME = "ana@work.example", "ana@home.example"

PUSH = '[webhooks]\npublic_url = "https://calendar.example.com/webhooks"\n'


@define
class Desk:
    """Two calendars there, one configuration here, and nobody who answers pushes."""

    google: GoogleSimulator
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "calsync.toml"

    @property
    def channels(self) -> set[str]:
        return {channel.id for channel in self.google.channels}

    def write(self, *, push: str = PUSH, home: str = "primary") -> None:
        head = f'[installation]\nsecret = "the-secret-of-this-test"\n[store]\nurl = "sqlite:///calsync.db"\n{push}'
        accounts = (
            f'[[accounts]]\nname = "{name}"\nowner = "{owner}"\nprovider = "google"\n'
            f'base_url = "{self.google.base_url}"\ncalendars = ["{calendar}"]\n'
            f'auth = {{ type = "bearer", token = "{self.google.issue_token(user)}" }}\n'
            for name, owner, user, calendar in (("work", "ana", WORK, "primary"), ("home", "ben", HOME, home))
        )
        self.config.write_text(head + "".join(accounts), encoding="utf-8")

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(calsync, ["--config", str(self.config), *words])

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        result = self.call(*words, "--json")
        assert result.exit_code == code, result.output
        values: dict[str, Any] = json.loads(result.stdout)
        return values

    def counts(self, *words: str) -> tuple[int, int]:
        """How many a command of ``subscriptions`` made and ended."""
        told = self.json("subscriptions", *words)
        return told["created"], told["ended"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with GoogleSimulator() as google:
        for user in (WORK, HOME):
            google.add_user(user)
        google.add_calendar(HOME, "Club")
        desk = Desk(google, tmp_path)
        desk.write()
        yield desk


def test_subscriptions_are_made_once_and_shown(desk: Desk) -> None:
    assert desk.json("subscriptions", "list") == {"webhooks": True, "calendars": [], "strays": []}
    assert "No calendar takes part yet" in desk.call("subscriptions", "list").stdout
    assert desk.counts("create") == (2, 0)
    assert desk.counts("create") == (0, 0)
    assert len(desk.channels) == 2
    listed = desk.json("subscriptions", "list")["calendars"]
    assert [(each["account"], each["push"], each["subscriptions"]) for each in listed] == [
        ("work", "active", 1),
        ("home", "active", 1),
    ]
    assert all(each["expires_at"] for each in listed)
    text = desk.call("subscriptions", "list", "--owner", "ana").stdout
    assert "active" in text
    assert "work" in text
    assert "home" not in text


def test_they_are_replaced_with_new_secrets_and_the_old_ones_end(desk: Desk) -> None:  # I-30
    desk.json("subscriptions", "create")
    old = {channel.id: channel.token for channel in desk.google.channels}
    work = next(each["calendar"] for each in desk.json("status")["calendars"] if each["account"] == "work")
    assert desk.counts("renew", "--calendar", str(work)) == (1, 1)
    assert len(desk.channels & set(old)) == 1
    assert desk.counts("renew", "--owner", "ben") == (1, 1)
    assert not desk.channels & set(old)
    assert not {channel.token for channel in desk.google.channels} & set(old.values())
    assert desk.counts("renew") == (2, 2)


def test_what_nobody_needs_is_ended(desk: Desk) -> None:
    desk.json("subscriptions", "create")
    desk.write(home="Club")
    assert desk.counts("cleanup") == (1, 1)  # the one of the calendar that left ends, and the new one gets its own
    assert len(desk.channels) == 2
    assert desk.json("subscriptions", "list")["strays"] == []
    desk.write(push="", home="Club")
    assert "No public_url is configured" in desk.call("subscriptions", "list").stdout
    assert desk.counts("cleanup") == (0, 2)
    assert desk.channels == set()


def test_without_a_webhook_address_none_can_be_made(desk: Desk) -> None:  # I-44
    desk.write(push="")
    for command in ("create", "renew"):
        assert "[webhooks]: public_url: is missing" in desk.json("subscriptions", command, code=2)["error"]
    assert desk.google.channels == ()


def test_calendars_that_do_not_take_part_and_owners_that_do_not_exist_are_named(desk: Desk) -> None:  # I-44
    desk.json("subscriptions", "create")
    assert "none with id 99" in desk.json("subscriptions", "renew", "--calendar", "99", code=2)["error"]
    assert 'no "eve"' in desk.json("subscriptions", "list", "--owner", "eve", code=2)["error"]
    assert "--calendar" in desk.json("subscriptions", "renew", "--calendar", "1", "--owner", "ana", code=2)["error"]


def test_a_refusal_is_told_and_is_a_failure(desk: Desk) -> None:  # I-32
    refusal = Response.of({"error": {"code": 403, "errors": [{"reason": "forbidden"}], "message": "no"}}, 403)
    desk.google.fail(HttpFault(HttpFaultKind.ANSWER, refusal, path="/watch$", times=10))
    failed = desk.json("subscriptions", "create", code=1)
    assert (failed["created"], failed["ok"]) == (0, False)
    assert {each["account"] for each in failed["errors"]} == {"work", "home"}
    assert "subscriptions made" in desk.call("subscriptions", "create").stdout
    desk.google.calm()
    assert desk.counts("create") == (2, 0)


def test_status_says_what_keeps_each_calendar_in_step(desk: Desk) -> None:
    desk.google.put_event(WORK, {"start": {"dateTime": noon(2).isoformat()}, "end": {"dateTime": noon(3).isoformat()}})
    desk.json("sync")
    told = desk.json("status")
    assert {each["way"] for each in told["calendars"]} == {"webhook"}
    assert all(each["next_read_at"] and each["push_expires_at"] for each in told["calendars"])
    assert told["status"] == "healthy"
    assert told["metrics"]["reads"] == {"polling": 2}
    text = desk.call("status").stdout
    assert "webhook" in text
    assert "Calendars read: 2 polled · 0% of the news came by push" in text
    desk.write(push="")
    desk.json("subscriptions", "cleanup")
    assert {each["way"] for each in desk.json("status")["calendars"]} == {"polling"}
