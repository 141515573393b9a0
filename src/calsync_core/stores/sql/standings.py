"""How calendars are, a page of them at a time, for whoever looks after an installation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from calsync_core.models import BlockState, CalendarId, CalendarStatus, Mode, PushState, ReadState, Standing
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode
from calsync_core.stores.sql.push import watch_of
from calsync_core.stores.sql.rows import account_of, calendar_of, chunks
from calsync_core.stores.sql.vitals import fails

__all__ = ["load_standings"]

_TROUBLED = (str(PushState.FAILING), str(PushState.SUSPENDED))
_UNWELL = [status for status in CalendarStatus if status is not CalendarStatus.OK]


def load_standings(connection: sa.Connection, owner: str | None, limit: int | None, offset: int) -> list[Standing]:
    """See ``RunStore.load_standings``: one question for the page, and then by its ids."""
    ids = list(connection.scalars(_page(owner, limit, offset)))
    if limit is None:  # MariaDB has no offset without one.
        ids = ids[offset:]
    calendars = {row.id: calendar_of(row) for row in _rows(connection, tables.calendars.c.id, ids)}
    used = [calendar.account_id for calendar in calendars.values()]
    accounts = {row.id: account_of(row) for row in _rows(connection, tables.accounts.c.id, used)}
    states = {
        row.calendar_id: decode(ReadState, row.value)
        for row in _rows(connection, tables.read_states.c.calendar_id, ids)
    }
    watches = {
        row.calendar_id: watch_of(row)
        for row in _rows(connection, tables.watches.c.calendar_id, ids)
        if row.state is not None
    }
    debts = _counts(connection, tables.debts.c.calendar_id, ids)
    blocks = _counts(connection, tables.blocks.c.target_id, ids, tables.blocks.c.state == str(BlockState.LIVE))
    owners = list({calendar.owner for calendar in calendars.values()})
    modes = {row.owner: Mode(row.mode) for row in _rows(connection, tables.plan_states.c.owner, owners)}
    return [
        Standing(
            account=accounts[calendars[key].account_id],
            calendar=calendars[key],
            state=states.get(key, ReadState()),
            watch=watches.get(key),
            debts=debts.get(key, 0),
            blocks=blocks.get(key, 0),
            mode=modes.get(calendars[key].owner, Mode.WRITE),
        )
        for key in ids
    ]


def _page(owner: str | None, limit: int | None, offset: int) -> sa.Select[CalendarId]:
    calendar, account, state, watch = tables.calendars, tables.accounts, tables.read_states, tables.watches
    # Inside a text of JSON's a quote has a backslash before it: this finds the field, and no name that looks like it.
    unwell = [calendar.c.value.contains(f'"status":"{status}"', autoescape=True) for status in _UNWELL]
    troubled = sa.or_(fails(), watch.c.state.in_(_TROUBLED), *unwell)
    wanted = (
        sa.select(calendar.c.id)
        .join(account, account.c.id == calendar.c.account_id)
        .outerjoin(state, state.c.calendar_id == calendar.c.id)
        .outerjoin(watch, watch.c.calendar_id == calendar.c.id)
        .where(calendar.c.enabled)
        .order_by(sa.case((troubled, 0), else_=1), calendar.c.id)
    )
    if owner is not None:
        wanted = wanted.where(calendar.c.owner == owner)
    return wanted if limit is None else wanted.limit(limit).offset(offset)


def _rows(connection: sa.Connection, key: sa.Column[Any], ids: Sequence[int | str]) -> list[sa.Row[Any]]:
    found: list[sa.Row[Any]] = []
    for some in chunks(ids):
        found += connection.execute(sa.select(key.table).where(key.in_(some)))
    return found


def _counts(connection: sa.Connection, key: sa.Column[int], ids: Sequence[int], *where: Any) -> dict[CalendarId, int]:
    found: dict[CalendarId, int] = {}
    for some in chunks(ids):
        wanted = sa.select(key, sa.func.count()).where(key.in_(some), *where).group_by(key)
        found |= {calendar_id: int(count) for calendar_id, count in connection.execute(wanted)}
    return found
