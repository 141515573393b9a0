"""The inbox in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from attrs import evolve

from calsync_core.models import CalendarId, Lease, Notification, NotificationStatus
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.push import lock_watches
from calsync_core.stores.sql.rows import Role, chunks, fence, insert

__all__ = ["DONE", "WAITING", "SQLInbox"]

DONE = (str(NotificationStatus.COMPLETED), str(NotificationStatus.FAILED))
WAITING = tuple(str(status) for status in NotificationStatus if status not in DONE)
_UNCLAIMED = (str(NotificationStatus.PENDING), str(NotificationStatus.RETRYING))


T = TypeVar("T")


class SQLInbox(Role):
    """``InboxStore`` in SQL."""

    def save_notifications(self, notifications: Sequence[Notification]) -> int:
        """See ``InboxStore.save_notifications``."""
        if not notifications:
            return 0
        with self._database.writing(promised=True) as connection:
            # The locks put those who save for one calendar in line.
            pushed = lock_watches(connection, {each.calendar_id for each in notifications})
            known = [each for each in notifications if each.calendar_id in pushed]
            # One that another process saves meanwhile, for another calendar, has this call repeated: then it is seen.
            new = _unheard(connection, [_row(each) for each in known])
            insert(connection, tables.notifications, new)
            _note_pushes(connection, known, pushed)
            return len(new)

    def load_notified(self, at: datetime, owner: str | None = None) -> list[CalendarId]:
        """See ``InboxStore.load_notified``."""
        return sorted(self._notified(tables.notifications.c.calendar_id, at, owner))

    def load_notified_owners(self, at: datetime) -> list[str]:
        """See ``InboxStore.load_notified_owners``."""
        return sorted(self._notified(tables.calendars.c.owner, at))

    def _notified(self, what: sa.ColumnElement[T], at: datetime, owner: str | None = None) -> set[T]:
        table, calendar = tables.notifications, tables.calendars
        # Two searches in one index; an OR would be none.
        due = (table.c.status.in_(_UNCLAIMED), table.c.due_at <= at)
        left = (table.c.status == str(NotificationStatus.PROCESSING),)
        wanted = sa.select(what).distinct().select_from(table.join(calendar, calendar.c.id == table.c.calendar_id))
        if owner is not None:
            wanted = wanted.where(calendar.c.owner == owner)
        with self._database.reading() as connection:
            return {found for these in (due, left) for found in connection.scalars(wanted.where(*these))}

    def claim_notifications(self, lease: Lease, calendar_id: CalendarId, at: datetime) -> list[Notification]:
        """See ``InboxStore.claim_notifications``."""
        table = tables.notifications
        wanted = (
            sa.select(table)
            .where(table.c.calendar_id == calendar_id, table.c.status.in_(WAITING))
            .order_by(table.c.id)
            .with_for_update()
        )
        with self._database.writing() as connection:
            fence(connection, lease, at)
            rows = list(connection.execute(wanted))
            for ids in chunks(row.id for row in rows):
                these = sa.update(table).where(table.c.id.in_(ids))
                connection.execute(these.values(status=str(NotificationStatus.PROCESSING)))
        return [evolve(_notification(row), status=NotificationStatus.PROCESSING) for row in rows]

    def settle_notifications(self, lease: Lease, notifications: Sequence[Notification], at: datetime) -> None:
        """See ``InboxStore.settle_notifications``."""
        table = tables.notifications
        rows = [
            {"the_id": each.id, **{f"new_{name}": value for name, value in _row(each).items()}}
            for each in notifications
        ]
        columns = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in _COLUMNS}
        with self._database.writing() as connection:
            fence(connection, lease, at)
            if rows:
                connection.execute(sa.update(table).where(table.c.id == sa.bindparam("the_id")).values(columns), rows)

    def load_notifications(self, calendar_id: CalendarId | None = None, limit: int = 50) -> list[Notification]:
        """See ``InboxStore.load_notifications``."""
        table = tables.notifications
        wanted = sa.select(table).order_by(table.c.id.desc()).limit(max(0, limit))
        if calendar_id is not None:
            wanted = wanted.where(table.c.calendar_id == calendar_id)
        with self._database.reading() as connection:
            return [_notification(row) for row in connection.execute(wanted)]

    def count_waiting(self, calendar_id: CalendarId) -> int:
        """See ``InboxStore.count_waiting``."""
        table = tables.notifications
        wanted = sa.select(sa.func.count()).select_from(table)
        with self._database.reading() as connection:
            waiting = wanted.where(table.c.calendar_id == calendar_id, table.c.status.in_(WAITING))
            return int(connection.scalar(waiting) or 0)


def _unheard(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without those that are stored, or earlier among them."""
    table = tables.notifications
    heard: set[str] = set()
    for hashes in chunks(row["message_hash"] for row in rows if row["message_hash"] is not None):
        heard.update(connection.scalars(sa.select(table.c.message_hash).where(table.c.message_hash.in_(hashes))))
    new = []
    for row in rows:
        message_hash = row["message_hash"]
        if message_hash not in heard:
            new.append(row)
            if message_hash is not None:
                heard.add(message_hash)
    return new


def _note_pushes(
    connection: sa.Connection, notifications: Sequence[Notification], before: dict[CalendarId, datetime | None]
) -> None:
    table = tables.watches
    latest: dict[CalendarId, datetime] = {}
    for each in notifications:
        known = latest.get(each.calendar_id, before[each.calendar_id])
        if known is None or each.received_at > known:
            latest[each.calendar_id] = each.received_at
    if latest:
        connection.execute(
            sa.update(table)
            .where(table.c.calendar_id == sa.bindparam("the_id"))
            .values(pushed_at=sa.bindparam("then", type_=table.c.pushed_at.type)),
            [{"the_id": calendar_id, "then": at} for calendar_id, at in latest.items()],
        )


_COLUMNS = ("calendar_id", "message_hash", "status", "received_at", "due_at", "finished_at", "value")


def _row(each: Notification) -> dict[str, Any]:
    named = each.message is not None
    return {
        "calendar_id": each.calendar_id,
        "message_hash": digest(encode((each.subscription_id, each.message))) if named else None,
        "status": str(each.status),
        "received_at": each.received_at,
        "due_at": each.due_at,
        "finished_at": each.finished_at,
        "value": encode(evolve(each, id=None)),
    }


def _notification(row: sa.Row[Any]) -> Notification:
    return evolve(decode(Notification, row.value), id=row.id, status=NotificationStatus(row.status))
