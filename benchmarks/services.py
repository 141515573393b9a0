"""The simulated services that two syncers are compared on, and what people do there by hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from attrs import frozen

from calsync_core.protocols import Provider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.testing import GoogleSimulator, GraphSimulator, VirtualClock
from calsync_core.testing.simulators.pushes import Delivery, Outbox

__all__ = ["SERVICES", "Google", "Microsoft", "Service", "Spent"]

Json = dict[str, Any]
Receive = Callable[[str, dict[str, str], bytes], tuple[int, str]]
"""An endpoint: it is given URL, headers and body of a POST, and answers with status and text."""

LENGTH = timedelta(minutes=30)
_LIFE = 10**9


@frozen
class Spent:
    """What was asked of a service.

    Attributes:
        requests: Over the wire.
        calls: As quotas count them: each part of a batch is one.
    """

    requests: int = 0
    calls: int = 0


class Service(ABC):
    """A simulated service with people who each have one calendar.

    Attributes:
        name: The provider's.
        batch: How many writes its batch takes at a time.
        clock: Everybody's.
        tokens: Each calendar's access token.

    Args:
        clock: Everybody's.
        page: Most items on a page; as many as the real service gives unless said.
    """

    name: str
    batch: int

    def __init__(self, clock: VirtualClock, page: int | None = None) -> None:  # noqa: ARG002  (each heeds it its way)
        self.clock = clock
        self.tokens: dict[str, str] = {}

    @property
    @abstractmethod
    def simulator(self) -> GoogleSimulator | GraphSimulator:
        """The service itself."""

    @property
    @abstractmethod
    def outbox(self) -> Outbox:
        """Its pushes on their way."""

    @abstractmethod
    def provider(self, transport: httpx.BaseTransport | None = None) -> Provider:
        """Our adapter, in front of this service; reached over that transport if one is given."""

    @abstractmethod
    def add_calendar(self, person: str) -> str:
        """Somebody's calendar; returns its id."""

    @abstractmethod
    def book(self, calendar: str, start: datetime, *, days: int = 1) -> str:
        """Put a meeting, or a daily series of so many; returns its id."""

    @abstractmethod
    def move(self, calendar: str, event: str, start: datetime) -> None:
        """Move a meeting, or a whole series."""

    @abstractmethod
    def cancel(self, calendar: str, event: str) -> None:
        """Delete a meeting."""

    @abstractmethod
    def blocks(self, calendar: str) -> int:
        """How many blocks stand there, whoever wrote them."""

    def listen(self, receive: Receive) -> None:
        """Have what the service tells carried to this endpoint."""

        def send(delivery: Delivery) -> int:
            return receive(delivery.url, dict(delivery.headers), delivery.body)[0]

        self.outbox.send = send

    def client(self, calendar: str) -> httpx.Client:
        """A plain client with this calendar's login."""
        headers = {"Authorization": f"Bearer {self.tokens[calendar]}"}
        return httpx.Client(transport=self.simulator.transport(), base_url=self.simulator.base_url, headers=headers)

    def take(self) -> Spent:
        """What was spent since this was asked last."""
        log = self.simulator.log
        self.simulator.clear_log()
        whole = [one for one in log if not one.inner]
        batches = sum(one.path.endswith(("$batch", "/batch/calendar/v3")) for one in whole)
        return Spent(len(whole), len(log) - batches)


class Google(Service):
    """Google Calendar."""

    name, batch = "google", 50

    def __init__(self, clock: VirtualClock, page: int | None = None) -> None:
        super().__init__(clock)
        self._google = GoogleSimulator(clock)
        self._google.habits.page_size = page

    @property
    def simulator(self) -> GoogleSimulator:
        return self._google

    @property
    def outbox(self) -> Outbox:
        return self._google.outbox

    def provider(self, transport: httpx.BaseTransport | None = None) -> Provider:
        return GoogleProvider(transport=transport or self._google.transport())

    def add_calendar(self, person: str) -> str:
        made = self._google.add_user(f"{person}@example.com")
        self.tokens[made] = self._google.issue_token(made, life=timedelta(seconds=_LIFE))
        return made

    def book(self, calendar: str, start: datetime, *, days: int = 1) -> str:
        series = {"recurrence": [f"RRULE:FREQ=DAILY;COUNT={days}"]} if days > 1 else {}
        return self._google.put_event(calendar, {"summary": "Meeting", **_google_times(start), **series})

    def move(self, calendar: str, event: str, start: datetime) -> None:
        self._google.patch_event(calendar, event, _google_times(start))

    def cancel(self, calendar: str, event: str) -> None:
        self._google.remove_event(calendar, event)

    def blocks(self, calendar: str) -> int:
        return sum("extendedProperties" in event for event in self._google.events(calendar))


class Microsoft(Service):
    """Microsoft Graph, without its limit of requests: here they are counted, not slowed down."""

    name, batch = "microsoft", 20

    def __init__(self, clock: VirtualClock, page: int | None = None) -> None:
        super().__init__(clock)
        self._graph = GraphSimulator(clock=clock)
        self._graph.habits.longest_page = page or self._graph.habits.longest_page
        self._graph.habits.requests = _LIFE
        # A thousand in one POST is more than an endpoint takes, and nobody has seen Graph send that.
        self._graph.habits.mixed_deliveries = False

    @property
    def simulator(self) -> GraphSimulator:
        return self._graph

    @property
    def outbox(self) -> Outbox:
        return self._graph.outbox

    def provider(self, transport: httpx.BaseTransport | None = None) -> Provider:
        return MicrosoftProvider(transport=transport or self._graph.transport())

    def listen(self, receive: Receive) -> None:
        super().listen(receive)

        def knock(url: str, token: str, _seconds: float) -> tuple[int, str, str]:
            status, text = receive(str(httpx.URL(url, params={"validationToken": token})), {}, b"")
            return status, "text/plain", text

        self._graph.knock = knock

    def add_calendar(self, person: str) -> str:
        upn = f"{person}@contoso.example"
        self._graph.add_user(upn)
        (made,) = self._graph.calendars(upn)
        self.tokens[made] = self._graph.token(upn, lifetime=_LIFE)
        return made

    def book(self, calendar: str, start: datetime, *, days: int = 1) -> str:
        extent = {"type": "numbered", "startDate": f"{start:%Y-%m-%d}", "numberOfOccurrences": days}
        series = {"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": extent}} if days > 1 else {}
        return self._graph.put_event(calendar, {"subject": "Meeting", **_graph_times(start), **series})

    def move(self, calendar: str, event: str, start: datetime) -> None:  # noqa: ARG002  (the base class's signature)
        self._graph.patch_event(event, _graph_times(start))

    def cancel(self, calendar: str, event: str) -> None:  # noqa: ARG002  (the base class's signature)
        self._graph.remove_event(event)

    def blocks(self, calendar: str) -> int:
        return sum(event["subject"] != "Meeting" for event in self._graph.events(calendar))


def _google_times(start: datetime) -> Json:
    edges = (("start", start), ("end", start + LENGTH))
    return {name: {"dateTime": at.isoformat(), "timeZone": "UTC"} for name, at in edges}


def _graph_times(start: datetime) -> Json:
    edges = (("start", start), ("end", start + LENGTH))
    return {name: {"dateTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"} for name, at in edges}


SERVICES: dict[str, type[Service]] = {"google": Google, "microsoft": Microsoft}
