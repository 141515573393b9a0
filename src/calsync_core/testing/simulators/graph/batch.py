"""``$batch``: up to twenty requests in one ("json-batching")."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from calsync_core.testing.simulators.faults import LostAnswer
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["Part", "answer_batch", "parts_of"]

_MOST = 20
_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


@frozen
class Part:
    """A request in a batch.

    Attributes:
        waits: Ids of requests that must have succeeded before.
    """

    name: str
    request: Request
    waits: tuple[str, ...]


def parts_of(request: Request) -> list[Part]:
    """The requests in a batch, in order; credentials are the batch's, preferences are each one's own.

    Raises:
        GraphError: the batch as a whole is refused.
    """
    asked = _asked(request)
    ids = [str(one.get("id", "")).lower() for one in asked]
    if len(set(ids)) != len(ids) or "" in ids:
        raise _refused("Every request in a batch needs an id of its own.")
    _check_order(asked)
    return [
        Part(str(one["id"]), _part(one, request), tuple(str(other) for other in one.get("dependsOn") or ()))
        for one in asked
    ]


def answer_batch(request: Request, carry_out: Callable[[Part], Response], dice: random.Random | None) -> Response:
    """Carry out the parts and collect their answers.

    Args:
        request: The batch.
        carry_out: Answers one part.
        dice: Shuffles the answers; None: they come in the order of the requests.

    Raises:
        GraphError: the batch as a whole is refused.
    """
    statuses: dict[str, int] = {}
    answers: list[dict[str, Any]] = []
    for part in parts_of(request):
        failed = any(statuses.get(other, 424) >= 400 for other in part.waits)
        response = _dependency_failed() if failed else _carried_out(carry_out, part)
        statuses[part.name] = response.status
        headers = dict(response.headers)
        answers.append({"id": part.name, "status": response.status, "headers": headers} | _body(response))
    if dice is not None:
        dice.shuffle(answers)
    return Response.of({"responses": answers})


def _asked(request: Request) -> list[Mapping[str, Any]]:
    try:
        asked = request.json()["requests"]
    except (ValueError, KeyError, TypeError):
        raise _refused("Invalid batch payload format.") from None
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise _refused("Invalid batch payload format.")
    if len(asked) > _MOST:
        raise _refused(f"Number of batch request steps exceeds the maximum value of {_MOST}.")
    return asked


def _part(asked: Mapping[str, Any], request: Request) -> Request:
    url, method = str(asked.get("url", "")), str(asked.get("method", "")).upper()
    if not method or not url or urlsplit(url).scheme or "$batch" in url:
        raise _refused(f"Request {asked.get('id')}: a method and a relative url are needed.")
    headers = {str(name): str(value) for name, value in (asked.get("headers") or {}).items()}
    body = asked.get("body")
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        raise _refused(f"Write request id : {asked.get('id')} does not contain Content-Type header or body.")
    headers["Authorization"] = request.headers.get("authorization", "")
    encoded = b"" if body is None or method not in _WITH_BODY else json.dumps(body).encode()
    return Request.of(method, f"/v1.0/{url.lstrip('/')}", headers, encoded, request.base)


def _check_order(asked: Sequence[Mapping[str, Any]]) -> None:
    """All at once, or each after the one before: nothing else is supported ("json-batching")."""
    waits = [one.get("dependsOn") or [] for one in asked]
    if not any(waits):
        return
    serial = all(waits[place] == [asked[place - 1].get("id")] for place in range(1, len(asked)))
    if waits[0] or not serial:
        raise _refused("Only parallel or serial dependencies are supported.")


def _carried_out(carry_out: Callable[[Part], Response], part: Part) -> Response:
    try:
        return carry_out(part)
    except LostAnswer:
        # A batch's parts have no connections of their own: what breaks behind the gateway is a time-out.
        return _failed(504, "UnknownError", "")


def _body(response: Response) -> dict[str, Any]:
    if not response.body:
        return {}
    try:
        return {"body": response.json()}
    except ValueError:
        return {"body": response.body.decode(errors="replace")}


def _dependency_failed() -> Response:
    return _failed(424, "FailedDependency", "A request that this one depends on has failed.")


def _failed(status: int, code: str, message: str) -> Response:
    return Response.of({"error": {"code": code, "message": message}}, status, note=code)


def _refused(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
