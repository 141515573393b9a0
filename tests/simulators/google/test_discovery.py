"""The discovery document as a judge: of the simulator's own tables, and proof that it does convict."""

from __future__ import annotations

from typing import Any

import pytest

from calsync_core.testing.simulators.google.listing import NOT_WITH_SYNC
from calsync_core.testing.simulators.google.methods import COMMON, METHODS, SCOPE_PREFIX, Method
from calsync_core.testing.simulators.messages import Request, Response
from discovery import document, methods, validate_request, validate_response

EVENTS = "/calendar/v3/calendars/a%40example.com/events"
TIMES = {"start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}


def described(kind: str) -> dict[str, Any]:
    """A type of the simulator's tables in the document's words."""
    bare = kind.removeprefix("*")
    words: dict[str, Any] = {"type": "string"}
    if ".." in bare:
        low, high = bare.split("..")
        words = {"type": "integer", "format": "int32", "minimum": low}
        words |= {} if int(high) == 2**31 - 1 else {"maximum": high}
    elif bare in {"boolean", "string"}:
        words = {"type": bare}
    elif bare == "date-time":
        words = {"type": "string", "format": bare}
    else:
        words["enum"] = sorted(bare.split("|"))
    return words | ({"repeated": True} if kind.startswith("*") else {})


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_the_simulator_knows_methods_as_the_document_has_them(method: Method) -> None:
    official = methods()[method.name]
    assert (method.verb, method.path) == (official["httpMethod"], official["path"])
    assert {SCOPE_PREFIX + scope for scope in method.scopes} == set(official["scopes"])
    kept = ("type", "format", "minimum", "maximum", "enum", "repeated")
    query = {name: one for name, one in official.get("parameters", {}).items() if one["location"] == "query"}
    expected = {name: {key: one[key] for key in kept if key in one} for name, one in query.items()}
    assert {name: described(kind) for name, kind in method.parameters.items()} == expected


def test_the_simulator_knows_what_every_method_takes() -> None:
    assert set(COMMON) == set(document()["parameters"])


def test_what_does_not_go_with_a_sync_token_is_what_the_document_lists() -> None:
    text = methods()["events.list"]["parameters"]["syncToken"]["description"]
    listed = {line.split()[1] for line in text.splitlines() if line.startswith("- ")}
    assert set(NOT_WITH_SYNC) == listed


def request(method: str, url: str, body: bytes = b"", kind: str = "application/json") -> Request:
    return Request.of(method, url, {"Content-Type": kind} if body else {}, body)


@pytest.mark.parametrize(
    "wrong",
    [
        request("GET", "/calendar/v3/calendars/a/happenings"),
        request("GET", "/calendar/v2/calendars/a/events"),
        request("DELETE", EVENTS),
        request("GET", f"{EVENTS}?page=1"),
        request("GET", f"{EVENTS}?showDeleted=yes"),
        request("GET", f"{EVENTS}?maxResults=many"),
        request("GET", f"{EVENTS}?maxResults=0"),
        request("GET", f"{EVENTS}?orderBy=end"),
        request("GET", f"{EVENTS}?eventTypes=meeting"),
        request("GET", f"{EVENTS}?timeMin=2026-03-02T00:00:00"),
        request("GET", f"{EVENTS}?syncToken=a&syncToken=b"),
        request("GET", f"{EVENTS}?calendarId=a"),
        request("POST", f"{EVENTS}/x/move"),
        request("GET", EVENTS, b"{}"),
        request("POST", EVENTS),
        request("POST", EVENTS, b'{"start": {}, "end": {}}', "text/plain"),
        request("POST", EVENTS, b'{"start": {"date": "2026-03-02"}}'),
        request("POST", EVENTS, b'{"start": {"date": "2026-3-2"}, "end": {"date": "2026-03-03"}}'),
        request("POST", EVENTS, b'{"start": {"datetime": "x"}, "end": {"date": "2026-03-03"}}'),
        request("POST", EVENTS, b'{"start": {"date": null}, "end": {"date": "2026-03-03"}}'),
        request("PATCH", f"{EVENTS}/x", b'{"status": "done"}'),
        request("PATCH", f"{EVENTS}/x", b'{"attendees": {"email": "b@example.com"}}'),
        request("PATCH", f"{EVENTS}/x", b'{"extendedProperties": {"private": {"key": 1}}}'),
        request("PATCH", f"{EVENTS}/x", b'{"reminders": {"overrides": [{"method": "sms", "minutes": 5}]}}'),
        request("PATCH", f"{EVENTS}/x", b'{"sequence": "1"}'),
        request("POST", f"{EVENTS}/watch", b'{"id": "x", "expiration": "soon"}'),
        request("POST", "/token", b"{}"),
        request("POST", "/batch/calendar/v3", b"{}"),
    ],
    ids=lambda one: f"{one.method} {one.path} {one.query} {one.body.decode()}",
)
def test_a_wrong_request_is_convicted(wrong: Request) -> None:
    assert validate_request(wrong)


def test_a_right_request_is_acquitted() -> None:
    assert validate_request(request("GET", f"{EVENTS}?singleEvents=false&eventTypes=default&eventTypes=birthday")) == []
    assert validate_request(request("GET", f"{EVENTS}?timeMin=2026-03-02T00:00:00%2B01:00&fields=items(id)")) == []
    assert validate_request(request("PATCH", f"{EVENTS}/x", b'{"start": {"date": null}, "location": null}')) == []
    assert validate_request(request("DELETE", f"{EVENTS}/x?sendUpdates=none")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": [{"id": "x", "color": "red"}]},
        {"items": [{"id": "x", "updated": "2026-03-02 09:00"}]},
        {"items": {"id": "x"}},
        {"items": [{"id": 7}]},
        {"nextSyncToken": None},
        {"accessRole": "boss"},
    ],
    ids=str,
)
def test_a_wrong_response_is_convicted(wrong: dict[str, Any]) -> None:
    assert validate_response(request("GET", EVENTS), Response.of(wrong))


def test_a_wrong_error_is_convicted() -> None:
    asked = request("GET", EVENTS)
    assert validate_response(asked, Response.of({"error": "no"}, 400))
    assert validate_response(asked, Response.of({"error": {"code": 404, "message": "", "errors": []}}, 400))
    assert validate_response(request("DELETE", f"{EVENTS}/x"), Response(200, body=b"{}"))
