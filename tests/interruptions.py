"""A worker that is stopped at a request, an answer or a store call while others go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import frozen

from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.deaths import Died, Toll

__all__ = ["DiesAt", "Interruption", "Skewed", "Stall"]


class Skewed:
    """Another machine's clock, which does not agree."""

    def __init__(self, inner: VirtualClock, offset: timedelta) -> None:
        self._inner = inner
        self._offset = offset
        self.monotonic = inner.monotonic
        self.sleep = inner.sleep

    def now(self) -> datetime:
        return self._inner.now() + self._offset


@frozen
class Interruption:
    """Where a worker is stopped, and what happens until it goes on as if nothing had been, or dies.

    Attributes:
        boundary: Requests, answers and store calls before that.
        deed: What a person or the host does meanwhile, to which event.
        minutes: How long it lasts.
        theirs: What another worker does, by a clock that is so many minutes ahead.
    """

    boundary: int
    deed: str
    pick: int
    minutes: int
    theirs: str | None
    ahead: int
    dies: bool


class Stall(Toll):
    """At the n-th boundary something else happens before the worker goes on, or instead."""

    def __init__(self, n: int, meanwhile: Callable[[], None], *, dies: bool) -> None:
        super().__init__(n if dies else None)
        self._at = n
        self._meanwhile = meanwhile

    def cross(self, where: str) -> None:
        if len(self.crossed) + 1 == self._at:
            self._meanwhile()
        super().cross(where)


class DiesAt(Toll):
    """Kills at the first boundary of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._over = False

    def cross(self, where: str) -> None:
        self._over = self._over or where == self._name
        if self._over:
            raise Died(f"died {where}")
