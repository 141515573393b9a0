"""A login as it is kept, and which given login it came from. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from calsync_core.models import BearerToken, Credential, Login, OAuthGrant, Password, ServiceAccountGrant

__all__ = ["KeptLogin", "carry_on", "credential_in", "fingerprint"]

_AHEAD = timedelta(minutes=4)
"""An access token is renewed so long before it ends: a request under way must not outlive it."""

_SKEW = timedelta(seconds=10)
"""Nobody's clock is exact."""


@frozen
class KeptLogin:
    """A login in use.

    Attributes:
        login: As it is now: its grant may have been renewed, and its refresh token rotated, many times.
        given: Fingerprint of the login as the host gave it; stays the same however often it is renewed.
        renewed_at: When its access token was had, in UTC; None: it came so.
    """

    login: Login = field(repr=False)
    given: str = field(repr=False)
    renewed_at: datetime | None = None

    @classmethod
    def of(cls, login: Login) -> KeptLogin:
        """A login that was given just now."""
        return cls(login, fingerprint(login))

    def is_fresh(self, now: datetime) -> bool:
        """Whether its credential can be used for a while. One that nobody gave an end is, until it is refused."""
        ends = _end_of(self.login)
        if ends is None:
            return credential_in(self.login) is not None
        # A token that lives for minutes only must not be renewed with every request.
        ahead = _AHEAD if self.renewed_at is None else max(timedelta(), min(_AHEAD, (ends - self.renewed_at) / 2))
        return credential_in(self.login) is not None and now < ends - ahead

    def is_valid(self, now: datetime) -> bool:
        """Whether its credential can be used right now."""
        ends = _end_of(self.login)
        return credential_in(self.login) is not None and (ends is None or now < ends - _SKEW)


def credential_in(login: Login) -> Credential | None:
    """What a request carries for this login; None: a token must be had first."""
    if isinstance(login, Password | BearerToken):
        return login
    if login.access_token is None:
        return None
    acts_for = login.subject if isinstance(login, ServiceAccountGrant) else login.acts_for
    return BearerToken(login.access_token, login.scopes, acts_for)


def fingerprint(login: Login) -> str:
    """64 hexadecimal digits by which a login given twice is known to be the same one.

    They come from what proves whose it is. What may change meanwhile without making it another login (the client's
    secret, the token server's address) is left out. Not keyed: it is kept sealed, or hashed again with a key.
    """
    parts: tuple[str, ...]
    match login:
        case Password():
            parts = ("password", login.username, login.password)
        case BearerToken():
            parts = ("bearer", login.token)
        case OAuthGrant():
            proof = login.refresh_token or login.cache or login.access_token or ""
            parts = ("oauth", login.client_id, proof, *([login.acts_for] if login.acts_for else []))
        case ServiceAccountGrant():
            parts = ("service_account", login.key, login.subject)
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()


def carry_on(kept: KeptLogin, given: Login) -> KeptLogin:
    """The kept login, renewed since, with what the host changed in the one it gives again.

    Before: ``kept.given == fingerprint(given)``. A refresh token that was rotated since is good, the given one is not;
    a client secret or token server that the operator changed is to be used from now on.
    """
    login = kept.login
    if isinstance(login, OAuthGrant) and isinstance(given, OAuthGrant):
        return evolve(kept, login=evolve(login, client_secret=given.client_secret, token_url=given.token_url))
    if isinstance(given, ServiceAccountGrant) and given.scopes and given.scopes != getattr(login, "scopes", ()):
        return evolve(kept, login=given, renewed_at=None)
    return kept


def _end_of(login: Login) -> datetime | None:
    return login.expires_at if isinstance(login, OAuthGrant | ServiceAccountGrant) else None
