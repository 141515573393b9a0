"""The classic way to mirror calendars, for comparison: list a window, delete all blocks of the source, make them anew.

Many products and scripts do it, since it needs no memory: no store, no cursors, no mapping of events to blocks.
Here it is done decently. It asks for the window only, in the largest pages there are, and for its blocks by their tag,
so that the service does the searching; it drops the pushes that its own writes cause; and a poll rewrites nothing
unless what it listed has changed. One write is one request, as in such systems. Nothing is counted for subscriptions.

``kinder`` says what the same work would have cost with the writes in batches, and one rewrite for a burst.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from math import ceil
from typing import Any

import httpx
from attrs import frozen
from benchmarks.services import Service

__all__ = ["Classic", "Rewrite"]

Json = dict[str, Any]
HOOK = "https://host.example/classic"
COOLDOWN = timedelta(minutes=1)
"""For so long the pushes of a calendar that it wrote to are taken for echoes."""

_PROPERTY = "String {66f5a359-4659-4638-81a3-00000000c1a5} Name Source"


@frozen
class Busy:
    """When somebody is busy, in the service's own words."""

    start: str
    end: str


@frozen
class Rewrite:
    """One source's blocks deleted and created anew.

    Attributes:
        reads: Requests that list something.
        writes: Per target: how many were deleted, how many created.
    """

    reads: int
    writes: Sequence[tuple[int, int]]

    def kinder(self, batch: int) -> int:
        """Requests if so many writes went in one."""
        return self.reads + sum(ceil(deleted / batch) + ceil(created / batch) for deleted, created in self.writes)


class Link(ABC):
    """One calendar over plain HTTP."""

    def __init__(self, service: Service, calendar: str, window: tuple[datetime, datetime]) -> None:
        self.calendar = calendar
        self._service = service
        self.low, self.high = (f"{edge:%Y-%m-%dT%H:%M:%SZ}" for edge in window)
        self._http = service.client(calendar)
        self.pages = 0

    @abstractmethod
    def watch(self, number: int) -> str:
        """Subscribe to it; returns the name that pushes give the subscription."""

    @abstractmethod
    def busy(self) -> list[Busy]:
        """What people have in the window, blocks left out."""

    @abstractmethod
    def find(self, source: str) -> list[str]:
        """Ids of the blocks from that source."""

    @abstractmethod
    def create(self, source: str, busy: Busy) -> None:
        """One block."""

    @abstractmethod
    def delete(self, block: str) -> None:
        """One block."""

    def _ask(self, method: str, url: str, body: Json | None = None, query: Mapping[str, str] | None = None) -> Any:
        answer = self._http.request(method, url, json=body, params=query)
        answer.raise_for_status()
        return answer.json() if answer.content else None


class GoogleLink(Link):
    """Google's."""

    def watch(self, number: int) -> str:
        channel = {"id": f"classic-{number}", "type": "web_hook", "address": HOOK}
        return str(self._ask("POST", f"calendars/{self.calendar}/events/watch", channel)["id"])

    def busy(self) -> list[Busy]:
        listed = self._listed()
        return [Busy(one["start"]["dateTime"], one["end"]["dateTime"]) for one in listed if not _tagged(one)]

    def find(self, source: str) -> list[str]:
        return [one["id"] for one in self._listed(privateExtendedProperty=f"source={source}")]

    def create(self, source: str, busy: Busy) -> None:
        block = {
            "summary": "Busy",
            "start": {"dateTime": busy.start},
            "end": {"dateTime": busy.end},
            "reminders": {"useDefault": False},
            "extendedProperties": {"private": {"source": source}},
        }
        self._ask("POST", f"calendars/{self.calendar}/events", block, {"sendUpdates": "none"})

    def delete(self, block: str) -> None:
        self._ask("DELETE", f"calendars/{self.calendar}/events/{block}", query={"sendUpdates": "none"})

    def _listed(self, **query: str) -> Iterator[Json]:
        query |= {"timeMin": self.low, "timeMax": self.high, "singleEvents": "true", "maxResults": "2500"}
        while True:
            page = self._ask("GET", f"calendars/{self.calendar}/events", query=query)
            self.pages += 1
            yield from page["items"]
            if "nextPageToken" not in page:
                return
            query["pageToken"] = page["nextPageToken"]


class MicrosoftLink(Link):
    """Graph's."""

    def watch(self, number: int) -> str:
        subscription = {
            "changeType": "created,updated,deleted",
            "notificationUrl": f"{HOOK}?number={number}",
            "resource": f"/me/calendars/{self.calendar}/events",
            "expirationDateTime": f"{self._service.clock.now() + timedelta(days=6):%Y-%m-%dT%H:%M:%SZ}",
            "clientState": "classic",
        }
        return str(self._ask("POST", "subscriptions", subscription)["id"])

    def busy(self) -> list[Busy]:
        window = {"startDateTime": self.low, "endDateTime": self.high}
        tag = f"singleValueExtendedProperties($filter=id eq '{_PROPERTY}')"
        listed = self._listed("calendarView", {**window, "$select": "start,end", "$expand": tag})
        return [
            Busy(one["start"]["dateTime"], one["end"]["dateTime"])
            for one in listed
            if not one.get("singleValueExtendedProperties")
        ]

    def find(self, source: str) -> list[str]:
        wanted = f"singleValueExtendedProperties/Any(ep: ep/id eq '{_PROPERTY}' and ep/value eq '{source}')"
        return [one["id"] for one in self._listed("events", {"$filter": wanted, "$select": "id"})]

    def create(self, source: str, busy: Busy) -> None:
        block = {
            "subject": "Busy",
            "start": {"dateTime": busy.start, "timeZone": "UTC"},
            "end": {"dateTime": busy.end, "timeZone": "UTC"},
            "isReminderOn": False,
            "singleValueExtendedProperties": [{"id": _PROPERTY, "value": source}],
        }
        self._ask("POST", f"me/calendars/{self.calendar}/events", block)

    def delete(self, block: str) -> None:
        self._ask("DELETE", f"me/events/{block}")

    def _listed(self, what: str, query: Mapping[str, str]) -> Iterator[Json]:
        page = self._ask("GET", f"me/calendars/{self.calendar}/{what}", query={**query, "$top": "1000"})
        while True:
            self.pages += 1
            yield from page["value"]
            if "@odata.nextLink" not in page:
                return
            page = self._ask("GET", page["@odata.nextLink"])


LINKS: dict[str, type[Link]] = {"google": GoogleLink, "microsoft": MicrosoftLink}


class Classic:
    """The syncer: each calendar's meetings are blocks on all the others.

    Attributes:
        rewrites: What it did since somebody cleared this.
    """

    def __init__(self, service: Service, calendars: Sequence[str], horizon: timedelta) -> None:
        self._service = service
        now = service.clock.now()
        self._links = [LINKS[service.name](service, calendar, (now, now + horizon)) for calendar in calendars]
        self._seen: dict[str, list[Busy]] = {link.calendar: [] for link in self._links}
        self._written: dict[str, datetime] = {}
        self.rewrites: list[Rewrite] = []
        service.listen(self.receive)
        numbers = count()
        self._watched = {link.watch(next(numbers)): link for link in self._links}

    def receive(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """The webhook."""
        handshake = httpx.URL(url).params.get("validationToken")
        if handshake is not None:
            return 200, handshake
        for link in {id(one): one for one in map(self._watched.get, _told(headers, body)) if one is not None}.values():
            if link.calendar in self._written and self._service.clock.now() - self._written[link.calendar] < COOLDOWN:
                continue
            self._rewrite(link)
        return 202, ""

    def poll(self) -> None:
        """What the timer does every quarter of an hour: list each calendar's window, and act if it is another one."""
        for link in self._links:
            if link.busy() != self._seen[link.calendar]:
                self._rewrite(link)

    def settle(self, length: timedelta = COOLDOWN) -> None:
        """Carry the pushes that wait, and let so much time pass; unless said, that of the echoes."""
        while len(self._service.outbox):
            self._service.outbox.deliver()
        self._service.clock.advance(length)

    def kinder(self) -> int:
        """Requests of the last rewrite, the one that a burst would lead to, with batches."""
        return self.rewrites[-1].kinder(self._service.batch)

    def _rewrite(self, source: Link) -> None:
        before = sum(link.pages for link in self._links)
        busy = source.busy()
        self._seen[source.calendar] = busy
        writes = []
        for target in self._links:
            if target is not source:
                blocks = target.find(source.calendar)
                for block in blocks:
                    target.delete(block)
                for one in busy:
                    target.create(source.calendar, one)
                self._written[target.calendar] = self._service.clock.now()
                writes.append((len(blocks), len(busy)))
        self.rewrites.append(Rewrite(sum(link.pages for link in self._links) - before, writes))


def _tagged(event: Json) -> bool:
    return "source" in event.get("extendedProperties", {}).get("private", {})


def _told(headers: Mapping[str, str], body: bytes) -> list[str]:
    """Which subscriptions a push is of."""
    for name, value in headers.items():
        if name.lower() == "x-goog-channel-id":
            state = {name.lower(): value for name, value in headers.items()}["x-goog-resource-state"]
            return [value] if state == "exists" else []
    return [one["subscriptionId"] for one in json.loads(body)["value"]]
