"""Empty databases to measure on, what they did, and the plain driver beside SQLAlchemy."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

__all__ = ["DATABASES", "Plain", "kept_tidy", "looked_through", "new_database", "stored"]

DATABASES = ("sqlite", "postgresql")
_A_MINUTE = 60.0
_POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[str | None]:
    """The URL of an empty one, dropped afterwards; None if there is no server.

    PostgreSQL is where ``CALSYNC_TEST_POSTGRESQL`` says, or at its usual place.
    """
    name = f"calsync_bench_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    url = sa.make_url(os.environ.get("CALSYNC_TEST_POSTGRESQL", _POSTGRESQL))
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except (DBAPIError, ImportError):
        yield None
        return
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


def stored(url: str) -> int:
    """Bytes of a database."""
    if _is_sqlite(url):
        return Path(str(sa.make_url(url).database)).stat().st_size
    return int(_told(url, "SELECT pg_database_size(current_database())"))


def looked_through(url: str) -> float:
    """What PostgreSQL has looked through in our tables so far, in thousands of rows and entries of indexes; 0 for
    SQLite, which tells each connection.
    """
    if _is_sqlite(url):
        return 0.0
    # Sessions tell what they did when they end, and that they do a moment after we left them.
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    while _told(url, others):
        time.sleep(0.05)
    rows = _told(url, "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables")
    # Each row that an index led to was an entry of it first.
    entries = _told(url, "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes")
    return (int(rows) + int(entries)) / 1_000


@contextmanager
def kept_tidy(url: str) -> Iterator[None]:
    """Do for PostgreSQL every minute what its own housekeeper does then, if it is on: until then it plans as for tables
    without rows.
    """
    over = threading.Event()

    def keep() -> None:
        while not over.wait(_A_MINUTE):
            _told(url, "VACUUM ANALYZE")

    keeper = threading.Thread(target=keep, daemon=True)
    if not _is_sqlite(url):
        keeper.start()
    yield
    over.set()
    if not _is_sqlite(url):
        keeper.join()
        _told(url, "VACUUM ANALYZE")


def _told(url: str, question: str) -> Any:
    server = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with closing(server.connect()) as connection:
        answer = connection.exec_driver_sql(question)
        return answer.scalar() if answer.returns_rows else None


def _is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


class Plain:
    """One connection of the driver itself, with the store's own settings: what a database can do at best.

    Args:
        url: Of a database that a store has made its tables in.
        promised: Each commit is to outlast a power failure, as what an endpoint has answered must.
    """

    def __init__(self, url: str, *, promised: bool = False) -> None:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._held = engine.raw_connection()
        driver: Any = self._held.driver_connection
        self._driver = driver
        self._mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._begins = engine.dialect.name == "sqlite"
        if self._begins:
            self._driver.isolation_level = None
            self.execute("PRAGMA journal_mode = WAL")
            self.execute("PRAGMA foreign_keys = 1")
            self.execute(f"PRAGMA synchronous = {'full' if promised else 'normal'}")
        elif not promised:
            self.execute("SET synchronous_commit = off")
            self._driver.commit()

    def insertion(self, table: sa.Table, columns: Sequence[str]) -> str:
        """The statement that adds a row of these columns."""
        return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join([self._mark] * len(columns))})"  # noqa: S608  (names of ours)

    def update(self, table: sa.Table, column: str, key: str) -> str:
        """The statement that sets one column where another has some value."""
        return f"UPDATE {table.name} SET {column} = {self._mark} WHERE {key} = {self._mark}"  # noqa: S608  (names of ours)

    def selection(self, table: sa.Table, key: str) -> str:
        """The statement that reads the rows with some value of a column."""
        return f"SELECT * FROM {table.name} WHERE {key} = {self._mark}"  # noqa: S608  (names of ours)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """One statement; returns its rows."""
        cursor = self._driver.execute(statement, values)
        rows = cursor.fetchall() if cursor.description else []
        cursor.close()
        return rows

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Of this connection; yields a cursor."""
        cursor = self._driver.cursor()
        if self._begins:
            cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        self._driver.commit()
        cursor.close()

    def close(self) -> None:
        """Give the connection back."""
        self._held.close()
