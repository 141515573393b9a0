"""People connect accounts: every kind, over both kinds of application, and what they are told when it goes wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from calsync_core import Account
from calsync_core.credentials import new_key
from calsync_core.models import AccountStatus, BearerToken, CalendarRole
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.testing.browser import Browser
from calsync_core.testing.fixtures import ANA_AT_GOOGLE, ANA_AT_MICROSOFT, ANA_AT_RADICALE
from calsync_core.testing.servers import RadicaleServer
from calsync_core.web import asgi, wsgi
from connect_bench import SITE, Host

WORK = "ana@work.example"
BOTH = pytest.mark.parametrize(("provider", "address"), [("google", ANA_AT_GOOGLE), ("microsoft", ANA_AT_MICROSOFT)])


def said(browser: Browser) -> str:
    """The page without its head."""
    return browser.text.partition("<main>")[2]


# -- OAuth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect_app", [wsgi.connect_app, asgi.connect_app], ids=["wsgi", "asgi"])
@BOTH
def test_a_person_connects_and_chooses(host: Host, connect_app: Any, provider: str, address: str) -> None:
    browser = host.browse(connect_app(host.engine, **host.settings()))
    assert f'href="/{provider}"' in browser.open("/").text
    browser.open(f"/{provider}")
    browser.submit()
    browser.consent(address)
    [account] = host.engine.accounts("ana")
    assert (account.name, account.provider, browser.path) == (address, provider, f"/accounts/{account.id}/calendars")
    browser.submit()
    assert str(browser.response.url) == f"{SITE}/?done"
    chosen = [(calendar.primary, calendar.publishes, calendar.receives) for calendar in host.engine.calendars("ana")]
    assert chosen.count((True, True, True)) == 1
    assert sum(publishes or receives for _, publishes, receives in chosen) == 1
    assert not list(browser._client.cookies.jar)


def test_what_was_connected_is_mirrored(host: Host) -> None:
    """The grant that is kept opens the calendars, and goes on doing so when its access token has ended."""
    for provider, address in (("google", ANA_AT_GOOGLE), ("microsoft", ANA_AT_MICROSOFT)):
        browser = host.begun(provider)
        browser.consent(address)
        browser.submit()
    host.clock.advance(timedelta(hours=2))
    start = host.clock.now()
    host.google.put_event(
        ANA_AT_GOOGLE,
        {
            "summary": "Planning",
            "start": {"dateTime": start.replace(hour=13).isoformat()},
            "end": {"dateTime": start.replace(hour=14).isoformat()},
        },
    )
    report = host.engine.sync_all_calendars("ana")
    assert (report.errors, report.busy_blocks_created) == ((), 1)


def test_calendars_that_are_ticked_take_part_and_others_do_not(host: Host) -> None:
    second = host.google.add_calendar(ANA_AT_GOOGLE, "Choir")
    browser = host.begun()
    browser.consent(ANA_AT_GOOGLE)
    [account] = host.engine.accounts("ana")
    by_name = {calendar.remote_id: calendar.id for calendar in host.engine.calendars("ana")}
    own, choir = by_name[ANA_AT_GOOGLE], by_name[second]
    browser.submit(**{f"publish_{choir}": True, f"receive_{own}": False})
    states = {calendar.id: (calendar.publishes, calendar.receives) for calendar in host.engine.calendars("ana")}
    assert states == {own: (True, False), choir: (True, False)}
    browser.open(f"/accounts/{account.id}/calendars")
    assert {f"publish-{own}", f"publish-{choir}"} <= browser.forms[0].fields.keys()
    browser.submit(**{f"publish_{choir}": False, f"publish_{own}": False})
    assert not any(calendar.enabled for calendar in host.engine.calendars("ana"))


def test_calendars_that_the_page_did_not_show_stay_as_they_are(host: Host) -> None:
    account = host.connected("google", ANA_AT_GOOGLE)
    browser = host.browser()
    browser.open(f"/accounts/{account.id}/calendars")
    choir = host.google.add_calendar(ANA_AT_GOOGLE, "Choir")
    [later] = [calendar for calendar in host.engine.discover(account.key) if calendar.remote_id == choir]
    host.engine.enable(later.key)
    browser.submit()
    assert {calendar.remote_id for calendar in host.engine.calendars("ana") if calendar.enabled} == {
        ANA_AT_GOOGLE,
        choir,
    }
    browser.open(f"/accounts/{account.id}/calendars")
    fields = browser.forms[0].fields
    assert fields["shown"].count(",") == 1
    # As a page of the host's own may send it, by mistake.
    told = browser._client.post(f"/accounts/{account.id}/calendars", data={"token": fields["token"]})
    assert told.status_code == 403
    assert all(calendar.enabled for calendar in host.engine.calendars("ana"))


def test_whoever_only_wants_to_be_read_is_asked_for_no_more(host: Host) -> None:
    """May publish, can't receive."""
    for provider, address in (("google", ANA_AT_GOOGLE), ("microsoft", ANA_AT_MICROSOFT)):
        browser = host.begun(provider, read_only=True)
        page = str(browser.waiting_at)
        assert "calendar.events.readonly" in page or "Calendars.Read+" in page or page.endswith("Calendars.Read")
        browser.consent(address)
        assert "may only read it" in said(browser)
        browser.submit()
        assert browser.path == "/"
    mine = [calendar for calendar in host.engine.calendars("ana") if calendar.enabled]
    assert [(calendar.role, calendar.publish, calendar.receive) for calendar in mine] == [
        (CalendarRole.READER, True, False)
    ] * 2


def test_somebody_who_unticks_a_box_is_told_which(host: Host) -> None:
    browser = host.begun()
    browser.consent(ANA_AT_GOOGLE, untick=["calendar.events"])
    assert browser.status == 403
    assert "see your events" in said(browser)
    assert "which calendars" not in said(browser)
    assert 'href="/google"' in said(browser)
    assert host.nothing_kept()


@BOTH
def test_a_no_is_a_no(host: Host, provider: str, address: str) -> None:
    browser = host.begun(provider)
    browser.consent(address, deny=True)
    assert browser.status == 403
    assert "was not allowed" in said(browser)
    assert host.nothing_kept()
    browser.open(f"/{provider}")
    browser.submit()
    browser.consent(address)
    assert browser.status == 200


def test_whose_administrator_must_agree_is_told_so(host: Host) -> None:
    """AADSTS90094."""
    host.graph.habits.admin_consent = True
    browser = host.begun("microsoft")
    browser.consent(ANA_AT_MICROSOFT)
    assert browser.status == 403
    assert "administrator must agree" in said(browser)
    assert host.nothing_kept()


@pytest.mark.parametrize(("provider", "asked"), [("google", "select_account+consent"), ("microsoft", "select_account")])
def test_another_account_can_be_reached(host: Host, provider: str, asked: str) -> None:
    """By somebody whom the provider's page would else take for the one who is logged in there."""
    assert f"prompt={asked}" in str(host.begun(provider).waiting_at)


# -- once more --------------------------------------------------------------------------------------------------------


@BOTH
def test_the_same_login_is_the_same_account(host: Host, provider: str, address: str) -> None:
    first = host.connected(provider, address)
    assert host.connected(provider, address).id == first.id
    assert len(host.engine.accounts("ana")) == 1


def test_two_accounts_of_one_address_have_two_names(host: Host) -> None:
    host.graph.add_user(ANA_AT_GOOGLE)
    host.connected("google", ANA_AT_GOOGLE)
    host.begun("microsoft").consent(ANA_AT_GOOGLE)
    assert [account.name for account in host.engine.accounts("ana")] == [ANA_AT_GOOGLE, f"{ANA_AT_GOOGLE} (microsoft)"]


def test_a_login_that_ended_is_connected_again(host: Host) -> None:  # I-35
    account = host.connected("google", ANA_AT_GOOGLE)
    browser = host.browser()
    browser.open(f"/accounts/{account.id}/calendars")
    browser.submit()
    host.google.expire_access_tokens()
    host.google.revoke(next(iter(host.google._oauth._consents.values())).refresh[-1])
    host.engine.sync_all_calendars("ana")
    assert host.engine.accounts("ana")[0].status is AccountStatus.AUTH_EXPIRED
    assert "No longer connected" in browser.open("/").text
    browser.open(f"/accounts/{account.id}/calendars")
    assert browser.status == 403
    browser.open(f"/google?account={account.id}")
    assert "Connect again" in said(browser)
    browser.submit()
    assert f"login_hint={ANA_AT_GOOGLE.replace('@', '%40')}" in str(browser.waiting_at)
    assert "select_account" not in str(browser.waiting_at)
    browser.consent(ANA_AT_GOOGLE)
    [again] = host.engine.accounts("ana")
    assert (again.id, again.status) == (account.id, AccountStatus.ACTIVE)
    assert host.engine.sync_all_calendars("ana").errors == ()


def test_what_the_host_has_paused_stays_paused(host: Host) -> None:
    """Whether it is connected as that account, or as a new one that turns out to be it."""
    account = host.connected("google", ANA_AT_GOOGLE)
    assert "Paused" not in host.browser().open("/").text
    host.engine.pause(account.key)
    for path in (f"/google?account={account.id}", "/google"):
        browser = host.browser()
        browser.open(path)
        browser.submit()
        browser.consent(ANA_AT_GOOGLE)
        assert browser.path == f"/accounts/{account.id}/calendars"
        assert "is paused" in said(browser)
        assert [each.status for each in host.engine.accounts("ana")] == [AccountStatus.PAUSED]
    assert "Paused" in browser.open("/").text
    assert host.engine.resume(account.key).status is AccountStatus.ACTIVE


def test_somebody_else_s_login_changes_nothing(host: Host) -> None:  # I-46
    """An account that works goes on working, and nobody is told that it was somebody else's."""
    account = host.connected("google", ANA_AT_GOOGLE)
    host.google.add_user(WORK)
    browser = host.browser()
    browser.open(f"/google?account={account.id}")
    browser.submit()
    browser.consent(WORK)
    assert browser.status == 409
    assert "another account" in said(browser)
    assert host.engine.accounts("ana") == [account]
    assert host.engine.discover(account.key)


def test_an_account_is_connected_again_at_its_own_provider_and_by_its_owner(host: Host) -> None:
    account = host.connected("google", ANA_AT_GOOGLE)
    browser = host.browser()
    assert browser.open(f"/google?account={account.id}").status_code == 200
    for path in (f"/microsoft?account={account.id}", "/google?account=99", "/google?account=x", "/google?account=-1"):
        assert browser.open(path).status_code == 404
    host.who = "bo"
    assert browser.open(f"/google?account={account.id}").status_code == 404
    assert browser.open(f"/accounts/{account.id}/calendars").status_code == 404


# -- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_a_password_and_an_address(host: Host, calsync_radicale: RadicaleServer) -> None:
    user, password = ANA_AT_RADICALE
    browser = host.browser(private_servers=True)
    browser.open("/caldav")
    browser.submit(username=user, password="wrong", address=calsync_radicale.base_url)
    assert browser.status == 400
    assert "were not accepted" in said(browser)
    assert browser.forms[0].fields | {"token": ""} == {
        "token": "",
        "username": user,
        "password": "",
        "address": calsync_radicale.base_url,
    }
    browser.submit(password=password)
    [account] = host.engine.accounts("ana")
    assert account.name == "ana@127.0.0.1"
    assert "Home" in said(browser)
    browser.submit()
    assert [(each.publishes, each.receives) for each in host.engine.calendars("ana")] == [(True, True)]
    browser.open(f"/caldav?account={account.id}")
    assert "address" not in browser.forms[0].fields
    browser.submit(username=user, password=password)
    assert browser.path == f"/accounts/{account.id}/calendars"
    browser.open("/caldav")
    browser.submit(username=user, password=password, address=f"{calsync_radicale.base_url}{user}/")
    assert len(host.engine.accounts("ana")) == 1


@pytest.mark.server
def test_a_provider_with_an_address_of_its_own_needs_none(host: Host, calsync_radicale: RadicaleServer) -> None:
    """As iCloud is: an app password, and what is to be done about a wrong one."""

    class Cloud(CalDAVProvider):
        default_base = calsync_radicale.base_url

    providers = dict(host.engine.providers) | {"icloud": Cloud()}
    host.engine = type(host.engine)(
        store=host.engine._store,
        providers=providers,
        secret="another for tests only",
        clock=host.clock,
        encryption_key=new_key(),
    )
    browser = host.browser()
    browser.open("/icloud")
    assert "app-specific password" in said(browser)
    assert "address" not in browser.forms[0].fields
    browser.submit(username=ANA_AT_RADICALE[0], password="wrong")
    assert "were not accepted" in said(browser)
    assert "app-specific password" in said(browser)
    browser.submit(password=ANA_AT_RADICALE[1])
    assert browser.path.endswith("/calendars")
    assert [account.name for account in host.engine.accounts("ana")] == [ANA_AT_RADICALE[0]]


def test_what_is_missing_is_asked_for(host: Host) -> None:
    browser = host.browser(private_servers=True)
    browser.open("/caldav")
    browser.submit(username="ana", password="", address="https://dav.example.com")
    assert browser.status == 400
    assert "fill in" in said(browser)
    browser.submit(username="ana", password="x" * 2_000, address="https://dav.example.com")
    assert browser.status == 400


# -- calendars that can't be had --------------------------------------------------------------------------------------


def test_what_can_t_be_chosen_is_said_and_the_rest_is_done(host: Host) -> None:
    """A remote calendar takes part once per owner, and receives for one owner."""
    host.google.add_user(WORK)
    host.google.share(ANA_AT_GOOGLE, WORK, "writer")
    for address in (ANA_AT_GOOGLE, WORK):
        browser = host.begun()
        browser.consent(address)
        if address == ANA_AT_GOOGLE:
            browser.submit()
    shared = next(c for c in host.engine.calendars("ana") if c.remote_id == ANA_AT_GOOGLE and not c.enabled)
    browser.submit(**{f"publish_{shared.id}": True})
    assert browser.status == 409
    assert "enabled already" in said(browser)
    assert sorted(c.remote_id for c in host.engine.calendars("ana") if c.enabled) == [ANA_AT_GOOGLE, WORK]


def test_an_account_without_calendars_says_so(host: Host) -> None:
    account = host.connected("google", ANA_AT_GOOGLE)
    host.google.remove_calendar(ANA_AT_GOOGLE)
    page = host.browser()
    page.open(f"/accounts/{account.id}/calendars")
    assert "There are no calendars" in said(page)


def test_an_account_that_the_host_connected_itself_is_shown_too(host: Host) -> None:
    token = BearerToken(host.google.issue_token(ANA_AT_GOOGLE))
    host.engine.connect(Account(owner="ana", provider="google", name="by hand"), token)
    assert "by hand" in host.browser().open("/").text
