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
from calsync_core.stores.sql.rows import Role, chunks

__all__ = ["SQLNotices"]


class SQLNotices(Role):
    """``NoticeStore`` in SQL."""

    def save_notice(self, notice: Notice) -> None:
        """See ``NoticeStore.save_notice``."""
        columns = {"owner": notice.owner, "due_at": notice.at, "attempts": 0, "value": _written(notice)}
        with self._database.writing() as connection:
            connection.execute(sa.insert(tables.notices).values(columns))

    def load_notices(self, owner: str | None = None, limit: int = 100, *, after: int = 0) -> list[StoredNotice]:
        """See ``NoticeStore.load_notices``."""
        table = tables.notices
        wanted = sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(max(0, limit))
        if owner is not None:
            wanted = wanted.where(table.c.owner == owner)
        with self._database.reading() as connection:
            return [
                StoredNotice(row.id, _read(row.value), row.due_at, row.attempts) for row in connection.execute(wanted)
            ]

    def put_off_notice(self, notice_id: int, attempts: int, due_at: datetime) -> None:
        """See ``NoticeStore.put_off_notice``."""
        table = tables.notices
        with self._database.writing() as connection:
            connection.execute(sa.update(table).where(table.c.id == notice_id).values(attempts=attempts, due_at=due_at))

    def delete_notices(self, notice_ids: Collection[int]) -> None:
        """See ``NoticeStore.delete_notices``."""
        table = tables.notices
        with self._database.writing() as connection:
            for ids in chunks(notice_ids):
                connection.execute(sa.delete(table).where(table.c.id.in_(ids)))


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
