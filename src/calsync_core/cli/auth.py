"""``auth`` tables: how an account's login is written in ``calsync.toml``."""

from __future__ import annotations

import json

from calsync_core.cli.registry import AUTH_TYPES
from calsync_core.cli.tables import Table, did_you_mean
from calsync_core.models import BearerToken, Login, OAuthGrant, Password, ServiceAccountGrant
from calsync_core.transport import problem_with

__all__ = ["read_login", "web_address"]

_KEYS = {
    "password": ("username", "password"),
    "bearer": ("token",),
    "oauth": ("client_id", "client_secret", "refresh_token", "token_url", "acts_for"),
    "service_account": ("key", "subject"),
    "device": ("client_id", "token_url"),
}


def read_login(auth: Table, provider: str) -> Login:
    """The login that an ``auth`` table describes; of the type ``device``, the client that a person logs in with.

    Raises:
        ConfigurationError: names the key; also for a type that the provider's service does not take.
    """
    kind = auth.required("type")
    if kind not in _KEYS:
        raise auth.error("type", f'unknown type "{kind}"{did_you_mean(kind, _KEYS)}')
    taken = AUTH_TYPES.get(provider, tuple(_KEYS))
    if kind not in taken:
        names = " or ".join(", ".join(f'"{each}"' for each in taken).rsplit(", ", 1))
        raise auth.error("type", f'provider "{provider}" takes {names} only')
    auth.only("type", *_KEYS[kind])
    if kind == "bearer":
        return BearerToken(auth.required("token"))
    if kind == "password":
        return Password(auth.required("username"), auth.required("password"))
    if kind == "device":
        return OAuthGrant(client_id=auth.required("client_id"), token_url=web_address(auth, "token_url"))
    if kind == "service_account":
        return ServiceAccountGrant(_key_file(auth), auth.required("subject"))
    return _grant(auth, provider)


def _grant(auth: Table, provider: str) -> OAuthGrant:
    """A person's grant; or (``acts_for``) that of an application which acts for itself, which only Microsoft knows."""
    acts_for = auth.text("acts_for")
    if acts_for is not None and provider != "microsoft":
        raise auth.error("acts_for", f'provider "{provider}" has no such logins')
    return OAuthGrant(
        client_id=auth.required("client_id"),
        client_secret=auth.text("client_secret") if acts_for is None else auth.required("client_secret"),
        refresh_token=auth.required("refresh_token") if acts_for is None else auth.text("refresh_token"),
        token_url=web_address(auth, "token_url"),
        acts_for=acts_for,
    )


def _key_file(auth: Table) -> str:
    key = auth.required("key")
    try:
        values = json.loads(key)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not {"client_email", "private_key"} <= values.keys():
        raise auth.error("key", 'must be a service account\'s key file in JSON; write "file:" and its path')
    return key


def web_address(table: Table, key: str) -> str | None:
    """An ``https://`` address; plain ``http://`` goes to this very machine only.

    Raises:
        ConfigurationError: it is neither.
    """
    address = table.text(key)
    if address is None:
        return None
    problem = problem_with(address)
    if problem is not None:
        raise table.error(key, problem)
    return address
