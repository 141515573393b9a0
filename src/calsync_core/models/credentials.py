"""What a login is proven with, and what that is renewed with. Redacted in every repr (I-39)."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from attrs import field, frozen

from calsync_core.errors import InvalidValue
from calsync_core.models.time import require_utc

__all__ = [
    "BearerToken",
    "Credential",
    "Grant",
    "Login",
    "OAuthClient",
    "OAuthGrant",
    "Password",
    "ServiceAccountGrant",
]


@frozen
class Password:
    """A user name and a password, or an app-specific password."""

    username: str
    password: str = field(repr=False)


@frozen
class BearerToken:
    """An OAuth access token.

    Attributes:
        scopes: As granted; empty: nobody said.
        acts_for: Whom a service account, or an application, acts for; None for a person's own login.
    """

    token: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    acts_for: str | None = field(default=None, repr=False)


@frozen
class OAuthClient:
    """The host's application, as it is registered at a provider: what people grant something to.

    Attributes:
        client_id: Its id there.
        client_secret: Its secret; None for a public client.
        token_url: Another token server than the provider's own: a single tenant's, a simulator's.
        authorization_url: Another consent page than the provider's own. Microsoft's follows from ``token_url``.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    token_url: str | None = None
    authorization_url: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.client_id:
            raise InvalidValue("client_id: must not be empty")

    def grant(self) -> OAuthGrant:
        """What somebody granted to it, as long as that is nothing."""
        return OAuthGrant(self.client_id, self.client_secret, token_url=self.token_url)


def _optional_utc(value: datetime | None) -> datetime | None:
    return None if value is None else require_utc("expires_at", value)


@frozen
class OAuthGrant:
    """What a person granted to an OAuth client (RFC 6749), and the access token in use.

    Attributes:
        client_id: The application's id at the provider.
        client_secret: The application's secret; None for a public client.
        refresh_token: What new access tokens are had with; may rotate with every use. None: the application acts for
            itself (client credentials), or ``cache`` holds it.
        token_url: Where; None: the provider's own token server.
        scopes: As granted, which may be fewer than were asked for; empty: nobody said.
        access_token: The one in use; None: none yet.
        expires_at: When that one ends, in UTC; None: nobody said.
        cache: The provider's library's own state (msal's serialised token cache).
        acts_for: Address of the person whose calendars an application reads and writes with credentials of its own
            (Microsoft's application permissions); None: a person's own grant.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_url: str | None = None
    scopes: tuple[str, ...] = ()
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = field(default=None, converter=_optional_utc)
    cache: str | None = field(default=None, repr=False)
    acts_for: str | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.client_id:
            raise InvalidValue("client_id: must not be empty")


@frozen
class ServiceAccountGrant:
    """A service account that acts for a person of its own domain (Google's domain-wide delegation).

    Attributes:
        key: The service account's key file, as JSON text.
        subject: Address of the person it acts for.
        scopes: What it asks for.
        access_token: The one in use; None: none yet.
        expires_at: When that one ends, in UTC.
    """

    key: str = field(repr=False)
    subject: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = field(default=None, converter=_optional_utc)

    def __attrs_post_init__(self) -> None:
        if not self.subject:
            raise InvalidValue("subject: must be the address of the person the service account acts for")


Credential: TypeAlias = Password | BearerToken
"""What a request carries."""

Grant: TypeAlias = OAuthGrant | ServiceAccountGrant
"""What a ``BearerToken`` is had with."""

Login: TypeAlias = Credential | Grant
"""What a host gives to connect an account."""
