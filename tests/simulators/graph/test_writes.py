"""Writes. Sources: "user-post-events", "event-update", "event-delete", "singlevaluelegacyextendedproperty"."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from calsync_core.testing.simulators.graph import Habits
from graph_world import ANA, BERLIN, PROPERTY, GraphWorld, code, series, timed

_BLOCK = timed(
    "2026-12-01T09:00:00",
    "2026-12-01T10:00:00",
    subject="Busy",
    isAllDay=False,
    showAs="busy",
    sensitivity="private",
    isReminderOn=False,
    responseRequested=False,
    allowNewTimeProposals=False,
    transactionId="b7c2-1",
    singleValueExtendedProperties=[{"id": PROPERTY, "value": "key"}],
)


def test_a_create_is_echoed_without_its_extended_properties(world: GraphWorld) -> None:
    answer = world.client.post(f"me/calendars/{world.calendar}/events", json=_BLOCK)
    assert answer.status_code == 201
    event = answer.json()
    assert "singleValueExtendedProperties" not in event
    assert event["@odata.etag"] == f'W/"{event["changeKey"]}"' == answer.headers["ETag"]
    assert (event["sensitivity"], event["isReminderOn"], event["transactionId"]) == ("private", False, "b7c2-1")
    expand = f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"
    shown = world.get(f"me/events/{event['id']}", _expand=expand)
    assert shown["singleValueExtendedProperties"] == [{"id": PROPERTY, "value": "key"}]


@pytest.mark.parametrize(("habit", "status"), [("created", 201), ("bad_request", 400), ("conflict", 409)])
def test_a_replayed_create_makes_no_second_event(habit: Any, status: int) -> None:
    """All three answers were seen: 201 (blog.rykoma.net), 400 (traces), 409 (others' code)."""
    world = GraphWorld(Habits(create_replay=habit))
    first = world.client.post("me/events", json=_BLOCK)
    again = world.client.post("me/events", json=_BLOCK)
    assert again.status_code == status
    if status == 201:
        assert again.json()["id"] == first.json()["id"]
    else:
        assert code(again) == "ErrorDuplicateTransactionId"
    assert len(world.simulator.events(world.calendar)) == 1


@pytest.mark.parametrize("habit", ["created", "bad_request", "conflict"])
def test_a_transaction_id_is_used_up_by_a_deleted_event(habit: Any) -> None:
    """Not documented; the stricter reading, so that a client brings a new one."""
    world = GraphWorld(Habits(create_replay=habit))
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    assert world.client.delete(f"me/events/{event}").status_code == 204
    assert code(world.client.post("me/events", json=_BLOCK)) == "ErrorDuplicateTransactionId"
    assert world.client.post("me/events", json=_BLOCK | {"transactionId": "b7c2-2"}).status_code == 201


def test_a_transaction_id_never_changes(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    assert world.client.patch(f"me/events/{event}", json={"transactionId": "other"}).status_code == 400
    assert world.client.patch(f"me/events/{event}", json={"transactionId": "b7c2-1"}).status_code == 200


def test_a_patch_keeps_what_it_does_not_name(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_BLOCK).json()
    other = PROPERTY.replace("SyncKey", "Other")
    changes = {"showAs": "tentative", "singleValueExtendedProperties": [{"id": other, "value": "2"}]}
    answer = world.client.patch(f"me/events/{event['id']}", json=changes)
    assert answer.status_code == 200
    changed = answer.json()
    assert changed["id"] == event["id"]
    assert changed["@odata.etag"] != event["@odata.etag"]
    assert {name for name in event if event[name] != changed.get(name)} - {"@odata.context"} <= {
        "@odata.etag",
        "changeKey",
        "lastModifiedDateTime",
        "showAs",
    }
    (stored,) = world.simulator.events(world.calendar)
    assert {one["id"]: one["value"] for one in stored["singleValueExtendedProperties"]} == {PROPERTY: "key", other: "2"}


@pytest.mark.parametrize("status", ["free", "tentative", "busy", "oof", "workingElsewhere", "unknown"])
def test_every_availability_is_kept(world: GraphWorld, status: str) -> None:
    event = world.client.post("me/events", json=_BLOCK | {"showAs": status}).json()["id"]
    assert world.get(f"me/events/{event}")["showAs"] == status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"showAs": "out"}, "RequestBodyRead"),
        ({"isReminderOn": "no"}, "RequestBodyRead"),
        ({"subject": 7}, "RequestBodyRead"),
        ({"title": "x"}, "RequestBodyRead"),
        ({"start": {"dateTime": "2026-12-01T09:00:00Z", "timeZone": "UTC"}}, "ErrorPropertyValidationFailure"),
        ({"start": {"dateTime": "2026-12-01", "timeZone": "UTC"}}, "ErrorPropertyValidationFailure"),
        ({"start": {"dateTime": "2026-12-01T09:00:00", "timeZone": "Mars"}}, "TimeZoneNotSupportedException"),
        ({"start": None}, "ErrorPropertyValidationFailure"),
        ({"end": {"dateTime": "2026-12-01T08:00:00", "timeZone": "UTC"}}, "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ({"singleValueExtendedProperties": [{"id": "SyncKey", "value": "x"}]}, "ErrorInvalidProperty"),
        ({"isAllDay": True}, "ErrorInvalidRequest"),
        ({"attendees": [{"emailAddress": {"name": "Bo"}}]}, "ErrorPropertyValidationFailure"),
    ],
)
def test_bad_bodies_are_refused(world: GraphWorld, changes: dict[str, Any], reason: str) -> None:
    answer = world.client.post("me/events", json=_BLOCK | changes)
    assert (answer.status_code, code(answer)) == (400, reason)
    assert world.simulator.events(world.calendar) == []


@pytest.mark.parametrize(
    ("start", "end", "zones", "fine"),
    [
        ("2026-12-01T00:00:00", "2026-12-02T00:00:00", ("UTC", "UTC"), True),
        ("2026-12-01T00:00:00", "2026-12-01T00:00:00", ("UTC", "UTC"), False),
        ("2026-12-01T00:00:00", "2026-12-02T01:00:00", ("UTC", "UTC"), False),
        ("2026-12-01T00:00:00", "2026-12-02T00:00:00", ("UTC", BERLIN), False),
    ],
)
def test_all_day_means_midnights_in_one_zone(
    world: GraphWorld, start: str, end: str, zones: tuple[str, str], *, fine: bool
) -> None:
    """M-EVENT: "regardless of whether it's a single-day or multi-day event, start and end must be midnight …"."""
    body = {
        "subject": "Away",
        "isAllDay": True,
        "start": {"dateTime": start, "timeZone": zones[0]},
        "end": {"dateTime": end, "timeZone": zones[1]},
    }
    answer = world.client.post("me/events", json=body)
    assert answer.status_code == (201 if fine else 400)
    if not fine:
        assert code(answer) == "ErrorInvalidRequest"


def test_a_null_is_a_default(world: GraphWorld) -> None:
    nothing = dict.fromkeys(["attendees", "body", "categories", "location", "recurrence", "showAs", "isReminderOn"])
    event = world.client.post("me/events", json=_BLOCK | nothing).json()
    assert (event["attendees"], event["categories"], event["showAs"], event["isReminderOn"]) == ([], [], "busy", True)
    world.client.patch(f"me/events/{event['id']}", json={"showAs": "free"})
    assert world.client.patch(f"me/events/{event['id']}", json={"showAs": None}).json()["showAs"] == "busy"


def test_a_body_needs_a_content_type_and_json(world: GraphWorld) -> None:
    plain = world.client.post("me/events", content=b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    broken = world.client.post("me/events", content=b"{", headers={"Content-Type": "application/json"})
    assert code(broken) == "BadRequest"


def test_a_deleted_event_goes_to_the_deleted_items_with_its_title(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    answer = world.client.delete(f"me/events/{event}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [one["subject"] for one in world.simulator.deleted_items(ANA)] == ["Busy"]
    assert code(world.client.get(f"me/events/{event}")) == "ErrorItemNotFound"
    assert code(world.client.patch(f"me/events/{event}", json={"subject": "x"})) == "ErrorItemNotFound"


@pytest.mark.parametrize(
    ("habit", "expected"), [("not_found", (404, "ErrorItemNotFound")), ("forbidden", (403, "ErrorCannotDeleteObject"))]
)
def test_the_second_delete(habit: Any, expected: tuple[int, str]) -> None:
    """msgraph-sdk-dotnet #3047: 403 with immutable ids, on messages; 404 otherwise."""
    world = GraphWorld(Habits(second_delete=habit))
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    mutable = world.login(ANA, prefer="").get(f"me/events/{event}").json()["id"]
    world.client.delete(f"me/events/{event}")
    again = world.client.delete(f"me/events/{event}")
    assert (again.status_code, code(again)) == expected
    assert code(world.client.delete(f"me/events/{mutable}")) == "ErrorItemNotFound"


def test_deleting_an_occurrence_by_request(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}))
    occurrence = world.simulator.occurrence(master, date(2026, 3, 4))
    assert world.client.delete(f"me/events/{occurrence}").status_code == 204
    assert code(world.client.get(f"me/events/{occurrence}")) == "ErrorItemNotFound"
    assert world.client.get(f"me/events/{master}").status_code == 200
    assert world.simulator.deleted_items(ANA) == []


@pytest.mark.parametrize("enforced", [False, True])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_if_match_is_not_enforced_unless_said(method: str, *, enforced: bool) -> None:
    """Not on the events' pages; the generic 412 and ErrorIrresolvableConflict are."""
    world = GraphWorld(Habits(enforce_if_match=enforced))
    event = world.client.post("me/events", json=_BLOCK).json()
    world.simulator.patch_event(event["id"], {"subject": "Theirs"})
    stale = {"If-Match": event["@odata.etag"]}
    body = {"subject": "Ours"} if method == "PATCH" else None
    answer = world.client.request(method, f"me/events/{event['id']}", json=body, headers=stale)
    if not enforced:
        assert answer.status_code in {200, 204}
        return
    assert (answer.status_code, code(answer)) == (412, "ErrorIrresolvableConflict")
    fresh = {"If-Match": world.get(f"me/events/{event['id']}")["@odata.etag"]}
    answer = world.client.request(method, f"me/events/{event['id']}", json=body, headers=fresh)
    assert answer.status_code in {200, 204}


def test_permanent_delete(world: GraphWorld) -> None:
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    assert world.client.post(f"me/events/{event}/permanentDelete").status_code == 204
    assert world.simulator.events(world.calendar) == []


def test_a_copied_event_carries_the_tag(world: GraphWorld) -> None:
    """OutlookGoogleCalendarSync #1678: users copy tagged events, and hands can do as they do."""
    event = world.client.post("me/events", json=_BLOCK).json()["id"]
    copy = world.simulator.copy_event(event)
    assert world.get(f"me/events/{copy}")["transactionId"] is None
    assert copy != event
    search = f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and ep/value eq 'key')"
    assert {one["id"] for one in world.all_of("me/events", _filter=search)} == {event, copy}
