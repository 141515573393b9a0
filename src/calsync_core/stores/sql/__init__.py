"""A store in a SQL database, through SQLAlchemy Core. Needs the extra ``sql``, ``postgresql`` or ``mariadb``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from calsync_core.stores.sql.blocks import SQLBlocks
from calsync_core.stores.sql.credentials import SQLCredentials
from calsync_core.stores.sql.database import find_database
from calsync_core.stores.sql.directory import SQLDirectory
from calsync_core.stores.sql.events import SQLEvents
from calsync_core.stores.sql.inbox import SQLInbox
from calsync_core.stores.sql.notices import SQLNotices
from calsync_core.stores.sql.plans import SQLPlans
from calsync_core.stores.sql.push import SQLPush
from calsync_core.stores.sql.work import SQLLeases, SQLRuns

__all__ = ["SQLStore"]


class SQLStore(
    SQLDirectory,
    SQLEvents,
    SQLBlocks,
    SQLPlans,
    SQLPush,
    SQLInbox,
    SQLNotices,
    SQLLeases,
    SQLCredentials,
    SQLRuns,
):
    """Everything ``Store`` asks for, in a SQL database: SQLite (a file, or ``sqlite:///:memory:``), PostgreSQL (extra
    ``postgresql``) or MariaDB (extra ``mariadb``).

    Nothing is opened before the first use in each process, so a store made before a fork works after it (an in-memory
    database starts empty there). Writers that are in each other's way wait, up to 30 seconds.

    All tables have names that begin with ``calsync_``, so that a database may be the host's own.

    Args:
        database: An SQLAlchemy engine of the host's, which then shares its connections; or a URL, like
            ``sqlite:///calsync.db``, ``postgresql+psycopg://user@host/name`` or ``mysql+pymysql://user@host/name``.
            In a URL, ``?synchronous=`` sets how hard each commit is pressed to the disk:
            ``off``, ``normal`` or ``full`` for SQLite, ``off`` or ``full`` (what the server does by itself) for
            PostgreSQL. Unless said, ``full`` for what was promised to somebody (notifications that were answered,
            renewed logins), and ``normal`` or ``off`` for the rest: every commit survives the end of the process, and
            a power failure may take the store back by a moment, which is what a returned backup does. ``?pool_size=``
            bounds the connections of each process to a server, 10 unless said.
        migrate: Create or upgrade the tables on first use. If False, tables that are not up to date are a
            ConfigurationError.

    Raises:
        ConfigurationError: names ``store url``: it can't be parsed, its driver is not installed; on first use also:
            the server refuses it, it is no database, or it was written by a newer version.
    """

    def __init__(self, database: str | sa.Engine, *, migrate: bool = True) -> None:
        super().__init__(find_database(database, migrate=migrate))

    def __repr__(self) -> str:
        # A driver's options may hold a password, too.
        return f"SQLStore({self._database.url.set(query={}).render_as_string(hide_password=True)!r})"

    @contextmanager
    def inside(self, connection: sa.Connection) -> Iterator[None]:
        """Have a push taken in by a transaction of the host's own: ``engine.accept_push`` in this block, and in this
        thread, writes on the host's connection, and the host commits. Only then may the provider be answered.

        ::

            with host_engine.begin() as connection:
                connection.execute(...)
                with store.inside(connection):
                    receipt = engine.accept_push("google", request)

        A transaction can't wait for a provider, so nothing else of the engine can be called here.

        Args:
            connection: Of an engine or session of the host's, to the database that this store is in.

        Raises:
            InvalidValue: names ``connection``: it is to another kind of database.
            InsideTransaction: anything but a push was asked for; raised by the call in the block.
            StoreError: also for a push in the block, where another transaction was in the way: roll back, and have the
                provider send it again.
        """
        with self._database.joining(connection):
            yield

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones. A host's engine is left alone."""
        self._database.close()
