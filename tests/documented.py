"""The examples in README.md and docs/: found, and run as one reads them.

Run as a program it needs nothing but Python: ``python documented.py README.md`` runs a page's examples with whatever
``calsync_core`` is installed.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Block", "find_blocks", "run_page"]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and where it begins."""

    path: Path
    line: int
    language: str
    text: str


def find_blocks(path: Path, language: str) -> list[Block]:
    """The page's fenced blocks in this language, in order."""
    page = path.read_text("utf-8")
    return [
        Block(path, page.count("\n", 0, found.start(2)) + 1, found[1], found[2])
        for found in _FENCE.finditer(page)
        if found[1] == language
    ]


def run_page(path: Path) -> int:
    """Run the page's Python blocks one after the other in one namespace, as a reader would paste them.

    Returns:
        How many blocks there were. A failing one raises, with the page's own line numbers in the traceback.
    """
    blocks = find_blocks(path, "python")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(path), "exec", dont_inherit=True), namespace)  # noqa: S102  (our own pages)
    return len(blocks)


if __name__ == "__main__":
    for page in sys.argv[1:]:
        if not run_page(Path(page)):
            sys.exit(f"{page}: no example found")
