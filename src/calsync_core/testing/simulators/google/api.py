"""``events``: the methods about one event."""

from __future__ import annotations

from collections.abc import Mapping

from calsync_core.testing.simulators.google.access import Call, reachable, require_writer, writable
from calsync_core.testing.simulators.google.composing import Hand
from calsync_core.testing.simulators.google.errors import condition_not_met, forbidden, missing, not_found
from calsync_core.testing.simulators.google.instances import resolve
from calsync_core.testing.simulators.google.listing import EventLists
from calsync_core.testing.simulators.google.state import ROLES, Calendar, Entry, State
from calsync_core.testing.simulators.google.writing import Writer
from calsync_core.testing.simulators.messages import Response

__all__ = ["EventMethods"]


class EventMethods:
    """Reads one event, and writes."""

    def __init__(self, state: State, writer: Writer, lists: EventLists) -> None:
        self._state = state
        self._writer = writer
        self._lists = lists

    def get(self, call: Call) -> Response:
        """``events.get``: deleted ones too, with what is left of them."""
        calendar = reachable(self._state, call)
        entry = self._entry(call, calendar)
        if call.request.headers.get("if-none-match") in {entry.body["etag"], "*"}:
            return Response(304, {"ETag": entry.body["etag"]}, note="not-modified")
        return self._answer(call, calendar, entry)

    def insert(self, call: Call) -> Response:
        """``events.insert``."""
        calendar = writable(self._state, call)
        return self._answer(call, calendar, self._writer.insert(calendar, call.body(), _hand(call)))

    def bring_in(self, call: Call) -> Response:
        """``events.import``."""
        calendar = writable(self._state, call)
        return self._answer(call, calendar, self._writer.bring_in(calendar, call.body(), _hand(call)))

    def update(self, call: Call) -> Response:
        """``events.update``: replaces everything."""
        calendar = writable(self._state, call)
        entry = self._target(call, calendar)
        return self._answer(call, calendar, self._writer.replace(calendar, entry, call.body(), _hand(call)))

    def patch(self, call: Call) -> Response:
        """``events.patch``: arrays are replaced whole."""
        calendar = writable(self._state, call)
        entry = self._target(call, calendar)
        return self._answer(call, calendar, self._writer.patch(calendar, entry, call.body(), _hand(call)))

    def delete(self, call: Call) -> Response:
        """``events.delete``: 204 (not verified; the answer is documented as empty)."""
        calendar = writable(self._state, call)
        entry = self._entry(call, calendar)
        if not entry.cancelled:
            # As RFC 9110, 13.2.1, has it: a precondition matters only where the request would succeed without it.
            entry = self._target(call, calendar)
        self._writer.delete(calendar, entry, _hand(call))
        return Response(204)

    def move(self, call: Call) -> Response:
        """``events.move``."""
        calendar = writable(self._state, call)
        if "destination" not in call.args:
            raise missing("Required parameter: destination")
        target = self._state.find(call.user, call.args.one("destination"))
        require_writer(target, call.user)
        moved = self._writer.move(calendar, target, self._target(call, calendar), _hand(call))
        return self._answer(call, target, moved)

    def _entry(self, call: Call, calendar: Calendar) -> Entry:
        """Raises ApiError: 404."""
        entry = resolve(calendar, call.ids["eventId"])
        if entry is None:
            raise not_found()
        return entry

    def _target(self, call: Call, calendar: Calendar) -> Entry:
        """The event to change.

        Raises:
            ApiError: 403, it is private; 404; 412, it is no longer what ``If-Match`` says.
        """
        entry = self._entry(call, calendar)
        private = entry.body.get("visibility") in {"private", "confidential"}
        if private and ROLES.index(calendar.role(call.user)) < ROLES.index("writer"):
            raise forbidden("forbidden", "Forbidden")
        wanted = call.request.headers.get("if-match")
        if wanted not in {None, "*", entry.body["etag"]}:
            raise condition_not_met()
        return entry

    def _answer(self, call: Call, calendar: Calendar, entry: Entry) -> Response:
        shown = self._lists.show(call, calendar, entry)
        return Response.of(shown, headers={"ETag": entry.body["etag"]})


def _hand(call: Call) -> Hand:
    args: Mapping[str, str] = {"conferenceDataVersion": "conferenceData", "eventLabelVersion": "eventLabel"}
    versions = {version for name, version in args.items() if call.args.one(name, 0)}
    if call.args.one("supportsAttachments", default=False):
        versions.add("attachments")
    send = call.args.one("sendUpdates") or ("all" if call.args.one("sendNotifications", default=False) else "none")
    own = call.token.service_account
    return Hand(call.user, send, inner=call.inner, guestless=own, versions=frozenset(versions))
