"""The work: reads what was pushed or is due, and writes the blocks."""

from __future__ import annotations

import signal
import threading

from planner import engine

from calsync_core.scheduler import Scheduler

if __name__ == "__main__":
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(
        signal.SIG_BLOCK, ends
    )  # before there are threads: each has its own mask
    stop = threading.Event()
    # Every two seconds: who has just connected a calendar is waiting.
    worker = threading.Thread(target=Scheduler(engine, polling_tick=2).run, args=[stop])
    worker.start()
    signal.sigwait(ends)
    stop.set()
    worker.join()
