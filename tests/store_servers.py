"""Databases on real servers, each made for one session of tests (with xdist: for one worker) and dropped after it.

Where a server is, the environment says, or it is where its packages put it: see ``SERVERS``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from calsync_core.stores.sql.tables import metadata

__all__ = ["KINDS", "empty", "new_database"]

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


def empty(engine: sa.Engine) -> None:
    """Delete all rows: faster than making the tables again, and ids go on."""
    with engine.connect() as connection, connection.begin():
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
