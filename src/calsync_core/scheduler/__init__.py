"""The loop that a host may use instead of its own: four jobs, each due by the engine's clock.

::

    inbox         when woken, or each tick   what pushes told of
    polling       each polling tick          calendars whose timer has run out, whatever waits, notices for the host
    maintenance   at start, then half-hourly subscriptions, what may be forgotten, one line on how things stand
    audit         daily                      every owner once in ``audit_days``; what is found wrong is put right

A job never overlaps itself: in a process by a lock, over processes by a lease in the store; only the inbox is worked
off by as many as like to, since its lease is an owner's. A job that raises is logged and tried again after a while, so
a database that is down at start, or goes down in between, ends nothing. ``Scheduler.run`` gives each job a thread,
``Scheduler.run_due`` runs what is due in the caller's: both ask the same ``Job``.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from calsync_core.engine import SyncEngine
from calsync_core.errors import InvalidValue
from calsync_core.log import Logger
from calsync_core.scheduler.audits import Audits
from calsync_core.scheduler.inbox import InboxWorker
from calsync_core.scheduler.jobs import Job, JobThread, check_seconds
from calsync_core.scheduler.work import alone, maintain, poll

__all__ = ["InboxWorker", "Job", "Scheduler"]

_DAY_SECONDS = 24 * 3600.0
_SPREAD_SECONDS = 5.0
_AUDIT_SPREAD_SECONDS = 900.0

log = Logger("calsync_core")


class Scheduler:
    """Everything that an installation has to do again and again.

    Args:
        engine: Whose work it is.
        polling_tick: Seconds between looks at what is due; how often a calendar is read is the policy's affair.
        maintenance_interval: Seconds between looks at the subscriptions that need something.
        inbox_tick: Seconds between looks into the inbox where nobody calls ``wake``.
        audit_days: Every owner is audited once in so many days.
        cleanup_days: Runs and tombstones older than this are forgotten.
        dice: Spreads first runs and retries; a test brings its own.

    Raises:
        InvalidValue: names the argument.
    """

    def __init__(
        self,
        engine: SyncEngine,
        *,
        polling_tick: float = 30.0,
        maintenance_interval: float = 1800.0,
        inbox_tick: float = 1.0,
        audit_days: float = 7.0,
        cleanup_days: float = 30.0,
        dice: random.Random | None = None,
    ) -> None:
        check_seconds("audit_days", audit_days, least=1.0)
        check_seconds("cleanup_days", cleanup_days, least=1.0)
        self._engine = engine
        self._dice = dice or random.Random()  # noqa: S311  (spreads load, guards nothing)
        self._audits = Audits(engine, max(1, round(audit_days)))
        self._cleanup_days = cleanup_days
        self._looked_at_all = False
        self._inbox = InboxWorker(engine, inbox_tick, dice=self._dice)
        self._threads: list[JobThread] = []
        self.add("polling", polling_tick, lambda: poll(engine))
        self.add("maintenance", maintenance_interval, self._maintain)
        self.add("audit", _DAY_SECONDS, self._audits.run, spread=_AUDIT_SPREAD_SECONDS)

    def add(self, name: str, interval: float, work: Callable[[], object], *, spread: float = _SPREAD_SECONDS) -> None:
        """Have another piece of work done as the four are: alone under its name, and again when it raised.

        Args:
            name: Not one of those there are; all processes of an installation know it by this.
            interval: Seconds from the end of a run to the next one.
            work: Called in a thread of its own by ``run``, in the caller's by ``run_due``.
            spread: The first run comes within so many seconds, or within the interval if that is less.

        Raises:
            InvalidValue: the name is taken, or the interval isn't positive.
        """
        check_seconds(f"{name}: interval", interval)
        if any(job.name == name for job in self.jobs):
            raise InvalidValue(f"name: there is a job {name!r} already")
        first = self._engine.clock.monotonic() + self._dice.uniform(0, min(interval, spread))
        job = Job(name, interval, first, lambda: alone(self._engine, name, work), self._engine.clock, self._dice)
        self._threads.append(JobThread(job))

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, the inbox first."""
        return (self._inbox.job, *(thread.job for thread in self._threads))

    def wake(self) -> None:
        """Look into the inbox now: something was stored. Never blocks; any thread may call it."""
        self._inbox.wake()

    def run_due(self) -> list[str]:
        """Run, in this thread, every job that is due by the engine's clock; returns their names.

        For hosts with a loop of their own: call it every second or so. Never raises for a job.
        """
        return [job.name for job in self.jobs if job.pause() <= 0 and job.attempt()]

    def run(self, stop: threading.Event, *, grace: float = 20.0) -> bool:
        """Work until ``stop`` is set, then stop the engine and wait for the jobs.

        Args:
            stop: Set it from anywhere but a signal handler, which may interrupt the very wait for it.
            grace: Seconds that jobs get to end; what they leave undone is picked up by the next process (I-05).

        Returns:
            True if all jobs ended in time.
        """
        log.info("scheduler_started", jobs=[job.name for job in self.jobs])
        self._inbox.start()
        for thread in self._threads:
            thread.start()
        try:
            stop.wait()
        finally:
            ended = self._end(grace)
        return ended

    def _end(self, grace: float) -> bool:
        log.info("scheduler_stopping", grace=grace)
        self._inbox.end()
        for thread in self._threads:
            thread.end()
        self._audits.end()
        self._engine.stop()
        deadline = time.monotonic() + grace
        late = [thread.job.name for thread in self._threads if not thread.ended(deadline - time.monotonic())]
        if not self._inbox.stop(max(0.0, deadline - time.monotonic())):
            late.append(self._inbox.job.name)
        if late:
            log.warning("jobs_abandoned", jobs=late, after=grace)
        else:
            log.info("scheduler_stopped")
        return not late

    def _maintain(self) -> None:
        maintain(self._engine, everything=not self._looked_at_all, cleanup_days=self._cleanup_days)
        self._looked_at_all = True
