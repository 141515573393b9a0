"""Plans, intents and outcomes in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calsync_core.core.absorbing import stored_item
from calsync_core.core.recording import Settled, check_plan, planned, settle, unsettled_lines
from calsync_core.models import (
    CalendarId,
    Due,
    Intent,
    Lease,
    Mode,
    Operation,
    Outcome,
    Plan,
    PlanState,
    Written,
    require_utc,
)
from calsync_core.stores.sql import items, tables
from calsync_core.stores.sql.blocks import load_blocks_by_ref, replace_blocks
from calsync_core.stores.sql.codec import decode, encode
from calsync_core.stores.sql.columns import INSTANT
from calsync_core.stores.sql.rows import (
    Role,
    among,
    chunks,
    delete,
    fence,
    forget_shape,
    insert,
    load_plan_state,
    lock_owners,
    note,
    require_calendar,
    require_run,
    require_targets,
)

__all__ = ["SQLPlans"]


_INTENT, _LINE, _PLAN_STATE = tables.intents, tables.journal, tables.plan_states
# Not NOT EXISTS: PostgreSQL would look for all owners who are only observed, through all that there are, to know it of
# one.
_MODE = sa.select(_PLAN_STATE.c.mode).where(_PLAN_STATE.c.owner == _INTENT.c.owner).scalar_subquery()
# Of an owner who is only observed, nothing but what the host ordered.
_MAY_BE_WRITTEN = _INTENT.c.ordered | (sa.func.coalesce(_MODE, str(Mode.WRITE)) != str(Mode.OBSERVE))
_OF_OWNER = sa.select(_INTENT).where(_INTENT.c.owner == sa.bindparam("owner"))
# Not by owner or target as well: SQLite would look through all their intents to find those that are named.
_BY_REF = sa.select(_INTENT).where(among(_INTENT.c.ref, "refs"))
_BY_ID = sa.select(_INTENT).where(among(_INTENT.c.id, "ids"))
_CLAIMABLE = (
    sa.select(_INTENT)
    .where(
        _INTENT.c.target_id == sa.bindparam("target_id"),
        _INTENT.c.due_at <= sa.bindparam("at"),
        _INTENT.c.claimed_token.is_(None)
        | (_INTENT.c.claimed_token != sa.bindparam("token"))
        | (_INTENT.c.claimed_name != sa.bindparam("name")),
        _MAY_BE_WRITTEN,
    )
    .order_by(_INTENT.c.slot_at, _INTENT.c.id)
    .limit(sa.bindparam("limit"))
    .with_for_update()
)
_CLAIM = (
    sa.update(_INTENT)
    .where(among(_INTENT.c.id, "ids"))
    .values(
        attempts=_INTENT.c.attempts + 1,
        claimed_name=sa.bindparam("the_name", type_=_INTENT.c.claimed_name.type),
        claimed_token=sa.bindparam("the_token", type_=_INTENT.c.claimed_token.type),
    )
)
_PUT_OFF = sa.update(_INTENT).where(
    _INTENT.c.target_id == sa.bindparam("the_target"), _INTENT.c.due_at < sa.bindparam("until")
)
_THE_INTENT = sa.update(_INTENT).where(_INTENT.c.id == sa.bindparam("the_id"))
# The lock makes a claim that is under way finish first, or wait.
_ATTEMPTS = sa.select(_INTENT.c.ref, _INTENT.c.attempts).where(among(_INTENT.c.ref, "refs")).with_for_update()
# Not DISTINCT: for its sake SQLite would walk through all intents instead of those that are due.
_TARGETS = sa.select(_INTENT.c.target_id).where(_INTENT.c.due_at <= sa.bindparam("at"), _MAY_BE_WRITTEN)
_TARGETS_OF_OWNER = _TARGETS.where(_INTENT.c.owner == sa.bindparam("owner"))
_PLANNED = sa.delete(_LINE).where(_LINE.c.owner == sa.bindparam("owner"), _LINE.c.id <= sa.bindparam("upto"))
_THE_STATE = sa.update(_PLAN_STATE).where(_PLAN_STATE.c.owner == sa.bindparam("the_owner"))


def _owners_due() -> sa.Select[str]:
    state, calendar, journal = tables.plan_states, tables.calendars, tables.journal
    behind = (
        state.c.shape.is_(None)
        | (state.c.shape != sa.bindparam("shape"))
        | state.c.horizon_end.is_(None)
        | (state.c.horizon_end < sa.bindparam("horizon_end"))
    )
    has_calendar = sa.exists().where(calendar.c.owner == state.c.owner)
    # Not EXISTS: beside an OR, PostgreSQL would read the whole journal for it instead of one line of each owner.
    first_line = sa.select(sa.func.min(journal.c.id)).where(journal.c.owner == state.c.owner).scalar_subquery()
    return sa.select(state.c.owner).where((behind & has_calendar) | first_line.is_not(None))


def _calendars_due() -> tuple[sa.Select[Any], ...]:
    """Enabled ones, each reason with a search in an index of its own."""
    calendar, state, watch, debt = tables.calendars, tables.read_states, tables.watches, tables.debts
    of_each, at = sa.select(calendar.c.id).where(calendar.c.enabled), sa.bindparam("at", type_=INSTANT)
    return (
        of_each.join(state, state.c.calendar_id == calendar.c.id).where(state.c.due_at <= at),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.due_at <= at),
        of_each.join(debt, debt.c.calendar_id == calendar.c.id).where(debt.c.due_at <= at),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.state.is_(None)),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.called.is_not(None)),
    )


def _checks_due() -> tuple[sa.Select[Any], ...]:
    watch = tables.watches
    reasons = (watch.c.check_at <= sa.bindparam("at"), watch.c.called.is_not(None))
    return tuple(sa.select(watch.c.calendar_id).where(reason) for reason in reasons)


_OWNERS_DUE, _CALENDARS_DUE, _CHECKS_DUE = _owners_due(), _calendars_due(), _checks_due()


class SQLPlans(Role):
    """``PlanStore`` in SQL."""

    def load_plan_state(self, owner: str) -> PlanState:
        """See ``PlanStore.load_plan_state``."""
        with self._database.reading() as connection:
            return load_plan_state(connection, owner)

    def reset_plan(self, owner: str) -> None:
        """See ``PlanStore.reset_plan``."""
        with self._database.writing() as connection:
            forget_shape(connection, {owner})

    def save_plan(self, lease: Lease, plan: Plan, *, upto: int, state: PlanState, at: datetime) -> None:
        """See ``PlanStore.save_plan``."""
        with self._database.writing() as connection:
            fence(connection, lease, at)
            owners = {block.owner for block in plan.records} | ({plan.owner} if plan.owner else set())
            now = lock_owners(connection, owners)
            owner = check_plan(plan, _attempted(connection, [operation.ref for operation in plan.operations]))
            require_targets(connection, plan.records, (operation.target_id for operation in plan.operations))
            replace_blocks(connection, plan.records)
            _replace_intents(connection, owner, plan.operations, at)
            connection.execute(_PLANNED, {"owner": owner, "upto": upto})
            note(connection, unsettled_lines(plan, owner), None)
            kept = planned(now[owner], state)
            connection.execute(_THE_STATE, {"the_owner": owner, "shape": kept.shape, "horizon_end": kept.horizon_end})

    def load_intents(self, owner: str, refs: Collection[str] | None = None) -> list[Intent]:
        """See ``PlanStore.load_intents``."""
        with self._database.reading() as connection:
            if refs is None:
                rows = list(connection.execute(_OF_OWNER, {"owner": owner}))
            else:
                rows = []
                for each in chunks(refs):
                    rows += [row for row in connection.execute(_BY_REF, {"refs": each}) if row.owner == owner]
        return [_intent(row, attempts=row.attempts) for row in sorted(rows, key=lambda row: row.id)]

    def load_open_targets(self, owner: str | None, at: datetime) -> list[CalendarId]:
        """See ``PlanStore.load_open_targets``."""
        with self._database.reading() as connection:
            return _open_targets(connection, owner, at)

    def claim_intents(self, lease: Lease, target_id: CalendarId, limit: int, at: datetime) -> list[Intent]:
        """See ``PlanStore.claim_intents``."""
        lines = {"target_id": target_id, "at": at, "name": lease.name, "token": lease.token, "limit": max(0, limit)}
        with self._database.writing() as connection:
            fence(connection, lease, at)
            rows = list(connection.execute(_CLAIMABLE, lines))
            if not rows:
                require_calendar(connection, target_id)
            for ids in chunks(row.id for row in rows):
                connection.execute(_CLAIM, {"ids": ids, "the_name": lease.name, "the_token": lease.token})
        return [_intent(row, attempts=row.attempts + 1, in_doubt=row.attempts > 0) for row in rows]

    def put_off_intents(self, lease: Lease, target_id: CalendarId, until: datetime, at: datetime) -> None:
        """See ``PlanStore.put_off_intents``."""
        until = require_utc("until", until)
        with self._database.writing() as connection:
            fence(connection, lease, at)
            connection.execute(_PUT_OFF, {"the_target": target_id, "until": until, "due_at": until})

    def record_outcomes(
        self,
        lease: Lease,
        target_id: CalendarId,
        outcomes: Sequence[Outcome],
        at: datetime,
        *,
        run_id: int | None = None,
    ) -> None:
        """See ``PlanStore.record_outcomes``."""
        with self._database.writing() as connection:
            fence(connection, lease, at)
            if run_id is not None:
                require_run(connection, run_id)
            calendar = require_calendar(connection, target_id)
            intents, owners = _intents_of(connection, target_id, [outcome.intent_id for outcome in outcomes])
            # Before the blocks are read: a plan that is being saved may be changing them.
            lock_owners(connection, {calendar.owner, *owners})
            blocks = load_blocks_by_ref(connection, {intent.operation.ref for intent in intents.values()})
            settled = settle(outcomes, intents, blocks, at)
            _save_settled(connection, target_id, settled)
            if run_id is not None:
                _remember(connection, run_id, settled.wrote)

    def load_due(self, at: datetime, shape: str, horizon_end: datetime) -> Due:
        """See ``PlanStore.load_due``."""
        with self._database.reading() as connection:
            return Due(
                owners=tuple(sorted(connection.scalars(_OWNERS_DUE, {"shape": shape, "horizon_end": horizon_end}))),
                targets=tuple(_open_targets(connection, None, at)),
                calendars=_due(connection, _CALENDARS_DUE, at),
                checks=_due(connection, _CHECKS_DUE, at),
            )


def _attempted(connection: sa.Connection, refs: Collection[str]) -> list[str]:
    found: list[str] = []
    for each in chunks(refs):
        found += [row.ref for row in connection.execute(_ATTEMPTS, {"refs": each}) if row.attempts]
    return found


def _replace_intents(connection: sa.Connection, owner: str, operations: Sequence[Operation], at: datetime) -> None:
    delete(connection, _INTENT.c.ref, (operation.ref for operation in operations))
    rows = [
        {
            "owner": owner,
            "target_id": operation.target_id,
            "ref": operation.ref,
            "slot_at": operation.content.span.edges(UTC)[0],
            "due_at": at,
            "attempts": 0,
            "ordered": operation.ordered,
            "value": encode(operation),
        }
        for operation in operations
    ]
    insert(connection, _INTENT, rows)


def _intent(row: sa.Row[Any], *, attempts: int, in_doubt: bool | None = None) -> Intent:
    doubtful = attempts > 0 if in_doubt is None else in_doubt
    return Intent(row.id, decode(Operation, row.value), in_doubt=doubtful, attempts=attempts)


def _intents_of(
    connection: sa.Connection, target_id: CalendarId, ids: Collection[int]
) -> tuple[Mapping[int, Intent], set[str]]:
    """The open intents of these ids for this target, and their owners."""
    rows: list[sa.Row[Any]] = []
    for each in chunks(ids):
        rows += [row for row in connection.execute(_BY_ID, {"ids": each}) if row.target_id == target_id]
    return {row.id: _intent(row, attempts=row.attempts) for row in rows}, {row.owner for row in rows}


def _save_settled(connection: sa.Connection, target_id: CalendarId, settled: Settled) -> None:
    seen_round = items.read_state(connection, target_id).round
    stored = items.load_stored_items(connection, target_id, [item.key for item in settled.written])
    replace_blocks(connection, settled.blocks)
    items.delete_items(connection, target_id, (*settled.removed, *stored))
    items.insert_items(
        connection, target_id, [stored_item(item, stored.get(item.key), seen_round) for item in settled.written]
    )
    items.owe_debts(connection, target_id, settled.debts)
    delete(connection, _INTENT.c.id, settled.closed)
    if settled.waiting:
        free = {"claimed_name": None, "claimed_token": None}
        connection.execute(
            _THE_INTENT,
            [{"the_id": intent_id, "due_at": due_at, **free} for intent_id, due_at in settled.waiting.items()],
        )
    note(connection, settled.lines, target_id)


def _remember(connection: sa.Connection, run_id: int, wrote: Mapping[int, Written]) -> None:
    rows = [
        {"run_id": run_id, "intent_id": intent_id, "target_id": each.target_id, "value": encode(each)}
        for intent_id, each in wrote.items()
    ]
    insert(connection, tables.writes, rows)


def _open_targets(connection: sa.Connection, owner: str | None, at: datetime) -> list[CalendarId]:
    statement = _TARGETS if owner is None else _TARGETS_OF_OWNER
    return sorted(set(connection.scalars(statement, {"at": at, "owner": owner})))


def _due(connection: sa.Connection, statements: Sequence[sa.Select[Any]], at: datetime) -> tuple[CalendarId, ...]:
    found = {calendar_id for each in statements for calendar_id in connection.scalars(each, {"at": at})}
    return tuple(sorted(found))
