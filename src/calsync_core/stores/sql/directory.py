"""Accounts, calendars and rules in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from calsync_core.core.recording import touched_owners
from calsync_core.errors import InvalidValue
from calsync_core.models import Account, AccountId, Calendar, CalendarId, MirrorRule, Mode
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import (
    Role,
    account_of,
    calendar_of,
    forget_shape,
    insert,
    insert_one,
    lock_owners,
    mode_of,
    require_account,
    require_calendar,
)

__all__ = ["SQLDirectory"]


_ACCOUNT, _CALENDAR, _RULE = tables.accounts, tables.calendars, tables.rules
_ACCOUNTS = sa.select(_ACCOUNT).order_by(_ACCOUNT.c.id)
_ACCOUNTS_OF_OWNER = _ACCOUNTS.where(_ACCOUNT.c.owner == sa.bindparam("owner"))
_CALENDARS = sa.select(_CALENDAR).order_by(_CALENDAR.c.id)
_CALENDARS_OF_OWNER = _CALENDARS.where(_CALENDAR.c.owner == sa.bindparam("owner"))
_CALENDARS_OF_ACCOUNT = _CALENDARS.where(_CALENDAR.c.account_id == sa.bindparam("account_id"))
_RULES = sa.select(_RULE.c.value).where(_RULE.c.owner == sa.bindparam("owner")).order_by(_RULE.c.position)


class SQLDirectory(Role):
    """``DirectoryStore`` in SQL."""

    def save_account(self, account: Account) -> Account:
        """See ``DirectoryStore.save_account``."""
        table = tables.accounts
        columns = {
            "owner": account.owner,
            "name": account.name,
            "status": str(account.status),
            "value": encode(evolve(account, id=None)),
        }
        with self._database.writing() as connection:
            if account.id is not None:
                require_account(connection, account.id)
            same = sa.select(table.c.id).where(table.c.owner == account.owner, table.c.name == account.name)
            other = connection.scalar(same)
            if other is not None and other != account.id:
                raise InvalidValue(f"name: {account.owner!r} has an account {account.name!r} already")
            return evolve(account, id=_save(connection, table, account.id, columns))

    def load_account(self, account_id: AccountId) -> Account:
        """See ``DirectoryStore.load_account``."""
        with self._database.reading() as connection:
            return require_account(connection, account_id)

    def load_accounts(self, owner: str | None = None) -> list[Account]:
        """See ``DirectoryStore.load_accounts``."""
        statement = _ACCOUNTS if owner is None else _ACCOUNTS_OF_OWNER
        with self._database.reading() as connection:
            return [account_of(row) for row in connection.execute(statement, {"owner": owner})]

    def delete_account(self, account_id: AccountId) -> None:
        """See ``DirectoryStore.delete_account``. Foreign keys take along what belongs to it."""
        accounts, calendars = tables.accounts, tables.calendars
        with self._database.writing() as connection:
            owner = connection.scalar(sa.select(accounts.c.owner).where(accounts.c.id == account_id))
            if owner is None:
                return
            owners = connection.scalars(sa.select(calendars.c.owner).where(calendars.c.account_id == account_id))
            forget_shape(connection, {owner, *owners})
            connection.execute(sa.delete(accounts).where(accounts.c.id == account_id))

    def save_calendar(self, calendar: Calendar) -> Calendar:
        """See ``DirectoryStore.save_calendar``."""
        table = tables.calendars
        columns = {
            "account_id": calendar.account_id,
            "owner": calendar.owner,
            "remote_hash": digest(calendar.remote_id),
            "enabled": calendar.enabled,
            "value": encode(evolve(calendar, id=None)),
        }
        with self._database.writing() as connection:
            require_account(connection, calendar.account_id)
            before = None if calendar.id is None else require_calendar(connection, calendar.id)
            same = sa.select(table.c.id).where(
                table.c.account_id == calendar.account_id, table.c.remote_hash == columns["remote_hash"]
            )
            other = connection.scalar(same)
            if other is not None and other != calendar.id:
                raise InvalidValue(f"remote_id: account {calendar.account_id} has this calendar already")
            touched = touched_owners(before, calendar)
            lock_owners(connection, {calendar.owner, *touched})
            saved = evolve(calendar, id=_save(connection, table, calendar.id, columns))
            if before is None:
                insert(connection, tables.watches, [{"calendar_id": saved.key}])
            forget_shape(connection, touched)
            return saved

    def load_calendar(self, calendar_id: CalendarId) -> Calendar:
        """See ``DirectoryStore.load_calendar``."""
        with self._database.reading() as connection:
            return require_calendar(connection, calendar_id)

    def load_calendars(self, *, owner: str | None = None, account_id: AccountId | None = None) -> list[Calendar]:
        """See ``DirectoryStore.load_calendars``."""
        statement = _CALENDARS if owner is None else _CALENDARS_OF_OWNER
        if account_id is not None:
            statement = _CALENDARS_OF_ACCOUNT
        with self._database.reading() as connection:
            rows = connection.execute(statement, {"owner": owner, "account_id": account_id})
            found = [calendar_of(row) for row in rows]
        return [calendar for calendar in found if owner is None or calendar.owner == owner]

    def save_rules(self, owner: str, rules: Sequence[MirrorRule]) -> None:
        """See ``DirectoryStore.save_rules``."""
        table = tables.rules
        with self._database.writing() as connection:
            lock_owners(connection, {owner})
            if _rules(connection, owner) == list(rules):
                return
            connection.execute(sa.delete(table).where(table.c.owner == owner))
            rows = [{"owner": owner, "position": place, "value": encode(rule)} for place, rule in enumerate(rules)]
            insert(connection, table, rows)
            forget_shape(connection, {owner})

    def load_rules(self, owner: str) -> list[MirrorRule]:
        """See ``DirectoryStore.load_rules``."""
        with self._database.reading() as connection:
            return _rules(connection, owner)

    def save_mode(self, owner: str, mode: Mode) -> None:
        """See ``DirectoryStore.save_mode``."""
        table = tables.plan_states
        with self._database.writing() as connection:
            lock_owners(connection, {owner})
            if mode_of(connection, owner) is mode:
                return
            connection.execute(sa.update(table).where(table.c.owner == owner).values(mode=str(mode)))
            forget_shape(connection, {owner})

    def load_mode(self, owner: str) -> Mode:
        """See ``DirectoryStore.load_mode``."""
        with self._database.reading() as connection:
            return mode_of(connection, owner)


def _save(connection: sa.Connection, table: sa.Table, row_id: int | None, columns: dict[str, Any]) -> int:
    """Insert or update by id; returns the id."""
    if row_id is None:
        return insert_one(connection, table, columns)
    connection.execute(sa.update(table).where(table.c.id == row_id).values(columns))
    return row_id


def _rules(connection: sa.Connection, owner: str) -> list[MirrorRule]:
    return [decode(MirrorRule, value) for value in connection.scalars(_RULES, {"owner": owner})]
