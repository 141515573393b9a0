"""How fast a piece of work goes beside a yardstick that was measured at the same time.

A rate alone says how fast the machine is and how busy it was. So a piece of work and what it is compared with take
turns, and what is said of it is its share: the yardstick's processor seconds for a piece, divided by ours. 100 % is the
limit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from attrs import field, frozen

__all__ = ["Figure", "Pace", "Work", "middle", "table", "take_turns"]

Work = Callable[[], int]
"""Does some pieces of work, and returns how many that was."""


@frozen
class Pace:
    """Seconds that a piece took: by the clock on the wall, and of the processor.

    Attributes:
        counts: What else was counted, for each piece.
    """

    wall: float
    cpu: float
    counts: Mapping[str, float] = field(factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Pieces a second, for a machine to read."""
        rates = {"per_second": _rate(self.wall), "per_cpu_second": _rate(self.cpu)}
        return rates | {name: round(count, 2) for name, count in self.counts.items()}


@frozen
class Figure:
    """One thing that was measured.

    Attributes:
        name: Of the work.
        pieces: What is counted.
        ours: How fast this library does it.
        yardsticks: How fast the same is done without it, by what that is.
        database: Where it was stored, if it was.
        workers: Processes that did it side by side.
    """

    name: str
    pieces: str
    ours: Pace
    yardsticks: Mapping[str, Pace]
    database: str = ""
    workers: int = 1

    def share(self, yardstick: str) -> float:
        """How much of the yardstick's speed is ours, in processor time."""
        return self.yardsticks[yardstick].cpu / self.ours.cpu if self.ours.cpu else 0.0

    def line(self) -> str:
        """JSON, for a machine to read."""
        beside = {
            name: pace.as_dict() | {"share": round(self.share(name), 4)} for name, pace in self.yardsticks.items()
        }
        return json.dumps(
            {
                "figure": self.name,
                "pieces": self.pieces,
                "database": self.database,
                "workers": self.workers,
                **self.ours.as_dict(),
                "yardsticks": beside,
            }
        )

    def rows(self) -> list[list[str]]:
        """For people: a row for each yardstick."""
        what = " ".join(filter(None, [self.name, self.database, f"× {self.workers}" if self.workers > 1 else ""]))
        ours = [f"{_rate(self.ours.wall):,.0f}", f"{_rate(self.ours.cpu):,.0f}"]
        return [
            [what, self.pieces, *ours, name, f"{_rate(pace.cpu):,.0f}", f"{self.share(name):.1%}"]
            for name, pace in self.yardsticks.items()
        ]


HEAD = ["work", "pieces", "a second", "a CPU second", "yardstick", "a CPU second", "share"]


def table(figures: Sequence[Figure]) -> str:
    """Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *(row for figure in figures for row in figure.rows())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def take_turns(works: Mapping[str, Work], rounds: int) -> dict[str, Pace]:
    """Each of these so many times, one after the other; of each the median."""
    taken: dict[str, list[Pace]] = {name: [] for name in works}
    for work in works.values():
        work()  # what is done once is no part of a rate
    for _ in range(rounds):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            pieces = work()
            taken[name].append(
                Pace((time.perf_counter() - wall) / pieces, (time.process_time() - cpu) / pieces),
            )
    return {name: middle(paces) for name, paces in taken.items()}


def middle(paces: Sequence[Pace]) -> Pace:
    """The median of each: one round that somebody else disturbed says nothing."""
    return Pace(median(pace.wall for pace in paces), median(pace.cpu for pace in paces))


def _rate(seconds: float) -> float:
    return round(1 / seconds, 1) if seconds else 0.0
