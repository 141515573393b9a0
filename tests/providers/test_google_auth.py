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
from calsync_core.models import Account, OAuthGrant, ServiceAccountGrant
from calsync_core.providers.google import (
    READ_SCOPES,
    WRITE_SCOPES,
    GoogleProvider,
    authorization_request,
    exchange_code,
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


def client_of(simulator: GoogleSimulator) -> OAuthGrant:
    return OAuthGrant(simulator.client_id, simulator.client_secret, token_url=simulator.token_url)


def grant_of(simulator: GoogleSimulator) -> OAuthGrant:
    return evolve(client_of(simulator), refresh_token=simulator.grant(ANA), scopes=WRITE_SCOPES)


def consent(simulator: GoogleSimulator, url: str) -> dict[str, str]:
    """Ana presses "Allow"; what her browser brings back."""
    here = simulator.authorize_url + url.removeprefix("https://accounts.google.com/o/oauth2/v2/auth")
    with httpx.Client(transport=simulator.transport()) as browser:
        answer = browser.get(here)
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == BACK
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def refuse(simulator: GoogleSimulator, status: int, body: object, **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
    simulator.fail(HttpFault(HttpFaultKind.ANSWER, response, path="^/token$", times=9))


# -- consent --------------------------------------------------------------------------------------------------------


def test_from_consent_to_a_renewed_grant(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    """With PKCE; the code works once; what was granted is remembered, with the day's end of the access token."""
    asked = authorization_request(simulator.client_id, BACK, login_hint=ANA)
    brought = consent(simulator, asked.url)
    assert brought["state"] == asked.state
    exchange: dict[str, Any] = {"verifier": asked.verifier, "redirect_uri": BACK, "clock": simulator.clock}
    transport = simulator.transport()
    granted = exchange_code(client_of(simulator), brought["code"], transport=transport, **exchange)
    assert granted.refresh_token
    assert granted.access_token
    assert set(granted.scopes) == set(WRITE_SCOPES)
    assert granted.expires_at == simulator.clock.now() + timedelta(seconds=3599)
    renewed = provider.renew_grant(ACCOUNT, granted, simulator.clock)
    assert isinstance(renewed, OAuthGrant)
    assert renewed.access_token not in {None, granted.access_token}
    assert renewed.refresh_token == granted.refresh_token
    with pytest.raises(AuthExpired):
        exchange_code(client_of(simulator), brought["code"], transport=transport, **exchange)


def test_the_request_asks_for_what_it_must() -> None:
    """Offline access, consent anew, and a challenge that the verifier answers; every one is another."""
    one, two = (authorization_request("client", BACK, scopes=READ_SCOPES) for _ in range(2))
    query = {name: values[0] for name, values in parse_qs(urlsplit(one.url).query).items()}
    assert urlsplit(one.url).scheme == "https"
    assert (query["access_type"], query["prompt"], query["response_type"]) == ("offline", "consent", "code")
    assert query["scope"].split() == list(READ_SCOPES)
    hashed = base64.urlsafe_b64encode(hashlib.sha256(one.verifier.encode()).digest()).rstrip(b"=").decode()
    assert (query["code_challenge"], query["code_challenge_method"]) == (hashed, "S256")
    assert 43 <= len(one.verifier) <= 128
    assert not {one.state, one.verifier} & {two.state, two.verifier}
    assert one.verifier not in one.url
    assert all(secret not in repr(one) for secret in (one.state, one.verifier))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"verifier": "another"}, AuthExpired),
        ({"redirect_uri": "https://evil.example/"}, Rejected),
        ({"code": "4/guessed"}, AuthExpired),
        ({"client_secret": "wrong"}, Rejected),
    ],
)
def test_a_code_is_worth_nothing_to_others(
    simulator: GoogleSimulator, change: dict[str, str], kind: type[ProviderError]
) -> None:
    asked = authorization_request(simulator.client_id, BACK)
    values = {"code": consent(simulator, asked.url)["code"], "verifier": asked.verifier, "redirect_uri": BACK} | change
    client = evolve(client_of(simulator), client_secret=values.pop("client_secret", simulator.client_secret))
    with pytest.raises(kind):
        exchange_code(
            client,
            values["code"],
            verifier=values["verifier"],
            redirect_uri=values["redirect_uri"],
            clock=simulator.clock,
            transport=simulator.transport(),
        )


def test_scopes_are_those_that_were_ticked(simulator: GoogleSimulator, provider: GoogleProvider) -> None:
    """Also after a renewal."""
    simulator.untick("calendar.events")
    asked = authorization_request(simulator.client_id, BACK)
    code = consent(simulator, asked.url)["code"]
    granted = exchange_code(
        client_of(simulator),
        code,
        verifier=asked.verifier,
        redirect_uri=BACK,
        clock=simulator.clock,
        transport=simulator.transport(),
    )
    assert granted.scopes == WRITE_SCOPES[:1]
    renewed = provider.renew_grant(ACCOUNT, evolve(granted, scopes=WRITE_SCOPES), simulator.clock)
    assert renewed.scopes == WRITE_SCOPES[:1]


def test_a_code_without_a_refresh_token_is_said_so(simulator: GoogleSimulator) -> None:
    """It would work for an hour, and never again."""
    simulator.grant(ANA)
    asked = authorization_request(simulator.client_id, BACK)
    code = consent(simulator, asked.url.replace("prompt=consent", "prompt=none"))["code"]
    with pytest.raises(AuthExpired, match="refresh token"):
        exchange_code(
            client_of(simulator),
            code,
            verifier=asked.verifier,
            redirect_uri=BACK,
            clock=simulator.clock,
            transport=simulator.transport(),
        )


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scopes"])
def test_an_empty_argument_is_named(name: str) -> None:  # I-44
    values: dict[str, Any] = {"client_id": "c", "redirect_uri": BACK, "scopes": READ_SCOPES} | {name: ""}
    with pytest.raises(InvalidValue, match=f"^{name}"):
        authorization_request(**values)


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
    with pytest.raises(Unavailable):
        exchange_code(
            client_of(simulator),
            "code",
            verifier="v",
            redirect_uri=BACK,
            clock=simulator.clock,
            transport=simulator.transport(),
        )


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
        provider.renew_grant(ACCOUNT, client_of(simulator), simulator.clock)


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
