"""Logins at Google: scopes, the way to a grant, and its renewal, through google-auth over httpx.

Sources: "Using OAuth 2.0 for Web Server Applications", RFC 7636 (PKCE), and the Calendar API's discovery document for
scopes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import google.auth.exceptions
import google.auth.transport
import httpx
from attrs import evolve
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials

from calsync_core.errors import (
    AuthExpired,
    CalsyncError,
    InvalidValue,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from calsync_core.models import Grant, OAuthClient, OAuthGrant, ServiceAccountGrant
from calsync_core.protocols import Authorization, AuthorizationRequest, Clock, Refusal, same_state
from calsync_core.transport import Answer, ask_once, problem_with, seconds_asked, trust

__all__ = [
    "READ_SCOPES",
    "WRITE_SCOPES",
    "begin_authorization",
    "finish_authorization",
    "may_write",
    "missing_scopes",
    "read_refusal",
    "renew",
]

AUTHORIZATION_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
_TIMEOUT_SECONDS = 30.0
_Granted = TypeVar("_Granted", OAuthGrant, ServiceAccountGrant)

_PREFIX = "https://www.googleapis.com/auth/"
READ_SCOPES = (f"{_PREFIX}calendar.calendarlist.readonly", f"{_PREFIX}calendar.events.readonly")
"""The least that lets calendars block others: their list, and reading and watching their events."""
WRITE_SCOPES = (f"{_PREFIX}calendar.calendarlist.readonly", f"{_PREFIX}calendar.events")
"""The least that lets them be blocked as well; ``calendar.events.owned`` does for calendars the person owns."""

_LISTS = frozenset(f"{_PREFIX}{name}" for name in ("calendar", "calendar.readonly", "calendar.calendarlist"))
_READS = frozenset(
    f"{_PREFIX}{name}"
    for name in (
        "calendar",
        "calendar.readonly",
        "calendar.events",
        "calendar.events.readonly",
        "calendar.events.owned",
        "calendar.events.owned.readonly",
    )
)
_WRITES = frozenset(f"{_PREFIX}{name}" for name in ("calendar", "calendar.events", "calendar.events.owned"))

_APPLICATION_REFUSED = frozenset(
    {
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "redirect_uri_mismatch",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""The operator must act. ``unauthorized_client`` is also what an undelegated service account is told."""

_PASSES = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})


def missing_scopes(granted: Sequence[str], *, write: bool = False) -> tuple[str, ...]:
    """What a login still lacks to be read at all, or to be written to; empty also if nobody said what was granted.

    Consent is granular: a person may untick a box, and the token comes all the same.
    """
    if not granted:
        return ()
    given = set(granted)
    listing = () if given & {*_LISTS, READ_SCOPES[0]} else (READ_SCOPES[0],)
    if write:
        return (*listing, *(() if may_write(granted) else (WRITE_SCOPES[1],)))
    return (*listing, *(() if given & _READS else (READ_SCOPES[1],)))


def may_write(granted: Sequence[str]) -> bool:
    """Whether the scopes allow blocks to be written; also if nobody said what was granted."""
    return not granted or bool(set(granted) & _WRITES)


def begin_authorization(client: OAuthClient, request: AuthorizationRequest) -> Authorization:
    """See ``AuthorizingProvider.begin_authorization``: offline access, and consent asked again, since only then a
    refresh token comes; and which account, unless it is said, since Google takes whichever the browser is logged in to.
    """
    page = client.authorization_url or AUTHORIZATION_URL
    _require_address("authorization_url", page)
    verifier = secrets.token_urlsafe(64)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": client.client_id,
        "redirect_uri": request.redirect_uri,
        "response_type": "code",
        "scope": " ".join(request.scopes),
        "state": request.state,
        "access_type": "offline",
        "prompt": "consent" if request.login_hint else "select_account consent",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"login_hint": request.login_hint} if request.login_hint else {}),
    }
    record = {"state": request.state, "verifier": verifier, "redirect_uri": request.redirect_uri}
    return Authorization(f"{page}?{urlencode(query)}", record)


def finish_authorization(
    client: OAuthClient,
    record: Mapping[str, object],
    answer: Mapping[str, str],
    *,
    clock: Clock,
    transport: httpx.BaseTransport | None = None,
) -> OAuthGrant:
    """See ``AuthorizingProvider.finish_authorization``."""
    page = urlsplit(client.authorization_url or AUTHORIZATION_URL)
    # Google calls itself by its origin (seen since 2026) and, in other places, by its host alone.
    issuers = {None, f"{page.scheme}://{page.netloc}", page.netloc}
    belongs = same_state(record, answer) and answer.get("iss") in issuers
    if not belongs or not answer.get("code") or "error" in answer:
        raise AuthExpired("what came back does not belong to this connection")
    wire = _TokenServer(clock, transport)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "code_verifier": str(record["verifier"]),
        "redirect_uri": str(record["redirect_uri"]),
        "client_id": client.client_id,
        **({"client_secret": client.client_secret} if client.client_secret else {}),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    got = wire(client.token_url or TOKEN_URL, "POST", urlencode(form).encode(), headers)
    if got.status != 200:
        raise _refused(wire.told)
    granted = evolve(client.grant(), refresh_token=_text(wire.told, "refresh_token"))
    if granted.refresh_token is None:
        raise AuthExpired("no refresh token came with the code: ask for consent again")
    return _renewed(granted, wire)


def read_refusal(answer: Mapping[str, str]) -> Refusal | None:
    """See ``AuthorizingProvider.read_refusal``; ``admin_policy_enforced`` and ``org_internal`` are Google's words."""
    match answer.get("error"):
        case None:
            return None
        case "access_denied":
            return Refusal.DECLINED
        case "admin_policy_enforced":
            return Refusal.ADMINISTRATOR
        case error if error in _PASSES:
            return Refusal.LATER
        case error if error in _APPLICATION_REFUSED or error == "org_internal":
            return Refusal.APPLICATION
    return Refusal.UNKNOWN


def renew(grant: Grant, clock: Clock, transport: httpx.BaseTransport | None = None) -> Grant:
    """See ``GrantingProvider.renew_grant``."""
    wire = _TokenServer(clock, transport)
    credentials = _service_account(grant) if isinstance(grant, ServiceAccountGrant) else _person(grant)
    try:
        credentials.refresh(wire)  # type: ignore[no-untyped-call]  # google-auth has no types
    except CalsyncError:
        raise
    except google.auth.exceptions.RefreshError:
        raise _refused(wire.told) from None
    except (google.auth.exceptions.GoogleAuthError, ValueError) as error:
        raise Unavailable(f"the token server's answer can't be read ({type(error).__name__})") from None
    if isinstance(grant, ServiceAccountGrant):
        return _renewed(grant, wire)
    return _renewed(evolve(grant, refresh_token=_text(wire.told, "refresh_token") or grant.refresh_token), wire)


def _person(grant: OAuthGrant) -> Credentials:
    if not grant.refresh_token:
        raise InvalidValue("refresh_token: a grant of Google's needs one")
    return Credentials(  # type: ignore[no-untyped-call]  # google-auth has no types
        token=None,
        refresh_token=grant.refresh_token,
        token_uri=grant.token_url or TOKEN_URL,
        client_id=grant.client_id,
        client_secret=grant.client_secret,
    )


def _service_account(grant: ServiceAccountGrant) -> ServiceAccountCredentials:
    try:
        made: ServiceAccountCredentials = ServiceAccountCredentials.from_service_account_info(  # type: ignore[no-untyped-call]  # google-auth has no types
            json.loads(grant.key), scopes=list(grant.scopes or WRITE_SCOPES), subject=grant.subject
        )
    except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
        raise InvalidValue("key: is no service account's key file") from None
    return made


def _renewed(grant: _Granted, wire: _TokenServer) -> _Granted:
    scope = _text(wire.told, "scope")
    return evolve(
        grant,
        access_token=_text(wire.told, "access_token"),
        expires_at=wire.clock.now() + timedelta(seconds=wire.told["expires_in"]),
        scopes=tuple(scope.split()) if scope else grant.scopes,
    )


def _require_address(name: str, url: str) -> None:
    problem = problem_with(url)
    if problem:
        raise InvalidValue(f"{name}: {problem}")


def _refused(told: Mapping[str, Any]) -> ProviderError:
    """By the error's code alone: descriptions are prose, and may name people."""
    code = _code(told)
    if code in _APPLICATION_REFUSED:
        return Rejected(f"the token server refuses the application ({code})")
    return AuthExpired(f"the token server refuses the grant ({code})")


def _code(told: Mapping[str, Any]) -> str | None:
    error = _text(told, "error")
    return error if error is not None and error.isidentifier() and len(error) < 80 else None


def _seconds(told: Mapping[str, Any]) -> float:
    """How long the access token lasts; an hour if that is not said so that it can be understood."""
    lasts = told.get("expires_in")
    number = lasts if isinstance(lasts, int | float) and not isinstance(lasts, bool) else 3600.0
    return max(0.0, min(number, 366 * 86400.0))


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) and value else None


class _TokenServer(google.auth.transport.Request):
    """google-auth's way out: one request, no retry of its own, and failures in our words.

    Attributes:
        told: The last answer's JSON: with an access token, or an error's code; ``expires_in`` is a number.
    """

    def __init__(self, clock: Clock, transport: httpx.BaseTransport | None) -> None:
        self.clock = clock
        self.told: Mapping[str, Any] = {}
        self._transport = transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_further: object,
    ) -> _TokenAnswer:
        """Send it. Raises RateLimited, Unavailable, and InvalidValue for an address no secret may go to."""
        _require_address("token_url", url)
        try:
            seconds = timeout or _TIMEOUT_SECONDS
            with httpx.Client(verify=trust(), transport=self._transport, timeout=seconds) as client:
                answer = ask_once(client, method, url, headers or {}, body, timeout=seconds)
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            raise Unavailable(f"the token server can't be reached ({type(error).__name__})") from None
        if answer.status == 429:
            raise RateLimited("the token server asks to wait (429)", retry_after=seconds_asked(answer, self.clock))
        # After failures that pass google-auth would try again, by the wall clock.
        if answer.status >= 500 or answer.status == 408:
            raise Unavailable(f"the token server failed ({answer.status})")
        told = answer.json()
        told = told if isinstance(told, dict) else {}
        word = _text(told, "access_token") if answer.status == 200 else _code(told)
        # Not a word of OAuth's is some proxy's, perhaps: it says nothing about the grant.
        if word is None or word in _PASSES:
            raise Unavailable(f"the token server failed ({answer.status})")
        self.told = {**told, "expires_in": _seconds(told)}
        return _TokenAnswer(answer, json.dumps(self.told).encode())


class _TokenAnswer(google.auth.transport.Response):
    def __init__(self, answer: Answer, data: bytes) -> None:
        self._answer = answer
        self._data = data

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers."""
        return self._answer.headers

    @property
    def data(self) -> bytes:
        """The body."""
        return self._data
