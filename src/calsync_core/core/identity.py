"""Names that only this installation can make: block keys and private tags (decisions 2 and 5)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache

from attrs import field, frozen

from calsync_core.errors import ConfigurationError
from calsync_core.models import CalendarId, Tag

__all__ = ["Keyring"]

_SHORTEST_SECRET = 16


@frozen
class Keyring:
    """The installation's secrets. The first signs; the others still recognise what was signed before a rotation.

    Calendars go by a *ref* here, ``provider:remote id``, and not by a store's id: a lost store must find its blocks
    again (I-49).
    """

    secrets: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, secret: str | Sequence[str]) -> Keyring:
        """Make one from configuration.

        Raises:
            ConfigurationError: no secret, or one shorter than 16 characters.
        """
        values = [secret] if isinstance(secret, str) else list(secret)
        if not values:
            raise ConfigurationError("secret: at least one is needed")
        for number, value in enumerate(values):
            if not isinstance(value, str) or len(value) < _SHORTEST_SECRET:
                raise ConfigurationError(f"secret[{number}]: needs at least {_SHORTEST_SECRET} characters")
        return cls(tuple(value.encode() for value in values))

    def block_keys(self, owner: str, uid: str, slot: str, target_ref: str) -> tuple[str, ...]:
        """The key of the block for this occurrence on this target, under each secret: 32 characters of ``[0-9a-v]``.

        That alphabet is what Google allows in a client-supplied event id.
        """
        return tuple(_block_key(secret, owner, uid, slot, target_ref) for secret in self.secrets)

    def tag(self, owner: str, source_ref: str) -> Tag:
        """The private tag for a block of this owner that shows this source, under the signing secret."""
        return self._tag(self.secrets[0], owner, source_ref)

    def wrote(self, tag: Tag, owner: str) -> bool:
        """Whether this installation wrote the tag, for this owner."""
        return any(
            hmac.compare_digest(tag.installation, _short(secret, "installation"))
            and hmac.compare_digest(tag.owner, _short(secret, "owner", owner))
            for secret in self.secrets
        )

    def source_of(self, tag: Tag, refs: Mapping[CalendarId, str]) -> CalendarId | None:
        """Which of these calendars the tag names as its source; None if it is none of them."""
        for calendar_id, ref in refs.items():
            for secret in self.secrets:
                if hmac.compare_digest(tag.source, _short(secret, "source", ref)):
                    return calendar_id
        return None

    def login_mark(self, *parts: str) -> str:
        """A keyed hash of a credential, to notice that it is another one without keeping it."""
        return _digest(self.secrets[0], "login", *parts)

    def keys(self, purpose: str) -> tuple[bytes, ...]:
        """Keys of 32 bytes for another purpose, one under each secret; nothing follows from them about any other."""
        return tuple(_mac(secret, "key", purpose) for secret in self.secrets)

    def _tag(self, secret: bytes, owner: str, source_ref: str) -> Tag:
        return Tag(
            installation=_short(secret, "installation"),
            owner=_short(secret, "owner", owner),
            source=_short(secret, "source", source_ref),
        )


def _mac(secret: bytes, *parts: str) -> bytes:
    # Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
    # A UID may be any text that JSON can say, half a surrogate pair too.
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.digest(secret, message, "sha256")


@lru_cache(maxsize=8192)
def _block_key(secret: bytes, owner: str, uid: str, slot: str, target_ref: str) -> str:
    """Remembered: a plan asks for each several times, and the next one of this owner for most of them again."""
    return _digest(secret, "block", owner, uid, slot, target_ref)


def _digest(secret: bytes, *parts: str) -> str:
    return base64.b32hexencode(_mac(secret, *parts)[:20]).decode().lower()


@lru_cache(maxsize=1024)
def _short(secret: bytes, *parts: str) -> str:
    return _mac(secret, *parts)[:8].hex()
