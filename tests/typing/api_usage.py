"""Uses the public API as a typed host would. Type checkers read it; nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, assert_type

from calsync_core import (
    Account,
    AuditReport,
    BearerToken,
    BusyTime,
    Calendar,
    CalsyncError,
    Explanation,
    HealthReport,
    HeldDeletion,
    Metrics,
    MirrorRule,
    Mode,
    Notice,
    NoticeKind,
    OAuthClient,
    OAuthGrant,
    Observation,
    Password,
    Plan,
    Progress,
    ProviderError,
    PurgeReport,
    ServiceAccountGrant,
    StaticTokens,
    SyncEngine,
    SyncPolicy,
    SyncReport,
    SystemClock,
    UndoReport,
    UnknownCalendar,
)
from calsync_core.credentials import new_key
from calsync_core.extensions import load_provider
from calsync_core.models import (
    CalendarHealth,
    ChangePage,
    Credential,
    Identity,
    Intent,
    Item,
    Login,
    Lookup,
    Outcome,
    RemoteCalendar,
)
from calsync_core.protocols import (
    AuthorizingProvider,
    Clock,
    Notifier,
    PasswordProvider,
    Provider,
    PublishingProvider,
    PushProvider,
    ReadRequest,
    Session,
    Store,
    TokenSource,
)
from calsync_core.providers.caldav import CalDAVProvider, ICloudProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from calsync_core.web import asgi, wsgi
from calsync_core.web.connect import DefaultPages, ProblemPage, Received


class Vault:
    """A host's own credentials."""

    def credential(self, *, renew: bool = False) -> Credential:
        return BearerToken("renewed" if renew else "kept")


class Inbox:
    """A host's own notifier."""

    def notify(self, notice: Notice) -> None:
        if notice.kind is NoticeKind.DELETIONS_HELD:
            print(notice.owner, notice.as_dict())  # noqa: T201  (never run)


class Service:
    """A host's own provider."""

    batch_size = 10
    shows_tentative = True

    def identify(self, session: Session) -> Identity:
        return Identity(session.account.name)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        return []

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:
        return f"{calendar.remote_id}/{key}-{generation}"

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        yield ChangePage(cursor=request.cursor)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        return Lookup(gone=tuple(keys))

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        yield from ()

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        yield from ()


class Feed:
    """A host's own provider of calendars that are only read."""

    def identify(self, session: Session) -> Identity:
        return Identity(session.account.name)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        return []

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        yield ChangePage(cursor=request.cursor)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        return Lookup(gone=tuple(keys))


def parts_fit_their_ports() -> None:
    clock: Clock = SystemClock()
    sources: list[TokenSource] = [Vault(), StaticTokens(Password("ana", "secret"))]
    notifier: Notifier = Inbox()
    stores: list[Store] = [MemoryStore(), SQLStore("sqlite:///calsync.db")]
    providers: list[Provider] = [Service(), CalDAVProvider(), ICloudProvider(), MemoryProvider(MemoryService())]
    published: list[PublishingProvider] = [Feed(), *providers, load_provider("another")]
    print(clock, sources, notifier, stores, published)  # noqa: T201  (never run)


def can_push(provider: Provider) -> bool:
    return isinstance(provider, PushProvider)


def known_login(account: Account) -> TokenSource | Login | None:
    if account.owner == "ana":
        return StaticTokens(Password(account.name, "secret"))
    return BearerToken("token") if account.owner == "bo" else None


def whole_life(store: Store, providers: Mapping[str, Provider], now: datetime) -> None:
    engine = SyncEngine(
        store=store,
        providers=providers,
        secret=["new secret of the installation", "old secret of the installation"],
        notifier=Inbox(),
        policy=SyncPolicy(horizon_days=30, title="Busy", all_day="skip", on_block_deleted="respect"),
        clock=SystemClock(),
        tokens=known_login,
        encryption_key=[new_key(), "the old one"],
        on_progress=show,
        max_workers=4,
    )
    account = engine.connect(Account(owner="ana", provider="caldav", name="home"), Password("ana", "secret"))
    assert_type(account, Account)
    engine.attach(account.key, Vault())
    engine.attach(account.key, OAuthGrant("app", "client secret", "refresh token"))
    engine.connect(account, ServiceAccountGrant("{}", "ana@example.com"))
    assert_type(engine.rotate_credentials(), int)
    engine.forget_credentials(account.key)
    found = engine.discover(account.key)
    assert_type(found, list[Calendar])
    calendar = engine.enable(found[0].key, publish=True, receive=False)
    assert_type(calendar, Calendar)
    engine.set_rules("ana", [MirrorRule(source=calendar.key, title="{title}", unanswered="none")])

    assert_type(engine.sync_from_webhook(calendar.key), SyncReport | None)
    assert_type(engine.sync_calendars_needing_polling(owner="ana"), SyncReport)
    assert_type(engine.sync_all_calendars(), SyncReport)
    assert_type(engine.sync_calendar(calendar.key), SyncReport)
    assert_type(engine.plan(owner="ana"), Plan)
    assert_type(engine.plan(calendar.key).as_dict(), dict[str, Any])
    assert_type(engine.audit(repair=True), AuditReport)
    assert_type(engine.explain("ana", now), Explanation)
    assert_type(engine.busy("ana", now, now), list[BusyTime])
    assert_type(engine.runs(calendar.key, limit=5, owner="ana"), list[SyncReport])
    assert_type(engine.health(), HealthReport)
    assert_type(engine.calendar_health(limit=50, offset=50), list[CalendarHealth])
    assert_type(engine.metrics(hours=1), Metrics)
    assert_type(engine.held(), list[HeldDeletion])
    assert_type(engine.approve(["key.0"]), int)
    assert_type(engine.drop(owner="ana"), int)
    assert_type(engine.cleanup(days=30), int)
    engine.pause(account.key)
    engine.resume(account.key)
    assert_type(engine.disable(calendar.key), Calendar)
    engine.set_mode("ana", "observe")
    engine.set_mode("ana", Mode.WRITE)
    assert_type(engine.mode("ana"), Mode)
    assert_type(engine.runs()[0].observed, Observation | None)
    assert_type(engine.undo(engine.runs()[0].key), UndoReport)
    assert_type(engine.purge(account_id=account.key), PurgeReport)
    assert_type(engine.disconnect(account.key), PurgeReport)


def show(progress: Progress) -> None:
    print(progress.step, progress.done, progress.total)  # noqa: T201  (never run)


def errors_tell_what_to_do(engine: SyncEngine) -> float | None:
    try:
        engine.sync_calendar(1)
    except UnknownCalendar as error:
        raise LookupError from error
    except ProviderError as error:
        return error.retry_after
    except CalsyncError:
        return None
    return 0.0


class MyPages(DefaultPages):
    """A host's own words for what goes wrong."""

    def problem(self, page: ProblemPage) -> str:
        return f"{page.problem.value}: {page.text}"


def who(request: Received) -> str | None:
    """A host's own session."""
    return request.cookies().get("session") or request.scope.get("session", {}).get("user")


def connects(engine: SyncEngine) -> None:
    clients = {"google": OAuthClient("id", "secret"), "microsoft": OAuthClient("id", token_url="https://login.example")}
    asgi.connect_app(engine, public_url="https://app.example/connect", owner=who, clients=clients, pages=MyPages())
    wsgi.connect_app(engine, public_url="https://app.example/connect", owner=who, done="/done", login="/login")
    asking: list[AuthorizingProvider] = [GoogleProvider(), MicrosoftProvider()]
    typed: list[PasswordProvider] = [CalDAVProvider(), ICloudProvider()]
    print(asking, typed)  # noqa: T201  (never run)
