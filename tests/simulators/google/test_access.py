"""Who may do what: tokens, scopes, roles, private events."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, reason, timed


def test_a_request_needs_a_valid_token(google: CheckedGoogle, clock: VirtualClock) -> None:
    """Error guide, 401 ``authError``."""
    http = httpx.Client(transport=google.transport(), base_url=google.base_url)
    assert reason(http.get("/calendars/primary/events")) == (401, "required")
    token = google.issue_token(ANN, life=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get("/calendars/primary/events", headers=headers).status_code == 200
    clock.advance(timedelta(hours=1))
    assert reason(http.get("/calendars/primary/events", headers=headers)) == (401, "authError")
    google.expire_access_tokens(ANN)
    assert reason(http.get("/calendars/primary/events", headers={"Authorization": "Bearer x"})) == (401, "authError")


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "lists"),
    [
        ("calendar", 200, 200, 200),
        ("calendar.readonly", 200, 403, 200),
        ("calendar.events", 200, 200, 403),
        ("calendar.events.readonly", 200, 403, 403),
        ("calendar.events.owned", 200, 200, 403),
        ("calendar.events.freebusy", 200, 403, 403),
        ("calendar.calendarlist.readonly", 403, 403, 200),
        ("calendar.app.created", 403, 403, 403),
    ],
)
def test_each_method_has_its_scopes(google: CheckedGoogle, scope: str, reads: int, writes: int, lists: int) -> None:
    """Discovery document, ``scopes`` of each method; the full names are understood as well."""
    client = Client(google, ANN, f"https://www.googleapis.com/auth/{scope}")
    read, write = client.page(), client.insert(timed())
    listed = client.ask("GET", "/users/me/calendarList")
    assert (read.status_code, write.status_code, listed.status_code) == (reads, writes, lists)
    for refused in (one for one in (read, write, listed) if one.status_code == 403):
        assert reason(refused) == (403, "insufficientPermissions")


def test_narrow_scopes_reach_only_their_calendars(google: CheckedGoogle, bob: Client) -> None:
    """Scope descriptions: calendars you own; secondary calendars the app made."""
    google.share(ANN, BOB, "writer")
    assert bob.page(ANN).status_code == 200
    owned = Client(google, BOB, "calendar.events.owned")
    assert reason(owned.page(ANN)) == (403, "insufficientPermissions")
    made = Client(google, BOB, "calendar.app.created")
    scratch = made.ask("POST", "/calendars", {"summary": "Scratch"}).json()["id"]
    assert made.insert(timed(), scratch).status_code == 200
    assert reason(made.page()) == (403, "insufficientPermissions")


@pytest.mark.parametrize(
    ("role", "titles", "status"),
    [
        ("none", None, 404),
        ("freeBusyReader", [None, None], 403),
        ("reader", [None, "Open"], 403),
        ("writerWithoutPrivateAccess", [None, "Open"], 200),
        ("writer", ["Closed", "Open"], 200),
        ("owner", ["Closed", "Open"], 200),
    ],
)
def test_roles(google: CheckedGoogle, bob: Client, role: str, titles: list[str | None] | None, status: int) -> None:
    """Discovery document, ``CalendarListEntry.accessRole``; error guide for the 403 of a reader."""
    google.put_event(ANN, timed("closed", summary="Closed", visibility="private", attendees=[{"email": "x@y.z"}]))
    google.put_event(ANN, timed("open0", summary="Open"))
    google.share(ANN, BOB, role)
    page = bob.page(ANN)
    if titles is None:
        assert reason(page) == (404, "notFound")
    else:
        items = sorted(page.json()["items"], key=lambda one: str(one["id"]))
        assert [one.get("summary") for one in items] == titles
        assert [one["visibility"] for one in items if "summary" not in one] == ["private"] * titles.count(None)
        assert all("attendees" not in one for one in items if "summary" not in one)
    written = bob.event("PATCH", "open0", {"summary": "x"}, ANN)
    assert written.status_code == status
    if status == 403:
        assert reason(written) == (403, "requiredAccessLevel")


def test_private_events_are_not_for_every_writer(google: CheckedGoogle, bob: Client) -> None:
    """Discovery document: without private access, private events can't be modified."""
    google.put_event(ANN, timed("closed", visibility="private"))
    google.share(ANN, BOB, "writerWithoutPrivateAccess")
    for method, body in (("PATCH", {"summary": "x"}), ("PUT", timed()), ("DELETE", None)):
        assert reason(bob.event(method, "closed", body, ANN)) == (403, "forbidden")


def test_a_token_for_availability_sees_no_details(google: CheckedGoogle) -> None:
    """That ``calendar.events.freebusy`` lists events is documented, what they show is not: the least."""
    google.put_event(ANN, timed("open0"))
    event = Client(google, ANN, "calendar.events.freebusy").page().json()["items"][0]
    assert "summary" not in event
    assert event["start"]["dateTime"] == "2026-03-02T10:00:00+01:00"


def test_a_calendar_that_vanished(google: CheckedGoogle, bob: Client) -> None:
    google.share(ANN, BOB, "writer")
    google.put_event(ANN, timed("event1"))
    google.share(ANN, BOB, "none")
    assert reason(bob.page(ANN)) == (404, "notFound")
    assert reason(bob.event("DELETE", "event1", calendar=ANN)) == (404, "notFound")
    family = google.add_calendar(BOB, "Family")
    google.remove_calendar(family)
    assert reason(bob.page(family)) == (404, "notFound")
    google.share(family, BOB, "owner")
    assert bob.page(family).status_code == 200


def test_only_an_owner_removes_a_calendar(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    family = google.add_calendar(ANN, "Family")
    google.share(family, BOB, "writer")
    assert reason(bob.ask("DELETE", f"/calendars/{family}")) == (403, "requiredAccessLevel")
    assert ann.ask("DELETE", "/calendars/primary").status_code == 400
    assert ann.ask("DELETE", f"/calendars/{family}").status_code == 204


def test_an_id_in_a_path_may_hold_anything(google: CheckedGoogle, ann: Client) -> None:
    holidays = google.add_calendar(ANN, "Holidays", calendar_id="en.german#holiday@group.v.calendar.google.com")
    assert ann.page(holidays.replace("#", "%23").replace("@", "%40")).json()["summary"] == "Holidays"


def test_unknown_paths(ann: Client) -> None:
    for path in ("/calendars/primary/happenings", "/users/me", "/calendars//events"):
        assert ann.ask("GET", path).status_code == 404


def test_settings(ann: Client) -> None:
    assert ann.ask("GET", "/users/me/settings/timezone").json()["value"] == "Europe/Berlin"
    assert reason(ann.ask("GET", "/users/me/settings/weather")) == (404, "notFound")
