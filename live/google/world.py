"""What Google's probes work with."""

from __future__ import annotations

import secrets
from typing import Any

from attrs import field, frozen

from live.google.service import GoogleHands, GoogleService
from live.scratch import Scratch
from live.wire import need

__all__ = ["GoogleWorld", "Json", "new_id", "timed"]

Json = dict[str, Any]


@frozen
class GoogleWorld:
    """An account, and a scratch calendar that probes leave as they like."""

    google: GoogleService
    hands: GoogleHands
    scratch: Scratch
    _other: list[GoogleHands] = field(factory=list)

    def other(self) -> GoogleHands:
        """A second scratch calendar, made when it is first needed."""
        if not self._other:
            self._other.append(self.google.hands(self.scratch.new()))
        return self._other[0]

    def insert(self, day: str = "2026-03-02", **more: Any) -> Json:
        """A new event of one hour, at ten in UTC unless the rest says otherwise."""
        event: Json = need(self.hands.ask("POST", json={**timed(day), **more})).json()
        return event

    def listed(self, **query: str) -> tuple[list[Json], str | None]:
        """``events.list``, all pages; the items and the sync token."""
        found: list[Json] = []
        asked = {"maxResults": "2500", **query}
        while True:
            page = need(self.hands.ask("GET", params=asked)).json()
            found += page.get("items", [])
            if "nextPageToken" not in page:
                return found, page.get("nextSyncToken")
            asked["pageToken"] = page["nextPageToken"]

    def ids(self, **query: str) -> dict[str, str]:
        """Ids and states of what ``events.list`` shows."""
        return {one["id"]: one.get("status", "") for one in self.listed(**query)[0]}


def new_id() -> str:
    """An event id that nobody ever used."""
    return f"0{secrets.token_hex(10)}"


def timed(day: str = "2026-03-02", zone: str = "UTC") -> Json:
    """Times of one hour, by the wall clock of a zone."""
    return {
        "summary": "Probe",
        "start": {"dateTime": f"{day}T10:00:00", "timeZone": zone},
        "end": {"dateTime": f"{day}T11:00:00", "timeZone": zone},
    }
