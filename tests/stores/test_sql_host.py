"""A store over the host's own engine, and pushes that the host's own transaction takes in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import QueuePool, SingletonThreadPool, StaticPool

from calsync_core.errors import ConfigurationError, InsideTransaction, InvalidValue, StoreError
from calsync_core.models import Account
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_kit import StoreBench, StoreContract, a_notification, an_event, an_item
from push_world import PushWorld
from store_servers import KINDS, empty, new_database
from world import at

EVERYWHERE = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in KINDS)]
TITLE = "Dr. Müller, biopsy"


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], sa.Engine]]:
    """A host's engine to each kind of database, as ``create_engine`` makes it."""
    opened: dict[str, tuple[sa.Engine, Any]] = {}

    def find(kind: str) -> sa.Engine:
        if kind == "sqlite":
            return sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('host')}/host.db")
        if kind not in opened:
            database = new_database(kind)
            opened[kind] = (sa.create_engine(database.__enter__()), database)
        return opened[kind][0]

    yield find
    for engine, database in opened.values():
        engine.dispose()
        database.__exit__(None, None, None)


@pytest.fixture(params=EVERYWHERE)
def host(request: pytest.FixtureRequest, engines: Callable[[str], sa.Engine]) -> Iterator[sa.Engine]:
    """The host's engine, and a table of the host's."""
    engine = engines(request.param)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS accounts")
        connection.exec_driver_sql("CREATE TABLE accounts (word VARCHAR(50))")
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE accounts")
    if request.param == "sqlite":
        engine.dispose()


@pytest.fixture
def store(host: sa.Engine) -> SQLStore:
    store = SQLStore(host)
    store.load_accounts()
    empty(host)
    return store


class TestSQLStoreOverAHostsEngine(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        engine = sa.create_engine(f"sqlite:///{tmp_path}/host.db")
        yield SQLStore(engine)
        engine.dispose()


# --- the host's engine


def words(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT word FROM accounts ORDER BY word")))


def say(connection: sa.Connection, word: str) -> None:
    connection.execute(sa.text("INSERT INTO accounts VALUES (:word)"), {"word": word})


def manners(engine: sa.Engine) -> list[Any]:
    """What a session of the host's is like."""
    asked = {
        "sqlite": [f"PRAGMA {name}" for name in ("foreign_keys", "busy_timeout", "synchronous", "journal_mode")],
        "postgresql": [
            f"SHOW {name}"
            for name in ("transaction_isolation", "lock_timeout", "synchronous_commit", "transaction_read_only")
        ],
        "mysql": [
            "SELECT @@tx_isolation",
            "SELECT @@innodb_lock_wait_timeout",
            "SELECT @@sql_mode",
            "SELECT @@tx_read_only",
        ],
    }
    with engine.connect() as connection:
        return [connection.exec_driver_sql(question).scalar() for question in asked[engine.dialect.name]]


def test_the_hosts_sessions_stay_as_they_are(host: sa.Engine) -> None:
    before = manners(host)
    store = SQLStore(host)
    bench = StoreBench(store)
    bench.read_completely(bench.source, an_item("e1"))
    store.save_notifications([a_notification(bench.source)])
    store.load_accounts()
    assert manners(host) == before
    say_ours = sa.text("SELECT count(*) FROM calsync_items")
    with host.connect() as connection:
        assert connection.scalar(say_ours) == 1
    store.close()
    # Closing a store closes nothing of the host's.
    assert isinstance(host.pool, QueuePool)
    assert host.pool.checkedin() > 0
    assert words(host) == []


def test_what_belongs_together_goes_together_in_the_hosts_engine(store: SQLStore) -> None:
    bench = StoreBench(store)
    bench.read_completely(bench.source, an_item("e1"))
    store.delete_account(bench.account.key)
    with store._database.reading() as connection:
        for table in ("calendars", "items", "events", "watches"):
            assert connection.scalar(sa.text(f"SELECT count(*) FROM calsync_{table}")) == 0  # noqa: S608  (our own words)


def test_a_host_that_echoes_its_statements_logs_no_titles(store: SQLStore, caplog: Any) -> None:  # I-39
    bench = StoreBench(store)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        bench.save(bench.source, an_item("e1", an_event(title=TITLE)))
    assert "calsync_events" in caplog.text
    assert TITLE not in caplog.text
    assert "ller" not in caplog.text


@pytest.mark.parametrize("options", [{}, {"poolclass": SingletonThreadPool}])
def test_an_engine_that_gives_each_thread_a_database_of_its_own_is_refused(options: dict[str, Any]) -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r"store url: .*StaticPool"):
        SQLStore(sa.create_engine("sqlite://", **options))


def test_one_connection_in_memory_is_enough() -> None:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    store = SQLStore(engine)
    kept = store.save_account(Account("ana", "memory", "a"))
    store.close()
    assert store.load_accounts() == [kept]
    engine.dispose()


# --- the host's transaction


@pytest.fixture
def world(store: SQLStore) -> PushWorld:
    """Ana's calendars, all live at the service, and one push on its way for what she books next."""
    world = PushWorld(("work", "home"), store=store)
    world.go_live()
    return world


def test_a_push_is_there_when_the_host_commits(world: PushWorld, store: SQLStore, host: sa.Engine) -> None:  # I-28
    push = world.push_of_a_booking()
    with host.begin() as connection:
        say(connection, "theirs")
        with store.inside(connection):
            assert world.engine.accept_push("memory", push).accepted == 1
            # The same one again, in the same transaction.
            assert world.engine.accept_push("memory", push).doubled == 1
    assert world.waiting() == 1
    assert words(host) == ["theirs"]
    world.settle(30)
    [block] = world.blocks("home")
    assert block.events[0].span.start == at(1)


@pytest.mark.parametrize("first", [True, False])
def test_a_push_is_not_there_when_the_host_rolls_back(
    world: PushWorld, store: SQLStore, host: sa.Engine, *, first: bool
) -> None:  # I-28
    push = world.push_of_a_booking()
    with host.connect() as connection:
        if first:
            say(connection, "theirs")
        with store.inside(connection):
            assert world.engine.accept_push("memory", push).accepted == 1
        connection.rollback()
    assert world.waiting() == 0
    assert words(host) == []
    assert world.engine.accept_push("memory", push).accepted == 1


def test_a_push_that_fails_leaves_the_host_its_transaction(world: PushWorld, store: SQLStore, host: sa.Engine) -> None:
    push = world.push_of_a_booking()
    with host.begin() as connection:
        say(connection, "theirs")

        @event.listens_for(connection, "before_cursor_execute")
        def _fail(_c: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("INSERT INTO calsync_notifications"):
                cursor.execute("INSERT INTO nowhere VALUES (1)")

        with store.inside(connection), pytest.raises(StoreError):
            world.engine.accept_push("memory", push)
    assert words(host) == ["theirs"]
    assert world.waiting() == 0
    assert world.engine.accept_push("memory", push).accepted == 1


def test_nothing_else_is_done_inside_the_hosts_transaction(world: PushWorld, store: SQLStore, host: sa.Engine) -> None:
    refused: list[Callable[[], object]] = [
        world.engine.sync_all_calendars,
        world.engine.process_notifications,
        world.engine.maintain_subscriptions,
        world.engine.sync_calendars_needing_polling,
        lambda: world.engine.sync_calendar(world.id("work")),
        lambda: world.engine.disable(world.id("work")),
    ]
    with host.begin() as connection, store.inside(connection):
        for call in refused:
            with pytest.raises(InsideTransaction):
                call()
    # Other threads, and this one afterwards, are in no transaction of the host's.
    with host.connect() as connection, store.inside(connection), ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.load_accounts).result() != []
    world.engine.sync_all_calendars()


def test_a_host_that_is_not_done_keeps_others_from_the_same_push_only_until_it_is(
    world: PushWorld, store: SQLStore, host: sa.Engine
) -> None:  # I-27
    push = world.push_of_a_booking()
    with ThreadPoolExecutor(1) as pool:
        with host.begin() as connection:
            with store.inside(connection):
                world.engine.accept_push("memory", push)
            late = pool.submit(world.engine.accept_push, "memory", push)
        assert late.result(60).doubled == 1
    assert world.waiting() == 1


def test_a_connection_to_another_kind_of_database_is_refused(server_store: SQLStore) -> None:  # I-44
    with sa.create_engine("sqlite://").connect() as connection:
        with pytest.raises(InvalidValue, match=r"^connection: "), server_store.inside(connection):
            raise AssertionError
        assert not connection.in_transaction()
    assert server_store.load_accounts() == []
