"""What some work costs, counted: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import sqlalchemy as sa
from attrs import define, field
from sqlalchemy import event

__all__ = ["DatabaseWork", "calls"]


def calls(work: Callable[[], object]) -> int:
    """How many function calls some work makes, built-in functions included."""
    count = 0

    def counting(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@define
class DatabaseWork:
    """Steps that SQLite's own machine makes: they cover what it looks through as well as what it gives.

    Attributes:
        steps: All so far, about.
        took: What each named piece of work took.
    """

    steps: int = 0
    took: dict[str, int] = field(factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count a piece of work."""
        before = self.steps
        yield
        self.took[name] = self.steps - before

    def listen(self, database: sa.Engine, every: int = 20) -> None:
        """Have connections that this engine opens from now on tell of each so many steps."""

        def stepped() -> int:
            self.steps += every
            return 0

        @event.listens_for(database, "connect")
        def connected(connection: Any, _record: object) -> None:
            connection.set_progress_handler(stepped, every)
