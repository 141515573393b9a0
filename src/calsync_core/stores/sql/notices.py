"""Notices that wait for the host, in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import Notice, NoticeKind, StoredNotice
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import format_moment, parse_moment
from calsync_core.stores.sql.rows import Role, delete, insert

__all__ = ["SQLNotices"]


_NOTICE = tables.notices
_WAITING = (
    sa.select(_NOTICE).where(_NOTICE.c.id > sa.bindparam("after")).order_by(_NOTICE.c.id).limit(sa.bindparam("limit"))
)
_WAITING_OF_OWNER = _WAITING.where(_NOTICE.c.owner == sa.bindparam("owner"))


class SQLNotices(Role):
    """``NoticeStore`` in SQL."""

    def save_notice(self, notice: Notice) -> None:
        """See ``NoticeStore.save_notice``."""
        columns = {"owner": notice.owner, "due_at": notice.at, "attempts": 0, "value": _written(notice)}
        with self._database.writing() as connection:
            insert(connection, tables.notices, [columns])

    def load_notices(self, owner: str | None = None, limit: int = 100, *, after: int = 0) -> list[StoredNotice]:
        """See ``NoticeStore.load_notices``."""
        statement = _WAITING if owner is None else _WAITING_OF_OWNER
        with self._database.reading() as connection:
            rows = connection.execute(statement, {"after": after, "limit": max(0, limit), "owner": owner})
            return [StoredNotice(row.id, _read(row.value), row.due_at, row.attempts) for row in rows]

    def put_off_notice(self, notice_id: int, attempts: int, due_at: datetime) -> None:
        """See ``NoticeStore.put_off_notice``."""
        table = tables.notices
        with self._database.writing() as connection:
            connection.execute(sa.update(table).where(table.c.id == notice_id).values(attempts=attempts, due_at=due_at))

    def delete_notices(self, notice_ids: Collection[int]) -> None:
        """See ``NoticeStore.delete_notices``."""
        with self._database.writing() as connection:
            delete(connection, tables.notices.c.id, notice_ids)


def _written(notice: Notice) -> str:
    """A notice as text, in the codec's way; ``detail`` is JSON as it is."""
    parts: dict[str, Any] = {
        "kind": str(notice.kind),
        "owner": notice.owner,
        "at": format_moment(notice.at),
        "account": notice.account,
        "calendar": notice.calendar,
        "detail": notice.detail,
    }
    try:
        return json.dumps(parts, separators=(",", ":"))
    except (TypeError, ValueError):
        raise InvalidValue("detail: must be what JSON can say") from None


def _read(text: str) -> Notice:
    try:
        parts = json.loads(text)
        at = cast("datetime", parse_moment(parts["at"]))
        return Notice(
            NoticeKind(parts["kind"]), parts["owner"], at, parts["account"], parts["calendar"], dict(parts["detail"])
        )
    except StoreError:
        raise
    except (ValueError, TypeError, KeyError):
        raise StoreError("a stored Notice can't be read: written by another version?") from None
