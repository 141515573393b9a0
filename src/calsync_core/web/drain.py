"""One thread in each process that works the inbox off."""

from __future__ import annotations

import atexit
import os
import threading

from calsync_core.engine import SyncEngine
from calsync_core.log import Logger
from calsync_core.scheduler import InboxWorker

__all__ = ["Drain"]

_log = Logger("calsync_core.web")

_SECONDS_TO_STOP = 10.0


class Drain:
    """An ``InboxWorker`` that begins when it is first needed in this process, and ends with it.

    Threads do not survive a fork, so it goes by the process's id: a server may load the application and fork its
    workers afterwards. Thread-safe.
    """

    def __init__(self, engine: SyncEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._process: int | None = None
        self._worker: InboxWorker | None = None

    def start(self) -> None:
        """Begin, unless it has begun in this process."""
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process == os.getpid():
                return
            self._worker = self._begin()
            self._process = os.getpid()

    def wake(self) -> None:
        """There is something in the inbox."""
        self.start()
        worker = self._worker
        if worker is not None:
            worker.wake()

    def stop(self, timeout: float = _SECONDS_TO_STOP) -> bool:
        """End; True: what was under way is finished. The next use begins again."""
        with self._lock:
            worker, ours = self._worker, self._process == os.getpid()
            self._worker = self._process = None
        atexit.unregister(self.stop)
        return worker.stop(timeout) if worker is not None and ours else True

    @property
    def alive(self) -> bool:
        """It runs in this process, or nobody has needed it yet."""
        if self._process != os.getpid():
            return True
        worker = self._worker
        return worker is not None and worker.alive

    def _begin(self) -> InboxWorker | None:
        worker = InboxWorker(self._engine)
        try:
            worker.start()
        except RuntimeError:  # No thread to be had: what was received is safe, and health says that nobody works.
            _log.error("drain_not_started")
            return None
        atexit.register(self.stop)
        return worker
