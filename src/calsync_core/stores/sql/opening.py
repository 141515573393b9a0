"""How each kind of database is opened, and how its transactions begin."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from calsync_core.errors import ConfigurationError
from calsync_core.stores.sql.address import Address

__all__ = ["PROMISED", "READS", "WRITES", "Opened", "open_database"]

READS, WRITES, PROMISED = "calsync_reads", "calsync_writes", "calsync_promised"
"""Execution options: what a transaction is for."""

_IDLE_SECONDS = 60
"""A transaction of ours asks something all the time. One that does not belongs to a machine that is gone."""

# A server that went away without a word is noticed after a minute or two, not after the two hours that TCP takes.
_POSTGRESQL_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}
_MARIADB_CONNECTION = {"connect_timeout": 10, "read_timeout": 300, "write_timeout": 60}


@frozen(eq=False)
class Opened:
    """An open database, and what to hold in this process during a transaction."""

    engine: sa.Engine
    writing: AbstractContextManager[Any]
    reading: AbstractContextManager[Any]


def open_database(address: Address, wait_milliseconds: int) -> Opened:
    """Make the engine; nothing is connected yet.

    Args:
        address: Where it is.
        wait_milliseconds: How long a transaction waits for a lock.
    """
    if address.kind == "sqlite":
        return _sqlite(address, wait_milliseconds)
    if address.kind == "postgresql":
        engine = _server(address, _POSTGRESQL_CONNECTION)
        _prepare_postgresql(engine, address.synchronous, wait_milliseconds)
    else:
        engine = _server(address, _MARIADB_CONNECTION)
        _prepare_mariadb(engine, wait_milliseconds)
    return Opened(engine, nullcontext(), nullcontext())


def _server(address: Address, defaults: dict[str, int]) -> sa.Engine:
    said = {name: value for name, value in defaults.items() if name not in address.url.query}
    return sa.create_engine(
        address.url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=address.pool_size,
        max_overflow=0,
        connect_args=said,
        # Row locks give the order that matters; repeatable reads would only show stale rows after waiting for one.
        isolation_level="READ COMMITTED",
    )


def _prepare_postgresql(engine: sa.Engine, synchronous: str | None, wait_milliseconds: int) -> None:
    # Said in each transaction, not in each session: a pooler between us and the server shares sessions with others.
    patience = (
        f"set_config('lock_timeout', '{wait_milliseconds}', true), "
        f"set_config('idle_in_transaction_session_timeout', '{_IDLE_SECONDS}s', true)"
    )

    @event.listens_for(engine, "connect")
    def _check(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_encoding")
            if cursor.fetchone()[0] != "UTF8":
                raise ConfigurationError("store url: this PostgreSQL database can't keep any text: make it with UTF8")
        connection.rollback()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get(WRITES, False):
            hard = synchronous == "full" or (synchronous is None and options.get(PROMISED, False))
            soft = "" if hard else ", set_config('synchronous_commit', 'off', true)"
            connection.exec_driver_sql(f"SELECT {patience}{soft}")


def _prepare_mariadb(engine: sa.Engine, wait_milliseconds: int) -> None:
    wait = max(1, wait_milliseconds // 1000)
    # What can't be kept is an error, whatever the server's default: it may also cut it off and go on.
    session = (
        f"SET SESSION innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {2 * wait}, "
        f"idle_write_transaction_timeout = {_IDLE_SECONDS}, default_storage_engine = InnoDB, "
        "sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION')"
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            if "mariadb" not in str(cursor.fetchone()[0]).lower():
                raise ConfigurationError("store url: this is a MySQL server; calsync-core works with MariaDB")
            cursor.execute(session)

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(READS, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _sqlite(address: Address, wait_milliseconds: int) -> Opened:
    in_memory = address.url.database in {None, "", ":memory:"}
    options: dict[str, Any] = {"hide_parameters": True}
    if in_memory:
        options |= {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = sa.create_engine(address.url, **options)
    synchronous = address.synchronous

    # SQLAlchemy's documented recipe: pysqlite must not begin transactions by itself, or it would begin them late,
    # and a transaction that reads first and writes then could neither go on nor wait.
    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {wait_milliseconds}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA synchronous = {synchronous or 'normal'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        writes, promised = options.get(WRITES, False), options.get(PROMISED, False)
        if writes and synchronous is None:
            # It holds for this connection until it is set again: each writer says what it needs.
            connection.exec_driver_sql(f"PRAGMA synchronous = {'full' if promised else 'normal'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    # One connection can't have two transactions; many can't have two writers, and waiting here is fairer.
    lock = threading.RLock() if in_memory else threading.Lock()
    return Opened(engine, lock, lock if in_memory else nullcontext())
