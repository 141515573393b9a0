"""What Google's channels do. Most of it needs an address that Google may push to."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import httpx

from live.findings import Probe, Seen, Unanswered, fact
from live.google.service import reason
from live.google.world import GoogleWorld, Json
from live.wire import need

__all__ = ["PROBES"]

_HOLIDAYS = "en.usa#holiday@group.v.calendar.google.com"


@fact("G-STOP-UNKNOWN", "stopping a channel that is not there is answered with 404")
def stop_unknown(world: GoogleWorld) -> Seen:
    answer = _stop(world, {"id": str(uuid.uuid4()), "resourceId": "void"})
    return answer.status_code == 404, f"{answer.status_code} {reason(answer)}"


@fact("G-STOP-STATUS", "channels.stop is answered with an empty 204")
def stop_status(world: GoogleWorld) -> Seen:
    answer = _stop(world, _opened(world))
    return answer.status_code == 204 and not answer.content, f"{answer.status_code}, {len(answer.content)} bytes"


@fact("G-CHANNEL-DEFAULT", "a channel without a wish lives for 7 days")
def default_life(world: GoogleWorld) -> Seen:
    days = _life(world, _opened(world))
    return abs(days - 7) < 0.1, f"{days:.2f} days"


@fact("G-CHANNEL-LONGEST", "a channel that is wished for 60 days lives for 7")
def longest_life(world: GoogleWorld) -> Seen:
    days = _life(world, _opened(world, params={"ttl": str(int(timedelta(days=60).total_seconds()))}))
    return abs(days - 7) < 0.1, f"{days:.2f} days"


@fact("G-CHANNEL-ID", "a channel id in use is refused with 400 channelIdNotUnique")
def same_id(world: GoogleWorld) -> Seen:
    channel = _opened(world)
    answer = _watch(world, world.hands.id, id=channel["id"])
    _stop(world, channel)
    return (answer.status_code, reason(answer)) == (400, "channelIdNotUnique"), f"{answer.status_code} {reason(answer)}"


@fact("G-PUSH-REFUSED", "a holiday calendar can't be watched: 400 pushNotSupportedForRequestedResource")
def unpushable(world: GoogleWorld) -> Seen:
    answer = _watch(world, _HOLIDAYS)
    if answer.is_success:
        _stop(world, answer.json())
    wanted = (400, "pushNotSupportedForRequestedResource")
    return (answer.status_code, reason(answer)) == wanted, f"{answer.status_code} {reason(answer)}"


def _watch(world: GoogleWorld, calendar_id: str, **more: object) -> httpx.Response:
    address = world.google.setup.webhook
    if address is None:
        raise Unanswered("no CALSYNC_LIVE_GOOGLE_WEBHOOK")
    body = {"id": str(uuid.uuid4()), "type": "web_hook", "address": address, "token": "probe", **more}
    return world.google.wire.ask("POST", world.google.path_of(calendar_id, "events", "watch"), json=body)


def _opened(world: GoogleWorld, **more: object) -> Json:
    channel: Json = need(_watch(world, world.hands.id, **more)).json()
    return channel


def _stop(world: GoogleWorld, channel: Json) -> httpx.Response:
    body = {name: channel[name] for name in ("id", "resourceId")}
    return world.google.wire.ask("POST", "channels/stop", json=body)


def _life(world: GoogleWorld, channel: Json) -> float:
    _stop(world, channel)
    ends = datetime.fromtimestamp(int(channel["expiration"]) / 1000, UTC)
    return (ends - world.google.clock.now()) / timedelta(days=1)


PROBES: tuple[Probe[GoogleWorld], ...] = (stop_unknown, stop_status, default_life, longest_life, same_id, unpushable)
