"""Every calendar side by side: one row for each stretch of time, one column for each calendar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from attrs import frozen
from rich import box
from rich.table import Table
from rich.text import Text

from calsync_core.cli.demo.proof import Shown, instant
from calsync_core.models import Moment

__all__ = ["LEGEND", "changes_table", "week_table"]

Week = Mapping[str, Sequence[Shown]]

LEGEND = "🔒 written by calsync   ? tentative   ○ free   ✗ declined or cancelled"

_MARKS = {"busy": "", "tentative": "? ", "free": "○ ", "declined": "✗ ", "cancelled": "✗ "}
_STYLES = {"busy": "bold", "tentative": "bold", "free": "dim", "declined": "dim strike", "cancelled": "dim strike"}


@frozen
class _Row:
    """One stretch of time on all calendars."""

    start: Moment
    end: Moment
    cells: tuple[tuple[Shown, ...], ...]

    @property
    def day(self) -> str:
        return f"{self.start:%a %d}"

    @property
    def when(self) -> str:
        if isinstance(self.start, datetime):
            return f"{self.start:%H:%M}–{self.end:%H:%M}"
        last = self.end - timedelta(days=1)
        return "all day" if last == self.start else f"to {last:%a %d}"


def week_table(week: Week, services: Mapping[str, str]) -> Table:
    """The whole week; what a calendar shows of its own in bold, busy blocks in colour.

    Args:
        week: What each calendar shows.
        services: Where each calendar is, in a word.
    """
    table = _table([f"{name}\n[dim not bold]{services[name]}[/]" for name in week], "", "")
    day = ""
    for row in _rows(week):
        if day and row.day != day:
            table.add_section()
        table.add_row("" if row.day == day else row.day, row.when, *map(_cell, row.cells))
        day = row.day
    return table


def changes_table(before: Week, after: Week) -> Table:
    """Only the rows that differ, as they were and as they are."""
    table = _table(before, "", "", "")
    was = {(row.start, row.end): row for row in _rows(before)}
    now = {(row.start, row.end): row for row in _rows(after)}
    nothing: tuple[tuple[Shown, ...], ...] = tuple(() for _ in before)
    for start, end in sorted(was.keys() | now.keys(), key=lambda times: (instant(times[0]), instant(times[1]))):
        old, new = was.get((start, end)), now.get((start, end))
        cells = (old.cells if old else nothing, new.cells if new else nothing)
        if _looks(cells[0]) == _looks(cells[1]):
            continue
        row = _Row(start, end, nothing)
        table.add_section()
        table.add_row(row.day, row.when, Text("was", style="red"), *map(_cell, cells[0]))
        table.add_row("", "", Text("now", style="green"), *map(_cell, cells[1]))
    return table


def _table(names: Iterable[str], *leading: str) -> Table:
    table = Table(
        box=box.HORIZONTALS,
        border_style="dim",
        header_style="bold cyan",
        expand=True,
        padding=0,
        pad_edge=False,
    )
    for title in leading:
        table.add_column(title, style="dim", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _rows(week: Week) -> Iterator[_Row]:
    times = {(each.start, each.end) for shown in week.values() for each in shown}
    for start, end in sorted(times, key=lambda pair: (instant(pair[0]), instant(pair[1]))):
        cells = (tuple(each for each in shown if (each.start, each.end) == (start, end)) for shown in week.values())
        yield _Row(start, end, tuple(cells))


def _looks(cells: Sequence[Sequence[Shown]]) -> list[list[tuple[str, str, bool]]]:
    return [sorted((each.title, each.kind, each.block) for each in cell) for cell in cells]


def _cell(shown: Sequence[Shown]) -> Text:
    if not shown:
        return Text("·", style="dim")
    return Text("\n").join(
        Text(_MARKS[each.kind] + each.title, style="magenta" if each.block else _STYLES[each.kind]) for each in shown
    )
