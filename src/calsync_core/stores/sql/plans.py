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
from calsync_core.stores.sql.rows import (
    Role,
    chunks,
    fence,
    forget_shape,
    insert,
    lock_owners,
    note,
    plan_state_of,
    require_calendar,
    require_run,
    require_targets,
)

__all__ = ["SQLPlans"]


class SQLPlans(Role):
    """``PlanStore`` in SQL."""

    def load_plan_state(self, owner: str) -> PlanState:
        """See ``PlanStore.load_plan_state``."""
        table = tables.plan_states
        with self._database.reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.owner == owner)).one_or_none()
        return plan_state_of(row)

    def reset_plan(self, owner: str) -> None:
        """See ``PlanStore.reset_plan``."""
        with self._database.writing() as connection:
            forget_shape(connection, {owner})

    def save_plan(self, lease: Lease, plan: Plan, *, upto: int, state: PlanState, at: datetime) -> None:
        """See ``PlanStore.save_plan``."""
        journal, plan_states = tables.journal, tables.plan_states
        with self._database.writing() as connection:
            fence(connection, lease, at)
            owners = {block.owner for block in plan.records} | ({plan.owner} if plan.owner else set())
            now = lock_owners(connection, owners)
            owner = check_plan(plan, _attempted(connection, [operation.ref for operation in plan.operations]))
            require_targets(connection, plan.records, (operation.target_id for operation in plan.operations))
            replace_blocks(connection, plan.records)
            _replace_intents(connection, owner, plan.operations, at)
            connection.execute(sa.delete(journal).where(journal.c.owner == owner, journal.c.id <= upto))
            note(connection, unsettled_lines(plan, owner), None)
            kept = planned(now[owner], state)
            connection.execute(
                sa.update(plan_states)
                .where(plan_states.c.owner == owner)
                .values(shape=kept.shape, horizon_end=kept.horizon_end)
            )

    def load_intents(self, owner: str, refs: Collection[str] | None = None) -> list[Intent]:
        """See ``PlanStore.load_intents``."""
        table = tables.intents
        wanted = sa.select(table).where(table.c.owner == owner)
        with self._database.reading() as connection:
            if refs is None:
                rows = list(connection.execute(wanted))
            else:
                rows = []
                for some in chunks(refs):
                    rows += connection.execute(wanted.where(table.c.ref.in_(some)))
        return [_intent(row, attempts=row.attempts) for row in sorted(rows, key=lambda row: row.id)]

    def load_open_targets(self, owner: str | None, at: datetime) -> list[CalendarId]:
        """See ``PlanStore.load_open_targets``."""
        with self._database.reading() as connection:
            return _open_targets(connection, owner, at)

    def claim_intents(self, lease: Lease, target_id: CalendarId, limit: int, at: datetime) -> list[Intent]:
        """See ``PlanStore.claim_intents``."""
        table = tables.intents
        free = (
            table.c.claimed_token.is_(None)
            | (table.c.claimed_token != lease.token)
            | (table.c.claimed_name != lease.name)
        )
        wanted = (
            sa.select(table)
            .where(table.c.target_id == target_id, table.c.due_at <= at, free, _may_be_written())
            .order_by(table.c.slot_at, table.c.id)
            .limit(max(0, limit))
            .with_for_update()
        )
        with self._database.writing() as connection:
            fence(connection, lease, at)
            require_calendar(connection, target_id)
            rows = list(connection.execute(wanted))
            for ids in chunks(row.id for row in rows):
                connection.execute(
                    sa.update(table)
                    .where(table.c.id.in_(ids))
                    .values(attempts=table.c.attempts + 1, claimed_name=lease.name, claimed_token=lease.token)
                )
        return [_intent(row, attempts=row.attempts + 1, in_doubt=row.attempts > 0) for row in rows]

    def put_off_intents(self, lease: Lease, target_id: CalendarId, until: datetime, at: datetime) -> None:
        """See ``PlanStore.put_off_intents``."""
        table = tables.intents
        until = require_utc("until", until)
        early = sa.update(table).where(table.c.target_id == target_id, table.c.due_at < until)
        with self._database.writing() as connection:
            fence(connection, lease, at)
            connection.execute(early.values(due_at=until))

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
                owners=tuple(sorted(connection.scalars(_owners_due(shape, horizon_end)))),
                targets=tuple(_open_targets(connection, None, at)),
                calendars=tuple(sorted(_calendars_due(connection, at))),
                checks=tuple(sorted(_checks_due(connection, at))),
            )


def _attempted(connection: sa.Connection, refs: Collection[str]) -> list[str]:
    table = tables.intents
    found: list[str] = []
    for some in chunks(refs):
        # The lock makes a claim that is under way finish first, or wait.
        wanted = sa.select(table.c.ref, table.c.attempts).where(table.c.ref.in_(some)).with_for_update()
        found += [row.ref for row in connection.execute(wanted) if row.attempts]
    return found


def _replace_intents(connection: sa.Connection, owner: str, operations: Sequence[Operation], at: datetime) -> None:
    table = tables.intents
    for refs in chunks(operation.ref for operation in operations):
        connection.execute(sa.delete(table).where(table.c.ref.in_(refs)))
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
    insert(connection, table, rows)


def _intent(row: sa.Row[Any], *, attempts: int, in_doubt: bool | None = None) -> Intent:
    doubtful = attempts > 0 if in_doubt is None else in_doubt
    return Intent(row.id, decode(Operation, row.value), in_doubt=doubtful, attempts=attempts)


def _intents_of(
    connection: sa.Connection, target_id: CalendarId, ids: Collection[int]
) -> tuple[Mapping[int, Intent], set[str]]:
    """The open intents of these ids for this target, and their owners."""
    table = tables.intents
    rows: list[sa.Row[Any]] = []
    for some in chunks(ids):
        rows += connection.execute(sa.select(table).where(table.c.id.in_(some), table.c.target_id == target_id))
    return {row.id: _intent(row, attempts=row.attempts) for row in rows}, {row.owner for row in rows}


def _save_settled(connection: sa.Connection, target_id: CalendarId, settled: Settled) -> None:
    table = tables.intents
    seen_round = items.read_state(connection, target_id).round
    stored = items.load_stored_items(connection, target_id, [item.key for item in settled.written])
    replace_blocks(connection, settled.blocks)
    items.delete_items(connection, target_id, settled.removed)
    items.replace_items(
        connection, target_id, [stored_item(item, stored.get(item.key), seen_round) for item in settled.written]
    )
    items.owe_debts(connection, target_id, settled.debts)
    for ids in chunks(settled.closed):
        connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
    if settled.waiting:
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("the_id"))
            .values(due_at=sa.bindparam("then", type_=table.c.due_at.type), claimed_name=None, claimed_token=None),
            [{"the_id": intent_id, "then": due_at} for intent_id, due_at in settled.waiting.items()],
        )
    note(connection, settled.lines, target_id)


def _remember(connection: sa.Connection, run_id: int, wrote: Mapping[int, Written]) -> None:
    rows = [
        {"run_id": run_id, "intent_id": intent_id, "target_id": each.target_id, "value": encode(each)}
        for intent_id, each in wrote.items()
    ]
    insert(connection, tables.writes, rows)


def _may_be_written() -> sa.ColumnElement[bool]:
    """Of an owner who is only observed, nothing but what the host ordered."""
    intent, state = tables.intents, tables.plan_states
    observed = sa.exists().where(state.c.owner == intent.c.owner, state.c.mode == str(Mode.OBSERVE))
    return intent.c.ordered | ~observed


def _open_targets(connection: sa.Connection, owner: str | None, at: datetime) -> list[CalendarId]:
    table = tables.intents
    # Not DISTINCT: for its sake SQLite would walk through all intents instead of those that are due.
    wanted = sa.select(table.c.target_id).where(table.c.due_at <= at, _may_be_written())
    if owner is not None:
        wanted = wanted.where(table.c.owner == owner)
    return sorted(set(connection.scalars(wanted)))


def _owners_due(shape: str, horizon_end: datetime) -> sa.Select[str]:
    state, calendar, journal = tables.plan_states, tables.calendars, tables.journal
    behind = (
        state.c.shape.is_(None)
        | (state.c.shape != shape)
        | state.c.horizon_end.is_(None)
        | (state.c.horizon_end < horizon_end)
    )
    has_calendar = sa.exists().where(calendar.c.owner == state.c.owner)
    # Not EXISTS: beside an OR, PostgreSQL would read the whole journal for it instead of one line of each owner.
    first_line = sa.select(sa.func.min(journal.c.id)).where(journal.c.owner == state.c.owner).scalar_subquery()
    return sa.select(state.c.owner).where((behind & has_calendar) | first_line.is_not(None))


def _calendars_due(connection: sa.Connection, at: datetime) -> set[CalendarId]:
    """Enabled ones, each reason with a search in an index of its own."""
    calendar, state, watch, debt = tables.calendars, tables.read_states, tables.watches, tables.debts
    of_each = sa.select(calendar.c.id).where(calendar.c.enabled)
    reasons = (
        of_each.join(state, state.c.calendar_id == calendar.c.id).where(state.c.due_at <= at),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.due_at <= at),
        of_each.join(debt, debt.c.calendar_id == calendar.c.id).where(debt.c.due_at <= at),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.state.is_(None)),
        of_each.join(watch, watch.c.calendar_id == calendar.c.id).where(watch.c.called.is_not(None)),
    )
    return {calendar_id for reason in reasons for calendar_id in connection.scalars(reason)}


def _checks_due(connection: sa.Connection, at: datetime) -> set[CalendarId]:
    watch = tables.watches
    reasons = (watch.c.check_at <= at, watch.c.called.is_not(None))
    wanted = [sa.select(watch.c.calendar_id).where(reason) for reason in reasons]
    return {calendar_id for each in wanted for calendar_id in connection.scalars(each)}
