"""The token endpoint: refresh, code exchange with PKCE, assertions, revocation."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, reason, timed

PREFIX = "https://www.googleapis.com/auth/"
HEADER = {"alg": "RS256", "typ": "JWT"}
REDIRECT = "http://localhost/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Tokens:
    """Asks the authorisation server."""

    def __init__(self, google: CheckedGoogle) -> None:
        self.google = google
        self.http = httpx.Client(transport=google.transport())
        self.client = {"client_id": google.client_id, "client_secret": google.client_secret}

    def ask(self, **form: str) -> httpx.Response:
        return self.http.post(self.google.token_url, data={**self.client, **form})

    def refresh(self, token: str) -> httpx.Response:
        return self.ask(grant_type="refresh_token", refresh_token=token)

    def consent(self, **query: str) -> dict[str, str]:
        asked = {
            "client_id": self.google.client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": f"{PREFIX}calendar.events.readonly {PREFIX}calendar.calendarlist.readonly",
            "access_type": "offline",
            **query,
        }
        page = self.http.get(self.google.authorize_url, params=asked)
        assert page.status_code == 302
        assert page.headers["Location"].startswith(REDIRECT)
        return {name: values[0] for name, values in parse_qs(urlsplit(page.headers["Location"]).query).items()}

    def exchange(self, code: str, **more: str) -> httpx.Response:
        return self.ask(grant_type="authorization_code", code=code, **{"redirect_uri": REDIRECT, **more})

    def works(self, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(f"{self.google.base_url}/calendars/primary/events", headers=headers).status_code == 200


@pytest.fixture
def tokens(google: CheckedGoogle) -> Tokens:
    return Tokens(google)


def test_a_refresh_token_gives_access_tokens(google: CheckedGoogle, tokens: Tokens, clock: VirtualClock) -> None:
    refresh = google.grant(ANN, [f"{PREFIX}calendar.events", "openid"])
    given = tokens.refresh(refresh).json()
    assert set(given) == {"access_token", "expires_in", "scope", "token_type"}
    assert given["scope"] == f"{PREFIX}calendar.events openid"
    assert tokens.works(given["access_token"])
    clock.advance(timedelta(seconds=given["expires_in"]))
    assert not tokens.works(given["access_token"])
    assert tokens.works(tokens.refresh(refresh).json()["access_token"])


def test_a_revoked_grant_is_invalid_for_good(google: CheckedGoogle, tokens: Tokens) -> None:
    """Reported: 400 with this very body."""
    refresh = google.grant(ANN)
    access = tokens.refresh(refresh).json()["access_token"]
    assert tokens.http.post(f"{google.origin}/revoke", data={"token": access}).status_code == 200
    refused = tokens.refresh(refresh)
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    assert not tokens.works(access)
    again = tokens.http.post(f"{google.origin}/revoke", data={"token": refresh})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_the_oldest_of_too_many_refresh_tokens_dies(google: CheckedGoogle, tokens: Tokens) -> None:
    """Reported: more than 100 live ones per account and client, and the oldest goes without a word."""
    first, second = google.grant(ANN), google.grant(ANN)
    for _ in range(99):
        google.grant(ANN)
    assert tokens.refresh(first).json()["error"] == "invalid_grant"
    assert tokens.refresh(second).status_code == 200


def test_refresh_tokens_rotate_if_they_do(google: CheckedGoogle, tokens: Tokens) -> None:
    google.habits.rotates_refresh_tokens = True
    first = google.grant(ANN)
    second = tokens.refresh(first).json()["refresh_token"]
    assert tokens.refresh(first).json()["error"] == "invalid_grant"
    assert tokens.refresh(second).status_code == 200


def test_a_stranger_is_no_client(google: CheckedGoogle, tokens: Tokens) -> None:
    refused = tokens.ask(grant_type="refresh_token", refresh_token=google.grant(ANN), client_secret="wrong")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert tokens.ask(grant_type="password").json()["error"] == "unsupported_grant_type"


def test_a_code_is_exchanged_once_with_its_verifier(google: CheckedGoogle, tokens: Tokens) -> None:
    """RFC 7636: the S256 challenge; a code works once, and only with its redirect URI."""
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    back = tokens.consent(**pkce, login_hint=BOB, state="x y")
    assert back["state"] == "x y"
    given = tokens.exchange(back["code"], code_verifier=VERIFIER).json()
    assert "refresh_token" in given
    assert tokens.exchange(back["code"], code_verifier=VERIFIER).json()["error"] == "invalid_grant"
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    entry = tokens.http.get(f"{google.base_url}/users/me/calendarList/primary", headers=headers).json()
    assert entry["id"] == BOB
    wrong = tokens.consent(**pkce)["code"]
    assert tokens.exchange(wrong, code_verifier="w" * 43).json()["error"] == "invalid_grant"
    elsewhere = tokens.consent()["code"]
    assert tokens.exchange(elsewhere, redirect_uri="http://localhost/").json()["error"] == "redirect_uri_mismatch"


def test_a_refresh_token_comes_with_the_first_consent_only(tokens: Tokens) -> None:
    """Reported: then only with ``prompt=consent``, and never without ``access_type=offline``."""
    assert "refresh_token" not in tokens.exchange(tokens.consent(access_type="online", login_hint=BOB)["code"]).json()
    assert "refresh_token" in tokens.exchange(tokens.consent()["code"]).json()
    assert "refresh_token" not in tokens.exchange(tokens.consent()["code"]).json()
    assert "refresh_token" in tokens.exchange(tokens.consent(prompt="consent")["code"]).json()


def test_users_untick_scopes(google: CheckedGoogle, tokens: Tokens) -> None:
    """Granular consent: the token response says what was really granted."""
    google.untick("calendar.calendarlist.readonly")
    given = tokens.exchange(tokens.consent()["code"]).json()
    assert given["scope"] == f"{PREFIX}calendar.events.readonly"


def test_a_code_grows_old(tokens: Tokens, clock: VirtualClock) -> None:
    code = tokens.consent()["code"]
    clock.advance(timedelta(minutes=10))
    assert tokens.exchange(code).json()["error"] == "invalid_grant"


def test_the_consent_page_refuses_nonsense(google: CheckedGoogle, tokens: Tokens) -> None:
    query = {"client_id": google.client_id, "redirect_uri": REDIRECT}
    for wrong in ({"client_id": "x"}, {"login_hint": "x"}, {"code_challenge": "x", "code_challenge_method": "plain"}):
        assert tokens.http.get(google.authorize_url, params={**query, **wrong}).status_code == 400


def assertion(google: CheckedGoogle, clock: VirtualClock, **claims: Any) -> str:
    now = int(clock.now().timestamp())
    scope = f"{PREFIX}calendar"
    said = {"iss": "bot@x.iam", "scope": scope, "aud": google.token_url, "iat": now, "exp": now + 3600, **claims}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (HEADER, said)]
    return ".".join([*parts, "c2ln"])


def test_a_service_account_acts_for_users(google: CheckedGoogle, tokens: Tokens, clock: VirtualClock) -> None:
    """RFC 7523, with Google's delegation: only for users and scopes that an administrator allowed."""
    jwt = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    google.add_service_account("bot@x.iam", ["calendar"])

    def asked(**claims: Any) -> tuple[int, str | None]:
        answer = tokens.ask(**jwt, assertion=assertion(google, clock, **claims))
        return answer.status_code, answer.json().get("error")

    given = tokens.ask(**jwt, assertion=assertion(google, clock, sub=ANN)).json()
    assert tokens.works(given["access_token"])
    assert asked(sub=ANN, scope=f"{PREFIX}calendar.events") == (401, "unauthorized_client")
    assert asked(sub="nobody@example.com") == (401, "unauthorized_client")
    assert asked(iss="other@x.iam") == (400, "invalid_grant")
    assert asked(aud="https://elsewhere.example/token") == (400, "invalid_grant")
    assert asked(exp=int(clock.now().timestamp())) == (400, "invalid_grant")
    assert tokens.ask(**jwt, assertion="x").json()["error"] == "invalid_grant"


def test_a_service_account_alone_invites_nobody(google: CheckedGoogle, tokens: Tokens, clock: VirtualClock) -> None:
    """Discovery document, ``Event.attendees``: that needs delegation."""
    google.add_service_account("bot@x.iam")
    google.share(ANN, "bot@x.iam", "writer")
    jwt = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    token = tokens.ask(grant_type=jwt, assertion=assertion(google, clock)).json()["access_token"]
    bot = Client(google, ANN)
    bot._http.headers["Authorization"] = f"Bearer {token}"
    assert bot.insert(timed(), ANN).status_code == 200
    refused = bot.insert(timed(attendees=[{"email": BOB}]), ANN)
    assert reason(refused) == (403, "forbiddenForServiceAccounts")
    assert reason(bot.page()) == (404, "notFound")


def test_the_page_can_be_answered(google: CheckedGoogle, tokens: Tokens) -> None:
    """By a form, as a browser would: who, which scopes, yes or no. Every answer says who it is from (RFC 9207)."""
    google.habits.asks_for_consent = True
    scopes = f"{PREFIX}calendar.events.readonly {PREFIX}calendar.calendarlist.readonly"
    asked = {"client_id": google.client_id, "redirect_uri": REDIRECT, "response_type": "code", "scope": scopes}
    page = tokens.http.get(google.authorize_url, params={**asked, "state": 'a"b', "access_type": "offline"})
    assert page.status_code == 200
    assert all(value in page.text for value in (ANN, BOB, *scopes.split(), "a&quot;b"))
    wanted = str(page.request.url)
    back = dict(parse_qsl(urlsplit(google.consent(wanted, BOB, untick=["calendar.calendarlist.readonly"])).query))
    assert (back["state"], back["iss"], back["scope"]) == ('a"b', google.origin, f"{PREFIX}calendar.events.readonly")
    given = tokens.exchange(back["code"]).json()
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    events = tokens.http.get(f"{google.base_url}/calendars/primary/events", headers=headers).json()
    assert events["summary"] == BOB
    denied = dict(parse_qsl(urlsplit(google.consent(wanted, BOB, deny=True)).query))
    assert denied == {"error": "access_denied", "state": 'a"b', "iss": google.origin}
    with pytest.raises(ValueError, match="invalid_request"):
        google.consent(wanted, "nobody@example.com")
