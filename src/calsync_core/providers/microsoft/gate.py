"""Not more requests at a time than Graph admits to one mailbox."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

__all__ = ["MOST_AT_ONCE", "Gate"]

MOST_AT_ONCE = 4
"""For one application and mailbox; the parts of a batch count one by one ("Throttling limits")."""


@define
class Gate:
    """Lets so many requests through at a time, first come, first served. Thread-safe; one per login.

    Whoever waits is never overtaken: single requests that keep coming would otherwise starve a batch, which needs all
    the room at once.
    """

    _free: int = field(default=MOST_AT_ONCE, init=False)
    _line: deque[object] = field(factory=deque, init=False, repr=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False, repr=False)

    @contextmanager
    def passing(self, count: int) -> Iterator[None]:
        """Wait until there is room for so many at once; those of a large batch Graph itself puts in line."""
        count = min(count, MOST_AT_ONCE)
        self._enter(count)
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()

    def _enter(self, count: int) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                self._changed.wait_for(lambda: self._line[0] is ticket and self._free >= count)
                self._free -= count
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
