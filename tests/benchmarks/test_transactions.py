"""What a change asks of a database, counted: nobody may make it dearer without noticing."""

from __future__ import annotations

from pathlib import Path

from benchmarks.counting import Counted, counting
from benchmarks.draining_rate import TARGETS, Town


def cost(folder: Path, owners: int, meetings: int) -> Counted:
    """Of a change for each owner, from the inbox to its blocks."""
    town = Town(f"sqlite:///{folder}/{owners}-{meetings}.db", owners, meetings)
    with counting() as counted:
        town.change()
        town.drain()
        town.change()
        counted.clear()
        assert town.drain() == owners
    town.store.close()
    return counted


def test_a_change_costs_seven_writing_transactions_and_two_for_each_target(tmp_path: Path) -> None:
    """The inbox: claimed, done with. The calendar: taken, read. The plan: begun, stored. The run's record. And for each
    target: claimed, written.
    """
    counted = cost(tmp_path, owners=1, meetings=5)
    assert counted.writing == 7 + 2 * TARGETS
    assert counted.transactions == 18 + 5 * TARGETS
    assert counted.statements <= 72 + 30 * TARGETS


def test_what_it_costs_does_not_depend_on_how_much_there_is(tmp_path: Path) -> None:
    few, many = cost(tmp_path, owners=2, meetings=5), cost(tmp_path, owners=2, meetings=40)
    assert (many.statements, many.transactions, many.writing) == (few.statements, few.transactions, few.writing)
