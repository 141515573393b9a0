"""What Graph's subscriptions do, where the environment names an address that shakes hands."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx

from live.findings import Probe, Seen, Unanswered, fact
from live.microsoft.service import code, zulu
from live.microsoft.world import GraphWorld
from live.wire import need

__all__ = ["PROBES"]

_LONGEST_MINUTES = 10_080


@fact("M-SUBSCRIBE-CALENDAR", "the events of one calendar can be subscribed to")
def one_calendar(world: GraphWorld) -> Seen:
    answer = _subscribe(world, 60)
    _end(world, answer)
    return answer.status_code == 201, f"{answer.status_code} {code(answer)}".strip()


@fact("M-SUBSCRIBE-LONGEST", "a subscription lives for 10,080 minutes at the most")
def longest(world: GraphWorld) -> Seen:
    told: list[int] = []
    for minutes in (_LONGEST_MINUTES - 5, _LONGEST_MINUTES + 60):
        answer = _subscribe(world, minutes)
        _end(world, answer)
        told.append(answer.status_code)
    return told[0] == 201 and told[1] >= 400, f"{_LONGEST_MINUTES - 5}: {told[0]}; {_LONGEST_MINUTES + 60}: {told[1]}"


@fact("M-SUBSCRIBE-SHORTEST", "a subscription of 10 minutes is raised to 45")
def shortest(world: GraphWorld) -> Seen:
    answer = need(_subscribe(world, 10))
    _end(world, answer)
    ends = datetime.fromisoformat(answer.json()["expirationDateTime"].rstrip("Z")[:26] + "+00:00")
    minutes = (ends - world.graph.clock.now()) / timedelta(minutes=1)
    return 40 < minutes < 50, f"{minutes:.0f} minutes"


@fact("M-SUBSCRIBE-TWICE", "a second subscription to the same events is refused with 409")
def twice(world: GraphWorld) -> Seen:
    first = need(_subscribe(world, 60))
    second = _subscribe(world, 60)
    for answer in (first, second):
        _end(world, answer)
    return second.status_code == 409, f"{second.status_code} {code(second)}".strip()


def _subscribe(world: GraphWorld, minutes: int) -> httpx.Response:
    address = world.graph.setup.webhook
    if address is None:
        raise Unanswered("no CALSYNC_LIVE_MICROSOFT_WEBHOOK")
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": address,
        "resource": f"/me/calendars/{world.hands.id}/events",
        "expirationDateTime": zulu(world.graph.clock.now() + timedelta(minutes=minutes)),
        "clientState": "probe",
    }
    return world.graph.wire.ask("POST", "subscriptions", json=body)


def _end(world: GraphWorld, answer: httpx.Response) -> None:
    if answer.is_success:
        world.graph.wire.ask("DELETE", f"subscriptions/{answer.json()['id']}")


PROBES: tuple[Probe[GraphWorld], ...] = (one_calendar, longest, shortest, twice)
