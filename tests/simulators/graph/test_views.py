"""Plain reading. Sources: "calendar", "outlook-immutable-id", "event-list-instances", "calendar-list-calendarview"."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from calsync_core.testing.simulators.graph import Habits
from graph_world import ANA, BERLIN, BO, PROPERTY, GraphWorld, code, series, timed

_WINDOW = {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "2026-04-01T00:00:00Z"}
_DAILY = {"type": "daily"}


def _tagged(value: str, **more: Any) -> dict[str, Any]:
    properties = [{"id": PROPERTY, "value": value}]
    return timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", singleValueExtendedProperties=properties, **more)


# -- who and which calendars ----------------------------------------------------------------------------------------


def test_me(world: GraphWorld) -> None:
    found = world.get("me")
    assert (found["id"], found["userPrincipalName"], found["mail"]) == (world.user, ANA, ANA)


def test_the_mailbox_zone_has_a_windows_name(world: GraphWorld) -> None:
    assert world.get("me/mailboxSettings")["timeZone"] == BERLIN
    assert world.get("me/mailboxSettings/timeZone")["value"] == BERLIN


def test_calendars_groups_and_who_may_edit(world: GraphWorld) -> None:
    holidays = world.simulator.add_calendar(ANA, "Holidays", can_edit=False, group="Other")
    listed = world.get("me/calendars")["value"]
    assert [(one["name"], one["canEdit"], one["isDefaultCalendar"]) for one in listed] == [
        ("Calendar", True, True),
        ("Holidays", False, False),
    ]
    assert listed[0]["owner"] == {"name": "Ana", "address": ANA}
    assert "timeZone" not in listed[0]
    groups = {one["name"]: one["id"] for one in world.get("me/calendarGroups")["value"]}
    (other,) = world.get(f"me/calendarGroups/{groups['Other']}/calendars")["value"]
    assert other["id"] == holidays
    refused = world.client.post(f"me/calendars/{holidays}/events", json=_tagged("x"))
    assert (refused.status_code, code(refused)) == (403, "ErrorAccessDenied")


def test_a_shared_calendar_needs_its_own_scope_and_hides_private_events(world: GraphWorld) -> None:
    world.simulator.add_user(BO)
    theirs = world.simulator.calendars(BO)[0]
    world.simulator.put_event(theirs, _tagged("x", subject="Dentist", sensitivity="private"))
    shared = world.simulator.share_calendar(theirs, ANA)
    entry = next(one for one in world.get("me/calendars")["value"] if one["id"] == shared)
    assert (entry["canEdit"], entry["canViewPrivateItems"], entry["owner"]["address"]) == (False, False, BO)
    (event,) = world.all_of(f"me/calendars/{shared}/calendarView", **_WINDOW)
    assert (event["sensitivity"], event["subject"], event["showAs"]) == ("private", "", "busy")
    narrow = world.login(ANA, scopes=["Calendars.Read"])
    assert code(narrow.get(f"me/calendars/{shared}/calendarView", params=_WINDOW)) == "ErrorAccessDenied"


def test_listings_come_in_pages(world: GraphWorld) -> None:
    for number in range(25):
        world.simulator.add_calendar(ANA, f"Calendar {number}")
    page = world.get("me/calendars")
    assert len(page["value"]) == 10
    assert len(world.all_of("me/calendars")) == 26
    assert len(world.get("me/calendars", _top="100")["value"]) == 26


def test_a_user_without_a_mailbox(world: GraphWorld) -> None:
    """Reported as 404 ``MailboxNotEnabledForRESTAPI``; the directory knows the user all the same."""
    world.simulator.add_user("cy@contoso.example", mailbox=False)
    cy = world.login("cy@contoso.example")
    assert cy.get("me").status_code == 200
    answer = cy.get("me/calendars")
    assert (answer.status_code, code(answer)) == (404, "MailboxNotEnabledForRESTAPI")


def test_an_app_reads_any_mailbox_by_id_or_name_and_has_no_me(world: GraphWorld) -> None:
    app = world.login(None, scopes=["Calendars.Read"])
    assert app.get(f"users/{ANA}/calendars").status_code == 200
    assert app.get(f"users/{world.user}/calendars").status_code == 200
    assert app.get("me/calendars").status_code == 400
    world.simulator.add_user(BO)
    assert code(world.client.get(f"users/{BO}/calendars")) == "ErrorAccessDenied"
    assert world.client.get("users/nobody@contoso.example/calendars").status_code == 404


@pytest.mark.parametrize("token", [None, "nonsense"])
def test_no_token_no_answer(world: GraphWorld, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    world.client.headers.pop("Authorization")
    answer = world.client.get("me", headers=headers)
    assert (answer.status_code, code(answer)) == (401, "InvalidAuthenticationToken")
    assert "WWW-Authenticate" in answer.headers


def test_scopes_are_checked(world: GraphWorld) -> None:
    reader = world.login(ANA, scopes=["Calendars.Read"])
    assert reader.get("me/calendars").status_code == 200
    assert code(reader.get("me")) == "Authorization_RequestDenied"
    assert code(reader.get("me/mailboxSettings")) == "ErrorAccessDenied"
    assert code(reader.post("me/events", json=_tagged("x"))) == "ErrorAccessDenied"


# -- ids ------------------------------------------------------------------------------------------------------------


def test_ids_of_both_kinds_lead_to_the_event_and_only_one_kind_survives_a_move(world: GraphWorld) -> None:
    event = world.put(_tagged("x"))
    plain = world.login(ANA, prefer="")
    mutable = plain.get(f"me/events/{event}").json()["id"]
    assert mutable != event
    assert world.get(f"me/events/{mutable}")["id"] == event
    world.simulator.move_event(event, world.simulator.add_calendar(ANA, "Other"))
    assert world.get(f"me/events/{event}")["id"] == event
    assert code(world.client.get(f"me/events/{mutable}")) == "ErrorItemNotFound"
    assert plain.get(f"me/events/{event}").json()["id"] not in {event, mutable}


def test_a_mutable_id_is_dead_even_after_the_event_came_back(world: GraphWorld) -> None:
    event = world.put(_tagged("x"))
    mutable = world.login(ANA, prefer="").get(f"me/events/{event}").json()["id"]
    world.simulator.move_event(event, world.simulator.add_calendar(ANA, "Other"))
    world.simulator.move_event(event, world.calendar)
    assert code(world.client.get(f"me/events/{mutable}")) == "ErrorItemNotFound"


def test_ids_have_a_case_and_a_form(world: GraphWorld) -> None:
    event = world.put(_tagged("x"))
    assert code(world.client.get(f"me/events/{event.lower()}")) == "ErrorInvalidIdMalformed"
    assert code(world.client.get("me/events/nonsense")) == "ErrorInvalidIdMalformed"
    mutable = world.login(ANA, prefer="").get(f"me/events/{event}").json()["id"]
    mixed = event[: event.index("MDAw")] + mutable[mutable.index("MDAw") :]
    assert code(world.client.get(f"me/events/{mixed}")) == "ErrorInvalidIdMalformed"


def test_an_event_is_found_only_below_its_own_calendar(world: GraphWorld) -> None:
    event = world.put(_tagged("x"))
    other = world.simulator.add_calendar(ANA, "Other")
    assert world.client.get(f"me/calendars/{world.calendar}/events/{event}").status_code == 200
    assert code(world.client.get(f"me/calendars/{other}/events/{event}")) == "ErrorItemNotFound"
    assert code(world.client.get(f"me/calendars/{other[:-2]}/events")) == "ErrorItemNotFound"


# -- times ----------------------------------------------------------------------------------------------------------


def test_times_have_seven_digits_no_offset_and_the_preferred_zone(world: GraphWorld) -> None:
    event = world.put(timed("2026-07-01T09:00:00", "2026-07-01T10:00:00", zone=BERLIN))
    found = world.get(f"me/events/{event}")
    assert found["start"] == {"dateTime": "2026-07-01T07:00:00.0000000", "timeZone": "UTC"}
    assert found["originalStartTimeZone"] == BERLIN
    tokyo = world.login(ANA, prefer='outlook.timezone="Tokyo Standard Time"')
    answer = tokyo.get(f"me/events/{event}")
    assert answer.json()["start"] == {"dateTime": "2026-07-01T16:00:00.0000000", "timeZone": "Tokyo Standard Time"}
    assert answer.headers["Preference-Applied"] == 'outlook.timezone="Tokyo Standard Time"'
    nowhere = world.login(ANA, prefer='outlook.timezone="Nowhere"')
    assert code(nowhere.get(f"me/events/{event}")) == "TimeZoneNotSupportedException"


def test_a_custom_zone_can_not_be_resolved_but_utc_is_right(world: GraphWorld) -> None:
    """M-EVENT: ``tzone://Microsoft/Custom``. The mailbox is in Berlin."""
    event = world.put(timed("2026-07-01T09:00:00", "2026-07-01T10:00:00", zone="tzone://Microsoft/Custom"))
    found = world.get(f"me/events/{event}")
    assert found["originalStartTimeZone"] == "tzone://Microsoft/Custom"
    assert found["start"]["dateTime"] == "2026-07-01T07:00:00.0000000"


@pytest.mark.parametrize("zone", ["Pacific Standard Time", "Tonga Standard Time", "UTC"])
def test_an_all_day_event_stays_on_its_date(world: GraphWorld, zone: str) -> None:
    """I-18. The wire form for foreign zones is not documented: midnights of the date are taken to be it."""
    event = world.put(timed("2026-03-03T00:00:00", "2026-03-04T00:00:00", zone=zone, isAllDay=True))
    found = world.get(f"me/events/{event}")
    assert found["start"] == {"dateTime": "2026-03-03T00:00:00.0000000", "timeZone": "UTC"}
    assert found["end"] == {"dateTime": "2026-03-04T00:00:00.0000000", "timeZone": "UTC"}


def test_a_window_is_read_by_its_own_offsets(world: GraphWorld) -> None:
    """M-OLD: by their offset, UTC if they have none, never by outlook.timezone."""
    event = world.put(timed("2026-03-03T08:30:00", "2026-03-03T09:00:00"))
    inside = {"startDateTime": "2026-03-03T09:30:00+01:00", "endDateTime": "2026-03-03T09:45:00+01:00"}
    assert [one["id"] for one in world.all_of("me/calendarView", **inside)] == [event]
    plain = {"startDateTime": "2026-03-03T09:00:00", "endDateTime": "2026-03-03T10:00:00"}
    berlin = world.login(ANA, prefer=f'outlook.timezone="{BERLIN}"')
    assert berlin.get("me/calendarView", params=plain).json()["value"] == []


# -- views ----------------------------------------------------------------------------------------------------------


def test_a_view_has_whole_occurrences_and_no_masters(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY, subject="Stand-up"))
    single = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    found = world.all_of(f"me/calendars/{world.calendar}/calendarView", **_WINDOW, _top="7")
    assert {one["type"] for one in found} == {"singleInstance", "occurrence"}
    assert len(found) == 31
    assert single in {one["id"] for one in found}
    occurrence = next(one for one in found if one["type"] == "occurrence")
    assert (occurrence["subject"], occurrence["seriesMasterId"], occurrence["recurrence"]) == ("Stand-up", master, None)
    assert occurrence["originalStart"] == "2026-03-02T08:00:00Z"


def test_select_and_expand_on_a_view(world: GraphWorld) -> None:
    world.put(_tagged("Abc"))
    expand = f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"
    (event,) = world.all_of("me/calendarView", **_WINDOW, _select="subject,start", _expand=expand)
    assert set(event) == {"@odata.etag", "id", "subject", "start", "singleValueExtendedProperties"}
    assert event["singleValueExtendedProperties"] == [{"id": PROPERTY, "value": "Abc"}]


def test_extended_properties_are_there_only_when_asked_for_by_name(world: GraphWorld) -> None:
    event = world.put(_tagged("Abc"))
    assert "singleValueExtendedProperties" not in world.get(f"me/events/{event}")
    other = PROPERTY.replace("SyncKey", "synckey")
    expand = f"singleValueExtendedProperties($filter=id eq '{other}')"
    assert "singleValueExtendedProperties" not in world.get(f"me/events/{event}", _expand=expand)
    answer = world.client.get(f"me/events/{event}?$expand=singleValueExtendedProperties")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("ep/value eq 'Abc'", True),
        ("ep/value eq 'aBC'", True),
        ("ep/value eq 'Ab'", False),
        ("ep/value ne 'Ab'", True),
        ("startswith(ep/value, 'ab')", True),
        ("contains(ep/value,'BC')", True),
        ("contains(ep/value,'x')", False),
    ],
)
def test_events_are_found_by_extended_property(world: GraphWorld, condition: str, *, found: bool) -> None:
    """M-OLD: the value's case does not matter, and all calendars of the mailbox are searched."""
    other = world.simulator.add_calendar(ANA, "Other")
    events = {world.put(_tagged("Abc")), world.simulator.put_event(other, _tagged("Abc"))}
    world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    search = f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and {condition})"
    assert {one["id"] for one in world.all_of("me/events", _filter=search)} == (events if found else set())
    here = world.all_of(f"me/calendars/{other}/events", _filter=search)
    assert len(here) == found


def test_a_name_in_an_extended_property_has_a_case_and_its_guid_has_none(world: GraphWorld) -> None:
    world.put(_tagged("Abc"))
    upper = PROPERTY.replace("66f5a359", "66F5A359")
    other = PROPERTY.replace("SyncKey", "SYNCKEY")
    for name, expected in ((upper, 1), (other, 0)):
        search = f"singleValueExtendedProperties/Any(ep: ep/id eq '{name}' and ep/value eq 'abc')"
        assert len(world.all_of("me/events", _filter=search)) == expected


def test_other_filters(world: GraphWorld) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", subject="It's late"))
    assert [one["id"] for one in world.all_of("me/events", _filter="type eq 'seriesMaster'")] == [master]
    assert len(world.all_of("me/events", _filter="subject eq 'It''s late'")) == 1
    assert (
        len(world.all_of("me/events", _filter="start/dateTime ge '2026-03-03T00:00' and startswith(subject,'it')")) == 1
    )
    assert code(world.client.get("me/events?$filter=sideways")) == "ErrorInvalidUrlQueryFilter"


def test_instances_leave_out_what_is_cancelled(world: GraphWorld) -> None:
    """M-SDK: cancelled occurrences are not among a series' instances; the master names them when asked."""
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY, zone=BERLIN))
    changed = world.simulator.occurrence(master, date(2026, 3, 5))
    world.simulator.patch_event(changed, {"subject": "Special"})
    world.simulator.cancel_occurrence(master, date(2026, 3, 4))
    window = {"startDateTime": "2026-03-02T00:00:00Z", "endDateTime": "2026-03-09T00:00:00Z"}
    found = world.all_of(f"me/events/{master}/instances", **window)
    assert [one["start"]["dateTime"][:10] for one in found] == [f"2026-03-0{day}" for day in (2, 3, 5, 6, 7, 8)]
    assert [one["type"] for one in found].count("exception") == 1
    shown = world.get(
        f"me/events/{master}",
        _select="subject,cancelledOccurrences,exceptionOccurrences",
        _expand="exceptionOccurrences",
    )
    assert shown["cancelledOccurrences"] == [f"OID.{master}.2026-03-04"]
    assert [one["id"] for one in shown["exceptionOccurrences"]] == [changed]
    assert "cancelledOccurrences" not in world.get(f"me/events/{master}")


def test_only_a_series_has_instances(world: GraphWorld) -> None:
    single = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    assert world.client.get(f"me/events/{single}/instances", params=_WINDOW).status_code == 400


@pytest.mark.parametrize(("habit", "kind"), [("occurrence", "own"), ("series", "shared"), ("null", "none")])
def test_uids_of_occurrences(habit: Any, kind: str) -> None:
    """Documented as different per occurrence; docs issue #17479 and OutlookGoogleCalendarSync #2374 saw otherwise."""
    world = GraphWorld(Habits(occurrence_uids=habit))
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", _DAILY))
    own = world.get(f"me/events/{master}")["iCalUId"]
    uids = [one["iCalUId"] for one in world.all_of(f"me/events/{master}/instances", **_WINDOW)]
    expected = {"own": len(uids), "shared": 1, "none": 1}[kind]
    assert len(set(uids)) == expected
    assert (own in uids) == (kind == "shared")
    assert (None in uids) == (kind == "none")


def test_a_view_has_a_longest_range(world: GraphWorld) -> None:
    window = {"startDateTime": "2020-03-01T00:00:00Z", "endDateTime": "2026-04-01T00:00:00Z"}
    assert code(world.client.get("me/calendarView", params=window)) == "ErrorInvalidParameter"


def test_an_unknown_path_is_an_error(world: GraphWorld) -> None:
    assert world.client.get("me/messages").status_code == 400
    assert world.client.get("https://graph.microsoft.com/beta/me").status_code == 400
    assert world.client.get("https://graph.microsoft.com/v1.0").status_code == 400
