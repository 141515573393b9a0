"""How each kind of database is opened, or a host's engine borrowed, and how transactions begin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from calsync_core.errors import ConfigurationError
from calsync_core.stores.sql.address import Address

__all__ = [
    "ISOLATION",
    "LEASES",
    "PROMISED",
    "READS",
    "WRITES",
    "Opened",
    "borrow",
    "check_server",
    "open_database",
    "prepare",
]

READS, WRITES, PROMISED = "calsync_reads", "calsync_writes", "calsync_promised"
"""Execution options: what a transaction is for."""

LEASES = "calsync_leases"
"""Execution option: the leases whose rows a transaction has locked, as they are, by name."""

_SYNCHRONOUS = "calsync_synchronous"
"""In what a connection of SQLite's remembers: how it was told last to press commits to the disk."""

_IDLE_SECONDS = 60
"""A transaction of ours asks something all the time. One that does not belongs to a machine that is gone."""

ISOLATION = "READ COMMITTED"
"""Row locks give the order that matters; repeatable reads would only show stale rows after waiting for one."""

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
    connect: Callable[[], AbstractContextManager[sa.Connection]]
    writing: AbstractContextManager[Any]
    reading: AbstractContextManager[Any]
    close: Callable[[], None]


def open_database(address: Address, wait_milliseconds: int) -> Opened:
    """Make the engine; nothing is connected yet.

    Args:
        address: Where it is.
        wait_milliseconds: How long a transaction waits for a lock.
    """
    if address.kind == "sqlite":
        engine = _sqlite_engine(address)
    else:
        engine = _server(address, _POSTGRESQL_CONNECTION if address.kind == "postgresql" else _MARIADB_CONNECTION)
    return prepare(engine, wait_milliseconds, address.synchronous)


def prepare(engine: sa.Engine, wait_milliseconds: int, synchronous: str | None = None) -> Opened:
    """Have an engine that nobody else uses do as our transactions need.

    Args:
        engine: Nothing is connected yet. To a server, made with ``ISOLATION``.
        wait_milliseconds: How long a transaction waits for a lock.
        synchronous: See ``Address``.
    """
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, synchronous, wait_milliseconds)
        return _opened_sqlite(engine, engine.connect, engine.dispose)
    if engine.dialect.name == "postgresql":
        _begin_postgresql(engine, synchronous, wait_milliseconds)
    else:
        _prepare_mariadb(engine, wait_milliseconds)
        _begin_mariadb(engine)
    return Opened(engine, engine.connect, nullcontext(), nullcontext(), engine.dispose)


def borrow(engine: sa.Engine, wait_milliseconds: int) -> Opened:
    """Use a host's engine, and leave it and its connections as they are: what our transactions need, each says itself.

    Args:
        engine: The host's; it is never disposed of here.
        wait_milliseconds: How long a transaction waits for a lock, where that can be said for one transaction.
    """
    # Shares the pool; what is listened for here happens to our transactions only.
    if engine.dialect.name == "sqlite":
        ours = engine.execution_options()
        _begin_sqlite(ours, None)
        opened = _opened_sqlite(ours, partial(_with_our_pragmas, ours, wait_milliseconds), _nothing)
    else:
        ours = engine.execution_options(isolation_level=ISOLATION)
        if engine.dialect.name == "postgresql":
            _begin_postgresql(ours, None, wait_milliseconds)
        else:
            _begin_mariadb(ours)
        opened = Opened(ours, ours.connect, nullcontext(), nullcontext(), _nothing)
    # A host that has its engine echo statements would log titles (I-39).
    ours.hide_parameters = True
    return opened


def check_server(connection: sa.Connection) -> None:
    """Raises ConfigurationError for a server that can't keep what we give it."""
    if connection.dialect.name == "postgresql":
        if connection.exec_driver_sql("SHOW server_encoding").scalar() != "UTF8":
            raise ConfigurationError("store url: this PostgreSQL database can't keep any text: make it with UTF8")
    elif connection.dialect.name != "sqlite":
        version, mode = connection.exec_driver_sql("SELECT VERSION(), @@sql_mode").one()
        if "mariadb" not in str(version).lower():
            raise ConfigurationError("store url: this is a MySQL server; calsync-core works with MariaDB")
        if "STRICT_" not in str(mode):
            raise ConfigurationError(
                "store url: these MariaDB sessions cut off what does not fit: set a strict sql_mode"
            )


def _nothing() -> None:
    pass


def _server(address: Address, defaults: dict[str, int]) -> sa.Engine:
    said = {name: value for name, value in defaults.items() if name not in address.url.query}
    return sa.create_engine(
        address.url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=address.pool_size,
        max_overflow=0,
        connect_args=said,
        isolation_level=ISOLATION,
    )


def _begin_postgresql(engine: sa.Engine, synchronous: str | None, wait_milliseconds: int) -> None:
    # Said in each transaction, not in each session: a pooler between us and the server shares sessions with others.
    patience = (
        f"set_config('lock_timeout', '{wait_milliseconds}', true), "
        f"set_config('idle_in_transaction_session_timeout', '{_IDLE_SECONDS}s', true)"
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get(WRITES, False):
            hard = synchronous == "full" or (synchronous is None and options.get(PROMISED, False))
            soft = "" if hard else ", set_config('synchronous_commit', 'off', true)"
            connection.exec_driver_sql(f"SELECT {patience}{soft}")


def _prepare_mariadb(engine: sa.Engine, wait_milliseconds: int) -> None:
    wait = max(1, wait_milliseconds // 1000)
    # What can't be kept is an error, whatever the server's default: it may also cut it off and go on. A MySQL server,
    # which does not know what is in the comment, is to come as far as ``check_server``.
    session = (
        f"SET SESSION innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {2 * wait}, "
        f"/*M! idle_write_transaction_timeout = {_IDLE_SECONDS}, */ default_storage_engine = InnoDB, "
        "sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION')"
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(session)


def _begin_mariadb(engine: sa.Engine) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(READS, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _sqlite_engine(address: Address) -> sa.Engine:
    options: dict[str, Any] = {"hide_parameters": True}
    if _in_memory(address.url):
        options |= {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = sa.create_engine(address.url, **options)

    @event.listens_for(engine, "connect")
    def _side_by_side(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL").close()

    return engine


def _prepare_sqlite(engine: sa.Engine, synchronous: str | None, wait_milliseconds: int) -> None:
    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # SQLAlchemy's documented recipe: pysqlite must not begin transactions by itself, or it would begin them late.
        connection.isolation_level = None
        for name, value in _pragmas(wait_milliseconds, synchronous).items():
            connection.execute(f"PRAGMA {name} = {value}").close()

    _begin_sqlite(engine, synchronous)


def _pragmas(wait_milliseconds: int, synchronous: str | None) -> dict[str, object]:
    return {"busy_timeout": wait_milliseconds, "foreign_keys": 1, "synchronous": synchronous or "normal"}


@contextmanager
def _with_our_pragmas(engine: sa.Engine, wait_milliseconds: int) -> Iterator[sa.Connection]:
    """A connection of the host's that gets its own ways back."""
    with engine.connect() as connection:
        connection.info.pop(_SYNCHRONOUS, None)
        driver: Any = connection.connection.dbapi_connection
        ours = _pragmas(wait_milliseconds, None)
        theirs = {name: driver.execute(f"PRAGMA {name}").fetchone()[0] for name in ours}
        try:
            for name, value in ours.items():
                driver.execute(f"PRAGMA {name} = {value}").close()
            yield connection
        finally:
            for name, value in theirs.items():
                driver.execute(f"PRAGMA {name} = {value}").close()


def _begin_sqlite(engine: sa.Engine, synchronous: str | None) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        writes, promised = options.get(WRITES, False), options.get(PROMISED, False)
        needed = "full" if promised else "normal"
        if writes and synchronous is None and connection.info.get(_SYNCHRONOUS) != needed:
            # It holds for this connection until it is set again: each writer says what it needs.
            connection.exec_driver_sql(f"PRAGMA synchronous = {needed}")
            connection.info[_SYNCHRONOUS] = needed
        # A transaction that reads first and writes then could neither go on nor wait.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _opened_sqlite(
    engine: sa.Engine, connect: Callable[[], AbstractContextManager[sa.Connection]], close: Callable[[], None]
) -> Opened:
    # One connection can't have two transactions; many can't have two writers, and waiting here is fairer.
    in_memory = _in_memory(engine.url)
    lock = threading.RLock() if in_memory else threading.Lock()
    return Opened(engine, connect, lock, lock if in_memory else nullcontext(), close)


def _in_memory(url: sa.URL) -> bool:
    return url.database in {None, "", ":memory:"}
