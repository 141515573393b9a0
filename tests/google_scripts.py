"""A Google that answers by script, for what no well-behaved service says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from calsync_core.models import Account, BearerToken, Calendar
from calsync_core.protocols import RequestMeter, Session
from calsync_core.providers.google import GoogleProvider
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.messages import Response

WORK = Calendar(1, "ana", "work@example.com", "Work", timezone="Europe/Berlin", id=1)

Script = Callable[[httpx.Request], httpx.Response]


def refusal(status: int, reason: str, message: str = "says Google", **headers: str) -> Response:
    """An error of Google's own make."""
    detail = {"domain": "global", "reason": reason, "message": message}
    body = {"error": {"errors": [detail], "code": status, "message": message}}
    return Response.of(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def page(*items: dict[str, Any], token: str | None = None, following: str | None = None) -> httpx.Response:
    """One page of a listing."""
    tokens = {"nextSyncToken": token, "nextPageToken": following}
    return httpx.Response(200, json={"items": list(items), **{k: v for k, v in tokens.items() if v is not None}})


class Google:
    """Answers one after the other, the last one for ever; remembers what it was asked.

    Attributes:
        asked: The requests, in order.
    """

    def __init__(self, *answers: httpx.Response | Script, base_url: str = "http://localhost/calendar/v3") -> None:
        self._answers: Sequence[httpx.Response | Script] = answers
        self.asked: list[httpx.Request] = []
        self.clock = VirtualClock()
        self.provider = GoogleProvider(transport=httpx.MockTransport(self._answer))
        account = Account("ana", "google", "ana-google", base_url=base_url)
        self.session = Session(account, StaticTokens(BearerToken("a-token")), RequestMeter(), self.clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(request)
        if not isinstance(answer, httpx.Response):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def event(key: str, **fields: Any) -> dict[str, Any]:
    """An event as a listing shows it; a field that is None is left out."""
    whole = {
        "id": key,
        "etag": f'"{key}"',
        "status": "confirmed",
        "updated": "2026-03-01T08:00:00.000Z",
        "summary": "Review",
        "iCalUID": f"{key}@google.com",
        "start": {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-03-02T11:00:00+01:00", "timeZone": "Europe/Berlin"},
        "organizer": {"self": True},
        **fields,
    }
    return json.loads(json.dumps({name: value for name, value in whole.items() if value is not None}))  # type: ignore[no-any-return]  # what went in comes out
