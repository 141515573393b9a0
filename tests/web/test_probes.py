"""Health and metrics: what is said, from what, and how often the store is asked for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from calsync_core.core.vitality import LATE, STUCK, Vitality, judge
from calsync_core.errors import StoreError
from calsync_core.models import PushState, Vitals
from calsync_core.web.exposition import expose
from calsync_core.web.receiver import Received, Receiver
from web_bench import Desk

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def health(receiver: Receiver) -> tuple[int, dict[str, Any]]:
    reply = receiver.answer(Received("GET", "/health"))
    assert dict(reply.headers)["Content-Type"] == "application/json"
    document: dict[str, Any] = json.loads(reply.body)
    return reply.status, document


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and the value of its label, as Prometheus' own parser reads them."""
    assert text.endswith("\n")
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {
        (sample.name.removeprefix("calsync_"), "".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


# -- judging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vitals", "verdict"),
    [
        (Vitals(), Vitality.HEALTHY),
        (Vitals(calendars=3, push={"active": 2, "none": 1, "unsupported": 1}, held=9, notices=9), Vitality.HEALTHY),
        (Vitals(calendars=3, failing=1), Vitality.DEGRADED),
        (Vitals(push={"failing": 1}), Vitality.DEGRADED),
        (Vitals(push={"suspended": 1}), Vitality.DEGRADED),
        (Vitals(backlog=1, backlog_since=NOW - LATE), Vitality.HEALTHY),
        (Vitals(backlog=1, backlog_since=NOW - LATE - SECOND), Vitality.DEGRADED),
        (Vitals(backlog=1, backlog_since=NOW - STUCK), Vitality.DEGRADED),
        (Vitals(backlog=1, backlog_since=NOW - STUCK - SECOND), Vitality.UNHEALTHY),
        (Vitals(failing=1, backlog=1, backlog_since=NOW + SECOND), Vitality.DEGRADED),
    ],
)
def test_the_verdict(vitals: Vitals, verdict: Vitality) -> None:
    assert judge(vitals, NOW) is verdict


@given(st.builds(Vitals, failing=st.integers(0, 3), backlog_since=st.none() | st.datetimes(timezones=st.just(UTC))))
def test_waiting_longer_never_makes_it_better(vitals: Vitals) -> None:
    order = list(Vitality)
    verdicts = [order.index(judge(vitals, NOW + timedelta(minutes=minutes))) for minutes in range(30)]
    assert verdicts == sorted(verdicts)


# -- health ----------------------------------------------------------------------------------------------------------


def test_health_names_nobody(desk: Desk) -> None:  # I-39
    status, document = health(Receiver(desk.engine))
    assert (status, document["status"], document["calendars"]) == (200, "healthy", 1)
    assert document.keys() == {"status", "store", "drain", *Vitals().as_dict()}
    assert "ana" not in json.dumps(document)


def test_health_follows_the_backlog(desk: Desk) -> None:
    receiver = Receiver(desk.engine)
    assert receiver.answer(Received("POST", "/google", headers=desk.push())).status == 202
    seen = []
    for minutes in (0, 2.1, 13):
        desk.clock.advance(timedelta(minutes=minutes))
        status, document = health(receiver)
        seen.append((status, document["status"], document["backlog"]))
    assert seen == [(200, "healthy", 1), (200, "degraded", 1), (503, "unhealthy", 1)]


def test_a_store_that_is_away_is_unhealthy(desk: Desk) -> None:
    receiver = Receiver(desk.engine)
    for trouble in (StoreError("away at postgres://user:password@db"), RuntimeError("password")):
        desk.store.sick = trouble
        status, document = health(receiver)
        assert (status, document) == (503, {"status": "unhealthy", "store": "unavailable", "drain": "off"})
        desk.clock.advance(timedelta(seconds=5))
    desk.store.sick = None
    assert health(receiver)[0] == 200


def test_probes_cost_the_store_nothing(desk: Desk) -> None:
    receiver = Receiver(desk.engine, metrics=True)
    for _ in range(50):
        health(receiver)
        receiver.answer(Received("GET", "/metrics"))
    assert desk.store.looks == 2
    desk.clock.advance(timedelta(seconds=5))
    health(receiver)
    assert desk.store.looks == 3


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_prometheus_can_read_it(desk: Desk) -> None:
    receiver = Receiver(desk.engine, metrics=True)
    desk.engine.sync_all_calendars()
    receiver.answer(Received("POST", "/google", headers=desk.push()))
    desk.clock.advance(timedelta(seconds=30))
    reply = receiver.answer(Received("GET", "/metrics"))
    assert (reply.status, dict(reply.headers)["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    text = reply.body.decode()
    found = samples(text)
    assert found["status", "healthy"] == 1
    assert found["calendars", ""] == found["inbox_backlog", ""] == found["last_day_runs", "full"] == 1
    assert found["inbox_oldest_seconds", ""] == 30
    assert found["last_day_api_calls", ""] > 0
    assert "ana" not in text


def test_every_number_has_its_place() -> None:
    vitals = Vitals(5, 1, {"active": 3, "failing": 1}, 2, NOW - timedelta(seconds=90.5), 3, 4, 6)
    totals = {
        "runs": 10,
        "by_type": {"webhook": 8, "polling": 2},
        "reads": {"webhook": 7, "polling": 2, "full": 0, "echo": 1},
        "news": {"webhook": 5, "polling": 1},
        "webhook_share": 0.95,
        "latency": {"p50": 1.5, "p95": 4.25, "p99": 9},
        "reading_calls": 12,
        "polling_calls": 480,
        "calls_saved": 468,
        "api_calls": 20,
        "blocks_written": 8,
        "failed_runs": 1,
        "success_rate": 0.9,
    }
    found = samples(expose(vitals, totals, NOW))
    assert found == {
        **{("status", state): float(state == "degraded") for state in ("healthy", "degraded", "unhealthy")},
        **{("push_calendars", str(state)): float(vitals.push.get(state, 0)) for state in PushState},
        ("calendars", ""): 5,
        ("calendars_failing", ""): 1,
        ("inbox_backlog", ""): 2,
        ("inbox_oldest_seconds", ""): 90.5,
        ("notices_waiting", ""): 3,
        ("open_intents", ""): 4,
        ("held_deletions", ""): 6,
        ("last_day_runs", "webhook"): 8,
        ("last_day_runs", "polling"): 2,
        **{("last_day_reads", way): float(count) for way, count in {"webhook": 7, "polling": 2, "full": 0}.items()},
        ("last_day_reads", "echo"): 1,
        ("last_day_news", "webhook"): 5,
        ("last_day_news", "polling"): 1,
        ("last_day_webhook_share", ""): 0.95,
        ("last_day_latency_seconds", "0.5"): 1.5,
        ("last_day_latency_seconds", "0.95"): 4.25,
        ("last_day_latency_seconds", "0.99"): 9,
        ("last_day_reading_calls", ""): 12,
        ("last_day_polling_calls", ""): 480,
        ("last_day_calls_saved", ""): 468,
        ("last_day_api_calls", ""): 20,
        ("last_day_blocks_written", ""): 8,
        ("last_day_failed_runs", ""): 1,
        ("last_day_success_rate", ""): 0.9,
    }


@given(
    st.builds(
        Vitals,
        calendars=st.integers(0, 10**12),
        push=st.dictionaries(st.text(), st.integers(0), max_size=4),
        backlog_since=st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
    st.dictionaries(
        st.sampled_from(["by_type", "reads", "latency", "webhook_share", "api_calls"]) | st.text(max_size=5),
        st.none() | st.booleans() | st.floats() | st.text() | st.dictionaries(st.text(), st.none() | st.floats()),
    ),
)
def test_whatever_is_known_can_be_read(vitals: Vitals, totals: dict[str, Any]) -> None:
    found = samples(expose(vitals, totals, NOW))
    assert found["calendars", ""] == vitals.calendars


def test_a_scraper_is_told_to_come_again(desk: Desk) -> None:
    receiver = Receiver(desk.engine, metrics=True)
    desk.store.sick = StoreError("away")
    assert receiver.answer(Received("GET", "/metrics")).status == 503
    desk.store.sick = None
    assert receiver.answer(Received("HEAD", "/metrics")).status == 200
