"""The measurement of growth still measures. How fast anything is, no test says: machines differ."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from benchmarks.growth import Line, exponent, measure, table

from benchmarks import growth


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


def test_an_exponent_is_found() -> None:
    line = Line("events", 10, "s", cpu=1.0, memory=5, rows=3, statements=0, work=0, requests=0, writes=0, store=0)
    lines = [line, evolve(line, size=100, cpu=10.0), evolve(line, size=1000, cpu=100.0, work=9)]
    assert exponent(lines, "cpu") == pytest.approx(1)
    assert exponent(lines, "memory") == pytest.approx(0)
    assert exponent(lines[:1], "cpu") is None
    assert "1.00, 0.00, 0.00" in table(lines)


def test_the_kept_results_can_be_read() -> None:
    lines = [Line(**json.loads(line)) for line in growth.RESULTS.read_text(encoding="utf-8").splitlines()]
    assert {line.step for line in lines} == set(growth.STEPS)
