"""What a probe and a scraper are told. Asked often, so answered from memory for some seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from calsync_core.core.vitality import Vitality, judge
from calsync_core.engine import SyncEngine
from calsync_core.log import Logger
from calsync_core.models import Vitals
from calsync_core.protocols import Clock
from calsync_core.web.drain import Drain
from calsync_core.web.exposition import HOURS, expose

__all__ = ["Kept", "Probes", "drain_state", "verdict"]

_log = Logger("calsync_core.web")

_KEPT_SECONDS = 5.0

T = TypeVar("T")


def drain_state(drain: Drain | None) -> str:
    """``off``, ``running`` or ``stopped``: the thread of this process that works the inbox off."""
    return "off" if drain is None else "running" if drain.alive else "stopped"


def verdict(vitals: Vitals, now: datetime, drain: str) -> Vitality:
    """How an installation with these vitals is, seen from a process whose thread is in this state."""
    return judge(vitals, now) if drain != "stopped" else Vitality.UNHEALTHY


class Kept(Generic[T]):
    """The last answer, while it is fresh. Who asks meanwhile waits for the one who is finding it out. Thread-safe."""

    def __init__(self, find: Callable[[], T], clock: Clock) -> None:
        self._find = find
        self._clock = clock
        self._lock = threading.Lock()
        self._found: tuple[float, T] | None = None

    def get(self) -> T:
        """What was found, or is found now."""
        with self._lock:
            found = self._found
            if found is None or self._clock.monotonic() - found[0] >= _KEPT_SECONDS:
                found = self._found = (self._clock.monotonic(), self._find())
            return found[1]


class Probes:
    """How the installation is, from its store. No name of a person or calendar is in it, and no request is sent.

    Args:
        engine: Whose installation.
        drain: The thread of this process, if it is to have one.
    """

    def __init__(self, engine: SyncEngine, drain: Drain | None = None) -> None:
        self._engine = engine
        self._clock = clock = engine.clock
        self._drain = drain
        self._health = Kept(self._look, clock)
        self._page = Kept(self._expose, clock)

    def health(self) -> dict[str, Any]:
        """The vitals, and ``status``: ``healthy``, ``degraded`` or ``unhealthy``. Raises nothing."""
        return self._health.get()

    def metrics(self) -> str:
        """Prometheus' text.

        Raises:
            StoreError: the store can't be asked now.
        """
        return self._page.get()

    def _look(self) -> dict[str, Any]:
        drain = drain_state(self._drain)
        try:
            vitals = self._engine.vitals()
        except Exception as error:  # noqa: BLE001  (whatever it is: the store can't be asked)
            _log.warning("health_unknown", kind=type(error).__name__)
            return {"status": str(Vitality.UNHEALTHY), "drain": drain, "store": "unavailable"}
        status = verdict(vitals, self._clock.now(), drain)
        return {"status": str(status), "drain": drain, "store": "available", **vitals.as_dict()}

    def _expose(self) -> str:
        vitals, totals = self._engine.vitals(), self._engine.metrics(HOURS)
        return expose(vitals, totals.as_dict(), self._clock.now())
