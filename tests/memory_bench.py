"""A MemoryService with one user and one calendar, ready for a contract's bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import asdict

from calsync_core.models import Account, Calendar, Event, Password
from calsync_core.protocols import Provider, PushRequest, RequestMeter, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import START, meeting
from calsync_core.testing.provider_kit import Bench
from planted import PASSWORD

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Hands:
    """The user of one calendar of a MemoryService."""

    def __init__(self, service: MemoryService, calendar_id: str) -> None:
        self.service = service
        self.calendar_id = calendar_id

    def put(self, *events: Event) -> str:
        return self.service.put(self.calendar_id, *events)

    def remove(self, key: str) -> None:
        self.service.remove(self.calendar_id, key)

    def list_raw(self) -> Mapping[str, str]:
        return {item.key: str(asdict(item)) for item in self.service.items(self.calendar_id)}

    def copy_block(self, key: str) -> str:
        return self.service.copy_block(self.calendar_id, key, "a-copy")

    def strip_tag(self, key: str) -> None:
        self.service.strip_tag(self.calendar_id, key)

    def invite(self, key: str, address: str) -> None:
        assert address
        self.service.adorn(self.calendar_id, key)

    def put_unreadable(self) -> str:
        key = self.service.put(self.calendar_id, meeting("bad"))
        self.service.corrupt(self.calendar_id, key)
        return key


class Endpoint:
    """The host's address, with nothing behind it: a ``PushHands``."""

    url = "https://host.example.com/webhooks/memory"

    def __init__(self, service: MemoryService) -> None:
        self.service = service
        self._on_their_way: list[PushRequest] = []

    def arrived(self) -> Sequence[PushRequest]:
        came, self._on_their_way = [*self._on_their_way, *self.service.take_pushes()], []
        return came

    def double(self) -> None:
        self._on_their_way = [*self.arrived()] * 2

    def subscriptions(self) -> Mapping[str, datetime]:
        return {name: one.expires_at for name, one in self.service.subscriptions().items()}


def session_of(name: str, password: str) -> Session:
    tokens = StaticTokens(Password(name, password))
    return Session(Account("ana", "memory", "ana-memory"), tokens, RequestMeter(), VirtualClock())


def bench_of(service: MemoryService, provider: Provider | None = None) -> Bench:
    """Ana's new calendar Work on this service, behind this provider."""
    service.add_user("ana", PASSWORD)
    remote_id = service.add_calendar("ana", "Work", primary=True)
    calendar = Calendar(1, "ana", remote_id, "Work", id=1)
    return Bench(provider or MemoryProvider(service), session_of("ana", PASSWORD), calendar, Hands(service, remote_id))


def service_of(bench: Bench) -> MemoryService:
    assert isinstance(bench.hands, Hands)
    return bench.hands.service


def series(service: MemoryService) -> list[Event]:
    """A daily meeting whose second occurrence is moved and whose third is off."""
    master = service.event("s", START, START + HOUR, recurrence=("RRULE:FREQ=DAILY;COUNT=5",), title="Daily")
    moved = service.exception(master, START + DAY, START + DAY + 3 * HOUR)
    return [master, moved, service.exception(master, START + 2 * DAY, cancelled=True)]
