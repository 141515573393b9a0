"""Forms that come from elsewhere, and people the host does not know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import structlog.testing

from calsync_core.core.identity import Keyring
from calsync_core.credentials import Sealer
from calsync_core.errors import StoreError
from calsync_core.testing.fixtures import ANA_AT_GOOGLE
from calsync_core.web.connect import DefaultPages, ProblemPage, Received
from calsync_core.web.connect.seals import Seals
from calsync_core.web.connect.sites import Site
from connect_bench import SITE, Host
from planted import secret

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def posted(host: Host, path: str = "/google", token: str | None = None, **headers: str) -> tuple[int, str]:
    connector = host.connector()
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    body = urlencode({"token": seals.token("ana") if token is None else token}).encode()
    sent = FORM | {name.replace("_", "-"): value for name, value in headers.items()}
    reply = connector.answer(Received("POST", path, headers=sent, body=body))
    return reply.status, dict(reply.headers).get("Location", "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": SITE, "Sec_Fetch_Site": "same-origin"}, 303),
        ({"Origin": "null"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://app.example.com.evil.example"}, 403),
        ({"Origin": "http://app.example.com"}, 403),
        ({"Origin": f"{SITE}:8443"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 403),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 403),
    ],
)
def test_a_form_comes_from_a_page_of_ours(host: Host, headers: dict[str, str], status: int) -> None:
    assert posted(host, **headers)[0] == status


def test_a_page_opened_under_another_name_says_so(host: Host) -> None:
    """As ``localhost``, while ``public_url`` says ``127.0.0.1``."""
    site, opened = "http://127.0.0.1:8000", "http://localhost:8000"
    with structlog.testing.capture_logs() as logged:
        browser = host.browse(host.app(public_url=site))
        browser.open("/caldav")
        form = browser.forms[0].fields
        told = browser._client.post("/caldav", data=form, headers={"Origin": opened, "Sec-Fetch-Site": "same-origin"})
    assert (told.status_code, "under its public address" in told.text) == (403, True)
    [line] = logged
    assert (line["event"], line["reason"]) == ("connect_refused", "origin")
    assert "localhost" not in str(line)
    assert "127.0.0.1" not in str(line)
    assert f'href="{site}/"' in told.text


def test_a_form_without_this_owner_s_token_is_none(host: Host) -> None:
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    elsewhere = Seals(Sealer(Keyring.of("another secret entirely").keys("connect"), host.clock), Site.of(SITE))
    account = host.connected("google", ANA_AT_GOOGLE)
    old = seals.token("ana")
    host.clock.advance(timedelta(hours=2, seconds=1))
    for path in ("/google", "/caldav", f"/accounts/{account.id}/calendars"):
        for token in ("", "x", "ä\x00", seals.token("bo"), elsewhere.token("ana"), old):
            assert posted(host, path, token)[0] == 403
    assert not any(calendar.enabled for calendar in host.engine.calendars())


def test_nobody_chooses_in_somebody_else_s_account(host: Host) -> None:
    account = host.connected("google", ANA_AT_GOOGLE)
    browser = host.browser()
    browser.open(f"/accounts/{account.id}/calendars")
    form = browser.forms[0].fields
    host.who = "bo"
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    browser._client.post(f"/accounts/{account.id}/calendars", data=form | {"token": seals.token("bo")})
    assert not any(calendar.enabled for calendar in host.engine.calendars())


@pytest.mark.parametrize("path", ["/", "/google", "/google/callback?code=x&state=y", "/accounts/1/calendars"])
def test_nobody_sees_nothing(host: Host, path: str) -> None:
    host.who = None
    browser = host.browser()
    assert browser.open(path).status_code == 401
    assert "Google" not in browser.text
    sent = host.browser(login="/login?next=/connect/")._client.get(path)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/connect/")
    host.who = ""
    assert host.browser().open(path).status_code == 401


def test_the_host_is_shown_the_request_as_it_came(host: Host) -> None:
    host.browser()._client.get("/", headers={"Cookie": 'a=1; b="2"; a=3; broken', "X-Who": "ana"})
    [seen] = host.seen
    assert seen.cookies() == {"a": "1", "b": "2"}
    assert (seen.headers["x-who"], seen.path, seen.scope["wsgi.url_scheme"]) == ("ana", "/", "https")
    assert "ana" not in repr(seen)


def test_a_host_that_fails_is_no_door(host: Host) -> None:  # I-39
    def broken(_: Received) -> str | None:
        raise RuntimeError(secret("of the host's session store"))

    class Broken(DefaultPages):
        def problem(self, page: ProblemPage) -> str:
            raise RuntimeError(page.text + secret("of the host's templates"))

    for pages in (DefaultPages(), Broken()):
        browser = host.browser(owner=broken, pages=pages)
        assert browser.open("/").status_code == 503
        assert "untold" not in browser.text
    assert host.browser(owner=lambda _: 7).open("/").status_code == 502


def test_a_store_that_is_away_is_said_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = host.begun()
    back = host.answered(browser, ANA_AT_GOOGLE)

    def away(*_: object) -> Any:
        raise StoreError("away")

    monkeypatch.setattr(host.engine._store, "save_account", away)
    assert browser.open(back).status_code == 503
    assert host.nothing_kept()
    monkeypatch.setattr(host.engine._store, "load_accounts", away)
    assert host.browser().open("/").status_code == 503
