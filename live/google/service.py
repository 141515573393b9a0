"""A Google account: its scratch calendars, and the hands of their user."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from calsync_core.models import Calendar, Event, slot_of
from calsync_core.protocols import TokenSource
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.google.adapter import GOOGLE
from calsync_core.providers.google.batch import Call, build_batch
from google_hands import exception_json, to_json
from live.service import LiveHands, LiveService
from live.wire import Wire, need

__all__ = ["GoogleHands", "GoogleService", "reason"]

_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_COPIED = ("summary", "status", "start", "end", "transparency", "visibility", "reminders", "extendedProperties")


class GoogleService(LiveService):
    """One Google account."""

    name = "google"

    def make_provider(self) -> GoogleProvider:
        """As hosts use it."""
        return GoogleProvider()

    def open_wire(self, tokens: TokenSource) -> Wire:
        """Below the API's root."""
        base = (self.setup.base_url or GOOGLE).rstrip("/") + "/"
        return Wire(base, tokens, self.clock, is_limit=lambda answer: reason(answer) in _TOO_FAST)

    @property
    def batch_url(self) -> str:
        """Where batches go."""
        parts = urlsplit(self.wire.base)
        return f"{parts.scheme}://{parts.netloc}/batch{parts.path.rstrip('/')}"

    def path_of(self, calendar_id: str, *segments: str) -> str:
        """Below a calendar."""
        return "/".join(["calendars", quote(calendar_id, safe=""), *(quote(segment, safe="") for segment in segments)])

    def list_calendars(self) -> Iterable[tuple[str, str]]:
        """Those it owns."""
        found: list[tuple[str, str]] = []
        query = {"minAccessRole": "owner", "maxResults": "250", "fields": "nextPageToken,items(id,summary)"}
        while True:
            page = need(self.wire.ask("GET", "users/me/calendarList", params=query)).json()
            found += [(one["id"], one.get("summary", "")) for one in page.get("items", [])]
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def make_calendar(self, name: str) -> str:
        """``calendars.insert``."""
        return str(need(self.wire.ask("POST", "calendars", json={"summary": name, "timeZone": "UTC"})).json()["id"])

    def drop_calendar(self, calendar_id: str) -> None:
        """``calendars.delete``."""
        need(self.wire.ask("DELETE", self.path_of(calendar_id)), 200, 204, 404, 410)

    def hands(self, calendar: Calendar) -> GoogleHands:
        """The user's."""
        return GoogleHands(self, calendar)


class GoogleHands(LiveHands):
    """The user of one calendar; a ``RemoteHands`` and ``BlockHands``. Nobody is mailed."""

    service: GoogleService

    def __init__(self, service: GoogleService, calendar: Calendar) -> None:
        super().__init__(service, calendar)
        self._salt = secrets.token_hex(4)
        self._keys: dict[str, str] = {}

    def put(self, *events: Event) -> str:
        """Under a UID of its own: those of deleted events may stay taken, as their ids do."""
        first, *exceptions = events
        name = first.uid or ""
        uid = f"{self._salt}-{name}"
        self.uids[uid] = name
        body = {**_without_nulls(to_json(first)), "iCalUID": uid}
        known = self._keys.get(name)
        saved = self.ask("PUT", known, json=body) if known else self.ask("POST", json=body)
        event = need(saved).json()
        key = self._keys[name] = str(event["id"])
        self.note_written(key, event["etag"])
        for exception in exceptions:
            assert exception.original_start is not None
            instance = f"{key}_{slot_of(exception.original_start)}"
            changed = need(self.ask("PATCH", instance, json=exception_json(exception))).json()
            self.note_written(instance, changed["etag"])
        return key

    def remove(self, key: str) -> None:
        """``events.delete``."""
        need(self.ask("DELETE", key))
        self.note_deleted(key)

    def list_raw(self) -> Mapping[str, str]:
        """Without the two names that stand in every event and say nothing about other people."""
        self.settle()
        own = {"organizer", "creator"}
        shown = {one["id"]: {name: one[name] for name in one.keys() - own} for one in self.items("items")}
        return {
            key: json.dumps(event, sort_keys=True, ensure_ascii=False)
            for key, event in shown.items()
            if event.get("status") != "cancelled"
        }

    def copy_block(self, key: str) -> str:
        """As "Duplicate" does."""
        whole = need(self.ask("GET", key)).json()
        made = need(self.ask("POST", json={name: whole[name] for name in _COPIED if name in whole})).json()
        self.note_written(made["id"], made["etag"])
        return str(made["id"])

    def strip_tag(self, key: str) -> None:
        """Null every private property."""
        tags = need(self.ask("GET", key)).json().get("extendedProperties", {}).get("private", {})
        self._patch(key, {"extendedProperties": {"private": dict.fromkeys(tags)}})

    def invite(self, key: str, address: str) -> None:
        """Without a mail."""
        self._patch(key, {"attendees": [{"email": address}]})

    def listed(self) -> Mapping[str, str]:
        """Masters, exceptions and single events."""
        return {one["id"]: one["etag"] for one in self.items("items(id,etag)")}

    def clear(self) -> None:
        """In one batch."""
        found = self.items("items(id,status,recurringEventId)")
        keys = [one["id"] for one in found if one.get("status") != "cancelled" and "recurringEventId" not in one]
        root = urlsplit(self.service.wire.base).path
        if keys:
            path = f"{root}{self.service.path_of(self.id, 'events')}"
            kind, body = build_batch([Call("DELETE", f"{path}/{key}?sendUpdates=none") for key in keys])
            need(self.service.wire.ask("POST", self.service.batch_url, content=body, headers={"Content-Type": kind}))
        self.forget()
        for key in keys:
            self.note_deleted(key)
        self.settle()

    def items(self, fields: str) -> list[dict[str, Any]]:
        """The calendar's events, all pages."""
        query = {"maxResults": "2500", "fields": f"nextPageToken,{fields}"}
        found: list[dict[str, Any]] = []
        while True:
            page = need(self.ask("GET", params=query)).json()
            found += page.get("items", [])
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def ask(
        self, method: str, *segments: str, json: Any = None, params: Any = None, headers: Any = None
    ) -> httpx.Response:
        """A request about the calendar's events."""
        path = self.service.path_of(self.id, "events", *segments)
        quiet = [] if method == "GET" else [("sendUpdates", "none")]
        query = [*(params.items() if isinstance(params, dict) else params or ()), *quiet]
        return self.service.wire.ask(method, path, json=json, params=query, headers=headers)

    def _patch(self, key: str, changes: Mapping[str, Any]) -> None:
        self.note_written(key, need(self.ask("PATCH", key, json=changes)).json()["etag"])


def reason(answer: httpx.Response) -> str:
    """An error's reason, empty if there is none."""
    if answer.is_success:
        return ""
    try:
        return str(answer.json()["error"]["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        return ""


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(held) if isinstance(held, dict) else held
        for name, held in value.items()
        if held is not None
    }
