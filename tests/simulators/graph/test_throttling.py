"""Limits per app and mailbox. Source: "throttling-limits" (Outlook), "throttling"."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.graph import Habits, error_response
from calsync_core.testing.simulators.messages import Request
from graph_world import ANA, BO, GraphWorld, code


class _Hall:
    """Holds requests in flight until ``full`` of them are there."""

    def __init__(self, full: int) -> None:
        self._barrier = threading.Barrier(full)

    def __call__(self, _request: object) -> None:
        self._barrier.wait(timeout=20)


def _together(world: GraphWorld, *requests: tuple[httpx.Client, str, dict[str, Any]]) -> list[httpx.Response]:
    world.simulator.meanwhile = _Hall(len(requests))
    with ThreadPoolExecutor(len(requests)) as pool:
        running = [pool.submit(client.request, method, **what) for client, method, what in requests]
        answers = [one.result(timeout=30) for one in running]
    world.simulator.meanwhile = None
    return answers


def _gets(client: httpx.Client, count: int) -> list[tuple[httpx.Client, str, dict[str, Any]]]:
    return [(client, "GET", {"url": "me/calendars"})] * count


def _batch(client: httpx.Client, size: int) -> tuple[httpx.Client, str, dict[str, Any]]:
    requests = [{"id": str(number), "method": "GET", "url": "/me/calendars"} for number in range(size)]
    return (client, "POST", {"url": "$batch", "json": {"requests": requests}})


def _beside(world: GraphWorld, gets: int, requests: list[dict[str, Any]]) -> list[int]:
    """The statuses in a batch that is sent and answered while so many requests are in flight."""
    arrived, answered = threading.Barrier(gets + 1), threading.Event()

    def hold(request: Request) -> None:
        if request.method == "GET":
            arrived.wait(timeout=20)
            answered.wait(timeout=20)

    world.simulator.meanwhile = hold
    with ThreadPoolExecutor(gets) as pool:
        waiting = [pool.submit(world.client.get, "me/calendars") for _ in range(gets)]
        arrived.wait(timeout=20)
        inner = world.client.post("$batch", json={"requests": requests}).json()["responses"]
        answered.set()
        assert {one.result(timeout=20).status_code for one in waiting} == {200}
    return [one["status"] for one in inner]


def test_four_at_a_time_are_fine_and_the_fifth_is_not(world: GraphWorld) -> None:
    """M-THR: "4 concurrent requests" per app id and mailbox."""
    assert [one.status_code for one in _together(world, *_gets(world.client, 4))] == [200] * 4
    assert world.simulator.max_seen_concurrency() == 4
    answers = _together(world, *_gets(world.client, 6))
    assert sorted(one.status_code for one in answers) == [200] * 4 + [429] * 2
    refused = next(one for one in answers if one.status_code == 429)
    assert code(refused) == "ApplicationThrottled"
    assert refused.json()["error"]["message"] == "Application is over its MailboxConcurrency limit."
    assert world.simulator.max_seen_concurrency(ANA) == 6


def test_a_mailbox_does_not_count_for_another_nor_an_app_for_another(world: GraphWorld) -> None:
    world.simulator.add_user(BO)
    bo, other_app = world.login(BO), world.login(ANA, app="other")
    answers = _together(world, *_gets(world.client, 4), *_gets(bo, 4), *_gets(other_app, 4))
    assert {one.status_code for one in answers} == {200}
    assert world.simulator.max_seen_concurrency() == 4


def test_a_batch_alone_runs_four_at_a_time(world: GraphWorld) -> None:
    answer = world.client.post("$batch", json=_batch(world.client, 20)[2]["json"])
    assert {one["status"] for one in answer.json()["responses"]} == {200}
    assert world.simulator.max_seen_concurrency() == 4


def test_a_batch_beside_something_else_is_too_much_for_some_of_its_parts(world: GraphWorld) -> None:
    """M-THR: the limit covers the parts of batches."""
    inner = _beside(world, 2, [{"id": str(number), "method": "GET", "url": "/me/calendars"} for number in range(8)])
    # Two of each four that run together find room beside the two.
    assert sorted(inner) == [200] * 4 + [429] * 4
    assert world.simulator.max_seen_concurrency() == 6


def test_a_serial_batch_counts_once(world: GraphWorld) -> None:
    requests: list[dict[str, Any]] = [{"id": "0", "method": "GET", "url": "/me/calendars"}]
    requests += [requests[0] | {"id": str(number), "dependsOn": [str(number - 1)]} for number in range(1, 5)]
    world.client.post("$batch", json={"requests": requests})
    assert world.simulator.max_seen_concurrency() == 1
    assert _beside(world, 3, requests) == [200] * 5
    assert world.simulator.max_seen_concurrency() == 4


def test_the_directory_does_not_count(world: GraphWorld) -> None:
    world.client.get("me")
    assert world.simulator.max_seen_concurrency() == 0


def test_ten_thousand_in_ten_minutes() -> None:
    """M-THR; refused requests count as well, and parts of batches do."""
    world = GraphWorld(Habits(requests=10, retry_after="seconds"))
    requests = [{"id": str(number), "method": "GET", "url": "/me/calendars"} for number in range(8)]
    world.batch(*requests)
    statuses = [world.client.get("me/calendars").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    world.clock.advance(timedelta(minutes=4))
    refused = world.client.get("me/calendars")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "360")
    world.clock.advance(timedelta(minutes=6))
    assert world.client.get("me/calendars").status_code == 200


def test_who_goes_on_asking_goes_on_being_refused() -> None:
    """Refused requests count against the limit, too ("throttling")."""
    world = GraphWorld(Habits(requests=2))
    assert [world.client.get("me/calendars").status_code for _ in range(2)] == [200, 200]
    world.clock.advance(timedelta(minutes=5))
    assert [world.client.get("me/calendars").status_code for _ in range(2)] == [429, 429]
    world.clock.advance(timedelta(minutes=5))
    assert world.client.get("me/calendars").status_code == 429
    world.clock.advance(timedelta(minutes=10))
    assert world.client.get("me/calendars").status_code == 200


@pytest.mark.parametrize(
    ("style", "seconds"), [("seconds", "3"), ("fraction", "2.128"), ("date", None), ("none", None)]
)
def test_retry_after_comes_in_every_form(world: GraphWorld, style: Any, seconds: str | None) -> None:
    """M-OLD: the documentation's own sample says 2.128."""
    world.habits.retry_after = style
    world.simulator.throttle(ANA)
    answer = world.client.get("me/calendars")
    assert (answer.status_code, code(answer)) == (429, "TooManyRequests")
    if style == "date":
        wait = parsedate_to_datetime(answer.headers["Retry-After"]) - world.clock.now()
        assert wait == timedelta(seconds=3)
    else:
        assert answer.headers.get("Retry-After") == seconds
    assert world.client.get("me/calendars").status_code == 200


def test_by_default_each_form_comes_in_turn(world: GraphWorld) -> None:
    world.simulator.throttle(ANA, times=3)
    found = [world.client.get("me/calendars").headers["Retry-After"] for _ in range(3)]
    assert found[:2] == ["2.128", "3"]
    assert found[2].endswith("GMT")


def test_throttling_is_per_mailbox_and_of_several_codes(world: GraphWorld) -> None:
    world.simulator.add_user(BO)
    world.simulator.throttle(ANA, code="activityLimitReached")
    assert world.login(BO).get("me/calendars").status_code == 200
    assert code(world.client.get("me/calendars")) == "activityLimitReached"


def test_unavailable_with_and_without_a_time(world: GraphWorld) -> None:
    world.simulator.throttle(ANA, status=503, code="serviceNotAvailable", seconds=None)
    answer = world.client.get("me/calendars")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, False)
    world.simulator.fail(HttpFault(HttpFaultKind.ANSWER, error_response(504, "UnknownError")))
    assert world.client.get("me/calendars").status_code == 504
