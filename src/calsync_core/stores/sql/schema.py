"""Sees to it that a database's tables are at the revision that this version of the code expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.stores.sql.opening import WRITES, check_server

__all__ = ["REVISION", "VERSION_TABLE", "alone", "bring_up_to_date", "revision_of"]

REVISION = "0003"
"""The newest in ``migrations``, which need not be looked through to know it."""

VERSION_TABLE = "calsync_version"
"""Not Alembic's default name: the host may keep its own tables, and its own revisions, in the same database."""

_LOCK = 0x63616C73796E63  # "calsync"
_PATIENCE_SECONDS = 240


def bring_up_to_date(connection: sa.Connection, *, by: str | None) -> None:
    """Create or upgrade the tables in one transaction, or only check them.

    Args:
        connection: To the database, outside a transaction.
        by: What else brings them up to date: then they are only checked, and the error says to do that.

    Raises:
        ConfigurationError: the server can't be used, or the database was made by a newer version, or is behind and must
            not be changed.
    """
    with connection.begin():
        check_server(connection)
        found = revision_of(connection)
    if found == REVISION:
        return
    from calsync_core.stores.sql.migrating import check_known, upgrade  # noqa: PLC0415  (says why)

    check_known(found)
    if by is not None:
        state = "has no tables yet" if found is None else "needs an upgrade"
        raise ConfigurationError(f"store url: this database {state}: {by}")
    with connection.execution_options(**{WRITES: True}).begin():
        upgrade(connection)


def revision_of(connection: sa.Connection) -> str | None:
    """The revision of the tables that are there, as Alembic keeps it; None: there are none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
    return found


@contextmanager
def alone(connection: sa.Connection) -> Iterator[None]:
    """Keep every other process of ours from migrating this database. In SQLite, whoever may write is alone already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT set_config('lock_timeout', '{_PATIENCE_SECONDS}s', true)")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        yield
    elif connection.dialect.name != "sqlite":
        # Its locks have names for the whole server, of at most 64 characters.
        name = sa.func.concat(f"calsync {_LOCK} ", sa.func.md5(sa.func.database()))
        if connection.scalar(sa.select(sa.func.get_lock(name, _PATIENCE_SECONDS))) != 1:
            raise StoreError("the database can't do it now: another process is upgrading it")
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.execute(sa.select(sa.func.release_lock(name)))
    else:
        yield
