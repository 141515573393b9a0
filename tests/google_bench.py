"""What the tests of the Google simulator share: a client that asks it, and events to write."""

from __future__ import annotations

from typing import Any

import httpx

from discovery import CheckedGoogle

__all__ = ["ANN", "BOB", "Client", "all_day", "reason", "timed"]

ANN, BOB = "ann@example.com", "bob@example.com"


def timed(event_id: str | None = None, start: str = "2026-03-02T10:00:00", **fields: Any) -> dict[str, Any]:
    """An event of one hour in Berlin, by its wall time; ends on the same day."""
    end = f"{start[:11]}{int(start[11:13]) + 1:02d}{start[13:]}"
    zone = {"timeZone": "Europe/Berlin"}
    event = {"summary": "Review", "start": {"dateTime": start, **zone}, "end": {"dateTime": end, **zone}, **fields}
    return event if event_id is None else {"id": event_id, **event}


def all_day(event_id: str, first: str, after: str, **fields: Any) -> dict[str, Any]:
    """An all-day event; ``after`` is the day after its last."""
    return {"id": event_id, "summary": "Leave", "start": {"date": first}, "end": {"date": after}, **fields}


def reason(response: httpx.Response) -> tuple[int, str]:
    """Status and reason of an error."""
    return response.status_code, response.json()["error"]["errors"][0]["reason"]


class Client:
    """Asks the simulator without a network, as one user."""

    def __init__(self, google: CheckedGoogle, user: str, *scopes: str) -> None:
        self.google = google
        headers = {"Authorization": f"Bearer {google.issue_token(user, scopes or ('calendar',))}"}
        self._http = httpx.Client(transport=google.transport(), base_url=google.base_url, headers=headers)

    def ask(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> httpx.Response:
        """One request; ``path`` below the API's root."""
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        return self._http.request(method, path, json=json, params=params, headers=headers)

    def event(
        self, method: str, event_id: str, json: Any = None, calendar: str = "primary", **more: Any
    ) -> httpx.Response:
        """One request about one event."""
        return self.ask(method, f"/calendars/{calendar}/events/{event_id}", json, **more)

    def insert(self, event: dict[str, Any], calendar: str = "primary", **more: Any) -> httpx.Response:
        """``events.insert``."""
        return self.ask("POST", f"/calendars/{calendar}/events", event, **more)

    def page(self, calendar: str = "primary", **query: Any) -> httpx.Response:
        """``events.list``, one page."""
        return self.ask("GET", f"/calendars/{calendar}/events", **query)

    def listed(self, calendar: str = "primary", **query: Any) -> tuple[list[dict[str, Any]], str | None]:
        """``events.list``, all pages: the items and the sync token."""
        items: list[dict[str, Any]] = []
        page = self.page(calendar, **query)
        assert page.status_code == 200, page.text
        while "nextPageToken" in page.json():
            assert "nextSyncToken" not in page.json()
            items += page.json()["items"]
            page = self.page(calendar, **query, pageToken=page.json()["nextPageToken"])
            assert page.status_code == 200, page.text
        return items + page.json()["items"], page.json().get("nextSyncToken")

    def ids(self, calendar: str = "primary", **query: Any) -> list[str]:
        """The ids that ``listed`` finds, sorted."""
        return sorted(one["id"] for one in self.listed(calendar, **query)[0])
