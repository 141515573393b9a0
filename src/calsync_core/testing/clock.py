"""A clock that tests move by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from calsync_core.errors import InvalidValue
from calsync_core.models import require_utc

__all__ = ["VirtualClock"]

_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class VirtualClock:
    """A ``Clock`` on which time passes only when somebody sleeps or ``advance`` is called. Thread-safe.

    Sleeping never blocks: it moves the clock, for all threads.

    Args:
        start: What it shows first; aware. A Monday morning in March 2026 unless said.

    Raises:
        InvalidValue: ``start`` is naive.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._start = require_utc("start", start)
        self._passed = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, in UTC."""
        with self._lock:
            return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds since the start."""
        with self._lock:
            return self._passed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move forward at once; nothing happens for zero or less."""
        if seconds > 0:
            self.advance(timedelta(seconds=seconds))

    def advance(self, delta: timedelta) -> datetime:
        """Move forward and return the new time.

        Raises:
            InvalidValue: ``delta`` is negative; a clock that goes back is another test's affair.
        """
        if delta < timedelta():
            raise InvalidValue(f"delta: must not be negative, got {delta}")
        with self._lock:
            self._passed += delta
            return self._start + self._passed
