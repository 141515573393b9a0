"""Reading TOML tables strictly: every value checked, every error naming file, table and key."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from calsync_core.errors import ConfigurationError

__all__ = ["Table", "did_you_mean", "load_toml"]

_REFERENCES = ("env:", "file:")


def load_toml(path: Path) -> dict[str, Any]:
    """The file's content.

    Raises:
        ConfigurationError: it is missing, can't be read, or isn't TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file (calsync init writes one)") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not valid TOML: {error}") from None


class Table:
    """One table of the file.

    Any value may be written ``env:NAME`` or ``file:PATH``; a number, true/false or list found there is read as TOML.

    Args:
        values: The table as parsed.
        path: The file; relative ``file:`` paths start in its folder.
        where: How messages call the table, such as ``[policy]``.
        prefix: Put before every key, for tables inside tables: ``auth.``.
    """

    def __init__(self, values: Any, path: Path, where: str, *, prefix: str = "") -> None:
        self._path, self.where, self._prefix = path, where, prefix
        if not isinstance(values, dict):
            place = f"{where}: {prefix.rstrip('.')}" if prefix else where
            raise ConfigurationError(f"{path}: {place}: must be a table")
        self._values: dict[str, Any] = dict(values)

    def error(self, key: str, message: str) -> ConfigurationError:
        """An error about this key, ready to be raised. ``message`` must not quote a value that may be secret."""
        return ConfigurationError(f"{self._path}: {self.where}: {self._prefix}{key}: {message}")

    def only(self, *known: str) -> None:
        """Refuse every key but these; asked first, so that a misspelt key isn't called a missing one."""
        for key in self._values:
            if key not in known:
                raise self.error(key, f"unknown key{did_you_mean(key, known)}")

    def take(self, key: str, *, default: Any) -> Any:
        """The value as it was parsed, unchecked."""
        return self._values.get(key, default)

    def table(self, key: str) -> Table:
        """A required table inside this one."""
        if key not in self._values:
            raise self.error(key, "is missing")
        return Table(self._values[key], self._path, self.where, prefix=f"{self._prefix}{key}.")

    def text(self, key: str) -> str | None:
        """A non-empty string, or None if the key isn't there."""
        value = self.take(key, default=None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, f"must be a text in quotes, not {_kind(value)}")
        resolved = self._resolve(key, value)
        if not resolved.strip():
            raise self.error(key, "must not be empty")
        return resolved

    def required(self, key: str) -> str:
        """A non-empty string that must be there."""
        value = self.text(key)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {_kind(value)}")
        return value

    def number(self, key: str, *, whole: bool) -> float | None:
        """A number, or None if the key isn't there."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise self.error(key, f"must be a {'whole ' if whole else ''}number, not {_kind(value)}")
        if not math.isfinite(value):
            raise self.error(key, "must be a finite number")
        return float(value) if isinstance(value, float) else int(value)

    def texts(self, key: str, *, single: bool = False) -> tuple[str, ...] | None:
        """A list of non-empty strings, or None if the key isn't there.

        Args:
            key: Its name.
            single: A lone string is accepted as a list of one.
        """
        value = self.take(key, default=None)
        if value is None:
            return None
        if isinstance(value, str) and (single or value.startswith(_REFERENCES)):
            resolved = self._resolve(key, value)
            value = self._parsed(key, resolved) if resolved.lstrip().startswith("[") else [resolved]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of texts, not {_kind(value)}")
        texts = tuple(self._resolve(f"{key}[{index}]", item) for index, item in enumerate(value))
        if not texts or not all(text.strip() for text in texts):
            raise self.error(key, "must not be empty")
        return texts

    def _value(self, key: str) -> Any:
        value = self.take(key, default=None)
        if isinstance(value, str) and value.startswith(_REFERENCES):
            return self._parsed(key, self._resolve(key, value))
        return value

    def _parsed(self, key: str, text: str) -> Any:
        try:
            return tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            raise self.error(key, "what stands there is not a TOML value") from None

    def _resolve(self, key: str, value: str) -> str:
        kind, _, name = value.partition(":")
        if kind == "env" and name:
            if name not in os.environ:
                raise self.error(key, f"environment variable {name} is not set")
            return os.environ[name]
        if kind == "file" and name:
            try:
                return (self._path.parent / Path(name).expanduser()).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise self.error(key, f"file {name} can't be read: {error.strerror}") from None
            except UnicodeDecodeError:
                raise self.error(key, f"file {name} is not UTF-8 text") from None
        return value


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`` (did you mean "…"?)``, or what is known if nothing is near."""
    near = get_close_matches(word, sorted(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else f" (known: {', '.join(sorted(known))})"


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")
