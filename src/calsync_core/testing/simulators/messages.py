"""Requests and responses as a simulated service sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import field, frozen

__all__ = ["Request", "Response"]


@frozen
class Request:
    """One HTTP request.

    Attributes:
        method: In capitals.
        path: Undecoded, without the query: an id in it may hold an encoded slash.
        query: Decoded pairs in their order.
        headers: Names in lower case.
        base: Scheme and host by which the service was asked; absolute links in answers begin with it.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    base: str = "http://localhost"

    @classmethod
    def of(
        cls, method: str, url: str, headers: Mapping[str, str], body: bytes, base: str = "http://localhost"
    ) -> Request:
        """From a URL (absolute, or a path with a query) and headers in any case of letters."""
        parts = urlsplit(url)
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        lowered = {name.lower(): value for name, value in headers.items()}
        return cls(method.upper(), parts.path, query, lowered, body, base)

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts, decoded."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def bearer(self) -> str | None:
        """The access token, if there is one."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else None

    def arg(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def args(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def json(self) -> Any:
        """The body. Raises ValueError."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as an HTML form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@frozen
class Response:
    """One HTTP response.

    Attributes:
        note: A word for the request log: an error's reason, ``not-modified`` …
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    note: str | None = None

    @classmethod
    def of(
        cls, value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None, note: str | None = None
    ) -> Response:
        """A JSON body."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}, body, note)

    def json(self) -> Any:
        """The body. Raises ValueError."""
        return json.loads(self.body)
