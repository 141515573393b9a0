"""The identity platform, asked by msal itself. Sources: msal 1.39, "v2-oauth2-auth-code-flow", "refresh-tokens"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msal
import pytest

from calsync_core.testing.simulators.graph import Habits
from graph_world import ANA, BO, GraphWorld, code

_TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
_LOGIN = f"https://login.microsoftonline.com/{_TENANT}"
_REDIRECT = "https://host.example/callback"
_BACK = {"redirect_uri": _REDIRECT, "response_mode": "form_post"}
_SECRET = "s3cret"
_SCOPES = ["Calendars.ReadWrite", "User.Read"]


class _Http:
    """msal's port for HTTP, in this process: it accepts no plain-http authority, so none is asked."""

    def __init__(self, world: GraphWorld) -> None:
        self._client = httpx.Client(transport=world.simulator.transport())

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._client.post(url, params=params or None, data=data, headers=headers)

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._client.get(url, params=params or None, headers=headers)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def world() -> GraphWorld:
    world = GraphWorld()
    world.simulator.add_app("web", _SECRET, redirect_uris=[_REDIRECT], roles=["Calendars.Read"])
    world.simulator.add_app("cli")
    return world


def _web(world: GraphWorld, secret: str = _SECRET, authority: str = _LOGIN, **more: Any) -> Any:
    return msal.ConfidentialClientApplication(
        "web", client_credential=secret, authority=authority, http_client=_Http(world), **more
    )


def _signed_in(world: GraphWorld, app: Any, upn: str = ANA) -> dict[str, Any]:
    flow = app.initiate_auth_code_flow(_SCOPES, **_BACK)
    back = world.simulator.consent(flow["auth_uri"], upn)
    answer: dict[str, Any] = app.acquire_token_by_auth_code_flow(flow, dict(parse_qsl(urlsplit(back).query)))
    return answer


def _works(world: GraphWorld, token: str) -> int:
    client = httpx.Client(transport=world.simulator.transport(), base_url="https://graph.microsoft.com/v1.0")
    return client.get("me/calendars", headers={"Authorization": f"Bearer {token}"}).status_code


def _refreshed(app: Any) -> dict[str, Any]:
    (account,) = app.get_accounts()
    answer: dict[str, Any] = app.acquire_token_silent_with_error(_SCOPES, account, force_refresh=True)
    return answer


def test_a_host_signs_a_user_in_with_a_code_and_pkce(world: GraphWorld) -> None:
    app = _web(world)
    answer = _signed_in(world, app)
    assert _works(world, answer["access_token"]) == 200
    assert answer["id_token_claims"]["oid"] == world.user
    assert answer["id_token_claims"]["tid"] == _TENANT
    assert set(_SCOPES) <= set(answer["scope"].split())
    assert [account["username"] for account in app.get_accounts()] == [ANA]


def test_a_refresh_brings_a_new_refresh_token_and_the_old_one_lives_on(world: GraphWorld) -> None:
    """Replaced with a fresh token upon every use, and the old one is not revoked ("refresh-tokens")."""
    first = _signed_in(world, _web(world))
    for _ in range(2):
        again = _web(world).acquire_token_by_refresh_token(first["refresh_token"], _SCOPES)
        assert again["refresh_token"] != first["refresh_token"]
        assert _works(world, again["access_token"]) == 200


def test_a_refresh_token_may_work_once_only(world: GraphWorld) -> None:
    world.habits.one_time_refresh_tokens = True
    first = _signed_in(world, _web(world))
    assert "access_token" in _web(world).acquire_token_by_refresh_token(first["refresh_token"], _SCOPES)
    assert _web(world).acquire_token_by_refresh_token(first["refresh_token"], _SCOPES)["error"] == "invalid_grant"


def test_msal_refreshes_silently(world: GraphWorld) -> None:
    app = _web(world)
    first = _signed_in(world, app)
    answer = _refreshed(app)
    assert answer["access_token"] != first["access_token"]
    assert _works(world, answer["access_token"]) == 200


def test_an_access_token_ends_after_an_hour(world: GraphWorld) -> None:
    token = _signed_in(world, _web(world))["access_token"]
    world.clock.advance(timedelta(minutes=59))
    assert _works(world, token) == 200
    world.clock.advance(timedelta(minutes=1))
    assert _works(world, token) == 401


def test_a_revoked_consent_ends_everything(world: GraphWorld) -> None:
    app = _web(world)
    token = _signed_in(world, app)["access_token"]
    world.simulator.revoke(ANA)
    assert _works(world, token) == 401
    answer = _refreshed(app)
    assert answer["error"] == "invalid_grant"
    assert answer["error_description"].startswith("AADSTS50173")
    assert answer["error_codes"] == [50173]


def test_a_refresh_token_ends_after_90_days_of_silence(world: GraphWorld) -> None:
    app = _web(world)
    _signed_in(world, app)
    world.clock.advance(timedelta(days=90))
    answer = _refreshed(app)
    assert (answer["error"], answer["error_codes"]) == ("invalid_grant", [700082])


@pytest.mark.parametrize("error", ["interaction_required", "consent_required", "login_required"])
def test_the_user_is_needed_until_the_next_sign_in(world: GraphWorld, error: str) -> None:
    app = _web(world)
    token = _signed_in(world, app)["access_token"]
    world.simulator.refuse_refresh(ANA, error, suberror="basic_action")
    answer = _refreshed(app)
    assert (answer["error"], answer["suberror"]) == (error, "basic_action")
    assert ("claims" in answer) == (error == "interaction_required")
    assert _works(world, token) == 200
    _signed_in(world, app)
    assert "access_token" in _refreshed(app)


def test_a_token_server_may_be_unavailable(world: GraphWorld) -> None:
    first = _signed_in(world, _web(world))
    world.simulator.refuse_refresh(ANA, "temporarily_unavailable")
    form = {"grant_type": "refresh_token", "client_id": "web", "client_secret": _SECRET}
    answer = _Http(world).post(f"{_LOGIN}/oauth2/v2.0/token", data=form | {"refresh_token": first["refresh_token"]})
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


def test_a_wrong_secret_is_the_operators_problem(world: GraphWorld) -> None:
    assert _signed_in(world, _web(world, secret="wrong"))["error"] == "invalid_client"
    assert _web(world, secret="wrong").acquire_token_for_client(["https://graph.microsoft.com/.default"])["error"] == (
        "invalid_client"
    )


def test_a_user_may_decline(world: GraphWorld) -> None:
    flow = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK)
    back = world.simulator.consent(flow["auth_uri"], ANA, deny=True)
    assert dict(parse_qsl(urlsplit(back).query))["error"] == "access_denied"


def test_a_code_works_once_and_only_with_its_verifier_and_address(world: GraphWorld) -> None:
    flow = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK)
    base = {"grant_type": "authorization_code", "client_id": "web", "client_secret": _SECRET}

    def exchange(**form: str) -> dict[str, Any]:
        back = world.simulator.consent(flow["auth_uri"], ANA)
        form = {"code": dict(parse_qsl(urlsplit(back).query))["code"]} | form
        first = _Http(world).post(f"{_LOGIN}/oauth2/v2.0/token", data=base | form).json()
        again = _Http(world).post(f"{_LOGIN}/oauth2/v2.0/token", data=base | form).json()
        assert again["error"] == "invalid_grant"
        found: dict[str, Any] = first
        return found

    verifier = flow["code_verifier"]
    assert "access_token" in exchange(code_verifier=verifier, redirect_uri=_REDIRECT)
    assert exchange(code_verifier="wrong", redirect_uri=_REDIRECT)["error_codes"] == [501481]
    assert exchange(redirect_uri=_REDIRECT)["error_codes"] == [501481]
    assert exchange(code_verifier=verifier, redirect_uri="https://evil.example")["error_codes"] == [500112]


def test_an_unknown_redirect_is_never_followed(world: GraphWorld) -> None:
    flow = _web(world).initiate_auth_code_flow(_SCOPES, redirect_uri="https://evil.example", response_mode="form_post")
    answer = httpx.Client(transport=world.simulator.transport()).get(flow["auth_uri"])
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_browser_may_simply_follow_the_page(world: GraphWorld) -> None:
    """For examples and command lines: ``login_hint`` signs in; with a single user even that is not needed."""
    browser = httpx.Client(transport=world.simulator.transport())
    plain = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK)
    page = browser.get(plain["auth_uri"])
    assert 'name="code"' in page.text
    assert f'action="{_REDIRECT}"' in page.text
    redirected = browser.get(plain["auth_uri"].replace("form_post", "query"))
    assert redirected.headers["Location"].startswith(f"{_REDIRECT}?code=")
    world.simulator.add_user(BO)
    assert browser.get(plain["auth_uri"]).status_code == 400
    hinted = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK, login_hint=BO)
    assert browser.get(hinted["auth_uri"]).status_code == 200


def test_a_command_line_signs_in_by_device_code(world: GraphWorld) -> None:
    app = msal.PublicClientApplication("cli", authority=_LOGIN, http_client=_Http(world))
    flow = app.initiate_device_flow(_SCOPES)
    pending = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert pending["error"] == "authorization_pending"
    world.simulator.approve_device(flow["user_code"], ANA)
    flow["latest_attempt_at"] = 0  # as if the interval were over
    answer = app.acquire_token_by_device_flow(flow)
    assert _works(world, answer["access_token"]) == 200
    assert app.get_accounts()[0]["username"] == ANA


@pytest.mark.parametrize("fate", ["declined", "late"])
def test_a_device_code_that_comes_to_nothing(world: GraphWorld, fate: str) -> None:
    app = msal.PublicClientApplication("cli", authority=_LOGIN, http_client=_Http(world))
    flow = app.initiate_device_flow(_SCOPES)
    if fate == "declined":
        world.simulator.approve_device(flow["user_code"], ANA, deny=True)
    else:
        world.clock.advance(timedelta(minutes=15))
    answer = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert answer["error"] == {"declined": "authorization_declined", "late": "expired_token"}[fate]


def test_an_app_has_a_token_of_its_own(world: GraphWorld) -> None:
    answer = _web(world).acquire_token_for_client(["https://graph.microsoft.com/.default"])
    client = world.login(None)
    client.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert client.get(f"users/{ANA}/calendars").status_code == 200
    assert code(client.post(f"users/{ANA}/events", json={})) == "ErrorAccessDenied"
    assert "refresh_token" not in answer
    common = _web(world, authority="https://login.microsoftonline.com/common")
    with pytest.warns(DeprecationWarning, match="specific tenant"):
        assert common.acquire_token_for_client(["https://graph.microsoft.com/.default"])["error"] == "invalid_request"
    assert _web(world).acquire_token_for_client(["User.Read"])["error"] == "invalid_scope"


def test_a_public_client_has_none(world: GraphWorld) -> None:
    form = {"grant_type": "client_credentials", "client_id": "cli", "scope": "https://graph.microsoft.com/.default"}
    answer = _Http(world).post(f"{_LOGIN}/oauth2/v2.0/token", data=form)
    assert answer.json()["error"] == "unauthorized_client"
    unknown = _Http(world).post(f"{_LOGIN}/oauth2/v2.0/token", data=form | {"client_id": "nobody"})
    assert unknown.json()["error"] == "unauthorized_client"


def test_more_scopes_than_the_user_gave_need_the_user(world: GraphWorld) -> None:
    first = _signed_in(world, _web(world))
    answer = _web(world).acquire_token_by_refresh_token(first["refresh_token"], ["Mail.Read"])
    assert (answer["error"], answer["suberror"]) == ("invalid_grant", "consent_required")


def test_an_unknown_tenant_does_not_exist(world: GraphWorld) -> None:
    with pytest.raises(ValueError, match="tenant"):
        _web(world, authority="https://login.microsoftonline.com/00000000-1111-0000-0000-000000000000").get_accounts()


def test_an_unknown_host_is_asked_for_by_instance_discovery(world: GraphWorld) -> None:
    app = _web(world, authority=f"https://login.sovereign.example/{_TENANT}")
    assert "access_token" in _signed_in(world, app)


def test_two_users_two_accounts() -> None:
    world = GraphWorld(Habits())
    world.simulator.add_app("web", _SECRET, redirect_uris=[_REDIRECT])
    world.simulator.add_user(BO)
    app = _web(world)
    ana, bo = _signed_in(world, app, ANA), _signed_in(world, app, BO)
    assert ana["id_token_claims"]["oid"] != bo["id_token_claims"]["oid"]
    assert {account["username"] for account in app.get_accounts()} == {ANA, BO}


def test_the_page_can_be_answered_by_a_form(world: GraphWorld) -> None:
    """As a browser would, whoever the only users are."""
    world.simulator.add_user(BO)
    world.habits.asks_for_consent = True
    browser = httpx.Client(transport=world.simulator.transport())
    flow = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK)
    page = browser.get(flow["auth_uri"])
    assert all(value in page.text for value in (ANA, BO, "Calendars.ReadWrite"))
    answer = {**dict(parse_qsl(urlsplit(flow["auth_uri"]).query)), "chosen_user": BO, "response_mode": "query"}
    address = flow["auth_uri"].partition("?")[0]
    back = browser.get(address, params={**answer, "answer": "allow"}).headers["Location"]
    given = _web(world).acquire_token_by_auth_code_flow(flow, dict(parse_qsl(urlsplit(back).query)))
    assert given["id_token_claims"]["preferred_username"] == BO
    denied = browser.get(address, params={**answer, "answer": "deny"}).headers["Location"]
    assert dict(parse_qsl(urlsplit(denied).query))["error"] == "access_denied"


def test_an_administrator_may_have_to_consent(world: GraphWorld) -> None:
    """AADSTS90094 ("Unexpected error when consenting to an application"), as the way back says it where it says why."""
    world.habits.admin_consent = True
    flow = _web(world).initiate_auth_code_flow(_SCOPES, **_BACK)
    back = dict(parse_qsl(urlsplit(world.simulator.consent(flow["auth_uri"], ANA)).query))
    assert (back["error"], back["error_description"].partition(":")[0]) == ("access_denied", "AADSTS90094")
