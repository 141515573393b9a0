"""The parsers of JSON, one by one and far more often than whole services can be asked: a value, or their own error."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import google_scripts
import graph_scripts
from calsync_core.errors import InvalidValue, UnreadableAnswer
from calsync_core.models import CalendarRole
from calsync_core.protocols import PushRequest, ReadRequest
from calsync_core.providers.google import batch as google_batch
from calsync_core.providers.google import wire as google
from calsync_core.providers.microsoft import batch as graph_batch
from calsync_core.providers.microsoft import push as graph_push
from calsync_core.providers.microsoft import wire as graph
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import WINDOW
from calsync_core.transport import Answer, seconds_asked
from enemy import TITLE, Enemy, asked

REQUEST = ReadRequest(google_scripts.WORK, WINDOW)

enemies = st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed)))

G_EVENT = google_scripts.event(
    "g",
    summary=TITLE,
    recurringEventId="m",
    originalStartTime={"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    attendees=[{"self": True, "responseStatus": "accepted"}, {"email": "bo@example.com"}],
    extendedProperties={"private": {"calsync": "v1;i=a;o=b;s=c;k=d;g=0"}},
)
G_MASTER = google_scripts.event(
    "ca15nc0re0gabc", summary=TITLE, recurrence=["RRULE:FREQ=DAILY", "EXDATE;TZID=X:20260302"]
)
G_CALENDAR = {"id": "c", "summary": TITLE, "accessRole": "owner", "timeZone": "Europe/Berlin", "primary": True}
M_EVENT = graph_scripts.event(
    "m",
    subject=TITLE,
    transactionId="calsync-abc-0",
    originalStart="2026-03-02T09:00:00Z",
    originalStartTimeZone="W. Europe Standard Time",
    singleValueExtendedProperties=[{"id": "String {x} Name CalsyncTag", "value": "v1;i=a;o=b;s=c;k=d;g=0"}],
)
M_CALENDAR = {"id": "c", "name": TITLE, "canEdit": True, "canShare": True, "owner": {"address": "ana@example.com"}}
M_BATCH = {"responses": [{"id": "0", "status": 200, "headers": {"Retry-After": "1"}, "body": M_EVENT}, {"id": "1"}]}
M_PUSH = {
    "value": [{"subscriptionId": "s", "clientState": "x", "lifecycleEvent": "missed", "resourceData": {"id": "2"}}]
}
G_BATCH = (
    "--b\r\nContent-Type: application/http\r\nContent-ID: <response-call-0>\r\n\r\n"
    'HTTP/1.1 200 OK\r\nETag: "1"\r\nDate: Mon, 02 Mar 2026 09:00:00 GMT\r\n\r\n{"id": "a"}\r\n'
    "--b\r\nContent-ID: <response-call-1>\r\n\r\nHTTP/1.1 404 No\r\n\r\n{}\r\n--b--\r\n"
)


def refused(parse: Callable[..., Any], *given_: Any) -> Any:
    """What is parsed, or None for a ValueError that says nothing it must not."""
    try:
        return parse(*given_)
    except ValueError as error:
        said = str(error)
    assert TITLE not in said
    assert len(said) < 200
    return None


@given(enemies)
def test_google_s_events_and_calendars(enemy: Enemy) -> None:
    for _ in range(20):
        refused(google.parse_item, enemy.document(enemy.chance.choice((G_EVENT, G_MASTER))) or {})
        found = refused(google.parse_calendar, enemy.document(G_CALENDAR) or {})
        assert found is None or isinstance(found.role, CalendarRole)


@given(enemies)
def test_graph_s_events_series_and_calendars(enemy: Enemy) -> None:
    for _ in range(20):
        refused(graph.parse_item, enemy.document(M_EVENT) or {})
        refused(graph.parse_series, M_EVENT, [enemy.document(M_EVENT), M_EVENT])
        refused(graph.parse_calendar, enemy.document(M_CALENDAR) or {}, "ana@example.com")


@given(enemies)
def test_batches(enemy: Enemy) -> None:
    pieces = (*G_BATCH.splitlines(), f"HTTP/1.1 {'9' * 5_000} x", "To: <", "HTTP/1.1 ٢٠٠ x", "Content-ID: <call-٠>")
    for _ in range(10):
        kind = enemy.text("multipart/mixed; boundary=b") if enemy.now_and_then(5) else "multipart/mixed; boundary=b"
        body = enemy.lines(G_BATCH, pieces).encode("utf-8", "replace")
        with suppress(UnreadableAnswer):
            answers = google_batch.parse_batch(Answer(200, {"content-type": kind}, body, "u"), 2)
            assert len(answers) == 2
        with suppress(UnreadableAnswer):
            told = graph_batch.parse_batch(Answer(200, {}, enemy.json(json.dumps(M_BATCH).encode()), "u"), 2)
            assert len(told) == 2


@given(enemies)
def test_pushes_and_wishes(enemy: Enemy) -> None:
    for _ in range(20):
        with suppress(InvalidValue):
            graph_push.parse_push(PushRequest({}, {}, enemy.json(json.dumps(M_PUSH).encode())))
        wish = enemy.text(enemy.chance.choice(("Mon, 02 Mar 2026 10:00:00 GMT", "120", "1.5")))
        seconds = seconds_asked(Answer(429, {"retry-after": wish}, b"", "u"), VirtualClock())
        assert seconds is None or 0 <= seconds <= 366 * 86_400


def whole_listing(google_: google_scripts.Google) -> None:
    list(google_.provider.fetch_changes(google_.session, REQUEST))


@pytest.mark.parametrize("field", ["summary", "iCalUID", "updated", "start", "etag", "attendees"])
def test_no_depth_of_json_is_more_than_one_event_can_bear(field: str) -> None:  # I-37
    """From one that is just read to one that no longer is: whoever reads it has less room left for it."""
    whole = json.dumps({**google_scripts.event("x"), field: "@"})
    for depth in range(880, 1_000):
        event = whole.replace('"@"', "[" * depth + "]" * depth)
        body = f'{{"nextSyncToken": "t", "items": [{event}]}}'
        google_ = google_scripts.Google(httpx.Response(200, content=body.encode()))
        asked(partial(whole_listing, google_))


@pytest.mark.parametrize("field", ["subject", "iCalUId", "lastModifiedDateTime", "start", "body", "responseStatus"])
def test_nor_in_a_batch_that_is_written_and_read_again(field: str) -> None:  # I-37
    whole = json.dumps({**graph_scripts.event("x"), field: "@"})
    for depth in range(880, 1_000):
        event = whole.replace('"@"', "[" * depth + "]" * depth)
        body = f'{{"responses": [{{"id": "0", "status": 200, "body": {event}}}]}}'
        graph_ = graph_scripts.Graph(httpx.Response(200, content=body.encode()))
        asked(partial(graph_.provider.fetch_items, graph_.session, graph_scripts.WORK, ["x", "y"]))
