"""A small world for engine tests: one owner's calendars at one service, and an engine over them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from caldav_service import CalDAVService
from calsync_core.engine import SyncEngine
from calsync_core.models import (
    Account,
    Calendar,
    Event,
    Item,
    Notice,
    NoticeKind,
    Password,
    Span,
    SyncPolicy,
    SyncReport,
)
from calsync_core.protocols import Provider, Store, TokenSource
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing.clock import VirtualClock
from google_service import GoogleService
from graph_service import GraphService

Service: TypeAlias = MemoryService | GoogleService | GraphService | CalDAVService
"""What a world can stand on: they have the same hands."""

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday, four weeks before European clocks change."""

SECRET = "a secret for tests only"
PASSWORD = "pw"


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """An instant so many days after START's midnight, UTC."""
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC) + timedelta(days=day)


def provider_of(service: Service) -> Provider:
    """The adapter for a service."""
    return MemoryProvider(service) if isinstance(service, MemoryService) else service.provider()


class World:
    """One owner's calendars, each of its own account, and the engine that keeps them honest.

    A second World over the same ``service`` and ``clock`` is another owner or another installation.
    """

    def __init__(
        self,
        names: Sequence[str] = ("work", "home", "club"),
        *,
        owner: str = "ana",
        service: Service | None = None,
        provider: Provider | None = None,
        clock: VirtualClock | None = None,
        store: Store | None = None,
        **engine: Any,
    ) -> None:
        self.owner = owner
        self.service: Service = service or MemoryService()
        self.clock = clock or (VirtualClock(START) if isinstance(self.service, MemoryService) else self.service.clock)
        self.provider = provider or provider_of(self.service)
        self.store: Store = store if store is not None else MemoryStore()
        self.notices: list[Notice] = []
        self.options: dict[str, Any] = {
            "secret": SECRET,
            "policy": SyncPolicy(horizon_days=30),
            "max_workers": 1,
            **engine,
        }
        self.engine = self.restart()
        self.remote: dict[str, str] = {}
        self.calendars: dict[str, Calendar] = {}
        for name in names:
            self.add(name)

    def restart(self, **changes: Any) -> SyncEngine:
        """A new engine over the same store and service, as a restarted process would have."""
        self.options |= changes
        self.engine = SyncEngine(
            store=self.store,
            providers={self.kind: self.provider},
            notifier=self,
            clock=self.clock,
            tokens=lambda account: self.login(account.name, account.owner),
            **self.options,
        )
        return self.engine

    @property
    def memory(self) -> MemoryService:
        """The service, for what only the one in memory can do."""
        assert isinstance(self.service, MemoryService)
        return self.service

    @property
    def kind(self) -> str:
        """The provider's name."""
        return "memory" if isinstance(self.service, MemoryService) else self.service.kind

    def login(self, name: str, owner: str | None = None) -> TokenSource:
        """What the account named so is connected with, of this owner or another one."""
        user = f"{owner or self.owner}-{name}"
        if not isinstance(self.service, MemoryService):
            return self.service.login(user, PASSWORD)
        return StaticTokens(Password(user, PASSWORD))

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def told(self, kind: NoticeKind) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind is kind]

    def add(self, name: str, *, remote: str | None = None) -> Calendar:
        """Connect an account named so and switch its calendar on; a remote id given is used as it is."""
        user = f"{self.owner}-{name}"
        if remote is None:
            self.service.add_user(user, PASSWORD)
            remote = self.service.add_calendar(user, name, timezone="Europe/Berlin", primary=True)
        self.remote[name] = remote
        return self.connect(name)

    def connect(self, name: str) -> Calendar:
        """Connect, discover and enable a calendar that the service has."""
        account = self.engine.connect(Account(owner=self.owner, provider=self.kind, name=name), self.login(name))
        found = {calendar.remote_id: calendar for calendar in self.engine.discover(account.key)}
        self.calendars[name] = self.engine.enable(found[self.remote[name]].key)
        return self.calendars[name]

    def id(self, name: str) -> int:
        return self.calendars[name].key

    def book(self, name: str, uid: str, start: datetime, hours: float = 1, **fields: Any) -> Event:
        """Put a single event, or a series if ``recurrence`` is given, and return it."""
        event = self.service.event(uid, start, start + timedelta(hours=hours), **{"title": f"secret {uid}"} | fields)
        self.service.put(self.remote[name], event)
        return event

    def sync(self) -> SyncReport:
        """One polling pass that must not fail."""
        report = self.engine.sync_calendars_needing_polling()
        assert report.ok, report.errors
        return report

    def blocks(self, name: str) -> list[Item]:
        return self.service.blocks(self.remote[name])

    def spans(self, name: str) -> list[Span]:
        """When the blocks on a calendar are, in order."""
        return sorted((item.events[0].span for item in self.blocks(name)), key=lambda span: span.edges(UTC))

    def starts(self, name: str) -> list[Any]:
        return [span.start for span in self.spans(name)]

    def check(self) -> None:
        """I-01 by a fresh listing, and I-03: right now nothing is left to write."""
        report = self.engine.audit()
        assert report.ok, report.findings
        assert self.sync().writes == 0
