"""``$batch``. Source: "json-batching"."""

from __future__ import annotations

from typing import Any

import pytest

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.graph import error_response
from graph_world import IMMUTABLE, GraphWorld, code, timed

_JSON = {"Content-Type": "application/json"}


def _get(number: int, url: str = "/me/calendars", **more: Any) -> dict[str, Any]:
    return {"id": str(number), "method": "GET", "url": url} | more


def _post(number: int, **more: Any) -> dict[str, Any]:
    body = timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", transactionId=f"t-{number}")
    return {"id": str(number), "method": "POST", "url": "/me/events", "headers": _JSON, "body": body} | more


def test_parts_are_answered_one_by_one_in_any_order(world: GraphWorld) -> None:
    answer = world.batch(*[_post(number) for number in range(20)])
    assert answer.status_code == 200
    responses = answer.json()["responses"]
    assert [one["status"] for one in responses] == [201] * 20
    ids = [one["id"] for one in responses]
    assert sorted(ids, key=int) == [str(number) for number in range(20)]
    assert ids != sorted(ids, key=int)
    for one in responses:
        assert one["body"]["transactionId"] == f"t-{one['id']}"
    assert world.simulator.count() == {"POST": 1}
    assert world.simulator.count(inner=True) == {"POST": 20}


def test_an_empty_answer_has_no_body(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    (response,) = world.batch({"id": "1", "method": "DELETE", "url": f"/me/events/{event}"}).json()["responses"]
    assert response["status"] == 204
    assert "body" not in response


def test_an_inner_failure_hides_behind_an_outer_success(world: GraphWorld) -> None:
    answer = world.batch(_get(1), _get(2, "/me/events/AAMk"))
    assert answer.status_code == 200
    found = {one["id"]: one for one in answer.json()["responses"]}
    assert found["1"]["status"] == 200
    assert (found["2"]["status"], found["2"]["body"]["error"]["code"]) == (400, "ErrorInvalidIdMalformed")


def test_preferences_are_each_parts_own(world: GraphWorld) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    answer = world.batch(_get(1, f"/me/events/{event}"), _get(2, f"/me/events/{event}", headers={"Prefer": IMMUTABLE}))
    found = {one["id"]: one for one in answer.json()["responses"]}
    assert found["1"]["body"]["id"] != event
    assert found["2"]["body"]["id"] == event
    assert "IdType" in found["2"]["headers"]["Preference-Applied"]


@pytest.mark.parametrize(
    "requests",
    [
        [_get(number) for number in range(21)],
        [_get(1), _get(1)],
        [{"method": "GET", "url": "/me"}],
        [_get(1, "https://graph.microsoft.com/v1.0/me")],
        [_get(1, "/$batch")],
        [_post(1, headers={})],
        [_get(1), _get(2, dependsOn=["3"]), _get(3)],
        [_get(1), _get(2), _get(3, dependsOn=["1"])],
    ],
    ids=["21", "ids twice", "no id", "absolute", "nested", "no content type", "forward", "neither serial nor parallel"],
)
def test_whole_batches_are_refused(world: GraphWorld, requests: list[dict[str, Any]]) -> None:
    """20 at most, unique ids, relative urls, Content-Type with each body, serial or parallel and nothing between."""
    answer = world.batch(*requests)
    assert (answer.status_code, code(answer)) == (400, "BadRequest")
    assert world.simulator.count(inner=True) == {}


def test_a_batch_must_be_one(world: GraphWorld) -> None:
    assert code(world.client.post("$batch", json={"calls": []})) == "BadRequest"
    assert code(world.client.post("$batch", content=b"[")) == "BadRequest"
    del world.client.headers["Authorization"]
    assert world.batch(_get(1)).status_code == 401


def test_what_depends_on_a_failure_fails(world: GraphWorld) -> None:
    """424, all the way down."""
    answer = world.batch(
        _get(1), _get(2, "/me/events/AAMk", dependsOn=["1"]), _post(3, dependsOn=["2"]), _post(4, dependsOn=["3"])
    )
    found = {one["id"]: one["status"] for one in answer.json()["responses"]}
    assert found == {"1": 200, "2": 400, "3": 424, "4": 424}
    assert world.simulator.events(world.calendar) == []


def test_an_inner_throttling_has_its_own_retry_after(world: GraphWorld) -> None:
    world.habits.retry_after = "fraction"
    world.simulator.throttle(world.user, times=2, seconds=5)
    answer = world.batch(_get(1), _get(2), _get(3))
    assert "Retry-After" not in answer.headers
    found = {one["id"]: one for one in answer.json()["responses"]}
    assert [found[name]["status"] for name in "123"] == [429, 429, 200]
    assert found["1"]["headers"]["Retry-After"] == "5.000"


def test_faults_may_hit_single_parts(world: GraphWorld) -> None:
    """What is lost behind the gateway is a 504, and may have happened all the same."""
    world.simulator.fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST", inner=True))
    refused = error_response(503, "serviceNotAvailable", retry_after="1")
    world.simulator.fail(HttpFault(HttpFaultKind.ANSWER, refused, method="POST", inner=True, skip=1))
    found = {one["id"]: one for one in world.batch(*[_post(number) for number in range(3)]).json()["responses"]}
    assert [found[name]["status"] for name in "012"] == [504, 201, 503]
    assert len(world.simulator.events(world.calendar)) == 2
