"""What was measured last, beside vdirsyncer and as it grows, for the page on speed.

``python -m benchmarks.speed`` writes it into ``docs/speed.md``.
"""

from __future__ import annotations

import json

from benchmarks.pages import DOCS, write_tables

from benchmarks import growth
from benchmarks import versus_vdirsyncer as versus

__all__ = ["PAGE", "tables"]

PAGE = DOCS / "speed.md"


def tables() -> dict[str, str]:
    """Markdown, by name, of the results that are kept."""
    beside = [versus.Line(**json.loads(line)) for line in versus.RESULTS.read_text(encoding="utf-8").splitlines()]
    grown = [growth.Line(**json.loads(line)) for line in growth.RESULTS.read_text(encoding="utf-8").splitlines()]
    return {"vdirsyncer": versus.table(beside), "growth": growth.table(grown)}


if __name__ == "__main__":
    write_tables(PAGE, tables())
