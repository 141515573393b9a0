"""OAuth: consent, the token endpoint, revocation."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from calsync_core.testing.simulators.consent import Choice, consent_page, sent_back
from calsync_core.testing.simulators.google.access import AccessToken
from calsync_core.testing.simulators.google.errors import unauthorised
from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.methods import SCOPE_PREFIX
from calsync_core.testing.simulators.google.state import State
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["Consent", "OAuth", "OAuthError"]

_LIFE = timedelta(seconds=3599)
_CODE_LIFE = timedelta(minutes=10)
_MOST_LIVE = 100
"""Refresh tokens of one user for one client; with one more, the oldest silently dies (reported)."""
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class OAuthError(Exception):
    """The token endpoint refuses."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.response = Response.of({"error": error, "error_description": description}, status, note=error)


@define(eq=False)
class Consent:
    """What a user allowed a client.

    Attributes:
        scopes: Without their prefix; a user may untick some of those asked for.
        refresh: The refresh tokens that work, oldest first.
    """

    user: str
    client: str
    scopes: frozenset[str]
    refresh: list[str] = field(factory=list, repr=False)


@frozen
class _Code:
    consent: Consent
    redirect_uri: str
    challenge: str | None
    expires: datetime
    refreshes: bool


class OAuth:
    """The authorisation server."""

    def __init__(self, state: State, habits: Habits, client_id: str, client_secret: str) -> None:
        self._state = state
        self._habits = habits
        self._client = (client_id, client_secret)
        self._access: dict[str, AccessToken] = {}
        self._consents: dict[tuple[str, str], Consent] = {}
        self._codes: dict[str, _Code] = {}
        self._made = 0
        self.delegations: dict[str, frozenset[str]] = {}
        self.service_accounts: set[str] = set()
        self.unticked: set[str] = set()

    def issue(
        self, user: str, scopes: Iterable[str], life: timedelta | None, client: str | None = None, *, own: bool = False
    ) -> str:
        """An access token; ``own``: for a service account's own data."""
        expires = None if life is None else self._state.clock.now() + life
        bare = frozenset(scope.removeprefix(SCOPE_PREFIX) for scope in scopes)
        token = self._name("ya29.")
        self._access[token] = AccessToken(user, bare, expires, client or self._client[0], own)
        return token

    def check(self, token: str) -> AccessToken:
        """What an access token stands for.

        Raises:
            ApiError: 401, it never did, does no longer, or was revoked.
        """
        known = self._access.get(token)
        if known is None or (known.expires is not None and known.expires <= self._state.clock.now()):
            raise unauthorised()
        return known

    def grant(self, user: str, scopes: Iterable[str]) -> str:
        """A refresh token, as if the user had consented."""
        consent = self._consent(user, scopes)
        return self._add_refresh(consent)

    def code(self, user: str, scopes: Iterable[str], redirect_uri: str, challenge: str | None, *, fresh: bool) -> str:
        """An authorisation code, as if the user had consented.

        Args:
            user: Who.
            scopes: What was asked for; those in ``unticked`` are not granted.
            redirect_uri: Must come again with the exchange.
            challenge: PKCE's S256 challenge.
            fresh: A refresh token comes with the exchange even if the user consented before (``prompt=consent``).
        """
        bare = {scope.removeprefix(SCOPE_PREFIX) for scope in scopes} - self.unticked
        refreshes = fresh or (user, self._client[0]) not in self._consents
        consent = self._consent(user, bare)
        code = self._name("4/")
        expires = self._state.clock.now() + _CODE_LIFE
        self._codes[code] = _Code(consent, redirect_uri, challenge, expires, refreshes)
        return code

    def consent(self, url: str, user: str, *, deny: bool, untick: Collection[str]) -> str:
        """Answer the page at this address; returns where the browser is sent. Raises ValueError: it shows an error."""
        asked = Request.of("GET", url, {}, b"")
        scopes = (asked.arg("scope") or "").split()
        ticked = frozenset(scope for scope in scopes if scope.removeprefix(SCOPE_PREFIX) not in untick)
        base = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        page = self.answer(Request.of("GET", Choice(user, ticked, deny).on(url), {}, b"", base))
        if page.status != 302:
            raise ValueError(f"the consent page says: {page.note}")
        return page.headers["Location"]

    def revoke(self, token: str) -> bool:
        """Void a token and all others of its consent; False: nobody knows it."""
        consent = next((one for one in self._consents.values() if token in one.refresh), None)
        access = self._access.get(token)
        if consent is None and access is None:
            return False
        user, client = (
            (consent.user, consent.client) if consent else (access.user, access.client) if access else ("", "")
        )
        self._consents.pop((user, client), None)
        self._access = {text: one for text, one in self._access.items() if (one.user, one.client) != (user, client)}
        return True

    def expire_access(self, user: str | None = None) -> None:
        """Void access tokens, refresh tokens stay."""
        self._access = {text: one for text, one in self._access.items() if user is not None and one.user != user}

    # -- endpoints ------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """``/token``, ``/revoke`` and the consent page."""
        try:
            if request.path == "/token":
                return self._token(request)
            if request.path == "/revoke":
                token = request.form().get("token") or request.arg("token") or ""
                return (
                    Response.of({}) if self.revoke(token) else self._refuse("invalid_token", "Token is not revocable")
                )
            return self._page(request)
        except OAuthError as error:
            return error.response

    def _token(self, request: Request) -> Response:
        form = request.form()
        match form.get("grant_type"):
            case "refresh_token":
                return self._refreshed(form)
            case "authorization_code":
                return self._exchanged(form)
            case kind if kind == _JWT:
                return self._asserted(form, request)
        raise OAuthError("unsupported_grant_type", "Invalid grant_type")

    def _refreshed(self, form: dict[str, str]) -> Response:
        self._check_client(form)
        token = form.get("refresh_token", "")
        consent = next((one for one in self._consents.values() if token in one.refresh), None)
        if consent is None:
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        extra = {}
        if self._habits.rotates_refresh_tokens:
            consent.refresh.remove(token)
            extra["refresh_token"] = self._add_refresh(consent)
        return self._granted(consent, extra)

    def _exchanged(self, form: dict[str, str]) -> Response:
        self._check_client(form)
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires <= self._state.clock.now():
            raise OAuthError("invalid_grant", "Malformed auth code.")
        if form.get("redirect_uri") != code.redirect_uri:
            raise OAuthError("redirect_uri_mismatch", "Bad Request")
        if code.challenge is not None and code.challenge != _challenge(form.get("code_verifier", "")):
            raise OAuthError("invalid_grant", "Invalid code verifier.")
        return self._granted(code.consent, {"refresh_token": self._add_refresh(code.consent)} if code.refreshes else {})

    def _asserted(self, form: dict[str, str], request: Request) -> Response:
        """A service account's assertion; its signature is not checked."""
        try:
            claims: dict[str, Any] = json.loads(_decoded(form["assertion"].split(".")[1]))
            issuer, scopes = claims["iss"], claims["scope"].split()
            subject, until = claims.get("sub"), int(claims["exp"])
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            raise OAuthError("invalid_grant", "Invalid JWT.") from None
        audiences = {f"{request.base}/token", "https://oauth2.googleapis.com/token"}
        if issuer not in self.service_accounts or claims.get("aud") not in audiences:
            raise OAuthError("invalid_grant", "Invalid JWT: account or audience.")
        if not 0 < until - self._state.clock.now().timestamp() <= 3_660:
            raise OAuthError("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
        allowed = self.delegations.get(issuer, frozenset())
        wanted = {scope.removeprefix(SCOPE_PREFIX) for scope in scopes}
        if subject not in {None, issuer} and (not wanted <= allowed or subject not in self._state.users):
            raise OAuthError("unauthorized_client", "Client is unauthorized to retrieve access tokens.", 401)
        own = subject in {None, issuer}
        token = self.issue(issuer if own else str(subject), wanted, _LIFE, issuer, own=own)
        return Response.of({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _page(self, request: Request) -> Response:
        """The consent page. It waits for an answer or (``Habits.asks_for_consent``) has the person who is hinted at, or
        the first user, consent at once.
        """
        client, target = request.arg("client_id"), request.arg("redirect_uri")
        scopes = (request.arg("scope") or "").split()
        choice = Choice.of(request)
        user = request.arg("login_hint") or next(iter(self._state.users), "") if choice is None else choice.user
        if client != self._client[0] or target is None or user not in self._state.users:
            raise OAuthError("invalid_request", "Unknown client, user or no redirect_uri.")
        challenge = request.arg("code_challenge")
        if challenge is not None and request.arg("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "Only S256 is simulated.")
        if choice is None and self._habits.asks_for_consent:
            return consent_page(request, list(self._state.users), scopes)
        # RFC 9207; seen since 2026 (openiddict-core #2428), although the discovery document does not say so.
        answer = {name: value for name, value in (("state", request.arg("state")), ("iss", request.base)) if value}
        if choice is not None and choice.deny:
            return Response(302, {"Location": sent_back(target, error="access_denied", **answer)}, note="denied")
        granted = scopes if choice is None else [scope for scope in scopes if scope in choice.ticked]
        offline = request.arg("access_type") == "offline"
        fresh = offline and "consent" in (request.arg("prompt") or "").split()
        code = self.code(user, granted, target, challenge, fresh=fresh)
        if not offline:
            self._codes[code] = evolve(self._codes[code], refreshes=False)
        scope = _full(self._codes[code].consent.scopes)
        return Response(302, {"Location": sent_back(target, code=code, scope=scope, **answer)}, note="consented")

    def _check_client(self, form: dict[str, str]) -> None:
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)

    def _consent(self, user: str, scopes: Iterable[str]) -> Consent:
        bare = frozenset(scope.removeprefix(SCOPE_PREFIX) for scope in scopes)
        key = (user, self._client[0])
        known = self._consents.setdefault(key, Consent(user, self._client[0], bare))
        known.scopes = bare
        return known

    def _granted(self, consent: Consent, extra: dict[str, str]) -> Response:
        token = self.issue(consent.user, consent.scopes, _LIFE, consent.client)
        scope = _full(consent.scopes)
        return Response.of({"access_token": token, "expires_in": 3599, "scope": scope, "token_type": "Bearer", **extra})

    def _add_refresh(self, consent: Consent) -> str:
        consent.refresh.append(self._name("1//"))
        del consent.refresh[:-_MOST_LIVE]
        return consent.refresh[-1]

    @staticmethod
    def _refuse(error: str, description: str) -> Response:
        return OAuthError(error, description).response

    def _name(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}sim-{self._made:06d}-{hashlib.sha256(f'{prefix}{self._made}'.encode()).hexdigest()[:24]}"


def _full(scopes: Iterable[str]) -> str:
    return " ".join(SCOPE_PREFIX + scope if scope.startswith("calendar") else scope for scope in sorted(scopes))


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
