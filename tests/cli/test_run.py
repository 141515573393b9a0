"""``calsync run`` as its own process, between Google's and Microsoft's calendars on this machine."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field
from click.testing import CliRunner

from calsync_core.cli.accounts import align_accounts
from calsync_core.cli.application import calsync
from calsync_core.cli.assembly import build_installation
from calsync_core.cli.commands.run import Accounts
from calsync_core.cli.config import load_config
from calsync_core.testing.servers import CalDAVServer
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.messages import Request
from household import Household, event, noon
from planted import LUNCH

ANA = "ana@contoso.example"
HOME = "ana@home.example"

SOON = 20.0
"""Seconds: what takes longer has failed."""


def until(condition: Callable[[], object], what: str, seconds: float = SOON) -> None:
    """Wait until it holds, and no longer than that."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        tick.wait(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@define
class Gate:
    """Requests that write a block wait here while it is shut."""

    opened: threading.Event = field(factory=threading.Event)
    reached: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self.opened.set()

    def __call__(self, request: Request) -> None:
        if b"transactionId" in request.body and not self.opened.is_set():
            self.reached.set()
            self.opened.wait(SOON)


@define
class Town:
    """Ana's two calendars, a configuration, and postmen who bring the pushes as soon as there are any."""

    google: GoogleSimulator
    graph: GraphSimulator
    folder: Path
    gate: Gate
    port: int = field(factory=free_port)
    running: list[subprocess.Popen[str]] = field(factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "calsync.toml"

    @property
    def office(self) -> str:
        return self.graph.calendars(ANA)[0]

    def write(self, *more: str, webhooks: bool = True) -> None:
        google, graph = self.google.issue_token(HOME), self.graph.token(ANA, lifetime=10**6)
        push = f'[webhooks]\npublic_url = "http://127.0.0.1:{self.port}/webhooks"\n' if webhooks else ""
        accounts = (
            ("home", "google", self.google.base_url, google),
            ("office", "microsoft", self.graph.base_url, graph),
        )
        self.config.write_text(
            f'[installation]\nsecret = "the-secret-of-this-test"\n[store]\nurl = "sqlite:///calsync.db"\n{push}'
            + "".join(
                f'[[accounts]]\nname = "{name}"\nowner = "ana"\nprovider = "{provider}"\nbase_url = "{address}"\n'
                f'auth = {{ type = "bearer", token = "{token}" }}\n'
                for name, provider, address, token in accounts
            )
            + "".join(more),
            encoding="utf-8",
        )

    def start(self, *words: str, first: str = "") -> subprocess.Popen[str]:
        """``calsync run``; what it says goes into files beside the configuration."""
        with (self.folder / "out").open("w") as out, (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{first}\nfrom calsync_core.cli import main; main()", "run", *words],
                cwd=self.folder,
                stdout=out,
                stderr=log,
                text=True,
            )
        self.running.append(process)
        return process

    def said(self) -> str:
        return (self.folder / "out").read_text("utf-8")

    def logged(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(calsync, ["--config", str(self.config), *words, "--json"])
        assert result.exit_code == code, result.output
        values: dict[str, Any] = json.loads(result.stdout)
        return values

    def book_home(self, days: int, title: str = LUNCH) -> None:
        times = {"start": {"dateTime": noon(days).isoformat()}, "end": {"dateTime": noon(days + 1).isoformat()}}
        self.google.put_event(HOME, {"summary": title, **times})

    def book_office(self, days: int) -> None:
        times = {
            name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
            for name, at in (("start", noon(days)), ("end", noon(days + 1)))
        }
        self.graph.put_event(self.office, {"subject": "Review", **times})

    def at_home(self) -> int:
        return len(self.google.events(HOME))

    def at_the_office(self) -> int:
        return len(self.graph.events(self.office))

    def subscribed(self) -> bool:
        return bool(self.google.channels) and bool(self.graph.subscriptions)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    gate = Gate()
    with GoogleSimulator() as google, GraphSimulator() as graph:
        google.add_user(HOME)
        graph.add_user(ANA)
        graph.meanwhile = gate
        over = threading.Event()
        postman = threading.Thread(target=bring, args=(google, graph, over))
        postman.start()
        town = Town(google, graph, tmp_path, gate)
        try:
            yield town
        finally:
            gate.opened.set()
            for process in town.running:
                process.kill()
                process.wait()
            over.set()
            postman.join()


def bring(google: GoogleSimulator, graph: GraphSimulator, over: threading.Event) -> None:
    while not over.wait(0.05):
        for outbox in (google.outbox, graph.outbox):
            if len(outbox):
                outbox.deliver()


def test_a_change_here_is_a_block_there_within_seconds_and_it_stops_cleanly(town: Town) -> None:  # I-28, I-29
    town.write()
    process = town.start("--port", str(town.port))
    until(town.subscribed, "both calendars are subscribed to")
    town.book_home(2)
    until(lambda: town.at_the_office() == 1, "the lunch blocks the office")
    town.book_office(5)
    until(lambda: town.at_home() == 2, "the review blocks home")
    for path in ("/webhooks/health", "/health"):  # as a proxy leaves it, and as one that takes the prefix off
        assert httpx.get(f"http://127.0.0.1:{town.port}{path}", trust_env=False).status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0
    assert f"Listening on http://127.0.0.1:{town.port}" in town.said()
    told = town.json("status")
    assert {each["way"] for each in told["calendars"]} == {"webhook"}
    assert told["metrics"]["by_type"]["webhook"] >= 2
    log = town.logged()
    assert "event=scheduler_stopped" in log
    assert "job_failed" not in log
    assert "auditor" not in log  # I-39
    assert town.json("audit")["ok"]
    listed = town.json("subscriptions", "list")
    assert [(each["push"], each["subscriptions"]) for each in listed["calendars"]] == [("active", 1)] * 2


@pytest.mark.server
def test_a_push_reaches_a_calendar_that_cannot_push(town: Town, radicale: CalDAVServer) -> None:
    """A real CalDAV server beside the two that push: written to within seconds, read by its own timer."""
    home = Household(radicale, town.folder)
    home.add_calendar("club")
    town.write(home.account("club", "club"))
    process = town.start("--port", str(town.port))
    until(town.subscribed, "both calendars are subscribed to")
    town.book_home(3)
    until(lambda: len(home.names("club")) == 1, "a block on the CalDAV server")
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0
    home.put("club", "match.ics", event("match@x", noon(5)))
    town.json("sync")
    assert (town.at_home(), town.at_the_office()) == (2, 2)
    assert town.json("audit")["ok"]


def test_stopped_in_the_middle_of_a_sync_it_ends_well_and_the_next_one_finishes(town: Town) -> None:  # I-05
    town.write(webhooks=False)
    for days in range(2, 62):
        town.book_home(days)
    town.gate.opened.clear()
    process = town.start()
    assert town.gate.reached.wait(SOON)
    process.send_signal(signal.SIGTERM)
    until(lambda: "event=stop_requested" in town.logged(), "it has heard")
    town.gate.opened.set()
    assert process.wait(SOON) == 0
    assert 0 < town.at_the_office() < 60
    town.json("sync")
    assert town.at_the_office() == 60
    assert town.json("audit")["ok"]


def test_a_second_signal_ends_it_at_once(town: Town) -> None:
    town.write(webhooks=False)
    town.book_home(2)
    town.gate.opened.clear()
    process = town.start()
    assert town.gate.reached.wait(SOON)
    process.send_signal(signal.SIGTERM)
    until(lambda: "event=stop_requested" in town.logged(), "it has heard")
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 128 + signal.SIGINT


def test_without_a_webhook_address_it_polls_and_says_so(town: Town) -> None:
    town.write(webhooks=False)
    town.book_home(2)
    process = town.start()
    until(lambda: town.at_the_office() == 1, "the lunch blocks the office")
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON) == 0
    assert "all calendars are polled" in town.said()
    assert not town.google.channels
    assert {each["way"] for each in town.json("status")["calendars"]} == {"polling"}


def test_any_free_port_is_found_and_told(town: Town) -> None:
    town.write(webhooks=False)
    process = town.start("--port", "0", "--host", "localhost")
    until(lambda: "Listening on" in town.said(), "it says where it listens")
    found = re.search(r"http://127\.0\.0\.1:(\d+)", town.said())
    assert found is not None
    until(lambda: "event=scheduler_started" in town.logged(), "it works")
    assert httpx.get(f"http://127.0.0.1:{found[1]}/health", trust_env=False).json()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0


def test_a_database_that_cannot_be_used_at_the_start_is_waited_for(town: Town) -> None:  # I-05
    town.write(webhooks=False)
    town.book_home(2)
    somebody = sqlite3.connect(town.folder / "calsync.db", isolation_level=None)
    somebody.execute("BEGIN EXCLUSIVE")
    town.start(first="from calsync_core.stores.sql import database; database._BUSY_MILLISECONDS = 50")
    until(lambda: "event=store_unavailable" in town.logged(), "it has missed it")
    somebody.execute("ROLLBACK")
    somebody.close()
    until(lambda: town.at_the_office() == 1, "the lunch blocks the office")


def test_a_provider_that_is_down_at_the_start_holds_nobody_up(town: Town) -> None:  # I-37
    town.write(webhooks=False)
    text = town.config.read_text("utf-8")
    town.config.write_text(text.replace(town.graph.base_url, f"http://127.0.0.1:{free_port()}/v1.0"), encoding="utf-8")
    process = town.start()
    until(lambda: "event=scheduler_started" in town.logged(), "it works")
    assert "event=account_not_ready" in town.logged()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0


def test_an_address_that_cannot_be_had_is_bad_usage(town: Town) -> None:  # I-44
    town.write()
    with socket.create_server(("127.0.0.1", town.port)):
        result = CliRunner().invoke(calsync, ["--config", str(town.config), "run", "--port", str(town.port)])
    assert result.exit_code == 2
    assert f"can't listen on 127.0.0.1 port {town.port}" in result.stderr
    assert town.google.log == ()


@pytest.mark.parametrize("words", [["--polling-interval", "10"], ["--port", "65536"], ["--maintenance-interval", "0"]])
def test_a_number_that_cannot_be_is_bad_usage(town: Town, words: list[str]) -> None:  # I-44
    town.write()
    assert CliRunner().invoke(calsync, ["--config", str(town.config), "run", *words]).exit_code == 2


def test_an_account_that_was_not_ready_is_tried_again(town: Town) -> None:  # I-37
    port = free_port()
    town.write(webhooks=False)
    text = town.config.read_text("utf-8").replace(town.graph.base_url, f"http://127.0.0.1:{port}/v1.0")
    town.config.write_text(text.replace('"office"\n', '"office"\ncalendars = ["*"]\n'), encoding="utf-8")
    installation = build_installation(load_config(town.config), lasting=True)
    align_accounts(installation)
    assert [(each.account, each.kind) for each in installation.failures] == [("office", "Unreachable")]
    town.graph.stop()
    town.graph.start(port)
    Accounts(installation).look()
    assert installation.failures, "not so soon"
    Accounts(installation, tried_at=float("-inf")).look()
    assert installation.failures == []
    assert [each.name for each in installation.store.load_accounts()] == ["home", "office"]
    town.graph.add_calendar(ANA, "Choir")
    Accounts(installation).look()
    assert len(installation.store.load_calendars()) == 2
    Accounts(installation, listed_at=float("-inf")).look()
    assert sum(each.enabled for each in installation.store.load_calendars()) == 3
    installation.close()
