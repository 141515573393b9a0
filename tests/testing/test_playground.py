"""Google and Microsoft on this machine, for whoever tries an application by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from calsync_core import Account, BearerToken, StaticTokens, SyncEngine
from calsync_core.stores import MemoryStore
from calsync_core.testing.playground import AT_GOOGLE, AT_MICROSOFT, Playground, services_at

WAITS = "import threading; threading.Event().wait()"
TELLS = "import os; print(*(os.environ[name] for name in ('CALSYNC_SECRET', 'CALSYNC_KEY', 'DATABASE')))"
CHILD = "import httpx, os, sys; sys.exit(httpx.get(os.environ['PLAYGROUND']).status_code - 197)"


def test_what_ana_does_on_the_page_stands_on_her_calendars() -> None:
    with Playground("http://127.0.0.1:8000/connect") as playground, httpx.Client(base_url=playground.origin) as client:
        for service in ("google", "microsoft"):
            for _ in range(2):
                assert client.post(f"/{service}/book").headers["location"] == "/"
            (first, start, title), (second, later, _) = playground.events(service)
            assert start < later
            page = client.get("/").text
            assert title in page
            assert start in page
            for key in (first, first, "nobody's"):
                assert client.post(f"/{service}/cancel", data={"event": key}).status_code == 303
            assert [key for key, _, _ in playground.events(service)] == [second]
        assert {client.post(path).status_code for path in ("/icloud/book", "/google", "/")} == {404}


def test_an_application_finds_the_services_by_the_page_s_address() -> None:
    with Playground("http://127.0.0.1:8000/connect") as playground:
        providers, clients = services_at(playground.origin)
        assert providers.keys() == clients.keys() == {"google", "microsoft"}
        assert clients["google"] == playground.google.oauth_client


def run(*words: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "calsync_core.testing.playground", *words]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)


def test_commands_run_beside_it_until_one_ends() -> None:
    at = ("--connect", "http://127.0.0.1:9000/planner/connect/")
    done = run(*at, *(word for command in (WAITS, CHILD) for word in ("--", sys.executable, "-c", command)))
    assert done.returncode == 3
    page, connect = done.stdout.splitlines()
    assert page.startswith("Ana's calendars: http://127.0.0.1:")
    assert connect.startswith("Your connect pages: http://127.0.0.1:9000/planner/connect/ ")


def test_what_can_t_be_run_is_said_in_a_line_and_what_began_is_ended() -> None:
    done = run("--", sys.executable, "-c", WAITS, "--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "no-such-command: No such file or directory\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["python", "app.py"], "unrecognized arguments: python app.py; a command comes after --"),
        (["--", "python", "app.py", "--"], "--: a command must follow"),
    ],
)
def test_wrong_arguments_are_told_what_is_right(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_who_comes_from_another_address_is_told_both_and_the_option() -> None:
    with Playground("http://127.0.0.1:8000/connect") as playground:
        client = services_at(playground.origin)[1]["microsoft"]
        asked = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": "http://127.0.0.1:9000/connect/microsoft/callback",
        }
        page = httpx.get(f"{playground.microsoft.authority}/oauth2/v2.0/authorize", params=asked)
    assert page.status_code == 400
    told = page.json()["error"]["message"]
    for word in (asked["redirect_uri"], "http://127.0.0.1:8000/connect/microsoft/callback", "--connect"):
        assert word in told


def test_what_the_environment_says_already_is_left() -> None:
    asked = [sys.executable, "-m", "calsync_core.testing.playground", "--", sys.executable, "-c", TELLS]
    lasting = {"CALSYNC_SECRET": "mine", "DATABASE": "sqlite:///mine.db"}
    told = subprocess.run(asked, stdout=subprocess.PIPE, timeout=60, check=True, env={**os.environ, **lasting}).stdout
    secret, key, database = told.decode().splitlines()[-1].split()
    assert (secret, database) == ("mine", "sqlite:///mine.db")
    assert key


def test_accounts_are_at_the_provider_s_own_server_unless_they_name_one() -> None:
    with Playground("http://127.0.0.1:8000/connect") as playground:
        engine = SyncEngine(
            store=MemoryStore(), providers=services_at(playground.origin)[0], secret="a secret for tests only"
        )
        logins = {
            "google": playground.google.issue_token(AT_GOOGLE),
            "microsoft": playground.microsoft.token(AT_MICROSOFT),
        }
        for provider, token in logins.items():
            account = engine.connect(Account("ana", provider, provider), StaticTokens(BearerToken(token)))
            assert account.base_url is None
            engine.enable(engine.discover(account.key)[0].key)
        playground.book("google")
        assert engine.sync_all_calendars().busy_blocks_created == 1
        assert len(playground.events("microsoft")) == 1
