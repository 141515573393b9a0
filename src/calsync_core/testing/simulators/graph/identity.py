"""The Microsoft identity platform as far as msal needs it: sign-in, codes, refresh tokens, devices, apps."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from attrs import define, field, frozen

from calsync_core.testing.simulators.consent import Choice, consent_page, sent_back
from calsync_core.testing.simulators.graph.discovery import OIDC_SCOPES, configuration, instances
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.state import Mailbox, State
from calsync_core.testing.simulators.graph.tokens import Tokens
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["Identity"]

_RESOURCE = "https://graph.microsoft.com/"
_CODE_LIFE = timedelta(minutes=10)
_DEVICE_LIFE = timedelta(minutes=15)
_REFRESH_LIFE = timedelta(days=90)
_ACCESS_SECONDS = 3600


class OAuthError(Exception):
    """The token endpoint refuses; ``error`` is what clients branch on, ``number`` is for people."""

    def __init__(self, error: str, number: int, message: str, *, status: int = 400, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.number = number
        self.message = message
        self.status = status
        self.extra = extra


@frozen
class _App:
    """A registered application; without a secret it is a public client."""

    client_id: str
    secret: str | None
    redirect_uris: frozenset[str]
    roles: frozenset[str]


@define(eq=False)
class _Grant:
    """What a user consented to: a code or a device waiting to be exchanged, or what a refresh token stands for.

    Attributes:
        mailbox: None: a device that nobody approved yet.
    """

    app: _App
    mailbox: Mailbox | None
    scopes: frozenset[str]
    expires: datetime
    asked: Mapping[str, str] = field(factory=dict)
    declined: bool = False


class Identity:
    """Everything at ``/{tenant}/oauth2/v2.0``."""

    def __init__(self, state: State, tokens: Tokens) -> None:
        self._state = state
        self._tokens = tokens
        self._apps: dict[str, _App] = {}
        self._codes: dict[str, _Grant] = {}
        self._devices: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}
        self._refusals: dict[str, tuple[str, str | None]] = {}

    # -- hands ----------------------------------------------------------------------------------------------------

    def add_app(self, client_id: str, secret: str | None, redirect_uris: Iterable[str], roles: Iterable[str]) -> None:
        """Register an application."""
        self._apps[client_id] = _App(client_id, secret, frozenset(redirect_uris), frozenset(roles))

    def consent(self, request: Request, mailbox: Mailbox, *, deny: bool) -> str:
        """Sign in on the page at this authorisation URL and answer; returns where the browser is sent.

        With ``response_mode=form_post`` the browser posts there what is the query here.

        Raises:
            GraphError: the page shows an error instead: unknown app, or a redirect URI that isn't its own.
        """
        app, target = self._returning(request)
        asked = dict(request.query)
        self._refusals.pop(mailbox.id, None)
        answer = {"state": asked["state"]} if "state" in asked else {}
        if deny or self._state.habits.admin_consent:
            description = "AADSTS65004: User declined to consent."
            if self._state.habits.admin_consent:
                description = "AADSTS90094: An administrator of the organisation must consent."
            return sent_back(target, error="access_denied", error_description=description, **answer)
        code = f"0.A{self._random()}"
        expires = self._state.clock.now() + _CODE_LIFE
        self._codes[code] = _Grant(app, mailbox, _scopes(asked.get("scope", "")), expires, asked)
        return sent_back(target, code=code, **answer, session_state=self._state.guid())

    def approve(self, user_code: str, mailbox: Mailbox, *, deny: bool) -> None:
        """Type a device's code in and answer. Raises LookupError: there is no such code."""
        for grant in self._devices.values():
            if grant.asked.get("user_code") == user_code:
                self._refusals.pop(mailbox.id, None)
                grant.mailbox, grant.declined = mailbox, deny
                return
        raise LookupError(f"no device shows the code {user_code}")

    def refuse(self, mailbox: Mailbox, error: str, suberror: str | None) -> None:
        """Refuse to refresh until this user signs in again."""
        self._refusals[mailbox.id] = (error, suberror)

    def revoke(self, mailbox: Mailbox) -> None:
        """End every refresh token of a user."""
        self._refresh = {text: grant for text, grant in self._refresh.items() if grant.mailbox is not mailbox}

    # -- requests -------------------------------------------------------------------------------------------------

    def serves(self, request: Request) -> bool:
        """Whether a request is for the identity platform."""
        return request.segments[1:3] in {("oauth2", "v2.0"), ("v2.0", ".well-known"), ("discovery", "instance")}

    def answer(self, request: Request) -> Response:
        """Carry out one request."""
        try:
            if request.segments[1:] == ("discovery", "instance"):
                return Response.of(instances(request, self._state.tenant))
            return self._of_tenant(request, self._tenant(request.segments[0]))
        except OAuthError as error:
            return self._refusal(error)

    def _of_tenant(self, request: Request, tenant: str) -> Response:
        match request.method, request.segments[-1]:
            case "GET", "openid-configuration":
                return Response.of(configuration(request.base, tenant))
            case "GET", "authorize":
                return self._authorize(request)
            case "POST", "devicecode":
                return self._start_device(request, tenant)
            case "POST", "token":
                return Response.of(self._token(request.form(), request.base, tenant))
        return Response(404)

    def _tenant(self, name: str) -> str:
        if name not in {"common", "organizations", "consumers", self._state.tenant} and "." not in name:
            raise OAuthError("invalid_tenant", 90002, f"Tenant '{name}' not found.")
        return name

    def _authorize(self, request: Request) -> Response:
        """The page. It waits for an answer or (``Habits.asks_for_consent``) has whom ``login_hint`` names consent at
        once; a single user needs no hint.
        """
        self._returning(request)
        known = list(self._state.mailboxes.values())
        choice, hint = Choice.of(request), request.arg("login_hint")
        if choice is None and self._state.habits.asks_for_consent:
            scopes = sorted(_scopes(request.arg("scope") or "") - OIDC_SCOPES)
            return consent_page(request, [each.upn for each in known], scopes)
        name = hint if choice is None else choice.user
        if name is None and len(known) != 1:
            return Response(400, {"Content-Type": "text/plain"}, b"Which user? Say login_hint.")
        mailbox = self._state.mailbox(name) if name is not None else known[0]
        target = self.consent(request, mailbox, deny=choice is not None and choice.deny)
        if request.arg("response_mode") == "form_post":
            return Response(200, {"Content-Type": "text/html; charset=utf-8"}, _posting_page(target).encode())
        return Response(302, {"Location": target})

    def _returning(self, request: Request) -> tuple[_App, str]:
        """Which application asks on the page, and where the browser goes from there. Raises GraphError."""
        app, target = self._apps.get(request.arg("client_id") or ""), request.arg("redirect_uri") or ""
        if app is None or request.arg("response_type") != "code":
            raise GraphError(400, "invalid_request", "AADSTS700016: No such application, or no such response_type.")
        if target not in app.redirect_uris:
            known = ", ".join(sorted(app.redirect_uris)) or "none"
            raise GraphError(
                400,
                "invalid_request",
                f"AADSTS50011: The redirect URI {target} is not the registered one ({known}). "
                "A test gives oauth_client the right one, a person gives it to the playground as --connect.",
            )
        return app, target

    def _start_device(self, request: Request, tenant: str) -> Response:
        form = request.form()
        app = self._app(form, secret=False)
        user_code = self._random()[:9].upper()
        device_code = self._random()
        expires = self._state.clock.now() + _DEVICE_LIFE
        self._devices[device_code] = _Grant(
            app, None, _scopes(form.get("scope", "")), expires, {"user_code": user_code}
        )
        page = f"{request.base}/{tenant}/oauth2/v2.0/deviceauth"
        body = {
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": page,
            "expires_in": int(_DEVICE_LIFE.total_seconds()),
            "interval": 5,
            "message": f"To sign in, use a web browser to open the page {page} and enter the code {user_code}.",
        }
        return Response.of(body)

    def _token(self, form: Mapping[str, str], base: str, tenant: str) -> dict[str, Any]:
        match form.get("grant_type"):
            case "authorization_code":
                return self._issue(self._by_code(form), form, base)
            case "refresh_token":
                return self._issue(self._by_refresh(form), form, base)
            case "urn:ietf:params:oauth:grant-type:device_code" | "device_code":
                return self._issue(self._by_device(form), form, base)
            case "client_credentials":
                return self._app_token(form, tenant)
            case other:
                raise OAuthError("unsupported_grant_type", 70003, f"The app requested an unsupported grant '{other}'.")

    def _app(self, form: Mapping[str, str], *, secret: bool = True) -> _App:
        app = self._apps.get(form.get("client_id", ""))
        if app is None:
            raise OAuthError("unauthorized_client", 700016, "Application was not found in the directory.")
        if secret and app.secret is not None and "client_assertion" not in form:
            given = form.get("client_secret")
            if given is None:
                raise OAuthError("invalid_client", 7000218, "The request must contain client_secret.", status=401)
            if given != app.secret:
                raise OAuthError("invalid_client", 7000215, "Invalid client secret provided.", status=401)
        return app

    def _by_code(self, form: Mapping[str, str]) -> _Grant:
        app = self._app(form)
        # A code works once, whatever comes of it.
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.app is not app:
            raise OAuthError("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed or is unknown.")
        if grant.expires <= self._state.clock.now():
            raise OAuthError("invalid_grant", 70008, "The provided authorization code has expired.")
        if form.get("redirect_uri") != grant.asked.get("redirect_uri"):
            raise OAuthError("invalid_grant", 500112, "The reply address does not match the one of the code.")
        challenge = grant.asked.get("code_challenge")
        if challenge is not None and challenge != _challenge(form.get("code_verifier", ""), grant.asked):
            raise OAuthError("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge.")
        return grant

    def _by_refresh(self, form: Mapping[str, str]) -> _Grant:
        app = self._app(form)
        text = form.get("refresh_token", "")
        grant = self._refresh.get(text)
        if grant is None or grant.app is not app or grant.mailbox is None:
            raise OAuthError("invalid_grant", 50173, "The provided grant has expired due to it being revoked.")
        if grant.expires <= self._state.clock.now():
            raise OAuthError("invalid_grant", 700082, "The refresh token has expired due to inactivity.")
        refusal = self._refusals.get(grant.mailbox.id)
        if refusal is not None:
            extra = {} if refusal[1] is None else {"suberror": refusal[1]}
            if refusal[0] == "interaction_required":
                extra["claims"] = '{"access_token":{"capolids":{"essential":true,"values":["5f5d"]}}}'
            status = 503 if refusal[0] == "temporarily_unavailable" else 400
            raise OAuthError(refusal[0], 50076, "You must use multi-factor authentication.", status=status, **extra)
        if self._state.habits.one_time_refresh_tokens:
            del self._refresh[text]
        return grant

    def _by_device(self, form: Mapping[str, str]) -> _Grant:
        self._app(form, secret=False)
        code = form.get("device_code", "")
        grant = self._devices.get(code)
        if grant is None:
            raise OAuthError("bad_verification_code", 90012, "The device code is unknown.")
        if grant.expires <= self._state.clock.now():
            raise OAuthError("expired_token", 70020, "The device code has expired.")
        if grant.mailbox is None:
            raise OAuthError("authorization_pending", 70016, "The user hasn't signed in yet.")
        del self._devices[code]
        if grant.declined:
            raise OAuthError("authorization_declined", 70000, "The user declined.")
        return grant

    def _app_token(self, form: Mapping[str, str], tenant: str) -> dict[str, Any]:
        app = self._app(form)
        if app.secret is None:
            raise OAuthError("unauthorized_client", 700025, "A public client can't ask for a token of its own.")
        if tenant in {"common", "organizations", "consumers"}:
            raise OAuthError("invalid_request", 50194, "An app's own token needs a tenant.")
        if form.get("scope") != f"{_RESOURCE}.default":
            raise OAuthError("invalid_scope", 1002012, "The scope of client credentials must end in /.default.")
        token = self._tokens.issue(None, app.roles, app.client_id, _ACCESS_SECONDS)
        return {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}

    def _issue(self, grant: _Grant, form: Mapping[str, str], base: str) -> dict[str, Any]:
        mailbox = grant.mailbox
        if mailbox is None:
            raise OAuthError("invalid_grant", 50173, "Nobody has signed in.")
        wanted = _scopes(form.get("scope", "")) or grant.scopes
        if not wanted - OIDC_SCOPES <= grant.scopes:
            raise OAuthError("invalid_grant", 65001, "The user has not consented.", suberror="consent_required")
        granted = wanted - OIDC_SCOPES
        token = self._tokens.issue(mailbox, granted, grant.app.client_id, _ACCESS_SECONDS)
        answer = {
            "token_type": "Bearer",
            "scope": " ".join(sorted(granted | (wanted & {"openid", "profile", "email"}))),
            "expires_in": 3599,
            "ext_expires_in": 3599,
            "access_token": token,
        }
        if "offline_access" in wanted | grant.scopes:
            # A new one each time, the old one is not revoked ("refresh-tokens").
            text = f"1.A{self._random()}"
            expires = self._state.clock.now() + _REFRESH_LIFE
            self._refresh[text] = _Grant(grant.app, mailbox, grant.scopes, expires)
            answer["refresh_token"] = text
        if "openid" in wanted:
            answer["id_token"] = self._id_token(grant, mailbox, base)
        if form.get("client_info") or grant.asked.get("client_info"):
            answer["client_info"] = _encoded({"uid": mailbox.id, "utid": self._state.tenant})
        return answer

    def _id_token(self, grant: _Grant, mailbox: Mailbox, base: str) -> str:
        now = int(self._state.clock.now().timestamp())
        claims = {
            "aud": grant.app.client_id,
            "iss": f"{base}/{self._state.tenant}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + _ACCESS_SECONDS,
            "name": mailbox.name,
            "oid": mailbox.id,
            "preferred_username": mailbox.upn,
            "sub": mailbox.id,
            "tid": self._state.tenant,
            "ver": "2.0",
        }
        if "nonce" in grant.asked:
            claims["nonce"] = grant.asked["nonce"]
        return f"{_encoded({'typ': 'JWT', 'alg': 'RS256'})}.{_encoded(claims)}.c2ltdWxhdGVk"

    def _refusal(self, error: OAuthError) -> Response:
        trace = self._state.guid()
        when = f"{self._state.clock.now():%Y-%m-%d %H:%M:%SZ}"
        text = f"AADSTS{error.number}: {error.message} Trace ID: {trace} Correlation ID: {trace} Timestamp: {when}"
        body = {
            "error": error.error,
            "error_description": text,
            "error_codes": [error.number],
            "timestamp": when,
            "trace_id": trace,
            "correlation_id": trace,
            **error.extra,
        }
        return Response.of(body, error.status, note=error.error)

    def _random(self) -> str:
        return f"{self._state.dice.getrandbits(192):048x}"


def _scopes(text: str) -> frozenset[str]:
    return frozenset(scope.removeprefix(_RESOURCE) for scope in text.split())


def _challenge(verifier: str, asked: Mapping[str, str]) -> str:
    if asked.get("code_challenge_method") != "S256":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _posting_page(target: str) -> str:
    address, _, query = target.partition("?")
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in parse_qsl(query)
    )
    form = f'<form method="post" action="{escape(address)}">{fields}</form>'
    return f"<html><body onload='document.forms[0].submit()'>{form}</body></html>"


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
