"""A Microsoft account: its scratch calendars, and the hands of their user."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from calsync_core.models import Calendar, Event, Moment
from calsync_core.protocols import TokenSource
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.providers.microsoft.adapter import GRAPH
from calsync_core.providers.microsoft.batch import Call, build_batch
from calsync_core.providers.microsoft.names import NAME_PROPERTY, TAG_PROPERTY
from calsync_core.providers.microsoft.service import PREFERENCES
from calsync_core.testing.provider_kit import START
from graph_hands import to_json
from live.findings import Unanswered
from live.service import LiveHands, LiveService
from live.wire import Wire, need

__all__ = ["GraphHands", "GraphService", "code", "zulu"]

Json = dict[str, Any]

_READ_ONLY = frozenset({"iCalUId", "isCancelled", "responseStatus"})
_COPIED = ("subject", "start", "end", "isAllDay", "showAs", "sensitivity", "isReminderOn")
_ALWAYS_THERE = frozenset({"organizer", "isOrganizer", "responseStatus", "hideAttendees"})
_FIRST, _LAST = START - timedelta(days=500), START + timedelta(days=400)
"""All that tests write is in here."""


class GraphService(LiveService):
    """One Microsoft account."""

    name = "microsoft"

    def make_provider(self) -> MicrosoftProvider:
        """As hosts use it."""
        return MicrosoftProvider()

    def open_wire(self, tokens: TokenSource) -> Wire:
        """Below the API's version, with the preferences that every request of the adapter has."""
        return Wire((self.setup.base_url or GRAPH).rstrip("/") + "/", tokens, self.clock, headers=PREFERENCES)

    def ask(
        self, method: str, *segments: str, json: Any = None, if_match: str | None = None, **query: str
    ) -> httpx.Response:
        """A request below the mailbox. The query's names have ``_`` for ``$``; its spaces go out as ``%20``."""
        named = {name.replace("_", "$"): value for name, value in query.items()}
        path = "/".join(["me", *(quote(segment, safe="") for segment in segments)])
        asked = f"?{urlencode(named, quote_via=quote, safe='$')}" if named else ""
        return self.wire.ask(method, f"{path}{asked}", json=json, headers={"If-Match": if_match} if if_match else None)

    def entries(self, answer: httpx.Response) -> Iterator[Json]:
        """A listing's entries, its further pages included. Raises Unanswered."""
        for _ in range(100):
            page = need(answer).json()
            yield from page["value"]
            if "@odata.nextLink" not in page:
                return
            answer = self.wire.ask("GET", page["@odata.nextLink"])
        raise Unanswered("the listing has no end")

    def list_calendars(self) -> Iterable[tuple[str, str]]:
        """Those of the mailbox."""
        answer = self.ask("GET", "calendars", _select="id,name", _top="100")
        return [(one["id"], one.get("name") or "") for one in self.entries(answer)]

    def make_calendar(self, name: str) -> str:
        """``POST /me/calendars``."""
        return str(need(self.ask("POST", "calendars", json={"name": name})).json()["id"])

    def drop_calendar(self, calendar_id: str) -> None:
        """``DELETE /me/calendars/{id}``."""
        need(self.ask("DELETE", "calendars", calendar_id), 204, 404, 410)

    def hands(self, calendar: Calendar) -> GraphHands:
        """The user's."""
        return GraphHands(self, calendar)


class GraphHands(LiveHands):
    """The user of one calendar; a ``RemoteHands`` and ``BlockHands``."""

    service: GraphService

    def __init__(self, service: GraphService, calendar: Calendar) -> None:
        super().__init__(service, calendar)
        self._keys: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._link: str | None = None

    def put(self, *events: Event) -> str:
        """The UID is Graph's; what the test calls the event is remembered."""
        first, *exceptions = events
        body = {name: value for name, value in to_json(first).items() if name not in _READ_ONLY and value is not None}
        name = first.uid or ""
        known = self._keys.get(name)
        saved = self.event("PATCH", known, json=body) if known else self.ask("POST", json=body)
        event = need(saved).json()
        self.uids[event["iCalUId"]] = name
        key = self._keys[name] = str(event["id"])
        for exception in exceptions:
            self._except(key, exception)
        self.note_written(key, None)
        return key

    def remove(self, key: str) -> None:
        """To the deleted items."""
        need(self.event("DELETE", key))
        self.note_deleted(key)

    def list_raw(self) -> Mapping[str, str]:
        """Without what stands in every event, and where nothing is said, that."""
        self.settle()
        raw = {one["id"]: one for one in self.service.entries(self.ask("GET", _top="100"))}
        return {key: json.dumps(_saying(event), sort_keys=True, ensure_ascii=False) for key, event in raw.items()}

    def copy_block(self, key: str) -> str:
        """With the extended properties."""
        names = " or ".join(f"id eq '{name}'" for name in (NAME_PROPERTY, TAG_PROPERTY))
        whole = need(self.event("GET", key, _expand=f"singleValueExtendedProperties($filter={names})")).json()
        body = {name: whole[name] for name in _COPIED}
        properties = [{"id": one["id"], "value": one["value"]} for one in whole["singleValueExtendedProperties"]]
        made = need(self.ask("POST", json={**body, "singleValueExtendedProperties": properties})).json()
        self.note_written(made["id"], None)
        return str(made["id"])

    def strip_tag(self, key: str) -> None:
        """Overwrite it: that Graph lets a property be removed is not said."""
        void = [{"id": TAG_PROPERTY, "value": "void"}]
        need(self.event("PATCH", key, json={"singleValueExtendedProperties": void}))
        self.note_written(key, None)

    def invite(self, key: str, address: str) -> None:  # noqa: ARG002  (the hands' signature)
        """Not here."""
        pytest.skip("Graph would write to the person")

    def outdate(self, key: str) -> None:
        """It must come up in the feed again."""
        self._shown.pop(key, None)

    def listed(self) -> Mapping[str, str]:
        """By a delta feed of its own. Exchange changes tags by itself, so that they are no sign of anything."""
        answer = self.service.wire.ask("GET", self._link) if self._link else self.first_round(_FIRST, _LAST)
        while True:
            page = need(answer).json()
            for entry in page["value"]:
                if "@removed" in entry:
                    self._shown.pop(entry["id"], None)
                else:
                    self._shown[entry.get("seriesMasterId") or entry["id"]] = ""
            if "@odata.deltaLink" in page:
                self._link = page["@odata.deltaLink"]
                return {key: self._pending.get(key) or "" for key in self._shown}
            answer = self.service.wire.ask("GET", page["@odata.nextLink"])

    def first_round(self, start: datetime, end: datetime, **more: str) -> httpx.Response:
        """The first page of a new delta round."""
        path = ("calendars", self.id, "calendarView", "delta")
        return self.service.ask("GET", *path, startDateTime=zulu(start), endDateTime=zulu(end), **more)

    def clear(self) -> None:
        """In batches."""
        keys = [one["id"] for one in self.service.entries(self.ask("GET", _select="id", _top="100"))]
        for start in range(0, len(keys), 20):
            calls = [Call("DELETE", f"/me/events/{quote(key, safe='')}") for key in keys[start : start + 20]]
            headers = {"Content-Type": "application/json"}
            need(self.service.wire.ask("POST", "$batch", content=build_batch(calls, PREFERENCES), headers=headers))
        self.forget()
        for key in keys:
            self.note_deleted(key)
        self.settle()

    def ask(
        self, method: str, *segments: str, json: Any = None, if_match: str | None = None, **query: str
    ) -> httpx.Response:
        """A request about the calendar's events."""
        return self.service.ask(
            method, "calendars", self.id, "events", *segments, json=json, if_match=if_match, **query
        )

    def event(
        self, method: str, key: str, *, json: Any = None, if_match: str | None = None, **query: str
    ) -> httpx.Response:
        """A request about one event."""
        return self.service.ask(method, "events", key, json=json, if_match=if_match, **query)

    def instances(self, key: str, start: datetime = _FIRST, end: datetime = _LAST) -> list[Json]:
        """A series' occurrences and exceptions in a window."""
        window = {"startDateTime": zulu(start), "endDateTime": zulu(end)}
        return list(self.service.entries(self.ask("GET", key, "instances", _top="200", **window)))

    def _except(self, key: str, exception: Event) -> None:
        assert exception.original_start is not None
        wanted = _instant(exception.original_start)
        occurrence = next(one["id"] for one in self.instances(key) if _original(one) == wanted)
        if exception.cancelled:
            need(self.event("DELETE", occurrence))
        else:
            times = {name: value for name, value in to_json_times(exception).items() if value is not None}
            need(self.event("PATCH", occurrence, json=times))


def to_json_times(exception: Event) -> Json:
    """What is changed on an occurrence."""
    whole = to_json(Event(exception.id, exception.uid, exception.span, title=exception.title))
    return {name: whole[name] for name in ("subject", "start", "end", "isAllDay")}


def code(answer: httpx.Response) -> str:
    """An error's most specific code, empty if there is none."""
    if answer.is_success:
        return ""
    try:
        error = answer.json()["error"]
        inner = error.get("innerError") or error.get("innererror") or {}
        return str(inner.get("code") or error["code"])[:60]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def zulu(at: datetime) -> str:
    """As query parameters want an instant."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(moment: Moment) -> datetime:
    at = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return at.astimezone(UTC)


def _original(occurrence: Json) -> datetime:
    text = str(occurrence.get("originalStart") or occurrence["start"]["dateTime"])
    at = datetime.fromisoformat(text.rstrip("Z")[:26])
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _saying(event: Json) -> Json:
    """Without places without a name, and lists without a member."""
    nowhere = {name for name in ("location", "locations", "attendees") if not _names_something(event.get(name))}
    return {name: value for name, value in event.items() if name not in _ALWAYS_THERE | nowhere}


def _names_something(value: object) -> bool:
    return bool(value.get("displayName")) if isinstance(value, dict) else bool(value)
