"""The measurement of growth still measures. How fast anything is, no test says: machines differ."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from attrs import evolve
from benchmarks.growth import Line, Meter, exponent, measure, table

from benchmarks import growth
from store_servers import new_database


def test_a_step_is_measured_in_a_process_of_its_own_and_knows_what_it_did() -> None:
    (first,) = measure("events", 7, ["first sync"])
    assert (first.what, first.size, first.step, first.writes) == ("events", 7, "first sync", 7)
    # Two logins asked who they are, two calendars read, one batch of writes.
    assert first.requests == 5
    assert first.cpu > 0
    assert first.rows > 7
    assert first.statements > 7
    assert first.store > 0
    assert "| events | first sync | 7 |" in table([first])


@pytest.mark.server
def test_it_is_measured_over_a_server_too() -> None:
    with new_database("postgresql"):
        first, again = measure("events", 7, ["first sync", "no change"], "postgresql")
    assert (first.writes, first.database) == (7, "postgresql")
    # Each event and each block was looked at, and is let alone afterwards.
    assert first.work > 0.014
    assert first.work > again.work > 0
    assert first.rows > 7
    assert "| looked through |" in table([first])


def test_the_steps_of_many_small_statements_are_counted() -> None:
    database, meter = sa.create_engine("sqlite://"), Meter()
    meter.listen(database)
    with database.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers AS SELECT 1 AS n UNION SELECT 2 UNION SELECT 3")
        before = meter.work
        for number in range(50):
            wanted = sa.select(sa.func.count()).select_from(sa.text("numbers AS a, numbers AS b"))
            connection.execute(wanted.limit(sa.literal_column(str(number + 1)))).all()
    database.dispose()
    # In thousands, and each makes at least 20.
    assert meter.work - before > 1


def test_an_exponent_is_found() -> None:
    line = Line("events", 10, "s", cpu=1.0, memory=5, rows=3, statements=0, work=0, requests=0, writes=0, store=0)
    lines = [line, evolve(line, size=100, cpu=10.0), evolve(line, size=1000, cpu=100.0, work=0.9)]
    assert exponent(lines, "cpu") == pytest.approx(1)
    assert exponent(lines, "memory") == pytest.approx(0)
    assert exponent(lines[:1], "cpu") is None
    assert "1.00, 0.00, 0.00" in table(lines)


def test_the_kept_results_can_be_read() -> None:
    lines = [Line(**json.loads(line)) for line in growth.RESULTS.read_text(encoding="utf-8").splitlines()]
    assert {line.step for line in lines} == set(growth.STEPS)
