"""The judge of request bodies, judged."""

from __future__ import annotations

from typing import Any

import pytest

import graph_models
from graph_world import PROPERTY, series, timed

_BLOCK = timed(
    "2026-12-01T09:00:00",
    "2026-12-01T10:00:00",
    isAllDay=False,
    showAs="tentative",
    sensitivity="private",
    isReminderOn=False,
    responseRequested=False,
    allowNewTimeProposals=False,
    transactionId="b7c2-1",
    singleValueExtendedProperties=[{"id": PROPERTY, "value": "key"}],
)
_SUBSCRIPTION = {
    "changeType": "created,updated,deleted",
    "notificationUrl": "https://host.example/graph",
    "lifecycleNotificationUrl": "https://host.example/lifecycle",
    "resource": "/me/calendars/AAMk/events",
    "expirationDateTime": "2026-12-01T11:00:00.0000000Z",
    "clientState": "s3cret",
}


@pytest.fixture(autouse=True)
def _official() -> None:
    graph_models.require()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("event", _BLOCK),
        ("event", series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "weekly", "daysOfWeek": ["monday"]})),
        ("event", {"recurrence": None, "showAs": "oof"}),
        ("subscription", _SUBSCRIPTION),
        ("subscription", {"expirationDateTime": "2026-12-01T11:00:00Z"}),
        ("batch", {"requests": [{"id": "1", "method": "POST", "url": "/me/events", "headers": {}, "body": _BLOCK}]}),
        ("batch", {"requests": [{"id": "1", "method": "DELETE", "url": "/me/events/AAMk", "dependsOn": ["0"]}]}),
    ],
)
def test_what_fits(kind: str, body: dict[str, Any]) -> None:
    graph_models.validate_body(kind, body)


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        ("event", {"title": "x"}, "event.title is unknown"),
        ("event", {"subject": 7}, "event.subject can't be 7"),
        ("event", {"showAs": "out"}, "event.showAs can't be 'out'"),
        ("event", {"isReminderOn": "no"}, "event.isReminderOn can't be 'no'"),
        ("event", {"start": {"datetime": "2026-12-01T09:00:00"}}, "event.start.datetime is unknown"),
        ("event", {"start": "2026-12-01T09:00:00"}, "event.start can't be '2026-12-01T09:00:00'"),
        ("event", {"singleValueExtendedProperties": [{"id": PROPERTY, "val": "x"}]}, "is unknown"),
        ("event", {"recurrence": {"pattern": {"type": "hourly"}}}, "event.recurrence.pattern.type can't be 'hourly'"),
        ("subscription", {"expires": "2026-12-01T11:00:00Z"}, "subscription.expires is unknown"),
        ("subscription", {"changeType": ["created"]}, "subscription.changeType can't be ['created']"),
        ("batch", {"requests": [{"id": "1", "method": "GET"}]}, "requests[0].url is missing"),
        ("batch", {"requests": [{"id": "1", "method": "PATCH", "url": "/me/events/A", "body": {"x": 1}}]}, "event.x"),
        ("batch", {"requests": [{"id": "1", "method": "GET", "url": "/me", "depends": []}]}, "depends is unknown"),
    ],
)
def test_what_does_not_fit(kind: str, body: dict[str, Any], problem: str) -> None:
    with pytest.raises(AssertionError) as caught:
        graph_models.validate_body(kind, body)
    assert problem in str(caught.value)
