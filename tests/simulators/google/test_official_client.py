"""Google's own Python client against the simulator: if it is content, and the discovery document too, so may we be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.transport.requests import Request as AuthRequest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build, build_from_document
from googleapiclient.errors import HttpError

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle, document, validate_request

ANN = "ann@example.com"


@pytest.fixture
def google() -> Iterator[CheckedGoogle]:
    with CheckedGoogle(VirtualClock()) as served:
        served.add_user(ANN, timezone="Europe/Berlin")
        yield served
        # Whatever a test did: no answer and no request was against the document.
        assert served.problems == []
        assert [problem for logged in served.log for problem in validate_request(logged.request)] == []


@pytest.fixture
def api(google: CheckedGoogle) -> Iterator[Any]:
    credentials = Credentials(google.issue_token(ANN))  # type: ignore[no-untyped-call]  # google-auth has no types
    options = {"api_endpoint": f"{google.base_url}/"}
    with build("calendar", "v3", credentials=credentials, client_options=options, static_discovery=True) as made:
        yield made


def timed(**fields: Any) -> dict[str, Any]:
    start, end = "2026-03-02T10:00:00+01:00", "2026-03-02T11:00:00+01:00"
    zone = {"timeZone": "Europe/Berlin"}
    return {"summary": "Review", "start": {"dateTime": start, **zone}, "end": {"dateTime": end, **zone}, **fields}


def reason(error: HttpError) -> tuple[int, str]:
    return error.resp.status, json.loads(error.content)["error"]["errors"][0]["reason"]


def test_lists_calendars_page_by_page(google: CheckedGoogle, api: Any) -> None:
    google.add_calendar(ANN, "Family")
    first = api.calendarList().list(maxResults=1).execute()
    rest = api.calendarList().list_next(api.calendarList().list(maxResults=1), first).execute()
    names = [one["summary"] for page in (first, rest) for one in page["items"]]
    assert sorted(names) == ["Family", ANN]
    assert "nextSyncToken" in rest
    assert "nextSyncToken" not in first
    family = next(one for page in (first, rest) for one in page["items"] if one["summary"] == "Family")
    assert api.calendarList().get(calendarId=family["id"]).execute() == family
    assert api.calendarList().get(calendarId="primary").execute()["id"] == ANN
    assert api.settings().get(setting="timezone").execute()["value"] == "Europe/Berlin"
    assert {one["id"] for one in api.settings().list().execute()["items"]} == {"timezone", "locale", "format24HourTime"}


def test_makes_and_removes_a_calendar(api: Any) -> None:
    made = api.calendars().insert(body={"summary": "Scratch", "timeZone": "Asia/Tokyo"}).execute()
    assert api.calendars().get(calendarId=made["id"]).execute() == made
    assert api.calendars().delete(calendarId=made["id"]).execute() == ""
    with pytest.raises(HttpError) as gone:
        api.calendars().get(calendarId=made["id"]).execute()
    assert reason(gone.value) == (404, "notFound")


def test_writes_and_reads_an_event(api: Any) -> None:
    events = api.events()
    made = events.insert(calendarId="primary", body=timed(id="block1"), sendUpdates="none").execute()
    assert events.get(calendarId=ANN, eventId="block1").execute() == made
    changed = events.update(calendarId="primary", eventId="block1", body={**made, "summary": "Retro"}).execute()
    assert (changed["summary"], changed["iCalUID"]) == ("Retro", "block1@google.com")
    assert changed["etag"] != made["etag"]
    patched = events.patch(calendarId="primary", eventId="block1", body={"description": "minutes"}).execute()
    assert (patched["summary"], patched["description"]) == ("Retro", "minutes")
    assert events.delete(calendarId="primary", eventId="block1").execute() == ""
    assert events.get(calendarId="primary", eventId="block1").execute()["status"] == "cancelled"


def test_lists_instances_and_changes_one(api: Any) -> None:
    api.events().insert(calendarId="primary", body=timed(id="runs0", recurrence=["RRULE:FREQ=DAILY;COUNT=3"])).execute()
    instances = api.events().instances(calendarId="primary", eventId="runs0").execute()["items"]
    assert [one["id"] for one in instances] == [f"runs0_2026030{day}T090000Z" for day in (2, 3, 4)]
    second = {**instances[1], "summary": "Moved"}
    api.events().update(calendarId="primary", eventId=second["id"], body=second).execute()
    api.events().delete(calendarId="primary", eventId=instances[2]["id"]).execute()
    again = api.events().instances(calendarId="primary", eventId="runs0", showDeleted=True).execute()["items"]
    assert [(one["summary"], one["status"]) for one in again] == [
        ("Review", "confirmed"),
        ("Moved", "confirmed"),
        ("Review", "cancelled"),
    ]


def test_syncs_by_token(google: CheckedGoogle, api: Any) -> None:
    for number in range(5):
        google.put_event(ANN, timed(id=f"event{number}"))
    token, seen = None, []
    request = api.events().list(calendarId="primary", maxResults=2)
    while request is not None:
        page = request.execute()
        seen += [one["id"] for one in page["items"]]
        token = page.get("nextSyncToken", token)
        request = api.events().list_next(request, page)
    assert sorted(seen) == [f"event{number}" for number in range(5)]
    google.remove_event(ANN, "event3")
    changed = api.events().list(calendarId="primary", maxResults=2, syncToken=token).execute()
    assert [(one["id"], one["status"]) for one in changed["items"]] == [("event3", "cancelled")]
    google.expire_sync_tokens(ANN)
    with pytest.raises(HttpError) as expired:
        api.events().list(calendarId="primary", maxResults=2, syncToken=token).execute()
    assert reason(expired.value) == (410, "fullSyncRequired")


def test_watches_and_stops(google: CheckedGoogle, api: Any) -> None:
    body = {"id": "channel-1", "type": "web_hook", "address": "https://host.example/push", "token": "secret"}
    channel = api.events().watch(calendarId="primary", body=body).execute()
    assert (channel["id"], channel["token"]) == ("channel-1", "secret")
    assert api.channels().stop(body={"id": channel["id"], "resourceId": channel["resourceId"]}).execute() == ""
    assert google.channels == ()
    listing = api.calendarList().watch(body={**body, "id": "channel-2"}).execute()
    assert listing["resourceUri"].endswith("/users/me/calendarList?alt=json")


def test_sends_a_batch(google: CheckedGoogle) -> None:
    google.put_event(ANN, timed(id="taken"))
    # The client sends batches to the document's root, wherever the service itself was told to be.
    described = {**document(), "rootUrl": f"{google.origin}/"}
    credentials = Credentials(google.issue_token(ANN))  # type: ignore[no-untyped-call]  # google-auth has no types
    answers: dict[str, Any] = {}

    def keep(key: str, response: Any, error: HttpError | None) -> None:
        answers[key] = response if error is None else reason(error)

    options = {"api_endpoint": f"{google.base_url}/"}
    with build_from_document(described, credentials=credentials, client_options=options) as api:
        batch = api.new_batch_http_request(callback=keep)
        batch.add(api.events().insert(calendarId="primary", body=timed(id="fresh")), request_id="insert")
        batch.add(api.events().insert(calendarId="primary", body=timed(id="taken")), request_id="again")
        batch.add(api.events().patch(calendarId="primary", eventId="taken", body={"summary": "x"}), request_id="patch")
        batch.add(api.events().get(calendarId="primary", eventId="nobody"), request_id="get")
        batch.execute()
    assert answers["insert"]["id"] == "fresh"
    assert answers["patch"]["summary"] == "x"
    assert (answers["again"], answers["get"]) == ((409, "duplicate"), (404, "notFound"))
    assert google.count() == {"POST": 1}
    assert google.count(inner=True) == {"POST": 2, "PATCH": 1, "GET": 1}


def test_moves_and_imports(google: CheckedGoogle, api: Any) -> None:
    family = google.add_calendar(ANN, "Family")
    google.put_event(ANN, timed(id="party"))
    moved = api.events().move(calendarId="primary", eventId="party", destination=family).execute()
    assert moved["organizer"]["email"] == family
    assert google.event(ANN, "party")["status"] == "cancelled"
    brought = api.events().import_(calendarId="primary", body=timed(iCalUID="from@elsewhere")).execute()
    assert (brought["iCalUID"], brought["privateCopy"]) == ("from@elsewhere", True)


def test_asks_who_is_busy(google: CheckedGoogle, api: Any) -> None:
    google.put_event(ANN, timed())
    google.put_event(ANN, timed(transparency="transparent", recurrence=["RRULE:FREQ=DAILY"]))
    body = {"timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-03-09T00:00:00Z", "items": [{"id": ANN}, {"id": "x"}]}
    answer = api.freebusy().query(body=body).execute()["calendars"]
    assert answer[ANN]["busy"] == [{"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T10:00:00Z"}]
    assert answer["x"]["errors"][0]["reason"] == "notFound"


def test_credentials_refresh_themselves(google: CheckedGoogle) -> None:
    scope = "https://www.googleapis.com/auth/calendar.events.readonly"
    refresh = google.grant(ANN, [scope])
    credentials = Credentials(  # type: ignore[no-untyped-call]  # google-auth has no types
        None,
        refresh_token=refresh,
        token_uri=google.token_url,
        client_id=google.client_id,
        client_secret=google.client_secret,
        scopes=[scope],
    )
    credentials.refresh(AuthRequest())  # type: ignore[no-untyped-call]  # google-auth has no types
    assert credentials.valid
    assert credentials.granted_scopes == [scope]
    options = {"api_endpoint": f"{google.base_url}/"}
    with build("calendar", "v3", credentials=credentials, client_options=options, static_discovery=True) as api:
        assert api.events().list(calendarId="primary").execute()["items"] == []
        with pytest.raises(HttpError) as refused:
            api.events().insert(calendarId="primary", body=timed()).execute()
    assert reason(refused.value) == (403, "insufficientPermissions")
