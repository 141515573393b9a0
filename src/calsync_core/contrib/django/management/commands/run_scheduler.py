"""``manage.py run_scheduler``: keep all calendars in step until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import threading
from argparse import ArgumentParser
from typing import Any

from calsync_core.contrib.django.management.base import EngineCommand
from calsync_core.engine import SyncEngine
from calsync_core.errors import StoreError
from calsync_core.scheduler import Scheduler
from calsync_core.scheduler.stopping import signals_heard

__all__ = ["Command"]

_GRACE_SECONDS, _LAST_SECONDS = 15.0, 18.0


class Command(EngineCommand):
    """Run ``calsync_core.scheduler.Scheduler``."""

    help = "Keep all calendars in step until SIGTERM or SIGINT; ends within 20 seconds, at once at a second signal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How often."""
        parser.add_argument("--polling-tick", type=float, default=30.0, help="Seconds between looks at what is due.")
        parser.add_argument("--inbox-tick", type=float, default=1.0, help="Seconds between looks into the inbox.")
        parser.add_argument(
            "--maintenance-interval", type=float, default=1800.0, help="Seconds between looks at subscriptions."
        )

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """Until told to stop. The main thread does nothing but hear signals."""
        scheduler = Scheduler(
            engine,
            polling_tick=options["polling_tick"],
            inbox_tick=options["inbox_tick"],
            maintenance_interval=options["maintenance_interval"],
        )
        self._look_at_the_tables(engine)
        stop, clean = threading.Event(), threading.Event()

        def run() -> None:
            if scheduler.run(stop, grace=_GRACE_SECONDS):
                clean.set()

        worker = threading.Thread(target=run, name="calsync-scheduler", daemon=True)
        with signals_heard() as heard:
            worker.start()
            self.stdout.write("Calendars are kept in step. Ctrl-C stops.")
            self.stdout.flush()
            while worker.is_alive() and not heard():
                worker.join(0.25)
            stop.set()
            engine.stop()
            worker.join(_LAST_SECONDS)
        if not clean.is_set():
            # A request that does not end keeps its thread, and Python would wait for that. What it leaves undone is
            # what a crash leaves, and picked up like that (I-05).
            os._exit(0 if heard() else 1)

    def _look_at_the_tables(self, engine: SyncEngine) -> None:
        try:
            engine.vitals()
        except StoreError as error:  # a database that is away now; one that is behind ends the command
            self.stderr.write(f"not yet: {error}")
