"""Runs the migrations on the connection that ``calsync_core.stores.sql.migrating`` gives, inside its transaction."""

from __future__ import annotations

from alembic import context

from calsync_core.stores.sql.schema import VERSION_TABLE
from calsync_core.stores.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
