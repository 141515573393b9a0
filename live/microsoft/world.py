"""What Graph's probes work with."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from attrs import field, frozen

from live.findings import Unanswered
from live.microsoft.service import GraphHands, GraphService, Json
from live.scratch import Scratch
from live.wire import need, wait_until

__all__ = ["FIRST", "LAST", "GraphWorld", "new_name", "series", "timed"]

FIRST, LAST = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
"""The window of the probes' rounds."""


@frozen
class GraphWorld:
    """An account, and a scratch calendar that probes leave as they like."""

    graph: GraphService
    hands: GraphHands
    scratch: Scratch
    _other: list[GraphHands] = field(factory=list)

    def other(self) -> GraphHands:
        """A second scratch calendar, made when it is first needed."""
        if not self._other:
            self._other.append(self.graph.hands(self.scratch.new()))
        return self._other[0]

    def insert(self, **more: Any) -> Json:
        """A new event of one hour, at ten in UTC unless the rest says otherwise."""
        event: Json = need(self.hands.ask("POST", json={**timed(), **more})).json()
        return event

    def round(self, link: str | None = None) -> tuple[list[Json], str]:
        """A delta round: what it shows, and its link. Raises Unanswered."""
        answer = self.graph.wire.ask("GET", link) if link else self.hands.first_round(FIRST, LAST)
        shown: list[Json] = []
        for _ in range(100):
            page = need(answer).json()
            shown += page["value"]
            if "@odata.deltaLink" in page:
                return shown, str(page["@odata.deltaLink"])
            answer = self.graph.wire.ask("GET", page["@odata.nextLink"])
        raise Unanswered("the round has no end")

    def changes(self, link: str) -> list[Json]:
        """What a round shows after a change; asked again, more and more slowly, while it shows nothing."""
        shown: list[Json] = []

        def ask() -> bool:
            shown[:] = self.round(link)[0]
            return bool(shown)

        if wait_until(ask, self.graph.clock) is None:
            raise Unanswered("the change was not shown in half a minute")
        return shown

    def settled(self, event: str) -> None:
        """Wait until a new round shows this event or series."""
        self.hands.note_written(event, None)
        self.hands.settle()

    def create_named(self, name: str, hands: GraphHands | None = None) -> httpx.Response:
        """A create with this transaction id."""
        return (hands or self.hands).ask("POST", json={**timed(), "transactionId": name})


def new_name() -> str:
    """A transaction id that nobody ever used."""
    return str(uuid.uuid4())


def timed(day: str = "2026-03-02", zone: str = "UTC", hour: int = 10) -> Json:
    """The body of an event of one hour."""
    start, end = ({"dateTime": f"{day}T{at:02d}:00:00", "timeZone": zone} for at in (hour, hour + 1))
    return {"subject": "Probe", "isReminderOn": False, "start": start, "end": end}


def series(count: int = 3) -> Json:
    """The body of a weekly series on Mondays."""
    pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"}
    extent = {"type": "numbered", "startDate": "2026-03-02", "numberOfOccurrences": count}
    return {**timed(), "recurrence": {"pattern": pattern, "range": extent}}
