"""Addresses that lead elsewhere, requests of any shape, and what is said to browsers and logs."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import structlog.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.models import OAuthClient
from calsync_core.stores import MemoryStore
from calsync_core.testing.browser import Browser
from calsync_core.testing.fixtures import ANA_AT_GOOGLE
from calsync_core.web import asgi
from calsync_core.web.connect import Connector, DefaultPages, ProblemPage, Received
from calsync_core.web.connect.seals import Seals
from calsync_core.web.connect.sites import Site, local_path
from connect_bench import SITE, Host, query_of
from planted import secret

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(browser: Browser, url: str) -> int:
    """What a browser gets that brings an answer to nothing of its own; it is told nothing about why."""
    browser.open(url)
    assert browser.path.endswith("/callback")
    assert "Begin again" in browser.text
    return browser.status


ELSEWHERE = [
    *(
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil",
        "",
    ),
    *("/a\r\nSet-Cookie: x=1", "/a\tb", "/a b", "/\x00", "/ä", "/a\\b", " /a", "///evil.example"),
]


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("name", ["done", "login"])
def test_no_path_leads_elsewhere(host: Host, name: str, path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        host.connector(**{name: path})


@given(st.text(max_size=20))
def test_a_local_path_stays_here(tail: str) -> None:
    try:
        path = local_path("done", f"/{tail}")
    except ConfigurationError:
        return
    assert httpx.URL(SITE).join(path).host == "app.example.com"
    assert path.isascii()
    assert path.isprintable()


@pytest.mark.parametrize(
    "query", ["next=https://evil.example", "done=//evil.example", "redirect_uri=https://evil.example"]
)
def test_no_request_says_where_to_go(host: Host, query: str) -> None:
    browser = host.browser()
    browser.open(f"/google?{query}")
    assert "evil" not in browser.text
    browser.submit()
    assert query_of(str(browser.waiting_at))["redirect_uri"] == f"{SITE}/google/callback"


def test_the_redirect_uri_is_not_the_host_header_s(host: Host) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", **FORM}
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    body = urlencode({"token": seals.token("ana")}).encode()
    reply = host.connector().answer(Received("POST", "/google", headers=headers, body=body))
    assert "evil" not in dict(reply.headers)["Location"]


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.com",
        "ftp://x",
        "app.example.com",
        "https://u:p@x.example",
        f"{SITE}?x",
        f"{SITE}#x",
        f"{SITE}/ä",
    ],
)
def test_where_the_pages_are_is_an_https_address(host: Host, url: str) -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r"^public_url: "):
        host.connector(public_url=url)


def test_logins_that_would_be_lost_are_not_asked_for() -> None:  # I-44
    engine = SyncEngine(store=MemoryStore(), providers={}, secret="a secret for tests only")
    with pytest.raises(ConfigurationError, match=r"^engine: "):
        Connector(engine, public_url=SITE, owner=lambda _: "ana")


def test_a_client_of_no_provider_is_named(host: Host) -> None:  # I-44
    for name in ("gogle", "caldav"):
        with pytest.raises(ConfigurationError, match=r"^clients: .*" + name):
            host.connector(clients={name: OAuthClient("x")})
    assert "Google" not in host.browser(clients={}).open("/").text


def test_whoever_must_be_awaited_is_no_owner(host: Host) -> None:  # I-44
    async def later(_: Received) -> str:
        return "ana"

    for owner in (later, "ana", None):
        with pytest.raises(ConfigurationError, match=r"^owner: must be a plain function"):
            host.connector(owner=owner)


def test_pages_that_can_t_show_everything_are_none(host: Host) -> None:  # I-44
    for pages in (object(), DefaultPages, "planner.pages"):
        with pytest.raises(ConfigurationError, match=r"^pages: must have home, start,"):
            host.connector(pages=pages)


def test_methods_sizes_and_places(host: Host) -> None:
    connector = host.connector()

    def status(method: str, path: str, **more: Any) -> int:
        return connector.answer(Received(method, path, **more)).status

    assert status("GET", "/nowhere/else") == 404
    assert status("GET", "/nowhere") == 404
    assert status("DELETE", "/google") == 405
    assert status("POST", "/") == 405
    assert status("POST", "/nowhere/else") == 405
    assert status("POST", "/google/callback") == 405
    assert status("HEAD", "/google/callback") == 405
    assert status("HEAD", "/google") == 200
    assert status("POST", "/google", headers={"Content-Length": "131073"}) == 413
    assert status("POST", "/google", body=b"x" * 131_073) == 413
    assert status("POST", "/google", headers={"Content-Length": "many"}) == 400
    assert status("GET", "/google/callback", query_string="&".join(f"a{n}=1" for n in range(99))) == 404


def test_under_asgi_the_host_s_code_runs_in_threads(host: Host) -> None:
    """Never on the event loop: it may ask a database."""
    threads: list[str] = []

    def seen(value: Any) -> Any:
        threads.append(threading.current_thread().name)
        return value

    class Mine(DefaultPages):
        def problem(self, page: ProblemPage) -> str:
            return str(seen(page.text))

    settings = host.settings(owner=lambda _: seen("ana"), pages=Mine())
    browser = host.browse(asgi.connect_app(host.engine, **settings))
    for path in ("/", "/nowhere/else", "/google/callback?code=x"):
        browser.open(path)
    assert len(threads) == 5
    assert all(name.startswith("calsync-connect") for name in threads)


PATHS = ["/", "/google", "/caldav", "/google/callback", "/microsoft/callback", "/accounts/1/calendars"]
REQUESTS = st.builds(
    Received,
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    path=st.one_of(st.sampled_from(PATHS), st.text(max_size=30).map(lambda text: f"/{text}")),
    query_string=st.text(max_size=80),
    headers=st.dictionaries(st.sampled_from(["cookie", "origin", "accept", "content-type"]), st.text(max_size=40)),
    body=st.binary(max_size=80),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(REQUESTS)
def test_whatever_comes_has_an_answer_of_ours(host: Host, received: Received) -> None:
    reply = host.connector().answer(received)
    assert reply.status in {200, 303, 400, 401, 403, 404, 405, 413}
    for name, value in reply.headers:
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()
    assert host.nothing_kept()


def test_what_every_page_says_to_the_browser(host: Host) -> None:
    for path in ("/", "/google", "/nowhere/else", "/google/callback?error=access_denied"):
        headers = host.browser().open(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy


def test_nothing_that_proves_anything_is_logged(host: Host) -> None:  # I-39
    """Not the code, nor the state, nor the verifier, nor what was typed."""
    with structlog.testing.capture_logs() as logged:
        browser = host.begun()
        back = host.answered(browser, ANA_AT_GOOGLE)
        told = [*query_of(back).values(), *query_of(str(browser.waiting_at)).values()]
        [cookie] = browser._client.cookies.jar
        browser.open(back)
        refused(browser, back)
        browser.open("/caldav")
        browser.submit(username="ana", password=secret("app password"), address="https://127.0.0.1/")
    said = json.dumps(logged, default=str)
    events = [line["event"] for line in logged]
    assert events == ["connection_begun", "account_connected", "connection_refused", "connection_refused"]
    for value in (*told, str(cookie.value), "127.0.0.1"):
        assert len(value) < 8 or value not in said
    assert "untold" not in said
