"""Answers of providers that belong to nobody here, to somebody else, or to another time (RFC 9700, RFC 6819)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from calsync_core.credentials import new_key
from calsync_core.engine import SyncEngine
from calsync_core.testing.browser import Browser
from calsync_core.testing.fixtures import ANA_AT_GOOGLE, ANA_AT_MICROSOFT
from calsync_core.web.connect import Received
from calsync_core.web.connect.seals import Flow, Seals
from calsync_core.web.connect.sites import Site
from connect_bench import SITE, Host, query_of

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(browser: Browser, url: str) -> int:
    """What a browser gets that brings an answer to nothing of its own; it is told nothing about why."""
    browser.open(url)
    assert browser.path.endswith("/callback")
    assert "Begin again" in browser.text
    return browser.status


def changed(url: str, **values: str) -> str:
    """The address with other values in its query; empty: without."""
    query = {name: value for name, value in (query_of(url) | values).items() if value}
    return f"{url.partition('?')[0]}?{urlencode(query)}"


def test_an_answer_is_taken_once(host: Host) -> None:
    """The browser forgets with the first one, and the provider knows a code once only."""
    browser = host.begun()
    before = dict(browser._client.cookies)
    back = host.answered(browser, ANA_AT_GOOGLE)
    browser.open(back)
    assert browser.path.endswith("/calendars")
    assert refused(browser, back) == 400
    browser._client.cookies.update(before)
    browser.open(back)
    assert browser.status == 403
    assert len(host.engine.accounts()) == 1


def test_another_browser_brings_nothing_back(host: Host) -> None:
    """A link that somebody was sent connects nothing: whoever began it is another browser."""
    back = host.answered(host.begun(), ANA_AT_GOOGLE)
    assert refused(host.browser(), back) == 400
    assert host.nothing_kept()


def test_another_owner_in_the_same_browser_does_not_either(host: Host) -> None:
    browser = host.begun()
    back = host.answered(browser, ANA_AT_GOOGLE)
    host.who = "bo"
    assert refused(browser, back) == 400
    assert host.nothing_kept()


def test_ten_minutes_are_enough(host: Host) -> None:
    browser = host.begun()
    back = host.answered(browser, ANA_AT_GOOGLE)
    host.clock.advance(timedelta(minutes=10, seconds=1))
    assert refused(browser, back) == 400
    assert host.nothing_kept()


def test_one_provider_s_answer_is_none_to_another(host: Host) -> None:
    """Mix-up: each has its own state, cookie and redirect URI."""
    browser = host.begun()
    host.begun("microsoft", browser)
    answer = urlsplit(host.answered(browser, ANA_AT_MICROSOFT)).query
    assert refused(browser, f"{SITE}/google/callback?{answer}") == 400
    assert host.nothing_kept()


def test_an_issuer_that_is_not_the_provider_is_refused(host: Host) -> None:
    browser = host.begun()
    browser.open(changed(host.answered(browser, ANA_AT_GOOGLE), iss="https://evil.example"))
    assert browser.status == 403
    assert host.nothing_kept()


@pytest.mark.parametrize("state", ["", "x", "x.y", "ä", "\x00", "a" * 5_000])
def test_a_forged_state_is_refused(host: Host, state: str) -> None:
    browser = host.begun()
    assert refused(browser, changed(host.answered(browser, ANA_AT_GOOGLE), state=state)) == 400
    assert host.nothing_kept()


def test_a_state_of_an_earlier_try_is_refused(host: Host) -> None:
    browser = host.begun()
    early = host.answered(browser, ANA_AT_GOOGLE)
    host.begun(browser=browser)
    assert refused(browser, early) == 400
    assert host.nothing_kept()


def test_what_others_send_here_ends_nothing_that_was_begun(host: Host) -> None:
    """Whoever has a browser open a callback, an older tab too: the last connection that it began can be finished."""
    browser = host.begun()
    early = host.answered(browser, ANA_AT_GOOGLE)
    host.begun(browser=browser)
    for answer in (f"{SITE}/google/callback?code=x&state=y", f"{SITE}/google/callback?error=access_denied", early):
        assert refused(browser, answer) == 400
    browser.consent(ANA_AT_GOOGLE)
    assert browser.path.endswith("/calendars")


def test_a_flow_cookie_that_was_touched_is_none(host: Host) -> None:
    browser = host.begun()
    back = host.answered(browser, ANA_AT_GOOGLE)
    [cookie] = browser._client.cookies.jar
    middle = len(str(cookie.value)) // 2
    other = "A" if str(cookie.value)[middle] != "A" else "B"
    swapped = f"{str(cookie.value)[:middle]}{other}{str(cookie.value)[middle + 1 :]}"
    for value in ("", "x", str(cookie.value)[:-2], str(cookie.value)[::-1], swapped):
        touched = host.browser()
        touched._client.cookies.set(cookie.name, value, domain="app.example.com")
        assert refused(touched, back) == 400
    assert host.nothing_kept()


def test_a_form_s_token_is_no_flow_and_a_flow_is_no_token(host: Host) -> None:
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    browser = host.begun()
    [cookie] = browser._client.cookies.jar
    assert not seals.is_token(str(cookie.value), "ana")
    assert seals.kept({cookie.name: seals.token("ana")}, "google") is None
    assert seals.kept({cookie.name: str(cookie.value)}, "google") is not None
    assert seals.kept({cookie.name: str(cookie.value)}, "microsoft") is None


def test_the_flow_and_the_state_each_say_whose_they_are(host: Host) -> None:
    """Either would do; neither is believed alone."""
    seals = Seals(host.engine.sealer("connect"), Site.of(SITE))
    mine = seals.state("ana", "google")
    for owner, state, status in (("ana", mine, 403), ("bo", mine, 400), ("ana", seals.state("bo", "google"), 400)):
        record = {"state": state, "verifier": "v" * 43, "redirect_uri": f"{SITE}/google/callback"}
        name, _, value = seals.keep(Flow(owner, "google", None, record))[1].partition(";")[0].partition("=")
        browser = host.browser()
        browser._client.cookies.set(name, value, domain="app.example.com")
        browser.open(f"/google/callback?{urlencode({'state': state, 'code': '4/x'})}")
        assert browser.status == status


def test_a_secret_that_was_rotated_still_opens(host: Host) -> None:
    browser = host.begun()
    back = host.answered(browser, ANA_AT_GOOGLE)
    secrets = ["a new secret for tests", "a secret for tests only"]
    host.engine = SyncEngine(
        store=host.engine._store,
        providers=host.engine.providers,
        secret=secrets,
        clock=host.clock,
        encryption_key=new_key(),
    )
    later = host.browser()
    later._client.cookies.update(browser._client.cookies)
    assert later.open(back).url.path.endswith("/calendars")
    assert refused(host.browser(), back) == 400


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_the_longest_owner_s_flow_fits_into_a_cookie(host: Host, provider: str) -> None:
    """Browsers drop a cookie of more than 4,096 bytes, and say nothing (RFC 6265, 6.1)."""
    host.who = "\N{GRINNING FACE}" * 255
    browser = host.begun(provider)
    [cookie] = browser._client.cookies.jar
    assert len(f"{cookie.name}={cookie.value}") <= 4_096


def test_a_flow_that_no_browser_would_keep_is_not_begun(host: Host) -> None:
    host.who = "somebody with a long name" * 160
    browser = host.browser()
    browser.open("/google")
    browser.submit()
    assert (browser.status, browser.waiting_at) == (502, None)
    assert not list(browser._client.cookies.jar)
    assert "tell whoever runs it" in browser.text


def test_what_the_browser_keeps_can_t_be_read_by_it(host: Host) -> None:
    """Sealed, for this host over https only, out of scripts' reach, and not sent along by other sites' forms."""
    browser = host.begun()
    header = browser.response.headers["set-cookie"]
    assert header.startswith("__Host-calsync-connect-")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert f"; {attribute}" in header
    state = query_of(str(browser.waiting_at))["state"]
    assert "ana" not in header
    assert state not in header
    assert all(len(host.begun(name).response.headers["set-cookie"]) < 4_096 for name in ("google", "microsoft"))
    local = host.connector(public_url="http://127.0.0.1:8000")
    page = local.answer(Received("GET", "/google", headers={}))
    token = page.body.decode().partition('name="token" value="')[2].partition('"')[0]
    begun = local.answer(Received("POST", "/google", headers=FORM, body=urlencode({"token": token}).encode()))
    [cookie] = [value for name, value in begun.headers if name == "Set-Cookie"]
    assert "Secure" not in cookie
