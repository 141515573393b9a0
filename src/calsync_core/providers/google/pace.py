"""Not more writes a minute than Google allows one person: a first mirroring of full calendars would meet the limit."""

from __future__ import annotations

import threading

from calsync_core.protocols import Clock

__all__ = ["Pace"]

_LONGEST_NAP = 5.0


class Pace:
    """A budget that refills steadily. Thread-safe; one per login.

    Args:
        per_minute: Writes in a minute, and at once after a pause.
    """

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._most = float(per_minute)
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
            missing = min(count, self._most) - self._left
            if missing > 1e-9:
                return missing / self._rate
            self._left -= count
            return 0.0
