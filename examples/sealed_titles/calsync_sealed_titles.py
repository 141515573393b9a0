"""Titles encrypted at rest: a store around another store, whichever that is."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore

__all__ = ["SealedTitles", "open_store", "sealed"]

PREFIX = "sealed:"


class SealedTitles:
    """Hands everything to another store with each title sealed, and opens them again.

    The same title is always sealed to the same text: the store goes on comparing what
    it has with what it is given, so that an unchanged event is no change. Who reads
    the database sees that two titles are equal, and about how long.

    Args:
        inner: Keeps everything.
        key: As ``calsync_core.credentials.new_key`` makes them. With another one, no
            title can be read any more.
    """

    def __init__(self, inner: Store, key: str) -> None:
        self._inner = inner
        self._cipher = AESSIV(urlsafe_b64decode(key))

    def __getattr__(self, name: str) -> Any:
        """What a store may have beside its roles: ``close``."""
        return getattr(self._inner, name)

    def _seal(self, title: str) -> str:
        if not title:
            return title
        text = self._cipher.encrypt(title.encode("utf-8", "surrogatepass"), None)
        return PREFIX + urlsafe_b64encode(text).decode()

    def _open(self, title: str) -> str:
        if not title.startswith(PREFIX):
            return title  # from before titles were sealed
        sealed = urlsafe_b64decode(title.removeprefix(PREFIX))
        try:
            return self._cipher.decrypt(sealed, None).decode("utf-8", "surrogatepass")
        except InvalidTag:
            raise StoreError("a title was sealed with another key") from None


def _passing_on(name: str) -> Callable[..., Any]:
    """The method of this name: sealed on the way in, opened on the way out."""

    def call(self: SealedTitles, *args: Any, **kwargs: Any) -> Any:
        seal, theirs = self._seal, getattr(self._inner, name)
        answer = theirs(*with_titles(args, seal), **with_titles(kwargs, seal))
        return with_titles(answer, self._open)

    return call


for _name in dir(Store):
    if not _name.startswith("_"):
        setattr(SealedTitles, _name, _passing_on(_name))


def with_titles(value: Any, change: Callable[[str], str]) -> Any:
    """The same value, with every title in it changed, however deep it is."""
    if attrs.has(type(value)):
        changes: dict[str, Any] = {}
        for each in attrs.fields(type(value)):
            old = getattr(value, each.name)
            is_title = each.name == "title" and isinstance(old, str)
            new = change(old) if is_title else with_titles(old, change)
            if new is not old:
                changes[each.alias] = new
        return attrs.evolve(value, **changes) if changes else value
    if isinstance(value, Mapping):
        return {key: with_titles(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(with_titles(each, change) for each in value)
    return value


def sealed(inner: Store, key: str) -> Store:
    """The store around another one, as type checkers should see it."""
    return cast("Store", SealedTitles(inner, key))


def open_store(url: str) -> Store:
    """For ``calsync.toml``: ``sealed+sqlite:////var/lib/calsync.db``.

    The key is in ``CALSYNC_TITLE_KEY``, in the environment.

    Raises:
        ConfigurationError: there is no key.
    """
    key = os.environ.get("CALSYNC_TITLE_KEY")
    if not key:
        raise ConfigurationError("CALSYNC_TITLE_KEY: is missing from the environment")
    return sealed(SQLStore(url.removeprefix("sealed+")), key)
