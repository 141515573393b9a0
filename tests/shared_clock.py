"""A clock that several processes look at, and that one of them may put forward for all."""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from calsync_core.testing import VirtualClock

__all__ = ["SharedClock"]

_SHIFT = struct.Struct("d")
_GLANCE_SECONDS = 0.02


class SharedClock(VirtualClock):
    """Goes as fast as the machine's, and so far ahead or behind as a file says.

    Whoever sleeps on it really waits, until the time has come or was put forward: a lease of a dead worker ends as soon
    as a test says that a minute has passed.

    Args:
        file: Made by ``begin``.
        ahead: Seconds by which this clock differs from the others: clocks of machines do.
    """

    def __init__(self, file: Path, ahead: float = 0.0) -> None:
        super().__init__()
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _SHIFT.size)
        self._ahead = ahead

    @classmethod
    def begin(cls, file: Path, start: datetime) -> SharedClock:
        """A new clock that shows this time."""
        file.write_bytes(_SHIFT.pack(start.timestamp() - time.time()))
        return cls(file)

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(time.time() + self._shift(), UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards, since nobody puts this clock back."""
        return time.monotonic() + self._shift()

    def sleep(self, seconds: float) -> None:
        """Wait until the time has come, however it passes."""
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            time.sleep(min(left, _GLANCE_SECONDS))

    def advance(self, delta: timedelta) -> datetime:
        """Put it forward for everybody, and return the new time."""
        (shift,) = _SHIFT.unpack_from(self._shared)
        _SHIFT.pack_into(self._shared, 0, shift + delta.total_seconds())
        return self.now()

    def _shift(self) -> float:
        (shift,) = _SHIFT.unpack_from(self._shared)
        return float(shift) + self._ahead
