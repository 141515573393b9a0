"""The API's methods as the discovery document (revision 20261030) lists them: paths, scopes, query parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from calsync_core.testing.simulators.google.errors import bad
from calsync_core.testing.simulators.google.times import find_zone, read_instant
from calsync_core.testing.simulators.messages import Request

__all__ = ["COMMON", "METHODS", "PREFIX", "SCOPE_PREFIX", "Args", "Method", "find_method"]

PREFIX = "/calendar/v3/"
SCOPE_PREFIX = "https://www.googleapis.com/auth/"

EVENT_TYPES = ("birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation")
_ROLES = ("freeBusyReader", "owner", "reader", "writer", "writerWithoutPrivateAccess")

COMMON: Mapping[str, str] = {
    "alt": "json", "fields": "string", "key": "string", "oauth_token": "string", "prettyPrint": "boolean",
    "quotaUser": "string", "userIp": "string",
}  # fmt: skip
"""What every method takes. A type is ``string``, ``boolean``, ``date-time``, ``A..B`` for a whole number, or the
allowed words with bars between them; a ``*`` before it: may be repeated."""

_WRITE = "calendar calendar.app.created calendar.events calendar.events.owned"
_READ = (
    f"{_WRITE} calendar.events.freebusy calendar.events.owned.readonly calendar.events.public.readonly"
    " calendar.events.readonly calendar.readonly"
)
_LISTS = "calendar calendar.calendarlist calendar.calendarlist.readonly calendar.readonly"
_CALENDARS = "calendar calendar.app.created calendar.calendars"
_SETTINGS = "calendar calendar.readonly calendar.settings calendar.settings.readonly"
_STOP = (
    f"{_READ} calendar.acls calendar.acls.readonly calendar.calendarlist calendar.calendarlist.readonly"
    " calendar.settings calendar.settings.readonly"
)

_MANY = f"1..{2**31 - 1}"
_SHOWN = {"alwaysIncludeEmail": "boolean", "maxAttendees": _MANY, "timeZone": "string"}
_PAGED = {"maxResults": _MANY, "pageToken": "string"}
_LISTED = {
    **_SHOWN, **_PAGED, "eventTypes": f"*{'|'.join(EVENT_TYPES)}", "iCalUID": "string", "orderBy": "startTime|updated",
    "privateExtendedProperty": "*string", "q": "string", "sharedExtendedProperty": "*string", "showDeleted": "boolean",
    "showHiddenInvitations": "boolean", "singleEvents": "boolean", "syncToken": "string", "timeMax": "date-time",
    "timeMin": "date-time", "updatedMin": "date-time",
}  # fmt: skip
_MAILED = {"sendNotifications": "boolean", "sendUpdates": "all|externalOnly|none"}
_WRITTEN = {"conferenceDataVersion": "0..1", "eventLabelVersion": "0..1", "supportsAttachments": "boolean"}
_CHANGED = {**_WRITTEN, **_MAILED, "alwaysIncludeEmail": "boolean", "maxAttendees": _MANY}
_LINES = {
    **_PAGED, "minAccessRole": "|".join(_ROLES), "showDeleted": "boolean", "showHidden": "boolean",
    "showOwnOrganizationOnly": "boolean", "syncToken": "string",
}  # fmt: skip


@frozen
class Method:
    """One method.

    Attributes:
        name: As in the discovery document: ``events.list``.
        scopes: Without their prefix; any one of them is enough.
        parameters: Query parameters and their types.
        writes: Whether it changes events or calendars.
    """

    name: str
    verb: str
    path: str
    scopes: frozenset[str]
    parameters: Mapping[str, str] = field(factory=dict)
    writes: bool = False


def _method(name: str, route: str, scopes: str, parameters: Mapping[str, str] | None = None) -> Method:
    verb, path = route.split()
    writes = verb != "GET" and name not in {"events.watch", "calendarList.watch", "channels.stop", "freebusy.query"}
    return Method(name, verb, path, frozenset(scopes.split()), parameters or {}, writes)


_LIST, _EVENT = "calendars/{calendarId}/events", "calendars/{calendarId}/events/{eventId}"

METHODS: Sequence[Method] = (
    _method("calendarList.list", "GET users/me/calendarList", _LISTS, _LINES),
    _method("calendarList.watch", "POST users/me/calendarList/watch", _LISTS, _LINES),
    _method("calendarList.get", "GET users/me/calendarList/{calendarId}", f"{_LISTS} calendar.app.created"),
    _method("calendars.insert", "POST calendars", _CALENDARS),
    _method(
        "calendars.get", "GET calendars/{calendarId}", f"{_CALENDARS} calendar.calendars.readonly calendar.readonly"
    ),
    _method("calendars.delete", "DELETE calendars/{calendarId}", _CALENDARS),
    _method("settings.list", "GET users/me/settings", _SETTINGS, {**_PAGED, "syncToken": "string"}),
    _method("settings.get", "GET users/me/settings/{setting}", _SETTINGS),
    _method("freebusy.query", "POST freeBusy", "calendar calendar.events.freebusy calendar.freebusy calendar.readonly"),
    _method("events.list", f"GET {_LIST}", _READ, _LISTED),
    _method("events.insert", f"POST {_LIST}", _WRITE, {**_WRITTEN, **_MAILED, "maxAttendees": _MANY}),
    _method("events.import", f"POST {_LIST}/import", _WRITE, _WRITTEN),
    _method("events.watch", f"POST {_LIST}/watch", _READ, _LISTED),
    _method("events.get", f"GET {_EVENT}", _READ, _SHOWN),
    _method("events.update", f"PUT {_EVENT}", _WRITE, _CHANGED),
    _method("events.patch", f"PATCH {_EVENT}", _WRITE, _CHANGED),
    _method("events.delete", f"DELETE {_EVENT}", _WRITE, _MAILED),
    _method(
        "events.instances", f"GET {_EVENT}/instances", _READ,
        {**_SHOWN, **_PAGED, "originalStart": "string", "showDeleted": "boolean", "timeMax": "date-time",
         "timeMin": "date-time"},
    ),
    _method(
        "events.move", f"POST {_EVENT}/move", "calendar calendar.events calendar.events.owned",
        {**_MAILED, "destination": "string"},
    ),
    _method("channels.stop", "POST channels/stop", _STOP),
)  # fmt: skip
"""What is simulated."""


class Args:
    """The query of one request, read by a method's types.

    Raises:
        ApiError: 400, a parameter is unknown, malformed or given twice.
    """

    def __init__(self, method: Method, request: Request) -> None:
        self._values: dict[str, list[Any]] = {}
        kinds = {**COMMON, **method.parameters}
        for name, text in request.query:
            if name not in kinds:
                raise bad(f'Unknown name "{name}": Cannot bind query parameter.', "badRequest", parameter=name)
            kind = kinds[name]
            if name in self._values and not kind.startswith("*"):
                raise bad(f"Parameter {name} was given more than once.", "invalidParameter", parameter=name)
            self._values.setdefault(name, []).append(_parsed(name, text, kind.removeprefix("*")))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def one(self, name: str, default: Any = None) -> Any:
        """A parameter that comes once."""
        return self._values[name][0] if name in self._values else default

    def all(self, name: str) -> list[Any]:
        """A parameter that may be repeated."""
        return self._values.get(name, [])

    def shape(self, *without: str) -> dict[str, str]:
        """What makes two requests the same to a sync or page token."""
        skipped = {*COMMON, *without}
        return {name: repr(sorted(values, key=str)) for name, values in self._values.items() if name not in skipped}


def find_method(request: Request) -> tuple[Method, dict[str, str]] | None:
    """The method that a request means, and the ids in its path."""
    if not request.path.startswith(PREFIX):
        return None
    parts = request.segments[2:]
    for method in METHODS:
        pattern = method.path.split("/")
        if method.verb == request.method and len(pattern) == len(parts):
            pairs = list(zip(pattern, parts, strict=True))
            if all(want == got or (want.startswith("{") and got) for want, got in pairs):
                return method, {want.strip("{}"): got for want, got in pairs if want.startswith("{")}
    return None


def _parsed(name: str, text: str, kind: str) -> Any:
    if kind == "date-time":
        return read_instant(text, name)
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise bad(f"Invalid boolean value: '{text}'.", "invalidParameter", parameter=name)
        return text.lower() == "true"
    if ".." in kind:
        low, high = kind.split("..")
        if not text.isdecimal() or not int(low) <= int(text) <= int(high):
            message = f"Invalid value '{text}'. Values must be within the range: [{low}, {high}]"
            raise bad(message, "invalidParameter", parameter=name)
        return int(text)
    if kind != "string" and text not in kind.split("|"):
        message = f"Invalid string value: '{text}'. Allowed values: [{kind.replace('|', ', ')}]"
        raise bad(message, "invalidParameter", parameter=name)
    if name == "timeZone" and find_zone(text) is None:
        raise bad("Invalid time zone.", parameter=name)
    if name == "quotaUser" and len(text) > 40:
        raise bad("quotaUser must not exceed 40 characters.", "invalidParameter", parameter=name)
    return text
