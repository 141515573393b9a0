"""The shapes that Microsoft's documentation shows, each against what the simulator says."""

from __future__ import annotations

import re
from typing import Any

from graph_world import ANA, BERLIN, IMMUTABLE, PROPERTY, GraphWorld, series, timed

# "event" resource, JSON representation: what a GET of a single event has, navigation properties left out.
_EVENT = {
    "allowNewTimeProposals",
    "attendees",
    "body",
    "bodyPreview",
    "categories",
    "changeKey",
    "createdDateTime",
    "end",
    "hasAttachments",
    "hideAttendees",
    "iCalUId",
    "id",
    "importance",
    "isAllDay",
    "isCancelled",
    "isDraft",
    "isOnlineMeeting",
    "isOrganizer",
    "isReminderOn",
    "lastModifiedDateTime",
    "location",
    "locations",
    "onlineMeeting",
    "onlineMeetingProvider",
    "onlineMeetingUrl",
    "organizer",
    "originalEndTimeZone",
    "originalStartTimeZone",
    "recurrence",
    "reminderMinutesBeforeStart",
    "responseRequested",
    "responseStatus",
    "sensitivity",
    "seriesMasterId",
    "showAs",
    "start",
    "subject",
    "transactionId",
    "type",
    "webLink",
}
# "calendar" resource, the same.
_CALENDAR = {
    "allowedOnlineMeetingProviders",
    "canEdit",
    "canShare",
    "canViewPrivateItems",
    "changeKey",
    "color",
    "defaultOnlineMeetingProvider",
    "hexColor",
    "id",
    "isDefaultCalendar",
    "isRemovable",
    "isTallyingResponses",
    "name",
    "owner",
}


def test_an_event_has_every_documented_property(world: GraphWorld) -> None:
    event = world.get(f"me/events/{world.put(timed('2026-03-03T09:00:00', '2026-03-03T10:00:00'))}")
    annotations = {"@odata.context", "@odata.etag", "occurrenceId"}
    assert set(event) == _EVENT | annotations
    assert re.fullmatch(r'W/"[\w+/=]+"', event["@odata.etag"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}", event["start"]["dateTime"])
    assert event["createdDateTime"].endswith("Z")
    assert event["responseStatus"] == {"response": "organizer", "time": "0001-01-01T00:00:00Z"}
    assert set(event["organizer"]["emailAddress"]) == {"name", "address"}


def test_a_calendar_has_every_documented_property(world: GraphWorld) -> None:
    (calendar,) = world.get("me/calendars")["value"]
    assert set(calendar) == _CALENDAR


def test_the_recurring_event_of_the_create_page(world: GraphWorld) -> None:
    """Example 3 of "user-post-events": every Tuesday from noon to 2 PM, with a time zone per end."""
    pacific = "Pacific Standard Time"
    body = {
        "subject": "Let's go for lunch",
        "body": {"contentType": "HTML", "content": "Does noon time work for you?"},
        "start": {"dateTime": "2017-08-29T12:00:00", "timeZone": pacific},
        "end": {"dateTime": "2017-08-29T14:00:00", "timeZone": pacific},
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["Tuesday"]},
            "range": {"type": "endDate", "startDate": "2017-08-29", "endDate": "2017-12-31"},
        },
        "location": {"displayName": "Harry's Bar"},
        "allowNewTimeProposals": True,
        "transactionId": "7E163156-7762-4BEB-A1C6-729EA81755A7",
    }
    event = world.client.post("me/events", json=body).json()
    assert (event["type"], event["body"]["contentType"]) == ("seriesMaster", "html")
    assert event["recurrence"]["range"]["recurrenceTimeZone"] == pacific
    window = {"startDateTime": "2017-10-30T00:00:00Z", "endDateTime": "2018-12-31T00:00:00Z", "_top": "50"}
    found = world.all_of(f"me/events/{event['id']}/instances", **window)
    # Nine Tuesdays; the clocks went back on 5 November.
    assert [one["start"]["dateTime"][5:16] for one in found[:2]] == ["10-31T19:00", "11-07T20:00"]
    assert len(found) == 9


def test_a_delta_page_and_its_links(world: GraphWorld) -> None:
    """As in "event-delta" and "delta-query-events": contexts, links and the removed item."""
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    window = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    page = world.get(f"me/calendarView/delta?{window}")
    assert page["@odata.context"] == "https://graph.microsoft.com/v1.0/$metadata#Collection(event)"
    link = page["@odata.deltaLink"]
    assert re.fullmatch(
        r"https://graph\.microsoft\.com/v1\.0/me/calendarView/delta\?\$deltatoken=[\w-]{60,}=?[\w-]*", link
    )
    assert page["value"][0]["@odata.type"] == "#microsoft.graph.event"
    world.simulator.remove_event(event)
    (removed,) = world.get(link)["value"]
    assert removed == {"@odata.type": "#microsoft.graph.event", "id": event, "@removed": {"reason": "deleted"}}


def test_an_error(world: GraphWorld) -> None:
    """As in "errors": code, message, and an inner error with date and ids."""
    error = world.client.get("me/events/nonsense").json()["error"]
    assert set(error) == {"code", "message", "innerError"}
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}


def test_a_batch(world: GraphWorld) -> None:
    """As in "json-batching": what each answer has."""
    requests: list[dict[str, Any]] = [
        {"id": "1", "method": "GET", "url": "/me/calendars?$top=1"},
        {
            "id": "2",
            "method": "POST",
            "url": "/me/events",
            "headers": {"Content-Type": "application/json", "Prefer": IMMUTABLE},
            "body": timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"),
        },
    ]
    answer = world.batch(*requests).json()
    assert set(answer) == {"responses"}
    for response in answer["responses"]:
        assert set(response) == {"id", "status", "headers", "body"}
        assert response["headers"]["Content-Type"].startswith("application/json")


def test_the_extended_property_of_the_get_page(world: GraphWorld) -> None:
    """As in "singlevaluelegacyextendedproperty-get": spaces as %20, colons and slashes encoded or not."""
    event = world.put(
        timed(
            "2026-03-03T09:00:00",
            "2026-03-03T10:00:00",
            singleValueExtendedProperties=[{"id": PROPERTY.replace("66f5a359", "66F5A359"), "value": "Yellow"}],
        )
    )
    search = f"singleValueExtendedProperties/Any(ep:%20ep/id%20eq%20'{PROPERTY}'%20and%20ep/value%20eq%20'Yellow')"
    encoded = search.replace(":", "%3A").replace("/", "%2F")
    for text in (search, encoded):
        found = world.client.get(f"me/events?$filter={text.replace(' ', '%20')}")
        assert [one["id"] for one in found.json()["value"]] == [event]


def test_the_series_of_the_view_page(world: GraphWorld) -> None:
    """As in "calendar-list-calendarview": occurrences, exceptions and single instances; the range is half open."""
    world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}, zone=BERLIN))
    edge = {"startDateTime": "2026-03-03T09:00:00Z", "endDateTime": "2026-03-04T08:00:00Z"}
    assert world.get("me/calendarView", **edge)["value"] == []
    edge["endDateTime"] = "2026-03-04T08:00:01Z"
    assert len(world.get("me/calendarView", **edge)["value"]) == 1


def test_users_are_named_by_id_or_name(world: GraphWorld) -> None:
    for name in (ANA, world.user, ANA.upper()):
        assert world.get(f"users/{name}/calendar")["isDefaultCalendar"] is True
