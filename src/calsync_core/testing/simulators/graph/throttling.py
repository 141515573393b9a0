"""Limits per app and mailbox: how many at a time, how many in ten minutes ("throttling-limits", Outlook)."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime

from attrs import frozen

from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.state import State

__all__ = ["Key", "Throttle"]

Key = tuple[str, str]
"""An app and the id of a mailbox's user."""

_STYLES = ("fraction", "seconds", "date")


@frozen
class _Order:
    """A throttling that was asked for."""

    status: int
    code: str
    seconds: float | None


class Throttle:
    """Counts requests in flight and in the last minutes. Thread-safe by its own lock: it counts those that wait, too.

    Attributes:
        peaks: The most requests that ever were in flight, by app and mailbox.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._own = threading.local()
        self._gauge: Counter[Key] = Counter()
        self._seen: dict[Key, deque[float]] = {}
        self._orders: dict[str, list[_Order]] = {}
        self._styled = 0
        self.peaks: Counter[Key] = Counter()

    @contextmanager
    def in_flight(self, load: Mapping[Key, int]) -> Iterator[None]:
        """While a request is: ``load`` says how many it counts for."""
        with self._lock:
            self._own.before = {key: self._gauge[key] for key in load}
            for key, weight in load.items():
                self._gauge[key] += weight
                self.peaks[key] = max(self.peaks[key], self._gauge[key])
        try:
            yield
        finally:
            with self._lock:
                self._gauge.subtract(load)

    def order(self, user: str, times: int, status: int, code: str, seconds: float | None) -> None:
        """Refuse the next requests to a mailbox."""
        self._orders.setdefault(user, []).extend([_Order(status, code, seconds)] * times)

    def admit(self, key: Key, rank: int) -> None:
        """Let a request to a mailbox pass.

        Args:
            key: Whose.
            rank: Its number among the parts of a batch that run at the same time, from 0.

        Raises:
            GraphError: 429.
        """
        habits, now = self._state.habits, self._state.clock.monotonic()
        seen = self._seen.setdefault(key, deque())
        period = habits.period.total_seconds()
        while seen and seen[0] <= now - period:
            seen.popleft()
        # A refused request counts as well ("throttling").
        seen.append(now)
        orders = self._orders.get(key[1])
        if orders:
            order = orders.pop(0)
            raise self._refusal(order.status, order.code, "The request was throttled.", order.seconds)
        before = getattr(self._own, "before", {}).get(key, 0)
        if before + rank >= habits.concurrency:
            message = "Application is over its MailboxConcurrency limit."
            raise self._refusal(429, "ApplicationThrottled", message, 2.128)
        if len(seen) > habits.requests:
            message = "Application is over its request limit."
            raise self._refusal(429, "ApplicationThrottled", message, seen[0] + period - now)

    def _refusal(self, status: int, code: str, message: str, seconds: float | None) -> GraphError:
        text = None if seconds is None else self._spelled(seconds)
        return GraphError(status, code, message, {} if text is None else {"Retry-After": text})

    def _spelled(self, seconds: float) -> str | None:
        style: str = self._state.habits.retry_after
        if style == "mixed":
            style = _STYLES[self._styled % len(_STYLES)]
            self._styled += 1
        match style:
            case "none":
                return None
            case "fraction":
                return f"{seconds:.3f}"
            case "date":
                until = self._state.clock.now() + timedelta(seconds=math.ceil(seconds))
                return format_datetime(until.replace(microsecond=0), usegmt=True)
            case _:
                return str(math.ceil(seconds))
