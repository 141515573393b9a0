"""Logins at Microsoft: the way to a grant, and its renewal, through msal over httpx.

Sources: "Microsoft identity platform and OAuth 2.0 authorization code flow", "Refresh tokens", msal's own reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
import msal
from attrs import evolve, field, frozen

from calsync_core.errors import AuthExpired, InvalidValue, ProviderError, RateLimited, Rejected, Unavailable
from calsync_core.models import Grant, OAuthClient, OAuthGrant
from calsync_core.protocols import Authorization, AuthorizationRequest, Clock, Refusal, same_state
from calsync_core.transport import Answer, Permitted, ask_once, problem_with, seconds_asked, trust

__all__ = [
    "READ_SCOPES",
    "WRITE_SCOPES",
    "DeviceCode",
    "begin_authorization",
    "begin_device_login",
    "finish_authorization",
    "finish_device_login",
    "may_write",
    "missing_scopes",
    "read_refusal",
    "renew",
]

TOKEN_URL = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105  (an address)
_TOKEN_PATH = "/oauth2/v2.0/token"  # noqa: S105  (a path)
_TIMEOUT_SECONDS = 30.0

READ_SCOPES = ("User.Read", "MailboxSettings.Read", "Calendars.Read")
"""The least that lets calendars block others. ``MailboxSettings.Read`` tells the mailbox's time zone."""
WRITE_SCOPES = ("User.Read", "MailboxSettings.Read", "Calendars.ReadWrite")
"""The least that lets them be blocked as well."""

_RESERVED = frozenset({"openid", "profile", "email", "offline_access"})
"""msal asks for these by itself, and refuses to be asked for them."""
_APPLICATION_REFUSED = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"}
)
_PASSES = frozenset({"temporarily_unavailable", "server_error"})
_NUMBER = re.compile(r"AADSTS(\d{5,7})\b")
_CODES = frozenset({"code", "code_verifier", "device_code"})
_ADMINISTRATOR = frozenset({"65001", "90093", "90094", "90095", "50105"})
"""Consent that only an administrator may give, or must give first; and people an administrator did not admit."""


def may_write(granted: Sequence[str]) -> bool:
    """Whether the scopes allow blocks to be written; also if nobody said what was granted."""
    names = {scope.rpartition("/")[2] for scope in granted}
    return not names or bool(names & {"Calendars.ReadWrite", "Calendars.ReadWrite.Shared", ".default"})


def missing_scopes(granted: Sequence[str], *, write: bool = False) -> tuple[str, ...]:
    """What a login still lacks to be read at all, or to be written to; empty also if nobody said what was granted."""
    names = {scope.rpartition("/")[2] for scope in granted}
    if not names or ".default" in names:
        return ()
    person = () if any(name.startswith("User.Read") for name in names) else ("User.Read",)
    if write:
        return (*person, *(() if may_write(granted) else ("Calendars.ReadWrite",)))
    reads = {"Calendars.Read", "Calendars.Read.Shared", "Calendars.ReadWrite", "Calendars.ReadWrite.Shared"}
    return (*person, *(() if names & reads else ("Calendars.Read",)))


@frozen
class DeviceCode:
    """What a person types in on another device.

    Attributes:
        message: Tells them where and what, in words.
        flow: msal's record of it.
    """

    message: str
    flow: Mapping[str, Any] = field(repr=False)


def begin_authorization(
    client: OAuthClient, request: AuthorizationRequest, *, clock: Clock, transport: httpx.BaseTransport | None = None
) -> Authorization:
    """See ``AuthorizingProvider.begin_authorization``. Asks the login server for its addresses.

    The answer comes in the query: a POST from Microsoft's page, which keeps it out of logs, would come without the
    cookies of a browser session that are ``SameSite=Lax``.
    """
    wire = _Wire(client.grant(), clock, transport)
    wishes = {"redirect_uri": request.redirect_uri, "state": request.state, "login_hint": request.login_hint}
    # Otherwise whoever is logged in to one account in this browser never reaches another.
    wishes["prompt"] = None if request.login_hint else "select_account"

    def begin(app: Any) -> Mapping[str, Any]:
        return dict(app.initiate_auth_code_flow(_wanted(request.scopes), response_mode="form_post", **wishes))

    flow = dict(wire.ask(begin))
    # msal warns whoever asks for anything but a form: what is asked for is weighed above.
    url = str(flow.pop("auth_uri")).replace("response_mode=form_post", "response_mode=query")
    return Authorization(wire.address(url), flow)


def finish_authorization(
    client: OAuthClient,
    record: Mapping[str, object],
    answer: Mapping[str, str],
    *,
    clock: Clock,
    transport: httpx.BaseTransport | None = None,
) -> OAuthGrant:
    """See ``AuthorizingProvider.finish_authorization``. The record is msal's own, with a nonce besides."""
    wire = _Wire(client.grant(), clock, transport)
    # msal would say both with a ValueError, which a server's odd answer also makes it raise.
    if not same_state(record, answer) or not answer.keys() & {"code", "error"} or not wire.issues(answer):
        raise AuthExpired("what came back does not belong to this connection")
    return wire.granted(wire.ask(lambda app: app.acquire_token_by_auth_code_flow(dict(record), dict(answer))))


def read_refusal(answer: Mapping[str, str]) -> Refusal | None:
    """See ``AuthorizingProvider.read_refusal``; numbers as in "Microsoft Entra authentication error codes"."""
    error = answer.get("error")
    if error is None:
        return None
    number = _NUMBER.match(answer.get("error_description", ""))
    if number is not None and number[1] in _ADMINISTRATOR:
        return Refusal.ADMINISTRATOR
    match error:
        case "access_denied":
            return Refusal.DECLINED
        case "consent_required":
            return Refusal.ADMINISTRATOR
    if error in _PASSES:
        return Refusal.LATER
    return Refusal.APPLICATION if error in _APPLICATION_REFUSED else Refusal.UNKNOWN


def begin_device_login(
    client: OAuthClient,
    *,
    clock: Clock,
    scopes: Sequence[str] = WRITE_SCOPES,
    transport: httpx.BaseTransport | None = None,
) -> DeviceCode:
    """Begin a connection without a browser here: the device code flow.

    Raises:
        Rejected: the application may not do that.
        Unavailable: the server can't be reached.
    """
    wire = _Wire(client.grant(), clock, transport, public=True)
    flow = wire.ask(lambda app: app.initiate_device_flow(_wanted(scopes)))
    if not {"user_code", "message"} <= flow.keys():
        raise _refused(flow)
    return DeviceCode(str(flow["message"]), flow)


def finish_device_login(
    client: OAuthClient, code: DeviceCode, *, clock: Clock, transport: httpx.BaseTransport | None = None
) -> OAuthGrant:
    """Ask until the person has answered, or the code has ended.

    Raises:
        AuthExpired: they said no, or not in time.
        Unavailable: the server can't be reached, or fails.
    """
    wire = _Wire(client.grant(), clock, transport, public=True)
    flow = dict(code.flow)
    pause = max(1.0, _seconds(flow, "interval", 5.0, most=60.0))
    ends = clock.monotonic() + _seconds(flow, "expires_in", 900.0, most=86_400.0)
    # msal counts its own pauses down in a range of it, and asks whether to go on in there only: never, if it is 0.
    flow["interval"] = 1
    while True:
        # msal remembers the time of its last question by the wall clock; here the pauses are this clock's.
        flow.pop("latest_attempt_at", None)
        told = wire.ask(lambda app: app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True))
        if told.get("error") not in {"authorization_pending", "slow_down"}:
            return wire.granted(told)
        if clock.monotonic() >= ends:
            raise AuthExpired("the device code has ended")
        pause += 5 if told.get("error") == "slow_down" else 0
        clock.sleep(pause)


def renew(grant: Grant, clock: Clock, transport: httpx.BaseTransport | None = None) -> OAuthGrant:
    """See ``GrantingProvider.renew_grant``: with msal's own cache, a refresh token, or as the application itself."""
    if not isinstance(grant, OAuthGrant):
        raise InvalidValue("credentials: Microsoft takes an OAuth grant")
    wire = _Wire(grant, clock, transport, public=grant.client_secret is None)
    scopes = _wanted(grant.scopes or WRITE_SCOPES)
    if grant.cache:
        return wire.granted(wire.ask(lambda app: _silently(app, scopes)))
    if grant.refresh_token:
        return wire.granted(wire.ask(lambda app: app.acquire_token_by_refresh_token(grant.refresh_token, scopes)))
    if grant.client_secret is None:
        raise InvalidValue("refresh_token: a public client's grant needs one")
    return wire.granted(wire.ask(lambda app: app.acquire_token_for_client(["https://graph.microsoft.com/.default"])))


def _silently(app: Any, scopes: list[str]) -> Mapping[str, Any]:
    accounts = app.get_accounts()
    if not accounts:
        return {"error": "login_required"}
    told = app.acquire_token_silent_with_error(scopes, accounts[0], force_refresh=True)
    return told or {"error": "login_required"}


def _wanted(scopes: Sequence[str]) -> list[str]:
    return [scope for scope in scopes if scope not in _RESERVED]


class _Wire:
    """msal for one grant, with a way out of our own: one request each, no retry, failures in our words.

    msal takes https authorities only. A loopback server over plain http is asked all the same: msal is given the https
    address, and this sends to the http one, on this machine.
    """

    def __init__(
        self, grant: OAuthGrant, clock: Clock, transport: httpx.BaseTransport | None, *, public: bool = False
    ) -> None:
        url = grant.token_url or TOKEN_URL
        problem = problem_with(url)
        if problem is not None:
            raise InvalidValue(f"token_url: {problem}")
        parts = urlsplit(url)
        if not parts.path.endswith(_TOKEN_PATH):
            raise InvalidValue(f"token_url: must end with {_TOKEN_PATH}")
        tenant = parts.path.removesuffix(_TOKEN_PATH)
        self.grant = grant
        self.clock = clock
        self._authority = urlunsplit(("https", parts.netloc, tenant, "", ""))
        self._plain = parts.scheme == "http"
        self._permitted = Permitted(url)
        self._transport = transport
        self._public = public or grant.client_secret is None
        self._cache = _TokenCache()
        if grant.cache:
            try:
                self._cache.deserialize(grant.cache)
            except (ValueError, TypeError, AttributeError):
                raise InvalidValue("cache: is no token cache of msal's") from None

    def ask(self, work: Callable[[Any], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Let msal do something. Raises what its requests raise."""
        with httpx.Client(verify=trust(), transport=self._transport, timeout=_TIMEOUT_SECONDS) as client:
            self._client = client
            common: dict[str, Any] = {
                "authority": self._authority,
                "token_cache": self._cache,
                "http_client": self,
                # Only Microsoft's own directory knows Microsoft's own hosts.
                "instance_discovery": None if self.grant.token_url is None else False,
            }
            try:
                if self._public:
                    return dict(work(msal.PublicClientApplication(self.grant.client_id, **common)))
                secret = self.grant.client_secret
                app = msal.ConfidentialClientApplication(self.grant.client_id, client_credential=secret, **common)
                return dict(work(app))
            except (ProviderError, InvalidValue):
                raise
            except Exception as error:  # noqa: BLE001  (msal trusts what it reads, and quotes it: nothing foreign may leave)
                raise Unavailable(f"the login server's answer can't be read ({type(error).__name__})") from None

    def address(self, url: str) -> str:
        """What an address of msal's really is."""
        return url.replace("https://", "http://", 1) if self._plain else url

    def issues(self, answer: Mapping[str, str]) -> bool:
        """Whether an answer is from this server, as far as it says whose it is (RFC 9207): tenants share a host."""
        issuer = answer.get("iss")
        return issuer is None or (problem_with(issuer) is None and self._permitted.allows(issuer))

    def granted(self, told: Mapping[str, Any]) -> OAuthGrant:
        """The grant as it is now. Raises what an error in the answer means."""
        token = told.get("access_token")
        if not isinstance(token, str) or not token:
            raise _refused(told)
        lasts = _seconds(told, "expires_in", 3600.0, most=366 * 86_400.0)
        scope = told.get("scope")
        scopes = tuple(scope.split()) if isinstance(scope, str) and scope else self.grant.scopes
        return evolve(
            self.grant,
            access_token=token,
            expires_at=self.clock.now() + timedelta(seconds=lasts),
            refresh_token=str(told.get("refresh_token") or "") or self.grant.refresh_token,
            scopes=tuple(name for name in scopes if name not in _RESERVED),
            cache=self._cache.serialize() if self.grant.cache else None,
        )

    # -- msal's port for HTTP -------------------------------------------------------------------------------------

    def get(self, url: str, params: Any = None, headers: Any = None, **_further: Any) -> _Response:
        """As msal wants it."""
        return self._send("GET", url, params, None, headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_further: Any) -> _Response:
        """As msal wants it."""
        return self._send("POST", url, params, data, headers)

    def close(self) -> None:
        """As msal wants it; ``ask`` closes."""

    def _send(self, method: str, url: str, params: Any, data: Any, headers: Any) -> _Response:
        url = self.address(url)
        if not self._permitted.allows(url):
            # The address came in a server's answer; no secret follows it elsewhere (I-38).
            raise Unavailable("the login server names another host, which is not asked")
        body = urlencode(data).encode() if isinstance(data, Mapping) else data
        typed = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        try:
            sent = {**typed, **(headers or {})}
            answer = ask_once(self._client, method, url, sent, body, timeout=_TIMEOUT_SECONDS, params=params or None)
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            raise Unavailable(f"the login server can't be reached ({type(error).__name__})") from None
        if answer.status == 429:
            raise RateLimited("the login server asks to wait (429)", retry_after=seconds_asked(answer, self.clock))
        if answer.status >= 500:
            raise Unavailable(f"the login server failed ({answer.status})")
        # Of what is no JSON msal would write all into its log.
        answer.json()
        return _Response(answer, plain=self._plain)


class _TokenCache(msal.SerializableTokenCache):  # type: ignore[misc]  # msal has no types
    """msal's, which writes into its log what a token was had with, and leaves no code out of that (I-39)."""

    def add(self, event: Mapping[str, Any], **further: Any) -> None:
        """As msal wants it. Nothing that is found again in the cache goes by a code."""
        data = {name: value for name, value in event.get("data", {}).items() if name not in _CODES}
        super().add({**event, "data": data}, **further)


class _Response:
    """An answer as msal reads it."""

    def __init__(self, answer: Answer, *, plain: bool) -> None:
        self.status_code = answer.status
        self.headers = dict(answer.headers)
        text = answer.body.decode("utf-8", "replace")
        # A plain-http loopback server names its own addresses so; msal would refuse them.
        self.text = text.replace("http://", "https://") if plain else text

    def raise_for_status(self) -> None:
        """What msal calls for answers it does not expect."""
        if self.status_code >= 400:
            raise Unavailable(f"the login server refused ({self.status_code})")


def _seconds(told: Mapping[str, Any], name: str, otherwise: float, *, most: float) -> float:
    """A number of seconds that a server says, within reason."""
    seconds = told.get(name)
    # Compared before it is a float, which an integer of 400 digits can't become; a NaN ends as 0.
    return float(max(0.0, min(seconds, most))) if isinstance(seconds, int | float) else otherwise


def _refused(told: Mapping[str, Any]) -> ProviderError:
    """By the error's code alone: descriptions are prose, and may name people."""
    error = told.get("error")
    code = error if isinstance(error, str) and error.isidentifier() and len(error) < 80 else "refused"
    if code in _PASSES:
        return Unavailable(f"the login server failed ({code})")
    if code in _APPLICATION_REFUSED:
        return Rejected(f"the login server refuses the application ({code})")
    return AuthExpired(f"the login server refuses the grant ({code})")
