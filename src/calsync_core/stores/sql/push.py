"""Subscriptions and watches in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from calsync_core.models import CalendarId, Lease, PushState, StoredSubscription, Watch
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import Role, chunks, fence, insert_one, require_calendar

__all__ = ["SQLPush", "lock_watches", "watch_of"]


class SQLPush(Role):
    """``PushStore`` in SQL."""

    def save_subscription(self, lease: Lease, subscription: StoredSubscription, at: datetime) -> StoredSubscription:
        """See ``PushStore.save_subscription``."""
        table = tables.subscriptions
        columns: dict[str, Any] = {
            "calendar_id": subscription.calendar_id,
            "name_hash": _name_hash(subscription.provider, subscription.remote_id),
            "value": encode(evolve(subscription, id=None)),
        }
        replaced = table.c.name_hash == columns["name_hash"]
        if subscription.id is not None:
            columns["id"] = subscription.id
            replaced |= table.c.id == subscription.id
        with self._database.writing() as connection:
            fence(connection, lease, at)
            require_calendar(connection, subscription.calendar_id)
            connection.execute(sa.delete(table).where(replaced))
            return evolve(subscription, id=insert_one(connection, table, columns))

    def load_subscriptions(self, calendar_id: CalendarId | None = None) -> list[StoredSubscription]:
        """See ``PushStore.load_subscriptions``."""
        table = tables.subscriptions
        wanted = sa.select(table).order_by(table.c.id)
        if calendar_id is not None:
            wanted = wanted.where(table.c.calendar_id == calendar_id)
        with self._database.reading() as connection:
            return [_subscription(row) for row in connection.execute(wanted)]

    def find_subscriptions(self, provider: str, remote_ids: Collection[str]) -> Mapping[str, StoredSubscription]:
        """See ``PushStore.find_subscriptions``."""
        table = tables.subscriptions
        rows: list[sa.Row[Any]] = []
        with self._database.reading() as connection:
            for hashes in chunks(_name_hash(provider, remote_id) for remote_id in remote_ids):
                rows += connection.execute(sa.select(table).where(table.c.name_hash.in_(hashes)))
        return {found.remote_id: found for found in map(_subscription, rows)}

    def delete_subscription(self, lease: Lease, subscription_id: int, at: datetime) -> None:
        """See ``PushStore.delete_subscription``."""
        table = tables.subscriptions
        with self._database.writing() as connection:
            fence(connection, lease, at)
            connection.execute(sa.delete(table).where(table.c.id == subscription_id))

    def load_watches(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, Watch]:
        """See ``PushStore.load_watches``."""
        table = tables.watches
        rows: list[sa.Row[Any]] = []
        with self._database.reading() as connection:
            for ids in chunks(calendar_ids):
                rows += connection.execute(
                    sa.select(table).where(table.c.calendar_id.in_(ids), table.c.state.is_not(None))
                )
        return {row.calendar_id: watch_of(row) for row in sorted(rows, key=lambda row: row.calendar_id)}

    def save_watch(
        self,
        lease: Lease,
        calendar_id: CalendarId,
        watch: Watch,
        state: PushState,
        at: datetime,
        *,
        answered: int | None = None,
    ) -> None:
        """See ``PushStore.save_watch``."""
        table = tables.watches
        columns: dict[str, Any] = {
            "due_at": watch.due_at,
            "check_at": watch.check_at,
            "state": str(state),
            "value": _value(watch),
        }
        if answered is not None:
            columns["called"] = sa.func.nullif(table.c.called, answered)
        with self._database.writing() as connection:
            fence(connection, lease, at)
            require_calendar(connection, calendar_id)
            connection.execute(sa.update(table).where(table.c.calendar_id == calendar_id).values(columns))

    def call_for_checks(self, calendar_ids: Collection[CalendarId]) -> None:
        """See ``PushStore.call_for_checks``."""
        table = tables.watches
        fresh = {"state": str(PushState.NONE), "value": _value(Watch())}
        with self._database.writing() as connection:
            for ids in chunks(lock_watches(connection, calendar_ids)):
                these = sa.update(table).where(table.c.calendar_id.in_(ids))
                connection.execute(these.where(table.c.state.is_(None)).values(fresh))
                connection.execute(these.values(called=sa.func.coalesce(table.c.called, 0) + 1))


def lock_watches(connection: sa.Connection, calendar_ids: Collection[CalendarId]) -> dict[CalendarId, datetime | None]:
    """Hold these calendars' rows until the transaction ends; returns when each one's last push came. Unknown calendars
    have none.

    Always in the same order, so that two transactions can't wait for each other.
    """
    table = tables.watches
    found: dict[CalendarId, datetime | None] = {}
    for ids in chunks(sorted(calendar_ids)):
        wanted = sa.select(table.c.calendar_id, table.c.pushed_at).where(table.c.calendar_id.in_(ids))
        rows = connection.execute(wanted.order_by(table.c.calendar_id).with_for_update())
        found |= {row.calendar_id: row.pushed_at for row in rows}
    return found


def _name_hash(provider: str, remote_id: str) -> str:
    return digest(encode((provider, remote_id)))


def _subscription(row: sa.Row[Any]) -> StoredSubscription:
    return evolve(decode(StoredSubscription, row.value), id=row.id)


def _value(watch: Watch) -> str:
    return encode(evolve(watch, due_at=None, check_at=None, pushed_at=None, called=None))


def watch_of(row: sa.Row[Any]) -> Watch:
    """From a row that is a Watch."""
    kept = {"due_at": row.due_at, "check_at": row.check_at, "pushed_at": row.pushed_at, "called": row.called}
    return evolve(decode(Watch, row.value), **kept)
