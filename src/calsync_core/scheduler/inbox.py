"""A worker that works the inbox off: for the scheduler, and for a web application that does so in its own process."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from calsync_core.engine import SyncEngine
from calsync_core.errors import Stopped
from calsync_core.scheduler.jobs import Job, JobThread, check_seconds

__all__ = ["InboxWorker"]

_REST_SECONDS = 0.1

log = structlog.get_logger("calsync_core")


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
        self._pool: ThreadPoolExecutor | None = None
        self._process: int | None = None
        self._taken: dict[str, Future[None]] = {}
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
            self._pool = ThreadPoolExecutor(self._width, thread_name_prefix="calsync-inbox")
            self._process = os.getpid()
        self._thread.start()

    def wake(self) -> None:
        """Look into the inbox now: something was stored. Never blocks; any thread may call it."""
        self._thread.wake()

    def end(self) -> None:
        """Take nothing more from the inbox; returns at once."""
        self._rest.set()
        self._thread.end()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._process = None

    def stop(self, timeout: float) -> bool:
        """End, and wait so many seconds for what is under way. True: nothing is."""
        self.end()
        with self._lock:
            under_way = list(self._taken.values())
        return not wait(under_way, timeout).not_done and self._thread.ended(timeout)

    def _look(self) -> None:
        """In threads, hand every owner with news to one; without them, work everything off here and now."""
        if self._pool is None:
            while self._engine.process_notifications().calendars and not self._ending:
                pass
            return
        for owner in self._engine.notified_owners():
            with self._lock:
                if owner not in self._taken and not self._ending:
                    self._taken[owner] = self._pool.submit(self._work_for, owner)
        # Under load every push wakes it: one look serves all that came meanwhile.
        self._rest.wait(_REST_SECONDS)

    def _work_for(self, owner: str) -> None:
        more = False
        try:
            more = self._engine.process_notifications(owner).calendars > 0
        except Stopped:
            log.info("inbox_stopped")
        except Exception as error:  # noqa: BLE001  (nothing ends the worker; what is not done with waits in the store)
            log.warning("inbox_failed", kind=type(error).__name__)
        finally:
            with self._lock:
                self._taken.pop(owner, None)
        if more:
            self.wake()
