"""A thread that works the inbox off: for the scheduler, and for a web application that does so in its own process."""

from __future__ import annotations

import random

from calsync_core.engine import SyncEngine
from calsync_core.scheduler.jobs import Job, JobThread, check_seconds

__all__ = ["InboxWorker"]


class InboxWorker:
    """Works the inbox off in a daemon thread of this process: at once when woken, and each tick.

    Args:
        engine: Whose inbox.
        tick: Seconds between looks into the inbox, for what another process stored or what is tried again.
        dice: Spreads first runs and retries; a test brings its own.
    """

    def __init__(self, engine: SyncEngine, tick: float = 2.0, *, dice: random.Random | None = None) -> None:
        check_seconds("tick", tick)
        self._engine = engine
        dice = dice or random.Random()  # noqa: S311  (spreads load, guards nothing)
        first = engine.clock.monotonic() + dice.uniform(0, tick)
        self.job = Job("inbox", tick, first, self._drain, engine.clock, dice)
        self._thread = JobThread(self.job)
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
