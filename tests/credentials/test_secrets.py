"""No part of a login is in a log line, a message, a repr, a traceback or the database's bytes (I-39)."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from calsync_core.credentials import new_key
from calsync_core.engine import SyncEngine
from calsync_core.errors import CalsyncError, Rejected, StoreError
from calsync_core.models import Account, BearerToken, Login, OAuthGrant, Password, ServiceAccountGrant, SyncPolicy
from calsync_core.protocols import Store
from calsync_core.providers.memory import MemoryService
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.clock import VirtualClock
from granting import CLIENT_SECRET, DOWN, GrantingProvider, TokenServer

INSTALLATION = "the installation's own secret"
PASSWORD = "pass-of-ana-secret"
PRIVATE_KEY = "private-key-secret"


class Place:
    """An engine over a file, and every secret that was ever near it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "calsync.db"
        self.key, self.old_key = new_key(), new_key()
        self.clock, self.server, self.service = VirtualClock(), TokenServer(), MemoryService()
        for name in ("home", "work"):
            self.service.add_user(name, PASSWORD)
            self.service.add_calendar(name, "cal", primary=True)
        self.store = SQLStore(f"sqlite:///{self.path}")
        self.engine = self.process()

    def process(self, **changes: Any) -> SyncEngine:
        options: dict[str, Any] = {
            "store": self.store,
            "providers": {"memory": GrantingProvider(self.service, self.server)},
            "secret": INSTALLATION,
            "encryption_key": [self.key, self.old_key],
            "clock": self.clock,
            "max_workers": 1,
            "policy": SyncPolicy(horizon_days=5),
            **changes,
        }
        return SyncEngine(**options)

    @property
    def secrets(self) -> list[str]:
        fixed = [CLIENT_SECRET, PASSWORD, PRIVATE_KEY, INSTALLATION, self.key, self.old_key]
        return [*fixed, *self.server.secrets]

    def shown_in(self, text: str) -> list[str]:
        return [secret for secret in self.secrets if secret in text]

    def connect(self, name: str, login: Login) -> Account:
        account = self.engine.connect(Account("ana", "memory", name), login)
        self.engine.enable(self.engine.discover(account.key)[0].key)
        return account


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.store.close()


def everything_said_by(error: BaseException) -> str:
    """What any handler could print of an exception: its own words, and all that it hangs on to."""
    said: list[str] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is not None:
            said += [str(one), repr(one), repr(one.args), repr(vars(one)), *traceback.format_exception(one)]
            queue += [one.__cause__, one.__context__]
    return "\n".join(said)


def test_a_whole_life_says_no_secret(place: Place) -> None:
    with capture_logs() as logs:
        home = place.connect("home", place.server.consent("home"))
        place.connect("work", Password("work", PASSWORD))
        for _ in range(3):
            place.clock.advance(timedelta(hours=2))
            place.engine.sync_all_calendars()
        place.process(encryption_key=[place.old_key, place.key]).rotate_credentials()
        place.server.revoke("home")
        place.clock.advance(timedelta(hours=2))
        report = place.engine.sync_calendars_needing_polling()
        place.engine.attach(home.key, place.server.consent("home"))
        place.engine.sync_calendars_needing_polling()
        place.server.failing = DOWN
        place.clock.advance(timedelta(hours=2))
        failed = place.engine.sync_calendars_needing_polling()
    assert not report.ok
    assert not failed.ok
    events = {entry["event"] for entry in logs}
    assert {"login_renewed", "renewal_failed"} <= events
    assert place.shown_in(json.dumps([*logs, report.as_dict(), failed.as_dict()], default=repr)) == []
    shown = [place.engine, place.store, place.engine._context, place.engine._context.logins, *report.errors]
    shown += [place.engine._context.logins.source(account) for account in place.store.load_accounts()]
    assert place.shown_in("\n".join([*map(repr, shown), *map(str, shown)])) == []


def test_no_secret_is_in_the_files_of_the_database(place: Place) -> None:
    home = place.connect("home", place.server.consent("home"))
    place.connect("work", Password("work", PASSWORD))
    place.clock.advance(timedelta(hours=2))
    place.engine.sync_all_calendars()
    place.engine.connect(home, place.server.consent("home"))
    place.engine.disconnect(home.key)
    place.store.load_accounts()
    files = list(place.path.parent.glob("calsync.db*"))
    assert len(files) >= 2  # the write-ahead log, too
    content = b"\n".join(file.read_bytes() for file in files)
    assert b"ana" in content
    assert [secret for secret in place.secrets if secret.encode() in content] == []
    place.store.close()
    assert [secret for secret in place.secrets if secret.encode() in place.path.read_bytes()] == []


LOGINS: list[Callable[[Place], Login]] = [
    lambda place: place.server.consent("home"),
    lambda _place: OAuthGrant("app", CLIENT_SECRET, PASSWORD, "https://x.example/", (), PRIVATE_KEY, None, PASSWORD),
    lambda _place: ServiceAccountGrant(json.dumps({"private_key": PRIVATE_KEY}), "ana@example.com"),
    lambda _place: Password("home", f"{PASSWORD}-wrong"),
    lambda _place: BearerToken(PRIVATE_KEY),
]


@pytest.mark.parametrize("login", LOGINS)
def test_no_exception_shows_a_secret(place: Place, login: Callable[[Place], Login]) -> None:
    account = place.connect("home", Password("home", PASSWORD))
    given = login(place)
    store = place.store

    class Broken:
        def __getattr__(self, name: str) -> Any:
            if name in {"save_credential", "load_credential"}:
                raise StoreError("not now")
            return getattr(store, name)

    def connect_at_a_rejected_client() -> None:
        place.server.failing = Rejected("invalid_client")
        try:
            place.process().connect(account, given)
        finally:
            place.server.failing = None

    deeds: list[Callable[[], object]] = [
        connect_at_a_rejected_client,
        lambda: place.process(providers={}).connect(account, given),
        lambda: place.process(store=cast("Store", Broken())).connect(account, given),
        lambda: place.process(store=cast("Store", Broken())).attach(account.key, given),
        lambda: place.process(encryption_key=new_key()).attach(account.key, given),
        lambda: place.process(encryption_key=place.key[:-1]),
        lambda: place.process(encryption_key=new_key()).rotate_credentials(),
        lambda: place.process().attach(account.key, cast("Login", [given])),
        lambda: place.process()._context.logins.source(evolve(account, base_url="https://elsewhere.example")),
    ]
    raised: list[CalsyncError] = []
    for deed in deeds:
        with capture_logs() as logs:
            try:
                deed()
            except CalsyncError as error:
                raised.append(error)
        assert place.shown_in(json.dumps(logs, default=repr)) == []
    assert len(raised) >= 7
    assert place.shown_in("\n".join(map(everything_said_by, raised))) == []
