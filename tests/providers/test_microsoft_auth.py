"""Logins at Microsoft: msal against the simulated identity platform, and every way in which it says no."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msal
import pytest
from attrs import evolve

from calsync_core.credentials.kept import credential_in, fingerprint
from calsync_core.errors import (
    AuthExpired,
    InvalidValue,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
    UnreadableAnswer,
)
from calsync_core.models import Account, BearerToken, Grant, OAuthClient, OAuthGrant, ServiceAccountGrant
from calsync_core.protocols import Authorization, AuthorizationRequest, Refusal
from calsync_core.providers.microsoft import (
    READ_SCOPES,
    WRITE_SCOPES,
    MicrosoftProvider,
    begin_device_login,
    finish_device_login,
)
from calsync_core.providers.microsoft.auth import may_write, renew
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.graph import GraphSimulator
from graph_hands import ANA, calendar_of, clock_of, graph_of, session_of

APP, SECRET, BACK = "11111111-2222-4333-8444-555555555555", "app-secret-XYZ", "https://host.example.com/back"
ACCOUNT = Account("ana", "microsoft", "ana-microsoft")


def platform(secret: str | None = SECRET) -> GraphSimulator:
    graph = graph_of()
    graph.add_app(
        APP, secret, redirect_uris=[BACK], roles=["Calendars.ReadWrite", "MailboxSettings.Read", "User.Read.All"]
    )
    return graph


def client(graph: GraphSimulator, secret: str | None = SECRET) -> OAuthClient:
    return OAuthClient(APP, secret, token_url=f"{graph.authority}/oauth2/v2.0/token")


def begun_at(graph: GraphSimulator, scopes: tuple[str, ...] = WRITE_SCOPES) -> Authorization:
    provider = MicrosoftProvider(transport=graph.transport())
    return provider.begin_authorization(client(graph), AuthorizationRequest(BACK, scopes), clock_of(graph))


def finished(graph: GraphSimulator, begun: Authorization, answer: dict[str, str]) -> OAuthGrant:
    provider = MicrosoftProvider(transport=graph.transport())
    return provider.finish_authorization(client(graph), begun.record, answer, clock_of(graph))


def answer_to(graph: GraphSimulator, begun: Authorization, *, deny: bool = False) -> dict[str, str]:
    """What the person's browser brings back."""
    return dict(parse_qsl(urlsplit(graph.consent(begun.url, ANA, deny=deny)).query))


def consented(graph: GraphSimulator, scopes: tuple[str, ...] = WRITE_SCOPES) -> OAuthGrant:
    """A grant through the authorization code flow."""
    begun = begun_at(graph, scopes)
    return finished(graph, begun, answer_to(graph, begun))


def renewed(graph: GraphSimulator, grant: Grant) -> OAuthGrant:
    made = MicrosoftProvider(transport=graph.transport()).renew_grant(ACCOUNT, grant, clock_of(graph))
    assert isinstance(made, OAuthGrant)
    return made


def works(graph: GraphSimulator, grant: OAuthGrant) -> bool:
    """Whether its access token opens Ana's calendars."""
    credential = credential_in(grant)
    assert isinstance(credential, BearerToken)
    return bool(MicrosoftProvider(transport=graph.transport()).list_calendars(session_of(graph, credential)))


# -- the authorization code flow --------------------------------------------------------------------------------------


def test_a_person_connects_with_pkce() -> None:
    graph = platform()
    grant = consented(graph)
    assert works(graph, grant)
    assert grant.refresh_token
    assert grant.expires_at == clock_of(graph).now() + timedelta(seconds=3599)
    assert set(grant.scopes) >= {"Calendars.ReadWrite", "MailboxSettings.Read", "User.Read"}
    assert not set(grant.scopes) & {"offline_access", "openid"}


def test_the_verifier_never_travels_with_the_challenge() -> None:
    graph = platform()
    begun = begun_at(graph)
    assert begun.url.startswith(f"{graph.authority}/oauth2/v2.0/authorize?")
    asked = dict(parse_qsl(urlsplit(begun.url).query))
    assert (asked["code_challenge_method"], asked["response_mode"]) == ("S256", "query")
    verifier = str(begun.record["code_verifier"])
    assert asked["state"] == begun.record["state"]
    assert verifier not in begun.url
    assert verifier not in repr(begun)
    assert asked["state"] not in repr(begun)


def test_no_code_and_no_verifier_is_logged(caplog: pytest.LogCaptureFixture) -> None:  # I-39
    """At DEBUG, msal would."""
    caplog.set_level(logging.DEBUG)
    graph = platform()
    begun = begun_at(graph)
    answer = answer_to(graph, begun)
    caplog.clear()
    finished(graph, begun, answer)
    assert "event=" in caplog.text
    for value in (answer["code"], str(begun.record["code_verifier"])):
        assert value not in caplog.text


def test_reading_only_is_a_wish_too() -> None:  # I-42
    grant = consented(platform(), scopes=READ_SCOPES)
    assert not may_write(grant.scopes)
    assert may_write(consented(platform()).scopes)


@pytest.mark.parametrize("forged", [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example/v2.0"}, {}])
def test_what_does_not_belong_to_the_connection_is_refused(forged: dict[str, str]) -> None:  # I-26
    graph = platform()
    begun = begun_at(graph)
    answer = answer_to(graph, begun)
    answer = {**answer, **forged} if forged else {"code": "made-up"}
    with pytest.raises(AuthExpired):
        finished(graph, begun, answer)


def test_a_code_works_once_and_a_no_is_a_no() -> None:
    graph = platform()
    begun = begun_at(graph)
    answer = answer_to(graph, begun)
    finished(graph, begun, {**answer, "iss": f"{graph.authority}/v2.0"})
    with pytest.raises(AuthExpired):
        finished(graph, begun, answer)
    denied = answer_to(graph, begun, deny=True)
    assert MicrosoftProvider().read_refusal(denied) is Refusal.DECLINED
    with pytest.raises(AuthExpired, match="access_denied"):
        finished(graph, begun, denied)


@pytest.mark.parametrize(
    ("error", "description", "refusal"),
    [
        ("access_denied", "AADSTS65004: User declined to consent.", Refusal.DECLINED),
        ("access_denied", "AADSTS90094: Administrator's consent is needed.", Refusal.ADMINISTRATOR),
        ("interaction_required", "AADSTS65001: The user or administrator has not consented.", Refusal.ADMINISTRATOR),
        ("consent_required", "", Refusal.ADMINISTRATOR),
        ("server_error", "", Refusal.LATER),
        ("invalid_request", "AADSTS900144: missing", Refusal.APPLICATION),
        ("<b>", "AADSTS", Refusal.UNKNOWN),
    ],
)
def test_what_a_redirect_with_an_error_means(error: str, description: str, refusal: Refusal) -> None:
    assert MicrosoftProvider().read_refusal({"error": error, "error_description": description}) is refusal
    assert MicrosoftProvider().read_refusal({"code": "0.x"}) is None


@pytest.mark.parametrize(
    ("granted", "reading", "writing"),
    [
        ((), (), ()),
        (WRITE_SCOPES, (), ()),
        (READ_SCOPES, (), ("Calendars.ReadWrite",)),
        (("https://graph.microsoft.com/.default",), (), ()),
        (("User.Read",), ("Calendars.Read",), ("Calendars.ReadWrite",)),
        (("https://graph.microsoft.com/Calendars.ReadWrite",), ("User.Read",), ("User.Read",)),
    ],
)
def test_what_a_grant_lacks(granted: tuple[str, ...], reading: tuple[str, ...], writing: tuple[str, ...]) -> None:
    provider = MicrosoftProvider()
    assert (provider.missing_scopes(granted), provider.missing_scopes(granted, write=True)) == (reading, writing)


# -- the device code flow ---------------------------------------------------------------------------------------------


class Approving:
    """A clock on which the person answers after so many naps."""

    def __init__(self, graph: GraphSimulator, naps: int, answer: Callable[[], None]) -> None:
        self._clock = clock_of(graph)
        self._naps = naps
        self._answer = answer
        self.naps: list[float] = []

    def now(self) -> Any:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.sleep(seconds)
        if len(self.naps) == self._naps:
            self._answer()


@pytest.mark.parametrize("says", ["yes", "no", "nothing"])
def test_a_device_waits_for_its_person(says: str) -> None:  # I-34
    """By the injected clock, not faster than asked, and not for ever."""
    graph = platform(secret=None)
    transport = graph.transport()
    begun = begin_device_login(client(graph, None), clock=clock_of(graph), transport=transport)
    code = begun.flow["user_code"]
    assert code in begun.message
    assert begun.flow["device_code"] not in repr(begun)

    def approve() -> None:
        if says != "nothing":
            graph.approve_device(code, ANA, deny=says == "no")

    clock = Approving(graph, 3, approve)
    if says == "yes":
        assert works(graph, finish_device_login(client(graph, None), begun, clock=clock, transport=transport))
        assert clock.naps == [5.0, 5.0, 5.0]
        return
    with pytest.raises(AuthExpired):
        finish_device_login(client(graph, None), begun, clock=clock, transport=transport)
    assert sum(clock.naps) <= 15 * 60 + 5


def altered(graph: GraphSimulator, **fields: object) -> httpx.MockTransport:
    """The platform, but for these fields of its answers about device codes; None: left out."""
    inner = graph.transport()

    def answer(request: httpx.Request) -> httpx.Response:
        response = inner.handle_request(request)
        if not request.url.path.endswith("/devicecode"):
            return response
        told = {name: each for name, each in {**json.loads(response.read()), **fields}.items() if each is not None}
        return httpx.Response(response.status_code, json=told)

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("field", "value"), [("message", None), ("user_code", None), ("interval", "soon"), ("interval", [])]
)
def test_a_device_code_that_makes_no_sense_is_refused(field: str, value: object) -> None:  # I-34
    graph = platform(secret=None)
    with pytest.raises(ProviderError):
        begin_device_login(client(graph, None), clock=clock_of(graph), transport=altered(graph, **{field: value}))


@pytest.mark.parametrize("interval", [-5, 0, 2.5, 10**12, 1e300, None])
def test_a_device_asks_neither_all_the_time_nor_hardly_ever(interval: object) -> None:  # I-34
    graph = platform(secret=None)
    transport = altered(graph, interval=interval)
    begun = begin_device_login(client(graph, None), clock=clock_of(graph), transport=transport)
    clock = Approving(graph, 2, lambda: graph.approve_device(begun.flow["user_code"], ANA))
    assert works(graph, finish_device_login(client(graph, None), begun, clock=clock, transport=transport))
    assert len(clock.naps) == 2
    assert all(1 <= nap <= 60 for nap in clock.naps)


def test_an_application_that_may_not_is_told_so() -> None:  # I-44
    graph = platform(secret=None)
    unknown = evolve(client(graph, None), client_id="99999999-2222-4333-8444-555555555555")
    with pytest.raises(Rejected, match="unauthorized_client"):
        begin_device_login(unknown, clock=clock_of(graph), transport=graph.transport())


# -- renewal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_time", [False, True])
def test_a_refresh_token_rotates(one_time: bool) -> None:  # I-36
    """The new one is in the answer, and in one request."""
    graph = platform()
    graph.habits.one_time_refresh_tokens = one_time
    grant = consented(graph)
    for _ in range(3):
        graph.clear_log()
        again = renewed(graph, grant)
        assert again.refresh_token not in {None, grant.refresh_token}
        assert [one.method for one in graph.log if one.path.endswith("/token")] == ["POST"]
        assert works(graph, again)
        grant = again


def test_a_public_client_s_grant_is_renewed() -> None:
    graph = platform(secret=None)
    begun = begin_device_login(client(graph, None), clock=clock_of(graph), transport=graph.transport())
    graph.approve_device(begun.flow["user_code"], ANA)
    grant = finish_device_login(client(graph, None), begun, clock=clock_of(graph), transport=graph.transport())
    assert works(graph, renewed(graph, grant))


def test_msal_s_own_cache_is_a_grant_too() -> None:  # I-36
    """Serialised; renewed in it and given back."""
    graph = platform()
    grant = consented(graph)
    cache = msal.SerializableTokenCache()
    authority = urlsplit(graph.authority)
    cache.add(
        {
            "client_id": APP,
            "scope": list(grant.scopes),
            "token_endpoint": f"https://{authority.netloc}{authority.path}/oauth2/v2.0/token",
            "response": {
                "access_token": "old",
                "refresh_token": grant.refresh_token,
                "expires_in": 1,
                "client_info": _client_info(graph),
                "id_token_claims": {
                    "preferred_username": ANA,
                    "sub": "x",
                    "oid": "x",
                    "tid": authority.path.strip("/"),
                },
            },
            "data": {},
        }
    )
    cached = OAuthGrant(APP, SECRET, token_url=grant.token_url, scopes=grant.scopes, cache=cache.serialize())
    again = renewed(graph, cached)
    assert works(graph, again)
    assert again.cache is not None
    assert again.cache != cached.cache
    assert json.loads(again.cache)["RefreshToken"]
    assert works(graph, renewed(graph, again))


def test_an_empty_or_garbled_cache_is_no_login() -> None:  # I-35, I-44
    graph = platform()
    with pytest.raises(AuthExpired, match="login_required"):
        renewed(graph, evolve(client(graph).grant(), cache="{}"))
    for garbage in ("garbage", "[]", "3"):
        with pytest.raises((InvalidValue, ProviderError)):
            renewed(graph, evolve(client(graph).grant(), cache=garbage))


def test_an_application_acts_for_a_mailbox() -> None:
    """Client credentials: no refresh token, and ``acts_for`` says whose mailbox it is about."""
    graph = platform()
    grant = renewed(graph, evolve(client(graph).grant(), acts_for=ANA))
    credential = credential_in(grant)
    assert isinstance(credential, BearerToken)
    assert credential == BearerToken(grant.access_token or "", grant.scopes, ANA)
    calendar = calendar_of(graph)
    provider = MicrosoftProvider(transport=graph.transport())
    session = session_of(graph, credential)
    assert provider.identify(session).email == ANA
    assert calendar.remote_id in {one.remote_id for one in provider.list_calendars(session)}


def test_whom_it_acts_for_makes_another_login() -> None:  # I-46
    one, other = OAuthGrant(APP, SECRET, acts_for=ANA), OAuthGrant(APP, SECRET, acts_for="bo@contoso.example")
    assert len({fingerprint(each) for each in (one, other, OAuthGrant(APP, SECRET))}) == 3
    service = ServiceAccountGrant("{}", ANA, ("s",), access_token="t")
    assert credential_in(service) == BearerToken("t", ("s",), ANA)


# -- every way to say no ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_grant", AuthExpired),
        ("interaction_required", AuthExpired),
        ("consent_required", AuthExpired),
        ("login_required", AuthExpired),
        ("something_new", AuthExpired),
        ("temporarily_unavailable", Unavailable),
        ("server_error", Unavailable),
        ("invalid_client", Rejected),
        ("unauthorized_client", Rejected),
        ("invalid_request", Rejected),
        ("invalid_scope", Rejected),
    ],
)
def test_what_a_refusal_means(error: str, kind: type[ProviderError]) -> None:  # I-35
    graph = platform()
    grant = consented(graph)
    graph.refuse_refresh(ANA, error)
    with pytest.raises(kind) as refused:
        renewed(graph, grant)
    assert type(refused.value) is kind
    assert "AADSTS" not in str(refused.value)
    assert ANA not in str(refused.value)


def test_a_wrong_secret_is_the_operator_s() -> None:  # I-44
    graph = platform()
    with pytest.raises(Rejected, match="invalid_client"):
        renewed(graph, evolve(consented(graph), client_secret="another"))


def test_a_revoked_grant_is_the_person_s() -> None:  # I-35
    graph = platform()
    grant = consented(graph)
    graph.revoke(ANA)
    with pytest.raises(AuthExpired):
        renewed(graph, grant)


def scripted(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """An identity platform that finds its addresses, and answers the rest by script."""
    asked: list[httpx.Request] = []

    def told(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path.endswith("openid-configuration"):
            root = "https://login.example.com/common"
            found = {"authorization_endpoint": f"{root}/a", "token_endpoint": f"{root}/oauth2/v2.0/token"}
            return httpx.Response(200, json={**found, "issuer": f"{root}/v2.0"})
        given = answers[0]
        if isinstance(given, Exception):
            raise given
        return given

    return httpx.MockTransport(told), asked


AT = OAuthGrant(APP, SECRET, "refresh-token-XYZ", token_url="https://login.example.com/common/oauth2/v2.0/token")


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(429, headers={"Retry-After": "7.5"}), RateLimited),
        (httpx.Response(500), Unavailable),
        (httpx.Response(503, json={"error": "invalid_grant"}), Unavailable),
        (httpx.Response(200, text="<html>"), UnreadableAnswer),
        (httpx.Response(200, json=[]), Unavailable),
        (httpx.Response(200, json={}), AuthExpired),
        (httpx.Response(200, json={"access_token": 3}), AuthExpired),
        (httpx.Response(200, json={"access_token": "a", "id_token": "garbled"}), Unavailable),
        (httpx.Response(200, json={"access_token": "a", "id_token": "e30.eyJuYW1lIjoiWFla.x"}), Unavailable),
        (httpx.Response(400, text="no"), UnreadableAnswer),
        (httpx.ReadTimeout("slow"), Unavailable),
        (httpx.ConnectError("away"), Unavailable),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_token_server_that_is_not_itself(
    response: httpx.Response | Exception, kind: type[ProviderError]
) -> None:  # I-34
    """Only our own errors come out, with no secret in them, and nothing is asked twice."""
    transport, asked = scripted(response)
    with pytest.raises(ProviderError) as refused:
        renew(AT, VirtualClock(), transport)
    assert type(refused.value) is kind
    assert len([one for one in asked if one.method == "POST"]) == 1
    chain = f"{refused.value!r} {refused.value.__cause__!r}"
    assert "XYZ" not in chain
    if isinstance(refused.value, RateLimited):
        assert refused.value.retry_after == 7.5


@pytest.mark.parametrize("status", [200, 400, 404])
def test_a_directory_that_does_not_know_the_tenant_is_not_quoted(status: int) -> None:  # I-34, I-39
    said = {"error": "invalid_tenant", "error_description": "Tenant of ana-XYZ not found"}
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, json=said))
    with pytest.raises(Unavailable) as refused:
        renew(AT, VirtualClock(), transport)
    assert "XYZ" not in "".join(traceback.format_exception(refused.value))


def test_a_token_server_named_by_the_discovery_document_is_not_asked_elsewhere() -> None:  # I-38
    """A secret goes to the host that the operator gave, whatever an answer says."""
    asked: list[str] = []

    def told(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        elsewhere = {
            "authorization_endpoint": "https://evil.example.net/a",
            "token_endpoint": "https://evil.example.net/t",
        }
        return httpx.Response(200, json={**elsewhere, "issuer": "https://login.example.com/common/v2.0"})

    with pytest.raises(Unavailable):
        renew(AT, VirtualClock(), httpx.MockTransport(told))
    assert set(asked) == {"login.example.com"}


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/common/oauth2/v2.0/token",
        "https://login.example.com/common/oauth2/token",
        "https://user:pw@login.example.com/common/oauth2/v2.0/token",
        "nonsense",
    ],
)
def test_an_address_no_secret_may_go_to(url: str) -> None:  # I-38, I-44
    with pytest.raises(InvalidValue, match="token_url"):
        renew(evolve(AT, token_url=url), VirtualClock(), scripted()[0])


def test_plain_http_on_this_machine() -> None:
    """Msal takes https authorities only; a server on this machine is asked all the same."""
    with platform() as graph:
        grant = OAuthGrant(APP, SECRET, token_url=f"{graph.authority}/oauth2/v2.0/token", acts_for=ANA)
        made = MicrosoftProvider().renew_grant(ACCOUNT, grant, clock_of(graph))
        assert isinstance(made, OAuthGrant)
        assert MicrosoftProvider().list_calendars(session_of(graph, credential_in(made)))  # type: ignore[arg-type]  # a grant of this kind has one


@pytest.mark.parametrize("grant", [ServiceAccountGrant("{}", ANA), OAuthGrant(APP, None, None)])
def test_other_kinds_of_grants_are_not_for_here(grant: Grant) -> None:  # I-44
    with pytest.raises(InvalidValue):
        renewed(platform(), grant)


def test_secrets_are_in_no_repr() -> None:  # I-39
    graph = platform()
    grant = consented(graph)
    for secret in (SECRET, grant.refresh_token, grant.access_token):
        assert secret
        assert secret not in repr(grant)
        assert secret not in repr(credential_in(grant))


def _client_info(graph: GraphSimulator) -> str:
    told = {"uid": "x", "utid": urlsplit(graph.authority).path.strip("/")}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
