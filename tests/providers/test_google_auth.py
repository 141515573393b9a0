"""Grants of Google's: consent with PKCE, renewal, rotation, service accounts, and everything that refuses them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google.auth._helpers
import httpx
import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from calsync_core.errors import AuthExpired, InvalidValue, ProviderError, RateLimited, Rejected, Unavailable
from calsync_core.models import Account, OAuthClient, OAuthGrant, ServiceAccountGrant
from calsync_core.protocols import Authorization, AuthorizationRequest, Refusal
from calsync_core.providers.google import (
    READ_SCOPES,
    WRITE_SCOPES,
    GoogleProvider,
)
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Response
from google_hands import ANA

BACK = "https://host.example.com/oauth/google"
ACCOUNT = Account("ana", "google", "ana-google")
ROBOT = "robot@project.iam.gserviceaccount.com"


@pytest.fixture
def simulator() -> GoogleSimulator:
    made = GoogleSimulator(VirtualClock())
    made.add_user(ANA)
    return made


@pytest.fixture
def provider(simulator: GoogleSimulator) -> GoogleProvider:
    return GoogleProvider(transport=simulator.transport())


def client_of(simulator: GoogleSimulator) -> OAuthClient:
    return simulator.oauth_client


def grant_of(simulator: GoogleSimulator) -> OAuthGrant:
    return evolve(client_of(simulator).grant(), refresh_token=simulator.grant(ANA), scopes=WRITE_SCOPES)


def consent(simulator: GoogleSimulator, url: str) -> dict[str, str]:
    """Ana presses "Allow"; what her browser brings back."""
    with httpx.Client(transport=simulator.transport()) as browser:
        answer = browser.get(url)
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == BACK
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def refuse(simulator: GoogleSimulator, status: int, body: object, **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
    simulator.fail(HttpFault(HttpFaultKind.ANSWER, response, path="^/token$", times=9))


# -- consent --------------------------------------------------------------------------------------------------------


def begun_at(simulator: GoogleSimulator, provider: GoogleProvider, **wishes: Any) -> Authorization:
    request = AuthorizationRequest(BACK, provider.write_scopes, **wishes)
    return provider.begin_authorization(client_of(simulator), request, simulator.clock)


def finished(
    simulator: GoogleSimulator, provider: GoogleProvider, begun: Authorization, answer: dict[str, str], **changes: Any
) -> OAuthGrant:
    """What comes of it; the client, and the record, changed in these."""
    record = dict(begun.record) | {name: changes.pop(name) for name in begun.record.keys() & changes.keys()}
    client = evolve(client_of(simulator), **changes)
    return provider.finish_authorization(client, record, answer, simulator.clock)


def test_from_consent_to_a_renewed_grant(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    """With PKCE; the code works once; what was granted is remembered, with the day's end of the access token."""
    begun = begun_at(simulator, provider, login_hint=ANA)
    answer = consent(simulator, begun.url)
    granted = finished(simulator, provider, begun, answer)
    assert granted.refresh_token
    assert granted.access_token
    assert set(granted.scopes) == set(WRITE_SCOPES)
    assert granted.expires_at == simulator.clock.now() + timedelta(seconds=3599)
    renewed = provider.renew_grant(ACCOUNT, granted, simulator.clock)
    assert isinstance(renewed, OAuthGrant)
    assert renewed.access_token not in {None, granted.access_token}
    assert renewed.refresh_token == granted.refresh_token
    with pytest.raises(AuthExpired):
        finished(simulator, provider, begun, answer)


def test_the_request_asks_for_what_it_must(provider: GoogleProvider) -> None:
    """Offline access, consent anew, and a challenge that the verifier answers; every one is another."""
    client, clock = OAuthClient("client"), VirtualClock()
    one, two = (provider.begin_authorization(client, AuthorizationRequest(BACK, READ_SCOPES), clock) for _ in range(2))
    query = {name: values[0] for name, values in parse_qs(urlsplit(one.url).query).items()}
    assert one.url.startswith("https://accounts.google.com/")
    assert (query["access_type"], query["prompt"], query["response_type"]) == (
        "offline",
        "select_account consent",
        "code",
    )
    assert query["scope"].split() == list(READ_SCOPES)
    verifier, state = str(one.record["verifier"]), str(one.record["state"])
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert (query["code_challenge"], query["code_challenge_method"], query["state"]) == (hashed, "S256", state)
    assert 43 <= len(verifier) <= 128
    assert not {state, verifier} & {two.record["state"], two.record["verifier"]}
    assert verifier not in one.url
    assert all(secret not in repr(one) for secret in (state, verifier))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"verifier": "another"}, AuthExpired),
        ({"redirect_uri": "https://evil.example/"}, Rejected),
        ({"client_secret": "wrong"}, Rejected),
        ({"state": "another"}, AuthExpired),
        ({"code": "4/guessed"}, AuthExpired),
        ({"code": ""}, AuthExpired),
        ({"iss": "https://evil.example"}, AuthExpired),
        ({"error": "access_denied"}, AuthExpired),
    ],
)
def test_an_answer_is_worth_nothing_to_others(
    simulator: GoogleSimulator, provider: GoogleProvider, change: dict[str, str], kind: type[ProviderError]
) -> None:
    begun = begun_at(simulator, provider)
    answer = consent(simulator, begun.url)
    brought = {name: value for name, value in change.items() if name in {"code", "iss", "error"}}
    ours = {name: value for name, value in change.items() if name not in brought}
    with pytest.raises(kind):
        finished(simulator, provider, begun, answer | brought, **ours)


def test_scopes_are_those_that_were_ticked(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    """Also after a renewal."""
    simulator.untick("calendar.events")
    begun = begun_at(simulator, provider)
    granted = finished(simulator, provider, begun, consent(simulator, begun.url))
    assert granted.scopes == WRITE_SCOPES[:1]
    assert provider.missing_scopes(granted.scopes) == READ_SCOPES[1:]
    assert provider.missing_scopes(granted.scopes, write=True) == WRITE_SCOPES[1:]
    renewed = provider.renew_grant(ACCOUNT, evolve(granted, scopes=WRITE_SCOPES), simulator.clock)
    assert renewed.scopes == WRITE_SCOPES[:1]


def test_a_code_without_a_refresh_token_is_said_so(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    """It would work for an hour, and never again."""
    simulator.grant(ANA)
    begun = begun_at(simulator, provider)
    answer = consent(simulator, begun.url.replace("prompt=select_account+consent", "prompt=none"))
    with pytest.raises(AuthExpired, match="refresh token"):
        finished(simulator, provider, begun, answer)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ("access_denied", Refusal.DECLINED),
        ("admin_policy_enforced", Refusal.ADMINISTRATOR),
        ("org_internal", Refusal.APPLICATION),
        ("redirect_uri_mismatch", Refusal.APPLICATION),
        ("temporarily_unavailable", Refusal.LATER),
        ("<b>", Refusal.UNKNOWN),
    ],
)
def test_what_a_refusal_means(provider: GoogleProvider, error: str, refusal: Refusal) -> None:
    assert provider.read_refusal({"error": error}) is refusal
    assert provider.read_refusal({"code": "4/x"}) is None


@pytest.mark.parametrize("name", ["redirect_uri", "scopes", "state"])
def test_an_empty_argument_is_named(name: str) -> None:  # I-44
    values: dict[str, Any] = {"redirect_uri": BACK, "scopes": READ_SCOPES, "state": "s"} | {name: ""}
    with pytest.raises(InvalidValue, match=f"^{name}"):
        AuthorizationRequest(**values)


def test_nobody_is_sent_to_an_odd_page(provider: GoogleProvider) -> None:  # I-44
    client = OAuthClient("client", authorization_url="http://evil.example/")
    with pytest.raises(InvalidValue, match=r"^authorization_url"):
        provider.begin_authorization(client, AuthorizationRequest(BACK, READ_SCOPES), VirtualClock())


# -- renewal --------------------------------------------------------------------------------------------------------


def test_a_rotated_refresh_token_replaces_the_old(simulator: GoogleSimulator, provider: GoogleProvider) -> None:  # I-36
    simulator.habits.rotates_refresh_tokens = True
    grant = grant_of(simulator)
    renewed = provider.renew_grant(ACCOUNT, grant, simulator.clock)
    assert isinstance(renewed, OAuthGrant)
    assert renewed.refresh_token not in {None, grant.refresh_token}
    again = provider.renew_grant(ACCOUNT, renewed, simulator.clock)
    assert again.access_token != renewed.access_token
    with pytest.raises(AuthExpired):
        provider.renew_grant(ACCOUNT, grant, simulator.clock)


def test_a_revoked_grant_is_the_person_s_to_mend(simulator: GoogleSimulator, provider: GoogleProvider) -> None:  # I-35
    grant = grant_of(simulator)
    simulator.revoke(str(grant.refresh_token))
    simulator.clear_log()
    with pytest.raises(AuthExpired, match="invalid_grant"):
        provider.renew_grant(ACCOUNT, grant, simulator.clock)
    assert len(simulator.log) == 1


def test_a_refused_application_is_the_operator_s(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    with pytest.raises(Rejected, match="invalid_client"):
        provider.renew_grant(ACCOUNT, evolve(grant_of(simulator), client_secret="wrong"), simulator.clock)


REFUSED = [
    (400, {"error": "invalid_grant", "error_description": "Dentist"}, AuthExpired),
    (400, {"error": "admin_policy_enforced"}, AuthExpired),
    (401, {"error": "unauthorized_client"}, Rejected),
    (400, {"error": "invalid_scope"}, Rejected),
    (400, {"error": "temporarily_unavailable"}, Unavailable),
    (400, {"error": "internal_failure"}, Unavailable),
    (500, {"error": "internal_failure"}, Unavailable),
    (502, b"<html>Dentist</html>", Unavailable),
    (503, b"", Unavailable),
    (408, b"", Unavailable),
    (429, b"", RateLimited),
    (200, b"<html>Dentist</html>", Unavailable),
    (200, b"[]", Unavailable),
    (200, {"token_type": "Bearer"}, Unavailable),
    (200, {"access_token": 3}, Unavailable),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSED)
def test_what_the_token_server_refuses(
    simulator: GoogleSimulator, provider: GoogleProvider, status: int, body: object, kind: type[ProviderError]
) -> None:  # I-34, I-39
    """In one request, without any wait by the wall clock, and without the server's prose."""
    grant = grant_of(simulator)
    refuse(simulator, status, body, Retry_After="7")
    with pytest.raises(ProviderError) as refused:
        provider.renew_grant(ACCOUNT, grant, simulator.clock)
    assert isinstance(refused.value, kind)
    assert len(simulator.log) == 1
    for secret in ("Dentist", grant.refresh_token, grant.client_secret):
        assert str(secret) not in str(refused.value)
    assert refused.value.retry_after == (7.0 if kind is RateLimited else None)


@pytest.mark.parametrize("body", [b"<html>", {"error": {"code": 403}}, {"error": "odd; <b>"}, []])
def test_a_refusal_that_is_none_of_google_s(
    simulator: GoogleSimulator, provider: GoogleProvider, body: object
) -> None:  # I-07, I-35
    """A proxy's 403 is no reason to send a person through consent again."""
    grant = grant_of(simulator)
    refuse(simulator, 403, body)
    with pytest.raises(Unavailable):
        provider.renew_grant(ACCOUNT, grant, simulator.clock)
    begun = begun_at(simulator, provider)
    with pytest.raises(Unavailable):
        finished(simulator, provider, begun, {"state": str(begun.record["state"]), "code": "4/x"})


def test_a_lost_answer_is_unavailable(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    grant = grant_of(simulator)
    for kind in (HttpFaultKind.REFUSED, HttpFaultKind.LOST_ANSWER):
        simulator.fail(HttpFault(kind))
        with pytest.raises(Unavailable):
            provider.renew_grant(ACCOUNT, grant, simulator.clock)


@pytest.mark.parametrize(
    ("lasts", "seconds"), [(120, 120), ("soon", 3600), (None, 3600), (-5, 0), (True, 3600), (1e300, 366 * 86400)]
)
def test_odd_lifetimes(simulator: GoogleSimulator, provider: GoogleProvider, lasts: object, seconds: float) -> None:
    grant = grant_of(simulator)
    refuse(simulator, 200, {"access_token": "t", "expires_in": lasts})
    renewed = provider.renew_grant(ACCOUNT, grant, simulator.clock)
    assert renewed.expires_at == simulator.clock.now() + timedelta(seconds=seconds)
    assert renewed.scopes == grant.scopes


def test_secrets_go_to_no_odd_address(simulator: GoogleSimulator, provider: GoogleProvider) -> None:  # I-38, I-39
    for url in ("http://evil.example/token", "ftp://x", "https://u:pw@x.example/token"):
        with pytest.raises(InvalidValue, match=r"^token_url") as refused:
            provider.renew_grant(ACCOUNT, evolve(grant_of(simulator), token_url=url), simulator.clock)
        assert "pw" not in str(refused.value)
    assert simulator.log == ()


def test_a_grant_without_a_refresh_token_is_named(simulator: GoogleSimulator, provider: GoogleProvider) -> None:  # I-44
    with pytest.raises(InvalidValue, match=r"^refresh_token"):
        provider.renew_grant(ACCOUNT, client_of(simulator).grant(), simulator.clock)


# -- service accounts -----------------------------------------------------------------------------------------------


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def robot_grant(simulator: GoogleSimulator, subject: str = ANA) -> ServiceAccountGrant:
    key = {
        "type": "service_account",
        "client_email": ROBOT,
        "private_key": private_key(),
        "token_uri": simulator.token_url,
        "private_key_id": "1",
    }
    return ServiceAccountGrant(json.dumps(key), subject, WRITE_SCOPES)


@pytest.fixture
def _google_auth_s_clock(simulator: GoogleSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth stamps assertions by the machine's clock; here it goes by the simulator's."""

    def utcnow() -> datetime:
        return simulator.clock.now().replace(tzinfo=None)

    monkeypatch.setattr(google.auth._helpers, "utcnow", utcnow)


@pytest.mark.usefixtures("_google_auth_s_clock")
def test_a_service_account_acts_for_a_person(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    simulator.add_service_account(ROBOT, {"calendar.calendarlist.readonly", "calendar.events"})
    renewed = provider.renew_grant(ACCOUNT, robot_grant(simulator), simulator.clock)
    assert isinstance(renewed, ServiceAccountGrant)
    assert renewed.access_token
    assert renewed.scopes == WRITE_SCOPES
    assert renewed.expires_at == simulator.clock.now() + timedelta(seconds=3599)
    assert "PRIVATE KEY" not in repr(renewed)
    assert ANA not in repr(renewed)


@pytest.mark.usefixtures("_google_auth_s_clock")
def test_a_service_account_without_delegation_is_the_operator_s(
    simulator: GoogleSimulator, provider: GoogleProvider
) -> None:
    simulator.add_service_account(ROBOT, {"calendar.events.readonly"})
    with pytest.raises(Rejected, match="unauthorized_client"):
        provider.renew_grant(ACCOUNT, robot_grant(simulator), simulator.clock)


@pytest.mark.parametrize("key", ["", "{}", "[]", "3", '{"client_email": "x", "private_key": "y", "token_uri": "z"}'])
def test_a_key_file_that_is_none(simulator: GoogleSimulator, provider: GoogleProvider, key: str) -> None:  # I-39, I-44
    with pytest.raises(InvalidValue, match=r"^key") as refused:
        provider.renew_grant(ACCOUNT, ServiceAccountGrant(key, ANA), simulator.clock)
    assert refused.value.__cause__ is None
