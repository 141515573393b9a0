"""Brings a database's tables to the revision that this version of the code expects."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from calsync_core.errors import ConfigurationError

__all__ = ["VERSION_TABLE", "bring_up_to_date", "migration_config"]

VERSION_TABLE = "calsync_version"
"""Not Alembic's default name: the host may keep its own tables, and its own revisions, in the same database."""


def migration_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in this package; no ``alembic.ini`` is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def bring_up_to_date(connection: sa.Connection, *, migrate: bool) -> None:
    """Create or upgrade the tables in one transaction, or only check them.

    Raises:
        ConfigurationError: the database was made by a newer version, or is behind and must not be changed.
    """
    config = migration_config(connection)
    script = ScriptDirectory.from_config(config)
    with connection.begin():
        found = _revision(connection)
        if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
            raise ConfigurationError("store url: this database was written by a newer version of calsync-core")
        if found == script.get_current_head():
            return
        if not migrate:
            state = "has no tables yet" if found is None else "needs an upgrade"
            raise ConfigurationError(f"store url: this database {state}, and migrate is off")
        command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()
