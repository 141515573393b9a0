"""A request and its answer, of no framework."""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from types import TracebackType
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

from attrs import field, frozen

from calsync_core.errors import InvalidValue

__all__ = ["NAME", "Answering", "Received", "Reply", "Route", "find_route", "place_of", "text_reply"]

_MOST_FIELDS = 64
NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


def _headers(given: Headers) -> dict[str, str]:
    """Names in lower case; a name that comes twice has both values, so that neither passes for the only one.

    HTTP/2 sends cookies in several lines, which are one list.
    """
    pairs = cast("Mapping[str, str]", given).items() if isinstance(given, Mapping) else given
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        comma = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{comma}{value}" if key in found else value
    return found


@frozen
class Received:
    """What came.

    Attributes:
        path: Below the place where the endpoint is mounted; percent-decoded; begins with a slash.
        query_string: Still encoded, without the question mark.
        headers: A mapping or pairs, in any case; kept in lower case.
        client: The address it came from, as far as the server knows.
        scope: ASGI's scope or WSGI's environ as it came, in which a host's own middleware leaves its session.
    """

    method: str
    path: str
    query_string: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(factory=dict, converter=_headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    client: str | None = None
    scope: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    def query(self) -> dict[str, str]:
        """Decoded; of several values of one name, the first.

        Raises:
            InvalidValue: too many.
        """
        return _pairs("query", self.query_string, _MOST_FIELDS)

    def form(self, most: int = _MOST_FIELDS) -> dict[str, str]:
        """The body as a form that is not made of files; of several values of one name, the first.

        Raises:
            InvalidValue: it is none, or has more than so many fields.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise InvalidValue("form: must be application/x-www-form-urlencoded")
        return _pairs("form", self.body.decode("utf-8", "replace"), most)

    def cookies(self) -> dict[str, str]:
        """What the browser has kept for this host; of several values of one name, the first (RFC 6265, 5.4)."""
        found: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found.setdefault(name, value.strip('"'))
        return found

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


def _pairs(what: str, text: str, most: int) -> dict[str, str]:
    try:
        found = parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=most)
    except ValueError:
        raise InvalidValue(f"{what}: can't be read") from None
    return {name: values[0] for name, values in found.items()}


@frozen
class Reply:
    """What to answer.

    Attributes:
        headers: In order; all ASCII.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


class Answering(Protocol):
    """What the applications for ASGI and WSGI are made of: it answers requests, and they move the bytes. Thread-safe.

    Attributes:
        max_body: Bytes that a body may have.
    """

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""

    def start(self) -> None:
        """The server starts; not every server says so."""

    def stop(self) -> None:
        """The server stops."""

    def precheck(self, received: Received) -> Reply | None:
        """What to answer before the body is read, if that is clear already. Waits for nothing."""

    def answer(self, received: Received) -> Reply:
        """Answer a request that has come completely. May wait; never raises."""

    def refused(self, received: Received, status: int, reason: str = "") -> Reply:
        """The answer to what can't be taken: 400, 408, 411, 413 or 503."""


class Route(Enum):
    """What is asked for."""

    PUSH = auto()
    HEALTH = auto()
    METRICS = auto()
    STATUS = auto()

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
        case ["status"]:
            return Route.STATUS, ""
        case [name] | [name, "lifecycle"] if NAME.fullmatch(name):
            return Route.PUSH, name
    return None


def text_reply(status: int, text: str = "", *headers: tuple[str, str]) -> Reply:
    """A text, plain unless the headers say otherwise, that nobody keeps."""
    body = text.encode("utf-8", "replace")
    always = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
    if "Content-Type" not in dict(headers):  # WSGI wants one, also of an answer without a body.
        always.append(("Content-Type", "text/plain; charset=utf-8"))
    return Reply(status, (*always, *headers, ("Content-Length", str(len(body)))), body)


def place_of(trace: TracebackType | None) -> str:
    """File and line where it was raised."""
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119  (a traceback's name of a file, which need not exist)
