"""The user's hands on a simulated Outlook calendar, and shorthands that several Microsoft test modules share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from calsync_core.errors import InvalidValue
from calsync_core.models import Account, BearerToken, Calendar, Event, Moment, Response
from calsync_core.protocols import PushRequest, RequestMeter, Session
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import START
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.graph import GraphSimulator, Habits
from calsync_core.testing.simulators.pushes import Delivery

ANA, BO = "ana@contoso.example", "bo@contoso.example"

Json = dict[str, Any]

_DAYS = {"MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday"}
_RESPONSES = {
    Response.NONE: "organizer",
    Response.ACCEPTED: "accepted",
    Response.TENTATIVE: "tentativelyAccepted",
    Response.NEEDS_ACTION: "notResponded",
    Response.DECLINED: "declined",
}


def graph_of(habits: Habits | None = None, *, zone: str = "UTC", start: datetime = START) -> GraphSimulator:
    """Ana's and Bo's mailboxes."""
    graph = GraphSimulator(clock=VirtualClock(start), habits=habits)
    graph.add_user(ANA, zone=zone)
    graph.add_user(BO, zone=zone)
    return graph


def clock_of(graph: GraphSimulator) -> VirtualClock:
    """The simulator's clock, which time can be made to pass on."""
    clock = graph._state.clock
    assert isinstance(clock, VirtualClock)
    return clock


def session_of(graph: GraphSimulator, token: BearerToken | str | None = None, user: str = ANA) -> Session:
    """A session of this user, on the simulator's clock."""
    credential = graph.token(user, lifetime=10**9) if token is None else token
    bearer = credential if isinstance(credential, BearerToken) else BearerToken(credential)
    account = Account("ana", "microsoft", "ana-microsoft", base_url=graph.base_url)
    return Session(account, StaticTokens(bearer), RequestMeter(), clock_of(graph))


def calendar_of(graph: GraphSimulator, name: str = "Work", calendar_id: int = 1) -> Calendar:
    """A new, empty calendar of Ana's."""
    return Calendar(1, "ana", graph.add_calendar(ANA, name), name, id=calendar_id)


def bench_of(graph: GraphSimulator | None = None, **habits: Any) -> Bench:
    """Ana's new calendar Work, in this process, with nothing in it."""
    service = graph or graph_of(Habits(**habits))
    calendar = calendar_of(service)
    provider = MicrosoftProvider(transport=service.transport())
    return Bench(provider, session_of(service), calendar, Hands(service, calendar.remote_id))


def simulator_of(bench: Bench) -> GraphSimulator:
    """The simulator under a bench."""
    assert isinstance(bench.hands, Hands)
    return bench.hands.graph


class Endpoint:
    """The host's addresses for pushes, with nothing behind them but the handshake: ``PushHands`` and ``EchoHands``.

    Attributes:
        shaken: The addresses that were shaken hands with.
    """

    url = "https://host.example.com/webhooks/microsoft"

    def __init__(self, graph: GraphSimulator) -> None:
        self.graph = graph
        self.shaken: list[str] = []
        self._asked: list[tuple[PushRequest, str]] = []
        self._came: list[PushRequest] = []
        graph.outbox.send = self._receive
        graph.knock = self._echo

    def arrived(self) -> Sequence[PushRequest]:
        self.graph.outbox.deliver()
        came, self._came = self._came, []
        return came

    def double(self) -> None:
        self.graph.outbox.double()

    def handshakes(self) -> Sequence[tuple[PushRequest, str]]:
        asked, self._asked = self._asked, []
        return asked

    def subscriptions(self) -> Mapping[str, datetime]:
        return {one["id"]: datetime.fromisoformat(one["expirationDateTime"]) for one in self.graph.subscriptions}

    def _receive(self, delivery: Delivery) -> int:
        assert delivery.url.startswith(self.url)
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        self._came.append(PushRequest(headers, {}, delivery.body))
        return 202

    def _echo(self, url: str, token: str, _seconds: float) -> tuple[int, str, str]:
        self.shaken.append(url)
        self._asked.append(
            (PushRequest({"content-type": "text/plain; charset=utf-8"}, {"validationToken": token}), token)
        )
        return 200, "text/plain", token


class Hands:
    """The user of one calendar, in Outlook."""

    def __init__(self, graph: GraphSimulator, calendar_id: str) -> None:
        self.graph = graph
        self.id = calendar_id

    def put(self, *events: Event) -> str:
        first, *exceptions = events
        body = to_json(first)
        known = next((one["id"] for one in self.graph.events(self.id) if one["iCalUId"] == first.uid), None)
        if known is None:
            key = self.graph.put_event(self.id, body)
        else:
            key = known
            self.graph.patch_event(key, body)
        for event in exceptions:
            assert event.original_start is not None
            if event.cancelled:
                self.graph.cancel_occurrence(key, event.original_start)
            else:
                changed = {**_content(event), **_times(event)}
                self.graph.patch_event(self.graph.occurrence(key, event.original_start), changed)
        return key

    def remove(self, key: str) -> None:
        self.graph.remove_event(key)

    def list_raw(self) -> Mapping[str, str]:
        # Whose calendar it is stands in every event, and where nothing is said, that stands there too.
        own = {"organizer", "isOrganizer", "responseStatus", "hideAttendees"}
        empty = {"location", "locations", "attendees"}
        shown = {
            one["id"]: {
                name: said for name, said in one.items() if name not in own and (name not in empty or _says(said))
            }
            for one in self._events()
        }
        return {key: json.dumps(event, sort_keys=True, ensure_ascii=False) for key, event in shown.items()}

    def copy_block(self, key: str) -> str:
        return self.graph.copy_event(key)

    def strip_tag(self, key: str) -> None:
        whole = next(one for one in self._events() if one["id"] == key)
        none = [{"id": one["id"], "value": None} for one in whole["singleValueExtendedProperties"]]
        self.graph.patch_event(key, {"singleValueExtendedProperties": none})

    def invite(self, key: str, address: str) -> None:
        self.graph.patch_event(key, {"attendees": [{"emailAddress": {"address": address}}]})

    def put_unreadable(self) -> str:
        key = self.graph.put_event(self.id, timed_json(START, START, "Bad"))
        self.graph.corrupt(key, {"start": {"dateTime": "2026-13-45T09:00:00.0000000", "timeZone": "UTC"}})
        return key

    def _events(self) -> list[Json]:
        return self.graph.events(self.id)


def timed_json(start: datetime, end: datetime, subject: str = "Planning", **more: Any) -> Json:
    """The body of a timed event, in UTC."""
    return {"subject": subject, "start": moment_json(start), "end": moment_json(end), **more}


def to_json(event: Event) -> Json:
    """A single event or master as Outlook stores it. Raises InvalidValue for what it has no way to store."""
    if event.series is not None:
        raise InvalidValue("event: an exception is made by changing an occurrence")
    series = recurrence_json(event) if event.recurrence else None
    return {"iCalUId": event.uid, **_content(event), **_times(event), "recurrence": series}


def recurrence_json(event: Event) -> Json:
    """A rule as far as tests make one: daily or weekly, with COUNT or without."""
    (line,) = event.recurrence
    parts = dict(part.split("=") for part in line.removeprefix("RRULE:").split(";"))
    first = event.span.start if not isinstance(event.span.start, datetime) else event.span.start.date()
    pattern: Json = {"type": parts["FREQ"].lower(), "interval": int(parts.get("INTERVAL", "1"))}
    if parts["FREQ"] == "WEEKLY":
        days = parts["BYDAY"].split(",") if "BYDAY" in parts else [list(_ALL_DAYS)[first.weekday()]]
        pattern |= {"daysOfWeek": [_ALL_DAYS[day] for day in days], "firstDayOfWeek": "monday"}
    extent: Json = {"type": "noEnd", "startDate": first.isoformat()}
    if "COUNT" in parts:
        extent |= {"type": "numbered", "numberOfOccurrences": int(parts["COUNT"])}
    return {"pattern": pattern, "range": extent}


_ALL_DAYS = {**_DAYS, "SA": "saturday", "SU": "sunday"}


def moment_json(moment: Moment) -> Json:
    """A date as a midnight; a time by the wall clock of its zone."""
    if not isinstance(moment, datetime):
        return {"dateTime": f"{moment.isoformat()}T00:00:00", "timeZone": "UTC"}
    if isinstance(moment.tzinfo, ZoneInfo):
        return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S.%f}", "timeZone": moment.tzinfo.key}
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}", "timeZone": "UTC"}


def _content(event: Event) -> Json:
    return {
        "subject": event.title,
        "showAs": str(event.availability),
        "sensitivity": "private" if event.private else "normal",
        "isCancelled": event.cancelled,
        "responseStatus": {"response": _RESPONSES[event.response]},
    }


def _times(event: Event) -> Json:
    return {
        "isAllDay": event.span.all_day,
        "start": moment_json(event.span.start),
        "end": moment_json(event.span.end),
    }


def _says(value: object) -> bool:
    return bool(value) and not (isinstance(value, dict) and not value.get("displayName", True))
