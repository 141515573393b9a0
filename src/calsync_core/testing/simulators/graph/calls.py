"""One request to Graph, understood: who asks, whose mailbox is meant, and how the answer shall look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from calsync_core.testing.simulators.graph.errors import GraphError, not_found
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.query import Preferences
from calsync_core.testing.simulators.graph.rendering import View
from calsync_core.testing.simulators.graph.state import Entry, Folder, Mailbox, Share, State
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["READ", "WRITE", "Call", "Login", "Place"]

READ = ("Calendars.Read", "Calendars.ReadWrite", "Calendars.ReadBasic")
WRITE = ("Calendars.ReadWrite",)


@frozen
class Login:
    """Who an access token stands for.

    Attributes:
        mailbox: The user; None: the app itself.
        scopes: Delegated scopes, or an app's roles.
    """

    app: str
    mailbox: Mailbox | None
    scopes: frozenset[str]


@frozen
class Place:
    """A calendar as the path names it, and what the login may do there."""

    folder: Folder
    share: Share | None = None

    @property
    def can_edit(self) -> bool:
        """Whether events may be written."""
        return self.share.can_edit if self.share else self.folder.can_edit


@frozen
class Call:
    """A request below ``/me`` or ``/users/{id}``.

    Attributes:
        path: The segments after the user, decoded.
        names: The same for matching: in lower case, without a function's parentheses.
        root: The absolute link that stands for the user.
    """

    request: Request
    state: State
    login: Login
    mailbox: Mailbox
    path: tuple[str, ...]
    root: str
    preferences: Preferences

    @property
    def names(self) -> tuple[str, ...]:
        """Graph's own words in a path have no case, ids do."""
        return tuple(part.removesuffix("()").lower() for part in self.path)

    @property
    def view(self) -> View:
        """How events are to be shown."""
        return View(self.state.habits, self.preferences.immutable, self.preferences.zone)

    def view_of(self, place: Place) -> View:
        """How this calendar's events are to be shown."""
        return evolve(self.view, private_items=place.share is None or place.share.private_items)

    def need(self, scopes: tuple[str, ...], place: Place | None = None) -> None:
        """Demand one of these scopes; for somebody else's calendar, its shared form. Raises GraphError."""
        shared = place is not None and place.share is not None and self.login.mailbox is not None
        wanted = {f"{scope}.Shared" for scope in scopes} if shared else {*scopes, *(f"{one}.Shared" for one in scopes)}
        if not wanted & self.login.scopes:
            raise denied()

    def place(self, calendar: str | None = None) -> Place:
        """A calendar of this mailbox by id, or the default one. Raises GraphError."""
        if calendar is None:
            return Place(self.mailbox.default)
        if calendar in self.mailbox.shares:
            share = self.mailbox.shares[calendar]
            return Place(share.folder, share)
        if calendar not in self.mailbox.folders:
            raise not_found()
        return Place(self.mailbox.folders[calendar])

    def entry(self, wanted: EventId, place: Place | None = None) -> Entry:
        """What an event id of this mailbox stands for, deleted items left out. Raises GraphError."""
        entry = self.state.entries.get(wanted.key)
        if entry is None or entry.folder is None:
            raise not_found()
        allowed = entry.folder is place.folder if place is not None else entry.mailbox is self.mailbox
        current = EventId.read(entry.event_id(immutable=False)).place
        if not allowed or wanted.place not in {None, current}:
            raise not_found()
        return entry

    def body(self) -> dict[str, Any]:
        """The JSON object of a write. Raises GraphError."""
        if "json" not in self.request.headers.get("content-type", "").lower():
            message = "A valid Content-Type is required for a request with a body."
            raise GraphError(415, "RequestBodyRead", message)
        try:
            body = self.request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
        return body

    def answer(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """JSON, with the preferences that were applied."""
        applied = {"Preference-Applied": self.preferences.applied} if self.preferences.applied else {}
        return Response.of(value, status, headers={**applied, **(headers or {})})


def denied() -> GraphError:
    """The login lacks a permission."""
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
