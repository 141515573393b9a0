"""What a Django migration does to the tables: the store's own migrations do it."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from calsync_core.contrib.django.database import borrowed
from calsync_core.errors import CalsyncError
from calsync_core.stores.sql.migrating import downgrade_to, upgrade_to

__all__ = ["UpgradeTables"]


class UpgradeTables(Operation):
    """Bring the tables to a revision of the store's, unless they have passed it: a database that a ``SQLStore`` of this
    project's used before is taken over as it is.

    Args:
        revision: The store's.
        before: The one to go back to; None: there were no tables.
    """

    reduces_to_sql = False
    reversible = True

    def __init__(self, revision: str, before: str | None = None) -> None:
        self.revision = revision
        self.before = before

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: the state is said beside this."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,  # noqa: ARG002  (Django's signature)
        to_state: ProjectState,  # noqa: ARG002  (Django's signature)
    ) -> None:
        """Upgrade."""
        own = schema_editor.connection
        if not router.allow_migrate(own.alias, app_label):
            return
        try:
            with borrowed(own) as connection:
                upgrade_to(connection, self.revision)
        except CalsyncError as error:
            raise CommandError(str(error)) from None

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,  # noqa: ARG002  (Django's signature)
        to_state: ProjectState,  # noqa: ARG002  (Django's signature)
    ) -> None:
        """Downgrade."""
        own = schema_editor.connection
        if router.allow_migrate(own.alias, app_label):
            with borrowed(own) as connection:
                downgrade_to(connection, self.before)

    def describe(self) -> str:
        """For ``manage.py sqlmigrate`` and the like."""
        return f"Bring calsync-core's tables to revision {self.revision}"
