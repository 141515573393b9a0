"""Waiting for what other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from calsync_core.models import Lease
from calsync_core.stores import MemoryStore
from calsync_core.testing.clock import VirtualClock

__all__ = ["WAIT", "Renewing", "until"]

WAIT = 20.0
"""Never reached where all is well."""


def until(condition: Callable[[], object], seconds: float = WAIT) -> None:
    """Wait for it."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        tick.wait(0.01)


class Renewing(MemoryStore):
    """A store that knows when its leases were renewed."""

    def __init__(self) -> None:
        super().__init__()
        self._renewed_at: dict[str, datetime] = {}

    def renew_lease(self, lease: Lease, ttl: float, at: datetime) -> Lease:
        renewed = super().renew_lease(lease, ttl, at)
        self._renewed_at[lease.name] = at
        return renewed

    def outlast(self, clock: VirtualClock, name: str) -> None:
        """Let two minutes pass for somebody who must keep the lease of this name meanwhile."""
        for _ in range(3):
            clock.advance(timedelta(seconds=40))
            until(lambda: self._renewed_at.get(name) == clock.now())
