"""Logins as text that only the host's keys open (I-39)."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from calsync_core.credentials.kept import KeptLogin
from calsync_core.credentials.sealing import required_cryptography
from calsync_core.errors import CalsyncError, ConfigurationError
from calsync_core.models import Account, BearerToken, Login, OAuthGrant, Password, ServiceAccountGrant

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet

__all__ = ["Vault", "check_keys", "new_key"]

_VERSION = 1
_KINDS: dict[str, type[Login]] = {
    "password": Password,
    "bearer": BearerToken,
    "oauth": OAuthGrant,
    "service_account": ServiceAccountGrant,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


def new_key() -> str:
    """A fresh key: 44 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def check_keys(keys: str | Sequence[str]) -> tuple[str, ...]:
    """The keys as a tuple, the sealing one first.

    Raises:
        ConfigurationError: starts with ``encryption_key``; there is none, or one can't be a key.
    """
    values = [keys] if isinstance(keys, str) else list(keys)
    if not values:
        raise ConfigurationError("encryption_key: at least one is needed")
    for number, key in enumerate(values):
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            name = "encryption_key" if isinstance(keys, str) else f"encryption_key[{number}]"
            raise ConfigurationError(
                f"{name}: must be 44 characters of URL-safe base64, as calsync_core.credentials.new_key() makes"
            )
    return tuple(values)


class Vault:
    """Seals logins and opens them again, through cryptography's Fernet: AES in CBC mode, authenticated.

    What is sealed is bound to its account at its server: a row copied to another account, or an account turned to
    another address, is refused when it is opened.

    Args:
        keys: As ``new_key`` makes them. A list rotates: the first one seals, each of them opens.

    Raises:
        ConfigurationError: a key is malformed, or ``cryptography`` is not installed.
    """

    def __init__(self, keys: str | Sequence[str]) -> None:
        values = check_keys(keys)
        fernet = required_cryptography("encryption_key")
        self._first: Fernet = fernet.Fernet(values[0])
        self._all: MultiFernet = fernet.MultiFernet([fernet.Fernet(value) for value in values])
        self._invalid: type[Exception] = fernet.InvalidToken

    def seal(self, account: Account, kept: KeptLogin) -> str:
        """The login as text that says nothing without a key. Before: the account has its id."""
        plain = {
            "version": _VERSION,
            "for": _binding(account),
            "kind": _NAMES[type(kept.login)],
            "given": kept.given,
            "renewed_at": kept.renewed_at,
            "login": attrs.asdict(kept.login),
        }
        return self._all.encrypt(json.dumps(plain, default=datetime.isoformat).encode()).decode()

    def unseal(self, account: Account, sealed: str) -> KeptLogin:
        """The login that was sealed for this account.

        Raises:
            ConfigurationError: no key opens it, it is another account's, or a newer version sealed it. Says which
                account, and nothing of what was sealed.
        """
        who = f"account {account.name!r} (id {account.id})"
        opened = self._opened(sealed)
        if opened is None:
            raise ConfigurationError(f"encryption_key: no key given opens the stored login of {who}")
        kept, problem = _read(opened, account)
        if kept is None:
            raise ConfigurationError(f"credentials: the stored login of {who} {problem}; connect it again")
        return kept

    def reseal(self, sealed: str) -> str:
        """The same, sealed under the first key; unchanged if that is so already.

        Raises:
            ConfigurationError: no key opens it.
        """
        if self._opens(self._first, sealed):
            return sealed
        if self._opened(sealed) is None:
            raise ConfigurationError("encryption_key: no key given opens this")
        return self._all.rotate(sealed.encode()).decode()

    def _opens(self, key: Fernet, sealed: str) -> bool:
        try:
            key.decrypt(sealed.encode("utf-8", "replace"))
        except self._invalid:
            return False
        return True

    def _opened(self, sealed: str) -> bytes | None:
        try:
            return self._all.decrypt(sealed.encode("utf-8", "replace"))
        except self._invalid:
            return None


def _binding(account: Account) -> list[Any]:
    return [account.key, account.provider, account.base_url]


def _read(opened: bytes, account: Account) -> tuple[KeptLogin | None, str]:
    """The login, or what is wrong. No exception leaves: a parser's would carry the plain text along."""
    try:
        plain = json.loads(opened)
        if plain["version"] != _VERSION:
            return None, "was sealed by another version"
        if plain["for"] != _binding(account):
            return None, "was sealed for another account or server"
        values = plain["login"]
        if values.get("expires_at") is not None:
            values["expires_at"] = datetime.fromisoformat(values["expires_at"])
        if "scopes" in values:
            values["scopes"] = tuple(values["scopes"])
        at = plain["renewed_at"]
        login = _KINDS[plain["kind"]](**values)
        return KeptLogin(login, plain["given"], None if at is None else datetime.fromisoformat(at)), ""
    except (ValueError, TypeError, KeyError, AttributeError, CalsyncError):
        return None, "can't be read"
