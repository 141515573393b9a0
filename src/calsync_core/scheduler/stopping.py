"""How a process that runs until it is told to stop hears that."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["signals_heard"]


@contextmanager
def signals_heard() -> Iterator[Callable[[], bool]]:
    """Hear SIGTERM and SIGINT, in the main thread: asks whether one came. The second one ends the process at once."""
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if heard:
            os._exit(128 + number)
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
