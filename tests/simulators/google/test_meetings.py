"""Meetings: copies for the guests, answers, what a guest may not do, and the mail that must not be sent (I-40)."""

from __future__ import annotations

from typing import Any

import pytest

from calsync_core.testing.simulators.google import Mail
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, reason, timed

CARL = "carl@elsewhere.example"


def meeting(**fields: Any) -> dict[str, Any]:
    return timed("meet0", attendees=[{"email": BOB}, {"email": CARL}], **fields)


def test_guests_get_copies(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document: same ``iCalUID``, ``self`` for whose copy it is, private properties stay with their copy."""
    properties = {"private": {"mine": "1"}, "shared": {"ours": "2"}}
    ann.insert(meeting(extendedProperties=properties))
    copy = google.event(BOB, "meet0")
    assert copy["iCalUID"] == google.event(ANN, "meet0")["iCalUID"]
    assert copy["organizer"] == {"email": ANN}
    assert copy["attendees"][0] == {"email": BOB, "responseStatus": "needsAction", "self": True}
    assert copy["extendedProperties"] == {"shared": {"ours": "2"}}
    assert google.event(ANN, "meet0")["organizer"] == {"email": ANN, "self": True}


def test_the_organisers_changes_reach_the_copies(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    ann.insert(meeting())
    bob.event("PATCH", "meet0", {"extendedProperties": {"private": {"tag": "1"}}, "transparency": "transparent"})
    _, token = bob.listed()
    ann.event("PATCH", "meet0", {"summary": "Retro"})
    assert bob.ids(syncToken=token) == ["meet0"]
    copy = google.event(BOB, "meet0")
    assert copy["summary"] == "Retro"
    assert (copy["transparency"], copy["extendedProperties"]["private"]) == ("transparent", {"tag": "1"})
    ann.event("PATCH", "meet0", {"attendees": [{"email": CARL}]})
    assert google.event(BOB, "meet0")["status"] == "cancelled"


def test_a_cancelled_meeting_is_cancelled_for_all(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(meeting())
    ann.event("DELETE", "meet0")
    assert google.event(BOB, "meet0")["status"] == "cancelled"


def test_an_answer_reaches_everybody(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    ann.insert(meeting())
    google.answer_invitation(BOB, "meet0", "declined")
    assert google.event(ANN, "meet0")["attendees"][0] == {"email": BOB, "responseStatus": "declined"}
    answered = bob.event("PATCH", "meet0", {"attendees": [{"email": BOB, "responseStatus": "tentative"}]}).json()
    assert [one["responseStatus"] for one in answered["attendees"]] == ["tentative", "needsAction"]
    assert google.event(ANN, "meet0")["attendees"][0]["responseStatus"] == "tentative"


def test_a_guest_who_deletes_has_declined_and_stays_so(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    ann.insert(meeting())
    bob.event("DELETE", "meet0")
    assert google.event(ANN, "meet0")["attendees"][0]["responseStatus"] == "declined"
    ann.event("PATCH", "meet0", {"summary": "Retro"})
    assert google.event(BOB, "meet0")["status"] == "cancelled"


NOT_THEIRS: list[dict[str, Any]] = [
    {"summary": "Mine"},
    {"location": "Home"},
    timed(start="2026-03-02T12:00:00"),
    {"extendedProperties": {"shared": {"a": "1"}}},
]


@pytest.mark.parametrize("change", NOT_THEIRS, ids=str)
def test_a_guest_may_not_change_what_is_shared(ann: Client, bob: Client, change: dict[str, Any]) -> None:
    """Error guide, 403 ``forbiddenForNonOrganizer``."""
    ann.insert(meeting())
    assert reason(bob.event("PATCH", "meet0", change)) == (403, "forbiddenForNonOrganizer")
    assert reason(bob.event("POST", "meet0/move", destination=bob.google.add_calendar(BOB, "Own")))[0] == 403


def test_copies_of_another_meeting_with_the_same_id_stay(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(BOB, timed("meet0", summary="Mine"))
    ann.insert(meeting())
    assert google.event(BOB, "meet0")["summary"] == "Mine"


def test_a_private_meeting_is_private_for_its_guests(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(meeting(visibility="private"))
    assert google.event(BOB, "meet0")["visibility"] == "private"


def test_one_answer_for_one_instance(google: CheckedGoogle, ann: Client) -> None:
    """An instance has attendees of its own; the rest of the series is not touched."""
    ann.insert(meeting(recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
    google.answer_invitation(BOB, "meet0_20260303T090000Z", "declined")
    assert google.event(ANN, "meet0_20260303T090000Z")["attendees"][0]["responseStatus"] == "declined"
    assert google.event(ANN, "meet0")["attendees"][0]["responseStatus"] == "needsAction"
    ann.event("DELETE", "meet0_20260304T090000Z")
    assert google.event(BOB, "meet0_20260304T090000Z")["status"] == "cancelled"
    ann.event("DELETE", "meet0")
    assert google.events(BOB) == []


def test_an_invitation_from_outside(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(ANN, timed("ext00", organizer={"email": CARL}, attendees=[{"email": ANN}, {"email": CARL}]))
    event = ann.event("GET", "ext00").json()
    assert event["organizer"] == {"email": CARL}
    assert event["attendees"][1]["organizer"] is True
    assert reason(ann.event("PATCH", "ext00", {"summary": "Mine"})) == (403, "forbiddenForNonOrganizer")
    accepted = {"attendees": [{"email": ANN, "responseStatus": "accepted"}]}
    assert ann.event("PATCH", "ext00", accepted).json()["attendees"][0]["responseStatus"] == "accepted"


@pytest.mark.parametrize(
    ("query", "addressed"),
    [({}, []), ({"sendUpdates": "none"}, []), ({"sendUpdates": "externalOnly"}, [CARL]),
     ({"sendUpdates": "all"}, [BOB, CARL]), ({"sendNotifications": True}, [BOB, CARL])],
    ids=str,
)  # fmt: skip
def test_mail_goes_out_as_asked(
    google: CheckedGoogle, ann: Client, query: dict[str, Any], addressed: list[str]
) -> None:
    """Discovery document, ``sendUpdates``: by default none; ``externalOnly`` for guests without a Google calendar."""
    ann.insert(meeting(), **query)
    assert google.mails == tuple(Mail("invitation", to, "meet0", ANN) for to in addressed)


def test_each_kind_of_mail(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    ann.insert(meeting())
    changed = [{"email": BOB}, {"email": "dora@elsewhere.example"}]
    ann.event("PATCH", "meet0", {"attendees": changed}, sendUpdates="all")
    bob.event("DELETE", "meet0", sendUpdates="all")
    assert [(mail.kind, mail.to) for mail in google.mails] == [
        ("cancellation", CARL),
        ("update", BOB),
        ("invitation", "dora@elsewhere.example"),
        ("reply", ANN),
    ]


def test_an_event_without_guests_never_sends_mail(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(timed("block1"), sendUpdates="all")
    ann.event("PUT", "block1", timed(summary="x"), sendUpdates="all")
    ann.event("DELETE", "block1", sendUpdates="all")
    assert google.mails == ()


@pytest.mark.parametrize("people", [[{"displayName": "Bob"}], [{"email": "bob"}], {"email": BOB}], ids=str)
def test_a_guest_needs_an_address(ann: Client, people: Any) -> None:
    """Discovery document, ``EventAttendee.email``: required, and valid."""
    assert ann.insert(timed(attendees=people)).status_code == 400
