"""How things stand: plans, audits, explanations, health; and the deletions that wait for a decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from attrs import evolve

from calsync_core.engine.part import Part
from calsync_core.errors import InvalidValue
from calsync_core.models import (
    AuditReport,
    BusyTime,
    CalendarHealth,
    CalendarId,
    Explanation,
    HealthReport,
    HeldDeletion,
    Metrics,
    Plan,
    SyncReport,
    Vitals,
    Window,
    require_utc,
)
from calsync_core.steps import explain as explaining
from calsync_core.steps import overview
from calsync_core.steps.audit import audit
from calsync_core.steps.due import loaded
from calsync_core.steps.metrics import metrics
from calsync_core.steps.plan import preview_owner
from calsync_core.steps.run import Run
from calsync_core.steps.sync import read_all

__all__ = ["Looking"]


class Looking(Part):
    """What a host may ask; all but ``plan`` and ``audit`` from the store alone."""

    def plan(self, calendar_id: CalendarId | None = None, owner: str | None = None) -> Plan:
        """Read, and show what a sync would write, and why. Writes nothing to any provider.

        With a calendar, only that one is read, and only what would be written because of it or to it is shown. What
        could not be read is in the plan's ``errors``; the rest is planned with what the store knows of it.
        """
        calendars = self._enabled(owner) if calendar_id is None else [self._store.load_calendar(calendar_id)]
        run = Run()
        read_all(self._context, run, calendars)
        owners = {calendar.owner for calendar in calendars} if calendar_id or owner is None else {owner}
        plans = [preview_owner(self._context, name) for name in sorted(owners)]
        self._deliver()
        merged = evolve(plans[0] if len(plans) == 1 else overview.merged(plans), errors=tuple(run.failures))
        return merged if calendar_id is None else overview.concerning(merged, calendar_id)

    def audit(self, owner: str | None = None, repair: bool = False) -> AuditReport:  # noqa: FBT001, FBT002  (hosts call it so)
        """List every calendar afresh and compare it with what should be; ``repair`` puts right what is not (I-01), but
        for owners who are only observed.

        What was not as it should be is also told in a notice, once for each audit and owner who is written for.
        """
        calendars = self._enabled(owner)
        owners = {calendar.owner for calendar in calendars}
        compared = audit(self._context, owners, calendars, repair=repair)
        self._deliver()
        return compared

    def explain(self, owner: str, instant: datetime) -> Explanation:
        """Why is this instant blocked, or not, on each calendar? From the store, without a request.

        Raises:
            InvalidValue: ``instant`` is naive.
        """
        return explaining.explain(self._context, owner, require_utc("instant", instant))

    def busy(self, owner: str, start: datetime, end: datetime) -> list[BusyTime]:
        """The owner's merged busy times between two instants, from the store, without a request.

        Raises:
            InvalidValue: a naive instant, or an end that is not after the start.
        """
        window = Window(require_utc("start", start), require_utc("end", end))
        if window.end <= window.start:
            raise InvalidValue("end: must be after start")
        return explaining.busy(self._context, owner, window)

    def owners(self, calendars: Iterable[CalendarId] | None = None) -> list[str]:
        """Everybody with an enabled calendar, or with one of these, sorted."""
        known = self._enabled(None) if calendars is None else loaded(self._context, calendars)
        return sorted({calendar.owner for calendar in known if calendar.enabled})

    def runs(
        self, calendar_id: CalendarId | None = None, limit: int = 50, *, owner: str | None = None
    ) -> list[SyncReport]:
        """The latest recorded syncs, newest first; without ``finished_at``: under way and writing, or it died so.

        Args:
            calendar_id: Only those that read or wrote this calendar.
            limit: At most so many.
            owner: Only those that read or wrote one of this owner's calendars; other owners' may be in the same run. A
                run without ``finished_at`` names no calendar yet: it is only among all.

        Raises:
            InvalidValue: ``calendar_id`` is no number.
        """
        if calendar_id is not None and not isinstance(calendar_id, int):
            raise InvalidValue(f"calendar_id: must be a calendar's number, got a {type(calendar_id).__name__}")
        if owner is None:
            return self._store.load_runs(calendar_id, limit)
        mine = {each.key for each in self._store.load_calendars(owner=owner)}
        wanted = mine if calendar_id is None else mine & {calendar_id}
        found = {run.key: run for key in wanted for run in self._store.load_runs(key, limit)}
        return [found[key] for key in sorted(found, reverse=True)][: max(0, limit)]

    def health(self, owner: str | None = None) -> HealthReport:
        """The state of every enabled calendar, and what waits."""
        return overview.health(self._context, owner)

    def calendar_health(self, *, limit: int = 50, offset: int = 0) -> list[CalendarHealth]:
        """A page of what ``health`` lists, those in trouble first, then by id. In a few looks at the store, however
        many calendars there are.

        Raises:
            InvalidValue: ``limit`` or ``offset`` is negative.
        """
        for name, value in (("limit", limit), ("offset", offset)):
            if value < 0:
                raise InvalidValue(f"{name}: must not be negative, got {value!r}")
        return overview.calendar_health(self._context, limit=limit, offset=offset)

    def metrics(self, hours: float = 24) -> Metrics:
        """What the runs of the last hours add up to."""
        return metrics(self._context, hours)

    def vitals(self) -> Vitals:
        """Whether the installation is alive, in numbers without names; cheap enough for a probe."""
        found = self._store.load_vitals()
        since = found.backlog_since
        # What waits on purpose, for echoes to come in or for another attempt, is not late.
        return found if since is None or since <= self._context.clock.now() else evolve(found, backlog_since=None)

    def cleanup(self, days: float = 30, *, dry_run: bool = False) -> int:
        """Forget runs, tombstones and notifications older than this; returns how many rows went, or with ``dry_run``
        would go.
        """
        if days < 1:
            raise InvalidValue(f"days: must be at least 1, got {days!r}")
        return self._store.cleanup(self._context.clock.now() - timedelta(days=days), dry_run=dry_run)

    # -- deletions the guard holds --------------------------------------------------------------------------------

    def held(self, owner: str | None = None) -> list[HeldDeletion]:
        """Deletions held for you to decide (I-08)."""
        return overview.held(self._context, owner)

    def approve(self, refs: Collection[str] | None = None, owner: str | None = None) -> int:
        """Let held deletions (all, or these) happen with the next sync, unless they are wanted again by then."""
        return overview.approve(self._context, refs, owner)

    def drop(self, refs: Collection[str] | None = None, owner: str | None = None) -> int:
        """Keep the blocks of held deletions (all, or these) until their slot is past."""
        return overview.drop(self._context, refs, owner)
