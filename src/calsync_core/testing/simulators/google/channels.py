"""Watching: channels, their ``sync`` message, one ``exists`` per change, and their end."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import define

from calsync_core.testing.simulators.google.access import Call, reachable
from calsync_core.testing.simulators.google.errors import ApiError, bad, forbidden, missing
from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.state import Calendar, Entry, State
from calsync_core.testing.simulators.messages import Response
from calsync_core.testing.simulators.pushes import Delivery, Outbox

__all__ = ["Channel", "Channels", "sends_again"]

_ID = re.compile(r"[A-Za-z0-9\-_+/=]{1,64}")
_DEFAULT_LIFE = timedelta(days=7)
_LOCAL = {"127.0.0.1", "localhost", "::1"}


def sends_again(status: int | None) -> bool:
    """Whether Google repeats a notification that was answered so (push guide); none at all is taken as lost."""
    return status in {500, 502, 503, 504}


@define(eq=False)
class Channel:
    """A watch on one resource.

    Attributes:
        of: What is watched: a calendar's events, or a user's list.
        client: The OAuth client that may stop it, with ``user``.
        types: Only changes of events of these types; empty: of all.
        number: Of its last message.
    """

    id: str
    of: str
    resource_id: str
    resource_uri: str
    address: str
    token: str | None
    expires: datetime
    user: str
    client: str
    types: frozenset[str]
    number: int = 0


class Channels:
    """All channels of the project."""

    def __init__(self, state: State, habits: Habits, outbox: Outbox) -> None:
        self._state = state
        self._habits = habits
        self._outbox = outbox
        self._known: set[str] = set()
        self.live: dict[str, Channel] = {}
        state.listeners.append(self._changed)

    def watch_events(self, call: Call) -> Response:
        """``events.watch``."""
        calendar = reachable(self._state, call)
        if not calendar.pushes:
            message = "Push notifications are not supported by this resource."
            raise bad(message, "pushNotSupportedForRequestedResource")
        uri = f"/calendar/v3/calendars/{quote(calendar.id, safe='')}/events?alt=json"
        return self._open(call, f"events {calendar.id}", uri)

    def watch_list(self, call: Call) -> Response:
        """``calendarList.watch``."""
        return self._open(call, f"list {call.user}", "/calendar/v3/users/me/calendarList?alt=json")

    def stop(self, call: Call) -> Response:
        """``channels.stop``. That it answers 204, and 404 for one that is gone, was not verified.

        Raises:
            ApiError: 404; 403, somebody else opened it.
        """
        body = call.body()
        channel = self.live.get(str(body.get("id")))
        gone = channel is None or channel.expires <= self._state.clock.now()
        if channel is None or gone or channel.resource_id != body.get("resourceId"):
            message = f"Channel '{body.get('id')}' not found for project '1'"
            raise ApiError(404, "notFound", message)
        if (channel.user, channel.client) != (call.user, call.token.client):
            raise forbidden("forbidden", "Forbidden")
        del self.live[channel.id]
        return Response(204)

    def list_changed(self, user: str) -> None:
        """Tell who watches this user's list."""
        for channel in self._listening(f"list {user}"):
            self._send(channel, "exists")

    def _open(self, call: Call, of: str, uri: str) -> Response:
        body = call.body()
        channel = self._read(call, body, of, call.request.base + uri)
        self._known.add(channel.id)
        self.live[channel.id] = channel
        # "This message may arrive before the answer to the watch request" (push guide).
        self._send(channel, "sync")
        if self._habits.early_sync:
            self._outbox.deliver()
        answer = {
            "kind": "api#channel",
            "id": channel.id,
            "resourceId": channel.resource_id,
            "resourceUri": channel.resource_uri,
            "expiration": str(int(channel.expires.timestamp() * 1000)),
        }
        return Response.of(answer | ({"token": channel.token} if channel.token else {}))

    def _read(self, call: Call, body: dict[str, Any], of: str, uri: str) -> Channel:
        """Raises ApiError: 400."""
        for name in ("id", "type", "address"):
            if not body.get(name):
                raise missing(f"Missing {name}.")
        if body["type"] not in {"web_hook", "webhook"}:
            raise bad("Unknown channel type", "channelTypeUnknown")
        if not _ID.fullmatch(str(body["id"])):
            raise bad("Invalid channel id", "channelIdInvalid")
        if body["id"] in self._known:
            raise bad(f"Channel id {body['id']} not unique", "channelIdNotUnique")
        if len(body.get("token") or "") > 256:
            raise bad("The channel token must not be longer than 256 characters.")
        address = urlsplit(str(body["address"]))
        if address.scheme != "https" and address.hostname not in _LOCAL:
            raise bad(f"WebHook callback must be HTTPS: {body['address']}", "push.webhookUrlNotHttps")
        return Channel(
            id=body["id"],
            of=of,
            resource_id=hashlib.sha256(of.encode()).hexdigest()[:27],
            resource_uri=uri,
            address=body["address"],
            token=body.get("token"),
            expires=self._expiry(body),
            user=call.user,
            client=call.token.client,
            types=frozenset(call.args.all("eventTypes")),
        )

    def _expiry(self, body: dict[str, Any]) -> datetime:
        """The nearer one of what was asked for and the service's own limit."""
        now = self._state.clock.now()
        wanted = now + _DEFAULT_LIFE
        try:
            if body.get("expiration") is not None:
                wanted = datetime.fromtimestamp(int(body["expiration"]) / 1000, UTC)
            elif (body.get("params") or {}).get("ttl") is not None:
                wanted = now + timedelta(seconds=int(body["params"]["ttl"]))
        except (ValueError, TypeError, OverflowError):
            raise bad("Invalid expiration.") from None
        if wanted <= now:
            raise bad("Invalid expiration.")
        return min(wanted, now + self._habits.longest_watch)

    def _changed(self, calendar: Calendar, entry: Entry | None) -> None:
        for channel in self._listening(f"events {calendar.id}"):
            kind = entry.body["eventType"] if entry is not None else None
            sees = calendar.role(channel.user) != "none"
            if sees and (not channel.types or kind in channel.types):
                self._send(channel, "exists")

    def _listening(self, of: str) -> list[Channel]:
        now = self._state.clock.now()
        return [channel for channel in self.live.values() if channel.of == of and channel.expires > now]

    def _send(self, channel: Channel, what: str) -> None:
        # "1 for sync; it increases for each following message, but is not sequential" (push guide).
        channel.number += 1 if what == "sync" else 1 + self._state.change % 3
        headers = {
            "X-Goog-Channel-ID": channel.id,
            "X-Goog-Channel-Expiration": format_datetime(channel.expires, usegmt=True),
            "X-Goog-Resource-ID": channel.resource_id,
            "X-Goog-Resource-URI": channel.resource_uri,
            "X-Goog-Resource-State": what,
            "X-Goog-Message-Number": str(channel.number),
            "Content-Length": "0",
        }
        if channel.token:
            headers["X-Goog-Channel-Token"] = channel.token
        self._outbox.put(Delivery(channel.address, headers))
