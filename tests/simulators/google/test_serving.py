"""The simulator as a server: threads, faults, and an API for hosts that says what it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.google import ApiError
from discovery import CheckedGoogle
from google_bench import ANN, Client, reason, timed

RATE = ApiError(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")


def test_the_example_of_the_docstring_runs() -> None:
    clock = VirtualClock()
    with GoogleSimulator(clock) as google:
        google.add_user("ann@example.com", timezone="Europe/Berlin")
        start, end = "2026-03-02T10:00:00+01:00", "2026-03-02T11:00:00+01:00"
        event = {"summary": "Review", "start": {"dateTime": start}, "end": {"dateTime": end}}
        meeting = google.put_event("ann@example.com", event)
        headers = {"Authorization": f"Bearer {google.issue_token('ann@example.com')}"}
        listed = httpx.get(f"{google.base_url}/calendars/primary/events", headers=headers).json()
        assert [one["id"] for one in listed["items"]] == [meeting]
        google.patch_event("ann@example.com", meeting, {"summary": "Retro"})
        assert google.event("ann@example.com", meeting)["summary"] == "Retro"


def test_many_threads_at_once(google: CheckedGoogle) -> None:
    with google:
        headers = {"Authorization": f"Bearer {google.issue_token(ANN)}"}
        with httpx.Client(base_url=google.base_url, headers=headers) as http, ThreadPoolExecutor(8) as pool:
            events = [timed(f"block{number}") for number in range(40)]
            made = list(pool.map(lambda event: http.post("/calendars/primary/events", json=event), events))
            assert {one.status_code for one in made} == {200}
            assert len({one.json()["etag"] for one in made}) == 40
            assert len({one.json()["updated"] for one in made}) == 40
    assert len(google.events(ANN)) == 40
    assert google.base_url == "http://localhost/calendar/v3"


def test_an_answer_that_is_lost_was_still_meant(google: CheckedGoogle, ann: Client) -> None:
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST", path="/events$"))
    with pytest.raises(httpx.ReadError):
        ann.insert(timed("block1"))
    assert reason(ann.insert(timed("block1"))) == (409, "duplicate")


def test_a_refusal_changes_nothing_and_is_in_the_log(google: CheckedGoogle, ann: Client) -> None:
    google.fail(HttpFault(HttpFaultKind.ANSWER, RATE.response(), times=2))
    assert reason(ann.insert(timed("block1"))) == (403, "rateLimitExceeded")
    assert reason(ann.page()) == (403, "rateLimitExceeded")
    assert ann.ids() == []
    assert [logged.note for logged in google.log] == ["rateLimitExceeded", "rateLimitExceeded", None]


def test_hands_refuse_what_makes_no_sense(google: CheckedGoogle) -> None:
    for wrong in (
        lambda: google.put_event("nowhere", timed()),
        lambda: google.put_event(ANN, timed() | {"end": {}}),
        lambda: google.patch_event(ANN, "nobody", {}),
        lambda: google.event(ANN, "nobody"),
    ):
        with pytest.raises(ApiError):
            wrong()
    with pytest.raises(ValueError, match="role"):
        google.share(ANN, "x@y.z", "boss")
    with pytest.raises(ValueError, match="in use"):
        google.add_calendar(ANN, "Twice", calendar_id=ANN)


def test_hands_give_copies(google: CheckedGoogle) -> None:
    event_id = google.put_event(ANN, timed(extendedProperties={"private": {"a": "1"}}))
    google.event(ANN, event_id)["extendedProperties"]["private"]["a"] = "2"
    google.events(ANN)[0]["start"].clear()
    assert google.event(ANN, event_id)["extendedProperties"]["private"] == {"a": "1"}
    assert google.event(ANN, event_id)["start"]["dateTime"] == "2026-03-02T10:00:00+01:00"


def test_hands_cost_no_request(google: CheckedGoogle) -> None:
    event_id = google.put_event(ANN, timed(attendees=[{"email": "x@y.z"}]))
    google.remove_event(ANN, event_id)
    google.put_event(ANN, timed(event_id, summary="Back"))
    assert google.event(ANN, event_id)["status"] == "confirmed"
    assert (google.log, google.mails, google.quota.used) == ((), (), {})
