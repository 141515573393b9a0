"""A request and its answer, of no framework."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import cast
from urllib.parse import parse_qs

from attrs import field, frozen

from calsync_core.errors import InvalidValue

__all__ = ["Received", "Reply", "Route", "find_route"]

_MOST_FIELDS = 64
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


def _headers(given: Headers) -> dict[str, str]:
    """Names in lower case; a name that comes twice has both values, so that neither passes for the only one."""
    pairs = cast("Mapping[str, str]", given).items() if isinstance(given, Mapping) else given
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


@frozen
class Received:
    """What came.

    Attributes:
        path: Below the place where the endpoint is mounted; percent-decoded; begins with a slash.
        query_string: Still encoded, without the question mark.
        headers: A mapping or pairs, in any case; kept in lower case.
        client: The address it came from, as far as the server knows.
    """

    method: str
    path: str
    query_string: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(factory=dict, converter=_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    client: str | None = None

    def query(self) -> dict[str, str]:
        """Decoded; of several values of one name, the first.

        Raises:
            InvalidValue: too many.
        """
        try:
            found = parse_qs(self.query_string, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise InvalidValue("query: can't be read") from None
        return {name: values[0] for name, values in found.items()}

    def announced(self) -> int | None:
        """How long the body will be, if the sender says so.

        Raises:
            InvalidValue: it says no number.
        """
        text = self.headers.get("content-length", "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdecimal()) or len(text) > 20:
            raise InvalidValue("content-length: no number")
        return int(text)


@frozen
class Reply:
    """What to answer.

    Attributes:
        headers: In order; all ASCII.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


class Route(Enum):
    """What is asked for."""

    PUSH = auto()
    HEALTH = auto()
    METRICS = auto()

    @property
    def methods(self) -> tuple[str, ...]:
        """How it may be asked for."""
        return ("POST",) if self is Route.PUSH else ("GET", "HEAD")


def find_route(path: str) -> tuple[Route, str] | None:
    """What is at this path, and the name of the provider there; None: nothing."""
    match path.removeprefix("/").removesuffix("/").split("/"):
        case ["health"]:
            return Route.HEALTH, ""
        case ["metrics"]:
            return Route.METRICS, ""
        case [name] | [name, "lifecycle"] if _NAME.fullmatch(name):
            return Route.PUSH, name
    return None
