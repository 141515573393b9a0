"""Google and Microsoft on this machine, for whoever tries an application by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx

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


def test_commands_run_beside_it_until_one_ends() -> None:
    words = [word for command in (WAITS, CHILD) for word in ("--", sys.executable, "-c", command)]
    asked = [sys.executable, "-m", "calsync_core.testing.playground", *words]
    done = subprocess.run(asked, stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith(b"Ana's calendars: http://127.0.0.1:")


def test_what_the_environment_says_already_is_left() -> None:
    asked = [sys.executable, "-m", "calsync_core.testing.playground", "--", sys.executable, "-c", TELLS]
    lasting = {"CALSYNC_SECRET": "mine", "DATABASE": "sqlite:///mine.db"}
    told = subprocess.run(asked, stdout=subprocess.PIPE, timeout=60, check=True, env={**os.environ, **lasting}).stdout
    secret, key, database = told.decode().splitlines()[1].split()
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
