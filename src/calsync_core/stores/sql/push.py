"""Subscriptions and watches in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from calsync_core.errors import UnknownCalendar
from calsync_core.models import CalendarId, Lease, PushState, StoredSubscription, Watch
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.rows import Role, among, chunks, delete, fence, insert_one, require_calendar

__all__ = ["SQLPush", "lock_watches", "watch_of"]


_SUBSCRIPTION, _WATCH = tables.subscriptions, tables.watches
_SUBSCRIPTIONS = sa.select(_SUBSCRIPTION).order_by(_SUBSCRIPTION.c.id)
_OF_CALENDAR = _SUBSCRIPTIONS.where(_SUBSCRIPTION.c.calendar_id == sa.bindparam("calendar_id"))
_BY_NAME = sa.select(_SUBSCRIPTION).where(among(_SUBSCRIPTION.c.name_hash, "hashes"))
_WATCHES = sa.select(_WATCH).where(among(_WATCH.c.calendar_id, "ids"), _WATCH.c.state.is_not(None))
_THE_WATCH = sa.update(_WATCH).where(_WATCH.c.calendar_id == sa.bindparam("the_id"))
_LAST_CALL = sa.bindparam("answered", type_=_WATCH.c.called.type)
_ANSWERED = _THE_WATCH.values(called=sa.func.nullif(_WATCH.c.called, _LAST_CALL))
_LOCKED = (
    sa.select(_WATCH.c.calendar_id, _WATCH.c.pushed_at)
    .where(among(_WATCH.c.calendar_id, "ids"))
    .order_by(_WATCH.c.calendar_id)
    .with_for_update()
)
_THESE = sa.update(_WATCH).where(among(_WATCH.c.calendar_id, "ids"))
_FRESH = _THESE.where(_WATCH.c.state.is_(None))
_CALL = _THESE.values(called=sa.func.coalesce(_WATCH.c.called, 0) + 1)


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
        statement = _SUBSCRIPTIONS if calendar_id is None else _OF_CALENDAR
        with self._database.reading() as connection:
            return [_subscription(row) for row in connection.execute(statement, {"calendar_id": calendar_id})]

    def find_subscriptions(self, provider: str, remote_ids: Collection[str]) -> Mapping[str, StoredSubscription]:
        """See ``PushStore.find_subscriptions``."""
        rows: list[sa.Row[Any]] = []
        with self._database.reading() as connection:
            for hashes in chunks(_name_hash(provider, remote_id) for remote_id in remote_ids):
                rows += connection.execute(_BY_NAME, {"hashes": hashes})
        return {found.remote_id: found for found in map(_subscription, rows)}

    def delete_subscription(self, lease: Lease, subscription_id: int, at: datetime) -> None:
        """See ``PushStore.delete_subscription``."""
        with self._database.writing() as connection:
            fence(connection, lease, at)
            delete(connection, _SUBSCRIPTION.c.id, [subscription_id])

    def load_watches(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, Watch]:
        """See ``PushStore.load_watches``."""
        rows: list[sa.Row[Any]] = []
        with self._database.reading() as connection:
            for ids in chunks(calendar_ids):
                rows += connection.execute(_WATCHES, {"ids": ids})
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
        columns: dict[str, Any] = {
            "the_id": calendar_id,
            "due_at": watch.due_at,
            "check_at": watch.check_at,
            "state": str(state),
            "value": _value(watch),
        }
        statement = _THE_WATCH
        if answered is not None:
            statement, columns["answered"] = _ANSWERED, answered
        with self._database.writing() as connection:
            fence(connection, lease, at)
            # Each calendar has a row from its beginning.
            if not connection.execute(statement, columns).rowcount:
                raise UnknownCalendar(f"calendar: there is none with id {calendar_id}")

    def call_for_checks(self, calendar_ids: Collection[CalendarId]) -> None:
        """See ``PushStore.call_for_checks``."""
        fresh = {"state": str(PushState.NONE), "value": _value(Watch())}
        with self._database.writing() as connection:
            for ids in chunks(lock_watches(connection, calendar_ids)):
                connection.execute(_FRESH, {"ids": ids, **fresh})
                connection.execute(_CALL, {"ids": ids})


def lock_watches(connection: sa.Connection, calendar_ids: Collection[CalendarId]) -> dict[CalendarId, datetime | None]:
    """Hold these calendars' rows until the transaction ends; returns when each one's last push came. Unknown calendars
    have none.

    Always in the same order, so that two transactions can't wait for each other.
    """
    found: dict[CalendarId, datetime | None] = {}
    for ids in chunks(sorted(calendar_ids)):
        found |= {row.calendar_id: row.pushed_at for row in connection.execute(_LOCKED, {"ids": ids})}
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
