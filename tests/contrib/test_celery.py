"""Celery for real: workers and a beat in processes of their own, over PostgreSQL and a broker's server."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from structlog.testing import capture_logs

from calsync_core.contrib.celery import calsync_tasks
from calsync_core.web import asgi, wsgi
from celery_world import CeleryTown, celery_town
from web_bench import Desk, serve_asgi, serve_wsgi

OWNERS = ("ana", "bo", "cy", "di")
OTHER = {"google": "microsoft", "microsoft": "google"}


def settle(town: CeleryTown) -> None:
    """Every calendar has been read, and pushes."""
    town.until(lambda: {(one.state, one.push) for one in town.engine.health().calendars} == {("ok", "active")})


def check(town: CeleryTown, booked: list[tuple[str, str, datetime]]) -> None:
    """Each meeting has its block, and exactly one; nobody has anything left to do."""
    for (owner, kind), there in town.remote.items():
        expected = sorted(start for who, where, start in booked if (who, OTHER[where]) == (owner, kind))
        assert town.starts(owner, kind) == expected, there
    for owner in OWNERS[: len(town.remote) // 2]:
        assert town.engine.audit(owner).ok


def is_blocked(town: CeleryTown, booked: list[tuple[str, str, datetime]]) -> bool:
    return all(start in town.starts(owner, OTHER[kind]) for owner, kind, start in booked)


@pytest.mark.server
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_push_becomes_a_block_without_waiting_for_beat(tmp_path: Path, broker: str) -> None:
    """No beat runs: what has the calendar read is the message that the webhook application sent."""
    with celery_town(["ana"], tmp_path, broker) as town:
        town.engine.sync_calendars_needing_polling()
        town.start_worker()
        town.until(town.has_cooled)
        start = town.book("ana", "google")
        town.until(lambda: town.starts("ana", "microsoft") == [start])


@pytest.mark.server
def test_pushes_for_many_over_several_workers_that_fork(tmp_path: Path) -> None:  # I-01, I-06, I-27
    """Doubled and shuffled; the one worker's engine was in use before it forked, the other's is made afterwards."""
    with celery_town(OWNERS, tmp_path) as town:
        town.start_worker()
        town.start_worker(CALSYNC_TEST_ENGINE="before the fork")
        town.start_beat()
        settle(town)
        dice, booked = random.Random(1), []
        for _ in range(6):
            for owner in OWNERS:
                kind = dice.choice(list(OTHER))
                booked.append((owner, kind, town.book(owner, kind)))
            for outbox in (town.google.google.outbox, town.graph.graph.outbox):
                outbox.double()
                outbox.shuffle(dice)
            town.deliver()
        town.until(lambda: is_blocked(town, booked))
        town.until(lambda: not town.engine.notified_owners())
        check(town, booked)
        assert "ERROR" not in town.logs()


@pytest.mark.server
def test_beat_has_calendars_polled_where_nothing_pushes(tmp_path: Path) -> None:  # I-32
    with celery_town(["ana"], tmp_path) as town:
        town.settings["webhook_url"] = None
        town.start_worker()
        town.start_beat()
        first = town.book("ana", "google")
        town.until(lambda: town.starts("ana", "microsoft") == [first])
        second = town.book("ana", "microsoft")
        town.let_timers_run_out()
        town.until(lambda: town.starts("ana", "google") == [second])


@pytest.mark.server
def test_a_push_that_the_broker_could_not_be_told_of_is_found_by_the_next_tick(tmp_path: Path) -> None:  # I-28
    with broker_that("refuses") as nowhere, celery_town(["ana"], tmp_path, told_at=nowhere) as town:
        town.start_worker()
        town.start_beat()
        settle(town)
        start = town.book("ana", "google")
        assert town.deliver() == [202]
        town.until(lambda: town.starts("ana", "microsoft") == [start])


@pytest.mark.server
def test_a_worker_that_is_killed_in_the_middle_leaves_nothing_undone(tmp_path: Path) -> None:  # I-04, I-05, I-06, I-50
    """And while it was at it, nobody else did its owner's work, however often they were asked."""
    with celery_town(["ana"], tmp_path) as town:
        town.start_worker()
        town.start_worker()
        town.start_beat()
        settle(town)
        town.gate.open.clear()
        start = town.book("ana", "microsoft")
        town.until(lambda: town.gate.waiting)
        asked = [town.tasks.owner.delay("ana").id for _ in range(10)]
        # Not all of them: a worker may have taken some in whose processes are both busy.
        town.until(lambda: sum(f"[{one}] succeeded" in town.logs() for one in asked) >= 5)
        assert town.gate.waiting == 1
        later = town.book("ana", "microsoft")
        town.kill_whoever_holds(f"calendar:{town.ids['ana', 'google']}")
        town.gate.open.set()  # what the dead one had sent arrives all the same
        town.until(lambda: len(town.starts("ana", "google")) >= 2)
        town.until(lambda: not town.engine.notified_owners())
        check(town, [("ana", "microsoft", start), ("ana", "microsoft", later)])


# -- a broker that is away -----------------------------------------------------------------------------------------


@contextmanager
def broker_that(does: str, scheme: str = "redis") -> Iterator[str]:
    """One that refuses whoever comes, or takes them in and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if does == "hangs":
            listener.listen()
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}//"


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("does", ["refuses", "hangs"])
@pytest.mark.parametrize(
    ("webhook_app", "serve"),
    [pytest.param(asgi.webhook_app, serve_asgi, id="asgi"), pytest.param(wsgi.webhook_app, serve_wsgi, id="wsgi")],
)
def test_a_push_is_answered_whatever_the_broker_does(
    webhook_app: Callable[..., Any], serve: Callable[..., Any], does: str, scheme: str
) -> None:  # I-28, I-34
    """With Celery's own settings, a Redis that hangs is waited for without an end."""
    desk = Desk()
    with broker_that(does, scheme) as url, capture_logs() as logs:
        tasks = calsync_tasks(Celery(broker=url, set_as_current=False), desk.engine)
        with serve(webhook_app(desk.engine, drain=False, on_accepted=tasks.wake)) as endpoint:
            for number in (2, 3):
                push = desk.push(number)
                assert httpx.post(f"{endpoint}/google", headers=push, timeout=20, trust_env=False).status_code == 202
    assert desk.inbox() == 2
    # The second one did not wait again.
    assert [each["kind"] for each in logs if each["event"] == "on_accepted_failed"] == ["OperationalError"]
