"""The batch endpoint: many requests in one, each with an answer of its own."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from http import HTTPStatus

from attrs import frozen

from calsync_core.testing.simulators.faults import LostAnswer
from calsync_core.testing.simulators.google.errors import ApiError, bad
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["PATH", "carry_out_batch"]

PATH = "/batch/calendar/v3"
MOST_PARTS = 1000
"""The Calendar guide's limit (developers.google.com/calendar/batch)."""


@frozen
class _Part:
    content_id: str | None
    request: Request


def carry_out_batch(outer: Request, carry_out: Callable[[Request], Response], dice: random.Random | None) -> Response:
    """Answer a batch.

    Args:
        outer: The whole request.
        carry_out: Answers one part.
        dice: For the order of execution, which the guide leaves open; the answers come in the order of the requests.

    Raises:
        ApiError: 400, it is none or too large.
    """
    parts = _read(outer)
    order = list(range(len(parts)))
    if dice is not None:
        dice.shuffle(order)
    answers: dict[int, Response] = {}
    for place in order:
        try:
            answers[place] = carry_out(parts[place].request)
        except LostAnswer:
            # Inside a batch no connection can break; what fails behind it is a 503 part, carried out or not.
            answers[place] = ApiError(503, "backendError", "Backend Error").response()
    boundary = "batch_simulated"
    chunks = [_written(parts[place], answers[place], boundary) for place in range(len(parts))]
    body = b"".join([*chunks, f"--{boundary}--\r\n".encode()])
    return Response(200, {"Content-Type": f"multipart/mixed; boundary={boundary}"}, body, note=f"{len(parts)} parts")


def _read(outer: Request) -> list[_Part]:
    kind = outer.headers.get("content-type", "")
    named = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.startswith("multipart/mixed") or named is None:
        raise bad("Failed to parse batch request, error: Invalid Content-Type.", "badRequest")
    pieces = outer.body.split(b"--" + named[1].encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise bad("Failed to parse batch request, error: 0 items.", "badRequest")
    if len(pieces) - 2 > MOST_PARTS:
        raise bad(f"The batch request has too many parts; the limit is {MOST_PARTS}.", "badRequest")
    return [_part(piece, outer) for piece in pieces[1:-1]]


def _part(piece: bytes, outer: Request) -> _Part:
    head, inside = _split(piece.lstrip(b"\r\n"))
    names = _headers(head)
    if names.get("content-type", "").split(";")[0].strip() != "application/http":
        raise bad("Failed to parse batch request, error: a part is not application/http.", "badRequest")
    start, body = _split(inside.lstrip(b"\r\n"))
    line, _, rest = start.partition("\n")
    words = line.split()
    if len(words) < 2 or not words[1].startswith("/"):
        raise bad("Failed to parse batch request, error: a part has no request line with a path.", "badRequest")
    # Headers of the batch hold for its parts, those about its content apart (batch guide).
    passed = {name: value for name, value in outer.headers.items() if not name.startswith("content-")}
    headers = {**passed, **_headers(rest)}
    length = headers.get("content-length")
    body = body[: int(length)] if length and length.isdecimal() else body.rstrip(b"\r\n")
    return _Part(names.get("content-id"), Request.of(words[0], words[1], headers, body, outer.base))


def _split(text: bytes) -> tuple[str, bytes]:
    """Head and body, whatever the line ends."""
    match = re.search(rb"\r?\n\r?\n", text)
    if match is None:
        return text.decode().replace("\r\n", "\n").strip(), b""
    return text[: match.start()].decode().replace("\r\n", "\n"), text[match.end() :]


def _headers(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.split("\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _written(part: _Part, answer: Response, boundary: str) -> bytes:
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"--{boundary}", "Content-Type: application/http"]
    if part.content_id is not None:
        lines.append(f"Content-ID: <response-{part.content_id.strip('<>')}>")
    lines += ["", f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"Content-Length: {len(answer.body)}", "", ""]
    return "\r\n".join(lines).encode() + answer.body + b"\r\n"
