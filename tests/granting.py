"""Calendars in memory whose logins are grants, and the token server that renews them, in memory or over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
from attrs import define, evolve, field

from calsync_core.errors import AuthExpired, InvalidValue, ProviderError, Unavailable
from calsync_core.models import Account, BearerToken, Grant, OAuthGrant, Password, ServiceAccountGrant
from calsync_core.protocols import Clock, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService

CLIENT = "calsync-tests"
CLIENT_SECRET = "client-secret-that-nobody-sees"


@define(eq=False)
class TokenServer:
    """An authorisation server at its strictest: each refresh token works once, and one used twice voids its grant.

    Attributes:
        gentle: The last refresh token goes on working until the new one is used, as RFC 9700 lets servers choose.
        life: Of an access token.
        requests: How many renewals were asked for.
        failing: Raised instead of an answer.
        meanwhile: Runs while a request is under way.
    """

    gentle: bool = False
    life: timedelta = timedelta(hours=1)
    requests: int = 0
    failing: ProviderError | None = None
    meanwhile: Callable[[], None] | None = None
    secrets: list[str] = field(factory=list)
    _newest: dict[str, str] = field(factory=dict)
    _last: dict[str, str] = field(factory=dict)
    _access: dict[str, str] = field(factory=dict)
    _grants: dict[str, str] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock)

    def consent(self, user: str) -> OAuthGrant:
        """A grant, as a person gives it; those given before stay."""
        with self._lock:
            return OAuthGrant(CLIENT, CLIENT_SECRET, self._new_refresh(f"{user} {len(self.secrets)}"))

    def revoke(self, user: str) -> None:
        """All that this person granted so far."""
        with self._lock:
            for grant in {grant for grant in self._newest if grant.split()[0] == user}:
                self._void(grant)

    def spoil_access(self, user: str) -> None:
        """The person's access tokens are refused from now on; the refresh tokens are not."""
        for grant in self._access:
            if grant.split()[0] == user:
                self._access[grant] = "none"

    def renew(self, refresh: str | None) -> tuple[str, str, float]:
        """Access token, refresh token, seconds. Raises AuthExpired."""
        with self._lock:
            self.requests += 1
        if self.meanwhile is not None:
            self.meanwhile()
        with self._lock:
            if self.failing is not None:
                raise self.failing
            grant = self._grants.get(refresh or "", "")
            if refresh != self._newest.get(grant, "") and not (self.gentle and refresh == self._last.get(grant)):
                self._void(grant)
                raise AuthExpired("invalid_grant")
            self._last[grant] = refresh or ""
            self._access[grant] = self._name(f"access-of-{grant.split()[0]}")
            return self._access[grant], self._new_refresh(grant), self.life.total_seconds()

    def user_of(self, access: str) -> str | None:
        """Whose access token this is; only the newest of each grant works."""
        return next((grant.split()[0] for grant, token in list(self._access.items()) if token == access), None)

    def _void(self, grant: str) -> None:
        for tokens in (self._newest, self._last, self._access):
            tokens.pop(grant, None)

    def _new_refresh(self, grant: str) -> str:
        token = self._newest[grant] = self._name(f"refresh-of-{grant.split(maxsplit=1)[0]}")
        self._grants[token] = grant
        return token

    def _name(self, what: str) -> str:
        self.secrets.append(f"{what}-{len(self.secrets)}-secret")
        return self.secrets[-1]


class GrantingProvider(MemoryProvider):
    """The memory provider for logins that are grants; passwords work as well."""

    def __init__(self, service: MemoryService, tokens: TokenServer) -> None:
        super().__init__(service)
        self._tokens = tokens

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:  # noqa: ARG002  (the port's signature)
        if isinstance(grant, ServiceAccountGrant):
            raise InvalidValue("credentials: no service account here")
        access, refresh, seconds = self._tokens.renew(grant.refresh_token)
        return renewed(grant, access, refresh, clock.now() + timedelta(seconds=seconds))

    def _request(self, session: Session) -> str:
        for renew in (False, True):
            credential = session.tokens.credential(renew=renew)
            session.meter.count()
            if isinstance(credential, BearerToken):
                user = self._tokens.user_of(credential.token)
                if user is not None:
                    return user
            elif isinstance(credential, Password) and self._service.authenticate(
                credential.username, credential.password
            ):
                return credential.username
        raise AuthExpired("the service refuses this login")


class HttpProvider(MemoryProvider):
    """A provider whose token server is elsewhere; nobody reads its calendars."""

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:  # noqa: ARG002  (the port's signature)
        assert isinstance(grant, OAuthGrant)
        assert grant.token_url
        answer = httpx.post(grant.token_url, data={"refresh_token": grant.refresh_token or ""}, timeout=30)
        if answer.status_code != 200:
            raise AuthExpired("invalid_grant")
        told = answer.json()
        expires_at = clock.now() + timedelta(seconds=told["expires_in"])
        return renewed(grant, told["access_token"], told["refresh_token"], expires_at)


def renewed(grant: OAuthGrant, access: str, refresh: str, expires_at: datetime) -> OAuthGrant:
    return evolve(grant, access_token=access, refresh_token=refresh, expires_at=expires_at)


@contextmanager
def over_http(tokens: TokenServer) -> Iterator[str]:
    """The token server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            try:
                access, refresh, seconds = tokens.renew(form["refresh_token"][0])
            except ProviderError:
                self._answer(400, {"error": "invalid_grant"})
            else:
                self._answer(200, {"access_token": access, "refresh_token": refresh, "expires_in": seconds})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's signature)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


DOWN = Unavailable("the token server is down")
