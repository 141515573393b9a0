"""Brings a database's tables to the revision that this version of the code expects."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.stores.sql.opening import WRITES, check_server
from calsync_core.stores.sql.trouble import code_of

__all__ = [
    "VERSION_TABLE",
    "bring_up_to_date",
    "downgrade_to",
    "head_revision",
    "migration_config",
    "upgrade_to",
]

VERSION_TABLE = "calsync_version"
"""Not Alembic's default name: the host may keep its own tables, and its own revisions, in the same database."""

_LOCK = 0x63616C73796E63  # "calsync"
_PATIENCE_SECONDS = 240
_upgrading = threading.Lock()
_THERE_ALREADY = ("42P07", "42701", "1050", "1060", "1061")


def migration_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in this package; no ``alembic.ini`` is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def bring_up_to_date(connection: sa.Connection, *, by: str | None) -> None:
    """Create or upgrade the tables in one transaction, or only check them.

    Args:
        connection: To the database, outside a transaction.
        by: What else brings them up to date: then they are only checked, and the error says to do that.

    Raises:
        ConfigurationError: the server can't be used, or the database was made by a newer version, or is behind and must
            not be changed.
    """
    config = migration_config(connection)
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    with connection.begin():
        check_server(connection)
        found = _revision(connection, script)
    if found == head:
        return
    if by is not None:
        state = "has no tables yet" if found is None else "needs an upgrade"
        raise ConfigurationError(f"store url: this database {state}: {by}")
    # Alembic's context belongs to the process: not even two databases can be upgraded at once.
    with _upgrading, connection.execution_options(**{WRITES: True}).begin(), _alone(connection):
        # Whoever was here before us did it for us.
        if _revision(connection, script) != head:
            _upgrade(config, "head")


def _upgrade(config: Config, revision: str) -> None:
    try:
        command.upgrade(config, revision)
    except exc.DBAPIError as error:
        if code_of(error.orig) in _THERE_ALREADY or " already exists" in str(error.orig):
            raise ConfigurationError(
                "store url: a table or column that an upgrade makes is there already: of another application, "
                "or left by an upgrade that was cut short"
            ) from None
        raise


def upgrade_to(connection: sa.Connection, revision: str) -> None:
    """Make the tables at least what they were at this revision, for a host that brings them up to date by its own ways.

    Args:
        connection: In the host's transaction, which keeps other processes away.
        revision: One of those in this package. Nothing is done where it was passed already.

    Raises:
        ConfigurationError: as ``bring_up_to_date``.
    """
    config = migration_config(connection)
    script = ScriptDirectory.from_config(config)
    check_server(connection)
    with _upgrading:
        found = _revision(connection, script)
        if found is None or revision not in _with_ancestors(script, found):
            _upgrade(config, revision)


def downgrade_to(connection: sa.Connection, revision: str | None) -> None:
    """Make the tables what they were at this revision; None: drop them all.

    Args:
        connection: As for ``upgrade_to``.
        revision: One of those in this package.
    """
    with _upgrading:
        command.downgrade(migration_config(connection), revision or "base")
    if revision is None:
        sa.Table(VERSION_TABLE, sa.MetaData()).drop(connection)


def head_revision() -> str:
    """The revision that this version of the code expects."""
    head = ScriptDirectory.from_config(migration_config()).get_current_head()
    assert head is not None  # noqa: S101  (they are in this package)
    return head


def _with_ancestors(script: ScriptDirectory, revision: str) -> set[str]:
    return {each.revision for each in script.walk_revisions("base", revision)}


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
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


def _revision(connection: sa.Connection, script: ScriptDirectory) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    found = context.get_current_revision()
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise ConfigurationError("store url: this database was written by a newer version of calsync-core")
    return found


def _after_fork() -> None:
    global _upgrading  # noqa: PLW0603  (another thread of the parent may have held it)
    _upgrading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
