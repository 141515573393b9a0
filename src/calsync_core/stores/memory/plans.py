"""Plans, intents and outcomes in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from attrs import evolve

from calsync_core.core.absorbing import stored_item
from calsync_core.core.recording import check_plan, planned, settle, unsettled_lines
from calsync_core.models import CalendarId, Due, Intent, Lease, Outcome, Plan, PlanState, ReadState, require_utc
from calsync_core.stores.memory.rows import OpenIntent, Role

__all__ = ["MemoryPlans"]


class MemoryPlans(Role):
    """``PlanStore`` in memory."""

    def load_plan_state(self, owner: str) -> PlanState:
        """See ``PlanStore.load_plan_state``."""
        with self._lock:
            return self._rows.plan_states.get(owner, PlanState())

    def reset_plan(self, owner: str) -> None:
        """See ``PlanStore.reset_plan``."""
        with self._lock:
            self._rows.forget_shape({owner})

    def save_plan(self, lease: Lease, plan: Plan, *, upto: int, state: PlanState, at: datetime) -> None:
        """See ``PlanStore.save_plan``."""
        with self._lock:
            self._fence(lease, at)
            rows = self._rows
            waiting = {row.intent.operation.ref: row.intent for row in rows.intents.values()}
            owner = check_plan(plan, (ref for ref, intent in waiting.items() if intent.attempts))
            self._require_targets(plan.records)
            for target_id in sorted({operation.target_id for operation in plan.operations}):
                rows.calendar(target_id)
            for block in plan.records:
                rows.put_block(block)
            for operation in plan.operations:
                replaced = waiting.get(operation.ref)
                if replaced is not None:
                    del rows.intents[replaced.id]
                intent = Intent(rows.next_id(), operation)
                rows.intents[intent.id] = OpenIntent(intent, owner, due_at=at)
            rows.journal = {key: row for key, row in rows.journal.items() if row.line.owner != owner or key > upto}
            rows.note(unsettled_lines(plan, owner), None)
            rows.plan_states[owner] = planned(rows.plan_states.get(owner, PlanState()), state)

    def load_intents(self, owner: str, refs: Collection[str] | None = None) -> list[Intent]:
        """See ``PlanStore.load_intents``."""
        wanted = None if refs is None else set(refs)
        with self._lock:
            return [
                evolve(row.intent, in_doubt=row.intent.attempts > 0)
                for _, row in sorted(self._rows.intents.items())
                if row.owner == owner and (wanted is None or row.intent.operation.ref in wanted)
            ]

    def load_open_targets(self, owner: str | None, at: datetime) -> list[CalendarId]:
        """See ``PlanStore.load_open_targets``."""
        at = require_utc("at", at)
        with self._lock:
            return sorted(
                {
                    row.intent.operation.target_id
                    for row in self._rows.intents.values()
                    if row.due_at <= at and (owner is None or row.owner == owner) and not self._rows.holds_back(row)
                }
            )

    def claim_intents(self, lease: Lease, target_id: CalendarId, limit: int, at: datetime) -> list[Intent]:
        """See ``PlanStore.claim_intents``."""
        with self._lock:
            self._fence(lease, at)
            self._rows.calendar(target_id)
            claim = (lease.name, lease.token)
            free = [
                row
                for row in self._rows.intents.values()
                if row.intent.operation.target_id == target_id and row.due_at <= at and row.claimed_under != claim
                if not self._rows.holds_back(row)
            ]
            taken = []
            for row in sorted(free, key=_nearest_first)[: max(0, limit)]:
                before = row.intent
                row.intent = evolve(before, attempts=before.attempts + 1, in_doubt=before.attempts > 0)
                row.claimed_under = claim
                taken.append(row.intent)
            return taken

    def put_off_intents(self, lease: Lease, target_id: CalendarId, until: datetime, at: datetime) -> None:
        """See ``PlanStore.put_off_intents``."""
        until = require_utc("until", until)
        with self._lock:
            self._fence(lease, at)
            for row in self._rows.intents.values():
                if row.intent.operation.target_id == target_id:
                    row.due_at = max(row.due_at, until)

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
        with self._lock:
            self._fence(lease, at)
            rows = self._rows
            rows.calendar(target_id)
            if run_id is not None:
                rows.run(run_id)
            ids = {outcome.intent_id for outcome in outcomes} & rows.intents.keys()
            intents = {key: rows.intents[key].intent for key in ids}
            intents = {key: intent for key, intent in intents.items() if intent.operation.target_id == target_id}
            refs = {intent.operation.ref for intent in intents.values()} & rows.blocks.keys()
            settled = settle(outcomes, intents, {ref: rows.blocks[ref] for ref in refs}, at)
            seen_round = rows.read_states.get(target_id, ReadState()).round
            known = rows.items[target_id]
            rows.put_items(target_id, [stored_item(item, known.get(item.key), seen_round) for item in settled.written])
            for block in settled.blocks:
                rows.put_block(block)
            for key in settled.removed:
                rows.drop_item(target_id, key)
            for debt in settled.debts:
                rows.owe(target_id, debt)
            for intent_id in settled.closed:
                del rows.intents[intent_id]
            for intent_id, due_at in settled.waiting.items():
                rows.intents[intent_id].due_at, rows.intents[intent_id].claimed_under = due_at, None
            rows.note(settled.lines, target_id)
            if run_id is not None:
                rows.writes.update({(run_id, intent_id): each for intent_id, each in settled.wrote.items()})

    def load_due(self, at: datetime, shape: str, horizon_end: datetime) -> Due:
        """See ``PlanStore.load_due``."""
        at, horizon_end = require_utc("at", at), require_utc("horizon_end", horizon_end)
        with self._lock:
            rows = self._rows
            owners = {row.line.owner for row in rows.journal.values()}
            for calendar in rows.calendars.values():
                if _is_behind(rows.plan_states.get(calendar.owner, PlanState()), shape, horizon_end):
                    owners.add(calendar.owner)
            return Due(
                owners=tuple(sorted(owners)),
                targets=tuple(self.load_open_targets(None, at)),
                calendars=tuple(
                    key for key, each in sorted(rows.calendars.items()) if each.enabled and self._due(key, at)
                ),
                checks=tuple(
                    key
                    for key, (watch, _) in sorted(rows.watches.items())
                    if key in rows.called or (watch.check_at is not None and watch.check_at <= at)
                ),
            )

    def _due(self, calendar_id: CalendarId, at: datetime) -> bool:
        if calendar_id not in self._rows.watches or calendar_id in self._rows.called:
            return True
        watch, _ = self._rows.watches[calendar_id]
        times = [self._rows.read_states.get(calendar_id, ReadState()).due_at, watch.due_at]
        times += [debt.due_at for debt in self._rows.debts[calendar_id].values()]
        return any(due_at is not None and due_at <= at for due_at in times)


def _nearest_first(row: OpenIntent) -> tuple[datetime, int]:
    return row.intent.operation.content.span.edges(UTC)[0], row.intent.id


def _is_behind(state: PlanState, shape: str, horizon_end: datetime) -> bool:
    return state.shape != shape or state.horizon_end is None or state.horizon_end < horizon_end
