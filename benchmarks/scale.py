"""What breaks first in a large installation, what it needs, and how long a change takes with so many workers.

``python -m benchmarks.scale`` prints what the model (``benchmarks/model.py``) says. ``--measure`` measures the costs
on this machine first, ``--docs`` writes the tables into ``docs/scale.md``, ``--charts`` the charts beside it.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import platform
from collections.abc import Sequence
from datetime import date

import structlog
from attrs import asdict
from benchmarks.charts import write_charts
from benchmarks.costs import measure
from benchmarks.model import COSTS, DAY, RATES, REQUESTS, Installation, Model, percentile
from benchmarks.pages import DOCS, write_tables

__all__ = ["SIZES", "tables"]

PAGE = DOCS / "scale.md"
SIZES = (10_000, 1_000_000, 100_000_000)


def tables(model: Model) -> dict[str, str]:
    """Markdown, by name: what follows from the figures without simulating."""
    return {
        "requests": _requests(),
        "costs": _costs(model),
        "throughput": _throughput(),
        "limits": _limits(model),
        "sizes": _sizes(model),
    }


def latency_table(model: Model) -> str:
    """Simulated: how long changes take with fewer and with more workers."""
    rows = []
    for installation in (Installation(model, calendars) for calendars in SIZES):
        tried = sorted({math.ceil(installation.workers * share) for share in (0.4, 0.5, 0.6, 0.8, 1.0)})
        rows += [
            [f"{installation.calendars:,}", f"{workers:,}", *_percentiles(installation.latencies(workers))]
            for workers in tried
        ]
    return _markdown(["calendars", "workers", "p50", "p95", "p99"], rows)


def quota_table(model: Model) -> str:
    """Simulated: what Google's quota for a new project does, with workers enough."""
    rows = []
    for calendars in (50_000, 100_000, 200_000, 300_000, 400_000):
        installation = Installation(model, calendars)
        waited = installation.latencies(installation.workers, quota=10_000)
        rows.append([f"{calendars:,}", *_percentiles(waited)])
    return _markdown(["calendars", "p50", "p95", "p99"], rows)


def _percentiles(values: Sequence[float]) -> list[str]:
    return [f"{percentile(values, share):,.1f} s" for share in (50, 95, 99)]


def _requests() -> str:
    """New meetings in every case, and every step in the one of a calendar that has been used for years."""
    lines = [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    rows = [
        [
            line["provider"],
            f"{line['ahead']:,}" + (f" + {line['past']:,} past" if line["past"] else ""),
            str(line["targets"]),
            line["step"],
            *(f"{line[name]:,.1f}" for name in ("classic", "kinder", "ours")),
            f"{line['fewer']:.2f} %",
            f"{line['classic_calls']:,.1f} / {line['ours_calls']:,.1f}",
        ]
        for line in lines
        if line["past"] or line["step"] in {"create", "quiet day"}
    ]
    head = [
        "provider",
        "events",
        "targets",
        "step",
        "usual way",
        "with batches",
        "ours",
        "fewer",
        "calls: usual / ours",
    ]
    return _markdown(head, rows)


def _costs(model: Model) -> str:
    rows = [
        [provider, name, f"{cost.cpu_ms:.1f} ms", f"{cost.transactions:.1f}"]
        for provider, each in model.costs.items()
        for name, cost in each.items()
    ]
    return _markdown(["provider", "piece of work", "CPU", "writing transactions"], rows)


def _throughput() -> str:
    """A row for each yardstick of each figure."""
    rows = []
    for line in map(json.loads, RATES.read_text(encoding="utf-8").splitlines()):
        what = " ".join(filter(None, [line["figure"], line["database"]]))
        ours = [what, str(line["workers"]), line["pieces"], _rate(line["per_second"]), _rate(line["per_cpu_second"])]
        rows += [
            [*ours, name, _rate(beside["per_cpu_second"]), f"{100 * beside['share']:.1f} %"]
            for name, beside in line["yardsticks"].items()
        ]
    head = ["work", "workers", "pieces", "a second", "a CPU second", "beside", "its CPU second", "share"]
    return _markdown(head, rows)


def _rate(number: float) -> str:
    return f"{_rounded(number):,}" if number >= 10 else f"{number:.1f}"


def _limits(model: Model) -> str:
    rows = [[limit.name, f"{_rounded(limit.calendars):,}", limit.source] for limit in model.limits()]
    return _markdown(["limit", "reached with so many calendars", "from"], rows)


def _sizes(model: Model) -> str:
    assumed = model.assumed
    google_day, google_peak = model.requests("google")
    low, high = model.bytes_per_calendar()
    figures = {
        "edits a second, mean of a working day": lambda n: f"{_short(n * assumed.edits / DAY)}",
        "edits a second, busiest two minutes": lambda n: f"{_short(n * model.peak_edits)}",
        "pushes a second then, echoes included": lambda n: f"{_short(n * 0.9 * model.peak_edits * assumed.calendars)}",
        "requests to Google, a minute then": lambda n: f"{_short(n * google_peak * 60)}",
        "… times the quota of a new project": lambda n: f"{n * google_peak * 60 / 10_000:,.1f}",
        "requests to Google, a day": lambda n: f"{_short(n * google_day)}",
        "requests to Graph, in 10 s then (130,000 allowed)": lambda n: (
            f"{_short(n * model.requests('microsoft')[1] * 10)}"
        ),
        "writing transactions a second then": lambda n: f"{_short(n * model.per_calendar('transactions')[1])}",
        "database": lambda n: f"{_short(n * low / 1e9)} to {_short(n * high / 1e9)} GB",
        "worker processes": lambda n: f"{Installation(model, n).workers:,}",
        "what is passed, first to last": lambda n: (
            "; ".join(one.name for one in model.limits() if one.calendars < n) or "–"
        ),
    }
    return _markdown(
        ["calendars", *(f"{n:,}" for n in SIZES)], [[name, *map(tell, SIZES)] for name, tell in figures.items()]
    )


def _rounded(number: float) -> int:
    """To two digits: the model is not better than that."""
    digits = max(0, math.floor(math.log10(number)) - 1)
    return int(round(number / 10**digits) * 10**digits)


def _short(number: float) -> str:
    return f"{_rounded(number):,}" if number >= 10 else f"{number:.2g}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure_costs() -> None:
    """On this machine, into the file."""
    costs = {provider: measure(provider) for provider in ("google", "microsoft")}
    rounded = {
        provider: {name: {key: round(value, 2) for key, value in asdict(cost).items()} for name, cost in each.items()}
        for provider, each in costs.items()
    }
    source = f"python -m benchmarks.scale --measure, {date.today()}, Python {platform.python_version()}, SQLite"  # noqa: DTZ011  (a note for people)
    COSTS.write_text(json.dumps({"source": source, "costs": rounded}, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure if asked to, compute and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the costs on this machine first")
    parser.add_argument("--charts", action="store_true", help="write the charts of docs/scale.md")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/scale.md")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if given.measure:
        measure_costs()
    model = Model.load()
    found = {**tables(model), "latency": latency_table(model), "quota": quota_table(model)}
    for name, table in found.items():
        print(f"{name}\n\n{table}\n")
    if given.docs:
        write_tables(PAGE, found)
    if given.charts:
        write_charts(model)


if __name__ == "__main__":
    main()
