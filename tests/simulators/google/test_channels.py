"""Pushes: channels, what they say and when, and how they end (push guide)."""

from __future__ import annotations

import random
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.pushes import Delivery
from calsync_core.testing.simulators.service import SimulatedService
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, reason, timed

ADDRESS = "https://host.example/push"


class Host:
    """The endpoint that notifications reach."""

    def __init__(self, google: CheckedGoogle) -> None:
        self.status = 204
        self.heard: list[Delivery] = []
        google.outbox.send = self

    def __call__(self, delivery: Delivery) -> int:
        self.heard.append(delivery)
        if self.status == 0:
            raise httpx.ConnectError("down")
        return self.status

    def states(self) -> list[str]:
        return [one.headers["X-Goog-Resource-State"] for one in self.heard]


class Endpoint(SimulatedService):
    """A host's web server."""

    def answer(self, request: Request) -> Response:
        return Response(202 if request.headers["content-length"] == "0" else 400)


@pytest.fixture
def host(google: CheckedGoogle) -> Host:
    return Host(google)


def watch(client: Client, channel: str = "channel-1", calendar: str = "primary", /, **more: Any) -> httpx.Response:
    body = {"id": channel, "type": "web_hook", "address": ADDRESS, "token": "secret", **more}
    return client.ask("POST", f"/calendars/{calendar}/events/watch", body)


def test_a_channel_begins_with_sync(google: CheckedGoogle, ann: Client, host: Host) -> None:
    channel = watch(ann).json()
    assert channel["kind"] == "api#channel"
    google.put_event(ANN, timed())
    assert host.heard == []
    assert google.outbox.deliver() == [204, 204]
    assert host.states() == ["sync", "exists"]
    first, second = (one.headers for one in host.heard)
    assert (first["X-Goog-Channel-ID"], first["X-Goog-Channel-Token"]) == ("channel-1", "secret")
    assert (first["X-Goog-Resource-ID"], first["X-Goog-Resource-URI"]) == (
        channel["resourceId"],
        channel["resourceUri"],
    )
    assert first["X-Goog-Message-Number"] == "1"
    assert int(second["X-Goog-Message-Number"]) > 1
    expires = parsedate_to_datetime(first["X-Goog-Channel-Expiration"])
    assert int(expires.timestamp()) * 1000 == int(channel["expiration"])
    assert all(one.body == b"" for one in host.heard)


def test_sync_may_come_before_the_answer(google: CheckedGoogle, ann: Client, host: Host) -> None:
    """Push guide, and I-29: whoever stores the channel after the answer has missed it."""
    google.habits.early_sync = True
    answered: list[int | None] = []

    def send(delivery: Delivery) -> int:
        answered.append(google.log[0].status)
        return host(delivery)

    google.outbox.send = send
    watch(ann)
    assert host.states() == ["sync"]
    assert answered == [None]
    assert google.log[0].status == 200


@pytest.mark.parametrize(
    ("asked", "life"),
    [
        ({}, timedelta(days=7)),
        ({"params": {"ttl": "3600"}}, timedelta(hours=1)),
        ({"params": {"ttl": "2592000"}}, timedelta(days=7)),
        ({"expiration": "1772442060000"}, timedelta(minutes=1)),
    ],
    ids=str,
)
def test_a_channel_has_an_end(
    ann: Client, host: Host, clock: VirtualClock, asked: dict[str, Any], life: timedelta
) -> None:
    """Push guide: the more restrictive of what was asked for and the service's own limit."""
    channel = watch(ann, **asked).json()
    assert int(channel["expiration"]) == (clock.now() + life).timestamp() * 1000
    clock.advance(life - timedelta(seconds=1))
    ann.google.put_event(ANN, timed())
    clock.advance(timedelta(seconds=1))
    ann.google.put_event(ANN, timed())
    ann.google.outbox.deliver()
    assert host.states() == ["sync", "exists"]
    body = {"id": "channel-1", "resourceId": channel["resourceId"]}
    assert reason(ann.ask("POST", "/channels/stop", body)) == (404, "notFound")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"id": None}, "required"),
        ({"id": "x" * 65}, "channelIdInvalid"),
        ({"type": "mail"}, "channelTypeUnknown"),
        ({"address": "http://host.example/push"}, "push.webhookUrlNotHttps"),
        ({"token": "x" * 257}, "invalid"),
        ({"expiration": "1000"}, "invalid"),
    ],
    ids=str,
)
def test_a_channel_must_be_described_well(google: CheckedGoogle, ann: Client, body: dict[str, Any], why: str) -> None:
    """Push guide: the id has at most 64 characters, the token 256, the address is HTTPS."""
    assert reason(watch(ann, **body)) == (400, why)
    assert (google.channels, len(google.outbox)) == ((), 0)


def test_a_channel_id_is_used_once(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    """Reported: 400 ``channelIdNotUnique``; there is no renewal, only a new channel."""
    first = watch(ann).json()
    assert reason(watch(bob)) == (400, "channelIdNotUnique")
    second = watch(ann, "channel-2").json()
    assert second["resourceId"] == first["resourceId"]
    google.put_event(ANN, timed())
    assert len(google.outbox) == 4


def test_some_calendars_cannot_be_watched(google: CheckedGoogle, ann: Client) -> None:
    """Reported: generated calendars answer 400 ``pushNotSupportedForRequestedResource``."""
    holidays = google.add_calendar(ANN, "Holidays", pushes=False)
    assert reason(watch(ann, "channel-1", holidays)) == (400, "pushNotSupportedForRequestedResource")


def test_only_who_opened_a_channel_stops_it(google: CheckedGoogle, ann: Client, bob: Client, host: Host) -> None:
    """Push guide: the same user and client."""
    google.share(ANN, BOB, "reader")
    channel = watch(ann).json()
    body = {"id": "channel-1", "resourceId": channel["resourceId"]}
    assert reason(bob.ask("POST", "/channels/stop", body)) == (403, "forbidden")
    assert reason(ann.ask("POST", "/channels/stop", {**body, "resourceId": "other"})) == (404, "notFound")
    assert ann.ask("POST", "/channels/stop", body).status_code == 204
    assert reason(ann.ask("POST", "/channels/stop", body)) == (404, "notFound")
    google.put_event(ANN, timed())
    google.outbox.deliver()
    assert host.states() == ["sync"]


def test_every_change_rings_one_s_own_too(google: CheckedGoogle, ann: Client, host: Host) -> None:
    watch(ann)
    ann.insert(timed("block1"))
    ann.event("PATCH", "block1", {"summary": "x"})
    ann.event("DELETE", "block1")
    ann.page()
    google.put_event(BOB, timed())
    google.outbox.deliver()
    assert host.states() == ["sync", "exists", "exists", "exists"]


def test_a_channel_may_be_about_some_types_only(google: CheckedGoogle, ann: Client, host: Host) -> None:
    """Discovery document: ``events.watch`` takes ``eventTypes``."""
    body = {"id": "channel-1", "type": "web_hook", "address": ADDRESS}
    ann.ask("POST", "/calendars/primary/events/watch", body, eventTypes="focusTime")
    google.put_event(ANN, timed())
    google.put_event(ANN, timed(eventType="focusTime"))
    google.outbox.deliver()
    assert host.states() == ["sync", "exists"]
    assert "X-Goog-Channel-Token" not in host.heard[0].headers


@pytest.mark.parametrize(
    ("status", "again"), [(200, 0), (204, 0), (500, 1), (502, 1), (503, 1), (504, 1), (404, 0), (401, 0), (0, 0)]
)
def test_some_failures_are_repeated(google: CheckedGoogle, ann: Client, host: Host, status: int, again: int) -> None:
    """Push guide: 500, 502, 503 and 504 are retried; any other is a failure for good."""
    host.status = status
    watch(ann)
    google.outbox.deliver()
    assert len(google.outbox) == again


def test_pushes_get_lost_doubled_and_late(google: CheckedGoogle, ann: Client, host: Host) -> None:
    """Reported quotation of the guide: notifications are not 100 % reliable."""
    watch(ann)
    assert google.outbox.lose() == 1
    for _ in range(4):
        google.put_event(ANN, timed())
    google.outbox.double()
    google.outbox.shuffle(random.Random(1))
    google.outbox.deliver()
    numbers = [int(one.headers["X-Goog-Message-Number"]) for one in host.heard]
    assert len(numbers) == 8
    assert numbers != sorted(numbers)


def test_a_channel_may_die_silently(google: CheckedGoogle, ann: Client, host: Host) -> None:
    watch(ann)
    google.silence("channel-1")
    google.put_event(ANN, timed())
    google.outbox.deliver()
    assert host.states() == ["sync"]


def test_who_sees_the_calendar_no_longer_hears_nothing(google: CheckedGoogle, bob: Client, host: Host) -> None:
    google.share(ANN, BOB, "reader")
    watch(bob, "channel-1", ANN)
    google.share(ANN, BOB, "none")
    google.put_event(ANN, timed())
    google.outbox.deliver()
    assert host.states() == ["sync"]


def test_a_list_of_calendars_rings_when_it_changes(google: CheckedGoogle, ann: Client, host: Host) -> None:
    body = {"id": "channel-1", "type": "web_hook", "address": ADDRESS}
    ann.ask("POST", "/users/me/calendarList/watch", body)
    google.add_calendar(ANN, "Family")
    google.add_calendar(BOB, "Other")
    google.outbox.deliver()
    assert host.states() == ["sync", "exists"]


def test_a_real_post_has_no_body(google: CheckedGoogle, ann: Client) -> None:
    """Over real HTTP, to a server of ours."""
    with Endpoint() as endpoint:
        watch(ann, address=f"{endpoint.origin}/push")
        assert google.outbox.deliver() == [202]
        assert endpoint.log[0].request.headers["x-goog-resource-state"] == "sync"
