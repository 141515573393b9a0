"""Graph's errors: raised inside the simulator, one JSON shape outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from calsync_core.testing.simulators.messages import Response

__all__ = ["GraphError", "bad_property", "error_response", "invalid_request", "not_found"]


class GraphError(Exception):
    """A request ends with an error.

    Attributes:
        status: Of the answer.
        code: ``error.code``.
        headers: More of the answer's headers.
        extra: More members of ``error``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def response(self, now: datetime, number: int) -> Response:
        """The answer, with the ids that support would ask for."""
        request_id = f"00000000-0000-4000-8000-{number:012x}"
        inner = {"date": now.strftime("%Y-%m-%dT%H:%M:%S"), "request-id": request_id, "client-request-id": request_id}
        body = {"error": {"code": self.code, "message": self.message, **self.extra, "innerError": inner}}
        headers = {"request-id": request_id, **self.headers}
        return Response.of(body, self.status, headers=headers, note=self.code)


def error_response(status: int, code: str, *, message: str = "", retry_after: str | None = None) -> Response:
    """An error answer for an ``HttpFault``: such as 503 ``serviceNotAvailable`` or 504 ``UnknownError``."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Response.of({"error": {"code": code, "message": message}}, status, headers=headers, note=code)


def not_found() -> GraphError:
    """An item that isn't there, or that this login may not know of."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def invalid_request(message: str) -> GraphError:
    """A request that can't be understood."""
    return GraphError(400, "ErrorInvalidRequest", message)


def bad_property(message: str) -> GraphError:
    """A body whose values don't hold together."""
    return GraphError(400, "ErrorPropertyValidationFailure", f"At least one property failed validation. {message}")
