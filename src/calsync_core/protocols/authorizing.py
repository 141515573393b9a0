"""The port to a calendar service whose logins people grant in their browser (OAuth's authorization code flow), and what
the others need to be told.

Whoever sends people there (``calsync_core.web.connect``, or a host) uses every such service in the same way: begin,
keep the record in the person's own browser session, finish with what they brought back.
"""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from attrs import Attribute, field, frozen

from calsync_core.errors import InvalidValue
from calsync_core.models import OAuthClient, OAuthGrant
from calsync_core.protocols.provider import GrantingProvider, Provider
from calsync_core.protocols.services import Clock

__all__ = [
    "Authorization",
    "AuthorizationRequest",
    "AuthorizingProvider",
    "PasswordProvider",
    "Refusal",
    "new_state",
    "same_state",
]


def new_state() -> str:
    """43 random characters that nobody can guess."""
    return secrets.token_urlsafe(32)


def same_state(record: Mapping[str, object], answer: Mapping[str, str]) -> bool:
    """Whether an answer carries the state of the connection that this record is of. In constant time."""
    ours, theirs = record.get("state"), answer.get("state")
    return isinstance(ours, str) and bool(ours) and hmac.compare_digest(ours.encode(), (theirs or "").encode())


def _not_empty(_instance: object, attribute: Attribute[Any], value: object) -> None:
    if not value:
        raise InvalidValue(f"{attribute.name}: must not be empty")


@frozen
class AuthorizationRequest:
    """What a person is asked to grant.

    Attributes:
        redirect_uri: Where the service sends them back to; registered with the application.
        scopes: What to ask for: a provider's ``read_scopes`` or ``write_scopes``.
        state: Comes back with the answer.
        login_hint: The person's address, if known.
    """

    redirect_uri: str = field(validator=_not_empty)
    scopes: tuple[str, ...] = field(validator=_not_empty)
    state: str = field(factory=new_state, validator=_not_empty, repr=False)
    login_hint: str | None = field(default=None, repr=False)


@frozen
class Authorization:
    """A connection that was begun.

    Attributes:
        url: The service's consent page for this application and request: where to send the person.
        record: What finishes it, as JSON can say it: state, PKCE verifier, redirect URI. Keep it where only this
            person's browser session can bring it back, and nobody can read it.
    """

    url: str = field(repr=False)
    record: Mapping[str, object] = field(repr=False)


class Refusal(StrEnum):
    """Why nothing was granted."""

    DECLINED = "declined"
    """The person said no, or went away."""
    ADMINISTRATOR = "administrator"
    """Whoever administers the person's organisation must agree first."""
    APPLICATION = "application"
    """The application is refused, whoever asks: the operator must act."""
    LATER = "later"
    """The service fails now."""
    UNKNOWN = "unknown"
    """It says so in no word that is known here."""


@runtime_checkable
class AuthorizingProvider(GrantingProvider, Protocol):
    """A calendar service whose logins people grant in their browser.

    Attributes:
        read_scopes: The least that lets calendars block others.
        write_scopes: The least that lets them be blocked as well.
    """

    read_scopes: tuple[str, ...]
    write_scopes: tuple[str, ...]

    def begin_authorization(self, client: OAuthClient, request: AuthorizationRequest, clock: Clock) -> Authorization:
        """Make the address of the consent page, with PKCE (RFC 7636), so that a refresh token will come.

        Raises:
            Unavailable: the service can't be asked for its addresses now.
            InvalidValue: an address of the client's is none that a secret may be sent to.
        """

    def finish_authorization(
        self, client: OAuthClient, record: Mapping[str, object], answer: Mapping[str, str], clock: Clock
    ) -> OAuthGrant:
        """Make a grant of what came back in the redirect's query.

        Before: ``record`` is that of a connection begun with the same client. After: its state was compared with the
        answer's, and an issuer that the answer names (RFC 9207) with the service's own.

        Raises:
            AuthExpired: it does not belong to this connection, is not valid (any more), or is a refusal.
            Rejected: the application itself is refused.
            RateLimited: the token server asks to wait.
            Unavailable: it can't be reached, or fails.
        """

    def read_refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """Why the answer grants nothing; None: it may. Pure; believes nothing."""

    def missing_scopes(self, granted: Sequence[str], *, write: bool = False) -> tuple[str, ...]:
        """What a grant still lacks so that its calendars can be read, or (``write``) be blocked as well. Pure.

        Empty also if nobody said what was granted.
        """


@runtime_checkable
class PasswordProvider(Provider, Protocol):
    """A calendar service that takes a user name and a password, or an app password."""

    @property
    def default_base(self) -> str | None:
        """Its address; None: the person says which server."""
