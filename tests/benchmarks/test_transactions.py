"""What a change asks of a database, counted: nobody may make it dearer without noticing."""

from __future__ import annotations

from pathlib import Path

from benchmarks.counting import Counted, counting
from benchmarks.draining_rate import TARGETS, Town

from calsync_core import SyncReport
from counting import calls


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


def test_a_change_costs_eight_writing_transactions_and_two_for_each_target(tmp_path: Path) -> None:
    """The inbox: claimed, done with. The calendar: taken, read. The plan: begun, stored. The run: given its id, so that
    it can be undone even if it dies; its record. And for each target: claimed, written.
    """
    counted = cost(tmp_path, owners=1, meetings=5)
    # As docs/scale.md tells.
    assert counted.writing == 8 + 2 * TARGETS
    assert counted.transactions == 19 + 4 * TARGETS
    assert counted.statements <= 85 + 23 * TARGETS


def test_what_it_costs_does_not_depend_on_how_much_there_is(tmp_path: Path) -> None:
    few, many = cost(tmp_path, owners=2, meetings=5), cost(tmp_path, owners=2, meetings=40)
    assert (many.statements, many.transactions, many.writing) == (few.statements, few.transactions, few.writing)


def test_an_idle_tick_costs_the_same_however_many_accounts_there_are(tmp_path: Path) -> None:
    """A scheduler asks every few seconds what is due: in two transactions, and for nobody's account."""
    asked = []
    for owners in (1, 8):
        town = Town(f"sqlite:///{tmp_path}/idle-{owners}.db", owners, meetings=1)
        town.engine.sync_calendars_needing_polling()
        town.engine.maintain_subscriptions(everything=True)
        reports: list[SyncReport] = []

        def look(town: Town = town, reports: list[SyncReport] = reports) -> None:
            reports.append(town.engine.sync_calendars_needing_polling(due_only=True))

        look()
        with counting() as counted:
            asked.append((calls(look), counted.transactions, counted.writing))
        assert [report.id for report in reports] == [None, None]
        town.store.close()
    few, many = asked
    assert many[0] <= 1.02 * few[0]
    assert few[1:] == many[1:] == (2, 0)
