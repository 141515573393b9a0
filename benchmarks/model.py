"""A model of large installations: costs, counted requests and assumptions, and what follows from them.

It is fed with measured costs (``benchmarks/costs.json``) and with the requests per change that
``benchmarks.requests_per_change`` counted. The busiest hour of a working day is simulated change by change, with a
fixed seed: same input, same output. What it leaves out stands in ``docs/scale.md``.
"""

from __future__ import annotations

import heapq
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

from attrs import field, frozen
from benchmarks.costs import Cost

__all__ = ["COSTS", "DAY", "RATES", "REQUESTS", "Assumptions", "Installation", "Limit", "Model", "percentile"]

HERE = Path(__file__).parent
COSTS, RESULTS = HERE / "costs.json", HERE / "results"
REQUESTS, RATES = RESULTS / "requests.jsonl", RESULTS / "throughput.jsonl"
WORK_STEPS = ("create", "move", "cancel")
HOUR, DAY = 3600, 86_400
SIMULATED = 100_000
"""So many calendars are simulated; of a larger installation a part, with its part of the workers."""


@frozen
class Assumptions:
    """What nobody measured here.

    Attributes:
        edits: Per calendar and working day.
        calendars: Of each owner: a change shows on all the others.
        shares: Of the calendars, by kind; polled ones can't push.
        busiest_hour: Its share of a day's edits.
        on_the_hour: Share of an hour's edits in its first two minutes.
        round_trip: Seconds of a request.
        threads: Of each worker process: owners that it works for at a time.
        busy: How much of a worker's CPU and of a limit may be used at the peak.
        events: On each calendar, with ``blocks`` from the others.
        polls: Of a calendar that can't push, a day: between 5 and 60 minutes apart.
    """

    edits: float = 5.0
    calendars: int = 4
    shares: Mapping[str, float] = field(factory=lambda: {"google": 0.45, "microsoft": 0.45, "polled": 0.1})
    busiest_hour: float = 0.14
    on_the_hour: float = 0.1
    round_trip: float = 0.15
    threads: int = 8
    busy: float = 0.7
    events: int = 500
    blocks: int = 300
    polls: float = 40.0

    @property
    def peak(self) -> float:
        """Edits in the busiest two minutes, as a multiple of the busiest hour's mean."""
        return self.on_the_hour * HOUR / 120 + 1 - self.on_the_hour


@frozen
class Limit:
    """Something that there is only so much of.

    Attributes:
        name: What it is.
        per_second: How much of it there is.
        per_calendar: What a calendar takes of it, each second of the peak.
        source: Where the figure is from.
    """

    name: str
    per_second: float
    per_calendar: float
    source: str

    @property
    def calendars(self) -> float:
        """With how many it is used up."""
        return self.per_second / self.per_calendar


@frozen
class Model:
    """Everything that is known, and what follows from it.

    Attributes:
        costs: By provider and piece of work.
        changes: Calls for one change, by provider; as quotas count them, each part of a batch is one.
        quiet: Calls of a calendar on a day without changes.
        assumed: The rest.
    """

    costs: Mapping[str, Mapping[str, Cost]]
    changes: Mapping[str, float]
    quiet: Mapping[str, float]
    assumed: Assumptions = field(factory=Assumptions)

    @classmethod
    def load(cls) -> Model:
        """From the files beside this one."""
        told = json.loads(COSTS.read_text(encoding="utf-8"))["costs"]
        costs = {provider: {name: Cost(**cost) for name, cost in each.items()} for provider, each in told.items()}
        lines = [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
        small = [line for line in lines if (line["ahead"], line["past"]) == (100, 0)]
        targets = Assumptions().calendars - 1
        changes, quiet = {}, {}
        for provider in costs:
            mine = [line for line in small if line["provider"] == provider]
            few, many = (
                mean(line["ours_calls"] for line in mine if line["targets"] == count and line["step"] in WORK_STEPS)
                for count in (2, 5)
            )
            changes[provider] = few + (many - few) * (targets - 2) / 3
            quiet[provider] = mean(
                line["ours_calls"] / (line["targets"] + 1) for line in mine if line["step"] == "quiet day"
            )
        return cls(costs, changes, quiet)

    @property
    def peak_edits(self) -> float:
        """Of one calendar, per second of the busiest two minutes."""
        return self.assumed.edits * self.assumed.busiest_hour / HOUR * self.assumed.peak

    def pushed(self, provider: str) -> Cost:
        """What one edit costs: its push, its sync, the pushes of its echoes, and the reads of those."""
        costs, echoes = self.costs[provider], self.assumed.calendars - 1
        parts = [(costs["push"], 1 + echoes), (costs["change"], 1), (costs["echo"], 1)]
        return Cost(sum(cost.cpu_ms * n for cost, n in parts), sum(cost.transactions * n for cost, n in parts))

    def background(self, kind: str) -> Cost:
        """What a calendar costs each day without any edit: reads that find nothing, renewals, a seventh of an audit."""
        costs = self.costs["google" if kind == "polled" else kind]
        polls = self.assumed.polls if kind == "polled" else self.quiet[kind]
        renewals = 0.0 if kind == "polled" else 1 / 5
        parts = [(costs["quiet poll"], polls), (costs["renewal"], renewals), (costs["audit"], 1 / 7)]
        return Cost(sum(cost.cpu_ms * n for cost, n in parts), sum(cost.transactions * n for cost, n in parts))

    def edit(self, kind: str) -> Cost:
        """What one edit costs on a calendar of that kind; on one that is polled it comes without a push."""
        return self.pushed("google") if kind == "polled" else self.pushed(kind)

    def per_calendar(self, figure: str) -> tuple[float, float]:
        """CPU seconds or transactions of an average calendar: each day, and each second of the peak."""
        day = peak = 0.0
        for kind, share in self.assumed.shares.items():
            edit, rest = (getattr(cost, figure) for cost in (self.edit(kind), self.background(kind)))
            day += share * (self.assumed.edits * edit + rest)
            peak += share * (self.peak_edits * edit + rest / DAY)
        scale = 1000 if figure == "cpu_ms" else 1
        return day / scale, peak / scale

    def requests(self, kind: str) -> tuple[float, float]:
        """Of an average calendar at that provider: each day, and each second of the peak."""
        share, quiet = self.assumed.shares[kind], self.quiet[kind]
        edits = self.changes[kind]
        return share * (self.assumed.edits * edits + quiet), share * (self.peak_edits * edits + quiet / DAY)

    def limits(self) -> list[Limit]:
        """What there is only so much of, the scarcest first."""
        (google_day, google), (_, graph) = self.requests("google"), self.requests("microsoft")
        transactions, cpu = self.per_calendar("transactions")[1], self.per_calendar("cpu_ms")[1]
        facts = "Google's quota page, new projects since May 2026"
        found = [
            Limit("one worker process", self.assumed.busy, cpu, "measured CPU; 70 % of a core"),
            Limit("SQLite, one writer", 1_000, transactions, "assumed: 1,000 transactions/s"),
            Limit("one PostgreSQL primary", 5_000, transactions, "assumed: 5,000 small transactions/s"),
            Limit("Google project, per minute", 10_000 / 60, google, f"{facts}: 10,000 a minute"),
            Limit(
                "Google project, per day", 1_000_000 / DAY, google_day / DAY, f"{facts}: 1,000,000 a day before billing"
            ),
            Limit("Graph application", 13_000, graph, "Graph's throttling page: 130,000 in 10 s per app"),
        ]
        return sorted(found, key=lambda limit: limit.calendars)

    def bytes_per_calendar(self) -> tuple[float, float]:
        """In PostgreSQL, least and most: rows as ``docs/databases.md`` has them, and with what comes and goes."""
        rows = 1_300 * self.assumed.events + 900 * self.assumed.blocks
        return rows, 1.6 * rows


@frozen
class Installation:
    """So many calendars, worked for by so many processes."""

    model: Model
    calendars: int

    @property
    def workers(self) -> int:
        """Processes so that at the peak no CPU is busier than may be."""
        return max(1, math.ceil(self.calendars * self.model.per_calendar("cpu_ms")[1] / self.model.assumed.busy))

    def latencies(self, workers: int, *, quota: float | None = None) -> list[float]:
        """From the push of a change to its last block, in the busiest hour: seconds, sorted.

        Args:
            workers: Processes.
            quota: Google's, a minute, for the whole installation; None: as much as is needed.
        """
        part = min(1.0, SIMULATED / self.calendars)
        mine = max(1, round(workers * part))
        jobs = sorted(self._jobs(random.Random(1), round(self.calendars * part)))
        slots, processors = [0.0] * (mine * self.model.assumed.threads), [0.0] * mine
        pace, allowed = (quota or math.inf) * part / 60, 0.0
        found = []
        for at, cpu, waits, asks, counts in jobs:
            allowed = max(allowed, at) + asks / pace
            # A minute's worth may be asked at once; who comes later waits until as much is free again.
            begins = max(at, heapq.heappop(slots), allowed - 60 if asks else 0.0)
            ends = max(begins, heapq.heappop(processors)) + cpu
            heapq.heappush(processors, ends)
            heapq.heappush(slots, ends + waits)
            if counts:
                found.append(ends + waits - at)
        return sorted(found)

    def _jobs(self, dice: random.Random, calendars: int) -> Iterator[tuple[float, float, float, float, bool]]:
        """The busiest hour: when work comes, its CPU and waiting, what it asks Google, whether it is a change."""
        assumed, model = self.model.assumed, self.model
        trip = assumed.round_trip
        echoes = assumed.calendars - 1
        for kind, share in assumed.shares.items():
            costs = {
                name: cost.cpu_ms / 1000 for name, cost in model.costs["google" if kind == "polled" else kind].items()
            }
            for _ in range(_poisson(dice, calendars * share * assumed.edits * assumed.busiest_hour)):
                at = dice.uniform(0, 120 if dice.random() < assumed.on_the_hour else HOUR)
                google = model.changes["google"] if kind == "google" else 0.0
                # Read, then write; a look goes before what changes a block at Graph.
                waits = trip * (3 if kind == "microsoft" else 2)
                yield at, costs["push"] + costs["change"], waits, google - echoes if google else 0.0, kind != "polled"
                yield at + 12, echoes * costs["push"] + costs["echo"], trip, echoes if google else 0.0, False
            rest = model.background(kind).cpu_ms / 1000 / DAY * HOUR * calendars * share
            pieces = max(1, round(rest / costs["quiet poll"]))
            for _ in range(pieces):
                yield dice.uniform(0, HOUR), rest / pieces, trip, 1.0 if kind == "google" else 0.0, False


def _poisson(dice: random.Random, expected: float) -> int:
    """How many there are; for large numbers, as here, the normal distribution is as good."""
    return max(0, round(dice.gauss(expected, math.sqrt(expected))))


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many per cent do not exceed."""
    return values[math.ceil(len(values) * share / 100) - 1]
