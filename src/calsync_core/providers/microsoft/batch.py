"""Up to twenty calls in one request: JSON batching. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from calsync_core.errors import UnreadableAnswer
from calsync_core.transport import Answer

__all__ = ["BATCH_SIZE", "Call", "build_batch", "parse_batch"]

BATCH_SIZE = 20
"""Calls in one batch; more are refused."""


@frozen
class Call:
    """One API call, alone or as a part of a batch.

    Attributes:
        path: Path with query, from the version's root: ``/me/calendars``.
        body: JSON; None for none.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict)

    def all_headers(self) -> dict[str, str]:
        """Its headers, with the content type where there is content: in a batch each part needs its own."""
        return {**({"Content-Type": "application/json"} if self.body is not None else {}), **self.headers}

    @property
    def content(self) -> bytes:
        """The body as sent."""
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


def build_batch(calls: Sequence[Call], headers: Mapping[str, str]) -> bytes:
    """The body of a batch request; ``headers`` go with every part, since a part has none of the outer request's."""
    requests = [
        {
            "id": str(number),
            "method": call.method,
            "url": call.path,
            "headers": {**headers, **call.all_headers()},
            **({"body": call.body} if call.body is not None else {}),
        }
        for number, call in enumerate(calls)
    ]
    return json.dumps({"requests": requests}, ensure_ascii=False).encode()


def parse_batch(answer: Answer, count: int) -> list[Answer | None]:
    """The answers to the calls, in the calls' order; None: there is none, nobody knows what became of the call.

    Raises:
        UnreadableAnswer: it is no answer to a batch.
    """
    told = answer.json()
    responses = told.get("responses") if isinstance(told, dict) else None
    if not isinstance(responses, list):
        raise UnreadableAnswer("the answer to a batch has no responses")
    answers: list[Answer | None] = [None] * count
    for each in responses:
        number = str(each.get("id")) if isinstance(each, dict) else ""
        if number.isdecimal() and len(number) < 4 and int(number) < count and isinstance(each.get("status"), int):
            answers[int(number)] = _inner(each, answer.url)
    return answers


def _inner(response: Mapping[str, Any], url: str) -> Answer:
    headers = response.get("headers")
    received = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    body = response.get("body")
    content = b"" if body is None else json.dumps(body).encode()
    return Answer(response["status"], received, content, url)
