"""When a job is due, and a thread that runs it then."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from attrs import define, field

from calsync_core.errors import InvalidValue, Stopped
from calsync_core.log import Logger
from calsync_core.protocols import Clock

__all__ = ["FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "Job", "JobThread", "check_seconds"]

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""A job that failed is tried again after the first, then twice as long each time, up to the longest."""

log = Logger("calsync_core")


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


class JobThread:
    """A daemon thread that runs one job whenever it is due, until told to stop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._signal, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs, in this process."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Harmless if it runs; after a fork, it is the child's own."""
        if not self.alive:
            self._ending.clear()
            self._thread = threading.Thread(target=self._loop, name=f"calsync-{self.job.name}", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Have the job done now."""
        self.job.hurry()
        self._signal.set()

    def end(self) -> None:
        """Begin no further run."""
        self._ending.set()
        self._signal.set()

    def ended(self, timeout: float) -> bool:
        """Wait so many seconds for the run under way. True: it has ended."""
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


def check_seconds(name: str, value: float, *, least: float = 0.0) -> None:
    """Raises InvalidValue: it is not a positive number, or less than ``least``."""
    if not value > 0 or value < least:
        raise InvalidValue(f"{name}: must be {f'at least {least:g}' if least else 'more than 0'}, got {value!r}")
