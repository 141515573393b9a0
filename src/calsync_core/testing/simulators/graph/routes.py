"""From a path to what is done."""

from __future__ import annotations

from attrs import evolve, frozen

from calsync_core.testing.simulators.graph.calendars import create_calendar, delete_calendar
from calsync_core.testing.simulators.graph.calls import WRITE, Call, Place, denied
from calsync_core.testing.simulators.graph.delta import Deltas
from calsync_core.testing.simulators.graph.errors import GraphError, not_found
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.rendering import mailbox_json
from calsync_core.testing.simulators.graph.series import find, itself
from calsync_core.testing.simulators.graph.views import (
    get_calendar,
    get_event,
    list_calendars,
    list_events,
    list_groups,
    list_instances,
    list_view,
)
from calsync_core.testing.simulators.graph.writing import Writer
from calsync_core.testing.simulators.messages import Response

__all__ = ["Routes"]

_LISTS = {("calendars",), ("calendargroups",), ("mailboxsettings",), ("mailboxsettings", "timezone")}
_NEW = ("POST", ("calendars",))
_ANSWERS = {"accept": "accepted", "tentativelyaccept": "tentativelyAccepted", "decline": "declined"}


@frozen
class Routes:
    """Everything below ``/me`` and ``/users/{id}``."""

    deltas: Deltas
    writer: Writer

    def user(self, call: Call) -> Response:
        """What the path names. Raises GraphError."""
        if not call.path:
            return _me(call)
        if not call.mailbox.enabled:
            message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            raise GraphError(404, "MailboxNotEnabledForRESTAPI", message)
        whole = call.names in _LISTS and call.request.method == "GET"
        return self._list(call) if whole or (call.request.method, call.names) == _NEW else self._below(call)

    def _list(self, call: Call) -> Response:
        match call.names:
            case ("calendars",):
                return create_calendar(call) if call.request.method == "POST" else list_calendars(call)
            case ("calendargroups",):
                return list_groups(call)
        return _settings(call)

    def _below(self, call: Call) -> Response:
        match call.names:
            case ("calendargroups", _, "calendars"):
                return list_calendars(call, call.path[1])
            case ("calendargroups", _, "calendars", _, *_):
                return self._calendar(evolve(call, path=call.path[4:]), call.place(call.path[3]))
            case ("calendars", _, *_):
                return self._calendar(evolve(call, path=call.path[2:]), call.place(call.path[1]))
            case ("calendar", *_):
                return self._calendar(evolve(call, path=call.path[1:]), call.place())
            case ("calendarview", *_):
                return self._calendar(call, call.place())
            case ("events", *_):
                return self._events(evolve(call, path=call.path[1:]), None)
        raise _no_route()

    def _calendar(self, call: Call, place: Place) -> Response:
        match call.request.method, call.names:
            case "GET", ():
                return get_calendar(call, place)
            case "DELETE", ():
                return delete_calendar(call, place)
            case "GET", ("calendarview",):
                return list_view(call, place)
            case "GET", ("calendarview", "delta" | "microsoft.graph.delta"):
                return self.deltas.page(call, place)
            case _, ("events", *_):
                return self._events(evolve(call, path=call.path[1:]), place)
        raise _no_route()

    def _events(self, call: Call, place: Place | None) -> Response:
        if call.request.method == "GET":
            return self._read(call, place)
        match call.request.method, call.names:
            case "POST", ():
                return self._create(call, place or call.place())
            case "PATCH", (_,):
                return self._patch(call, place)
            case ("DELETE", (_,)) | ("POST", (_, "permanentdelete")):
                self._check_write(call, place)
                self.writer.delete(call.path[0], call.request.headers.get("if-match"))
                return Response(204)
            case "POST", (_, "accept" | "tentativelyaccept" | "decline" as verb):
                return self._respond(call, place, verb)
        raise _no_route()

    def _read(self, call: Call, place: Place | None) -> Response:
        match call.names:
            case ():
                return list_events(call, place)
            case (_,):
                return get_event(call, call.path[0], place)
            case (_, "instances"):
                return list_instances(call, call.path[0], place)
        raise _no_route()

    def _patch(self, call: Call, place: Place | None) -> Response:
        self._check_write(call, place)
        entry = self.writer.patch(call.path[0], call.body(), call.request.headers.get("if-match"))
        wanted = evolve(EventId.read(call.path[0]), place=None)
        return call.answer(call.view.event(find(entry, wanted)))

    def _create(self, call: Call, place: Place) -> Response:
        call.need(WRITE, place)
        if not place.can_edit:
            raise denied()
        entry, _ = self.writer.create(place.folder, call.body())
        shown = call.view_of(place).event(itself(entry))
        headers = {"Location": f"{call.root}/events/{shown['id']}", "ETag": shown["@odata.etag"]}
        return call.answer({"@odata.context": f"{call.root}/events/$entity"} | shown, 201, headers)

    def _respond(self, call: Call, place: Place | None, verb: str) -> Response:
        self._check_write(call, place)
        entry, _ = self.writer.find(call.path[0])
        send = call.body().get("sendResponse", True) if call.request.body else True
        answer = _ANSWERS[verb]
        match answer:
            case "accepted" | "tentativelyAccepted" | "declined":
                self.writer.meetings.respond(entry, answer, send=bool(send))
        return Response(202)

    def _check_write(self, call: Call, place: Place | None) -> None:
        """May the login write this event, and is it where the path says? What is gone is the writer's to answer."""
        call.need(WRITE, place)
        wanted = EventId.read(call.path[0])
        entry = call.state.entries.get(wanted.key)
        if entry is None or entry.folder is None:
            return
        if (place is not None and entry.folder is not place.folder) or (
            place is None and entry.mailbox is not call.mailbox
        ):
            raise not_found()
        if not (place.can_edit if place is not None else entry.folder.can_edit):
            raise denied()


def _me(call: Call) -> Response:
    if call.request.method != "GET":
        raise _no_route()
    if not {"User.Read", "User.ReadBasic.All", "User.Read.All"} & call.login.scopes:
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    return call.answer({"@odata.context": f"{call.root}/$entity"} | mailbox_json(call.mailbox))


def _settings(call: Call) -> Response:
    if not {"MailboxSettings.Read", "MailboxSettings.ReadWrite"} & call.login.scopes:
        raise denied()
    zone = call.mailbox.zone
    if call.names[-1] == "timezone":
        return call.answer({"@odata.context": f"{call.root}/mailboxSettings/timeZone", "value": zone})
    settings = {"timeZone": zone, "dateFormat": "yyyy-MM-dd", "timeFormat": "HH:mm", "language": {"locale": "en-US"}}
    return call.answer({"@odata.context": f"{call.root}/mailboxSettings"} | settings)


def _no_route() -> GraphError:
    return GraphError(400, "BadRequest", "Resource not found for the segment, or the method is not allowed for it.")
