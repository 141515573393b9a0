"""One database: opened on first use in each process, its transactions, and which of them are tried again."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy import exc

from calsync_core.errors import ConfigurationError, InsideTransaction, InvalidValue
from calsync_core.stores.sql.address import check_engine, parse_address
from calsync_core.stores.sql.opening import LEASES, PROMISED, READS, WRITES, Opened, borrow, open_database
from calsync_core.stores.sql.schema import bring_up_to_date
from calsync_core.stores.sql.trouble import Contended, in_our_words

__all__ = ["Database", "find_database"]

_BUSY_MILLISECONDS = 30_000
_TRIES = 6
_FIRST_PAUSE = 0.01

_MIGRATE = "open it once with migrate on"

T = TypeVar("T")


class Database:
    """Where a ``SQLStore`` keeps its rows.

    Args:
        url: Where that is; shown by the store's repr.
        begin: Called on first use in each process with how many milliseconds to wait for a lock.
        upgrade: What the host brings the tables up to date with; None: the first use does. See ``bring_up_to_date``.
    """

    def __init__(self, url: sa.URL, begin: Callable[[int], Opened], *, upgrade: str | None = None) -> None:
        self.url = url
        self._begin = begin
        self._upgrade = upgrade
        self._opened: Opened | None = None
        self._opening = threading.Lock()
        self._here = threading.local()
        _databases.add(self)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one state of the database.

        Raises:
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        return self._transaction(writes=False)

    def writing(self, *, promised: bool = False) -> AbstractContextManager[sa.Connection]:
        """A transaction that may change the database; committed when the block ends, undone when it raises.

        Args:
            promised: Somebody outside relies on it from then on, and must not be let down by a power failure.

        Raises:
            Contended: another transaction was in the way; this one may be tried again.
            StoreError: the database can't do it now.
            ConfigurationError: it can't be opened, or its tables are not what this version expects.
        """
        return self._transaction(writes=True, promised=promised)

    @contextmanager
    def _transaction(self, *, writes: bool, promised: bool = False) -> Iterator[sa.Connection]:
        with self._translated():
            if self.joined:
                # What fails is undone alone, and leaves the host its transaction.
                with self._joint() as theirs, theirs.begin_nested():
                    yield theirs
                return
            around = self._around
            if around is not None:
                yield around.admit(writes=writes, promised=promised)
                return
            opened = self._open()
            options = {WRITES: True, PROMISED: promised, LEASES: {}} if writes else _reading(opened.engine)
            with (
                opened.writing if writes else opened.reading,
                opened.connect() as connection,
                connection.execution_options(**options).begin(),
            ):
                yield connection

    def together(self, call: Callable[[], T], *, writes: bool) -> T:
        """Have the transactions that this thread begins in ``call`` be one, which is tried again as one."""
        if self.joined or self._around is not None:
            return call()

        def once() -> T:
            with self._transaction(writes=writes) as connection:
                self._here.around = _Around(connection, writes)
                try:
                    return call()
                finally:
                    self._here.around = None

        return self.repeat(once)

    @property
    def is_part(self) -> bool:
        """Whether this thread's next transaction is a part of another one of ours, which is repeated as a whole."""
        return self._around is not None

    @property
    def _around(self) -> _Around | None:
        return getattr(self._here, "around", None)

    @property
    def joined(self) -> bool:
        """Whether this thread's calls are part of a transaction of the host's."""
        return getattr(self._here, "theirs", None) is not None

    def _joint(self) -> AbstractContextManager[sa.Connection]:
        """The host's connection, for one part of its transaction."""
        return nullcontext(self._here.theirs)

    @contextmanager
    def joining(self, connection: sa.Connection) -> Iterator[None]:
        """Have this thread's transactions be parts of the host's until the block ends.

        Raises:
            InvalidValue: names ``connection``: it is to another kind of database.
        """
        if _kind(connection.dialect.name) != _kind(self.url.get_backend_name()):
            raise InvalidValue("connection: it is to another kind of database than the store's")
        with self._translated():
            self._open()
            _begin_in_earnest(connection)
        before, self._here.theirs = getattr(self._here, "theirs", None), connection
        try:
            yield
        finally:
            self._here.theirs = before

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
                self._opened.close()
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
        opened = self._begin(_BUSY_MILLISECONDS)
        try:
            with _connected(opened) as connection:
                bring_up_to_date(connection, by=self._upgrade)
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.StatementError, exc.TimeoutError, exc.PendingRollbackError) as error:
            raise in_our_words(error) from None


@frozen
class _Around:
    """A transaction that others of its thread are parts of."""

    connection: sa.Connection
    writes: bool

    def admit(self, *, writes: bool, promised: bool) -> sa.Connection:
        """The connection, for a part of that kind. Raises InsideTransaction where the whole is of another one."""
        if promised or writes > self.writes:
            raise InsideTransaction("this can't be a part of this transaction: see TransactionStore.together")
        return self.connection


@contextmanager
def _connected(opened: Opened) -> Iterator[sa.Connection]:
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(opened.connect())
        except TypeError:
            # A driver's way to say that it does not know an option.
            raise ConfigurationError("store url: its driver does not know an option in it") from None
        yield connection


def _begin_in_earnest(connection: sa.Connection) -> None:
    """Unless told otherwise, pysqlite begins with the first change; a savepoint before that would be all there is, and
    committed when it ends.
    """
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _kind(name: str) -> str:
    """MariaDB goes by its own dialect's name and by MySQL's."""
    return "mariadb" if name == "mysql" else name


def _reading(engine: sa.Engine) -> dict[str, Any]:
    if engine.dialect.name == "postgresql":
        # Said with BEGIN, it costs no question.
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {READS: True}


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[Opened] = []


def find_database(where: str | sa.Engine, *, migrate: bool = True) -> Database:
    """What is at an SQLAlchemy URL (see ``SQLStore`` for what else may be said in it), or behind the host's engine.

    Args:
        where: Which.
        migrate: Create or upgrade the tables on first use.

    Raises:
        ConfigurationError: names ``store url``: it can't be parsed, its driver is not installed, or is none of those
            that a store works with.
    """
    upgrade = None if migrate else _MIGRATE
    if isinstance(where, sa.Engine):
        check_engine(where)
        return Database(where.url, partial(borrow, where), upgrade=upgrade)
    address = parse_address(where)
    return Database(address.url, partial(open_database, address), upgrade=upgrade)


def _after_fork() -> None:
    for database in list(_databases):
        database.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
