"""One database: opened on first use in each process, transactions, and its errors in our words."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy import event, exc
from sqlalchemy.pool import StaticPool

from calsync_core.errors import CalsyncError, ConfigurationError, StoreError
from calsync_core.stores.sql.schema import bring_up_to_date

__all__ = ["Database"]

_BUSY_MILLISECONDS = 30_000
_SYNCHRONOUS = ("off", "normal", "full")
_WRITES, _PROMISED = "calsync_writes", "calsync_promised"


@frozen(eq=False)
class _Opened:
    engine: sa.Engine
    writing: AbstractContextManager[Any]
    reading: AbstractContextManager[Any]


class Database:
    """Where a ``SQLStore`` keeps its rows.

    Args:
        url: An SQLAlchemy URL. For SQLite, ``?synchronous=off|normal|full`` sets how hard each commit is pressed to the
            disk. Unless said, ``full`` for what was promised to somebody (it survives a power failure), and ``normal``
            for the rest: after a power failure that is as it was a moment ago, as after the return of a backup (I-49).
        migrate: Create or upgrade the tables on first use.

    Raises:
        ConfigurationError: names ``store url``: it can't be parsed, or its driver is not installed.
    """

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.url, self._synchronous = _parsed(url)
        self._migrate = migrate
        self._opened: _Opened | None = None
        self._opening = threading.Lock()
        _databases.add(self)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database.

        Raises:
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        with self._translated():
            opened = self._open()
            with opened.reading, opened.engine.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def writing(self, *, promised: bool = False) -> Iterator[sa.Connection]:
        """A transaction that may change the database; committed when the block ends, undone when it raises.

        Args:
            promised: Somebody outside relies on it from then on, and must not be let down by a power failure.

        Raises:
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        with self._translated():
            opened = self._open()
            with opened.writing, opened.engine.connect() as connection:
                connection.execution_options(**{_WRITES: True, _PROMISED: promised})
                with connection.begin():
                    yield connection

    def close(self) -> None:
        """Close all connections of this process. The next use opens new ones."""
        with self._opening:
            if self._opened is not None:
                self._opened.engine.dispose()
                self._opened = None

    def begin_anew(self) -> None:
        """In a forked child: leave the parent's connections alone and open our own on next use."""
        if self._opened is not None:
            # Closing them here, even by garbage collection, would talk to the parent's server sessions.
            _inherited.append(self._opened)
        self._opened = None
        self._opening = threading.Lock()

    def _open(self) -> _Opened:
        opened = self._opened
        if opened is None:
            with self._opening:
                opened = self._opened
                if opened is None:
                    opened = self._connect()
                    self._opened = opened
        return opened

    def _connect(self) -> _Opened:
        if self.url.get_backend_name() != "sqlite":
            # Row locks give the order that matters; repeatable reads would only show stale rows after waiting for one.
            engine = sa.create_engine(
                self.url, hide_parameters=True, pool_pre_ping=True, isolation_level="READ COMMITTED"
            )
            opened = _Opened(engine, nullcontext(), nullcontext())
        else:
            opened = self._connect_sqlite()
        try:
            with opened.engine.connect() as connection:
                bring_up_to_date(connection.execution_options(**{_WRITES: True}), migrate=self._migrate)
        except BaseException:
            opened.engine.dispose()
            raise
        return opened

    def _connect_sqlite(self) -> _Opened:
        in_memory = self.url.database in {None, "", ":memory:"}
        options: dict[str, Any] = {"hide_parameters": True}
        if in_memory:
            options |= {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        engine = sa.create_engine(self.url, **options)
        synchronous = self._synchronous

        # SQLAlchemy's documented recipe: pysqlite must not begin transactions by itself, or it would begin them late,
        # and a transaction that reads first and writes then could neither go on nor wait.
        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: object) -> None:
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute(f"PRAGMA synchronous = {synchronous or 'normal'}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            options = connection.get_execution_options()
            writes, promised = options.get(_WRITES, False), options.get(_PROMISED, False)
            if writes and synchronous is None:
                # It holds for this connection until it is set again: each writer says what it needs.
                connection.exec_driver_sql(f"PRAGMA synchronous = {'full' if promised else 'normal'}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        # One connection can't have two transactions; many can't have two writers, and waiting here is fairer.
        lock = threading.RLock() if in_memory else threading.Lock()
        return _Opened(engine, lock, lock if in_memory else nullcontext())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.StatementError, exc.TimeoutError) as error:
            raise _in_our_words(error) from None


def _parsed(url: str) -> tuple[sa.URL, str | None]:
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect().import_dbapi()
    except (exc.ArgumentError, AttributeError, TypeError, ValueError):
        raise ConfigurationError("store url: not a database URL that can be used, like sqlite:///calsync.db") from None
    except ImportError as error:
        raise ConfigurationError(f"store url: its database driver is not installed: {error.name}") from None
    if parsed.get_backend_name() != "sqlite" or "synchronous" not in parsed.query:
        return parsed, None
    synchronous = str(parsed.query["synchronous"]).lower()
    if synchronous not in _SYNCHRONOUS:
        raise ConfigurationError(f"store url: synchronous must be one of {', '.join(_SYNCHRONOUS)}")
    return parsed.difference_update_query(["synchronous"]), synchronous


def _in_our_words(error: exc.SQLAlchemyError) -> CalsyncError:
    """What went wrong, without the statement or its values: they hold titles (I-39)."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, CalsyncError):
        return cause
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY")):
        return ConfigurationError(f"store url: this file can't be used as a database ({code})")
    what = f"{type(cause).__name__} {code}".strip() if cause is not None else type(error).__name__
    return StoreError(f"the database can't do it now: {what}")


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[_Opened] = []


def _after_fork() -> None:
    for database in list(_databases):
        database.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
