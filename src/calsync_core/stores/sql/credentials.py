"""Sealed logins in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from calsync_core.models import AccountId, Lease
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.rows import Role, fence, require_account

__all__ = ["SQLCredentials"]


class SQLCredentials(Role):
    """``CredentialStore`` in SQL."""

    def save_credential(self, lease: Lease, account_id: AccountId, sealed: str, at: datetime) -> None:
        """See ``CredentialStore.save_credential``."""
        table = tables.credentials
        with self._database.writing(promised=True) as connection:
            fence(connection, lease, at)
            require_account(connection, account_id)
            connection.execute(sa.delete(table).where(table.c.account_id == account_id))
            connection.execute(sa.insert(table).values(account_id=account_id, sealed=sealed, saved_at=at))

    def load_credential(self, account_id: AccountId) -> str | None:
        """See ``CredentialStore.load_credential``."""
        table = tables.credentials
        with self._database.reading() as connection:
            return connection.scalar(sa.select(table.c.sealed).where(table.c.account_id == account_id))

    def load_credentials(self) -> Mapping[AccountId, str]:
        """See ``CredentialStore.load_credentials``."""
        table = tables.credentials
        wanted = sa.select(table.c.account_id, table.c.sealed).order_by(table.c.account_id)
        with self._database.reading() as connection:
            return {row.account_id: row.sealed for row in connection.execute(wanted)}

    def delete_credential(self, lease: Lease, account_id: AccountId, at: datetime) -> None:
        """See ``CredentialStore.delete_credential``."""
        table = tables.credentials
        with self._database.writing(promised=True) as connection:
            fence(connection, lease, at)
            connection.execute(sa.delete(table).where(table.c.account_id == account_id))
