"""Databases on real servers, each made for one session of tests (with xdist: for one worker) and dropped after it.

Where a server is, the environment says, or it is where its packages put it: see ``SERVERS``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import metadata

__all__ = ["KINDS", "Rows", "bring_back", "empty", "new_database", "snapshot"]

SERVERS = {
    "postgresql": ("CALSYNC_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("CALSYNC_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/"),
}
"""The variable with an SQLAlchemy URL whose user may create databases; and where a server is sought without it."""

KINDS = tuple(SERVERS)
_PATIENCE = {"connect_timeout": 5}


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    """An empty database's URL. Skips the test if there is no server."""
    variable, usual = SERVERS[kind]
    url = sa.make_url(os.environ.get(variable) or usual)
    name = f"calsync_test_{secrets.token_hex(6)}"
    quoted = f'"{name}"' if kind == "postgresql" else name
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "connect_args": _PATIENCE, "poolclass": sa.NullPool}
    try:
        server = sa.create_engine(url, **options)
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    except (DBAPIError, ImportError) as error:
        pytest.skip(f"no {kind} server ({variable}): {type(getattr(error, 'orig', error)).__name__}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {quoted}{' WITH (FORCE)' if kind == 'postgresql' else ''}")


Rows: TypeAlias = dict[str, list[dict[str, Any]]]
"""Of each table."""


def snapshot(store: SQLStore) -> Rows:
    """All rows as they are at one moment: a backup."""
    with store._database.reading() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
            for table in metadata.sorted_tables
        }


def bring_back(store: SQLStore, rows: Rows) -> None:
    """Return a backup; ids go on from where they were when it was made."""
    with store._database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
        for table in metadata.sorted_tables:
            if rows[table.name]:
                connection.execute(sa.insert(table), rows[table.name])
            if connection.dialect.name == "postgresql" and table.autoincrement_column is not None:
                last = max((row["id"] for row in rows[table.name]), default=1)
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})")


def empty(engine: sa.Engine) -> None:
    """Delete all rows: faster than making the tables again, and ids go on."""
    with engine.connect() as connection, connection.begin():
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
