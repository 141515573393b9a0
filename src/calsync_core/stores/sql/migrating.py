"""Runs the migrations of this package. Loading Alembic takes longer than a sync that finds nothing new, and most
databases need none of it: it is imported with the first that does.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from calsync_core.errors import ConfigurationError
from calsync_core.stores.sql.opening import check_server
from calsync_core.stores.sql.schema import REVISION, VERSION_TABLE, alone, revision_of
from calsync_core.stores.sql.trouble import code_of

__all__ = ["check_known", "downgrade_to", "migration_config", "upgrade", "upgrade_to"]

_upgrading = threading.Lock()
_THERE_ALREADY = ("42P07", "42701", "1050", "1060", "1061")


def migration_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in this package; no ``alembic.ini`` is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def check_known(revision: str | None) -> None:
    """Refuse to work with tables of a version that is not known here.

    Raises:
        ConfigurationError: the database was made by a newer version.
    """
    known = {each.revision for each in ScriptDirectory.from_config(migration_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError("store url: this database was written by a newer version of calsync-core")


def upgrade(connection: sa.Connection) -> None:
    """Create or upgrade the tables, unless another process has done it meanwhile.

    Args:
        connection: In a transaction that writes.

    Raises:
        ConfigurationError: a table or column that is to be made is there already.
    """
    # Alembic's context belongs to the process: not even two databases can be upgraded at once.
    with _upgrading, alone(connection):
        found = revision_of(connection)
        check_known(found)
        if found != REVISION:
            _upgrade(connection, REVISION)


def _upgrade(connection: sa.Connection, revision: str) -> None:
    try:
        command.upgrade(migration_config(connection), revision)
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
    script = ScriptDirectory.from_config(migration_config())
    check_server(connection)
    with _upgrading:
        found = revision_of(connection)
        check_known(found)
        if found is None or revision not in {each.revision for each in script.walk_revisions("base", found)}:
            _upgrade(connection, revision)


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


def _after_fork() -> None:
    global _upgrading  # noqa: PLW0603  (another thread of the parent may have held it)
    _upgrading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
