"""The project's own database, for the store: SQLAlchemy speaks, over connections that Django's backend makes.

Whatever ``DATABASES`` says of them holds: options, time-outs, roles, test databases, other people's backends. Each is
made by a copy of Django's connection, whose own ones and their transactions stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DjangoError
from django.utils.asyncio import async_unsafe
from django.utils.connection import ConnectionDoesNotExist
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from calsync_core.errors import CalsyncError, ConfigurationError, StoreError
from calsync_core.stores.sql.database import Database
from calsync_core.stores.sql.opening import ISOLATION, Opened, prepare

__all__ = ["DjangoDatabase", "borrowed"]

_MIGRATE = "run manage.py migrate"

_POOL_SIZE = 10
_SQLITE, _POSTGRESQL, _MARIADB = "sqlite", "postgresql", "mysql"
_MEMORY = ":memory:"
_NAMES = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")


class DjangoDatabase(Database):
    """One of ``DATABASES``.

    Connections are opened on first use in each process, at most ten; where the settings or the test runner name another
    database meanwhile, that is used from then on.

    Args:
        alias: Which.

    Raises:
        ConfigurationError: names ``DATABASES``: there is none of this name, or it is of a kind that is not supported.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(_url(self._own()), self._connect_to, upgrade=_MIGRATE)
        self._settings: dict[str, Any] = {}

    @property
    def joined(self) -> bool:
        """Whether this thread's calls are in a transaction of the project's, and become a part of it."""
        own = self._own()
        # Django turns it off for as long as a transaction is open, too.
        return super().joined or (own.connection is not None and not own.autocommit)

    @contextmanager
    def _joint(self) -> Iterator[sa.Connection]:
        if super().joined:
            with super()._joint() as connection:
                yield connection
            return
        self._open()
        with borrowed(self._own()) as connection:
            yield connection

    @async_unsafe("calsync_core can't be called from an event loop: use sync_to_async, or a thread.")
    def _open(self) -> Opened:
        if self._opened is not None and self._settings != _settings(self._own()):
            self.close()
        return super()._open()

    def _connect_to(self, wait_milliseconds: int) -> Opened:
        own = self._own()
        self._settings, self.url = _settings(own), _url(own)
        options: dict[str, Any] = {"creator": lambda: _new_connection(self._own()), "hide_parameters": True}
        if self.url.database == _MEMORY:
            options["poolclass"] = StaticPool
        else:
            options |= {"poolclass": QueuePool, "pool_size": _POOL_SIZE, "max_overflow": 0}
        if own.vendor != _SQLITE:
            options |= {"pool_pre_ping": True, "isolation_level": ISOLATION}
        engine = sa.create_engine(self.url, **options)
        _leave_datetimes(engine.dialect)
        return prepare(engine, wait_milliseconds)

    def _own(self) -> BaseDatabaseWrapper:
        """Django's connection of this thread."""
        try:
            return connections[self.alias]
        except ConnectionDoesNotExist:
            raise ConfigurationError(f"DATABASES: has no {self.alias!r}, which CALSYNC names") from None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A host of this kind knows no store's URL."""
        try:
            with super()._translated():
                yield
        except ImproperlyConfigured as error:
            raise ConfigurationError(f"DATABASES[{self.alias!r}]: {error}") from None
        except (ConfigurationError, StoreError) as error:
            raise _renamed(error, f"DATABASES[{self.alias!r}]: ") from None


def _renamed(error: CalsyncError, place: str) -> CalsyncError:
    said = str(error)
    return type(error)(place + said.removeprefix("store url: ")) if said.startswith("store url: ") else error


def _settings(own: BaseDatabaseWrapper) -> dict[str, Any]:
    return {name: own.settings_dict.get(name) for name in _NAMES}


def _new_connection(own: BaseDatabaseWrapper) -> Any:
    """As Django makes one: its copy sets it up and tells ``connection_created``, and is then no longer needed."""
    if own.settings_dict["NAME"] == _MEMORY:
        raise ImproperlyConfigured("in memory, each connection has a database of its own: name a file")
    made = own.copy()
    # A connection of Django's own pool would have to be given back to it.
    made.settings_dict["OPTIONS"].pop("pool", None)
    try:
        made.connect()
    except DjangoError as error:
        raise (error.__cause__ or error) from None
    return made.connection


def _dialect_of(own: BaseDatabaseWrapper) -> str:
    """SQLAlchemy's name of the database and driver.

    Raises:
        ConfigurationError: names ``DATABASES``: the store does not work with it.
    """
    if own.vendor == _SQLITE:
        return "sqlite"
    if own.vendor == _MARIADB:
        return "mysql+mysqldb"
    if own.vendor == _POSTGRESQL:
        from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415  (needs the driver)

        return "postgresql+psycopg" if is_psycopg3 else "postgresql+psycopg2"
    raise ConfigurationError(
        f"DATABASES[{own.alias!r}]: calsync-core works with SQLite, PostgreSQL and MariaDB, not with {own.vendor}"
    )


def _url(own: BaseDatabaseWrapper) -> sa.URL:
    """Where it is, for those who look at the store; nobody connects by it."""
    name = own.settings_dict["NAME"]
    if own.vendor != _SQLITE:
        settings = own.settings_dict
        return sa.URL.create(_dialect_of(own), settings["USER"] or None, None, settings["HOST"] or None, None, name)
    return sa.URL.create(_dialect_of(own), database=_MEMORY if own.is_in_memory_db() else str(name))  # type: ignore[attr-defined]  # SQLite's wrapper has it


class _Datetimes(sqlite.DATETIME):
    """Django has SQLite's driver read datetimes; SQLAlchemy would read them itself."""

    cache_ok = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        """Either is right."""
        read: Any = super().result_processor(dialect, coltype)

        def either(value: Any) -> datetime | None:
            return value if value is None or isinstance(value, datetime) else read(value)

        return either


def _leave_datetimes(dialect: sa.Dialect) -> None:
    if dialect.name == _SQLITE:
        dialect.colspecs = {**dialect.colspecs, sa.DateTime: _Datetimes}


@contextmanager
def borrowed(own: BaseDatabaseWrapper) -> Iterator[sa.Connection]:
    """Django's own connection as SQLAlchemy's: what is done there is part of the transaction that Django is in."""
    engine = sa.create_engine(_url(own), creator=lambda: own.connection, poolclass=NullPool, hide_parameters=True)
    dialect: Any = engine.dialect
    _leave_datetimes(dialect)
    # Neither its transaction nor the connection is SQLAlchemy's to end.
    dialect.do_commit = dialect.do_rollback = dialect.do_close = dialect.do_terminate = _nothing
    with engine.connect() as connection:
        yield connection


def _nothing(_: object) -> None:
    pass
