"""Small records that travel through other people's hands: sealed, signed, and only good for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from calsync_core.errors import ConfigurationError
from calsync_core.protocols import Clock

__all__ = ["Sealer", "required_cryptography"]


def required_cryptography(setting: str) -> ModuleType:
    """``cryptography.fernet``, which comes with an extra.

    Raises:
        ConfigurationError: starts with the setting that asked for it.
    """
    try:
        from cryptography import fernet  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{setting}: cryptography is not installed; it needs the extra: pip install 'calsync-core[credentials]'"
        ) from None
    return fernet


class Sealer:
    """Seals records so that whoever holds one can neither read it, nor change it, nor make another. Thread-safe.

    Args:
        keys: 32 bytes each. The first seals and signs, each opens.
        clock: What the age of a record is told by.

    Raises:
        ConfigurationError: ``cryptography`` is not installed.
    """

    def __init__(self, keys: Sequence[bytes], clock: Clock) -> None:
        fernet = required_cryptography("secret")
        self._keys = tuple(keys)
        self._fernet = fernet.MultiFernet([fernet.Fernet(base64.urlsafe_b64encode(key)) for key in keys])
        self._invalid: type[Exception] = fernet.InvalidToken
        self._clock = clock

    def seal(self, record: Mapping[str, object]) -> str:
        """A record of what JSON can say, as text of URL-safe letters."""
        # Whole letters, not six characters for each that is not ASCII: what is sealed here has to be short.
        plain = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        sealed: bytes = self._fernet.encrypt_at_time(plain, self._second())
        return sealed.decode()

    def unseal(self, sealed: str, *, seconds: int) -> dict[str, Any] | None:
        """The record; None: it is none of ours, or was sealed more than so many seconds ago."""
        try:
            plain = self._fernet.decrypt_at_time(sealed.encode("utf-8", "replace"), seconds, self._second())
        except self._invalid:
            return None
        record: dict[str, Any] = json.loads(plain)
        return record

    def sign(self, *parts: str) -> str:
        """43 letters that only this installation can make, for exactly these parts."""
        return _signature(self._keys[0], parts)

    def signed(self, signature: str, *parts: str) -> bool:
        """Whether it made them. In constant time."""
        given = signature.encode("utf-8", "replace")
        return any(hmac.compare_digest(given, _signature(key, parts).encode()) for key in self._keys)

    def _second(self) -> int:
        return int(self._clock.now().timestamp())


def _signature(key: bytes, parts: Sequence[str]) -> str:
    # Sealing uses the key as it is; signing must not share it.
    own = hmac.new(key, b"sign", hashlib.sha256).digest()
    mac = hmac.new(own, json.dumps(parts).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
