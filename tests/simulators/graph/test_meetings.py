"""Meetings and the mails they cost. Sources: "user-post-events", "event-accept", "event-decline"; I-40, I-45."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from calsync_core.testing.simulators.graph import Habits
from graph_world import ANA, BO, GraphWorld, series, timed, utc

_GUESTS = [{"type": "required", "emailAddress": {"address": BO, "name": "Bo"}}]
_MEETING = timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", subject="Review", attendees=_GUESTS)
_PLAIN = timed("2026-03-03T09:00:00", "2026-03-03T10:00:00")


@pytest.fixture
def world() -> GraphWorld:
    world = GraphWorld()
    world.simulator.add_user(BO)
    return world


def _copies(world: GraphWorld) -> list[dict[str, Any]]:
    return world.simulator.events(world.simulator.calendars(BO)[0])


def test_what_has_no_attendees_sends_no_mail(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_PLAIN).json()["id"]
    world.client.patch(f"me/events/{event}", json={"subject": "x"})
    world.client.delete(f"me/events/{event}")
    assert world.simulator.mails == ()


def test_attendees_are_always_mailed(world: GraphWorld) -> None:
    """M-POST: not configurable. Create, update and delete each cost a mail per guest."""
    guests = [*_GUESTS, {"emailAddress": {"address": "cy@elsewhere.example"}}]
    event = world.client.post("me/events", json=_MEETING | {"attendees": guests}).json()["id"]
    world.client.patch(f"me/events/{event}", json={"subject": "x"})
    world.client.delete(f"me/events/{event}")
    assert [(mail.kind, mail.to) for mail in world.simulator.mails] == [
        (kind, to) for kind in ("invitation", "update", "cancellation") for to in (BO, "cy@elsewhere.example")
    ]
    assert {mail.event for mail in world.simulator.mails} == {event}


def test_adding_attendees_to_a_block_invites_them(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_PLAIN).json()["id"]
    world.client.patch(f"me/events/{event}", json={"attendees": _GUESTS})
    assert [mail.kind for mail in world.simulator.mails] == ["invitation"]
    assert len(_copies(world)) == 1


def test_what_hands_do_is_not_counted(world: GraphWorld) -> None:
    event = world.put(_MEETING)
    world.simulator.patch_event(event, {"subject": "x"})
    assert world.simulator.mails == ()
    assert [copy["subject"] for copy in _copies(world)] == ["x"]


def test_a_guest_has_a_copy_with_the_same_uid_and_another_id(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_MEETING).json()
    (copy,) = _copies(world)
    assert copy["iCalUId"] == event["iCalUId"]
    assert copy["id"] != event["id"]
    assert (copy["isOrganizer"], copy["responseStatus"]["response"], copy["showAs"]) == (
        False,
        "notResponded",
        "tentative",
    )
    assert copy["organizer"]["emailAddress"]["address"] == ANA
    assert (event["isOrganizer"], event["responseStatus"]["response"]) == (True, "organizer")
    assert copy["attendees"][0]["emailAddress"]["address"] == BO


@pytest.mark.parametrize(("verb", "answer"), [("accept", "accepted"), ("tentativelyAccept", "tentativelyAccepted")])
def test_a_guest_answers(world: GraphWorld, verb: str, answer: str) -> None:
    event = world.put(_MEETING)
    (copy,) = _copies(world)
    assert world.login(BO).post(f"me/events/{copy['id']}/{verb}", json={"sendResponse": True}).status_code == 202
    (copy,) = _copies(world)
    assert (copy["responseStatus"]["response"], copy["showAs"]) == (answer, "busy" if verb == "accept" else "tentative")
    assert world.get(f"me/events/{event}")["attendees"][0]["status"]["response"] == answer
    assert [mail.kind for mail in world.simulator.mails] == ["response"]


def test_an_update_leaves_the_guests_own_properties_alone(world: GraphWorld) -> None:
    event = world.put(_MEETING)
    (copy,) = _copies(world)
    world.login(BO).patch(f"me/events/{copy['id']}", json={"showAs": "oof", "categories": ["Red"]})
    world.simulator.patch_event(event, {"subject": "Renamed", "showAs": "free", "categories": ["Blue"]})
    (copy,) = _copies(world)
    assert (copy["subject"], copy["showAs"], copy["categories"]) == ("Renamed", "oof", ["Red"])


@pytest.mark.parametrize("habit", ["removed", "marked"])
def test_a_declined_meeting_goes_or_stays_as_declined(habit: Any) -> None:
    world = GraphWorld(Habits(declined=habit))
    world.simulator.add_user(BO)
    world.put(_MEETING)
    (copy,) = _copies(world)
    answer = world.login(BO).post(f"me/events/{copy['id']}/decline", json={"sendResponse": False})
    assert answer.status_code == 202
    left = [one["responseStatus"]["response"] for one in _copies(world)]
    assert left == ([] if habit == "removed" else ["declined"])
    assert world.simulator.mails == ()


def test_an_organizer_can_not_answer(world: GraphWorld) -> None:
    event = world.put(_MEETING)
    assert world.client.post(f"me/events/{event}/accept", json={}).status_code == 400


def test_a_cancelled_meeting_stays_with_its_guests_as_cancelled(world: GraphWorld) -> None:
    event = world.put(_MEETING)
    world.simulator.remove_event(event)
    (copy,) = _copies(world)
    assert (copy["isCancelled"], copy["showAs"], copy["subject"]) == (True, "free", "Canceled: Review")


def test_a_guest_who_deletes_the_copy_mails_nobody(world: GraphWorld) -> None:
    """M-POST: a cancellation goes out only if the organizer deletes."""
    world.put(_MEETING)
    (copy,) = _copies(world)
    assert world.login(BO).delete(f"me/events/{copy['id']}").status_code == 204
    assert _copies(world) == []
    assert world.simulator.mails == ()


def test_a_series_is_copied_with_its_exceptions(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}, attendees=_GUESTS))
    world.simulator.cancel_occurrence(master, date(2026, 3, 3))
    world.simulator.patch_event(world.simulator.occurrence(master, date(2026, 3, 4)), {"subject": "Special"})
    theirs = world.simulator.instances(world.simulator.calendars(BO)[0], utc("2026-03-02"), utc("2026-03-06"))
    assert [(one["type"], one["subject"]) for one in theirs] == [
        ("occurrence", "Planning"),
        ("exception", "Special"),
        ("occurrence", "Planning"),
    ]


def test_an_invitation_from_outside(world: GraphWorld) -> None:
    outside = {
        "organizer": {"emailAddress": {"name": "Cy", "address": "cy@elsewhere.example"}},
        "responseStatus": {"response": "tentativelyAccepted"},
        "iCalUId": "7kq2@google.com",
    }
    event = world.put(_MEETING | outside)
    found = world.get(f"me/events/{event}")
    assert (found["isOrganizer"], found["responseStatus"]["response"]) == (False, "tentativelyAccepted")
    assert (found["organizer"], found["iCalUId"]) == (outside["organizer"], "7kq2@google.com")
    assert _copies(world) == []
    world.simulator.patch_event(event, {"isCancelled": True, "responseStatus": {"response": "declined"}})
    found = world.get(f"me/events/{event}")
    assert (found["isCancelled"], found["responseStatus"]["response"]) == (True, "declined")
