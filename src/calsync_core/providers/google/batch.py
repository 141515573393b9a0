"""Many calls in one request: ``multipart/mixed`` with an HTTP request in each part. Pure.

Source: the guide "Sending batch requests" of the Calendar API.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from calsync_core.errors import UnreadableAnswer
from calsync_core.transport import Answer

__all__ = ["Call", "build_batch", "parse_batch"]

_ID = "call-{}"
_BOUNDARY = re.compile(r'multipart/[^;]*;.*?\bboundary=(?:"([^"]+)"|([^\s";]+))', re.IGNORECASE)


@frozen
class Call:
    """One API call, alone or as a part of a batch.

    Attributes:
        path: Path with query, from the root of the host.
        body: JSON; None for none.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict)

    @property
    def content(self) -> bytes:
        """The body as sent."""
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()

    def all_headers(self) -> dict[str, str]:
        """Its headers, with the content type where there is content."""
        typed = {"Content-Type": "application/json; charset=UTF-8"} if self.body is not None else {}
        return {**typed, **self.headers}


def build_batch(calls: Sequence[Call]) -> tuple[str, bytes]:
    """Content type and body of a batch request.

    The boundary is a hash of what it separates, so that no title can hold it.
    """
    parts = [_part(number, call) for number, call in enumerate(calls)]
    boundary = f"batch-{hashlib.sha256(b''.join(parts)).hexdigest()[:40]}"
    opening, end = f"--{boundary}\r\n".encode(), f"--{boundary}--\r\n".encode()
    return f"multipart/mixed; boundary={boundary}", b"".join(opening + part for part in parts) + end


def _part(number: int, call: Call) -> bytes:
    content = call.content
    headers = {**call.all_headers(), **({"Content-Length": str(len(content))} if content else {})}
    lines = [
        "Content-Type: application/http",
        f"Content-ID: <{_ID.format(number)}>",
        "",
        f"{call.method} {call.path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def parse_batch(answer: Answer, count: int) -> Sequence[Answer | None]:
    """The answers to the calls, in the calls' order; None: there is none, nobody knows what became of the call.

    They are told apart by Content-ID, since no order is promised. Google writes ``response-`` before ours.

    Read by hand: ``email`` takes apart every header it knows and every part in a part, and fails at some in ways of
    its own.

    Raises:
        UnreadableAnswer: it is no multipart answer.
    """
    told = _BOUNDARY.match(answer.headers.get("content-type", ""))
    if told is None:
        raise UnreadableAnswer("the answer to a batch is not multipart")
    answers: list[Answer | None] = [None] * count
    for head, content in _parts(answer.body, told[1] or told[2]):
        number = _number(_headers(head).get("content-id", ""))
        if number is not None and number < count:
            answers[number] = _inner(content, answer.url)
    return answers


def _parts(body: bytes, boundary: str) -> Iterator[tuple[bytes, bytes]]:
    """Header lines and content of each part."""
    _preamble, *parts = (b"\n" + body.replace(b"\r\n", b"\n")).split(f"\n--{boundary}".encode("utf-8", "replace"))
    for part in parts:
        if part.startswith(b"--"):
            return
        head, _, content = part.partition(b"\n\n")
        yield head, content


def _headers(lines: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.decode("latin-1").split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _number(content_id: str) -> int | None:
    digits = content_id.strip("<>").rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) < 6 else None


def _inner(content: bytes, url: str) -> Answer | None:
    head, _, rest = content.partition(b"\n\n")
    status_line, _, lines = head.partition(b"\n")
    words = status_line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not (words[1].isdigit() and len(words[1]) == 3):
        return None
    return Answer(int(words[1]), _headers(lines), rest.strip(), url)
