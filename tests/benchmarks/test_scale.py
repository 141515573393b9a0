"""The model of large installations: the page says what it computes, and it computes what queues do."""

from __future__ import annotations

from benchmarks.model import Installation, Model, percentile
from benchmarks.pages import marked
from benchmarks.scale import PAGE, tables

MODEL = Model.load()


def test_the_page_has_the_tables_of_the_model() -> None:
    """``python -m benchmarks.scale --docs --charts`` writes them."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables(MODEL).items():
        assert marked(name, table) in page, name


def test_too_few_workers_and_too_small_a_quota_make_changes_wait() -> None:
    installation = Installation(MODEL, 20_000)
    enough = installation.latencies(installation.workers)
    assert enough == installation.latencies(installation.workers)
    trip = MODEL.assumed.round_trip
    assert enough[0] >= 2 * trip
    assert percentile(enough, 50) < 6 * trip
    few = installation.latencies(installation.workers // 3)
    assert len(few) == len(enough)
    assert percentile(few, 95) > 2 * percentile(enough, 95)
    poor = installation.latencies(installation.workers, quota=200)
    assert percentile(poor, 95) > 2 * percentile(enough, 95)
