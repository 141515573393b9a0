"""A tenant with one user, and a client that reads it as an adapter would: for the tests of the Graph simulator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from attrs import frozen

from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.simulators.graph import GraphSimulator, Habits

__all__ = [
    "ANA",
    "BERLIN",
    "BO",
    "IMMUTABLE",
    "PROPERTY",
    "GraphWorld",
    "Round",
    "code",
    "series",
    "timed",
    "utc",
]

ANA = "ana@contoso.example"
BO = "bo@contoso.example"
BERLIN = "W. Europe Standard Time"
IMMUTABLE = 'IdType="ImmutableId", outlook.timezone="UTC"'
PROPERTY = "String {66f5a359-4659-4638-81a3-000000000001} Name SyncKey"
ORIGIN = "https://graph.microsoft.com"

Json = dict[str, Any]


def timed(start: str, end: str, *, subject: str = "Planning", zone: str = "UTC", **more: Any) -> Json:
    """The body of an event."""
    times = {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}}
    return {"subject": subject, **times, **more}


def series(start: str, end: str, pattern: Json, extent: Json | None = None, *, zone: str = BERLIN, **more: Any) -> Json:
    """The body of a series: endless unless ``extent`` says more."""
    whole = {"type": "noEnd", "startDate": start[:10]} | (extent or {})
    return timed(start, end, zone=zone, recurrence={"pattern": {"interval": 1} | pattern, "range": whole}, **more)


@frozen
class Round:
    """A delta round: its pages, and the link for the next one."""

    pages: list[list[Json]]
    link: str

    @property
    def items(self) -> list[Json]:
        return [item for page in self.pages for item in page]

    def of(self, kind: str) -> dict[str, Json]:
        """The items of one type by id; ``removed`` for those."""
        return {item["id"]: item for item in self.items if item.get("type", "removed") == kind}


class GraphWorld:
    """Ana in Berlin, and a client with her token. Monday, 2 March 2026, 9:00 UTC."""

    def __init__(self, habits: Habits | None = None, *, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.simulator = GraphSimulator(clock=self.clock, habits=habits, seed=seed)
        self.user = self.simulator.add_user(ANA, zone=BERLIN)
        self.calendar = self.simulator.calendars(ANA)[0]
        self.client = self.login(ANA)

    @property
    def habits(self) -> Habits:
        return self.simulator.habits

    def login(self, upn: str | None, *, prefer: str = IMMUTABLE, **token: Any) -> httpx.Client:
        access = self.simulator.token(upn, **token)
        headers = {"Authorization": f"Bearer {access}", "Prefer": prefer}
        return httpx.Client(transport=self.simulator.transport(), base_url=f"{ORIGIN}/v1.0", headers=headers)

    def put(self, event: Json) -> str:
        return self.simulator.put_event(self.calendar, event)

    def get(self, path: str, **params: Any) -> Json:
        # Empty parameters would take a link's own away.
        query = {name.replace("_", "$", 1): value for name, value in params.items()} or None
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def all_of(self, path: str, **params: Any) -> list[Json]:
        """Every page of a listing."""
        page = self.get(path, **params)
        found = list(page["value"])
        while "@odata.nextLink" in page:
            page = self.get(page["@odata.nextLink"])
            found += page["value"]
        return found

    def first_round(
        self, start: str = "2026-03-01", end: str = "2026-04-01", *, prefer: str = IMMUTABLE, size: int | None = None
    ) -> Round:
        link = f"{ORIGIN}/v1.0/me/calendars/{self.calendar}/calendarView/delta?startDateTime={start}T00:00:00Z"
        return self.round(f"{link}&endDateTime={end}T00:00:00Z", prefer=prefer, size=size)

    def round(self, link: str, *, prefer: str = IMMUTABLE, size: int | None = None) -> Round:
        """Follow links verbatim until a delta link comes."""
        headers = {"Prefer": prefer + (f", odata.maxpagesize={size}" if size else "")}
        pages: list[list[Json]] = []
        while True:
            answer = self.client.get(link, headers=headers)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            pages.append(page["value"])
            if "@odata.deltaLink" in page:
                return Round(pages, page["@odata.deltaLink"])
            link = page["@odata.nextLink"]

    def batch(self, *requests: Mapping[str, Any]) -> httpx.Response:
        return self.client.post("$batch", json={"requests": list(requests)})


def code(answer: httpx.Response) -> str:
    """An error's code."""
    return str(answer.json()["error"]["code"])


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
