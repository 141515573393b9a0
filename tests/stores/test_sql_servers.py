"""The SQL store on PostgreSQL and MariaDB: the contract of every store, and what only a server can do to it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.models import Account
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import accounts
from calsync_core.stores.sql.trouble import Contended
from calsync_core.testing.store_kit import NOW, StoreBench, StoreContract, a_notification, an_event, an_item
from forking import forks, in_a_child
from store_servers import new_database
from store_use import use_push

TITLE = "Dr. Müller, biopsy"
SECRET = "5ec2e7"


class TestSQLStoreOnAServer(StoreContract):
    @pytest.fixture
    def store(self, server_store: SQLStore) -> Store:
        return server_store


@pytest.fixture
def another(server_store: SQLStore) -> Iterator[Callable[..., SQLStore]]:
    """Stores on the same database that have connections of their own; ``find(name=value)`` changes its URL."""
    stores: list[SQLStore] = []

    def find(**query: str) -> SQLStore:
        url = server_store._database.url.update_query_dict(query)
        stores.append(SQLStore(url.render_as_string(hide_password=False)))
        return stores[-1]

    yield find
    for store in stores:
        store.close()


def kind_of(store: SQLStore) -> str:
    return store._database.url.get_backend_name()


def ask(connection: sa.Connection, question: str) -> Any:
    return connection.exec_driver_sql(question).scalar()


# --- transactions


def test_a_reader_sees_one_state(server_store: SQLStore) -> None:
    bench = StoreBench(server_store)
    with server_store._database.reading() as connection:
        count = sa.select(sa.func.count()).select_from(accounts)
        assert connection.scalar(count) == 1
        server_store.save_account(Account("bo", "memory", "b"))
        assert connection.scalar(count) == 1
    assert len(server_store.load_accounts()) == 2
    with pytest.raises(StoreError), server_store._database.reading() as connection:
        connection.execute(sa.delete(accounts))
    assert bench.account in server_store.load_accounts()


def test_a_writer_sees_what_others_committed_while_it_waited(server_store: SQLStore) -> None:  # I-06
    with server_store._database.writing() as connection:
        count = sa.select(sa.func.count()).select_from(accounts)
        assert connection.scalar(count) == 0
        server_store.save_account(Account("bo", "memory", "b"))
        assert connection.scalar(count) == 1


def test_an_error_in_the_middle_leaves_nothing_and_shows_nothing(server_store: SQLStore) -> None:  # I-05, I-39
    bench = StoreBench(server_store)
    engine = server_store._database._open().engine

    def fail(_c: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO calsync_journal"):
            cursor.execute(f"INSERT INTO nowhere VALUES ('{TITLE}')")  # noqa: S608  (our own word)

    event.listen(engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(StoreError) as caught:
            bench.save(bench.source, an_item("e1", an_event(title=TITLE)))
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert TITLE not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__
    assert server_store.load_items(bench.source.key) == {}
    bench.save(bench.source, an_item("e1"))


def test_who_waits_too_long_for_a_lock_is_told(another: Callable[..., SQLStore], monkeypatch: Any) -> None:  # I-34
    monkeypatch.setattr("calsync_core.stores.sql.database._BUSY_MILLISECONDS", 1_000)
    holder, waiter = another(), another()
    bench = StoreBench(holder)
    lease = bench.lease("x")
    with holder._database.writing() as connection:
        connection.exec_driver_sql("UPDATE calsync_leases SET holder = holder")
        with pytest.raises(Contended):
            waiter.renew_lease(lease, 60, NOW)
    assert waiter.renew_lease(lease, 60, NOW).token == lease.token


def test_what_is_in_the_way_for_a_moment_is_not_told(server_store: SQLStore) -> None:
    """PostgreSQL and MariaDB end one of two transactions that wait for each other; here each is ended in turn."""
    engine = server_store._database._open().engine
    endings = ["40P01", "40001"] if kind_of(server_store) == "postgresql" else ["1213", "1205"]
    left = list(endings)

    def end(connection: sa.Connection, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO calsync_accounts") and left:
            code = left.pop()
            if connection.dialect.name == "postgresql":
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")
            else:
                cursor.execute(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}")

    event.listen(engine, "before_cursor_execute", end)
    try:
        account = server_store.save_account(Account("ana", "memory", "a"))
    finally:
        event.remove(engine, "before_cursor_execute", end)
    assert left == []
    assert server_store.load_accounts() == [account]


def test_what_is_always_in_the_way_is_told(server_store: SQLStore) -> None:  # I-34
    engine = server_store._database._open().engine
    tries = []

    def end(connection: sa.Connection, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO calsync_accounts"):
            tries.append(statement)
            if connection.dialect.name == "postgresql":
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
            else:
                cursor.execute("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213")

    event.listen(engine, "before_cursor_execute", end)
    try:
        with pytest.raises(StoreError, match="the database can't do it now"):
            server_store.save_account(Account("ana", "memory", "a"))
    finally:
        event.remove(engine, "before_cursor_execute", end)
    assert 1 < len(tries) < 10
    assert server_store.load_accounts() == []


# --- durability and connections


def test_what_was_promised_survives_a_power_failure(another: Callable[..., SQLStore]) -> None:  # I-28, I-36
    if kind_of(another()) != "postgresql":
        with pytest.raises(ConfigurationError, match="whole server"):
            another(synchronous="full")
        return
    for query, promised, otherwise in (({}, "on", "off"), ({"synchronous": "full"}, "on", "on")):
        store = another(**query)
        # One connection goes from one kind of transaction to the other and back.
        for _ in range(2):
            for each, expected in ((True, promised), (False, otherwise)):
                with store._database.writing(promised=each) as connection:
                    assert ask(connection, "SHOW synchronous_commit") == expected
    with another(synchronous="off")._database.writing(promised=True) as connection:
        assert ask(connection, "SHOW synchronous_commit") == "off"
    with pytest.raises(ConfigurationError, match="synchronous"):
        another(synchronous="normal")


def test_what_a_transaction_asked_for_ends_with_it(server_store: SQLStore) -> None:
    if kind_of(server_store) == "mysql":
        with server_store._database.reading() as connection:
            connection.scalar(sa.select(accounts.c.id))
        with server_store._database.writing() as connection:
            assert ask(connection, "SELECT @@tx_isolation") == "READ-COMMITTED"
        return
    names = ("synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_isolation")
    with server_store._database.writing() as connection:
        ours = [ask(connection, f"SHOW {name}") for name in names]
    assert ours == ["off", "30s", "1min", "read committed"]
    with server_store._database.reading() as connection:
        assert [ask(connection, f"SHOW {name}") for name in names] == ["on", "0", "0", "repeatable read"]


def _end_the_others(store: SQLStore) -> int:
    """Have the server close every other connection to this database, as when it is started again."""
    if kind_of(store) == "postgresql":
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        kill = "SELECT pg_terminate_backend({})"
    else:
        others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        kill = "KILL CONNECTION {}"
    with store._database._open().engine.connect() as connection:
        ids = list(connection.exec_driver_sql(others).scalars())
        for each in ids:
            connection.exec_driver_sql(kill.format(each))
    return len(ids)


def test_a_server_that_was_started_again_between_two_calls_is_not_noticed(another: Callable[..., SQLStore]) -> None:
    store, administrator = another(), another()
    bench = StoreBench(store)
    administrator.load_accounts()
    assert _end_the_others(administrator) >= 1
    assert store.load_accounts() == [bench.account]
    assert _end_the_others(administrator) >= 1
    assert store.save_notifications([a_notification(bench.source)]) == 1


def test_a_server_that_is_started_again_in_the_middle_fails_that_call_alone(another: Callable[..., SQLStore]) -> None:
    store, administrator = another(), another()
    administrator.load_accounts()
    bench = StoreBench(store)
    engine = store._database._open().engine
    ended: list[int] = []

    def end(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO calsync_items") and not ended:
            ended.append(_end_the_others(administrator))

    event.listen(engine, "before_cursor_execute", end)
    with pytest.raises(StoreError):
        bench.save(bench.source, an_item("e1"))
    assert ended
    assert store.load_items(bench.source.key) == {}
    bench.save(bench.source, an_item("e1"))
    assert list(store.load_items(bench.source.key)) == ["e1"]


def test_one_connection_is_enough(another: Callable[..., SQLStore]) -> None:
    """No method asks for a second one while it has one: with many threads, each would wait for the others."""
    store = another(pool_size="1")
    bench = StoreBench(store)
    bench.save(bench.source, an_item("e1"))
    store.load_due(NOW, "s", NOW)
    engine = store._database._open().engine
    assert (engine.pool.size(), engine.pool.overflow()) == (1, 0)  # type: ignore[attr-defined]  # this kind of pool has a size


# --- what is wrong with an address


def _errors(url: sa.URL) -> tuple[type[Exception], str]:
    store = SQLStore(url.render_as_string(hide_password=False))
    with closing(store), pytest.raises((StoreError, ConfigurationError)) as caught:
        store.load_accounts()
    said = f"{caught.value} {caught.value!r} {store!r}"
    assert SECRET not in said
    assert str(caught.value).startswith("store url: ")
    return type(caught.value), said


def test_an_address_that_is_refused_is_a_matter_of_configuration(server_store: SQLStore) -> None:  # I-39, I-44
    url = server_store._database.url.set(password=SECRET)
    assert _errors(url.set(database="no_such_database"))[0] is ConfigurationError
    assert _errors(url.set(username="no_such_user"))[0] is ConfigurationError
    assert _errors(url.update_query_dict({"no_such_option": SECRET}))[0] is ConfigurationError


def test_a_server_that_is_not_there_may_come_back(server_store: SQLStore) -> None:  # I-39
    url = server_store._database.url.set(password=SECRET)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for wrong in (url.set(port=port), url.set(host="no-such-host.invalid")):
        assert _errors(wrong)[0] is StoreError


def test_who_may_only_work_is_told_so_until_there_is_something_to_work_on(server_store: SQLStore) -> None:  # I-44
    url = server_store._database.url
    name = f"calsync_test_{secrets.token_hex(6)}"
    administrator = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    postgresql = kind_of(server_store) == "postgresql"
    user = name if postgresql else f"'{name}'@'%%'"
    made = f"CREATE USER {user} {'PASSWORD' if postgresql else 'IDENTIFIED BY'} '{SECRET}'"
    work = "SELECT, INSERT, UPDATE, DELETE"
    if postgresql:
        rights = [f"GRANT {work} ON ALL TABLES IN SCHEMA public TO {user}"]
        rights.append(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}")
        end = [f"DROP OWNED BY {user}", f"DROP USER {user}"]
    else:
        rights, end = [f"GRANT {work} ON {url.database}.* TO {user}"], [f"DROP USER {user}"]
    with administrator.connect() as connection:
        connection.exec_driver_sql(made)
        try:
            theirs = url.set(username=name, password=SECRET)
            assert _errors(theirs)[0] is ConfigurationError
            for right in rights:
                connection.exec_driver_sql(right)
            store = SQLStore(theirs.render_as_string(hide_password=False))
            use_push(StoreBench(store))
            store.close()
        finally:
            for each in end:
                connection.exec_driver_sql(each)


@pytest.mark.server
def test_a_database_that_cannot_keep_any_text_is_refused() -> None:  # I-44
    with new_database("postgresql") as url:
        name = f"{sa.make_url(url).database}_latin"
        server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with server.connect() as connection:
            made = f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.exec_driver_sql(made)
            try:
                kind, said = _errors(sa.make_url(url).set(database=name))
            finally:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    assert (kind, "UTF8" in said) == (ConfigurationError, True)


@pytest.mark.server
def test_a_database_whose_default_is_another_character_set_keeps_any_text() -> None:
    with new_database("mariadb") as url:
        server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with server.connect() as connection:
            connection.exec_driver_sql("ALTER DATABASE CHARACTER SET latin1")
        store = SQLStore(url)
        bench = StoreBench(store)
        bench.save(bench.source, an_item("é🔒\x00", an_event(title="🔒\ud83d")))
        saved = store.save_account(Account("Zoë 🐦 ", "memory", "ы"))
        assert store.load_account(saved.key) == saved
        assert list(store.load_items(bench.source.key)) == ["é🔒\x00"]
        store.close()


@forks
def test_a_store_made_and_used_before_a_fork_works_after_it(another: Callable[..., SQLStore]) -> None:
    store = another()
    mine = store.save_account(Account("ana", "memory", "parent"))

    def works() -> bool:
        same = store.load_accounts() == [mine]
        store.save_account(Account("ana", "memory", "child"))
        return same

    assert in_a_child(works)
    assert [account.name for account in store.load_accounts()] == ["parent", "child"]
    store.save_account(Account("ana", "memory", "parent again"))
