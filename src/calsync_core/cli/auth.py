"""``auth`` tables: how an account's login is written in ``calsync.toml``."""

from __future__ import annotations

import json
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from calsync_core.cli.registry import AUTH_TYPES
from calsync_core.cli.tables import Table, did_you_mean
from calsync_core.models import BearerToken, Login, OAuthGrant, Password, ServiceAccountGrant

__all__ = ["read_login", "web_address"]

_KEYS = {
    "password": ("username", "password"),
    "bearer": ("token",),
    "oauth": ("client_id", "client_secret", "refresh_token", "token_url"),
    "service_account": ("key", "subject"),
}


def read_login(auth: Table, provider: str) -> Login:
    """The login that an ``auth`` table describes.

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
    if kind == "service_account":
        return ServiceAccountGrant(_key_file(auth), auth.required("subject"))
    return OAuthGrant(
        client_id=auth.required("client_id"),
        client_secret=auth.text("client_secret"),
        refresh_token=auth.required("refresh_token"),
        token_url=web_address(auth, "token_url"),
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
    """An ``https://`` address; plain ``http://`` goes to this very machine only. The value is never quoted: what is
    wrong with it may be a password in it.

    Raises:
        ConfigurationError: it is neither.
    """
    address = table.text(key)
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise table.error(key, "is not a valid URL") from None
    if parts.scheme not in {"http", "https"} or not host or any(letter.isspace() for letter in address):
        raise table.error(key, "must be a URL that starts with https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise table.error(key, "must not contain a user name or password; they belong in auth")
    if parts.scheme == "http" and not _loopback(parts):
        raise table.error(key, "plain http:// is accepted for this machine (loopback) only; use https://")
    return address


def _loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
