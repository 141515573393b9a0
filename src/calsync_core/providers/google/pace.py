"""Not more writes a minute than Google allows one person: a first mirroring of full calendars would meet the limit."""

from __future__ import annotations

import threading

from calsync_core.protocols import Clock

__all__ = ["Pace"]

_LONGEST_NAP, _SHORTEST_NAP = 5.0, 0.001
_AT_ONCE = 0.25
"""Which part of a minute's writes may go out at once after a pause. The rest is spread over the minute, so that no
minute, wherever it begins, holds more than it may."""


class Pace:
    """A budget that refills steadily. Thread-safe; one per login.

    Args:
        per_minute: Writes in any minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = max(1.0, per_minute * _AT_ONCE)
        self._rate = max(per_minute - self._most, per_minute / 2) / 60
        self._left = self._most
        self._at: float | None = None
        self._lock = threading.Lock()

    def take(self, count: int, clock: Clock) -> None:
        """Wait on the clock until the budget has room for so many writes, and spend it."""
        while (wait := self._try(count, clock.monotonic())) > 0:
            clock.sleep(min(wait, _LONGEST_NAP))

    def _try(self, count: int, now: float) -> float:
        with self._lock:
            passed = 0.0 if self._at is None else max(0.0, now - self._at)
            self._at = now
            self._left = min(self._most, self._left + passed * self._rate)
            wait = (min(count, self._most) - self._left) / self._rate
            if wait > _SHORTEST_NAP:
                return wait
            # What is more than a full budget is paid for afterwards.
            self._left -= count
            return 0.0
