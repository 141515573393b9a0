"""What the latest runs add up to, for charts. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import frozen

from calsync_core.core.latency import quantiles, waits
from calsync_core.models import SyncReport

__all__ = ["DAY", "EDGES", "Activity", "Column", "Latency", "activity", "lately", "latency"]

DAY = timedelta(days=1)
_MOST_COLUMNS = 30
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60))
EDGES = (1, 2, 5, 10, 30, 60, 300)
"""Seconds."""


@frozen
class Column:
    """Requests of the runs that ended within one step of time."""

    start: datetime
    reads: int = 0
    writes: int = 0


@frozen
class Activity:
    """Requests over time.

    Attributes:
        columns: One after another without gaps; the last one is not over yet.
        step: How long each is.
        whole: False: there were more runs than could be looked at, and so the columns begin later than a day ago.
    """

    columns: tuple[Column, ...]
    step: timedelta
    whole: bool

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(column.reads + column.writes for column in self.columns)


def lately(runs: Sequence[SyncReport], now: datetime) -> list[SyncReport]:
    """Those that ended within the last day."""
    return [run for run in runs if run.finished_at is not None and run.finished_at > now - DAY]


def activity(runs: Sequence[SyncReport], now: datetime, *, whole: bool) -> Activity:
    """Requests over the last day, or as far back as these runs reach.

    Args:
        runs: Those of the last day.
        now: Aware.
        whole: All of them; else the latest.
    """
    ended = [(run.finished_at, run) for run in runs if run.finished_at is not None]
    since = now - DAY if whole or not ended else min(at for at, _ in ended)
    step = next((step for step in _STEPS if (now - since) / step < _MOST_COLUMNS - 1), _STEPS[-1])
    first = _floor(since, step) + (timedelta() if whole else step)
    # Where runs are so many that they reach back less than a step, what there is of this one is shown.
    first = min(first, _floor(now, step))
    columns = [Column(first + number * step) for number in range(int((now - first) / step) + 1)]
    for at, run in ended:
        place = (at - first) // step
        if 0 <= place < len(columns):
            old, writes = columns[place], run.api_calls - run.reading_calls
            columns[place] = Column(old.start, old.reads + run.reading_calls, old.writes + writes)
    return Activity(tuple(columns), step, whole)


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(math.floor(at.timestamp() / seconds) * seconds, UTC)


@frozen
class Latency:
    """How long pushes took until their last block.

    Attributes:
        counts: How many took at most so many seconds, and longer than the ones before; the last edge is None.
        quantiles: Seconds, as ``Metrics.latency``.
    """

    counts: tuple[tuple[int | None, int], ...]
    quantiles: dict[str, float]

    @property
    def pushes(self) -> int:
        """All of them."""
        return sum(number for _, number in self.counts)


def latency(runs: Sequence[SyncReport]) -> Latency:
    """Of the runs that a push woke and that wrote something."""
    waited = waits(runs)
    below = [sum(seconds <= edge for seconds in waited) for edge in EDGES]
    counts = [upper - lower for lower, upper in zip([0, *below], [*below, len(waited)], strict=True)]
    return Latency(tuple(zip((*EDGES, None), counts, strict=True)), quantiles(waited))
