"""The page on speed says what was measured last."""

from __future__ import annotations

from benchmarks.pages import marked
from benchmarks.speed import PAGE, tables


def test_the_page_has_the_tables_of_the_results() -> None:
    """``python -m benchmarks.speed`` writes them."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        assert marked(name, table) in page, name
