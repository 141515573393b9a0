"""The user's hands on a simulated Google Calendar, and shorthands that several Google test modules share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from calsync_core.errors import InvalidValue
from calsync_core.models import Account, Availability, BearerToken, Calendar, Event, Moment, slot_of
from calsync_core.protocols import PushRequest, RequestMeter, Session
from calsync_core.providers.google import GoogleProvider
from calsync_core.system import StaticTokens
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.pushes import Delivery

ANA, BOB = "ana@example.com", "bob@example.com"


def session_of(google: GoogleSimulator, token: BearerToken | str | None = None, user: str = ANA) -> Session:
    """A session of this user, on the simulator's clock."""
    credential = google.issue_token(user) if token is None else token
    bearer = credential if isinstance(credential, BearerToken) else BearerToken(credential)
    assert isinstance(google.clock, VirtualClock)
    account = Account("ana", "google", "ana-google", base_url=google.base_url)
    return Session(account, StaticTokens(bearer), RequestMeter(), google.clock)


def calendar_of(google: GoogleSimulator, summary: str = "Work", timezone: str = "UTC") -> Calendar:
    """A new, empty calendar of Ana's."""
    return Calendar(1, "ana", google.add_calendar(ANA, summary, timezone=timezone), summary, timezone=timezone, id=1)


def bench_of(google: GoogleSimulator | None = None, timezone: str = "UTC") -> Bench:
    """Ana's new calendar Work, in this process, with nothing in it."""
    service = google or GoogleSimulator(VirtualClock())
    service.add_user(ANA, timezone=timezone)
    calendar = calendar_of(service, timezone=timezone)
    provider = GoogleProvider(transport=service.transport())
    return Bench(provider, session_of(service), calendar, Hands(service, calendar))


def google_of(bench: Bench) -> GoogleSimulator:
    """The simulator under a bench."""
    assert isinstance(bench.hands, Hands)
    return bench.hands.google


class Endpoint:
    """The host's address for pushes, with nothing behind it: a ``PushHands``."""

    url = "https://host.example.com/webhooks/google"

    def __init__(self, google: GoogleSimulator) -> None:
        self.google = google
        self._came: list[PushRequest] = []
        google.outbox.send = self._receive

    def arrived(self) -> Sequence[PushRequest]:
        self.google.outbox.deliver()
        came, self._came = self._came, []
        return came

    def double(self) -> None:
        self.google.outbox.double()

    def subscriptions(self) -> Mapping[str, datetime]:
        return {channel.id: channel.expires for channel in self.google.channels}

    def _receive(self, delivery: Delivery) -> int:
        assert delivery.url == self.url
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        self._came.append(PushRequest(headers, {}, delivery.body))
        return 202


class Hands:
    """The user of one calendar, in the web app."""

    def __init__(self, google: GoogleSimulator, calendar: Calendar) -> None:
        self.google = google
        self.id = calendar.remote_id

    def put(self, *events: Event) -> str:
        first, *exceptions = events
        known = next((one["id"] for one in self.google.events(self.id) if one["iCalUID"] == first.uid), None)
        key = self.google.put_event(self.id, {**to_json(first), **({"id": known} if known else {})})
        for event in exceptions:
            assert event.original_start is not None
            self.google.patch_event(self.id, f"{key}_{slot_of(event.original_start)}", exception_json(event))
        return key

    def remove(self, key: str) -> None:
        self.google.remove_event(self.id, key)

    def list_raw(self) -> Mapping[str, str]:
        # Who created it and whose calendar it is in stands in every event; it says nothing about other people.
        own = {"organizer", "creator"}
        shown = {one["id"]: {name: one[name] for name in one.keys() - own} for one in self.google.events(self.id)}
        return {key: json.dumps(event, sort_keys=True, ensure_ascii=False) for key, event in shown.items()}

    def copy_block(self, key: str) -> str:
        whole = self.google.event(self.id, key)
        return self.google.put_event(self.id, {name: whole[name] for name in whole.keys() - {"id", "iCalUID"}})

    def strip_tag(self, key: str) -> None:
        self.google.patch_event(self.id, key, {"extendedProperties": None})

    def invite(self, key: str, address: str) -> None:
        self.google.patch_event(self.id, key, {"attendees": [{"email": address}]})

    def put_unreadable(self) -> str:
        times = {"start": {"date": "2026-03-03"}, "end": {"date": "2026-03-04"}}
        key = self.google.put_event(self.id, {"summary": "Bad", **times})
        self.google.corrupt(self.id, key, start={"dateTime": "2026-13-45T09:00:00Z"})
        return key


def to_json(event: Event) -> dict[str, Any]:
    """A single event or master as the app stores it. Raises InvalidValue for what it has no way to store."""
    if event.series is not None:
        raise InvalidValue("event: an exception is made by changing an instance")
    return {
        "iCalUID": event.uid,
        **_content(event),
        "recurrence": list(event.recurrence),
        "start": _time(event.span.start),
        "end": _time(event.span.end),
    }


def exception_json(event: Event) -> dict[str, Any]:
    """What is changed on an instance to make it this exception."""
    if event.cancelled:
        return {"status": "cancelled"}
    return {**_content(event), "start": _time(event.span.start), "end": _time(event.span.end)}


def _content(event: Event) -> dict[str, Any]:
    status = {Availability.TENTATIVE: "tentative"}.get(event.availability, "confirmed")
    return {
        "summary": event.title,
        "status": "cancelled" if event.cancelled else status,
        "transparency": "transparent" if event.availability is Availability.FREE else "opaque",
        "visibility": "private" if event.private else "default",
    }


def _time(moment: Moment) -> dict[str, str | None]:
    if not isinstance(moment, datetime):
        return {"date": moment.isoformat(), "dateTime": None, "timeZone": None}
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC"
    at = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"dateTime": at, "timeZone": zone, "date": None}
