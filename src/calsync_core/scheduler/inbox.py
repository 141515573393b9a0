"""A worker that works the inbox off: for the scheduler, and for a web application that does so in its own process."""

from __future__ import annotations

import os
import random
import threading
import time

from calsync_core.engine import SyncEngine
from calsync_core.errors import Stopped
from calsync_core.log import Logger
from calsync_core.scheduler.jobs import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Job, JobThread, check_seconds

__all__ = ["InboxWorker"]

_REST_SECONDS = 0.1

log = Logger("calsync_core")


class InboxWorker:
    """Works the inbox off in threads of this process: at once when woken, and each tick.

    One thread looks, others take an owner each: whoever's server is slow holds up nobody else.

    Args:
        engine: Whose inbox.
        tick: Seconds between looks into the inbox, for what another process stored or what is tried again.
        width: Owners taken side by side.
        dice: Spreads first runs and retries; a test brings its own.
    """

    def __init__(
        self, engine: SyncEngine, tick: float = 2.0, *, width: int = 16, dice: random.Random | None = None
    ) -> None:
        check_seconds("tick", tick)
        self._engine = engine
        self._width = width
        dice = dice or random.Random()  # noqa: S311  (spreads load, guards nothing)
        first = engine.clock.monotonic() + dice.uniform(0, tick)
        self.job = Job("inbox", tick, first, self._look, engine.clock, dice)
        self._thread = JobThread(self.job)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._process: int | None = None
        self._taken: dict[str, threading.Thread] = {}
        self._last = ""
        self._resting: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._rest = threading.Event()

    @property
    def _ending(self) -> bool:
        return self._rest.is_set()

    @property
    def alive(self) -> bool:
        """Whether its thread runs, in this process."""
        return self._thread.alive

    def start(self) -> None:
        """Begin; harmless if it runs. A forked process begins its own."""
        self._rest.clear()
        if self._process != os.getpid():
            self._begin_anew()
            self._process = os.getpid()
        self._thread.start()

    def wake(self) -> None:
        """Look into the inbox now: something was stored. Never blocks; any thread may call it."""
        self._thread.wake()

    def end(self) -> None:
        """Take nothing more from the inbox; returns at once."""
        self._rest.set()
        self._thread.end()

    def stop(self, timeout: float) -> bool:
        """End, and wait so many seconds for what is under way. True: nothing is."""
        self.end()
        deadline = time.monotonic() + timeout
        ended = self._thread.ended(timeout)
        with self._lock:
            under_way = list(self._taken.values())
        for thread in under_way:
            thread.join(max(0.0, deadline - time.monotonic()))
        return ended and not any(thread.is_alive() for thread in under_way)

    def _look(self) -> None:
        """In threads, hand owners with news to one each; without them, work everything off here and now."""
        if self._process != os.getpid():
            while self._engine.process_notifications().calendars and not self._ending:
                pass
            return
        # From where the last look ended, round and round: with fewer threads than owners, none must wait for ever.
        owners = self._engine.notified_owners()
        for owner in sorted(owners, key=lambda owner: (owner <= self._last, owner)):
            self._take(owner)
        # Under load every push wakes it: one look serves all that came meanwhile.
        self._rest.wait(_REST_SECONDS)

    def _take(self, owner: str) -> None:
        """Unless somebody has, or no thread is left: then whoever ends looks again."""
        with self._lock:
            _, not_before = self._resting.get(owner, (0, 0.0))
            full = len(self._taken) >= self._width
            if self._ending or full or owner in self._taken or time.monotonic() < not_before:
                return
            # A daemon: a process that ends waits for no server that hangs, and what is left undone is in the store.
            thread = threading.Thread(target=self._work_for, args=(owner,), name="calsync-inbox-owner", daemon=True)
            self._taken[owner] = thread
            self._last = owner
            thread.start()

    def _work_for(self, owner: str) -> None:
        failures, more = self._resting.get(owner, (0, 0.0))[0], False
        try:
            more = self._engine.process_notifications(owner).calendars > 0
            failures = 0
        except Stopped:
            log.info("inbox_stopped")
        except Exception as error:  # noqa: BLE001  (nothing ends the worker; what is not done with waits in the store)
            failures += 1
            log.warning("inbox_failed", kind=type(error).__name__, failures=failures)
        finally:
            with self._lock:
                full = len(self._taken) >= self._width
                self._taken.pop(owner, None)
                self._resting.pop(owner, None)
                if failures:
                    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 30))
                    self._resting[owner] = (failures, time.monotonic() + pause)
        if more or full:
            self.wake()
