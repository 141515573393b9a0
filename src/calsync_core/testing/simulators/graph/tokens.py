"""Access tokens, and the identity platform that issues them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import define

from calsync_core.testing.simulators.graph.calls import Login
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.state import Mailbox, State

__all__ = ["ALL_SCOPES", "Tokens"]

ALL_SCOPES = (
    "Calendars.Read",
    "Calendars.Read.Shared",
    "Calendars.ReadWrite",
    "Calendars.ReadWrite.Shared",
    "MailboxSettings.Read",
    "User.Read",
)


@define(eq=False)
class _Issued:
    login: Login
    expires: datetime


class Tokens:
    """Access tokens by their text."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._issued: dict[str, _Issued] = {}

    def issue(
        self, mailbox: Mailbox | None, scopes: Iterable[str] = ALL_SCOPES, app: str = "app", lifetime: int = 3600
    ) -> str:
        """A new access token; ``lifetime`` in seconds."""
        token = f"eyJ0eXAiOiJKV1Qi.{self._state.dice.getrandbits(160):040x}.{len(self._issued):x}"
        expires = self._state.clock.now() + timedelta(seconds=lifetime)
        self._issued[token] = _Issued(Login(app, mailbox, frozenset(scopes)), expires)
        return token

    def login(self, token: str | None) -> Login:
        """Who asks. Raises GraphError."""
        issued = self._issued.get(token) if token else None
        if issued is None or issued.expires <= self._state.clock.now():
            late = issued is not None
            message = "Lifetime validation failed, the token is expired." if late else "Access token is empty."
            challenge = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
            raise GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": challenge})
        return issued.login

    def revoke(self, mailbox: Mailbox) -> None:
        """Nothing that was issued for this user works any more."""
        self._issued = {token: one for token, one in self._issued.items() if one.login.mailbox is not mailbox}
