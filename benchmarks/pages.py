"""Measured tables in the documentation, each between two marks that name it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["DOCS", "marked", "write_tables"]

DOCS = Path(__file__).parent.parent / "docs"


def marked(name: str, table: str) -> str:
    """A table with its marks, as it stands in a page."""
    return f"<!-- table: {name} -->\n{table}\n<!-- end -->"


def write_tables(page: Path, tables: Mapping[str, str]) -> None:
    """Put the tables where a page has their marks."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, _, rest = text.partition(f"<!-- table: {name} -->")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            raise ValueError(f"{page.name} has no place for the table {name}")
        text = f"{before}{marked(name, table)}{after}"
    page.write_text(text, encoding="utf-8")
