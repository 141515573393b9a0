"""The batch endpoint (developers.google.com/calendar/batch), and faults in and around it."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.google import ApiError
from discovery import CheckedGoogle
from google_bench import ANN, reason, timed

EVENTS = "/calendar/v3/calendars/primary/events"


class Batch:
    """Writes a batch by hand, and reads the answers by hand."""

    def __init__(self, google: CheckedGoogle) -> None:
        self.google = google
        self.headers = {
            "Authorization": f"Bearer {google.issue_token(ANN)}",
            "Content-Type": 'multipart/mixed; boundary="b-1"',
        }
        self.http = httpx.Client(transport=google.transport(), base_url=google.origin)

    def send(self, *parts: tuple[str, str, Any], newline: str = "\r\n") -> httpx.Response:
        lines: list[str] = []
        for number, (method, path, body) in enumerate(parts):
            text = "" if body is None else json.dumps(body)
            lines += ["--b-1", "Content-Type: application/http", f"Content-ID: <item-{number}>", ""]
            lines += [f"{method} {path} HTTP/1.1", "Content-Type: application/json", "", text]
        return self.http.post(
            "/batch/calendar/v3", content=newline.join([*lines, "--b-1--", ""]).encode(), headers=self.headers
        )

    def answers(self, *parts: tuple[str, str, Any], **more: Any) -> dict[str, tuple[int, Any]]:
        response = self.send(*parts, **more)
        assert response.status_code == 200
        boundary = response.headers["Content-Type"].partition("boundary=")[2]
        found = {}
        for piece in response.text.split(f"--{boundary}")[1:-1]:
            head, status_line, body = piece.lstrip().split("\r\n\r\n", 2)
            names = dict(line.split(": ", 1) for line in head.split("\r\n"))
            assert names["Content-Type"] == "application/http"
            status = int(status_line.split()[1])
            found[names["Content-ID"]] = (status, json.loads(body) if body.strip() else None)
        return found


@pytest.fixture
def batch(google: CheckedGoogle) -> Batch:
    return Batch(google)


def inserts(count: int) -> list[tuple[str, str, Any]]:
    return [("POST", EVENTS, timed(f"block{number}")) for number in range(count)]


@pytest.mark.parametrize("newline", ["\r\n", "\n"], ids=["crlf", "lf"])
def test_each_part_has_its_answer(google: CheckedGoogle, batch: Batch, newline: str) -> None:
    google.put_event(ANN, timed("taken"))
    answers = batch.answers(
        ("POST", f"{EVENTS}?sendUpdates=none", timed("block0")),
        ("POST", EVENTS, timed("taken")),
        ("DELETE", f"{EVENTS}/taken", None),
        ("GET", f"{EVENTS}/nobody", None),
        newline=newline,
    )
    assert {name: status for name, (status, _) in answers.items()} == {
        "<response-item-0>": 200,
        "<response-item-1>": 409,
        "<response-item-2>": 204,
        "<response-item-3>": 404,
    }
    assert answers["<response-item-0>"][1]["id"] == "block0"
    assert answers["<response-item-1>"][1]["error"]["errors"][0]["reason"] == "duplicate"


def test_parts_are_counted_and_logged_one_by_one(google: CheckedGoogle, batch: Batch) -> None:
    """Batch guide: n calls count as n."""
    batch.send(*inserts(3))
    assert google.count() == {"POST": 1}
    assert google.count(inner=True) == {"POST": 3}
    assert google.quota.used[ANN] == 3


def test_the_order_of_execution_is_not_the_order_of_the_parts(google: CheckedGoogle, batch: Batch) -> None:
    """Batch guide: the order is not guaranteed; of two writes to one event either may win."""
    winners = set()
    google.put_event(ANN, timed("block0"))
    google.habits.order = random.Random(1)
    for _ in range(10):
        batch.send(*(("PATCH", f"{EVENTS}/block0", {"summary": name}) for name in "AB"))
        winners.add(google.event(ANN, "block0")["summary"])
    assert winners == {"A", "B"}
    google.habits.order = None
    batch.send(*(("PATCH", f"{EVENTS}/block0", {"summary": name}) for name in "AB"))
    assert google.event(ANN, "block0")["summary"] == "B"


def test_a_batch_has_a_limit(google: CheckedGoogle, batch: Batch) -> None:
    """Batch guide: 1000 calls."""
    gets = [("GET", f"{EVENTS}/nobody", None)] * 1000
    assert len(batch.answers(*gets)) == 1000
    assert reason(batch.send(*gets, ("GET", f"{EVENTS}/nobody", None))) == (400, "badRequest")
    assert google.count(inner=True)["GET"] == 1000


@pytest.mark.parametrize("path", ["https://www.googleapis.com/calendar/v3/calendars/primary/events", "events"])
def test_a_part_has_a_path_only(batch: Batch, path: str) -> None:
    """Batch guide: the request line has a path, not a URL."""
    assert reason(batch.send(("GET", path, None))) == (400, "badRequest")


def test_a_batch_is_no_part_of_a_batch(batch: Batch) -> None:
    assert batch.answers(("POST", "/batch/calendar/v3", {}))["<response-item-0>"][0] == 404


def test_what_is_no_batch_is_refused(google: CheckedGoogle, batch: Batch) -> None:
    assert reason(batch.send()) == (400, "badRequest")
    batch.headers["Content-Type"] = "application/json"
    assert reason(batch.send(*inserts(1))) == (400, "badRequest")
    assert google.events(ANN) == []


def test_a_part_needs_its_own_rights(google: CheckedGoogle, batch: Batch) -> None:
    batch.headers["Authorization"] = f"Bearer {google.issue_token(ANN, ['calendar.readonly'])}"
    assert batch.answers(*inserts(1))["<response-item-0>"][0] == 403
    del batch.headers["Authorization"]
    assert batch.answers(*inserts(1))["<response-item-0>"][0] == 401


def test_working_locations_are_not_written_in_batches(batch: Batch) -> None:
    """Batch guide: not supported; the status is a guess."""
    home = timed("home0", eventType="workingLocation", visibility="public", transparency="transparent",
                 workingLocationProperties={"type": "homeOffice"})  # fmt: skip
    assert batch.answers(("POST", EVENTS, home))["<response-item-0>"][0] == 400


def test_a_fault_may_be_meant_for_a_part(google: CheckedGoogle, batch: Batch) -> None:
    conflict = ApiError(409, "conflict", "Conflict").response()
    google.fail(HttpFault(HttpFaultKind.ANSWER, conflict, method="POST", inner=True, skip=1))
    google.habits.order = None
    assert [status for status, _ in batch.answers(*inserts(3)).values()] == [200, 409, 200]
    assert [one["id"] for one in google.events(ANN)] == ["block0", "block2"]


@pytest.mark.parametrize("kind", [HttpFaultKind.LOST_ANSWER, HttpFaultKind.REFUSED])
def test_a_part_that_fails_behind_the_batch(google: CheckedGoogle, batch: Batch, kind: HttpFaultKind) -> None:
    """A 503 says nothing about whether it was carried out."""
    google.fail(HttpFault(kind, inner=True))
    assert batch.answers(*inserts(1))["<response-item-0>"][0] == 503
    assert len(google.events(ANN)) == (kind is HttpFaultKind.LOST_ANSWER)


def test_a_batch_whose_answer_is_lost_was_carried_out(google: CheckedGoogle, batch: Batch) -> None:
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, path="^/batch"))
    with pytest.raises(httpx.ReadError):
        batch.send(*inserts(2))
    assert len(google.events(ANN)) == 2
