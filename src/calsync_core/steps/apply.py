"""APPLY: write one target's open intents, and record what became of each as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from calsync_core.errors import ProviderError, RateLimited, ReadOnly
from calsync_core.models import (
    Account,
    Calendar,
    CalendarStatus,
    Intent,
    Lease,
    Outcome,
    OutcomeStatus,
)
from calsync_core.protocols import Session
from calsync_core.steps.access import set_calendar_status
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.read import settle_debts
from calsync_core.steps.run import Run
from calsync_core.steps.watch import note_write

__all__ = ["apply_intents"]

_PROBE_SECONDS = 3600.0
"""How often a target that became read-only is tried again (I-42)."""

_RATE_LIMIT_SECONDS = 60.0
"""How long to wait when a provider limits the rate and does not say for how long."""

_SOON_SECONDS = 1.0
"""What a process that dies has not recorded yet costs a look each; recording each one costs a transaction each."""

_IN_CONFLICT = {OutcomeStatus.TAKEN, OutcomeStatus.CHANGED, OutcomeStatus.MISSING}


def apply_intents(context: Context, run: Run, account: Account, calendar: Calendar) -> None:
    """Write every open intent of one target that may be tried now, nearest slot first.

    What turned out to have been changed by somebody else is read by id at once, so that the next plan knows.

    Raises:
        ProviderError: the rest of the intents are kept for later; what happened before is recorded.
    """
    limit = context.writer_of(account).batch_size

    def claim(lease: Lease) -> list[Intent]:
        return context.store.claim_intents(lease, calendar.key, limit, context.clock.now())

    with context.put_to_work(account, calendar, claim) as (lease, claimed):
        session = context.session(account, run.meter, lease)
        done = 0
        conflicts = False
        since = context.clock.now()
        intents = claimed
        while intents:
            more = len(intents) == limit
            batch = _Batch(context, run, session, calendar, lease, since)
            outcomes = batch.apply(intents, last=not (more or conflicts))
            conflicts = conflicts or _in_conflict(outcomes)
            done += len(outcomes)
            context.progress("apply", calendar.name, done)
            intents = claim(lease.current()) if more else []
        if conflicts:
            settle_debts(context, run, session, calendar, lease)
    if done and calendar.status is CalendarStatus.READ_ONLY:
        set_calendar_status(context, calendar, CalendarStatus.OK)
    context.progress("apply", calendar.name, done, done, over=True)


@frozen
class _Batch:
    """One hand-over to a provider."""

    context: Context
    run: Run
    session: Session
    calendar: Calendar
    lease: HeldLease
    since: datetime

    def apply(self, intents: Sequence[Intent], *, last: bool) -> list[Outcome]:
        """Record outcomes soon after they come, those of one answer together; an intent without one may have happened
        and is looked up next time.

        With the ``last`` ones that are for this lease, it is given back, unless something is in conflict.
        """
        provider = self.context.writer_of(self.session.account)
        outcomes: list[Outcome] = []
        recorded, since = 0, self.context.clock.monotonic()
        try:
            for outcome in provider.apply(self.session, self.calendar, intents):
                outcomes.append(outcome)
                if self.context.clock.monotonic() - since >= _SOON_SECONDS:
                    self._record(outcomes[recorded:])
                    recorded, since = len(outcomes), self.context.clock.monotonic()
            self._conclude(outcomes[recorded:], outcomes, last=last and not _in_conflict(outcomes))
            self._count(intents, outcomes)
        except ProviderError as error:
            told = {outcome.intent_id for outcome in outcomes}
            put_off = [_put_off(intent, error) for intent in intents if intent.id not in told]
            self._record([*outcomes[recorded:], *put_off])
            self._count(intents, outcomes)
            if isinstance(error, ReadOnly):
                set_calendar_status(self.context, self.calendar, CalendarStatus.READ_ONLY)
            elif isinstance(error, RateLimited):
                self._have_reads_wait(error)
            raise
        return outcomes

    def _count(self, intents: Sequence[Intent], outcomes: Sequence[Outcome]) -> None:
        kinds = {intent.id: intent.operation.kind for intent in intents}
        for outcome in outcomes:
            if outcome.status is OutcomeStatus.DONE:
                self.run.wrote(self.calendar.key, kinds[outcome.intent_id])

    def _have_reads_wait(self, error: RateLimited) -> None:
        """A provider's patience is the account's: what it said to a write holds for reads as well (I-33)."""
        now = self.context.clock.now()
        state = self.context.store.load_read_state(self.calendar.key)
        due_at = now + timedelta(seconds=_RATE_LIMIT_SECONDS if error.retry_after is None else error.retry_after)
        waiting = evolve(state, due_at=due_at, last_error=f"{type(error).__name__}: {error}")
        self.context.store.save_read_state(self.lease.current(), self.calendar.key, waiting, now)

    def _record(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            run_id = self.run.number(self.context.store)
            self._save(self.lease.current(), outcomes, run_id)

    def _conclude(self, left: Sequence[Outcome], outcomes: Sequence[Outcome], *, last: bool) -> None:
        """Record what is left, and what the watch on the calendar should know of it all, in one transaction."""
        written = any(outcome.status is OutcomeStatus.DONE for outcome in outcomes)
        # Not in that transaction: it may be undone and begun again.
        run_id = self.run.number(self.context.store) if left else None

        def conclude(lease: Lease) -> None:
            if left:
                self._save(lease, left, run_id)
            if written:
                note_write(self.context, lease, self.session.account, self.calendar, self.since)

        if last:
            self.lease.last(conclude)
        elif left or written:
            lease = self.lease.current()
            self.context.together(lambda: conclude(lease))

    def _save(self, lease: Lease, outcomes: Sequence[Outcome], run_id: int | None) -> None:
        store, now = self.context.store, self.context.clock.now()
        store.record_outcomes(lease, self.calendar.key, outcomes, now, run_id=run_id)


def _in_conflict(outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.status in _IN_CONFLICT for outcome in outcomes)


def _put_off(intent: Intent, error: ProviderError) -> Outcome:
    pause = error.retry_after
    if isinstance(error, ReadOnly):
        pause = _PROBE_SECONDS
    elif isinstance(error, RateLimited) and pause is None:
        pause = _RATE_LIMIT_SECONDS
    return Outcome(intent.id, OutcomeStatus.RETRY, retry_after=pause, message=type(error).__name__)
