"""How much goes through each part in a second, beside a yardstick that was measured in the same minute.

* ``normalise``, ``store``: events of a page of Google's, beside ``json.loads`` and the driver's ``executemany``;
* ``expand``, ``plan``: occurrences and blocks, beside ``dateutil`` and the bare making of the values;
* ``receive``: pushes, beside the same server that answers at once, and one that inserts one row;
* ``drain``: changes from the inbox to their blocks with several workers, beside as many bare statements.

Processor seconds are what the shares are of: the clock on the wall tells of other people's work, too.

Run it with ``python -m benchmarks.throughput [--quick] [--only receive] [--keep]``; it prints a JSON object for each
figure and a table. ``--keep`` writes the lines to ``benchmarks/results/throughput.jsonl``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
from benchmarks.databases import DATABASES
from benchmarks.draining_rate import WORKERS, draining_figures
from benchmarks.model import RATES
from benchmarks.planning_rate import planning_figures
from benchmarks.rates import Figure, table
from benchmarks.reading_rate import reading_figures
from benchmarks.receiving_rate import receiving_figures

PARTS = ("read", "plan", "receive", "drain")


def figures(part: str, folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Of one part; quickly, it only shows that all of it can be measured."""
    kinds = DATABASES[:1] if quick else DATABASES
    match part:
        case "read":
            size = {"rounds": 2, "size": 20} if quick else {"rounds": 15}
            yield from reading_figures(folder, kinds, **size)
        case "plan":
            yield from planning_figures(rounds=1, many=8) if quick else planning_figures(rounds=9)
        case "receive":
            size = {"rounds": 1, "pushes": 32} if quick else {"rounds": 7}
            yield from receiving_figures(folder, kinds, **size)
        case _:
            owners, workers = (2, (1, 2)) if quick else (40, WORKERS)
            yield from draining_figures(folder, kinds, owners=owners, workers=workers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small: no rate means anything")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be said again")
    parser.add_argument("--keep", action="store_true", help=f"write the lines to {RATES.name}")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in given.only or PARTS:
            for figure in figures(part, Path(folder), quick=given.quick):
                found.append(figure)
                print(figure.line(), flush=True)
    print(table(found), file=sys.stderr)
    if given.keep:
        RATES.write_text("".join(f"{figure.line()}\n" for figure in found), encoding="utf-8")


if __name__ == "__main__":
    main()
