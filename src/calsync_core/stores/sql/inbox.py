"""The inbox in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from calsync_core.models import CalendarId, Lease, Notification, NotificationStatus
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, digest, encode
from calsync_core.stores.sql.push import lock_watches
from calsync_core.stores.sql.rows import Role, among, chunks, fence, insert

__all__ = ["DONE", "WAITING", "SQLInbox"]

DONE = (str(NotificationStatus.COMPLETED), str(NotificationStatus.FAILED))
WAITING = tuple(str(status) for status in NotificationStatus if status not in DONE)
_UNCLAIMED = (str(NotificationStatus.PENDING), str(NotificationStatus.RETRYING))


_NOTE, _CALENDAR, _WATCH = tables.notifications, tables.calendars, tables.watches


def _notified(what: sa.ColumnElement[Any]) -> tuple[sa.Select[Any], ...]:
    """What has a notification that can be claimed: two searches in one index; an OR would be none."""
    wanted = sa.select(what).distinct().select_from(_NOTE.join(_CALENDAR, _CALENDAR.c.id == _NOTE.c.calendar_id))
    due = wanted.where(_NOTE.c.status.in_(_UNCLAIMED), _NOTE.c.due_at <= sa.bindparam("at"))
    left = wanted.where(_NOTE.c.status == str(NotificationStatus.PROCESSING))
    return due, left


_NOTIFIED = _notified(_NOTE.c.calendar_id)
_NOTIFIED_OF_OWNER = tuple(each.where(_CALENDAR.c.owner == sa.bindparam("owner")) for each in _NOTIFIED)
_NOTIFIED_OWNERS = _notified(_CALENDAR.c.owner)
_WAITING = sa.select(_NOTE).where(_NOTE.c.calendar_id == sa.bindparam("calendar_id"), _NOTE.c.status.in_(WAITING))
_CLAIMABLE = _WAITING.order_by(_NOTE.c.id).with_for_update()
_CLAIM = sa.update(_NOTE).where(among(_NOTE.c.id, "ids"))
_THE_NOTE = sa.update(_NOTE).where(_NOTE.c.id == sa.bindparam("the_id"))
_HEARD = sa.select(_NOTE.c.message_hash).where(among(_NOTE.c.message_hash, "hashes"))
_THE_WATCH = sa.update(_WATCH).where(_WATCH.c.calendar_id == sa.bindparam("the_id"))


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
        statements = _NOTIFIED if owner is None else _NOTIFIED_OF_OWNER
        return sorted(self._found(statements, {"at": at, "owner": owner}))

    def load_notified_owners(self, at: datetime) -> list[str]:
        """See ``InboxStore.load_notified_owners``."""
        return sorted(self._found(_NOTIFIED_OWNERS, {"at": at}))

    def _found(self, statements: Sequence[sa.Select[Any]], values: Mapping[str, Any]) -> set[Any]:
        with self._database.reading() as connection:
            return {found for statement in statements for found in connection.scalars(statement, values)}

    def claim_notifications(self, lease: Lease, calendar_id: CalendarId, at: datetime) -> list[Notification]:
        """See ``InboxStore.claim_notifications``."""
        with self._database.writing() as connection:
            fence(connection, lease, at)
            rows = list(connection.execute(_CLAIMABLE, {"calendar_id": calendar_id}))
            for ids in chunks(row.id for row in rows):
                connection.execute(_CLAIM, {"ids": ids, "status": str(NotificationStatus.PROCESSING)})
        return [evolve(_notification(row), status=NotificationStatus.PROCESSING) for row in rows]

    def settle_notifications(self, lease: Lease, notifications: Sequence[Notification], at: datetime) -> None:
        """See ``InboxStore.settle_notifications``."""
        rows = [{"the_id": each.id, **_row(each)} for each in notifications]
        with self._database.writing() as connection:
            fence(connection, lease, at)
            if rows:
                connection.execute(_THE_NOTE, rows)

    def load_notifications(self, calendar_id: CalendarId | None = None, limit: int = 50) -> list[Notification]:
        """See ``InboxStore.load_notifications``."""
        table = tables.notifications
        wanted = sa.select(table).order_by(table.c.id.desc()).limit(max(0, limit))
        if calendar_id is not None:
            wanted = wanted.where(table.c.calendar_id == calendar_id)
        with self._database.reading() as connection:
            return [_notification(row) for row in connection.execute(wanted)]


def _unheard(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without those that are stored, or earlier among them."""
    heard: set[str] = set()
    for hashes in chunks(row["message_hash"] for row in rows if row["message_hash"] is not None):
        heard.update(connection.scalars(_HEARD, {"hashes": hashes}))
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
    latest: dict[CalendarId, datetime] = {}
    for each in notifications:
        known = latest.get(each.calendar_id, before[each.calendar_id])
        if known is None or each.received_at > known:
            latest[each.calendar_id] = each.received_at
    if latest:
        connection.execute(_THE_WATCH, [{"the_id": calendar_id, "pushed_at": at} for calendar_id, at in latest.items()])


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
