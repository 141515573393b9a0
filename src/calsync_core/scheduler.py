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

import hashlib
import random
import threading
import time
from collections.abc import Callable

import structlog
from attrs import define, field

from calsync_core.engine import SyncEngine
from calsync_core.errors import InvalidValue, Stopped
from calsync_core.models import SyncType
from calsync_core.protocols import Clock

__all__ = ["InboxWorker", "Job", "Scheduler"]

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""A job that failed is tried again after the first, then twice as long each time, up to the longest."""

_DAY_SECONDS = 24 * 3600.0
_SPREAD_SECONDS = 5.0
_AUDIT_SPREAD_SECONDS = 900.0

log = structlog.get_logger("calsync_core")


@define(eq=False)
class Job:
    """One piece of work that comes round again and again. Thread-safe.

    Attributes:
        name: As it is logged.
        interval: Seconds from the end of a run to the next one.
        due_at: When it is due, on the clock's monotonic scale.
        failures: Runs in a row that raised.
    """

    name: str
    interval: float
    due_at: float
    failures: int = field(default=0, init=False)
    _work: Callable[[], object]
    _clock: Clock
    _dice: random.Random
    _hurried: bool = field(default=False, init=False)
    _failed_at: float = field(default=0.0, init=False)
    _running: threading.Lock = field(factory=threading.Lock, init=False)
    _timing: threading.Lock = field(factory=threading.Lock, init=False)

    def pause(self) -> float:
        """Seconds until it is due; none or less: it is."""
        with self._timing:
            return self.due_at - self._clock.monotonic()

    def hurry(self) -> None:
        """Make it due now, and again if it is running: what it is to see may have come too late for this run.

        While it fails, it still gets its first pause: being woken often is no reason to fail often.
        """
        with self._timing:
            self._hurried = True
            earliest = self._failed_at + FIRST_PAUSE_SECONDS if self.failures else self._clock.monotonic()
            self.due_at = min(self.due_at, earliest)

    def attempt(self) -> bool:
        """Run it unless it is running. What it raises is logged by its kind, and puts it off."""
        if not self._running.acquire(blocking=False):
            return False
        try:
            with self._timing:
                self._hurried = False
            try:
                self._work()
            except Stopped:
                self._put_off()
                log.info("job_stopped", job=self.name)
            except Exception as error:  # noqa: BLE001  (nothing ends the loop: not a dead database, not a defect)
                pause = self._put_off()
                log.warning("job_failed", job=self.name, kind=type(error).__name__, retry_in=round(pause, 1))
            else:
                self._come_round()
        finally:
            self._running.release()
        return True

    def _put_off(self) -> float:
        with self._timing:
            self.failures += 1
            self._failed_at = self._clock.monotonic()
            longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures - 1, 30))
            pause = longest * self._dice.uniform(0.5, 1.0)
            self.due_at = self._failed_at + pause
            return pause

    def _come_round(self) -> None:
        with self._timing:
            if self.failures:
                log.info("job_recovered", job=self.name, failures=self.failures)
            self.failures = 0
            self.due_at = self._clock.monotonic() + (0.0 if self._hurried else self.interval)


class _Thread:
    """A daemon thread that runs one job whenever it is due, until told to stop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._signal, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Harmless if it runs; after a fork, it is the child's own."""
        if not self.alive:
            self._ending.clear()
            self._thread = threading.Thread(target=self._loop, name=f"calsync-{self.job.name}", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        self.job.hurry()
        self._signal.set()

    def end(self) -> None:
        """Begin no further run."""
        self._ending.set()
        self._signal.set()

    def ended(self, timeout: float) -> bool:
        if self._thread is not None:
            self._thread.join(max(0.0, timeout))
        return not self.alive

    def _loop(self) -> None:
        while True:
            self._signal.clear()  # before looking, so that no wake-up is lost
            pause = self.job.pause()
            if self._ending.is_set():
                return
            if pause > 0:
                self._signal.wait(min(pause, threading.TIMEOUT_MAX))
            elif not self.job.attempt():
                self._signal.wait(FIRST_PAUSE_SECONDS)  # somebody else runs it in this process


class InboxWorker:
    """Works the inbox off in a daemon thread of this process: at once when woken, and each tick.

    Args:
        engine: Whose inbox.
        tick: Seconds between looks into the inbox, for what another process stored or what is tried again.
        dice: Spreads first runs and retries; a test brings its own.
    """

    def __init__(self, engine: SyncEngine, tick: float = 2.0, *, dice: random.Random | None = None) -> None:
        _check("tick", tick)
        self._engine = engine
        dice = dice or random.Random()  # noqa: S311  (spreads load, guards nothing)
        first = engine.clock.monotonic() + dice.uniform(0, tick)
        self.job = Job("inbox", tick, first, self._drain, engine.clock, dice)
        self._thread = _Thread(self.job)
        self._ending = False

    @property
    def alive(self) -> bool:
        """Whether its thread runs, in this process."""
        return self._thread.alive

    def start(self) -> None:
        """Begin; harmless if it runs. A forked process begins its own."""
        self._ending = False
        self._thread.start()

    def wake(self) -> None:
        """Look into the inbox now: something was stored. Never blocks; any thread may call it."""
        self._thread.wake()

    def end(self) -> None:
        """Take nothing more from the inbox; returns at once."""
        self._ending = True
        self._thread.end()

    def stop(self, timeout: float) -> bool:
        """End, and wait so many seconds for what is under way. True: nothing is."""
        self.end()
        return self._thread.ended(timeout)

    def _drain(self) -> None:
        while self._engine.process_notifications().calendars and not self._ending:
            pass


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
        _check("audit_days", audit_days, least=1.0)
        _check("cleanup_days", cleanup_days, least=1.0)
        self._engine = engine
        self._dice = dice or random.Random()  # noqa: S311  (spreads load, guards nothing)
        self._audits = _Audits(engine, max(1, round(audit_days)))
        self._cleanup_days = cleanup_days
        self._looked_at_all = False
        self._inbox = InboxWorker(engine, inbox_tick, dice=self._dice)
        self._threads: list[_Thread] = []
        self.add("polling", polling_tick, self._poll)
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
        _check(f"{name}: interval", interval)
        if any(job.name == name for job in self.jobs):
            raise InvalidValue(f"name: there is a job {name!r} already")
        first = self._engine.clock.monotonic() + self._dice.uniform(0, min(interval, spread))
        job = Job(name, interval, first, lambda: self._alone(name, work), self._engine.clock, self._dice)
        self._threads.append(_Thread(job))

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

    def _alone(self, name: str, work: Callable[[], object]) -> None:
        """Unless another process is at it right now: then it is done as well as if we had."""
        with self._engine.job(name) as mine:
            if mine:
                work()
            else:
                log.debug("job_elsewhere", job=name)

    def _poll(self) -> None:
        try:
            self._engine.sync_calendars_needing_polling(due_only=True)
        finally:
            self._engine.deliver_notices()

    def _maintain(self) -> None:
        self._engine.maintain_subscriptions(everything=not self._looked_at_all)
        self._looked_at_all = True
        self._engine.cleanup(self._cleanup_days)
        health = self._engine.health()
        ways = [each.way for each in health.calendars]
        log.info(
            "health_reported",
            status=health.status,
            calendars=len(ways),
            unwell=sum(each.state != "ok" for each in health.calendars),
            webhook=ways.count(SyncType.WEBHOOK),
            polling=ways.count(SyncType.POLLING),
            held=health.held,
            open_intents=health.open_intents,
        )


class _Audits:
    """Which owners are to be audited: each on its own day of the round, by a hash that every process agrees on."""

    def __init__(self, engine: SyncEngine, days: int) -> None:
        self._engine = engine
        self._days = days
        self._through: int | None = None
        self._waiting: list[str] = []
        self._ending = False

    def end(self) -> None:
        """Begin no further audit."""
        self._ending = True

    def run(self) -> None:
        """Audit everybody whose day came since the last run, and those whose audit could not be done then.

        Raises:
            Exception: the last of what audits raised, after all others were done.
        """
        owners = sorted({calendar.owner for calendar in self._engine.health().calendars})
        today = self._engine.clock.now().toordinal()
        begun = today - 1 if self._through is None else max(self._through, today - self._days)
        slots = {day % self._days for day in range(begun + 1, today + 1)}
        self._waiting = [each for each in owners if each in self._waiting or _slot(each, self._days) in slots]
        self._through = today
        failed: Exception | None = None
        for owner in tuple(self._waiting):
            if self._ending:
                return
            try:
                self._audit(owner)
            except Exception as error:  # noqa: BLE001  (one owner's trouble is no other's)
                log.warning("audit_not_done", owner=owner, kind=type(error).__name__)
                failed = error
            else:
                self._waiting.remove(owner)
        if failed is not None:
            raise failed

    def _audit(self, owner: str) -> None:
        found = self._engine.audit(owner)
        log.info(
            "audit_finished",
            owner=owner,
            ok=found.ok,
            checked=found.checked,
            missing=found.missing,
            extra=found.extra,
            wrong=found.wrong,
            errors=len(found.errors),
        )
        if not found.ok:
            self._engine.audit(owner, repair=True)
            self._engine.sync_all_calendars(owner)


def _slot(owner: str, days: int) -> int:
    return int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big") % days


def _check(name: str, value: float, *, least: float = 0.0) -> None:
    if not value > 0 or value < least:
        raise InvalidValue(f"{name}: must be {f'at least {least:g}' if least else 'more than 0'}, got {value!r}")
