"""Values as text and back: how a store keeps what it need not search by.

JSON in pure ASCII, so that any character a provider can send (also NUL and lone surrogates) fits into any database.
A field at its default is left out: changing the default of a stored field is a migration.

Moments are ``2026-11-24`` for a date and ``2026-11-24T09:00:00[Europe/Berlin]`` for a datetime: the wall time and the
zone's IANA name (RFC 9557 without the offset, which a newer time-zone database may change). `` fold=1`` at the end
marks the second occurrence of a wall time that exists twice.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import Moment

__all__ = ["decode", "digest", "encode", "escape", "format_moment", "parse_moment", "unescape"]

T = TypeVar("T")
_FOLD = " fold=1"
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encode(value: object) -> str:
    """A value of ``calsync_core.models`` as JSON text.

    Raises:
        InvalidValue: a time zone without a name.
    """
    return _ENCODER.encode(_plain(value))


def decode(kind: type[T], text: str) -> T:
    """The value that ``encode`` made this text from.

    Raises:
        StoreError: it is none of this kind; the message does not show the text.
    """
    try:
        value: T = _reader(cast("Any", kind))(json.loads(text))
    except StoreError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreError(f"a stored {kind.__name__} can't be read: written by another version?") from None
    return value


@lru_cache(maxsize=4096)
def digest(text: str) -> str:
    """64 hexadecimal digits that stand for a text of any length in an index (SHA-256)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def escape(text: str) -> str:
    """The text in ASCII, as inside a JSON string; plain identifiers stay as they are."""
    return json.dumps(text)[1:-1]


def unescape(text: str) -> str:
    """What ``escape`` was given."""
    return str(json.loads(f'"{text}"'))


def format_moment(moment: Moment) -> str:
    """A date or an aware datetime as text.

    Raises:
        InvalidValue: a time zone without a name, or a naive datetime.
    """
    if not isinstance(moment, datetime):
        return moment.isoformat()
    if moment.tzinfo is None:
        raise InvalidValue("datetime: needs a time zone")
    if not isinstance(moment.tzinfo, ZoneInfo):
        fold = moment.fold if moment.tzinfo is UTC else 0
        moment = moment.astimezone(UTC).replace(fold=fold)
    zone = "UTC" if moment.tzinfo is UTC else getattr(moment.tzinfo, "key", None)
    if not zone:
        raise InvalidValue("datetime: its time zone has no IANA name")
    return f"{moment.replace(tzinfo=None, fold=0).isoformat()}[{zone}]{_FOLD if moment.fold else ''}"


def parse_moment(text: str) -> Moment:
    """The date or datetime that ``format_moment`` wrote.

    Raises:
        StoreError: this machine's time-zone database lacks the zone.
        ValueError: it is not a moment.
    """
    if "[" not in text:
        return date.fromisoformat(text)
    folded = text.endswith(_FOLD)
    wall, _, zone = text.removesuffix(_FOLD).removesuffix("]").partition("[")
    return datetime.fromisoformat(wall).replace(tzinfo=_zone(zone), fold=int(folded))


def _zone(name: str) -> Any:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise StoreError(f"a stored time zone is not in this machine's time-zone database: {name}") from None


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    return _writer(kind)(value)


@cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    """What makes something that JSON can say of a value of this kind."""
    if issubclass(kind, Enum):
        return attrgetter("value")
    if issubclass(kind, date):
        return format_moment
    if issubclass(kind, tuple | list):
        return lambda value: [_plain(item) for item in value]
    return _attrs_writer(kind) if attrs.has(kind) else _as_is


def _attrs_writer(kind: type[Any]) -> Callable[[Any], Any]:
    fields = [(field.name, type(field.default), field.default) for field in attrs.fields(kind)]

    def write(value: Any) -> dict[str, Any]:
        parts = ((name, getattr(value, name), of, default) for name, of, default in fields)
        return {name: _plain(part) for name, part, of, default in parts if type(part) is not of or part != default}

    return write


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _union_reader([arg for arg in get_args(hint) if arg is not type(None)])
    if origin is tuple:
        return _tuple_reader(get_args(hint))
    if origin is Literal or hint in {str, int, float, bool}:
        return _as_is
    if isinstance(hint, type) and attrs.has(hint):
        return _attrs_reader(hint)
    if hint in {date, datetime}:
        return parse_moment
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    raise TypeError(f"no stored form for {hint!r}")


def _as_is(plain: Any) -> Any:
    return plain


def _union_reader(hints: list[Any]) -> Callable[[Any], Any]:
    if all(hint in {date, datetime} for hint in hints):
        read: Callable[[Any], Any] = parse_moment
    elif len(hints) == 1:
        read = _reader(hints[0])
    else:
        raise TypeError(f"no stored form for a choice of {hints!r}")
    return lambda plain: None if plain is None else read(plain)


def _tuple_reader(hints: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(hints) == 2 and hints[1] is Ellipsis:
        read = _reader(hints[0])
        return lambda plain: tuple(map(read, plain))
    reads = [_reader(hint) for hint in hints]
    return lambda plain: tuple(read(part) for read, part in zip(reads, plain, strict=True))


def _attrs_reader(kind: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    reads = {field.name: _reader(hints[field.name]) for field in attrs.fields(kind)}
    return lambda plain: kind(**{name: reads[name](part) for name, part in plain.items()})
