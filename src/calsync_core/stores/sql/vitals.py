"""Whether an installation is alive, counted by the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from calsync_core.models import AccountStatus, Vitals
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.blocks import HELD
from calsync_core.stores.sql.inbox import WAITING

__all__ = ["count_vitals", "fails"]

_USABLE = (str(AccountStatus.ACTIVE), str(AccountStatus.PAUSED))


def count_vitals(connection: sa.Connection) -> Vitals:
    """See ``RunStore.load_vitals``: one small answer for each question, no row."""
    calendar, intent, block, notice = tables.calendars, tables.intents, tables.blocks, tables.notices
    notification = tables.notifications
    backlog = connection.execute(
        sa.select(sa.func.count(), sa.func.min(notification.c.due_at)).where(notification.c.status.in_(WAITING))
    ).one()
    return Vitals(
        calendars=_count(connection, calendar, calendar.c.enabled),
        failing=int(connection.scalar(_failing()) or 0),
        push={row.state: int(row.calendars) for row in connection.execute(_by_push_state())},
        backlog=int(backlog[0]),
        backlog_since=backlog[1],
        notices=_count(connection, notice),
        open_intents=_count(connection, intent),
        held=_count(connection, block, HELD),
    )


def _count(connection: sa.Connection, table: sa.Table, *where: Any) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0)


def _failing() -> sa.Select[int]:
    calendar, account, state = tables.calendars, tables.accounts, tables.read_states
    return (
        sa.select(sa.func.count())
        .select_from(
            calendar.join(account, account.c.id == calendar.c.account_id).outerjoin(
                state, state.c.calendar_id == calendar.c.id
            )
        )
        .where(calendar.c.enabled, fails())
    )


def fails() -> sa.ColumnElement[bool]:
    """Of an account and a read state, if there is one: the login is refused, or the last read failed."""
    return tables.accounts.c.status.not_in(_USABLE) | (tables.read_states.c.failures > 0)


def _by_push_state() -> sa.Select[str, int]:
    calendar, watch = tables.calendars, tables.watches
    return (
        sa.select(watch.c.state, sa.func.count().label("calendars"))
        .join(calendar, calendar.c.id == watch.c.calendar_id)
        .where(calendar.c.enabled, watch.c.state.is_not(None))
        .group_by(watch.c.state)
        .order_by(watch.c.state)
    )
