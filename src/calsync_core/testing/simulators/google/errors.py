"""The errors of the API, in the words of Google's error guide (developers.google.com, calendar/api/guides/errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calsync_core.testing.simulators.messages import Response

__all__ = [
    "ApiError",
    "already_deleted",
    "bad",
    "condition_not_met",
    "duplicate",
    "forbidden",
    "missing",
    "not_found",
    "sync_token_expired",
    "unauthorised",
]


class ApiError(Exception):
    """A request is answered with an error.

    Attributes:
        status: The HTTP status.
        reason: ``error.errors[0].reason``.
        headers: What the answer carries besides.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        where: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.domain = domain
        self.where = where
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer to send."""
        detail: dict[str, Any] = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.where is not None:
            detail["locationType"], detail["location"] = self.where
        error = {"errors": [detail], "code": self.status, "message": self.message}
        return Response.of({"error": error}, self.status, headers=self.headers, note=self.reason)


def bad(message: str, reason: str = "invalid", *, parameter: str | None = None, domain: str = "global") -> ApiError:
    """400: the request makes no sense."""
    return ApiError(400, reason, message, domain=domain, where=("parameter", parameter) if parameter else None)


def missing(message: str) -> ApiError:
    """400: something that must be there is not."""
    return bad(message, "required")


def unauthorised(message: str = "Invalid Credentials", reason: str = "authError") -> ApiError:
    """401: no access token, or none that is valid."""
    headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
    return ApiError(401, reason, message, where=("header", "Authorization"), headers=headers)


def forbidden(reason: str, message: str, domain: str = "global") -> ApiError:
    """403: known, and not allowed."""
    return ApiError(403, reason, message, domain=domain)


def not_found() -> ApiError:
    """404: never existed, or not for these eyes."""
    return ApiError(404, "notFound", "Not Found")


def duplicate() -> ApiError:
    """409: the id is taken, be it by a deleted event."""
    return ApiError(409, "duplicate", "The requested identifier already exists.")


def already_deleted() -> ApiError:
    """410: deleting what is deleted."""
    return ApiError(410, "deleted", "Resource has been deleted")


def sync_token_expired() -> ApiError:
    """410: start afresh."""
    message = "Sync token is no longer valid, a full sync is required."
    return ApiError(410, "fullSyncRequired", message, domain="calendar", where=("parameter", "syncToken"))


def condition_not_met() -> ApiError:
    """412: somebody changed it meanwhile."""
    return ApiError(412, "conditionNotMet", "Precondition Failed", where=("header", "If-Match"))
