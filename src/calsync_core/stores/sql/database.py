"""One database: opened on first use in each process, its transactions, and which of them are tried again."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from calsync_core.errors import ConfigurationError
from calsync_core.stores.sql.address import parse_address
from calsync_core.stores.sql.opening import PROMISED, READS, WRITES, Opened, open_database
from calsync_core.stores.sql.schema import bring_up_to_date
from calsync_core.stores.sql.trouble import Contended, in_our_words

__all__ = ["Database"]

_BUSY_MILLISECONDS = 30_000
_TRIES = 6
_FIRST_PAUSE = 0.01

T = TypeVar("T")


class Database:
    """Where a ``SQLStore`` keeps its rows.

    Args:
        url: An SQLAlchemy URL; see ``SQLStore`` for what else may be said in it.
        migrate: Create or upgrade the tables on first use.

    Raises:
        ConfigurationError: names ``store url``: it can't be parsed, or its driver is not installed.
    """

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self._address = parse_address(url)
        self._migrate = migrate
        self._opened: Opened | None = None
        self._opening = threading.Lock()
        _databases.add(self)

    @property
    def url(self) -> sa.URL:
        """Where it is."""
        return self._address.url

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database.

        Raises:
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        with self._translated():
            opened = self._open()
            with opened.reading, opened.engine.connect() as connection:
                connection.execution_options(**_reading(opened.engine))
                with connection.begin():
                    yield connection

    @contextmanager
    def writing(self, *, promised: bool = False) -> Iterator[sa.Connection]:
        """A transaction that may change the database; committed when the block ends, undone when it raises.

        Args:
            promised: Somebody outside relies on it from then on, and must not be let down by a power failure.

        Raises:
            Contended: another transaction was in the way; this one may be tried again.
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        with self._translated():
            opened = self._open()
            with opened.writing, opened.engine.connect() as connection:
                connection.execution_options(**{WRITES: True, PROMISED: promised})
                with connection.begin():
                    yield connection

    def repeat(self, call: Callable[[], T]) -> T:
        """Do what is one transaction and nothing else; where another one was in the way, a few times.

        Two that wait for each other are never quite ruled out; a database ends one of them, and tells it to come again.
        """
        give_up = time.monotonic() + _BUSY_MILLISECONDS / 1000
        for attempt in range(_TRIES - 1):
            try:
                return call()
            except Contended:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311  (spreads load, guards nothing)
        return call()

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

    def _open(self) -> Opened:
        opened = self._opened
        if opened is None:
            with self._opening:
                opened = self._opened
                if opened is None:
                    opened = self._connect()
                    self._opened = opened
        return opened

    def _connect(self) -> Opened:
        opened = open_database(self._address, _BUSY_MILLISECONDS)
        try:
            with _connection(opened.engine) as connection:
                bring_up_to_date(connection.execution_options(**{WRITES: True}), migrate=self._migrate)
        except BaseException:
            opened.engine.dispose()
            raise
        return opened

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.StatementError, exc.TimeoutError) as error:
            raise in_our_words(error) from None


def _connection(engine: sa.Engine) -> sa.Connection:
    try:
        return engine.connect()
    except TypeError:
        # A driver's way to say that it does not know an option.
        raise ConfigurationError("store url: its driver does not know an option in it") from None


def _reading(engine: sa.Engine) -> dict[str, Any]:
    if engine.dialect.name == "postgresql":
        # Said with BEGIN, it costs no question.
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {READS: True}


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[Opened] = []


def _after_fork() -> None:
    for database in list(_databases):
        database.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
