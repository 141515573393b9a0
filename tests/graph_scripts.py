"""A Graph that answers by script, for what no well-behaved service says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from calsync_core.models import Account, BearerToken, Calendar
from calsync_core.protocols import RequestMeter, Session
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.graph import error_response
from calsync_core.testing.simulators.messages import Response

WORK = Calendar(1, "ana", "AAMkWork=", "Work", timezone="Europe/Berlin", id=1)
BASE = "http://localhost/v1.0"
DELTA = f"{BASE}/me/calendars/AAMkWork%3D/calendarView/delta"

Json = dict[str, Any]
Script = Callable[[httpx.Request], httpx.Response]


def refusal(status: int, code: str, *, retry_after: str | None = None) -> Response:
    """An error of Graph's own make."""
    return error_response(status, code, message="Dentist says Graph", retry_after=retry_after)


def answer(response: Response) -> httpx.Response:
    """The same for a script."""
    return httpx.Response(response.status, headers=dict(response.headers), content=response.body)


def page(*items: Json, following: str | None = None, delta: str | None = None) -> httpx.Response:
    """One page of a listing; links are below the delta's own address unless they are whole."""
    links = {"@odata.nextLink": _link(following), "@odata.deltaLink": _link(delta)}
    return httpx.Response(200, json={"value": list(items), **{k: v for k, v in links.items() if v is not None}})


def _link(text: str | None) -> str | None:
    return text if text is None or "://" in text else f"{DELTA}?$skiptoken={text}"


class Graph:
    """Answers one after the other, the last one for ever; remembers what it was asked.

    Attributes:
        asked: The requests, in order.
    """

    def __init__(self, *answers: httpx.Response | Script, base_url: str = BASE) -> None:
        self._answers: Sequence[httpx.Response | Script] = answers
        self.asked: list[httpx.Request] = []
        self.clock = VirtualClock()
        self.provider = MicrosoftProvider(transport=httpx.MockTransport(self._answer))
        account = Account("ana", "microsoft", "ana-microsoft", base_url=base_url)
        self.session = Session(account, StaticTokens(BearerToken("a-token")), RequestMeter(), self.clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        told = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(request)
        if not isinstance(told, httpx.Response):
            return told(request)
        return httpx.Response(told.status_code, headers=told.headers, content=told.content)


def event(key: str, **fields: Any) -> Json:
    """An event as a listing shows it; a field that is ``...`` is left out."""
    whole = {
        "@odata.etag": f'W/"{key}"',
        "id": key,
        "type": "singleInstance",
        "seriesMasterId": None,
        "lastModifiedDateTime": "2026-03-01T08:00:00.1234567Z",
        "subject": "Review",
        "iCalUId": f"{key}@contoso.example",
        "transactionId": None,
        "start": {"dateTime": "2026-03-02T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-02T10:00:00.0000000", "timeZone": "UTC"},
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": True,
        "showAs": "busy",
        "sensitivity": "normal",
        "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        "attendees": [],
        "recurrence": None,
        "isOnlineMeeting": False,
        "onlineMeeting": None,
        "body": {"contentType": "text", "content": ""},
        **fields,
    }
    return json.loads(json.dumps({name: value for name, value in whole.items() if value is not ...}))  # type: ignore[no-any-return]  # what went in comes out


def parts_of(request: httpx.Request) -> list[Mapping[str, Any]]:
    """The parts of a batch."""
    parts: list[Mapping[str, Any]] = json.loads(request.content)["requests"]
    return parts
