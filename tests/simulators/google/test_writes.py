"""Writing single events: ids, preconditions, what PUT and PATCH keep, what is dropped, what is refused."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, all_day, reason, timed

ALL_DAY = {"start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}
WRONG_IDS = ["abcd", "a" * 1025, "ABCDE", "with-hyphen", "wxyz0", "under_score"]


@pytest.mark.parametrize("event_id", WRONG_IDS, ids=lambda event_id: event_id[:12])
def test_an_id_has_its_alphabet_and_length(ann: Client, event_id: str) -> None:
    """Discovery document, ``Event.id``: a to v and 0 to 9, 5 to 1024 characters."""
    assert reason(ann.insert(timed(event_id))) == (400, "invalid")


def test_base32hex_makes_good_ids(ann: Client) -> None:
    """Discovery document, ``Event.id``: the characters of base32hex, in lower case and without padding."""
    event_id = base64.b32hexencode(hashlib.sha256(b"x").digest()).decode().lower().rstrip("=")
    assert ann.insert(timed(event_id)).json()["id"] == event_id
    assert ann.insert(timed()).json()["id"] != event_id


def test_an_id_is_taken_for_ever(google: CheckedGoogle, ann: Client) -> None:
    """Error guide, 409 ``duplicate``; reported (StackOverflow 27542721): a deleted event keeps its id."""
    assert ann.insert(timed("block1")).status_code == 200
    assert reason(ann.insert(timed("block1"))) == (409, "duplicate")
    assert ann.event("DELETE", "block1").status_code == 204
    assert reason(ann.insert(timed("block1"))) == (409, "duplicate")
    family = google.add_calendar(ANN, "Family")
    assert ann.insert(timed("block1"), family).status_code == 200


def test_a_uid_is_taken_while_its_event_lives(ann: Client) -> None:
    """Discovery document, ``Event.iCalUID``: id or UID at creation, not both."""
    assert ann.insert(timed(iCalUID="one@x")).json()["iCalUID"] == "one@x"
    assert reason(ann.insert(timed(iCalUID="one@x"))) == (409, "duplicate")
    assert reason(ann.insert(timed("block1", iCalUID="two@x"))) == (400, "invalid")


def test_put_revives_a_deleted_event(google: CheckedGoogle, ann: Client) -> None:
    """Reported (StackOverflow 27542721): an update with status ``confirmed`` brings it back."""
    ann.insert(timed("block1"))
    _, token = ann.listed()
    ann.event("DELETE", "block1")
    assert ann.event("PUT", "block1", timed()).json()["status"] == "cancelled"
    assert ann.event("PUT", "block1", timed(status="confirmed", summary="Back")).status_code == 200
    assert google.event(ANN, "block1")["summary"] == "Back"
    assert ann.listed(syncToken=token)[0][0]["status"] == "confirmed"


def test_gone_and_never_there_are_different(ann: Client) -> None:
    """Error guide: 410 ``deleted`` for deleting what is deleted, 404 ``notFound`` for what never was."""
    ann.insert(timed("block1"))
    deleted = ann.event("DELETE", "block1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert reason(ann.event("DELETE", "block1")) == (410, "deleted")
    assert reason(ann.event("DELETE", "block1", headers={"If-Match": '"1"'})) == (410, "deleted")
    for method, body in (("DELETE", None), ("GET", None), ("PUT", timed()), ("PATCH", {})):
        assert reason(ann.event(method, "nobody", body)) == (404, "notFound")
        assert reason(ann.event(method, "block1", body, calendar="nowhere")) == (404, "notFound")


def test_a_cancelled_status_deletes(google: CheckedGoogle, ann: Client) -> None:
    ann.insert(timed("block1"))
    assert ann.event("PATCH", "block1", {"status": "cancelled"}).json()["status"] == "cancelled"
    assert google.events(ANN) == []
    assert reason(ann.event("DELETE", "block1")) == (410, "deleted")


def test_if_match_guards_every_change(ann: Client) -> None:
    """Guide on resource versions: 412 ``conditionNotMet`` if the ETag is no longer the event's."""
    stale = ann.insert(timed("block1")).json()["etag"]
    fresh = ann.event("PATCH", "block1", {"summary": "Retro"}, headers={"If-Match": stale})
    assert fresh.headers["ETag"] == fresh.json()["etag"] != stale
    for method, body in (("PUT", timed()), ("PATCH", {"summary": "x"}), ("DELETE", None)):
        refused = ann.event(method, "block1", body, headers={"If-Match": stale})
        assert reason(refused) == (412, "conditionNotMet")
        assert refused.json()["error"]["errors"][0]["location"] == "If-Match"
    assert ann.event("GET", "block1").json()["summary"] == "Retro"
    assert ann.event("PUT", "block1", timed(), headers={"If-Match": "*"}).status_code == 200
    last = ann.event("GET", "block1").json()["etag"]
    assert ann.event("DELETE", "block1", headers={"If-Match": last}).status_code == 204
    assert reason(ann.event("PUT", "block1", timed(), headers={"If-Match": last})) == (412, "conditionNotMet")


def test_if_none_match_spares_an_answer(ann: Client) -> None:
    """Guide on resource versions: 304 Not Modified."""
    etag = ann.insert(timed("block1")).json()["etag"]
    same = ann.event("GET", "block1", headers={"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")
    ann.event("PATCH", "block1", {"summary": "Retro"})
    assert ann.event("GET", "block1", headers={"If-None-Match": etag}).status_code == 200


def test_put_drops_what_is_not_given(ann: Client) -> None:
    """Extended-properties guide: an update without them deletes them; the server's own fields stay."""
    tagged: dict[str, Any] = {"extendedProperties": {"private": {"key": "1"}, "shared": {"key": "2"}}}
    made = ann.insert(timed("block1", description="x", attendees=[{"email": BOB}], **tagged)).json()
    put = ann.event("PUT", "block1", timed()).json()
    assert not {"extendedProperties", "description", "attendees"} & set(put)
    for name in ("id", "iCalUID", "created", "creator", "organizer", "htmlLink"):
        assert put[name] == made[name]


def test_patch_merges_objects_and_replaces_arrays(ann: Client) -> None:
    """Discovery document, ``events.patch``: array fields overwrite the existing ones whole."""
    people = [{"email": BOB}, {"email": "carl@example.com"}]
    tagged: dict[str, Any] = {"extendedProperties": {"private": {"a": "1", "b": "2"}}}
    ann.insert(timed("block1", location="Room 1", attendees=people, **tagged))
    change = {"location": None, "attendees": people[:1], "extendedProperties": {"private": {"a": None, "c": "3"}}}
    patched = ann.event("PATCH", "block1", change).json()
    assert "location" not in patched
    assert patched["summary"] == "Review"
    assert [one["email"] for one in patched["attendees"]] == [BOB]
    assert patched["extendedProperties"]["private"] == {"b": "2", "c": "3"}


def test_patch_turns_a_timed_event_into_an_all_day_one(ann: Client) -> None:
    """Both kinds of time at once are refused, so the old one has to be removed by null."""
    ann.insert(timed("block1"))
    assert ann.event("PATCH", "block1", {"start": {"date": "2026-03-02"}}).status_code == 400
    nulls = {"dateTime": None, "timeZone": None}
    change = {"start": {"date": "2026-03-02", **nulls}, "end": {"date": "2026-03-03", **nulls}}
    assert ann.event("PATCH", "block1", change).json()["start"] == {"date": "2026-03-02"}


def test_long_keys_are_dropped_and_long_values_cut(ann: Client) -> None:
    """Extended-properties guide: silently, keys above 44 and values above 1024 characters."""
    given = {"k" * 44: "v" * 1025, "k" * 45: "v"}
    made = ann.insert(timed("block1", extendedProperties={"private": given})).json()
    assert made["extendedProperties"] == {"private": {"k" * 44: "v" * 1024}}
    assert ann.event("GET", "block1").json()["extendedProperties"] == made["extendedProperties"]


@pytest.mark.parametrize("count", [300, 301])
def test_properties_have_a_limit(ann: Client, count: int) -> None:
    """Extended-properties guide: 300 properties; which error follows is a guess."""
    given = {f"key{number}": "1" for number in range(count)}
    answer = ann.insert(timed("block1", extendedProperties={"private": given}))
    assert answer.status_code == (200 if count == 300 else 400)


def test_defaults_are_left_out_of_answers(ann: Client) -> None:
    """Discovery document: no ``transparency`` means opaque; without overrides none are listed."""
    given: dict[str, Any] = {
        "transparency": "opaque",
        "visibility": "default",
        "reminders": {"useDefault": False, "overrides": []},
    }
    made = ann.insert(timed("block1", attendees=[], description="", guestsCanModify=False, **given)).json()
    assert not {"transparency", "visibility", "attendees", "description", "guestsCanModify"} & set(made)
    assert made["reminders"] == {"useDefault": False}
    assert (made["status"], made["eventType"]) == ("confirmed", "default")


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ({"dateTime": "2026-07-01T10:00:00", "timeZone": "Asia/Tokyo"}, "2026-07-01T03:00:00+02:00"),
        ({"dateTime": "2026-07-01T10:00:00Z"}, "2026-07-01T12:00:00+02:00"),
        ({"dateTime": "2026-07-01T10:00:00.750-04:00", "timeZone": "Asia/Tokyo"}, "2026-07-01T16:00:00+02:00"),
    ],
    ids=str,
)
def test_times_are_shown_in_the_calendars_zone(ann: Client, start: dict[str, str], shown: str) -> None:
    """Discovery document, ``EventDateTime``: no offset means the event's zone; a given offset wins."""
    made = ann.insert(timed("block1", start=start["dateTime"]) | {"start": start, "end": start}).json()
    assert made["start"] == {**start, "dateTime": shown}


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"start": {"dateTime": "2026-03-02T10:00:00"}}, "required"),
        ({"start": {"dateTime": "2026-03-02"}}, "invalid"),
        ({"start": {"dateTime": "2026-02-30T10:00:00Z"}}, "invalid"),
        ({"start": {"dateTime": "2026-03-02T10:00:00", "timeZone": "W. Europe Standard Time"}}, "invalid"),
        ({"start": {"date": "2026-03-02"}}, "invalid"),
        ({"start": {"date": "02.03.2026"}}, "invalid"),
        ({"start": {"date": "2026-03-02", "dateTime": "2026-03-02T10:00:00Z"}}, "invalid"),
        ({"start": {}}, "required"),
        ({"end": None}, "required"),
        ({"end": {"dateTime": "2026-03-02T09:59:59", "timeZone": "Europe/Berlin"}}, "timeRangeEmpty"),
        ({"recurrence": ["FREQ=DAILY"]}, "invalid"),
        ({"recurrence": ["DTSTART:20260302T100000Z", "RRULE:FREQ=DAILY"]}, "invalid"),
        ({"recurrence": ["RRULE:FREQ=SOMETIMES"]}, "invalid"),
        ({"start": {"dateTime": "2026-03-02T10:00:00Z"}, "recurrence": ["RRULE:FREQ=DAILY"]}, "required"),
    ],
    ids=str,
)
def test_times_that_make_no_sense_are_refused(ann: Client, times: dict[str, Any], why: str) -> None:
    """Discovery document, ``EventDateTime`` and ``Event.recurrence``; reasons as reported."""
    assert reason(ann.insert(timed("block1") | times)) == (400, why)


def test_an_all_day_event_ends_the_day_before_its_end(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``Event.end``: exclusive; dates are never converted."""
    made = ann.insert(all_day("block1", "2026-03-02", "2026-03-03")).json()
    assert (made["start"], made["end"]) == ({"date": "2026-03-02"}, {"date": "2026-03-03"})
    assert ann.page(timeZone="Asia/Tokyo").json()["items"][0]["start"] == {"date": "2026-03-02"}
    # In Berlin the day is over at 23:00 UTC.
    assert ann.ids(timeMin="2026-03-02T22:59:59Z") == ["block1"]
    assert ann.ids(timeMin="2026-03-02T23:00:00Z") == []
    assert google.events(ANN)[0]["end"] == {"date": "2026-03-03"}


def test_each_change_has_its_stamps(ann: Client, clock: VirtualClock) -> None:
    """Discovery document: ``updated`` moves with the event but not with its reminders; ``sequence`` with its time."""
    made = ann.insert(timed("block1")).json()
    reminded = ann.event("PATCH", "block1", {"reminders": {"useDefault": False}}).json()
    assert reminded["updated"] == made["updated"]
    assert reminded["etag"] != made["etag"]
    renamed = ann.event("PATCH", "block1", {"summary": "Retro"}).json()
    assert renamed["updated"] > made["updated"]
    assert renamed["sequence"] == 0
    clock.sleep(60)
    moved = ann.event("PUT", "block1", timed(start="2026-03-02T12:00:00")).json()
    assert moved["sequence"] == 1
    assert (moved["created"], moved["updated"]) == (made["created"], "2026-03-02T09:01:00.000Z")
    stale = ann.event("PUT", "block1", timed(sequence=0))
    assert reason(stale) == (400, "invalid")


def test_reminders_are_default_or_own(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``Event.reminders``: at most five; without a word the calendar's defaults hold (I-40)."""
    own = {"method": "popup", "minutes": 5}
    ann.insert(timed("said0"))
    ann.insert(timed("quiet", reminders={"useDefault": False, "overrides": []}))
    ann.insert(timed("mine0", reminders={"useDefault": False, "overrides": [own]}))
    assert google.reminding(ANN) == ["mine0", "said0"]
    assert ann.insert(timed(reminders={"useDefault": True, "overrides": [own]})).status_code == 400
    assert ann.insert(timed(reminders={"useDefault": False, "overrides": [own] * 6})).status_code == 400


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"eventType": "fromGmail"}, "eventTypeRestriction"),
        ({"eventType": "birthday"}, "malformedBirthdayEvent"),
        ({"eventType": "party"}, "invalid"),
        ({"eventType": "focusTime", "transparency": "transparent"}, "malformedFocusTimeEvent"),
        ({**ALL_DAY, "eventType": "outOfOffice"}, "malformedOutOfOfficeEvent"),
        ({"eventType": "workingLocation"}, "malformedWorkingLocationEvent"),
    ],
    ids=str,
)
def test_special_events_have_rules(ann: Client, event: dict[str, Any], why: str) -> None:
    """Discovery document, ``Event.eventType``, and the guide on status events; the reasons are reported or guessed."""
    assert reason(ann.insert(timed("block1") | event)) == (400, why)


def test_special_events_that_keep_the_rules(google: CheckedGoogle, ann: Client) -> None:
    """Guide on status events: only on the primary calendar; working locations are public and transparent."""
    home: dict[str, Any] = {"eventType": "workingLocation", "visibility": "public", "transparency": "transparent"}
    home["workingLocationProperties"] = {"type": "homeOffice", "homeOffice": {}}
    assert ann.insert(timed("home0", **home)).json()["transparency"] == "transparent"
    born = all_day("birth", "1990-03-02", "1990-03-03", eventType="birthday", recurrence=["RRULE:FREQ=YEARLY"])
    assert ann.insert(born).json()["transparency"] == "transparent"
    assert ann.insert(timed("focus", eventType="focusTime")).status_code == 200
    assert reason(ann.event("PUT", "focus", timed(eventType="default"))) == (400, "eventTypeRestriction")
    family = google.add_calendar(ANN, "Family")
    assert reason(ann.insert(timed(eventType="focusTime"), family)) == (400, "eventTypeRestriction")


def test_an_event_from_a_mail_keeps_its_facts(google: CheckedGoogle, ann: Client) -> None:
    google.put_event(ANN, timed("flight", eventType="fromGmail"))
    assert ann.event("PATCH", "flight", {"colorId": "3"}).json()["colorId"] == "3"
    assert reason(ann.event("PATCH", "flight", {"summary": "x"})) == (400, "eventTypeRestriction")


def test_versions_switch_fields_on(ann: Client) -> None:
    """Discovery document, ``eventLabelVersion`` and ``conferenceDataVersion``: with 0 they are ignored."""
    data: dict[str, Any] = {"conferenceData": {"conferenceId": "abc"}, "eventLabelId": "L", "colorId": "3"}
    made = ann.insert(timed("block1", **data)).json()
    assert made["colorId"] == "3"
    assert not {"conferenceData", "eventLabelId"} & set(made)
    labelled = ann.event("PATCH", "block1", data, eventLabelVersion=1, conferenceDataVersion=1).json()
    assert (labelled["eventLabelId"], labelled["conferenceData"]) == ("L", {"conferenceId": "abc"})
    # What can't be seen can't be lost.
    assert ann.event("PUT", "block1", timed()).json()["conferenceData"] == {"conferenceId": "abc"}


def test_what_never_changes(ann: Client) -> None:
    """Discovery document: ``iCalUID`` is given at creation; who organises is changed by ``move`` only."""
    ann.insert(timed("block1"))
    assert reason(ann.event("PUT", "block1", timed(iCalUID="other@x"))) == (400, "invalid")
    patched = ann.event("PATCH", "block1", {"iCalUID": "other@x", "organizer": {"email": BOB}, "created": "x"}).json()
    assert (patched["iCalUID"], patched["organizer"]["email"]) == ("block1@google.com", ANN)


@pytest.mark.parametrize(
    "wrong",
    [{"summary": 7}, {"visibility": "secret"}, {"status": "done"}, {"extendedProperties": {"private": {"a": 1}}}],
    ids=str,
)
def test_values_of_the_wrong_kind_are_refused(ann: Client, wrong: dict[str, Any]) -> None:
    assert reason(ann.insert(timed("block1") | wrong)) == (400, "invalid")


def test_only_plain_events_are_imported(ann: Client) -> None:
    """Discovery document, ``events.import``: only events of the type ``default``."""
    focus = timed(iCalUID="a@b", eventType="focusTime")
    assert reason(ann.ask("POST", "/calendars/primary/events/import", focus)) == (400, "eventTypeRestriction")


def test_an_import_is_a_private_copy_by_uid(ann: Client) -> None:
    """Discovery document, ``events.import``: the UID must be given; a second import is the same event."""
    assert reason(ann.ask("POST", "/calendars/primary/events/import", timed())) == (400, "required")
    first = ann.ask("POST", "/calendars/primary/events/import", timed(iCalUID="a@b", organizer={"email": "x@y.z"}))
    again = ann.ask("POST", "/calendars/primary/events/import", timed(iCalUID="a@b", summary="New"))
    assert (first.json()["privateCopy"], first.json()["organizer"]) == (True, {"email": "x@y.z"})
    assert (again.json()["id"], again.json()["summary"]) == (first.json()["id"], "New")


def test_a_moved_event_leaves_a_cancelled_one(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    """Discovery document, ``events.move`` and ``Event.status``."""
    google.put_event(ANN, timed("block1"))
    google.share(ANN, BOB, "writer")
    assert ann.event("POST", "block1/move").status_code == 400
    moved = bob.event("POST", "block1/move", calendar=ANN, destination=BOB)
    assert moved.json()["organizer"] == {"email": BOB, "self": True}
    assert google.event(ANN, "block1")["status"] == "cancelled"
    assert google.event(BOB, "block1")["status"] == "confirmed"


def test_a_body_must_be_json(google: CheckedGoogle, ann: Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert reason(ann.ask("POST", "/calendars/primary/events", headers=headers)) == (400, "parseError")
    assert reason(ann.ask("POST", "/calendars/primary/events", [timed()])) == (400, "parseError")
    assert google.events(ANN) == []
