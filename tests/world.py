"""A small world for engine tests: one owner's calendars at one service, and an engine over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

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
from calsync_core.protocols import Clock, Provider, Store, TokenSource
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing.clock import VirtualClock
from mixed_service import MixedService, Service
from planted import PASSWORD, title

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday, four weeks before European clocks change."""

SECRET = "a secret for tests only"


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """An instant so many days after START's midnight, UTC."""
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC) + timedelta(days=day)


def provider_of(service: Service) -> Provider:
    """The adapter for a service."""
    return MemoryProvider(service) if isinstance(service, MemoryService) else service.provider()


def providers_of(service: Service | MixedService) -> dict[str, Provider]:
    """New adapters, by the names that accounts use."""
    if isinstance(service, MixedService):
        return {kind: provider_of(home) for kind, home in service.homes.items()}
    return {"memory" if isinstance(service, MemoryService) else service.kind: provider_of(service)}


class World:
    """One owner's calendars, each of its own account, and the engine that keeps them honest.

    A second World over the same ``service`` and ``clock`` is another owner or another installation.

    Attributes:
        before: For a story to keep what the calendars showed before a run, and that run's id.
    """

    def __init__(
        self,
        names: Sequence[str] = ("work", "home", "club"),
        *,
        owner: str = "ana",
        service: Service | MixedService | None = None,
        provider: Provider | None = None,
        providers: Mapping[str, Provider] | None = None,
        clock: VirtualClock | None = None,
        store: Store | None = None,
        **engine: Any,
    ) -> None:
        self.owner = owner
        self.service: Service | MixedService = service or MemoryService()
        self.clock = clock or (VirtualClock(START) if isinstance(self.service, MemoryService) else self.service.clock)
        self.providers = dict(providers or providers_of(self.service))
        if provider is not None:
            self.provider = provider
        self.store: Store = store if store is not None else MemoryStore()
        self.notices: list[Notice] = []
        self.before: tuple[object, int] | None = None
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
        self.engine = self.worker()
        return self.engine

    def worker(
        self,
        *,
        store: Store | None = None,
        providers: Mapping[str, Provider] | None = None,
        clock: Clock | None = None,
    ) -> SyncEngine:
        """The engine of another process of this installation, which may reach the same things in ways of its own."""
        return SyncEngine(
            store=store if store is not None else self.store,
            providers=providers or self.providers,
            notifier=self,
            clock=clock or self.clock,
            tokens=lambda account: self.login(account.name, account.owner),
            **self.options,
        )

    @property
    def memory(self) -> MemoryService:
        """The service, for what only the one in memory can do."""
        assert isinstance(self.service, MemoryService)
        return self.service

    @property
    def provider(self) -> Provider:
        """The only one."""
        (provider,) = self.providers.values()
        return provider

    @provider.setter
    def provider(self, provider: Provider) -> None:
        self.providers = dict.fromkeys(self.providers, provider)

    def kind_of(self, name: str) -> str:
        """Of which provider the calendar named so is."""
        if isinstance(self.service, MixedService):
            return self.service.kind_of(name)
        (kind,) = self.providers
        return kind

    def login(self, name: str, owner: str | None = None) -> TokenSource:
        """What the account named so is connected with, of this owner or another one."""
        user = f"{owner or self.owner}-{name}"
        home = self.service.home_of(user) if isinstance(self.service, MixedService) else self.service
        if isinstance(home, MemoryService):
            return StaticTokens(Password(user, PASSWORD))
        return home.login(user, PASSWORD)

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
        asked = Account(owner=self.owner, provider=self.kind_of(name), name=name)
        account = self.engine.connect(asked, self.login(name))
        found = {calendar.remote_id: calendar for calendar in self.engine.discover(account.key)}
        self.calendars[name] = self.engine.enable(found[self.remote[name]].key)
        return self.calendars[name]

    def find_again(self) -> None:
        """Look up what the store knows of the calendars now: it may be another one, or as it was once."""
        known = {calendar.remote_id: calendar for calendar in self.store.load_calendars(owner=self.owner)}
        found = {name: known.get(remote) for name, remote in self.remote.items()}
        self.calendars = {name: calendar for name, calendar in found.items() if calendar is not None}

    def id(self, name: str) -> int:
        return self.calendars[name].key

    def book(self, name: str, uid: str, start: datetime, hours: float = 1, **fields: Any) -> Event:
        """Put a single event, or a series if ``recurrence`` is given, and return it."""
        event = self.service.event(uid, start, start + timedelta(hours=hours), **{"title": title(uid)} | fields)
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
