"""``events.list`` and ``events.instances``: whole lists, windows, and what changed since a sync token."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from calsync_core.testing.simulators.google.access import Call, reachable, role_of
from calsync_core.testing.simulators.google.errors import ApiError, bad, not_found, sync_token_expired
from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.instances import instance, resolve, slots
from calsync_core.testing.simulators.google.methods import Args
from calsync_core.testing.simulators.google.paging import Listing, Pages, SyncToken, open_sync_token
from calsync_core.testing.simulators.google.rendering import render
from calsync_core.testing.simulators.google.state import Calendar, Entry, State
from calsync_core.testing.simulators.google.times import extent, find_zone, instant, read_instant
from calsync_core.testing.simulators.messages import Response

__all__ = ["EventLists"]

NOT_WITH_SYNC = (
    "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin",
)  # fmt: skip
"""Discovery document, ``syncToken``."""

_NO_TOKEN_AFTER = {*NOT_WITH_SYNC} - {"timeMin", "timeMax"}
"""A first list with these gives no sync token (reported: google-api-ruby-client #312 for ``orderBy``). One with a
window does: Google's own sample begins so."""

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(2200, 1, 1, tzinfo=UTC)


@frozen
class _Query:
    """What one request asks of the calendar's events.

    Attributes:
        since: Only what changed after this change; None: everything.
    """

    calendar: Calendar
    args: Args
    entries: Mapping[str, Entry]
    low: datetime
    high: datetime
    since: int | None = None

    @property
    def deleted(self) -> bool:
        return bool(self.args.one("showDeleted", default=False))

    def changed(self, entry: Entry) -> bool:
        return self.since is None or entry.change > self.since

    def taken(self, master: Entry) -> set[str]:
        """The slots of a series for which an exception stands."""
        prefix = master.id + "_"
        return {key.removeprefix(prefix) for key in self.entries if key.startswith(prefix)}


class EventLists:
    """The two methods that list events."""

    def __init__(self, state: State, habits: Habits, garbage: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        self._state = state
        self._habits = habits
        self._garbage = garbage
        self._pages = Pages(habits)

    def events(self, call: Call) -> Response:
        """``events.list``."""
        calendar = reachable(self._state, call)
        args = call.args
        shape = _shape(call, calendar)
        size = min(args.one("maxResults", 250), 2500)
        if "pageToken" in args:
            return Response.of(self._pages.following(args.one("pageToken"), shape))
        entries, until = calendar.behind(self._habits.lag)
        high = self._state.clock.now() + self._habits.expansion
        query = _Query(calendar, args, entries, args.one("timeMin", _ALWAYS), args.one("timeMax", high))
        if "syncToken" in args:
            query = evolve(query, since=self._since(call, calendar))
        self._check(query)
        found = list(self._singles(query) if args.one("singleEvents", default=False) else self._stored(query))
        token = None
        if not any(name in args for name in _NO_TOKEN_AFTER):
            token = SyncToken(_of(call, calendar), until, calendar.epoch, _token_shape(args)).text()
        items = [self.show(call, calendar, entry, bare=not query.deleted) for entry in _ordered(query, found)]
        head = self._head(call, calendar, until)
        return Response.of(self._pages.first(Listing(shape, items, head, token), size))

    def instances(self, call: Call) -> Response:
        """``events.instances``."""
        calendar = reachable(self._state, call)
        args = call.args
        if "pageToken" in args:
            return Response.of(self._pages.following(args.one("pageToken"), _shape(call, calendar)))
        master = resolve(calendar, call.ids["eventId"])
        if master is None:
            raise not_found()
        if not master.recurring:
            raise bad("Bad Request", "badRequest")
        high = self._state.clock.now() + self._habits.expansion
        # Here the bound is inclusive (discovery document, ``events.instances``); in ``events.list`` it is not.
        low = args.one("timeMin", _ALWAYS) - timedelta(microseconds=1)
        query = _Query(calendar, args, calendar.entries, low, args.one("timeMax", high))
        found = [
            *_expanded(query, master),
            *(one for one in calendar.exceptions(master.id) if self._wanted(query, one)),
        ]
        if "originalStart" in args:
            found = [one for one in found if _begins(one, args.one("originalStart"), calendar)]
        found.sort(key=lambda one: extent(one.body, calendar.zone))
        items = [self.show(call, calendar, entry) for entry in found if query.deleted or not entry.cancelled]
        size = min(args.one("maxResults", 250), 2500)
        head = self._head(call, calendar, calendar.change)
        return Response.of(self._pages.first(Listing(_shape(call, calendar), items, head, None), size))

    def show(self, call: Call, calendar: Calendar, entry: Entry, *, bare: bool = False) -> dict[str, Any]:
        """One event as this caller sees it, with the garbage that a test put on it."""
        zone = find_zone(call.args.one("timeZone")) if "timeZone" in call.args else None
        most = call.args.one("maxAttendees")
        shown = render(entry, calendar, role_of(call, calendar), zone=zone, bare=bare, most_attendees=most)
        return {**shown, **self._garbage.get((calendar.id, entry.id), {})}

    def _since(self, call: Call, calendar: Calendar) -> int:
        """The change after which an incremental list begins.

        Raises:
            ApiError: 400 for parameters that don't go with a sync token, 410 for one that is too old.
        """
        args = call.args
        for name in NOT_WITH_SYNC:
            if name in args:
                message = f"Sync token cannot be used with {name}."
                raise bad(message, parameter=name)
        if args.one("showDeleted") is False:
            raise bad("Sync token cannot be used with showDeleted=false.", parameter="showDeleted")
        token = open_sync_token(args.one("syncToken"), _of(call, calendar), _token_shape(args))
        if token.epoch != calendar.epoch:
            raise sync_token_expired()
        if not self._habits.replays:
            return token.change
        earlier = sorted(one.change for one in calendar.entries.values() if one.change <= token.change)
        return min([token.change, *(change - 1 for change in earlier[-self._habits.replays :])])

    def _check(self, query: _Query) -> None:
        """Raises ApiError: 400 or 410, the parameters don't go together."""
        args = query.args
        if "timeMin" in args and "timeMax" in args and query.low >= query.high:
            raise bad("The specified time range is empty.", "timeRangeEmpty", parameter="timeMax", domain="calendar")
        if args.one("orderBy") == "startTime" and not args.one("singleEvents", default=False):
            raise bad("The requested ordering is not available for the particular query.", parameter="orderBy")
        for name in ("privateExtendedProperty", "sharedExtendedProperty"):
            if any("=" not in text for text in args.all(name)):
                raise bad("Invalid constraint.", parameter=name)
        if "updatedMin" in args and args.one("updatedMin") < self._state.clock.now() - self._habits.oldest_update:
            message = "The requested minimum modification time lies too far in the past."
            raise ApiError(410, "updatedMinTooLongAgo", message, domain="calendar", where=("parameter", "updatedMin"))

    def _stored(self, query: _Query) -> Iterator[Entry]:
        """``singleEvents=false``: single events, masters and exceptions."""
        for entry in query.entries.values():
            # Cancelled exceptions always belong to the list (discovery document, ``showDeleted``).
            lost = entry.cancelled and not (entry.series or query.deleted or _asks_for_deleted(query, entry))
            if query.changed(entry) and not lost and self._wanted(query, entry):
                yield entry

    def _singles(self, query: _Query) -> Iterator[Entry]:
        """``singleEvents=true``: single events, exceptions and the untouched instances; no masters."""
        for entry in query.entries.values():
            if query.since is not None:
                yield from (one for one in _lost(query, entry) if _matches(query, one))
            if entry.recurring:
                if not entry.cancelled or query.since is not None:
                    yield from (one for one in _expanded(query, entry) if _matches(query, one))
            elif (not entry.cancelled or query.deleted or _asks_for_deleted(query, entry)) and (
                query.changed(entry) and self._wanted(query, entry)
            ):
                yield entry

    def _wanted(self, query: _Query, entry: Entry) -> bool:
        return _matches(query, entry) and (query.since is not None or self._in_window(query, entry))

    def _in_window(self, query: _Query, entry: Entry) -> bool:
        args = query.args
        if "timeMin" not in args and "timeMax" not in args:
            return True
        low, high = query.low, query.high if "timeMax" in args else _NEVER
        if entry.recurring:
            zone = query.calendar.zone
            spans = ((instant(one.start, zone), instant(one.end, zone)) for one in slots(entry.body, low, high))
            return any(end > low and start < high for start, end in spans)
        spans_of = [extent(entry.body, query.calendar.zone)]
        if entry.series and (entry.cancelled or not self._habits.windows_hide_moved):
            begin = instant(entry.original, query.calendar.zone)
            spans_of.append((begin, begin + timedelta(seconds=1)))
        return any(end > low and start < high for start, end in spans_of)

    @staticmethod
    def _head(call: Call, calendar: Calendar, until: int) -> dict[str, Any]:
        return {
            "kind": "calendar#events",
            "etag": f'"p{until}"',
            "summary": calendar.summary,
            "updated": calendar.updated,
            "timeZone": calendar.timezone,
            "accessRole": calendar.role(call.user),
            "defaultReminders": list(calendar.reminders),
        }


def _asks_for_deleted(query: _Query, entry: Entry) -> bool:
    """Deleted events are in every incremental list, and in one with ``updatedMin`` if deleted since."""
    if query.since is not None:
        return True
    least: datetime | None = query.args.one("updatedMin")
    return least is not None and read_instant(entry.body["updated"], "updated") >= least


def _expanded(query: _Query, master: Entry) -> Iterator[Entry]:
    """The instances of a series that no exception stands for."""
    if not query.changed(master):
        return
    zone = query.calendar.zone
    taken = query.taken(master)
    for slot in slots(master.body, query.low, query.high):
        inside = instant(slot.end, zone) > query.low and instant(slot.start, zone) < query.high
        if slot.key not in taken and inside:
            yield instance(master, slot)


def _lost(query: _Query, entry: Entry) -> Iterator[Entry]:
    """The instances that a series lost since then, as cancelled ones."""
    for key, change in entry.gone.items():
        identity = f"{entry.id}_{key}"
        if query.since is None or change <= query.since or identity in query.entries:
            continue
        day, clock = f"{key[:4]}-{key[4:6]}-{key[6:8]}", f"{key[9:11]}:{key[11:13]}:{key[13:15]}"
        original = {"date": day} if len(key) == 8 else {"dateTime": f"{day}T{clock}Z"}
        body = {**entry.body, "id": identity, "recurringEventId": entry.id, "status": "cancelled"}
        body.pop("recurrence", None)
        yield Entry(identity, {**body, "originalStartTime": original, "start": original, "end": original}, entry.change)


def _matches(query: _Query, entry: Entry) -> bool:
    """Everything but the window."""
    args, body = query.args, entry.body
    types, least = args.all("eventTypes"), args.one("updatedMin")
    return (
        (not types or body["eventType"] in types)
        and ("iCalUID" not in args or body["iCalUID"] == args.one("iCalUID"))
        and (least is None or read_instant(body["updated"], "updated") >= least)
        and ("q" not in args or _mentions(body, args.one("q")))
        and _tagged(body, "private", args.all("privateExtendedProperty"))
        and _tagged(body, "shared", args.all("sharedExtendedProperty"))
    )


def _tagged(body: Mapping[str, Any], kind: str, constraints: Iterable[str]) -> bool:
    """All constraints must hold (discovery document; the guide says one is enough)."""
    properties = body.get("extendedProperties", {}).get(kind, {})
    return all(properties.get(name) == value for name, _, value in (text.partition("=") for text in constraints))


def _mentions(body: Mapping[str, Any], text: str) -> bool:
    people = [*body.get("attendees", []), body.get("organizer", {})]
    words = [body.get(name, "") for name in ("summary", "description", "location")]
    words += [str(person.get(name, "")) for person in people for name in ("displayName", "email")]
    everything = "\n".join(words).lower()
    return all(term in everything for term in text.lower().split())


def _begins(entry: Entry, text: str, calendar: Calendar) -> bool:
    """Whether an instance's original start is what ``originalStart`` says."""
    if len(text) == 10:
        return str(entry.body["originalStartTime"].get("date")) == text
    return instant(entry.original, calendar.zone) == read_instant(text, "originalStart")


def _ordered(query: _Query, found: list[Entry]) -> list[Entry]:
    match query.args.one("orderBy"):
        case "startTime":
            return sorted(found, key=lambda one: extent(one.body, query.calendar.zone))
        case "updated":
            return sorted(found, key=lambda one: (one.body["updated"], one.id))
    # "An unspecified, stable order": one in which nothing can be relied on, masters before exceptions least of all.
    return sorted(found, key=lambda one: zlib.crc32(one.id.encode()))


def _of(call: Call, calendar: Calendar) -> str:
    return f"events {calendar.id} {call.user}"


def _shape(call: Call, calendar: Calendar) -> dict[str, Any]:
    """What each page's request must have in common, the sync token included."""
    return {**call.args.shape("pageToken"), "of": [call.method.name, call.ids.get("eventId"), _of(call, calendar)]}


def _token_shape(args: Args) -> dict[str, Any]:
    """What the requests with one sync token must have in common; a default may be said or left out."""
    defaults = {"maxResults": "[250]", "showDeleted": "[False]", "singleEvents": "[False]",
                "showHiddenInvitations": "[False]"}  # fmt: skip
    shape = args.shape("pageToken", "syncToken", "alwaysIncludeEmail", *NOT_WITH_SYNC)
    return {name: value for name, value in shape.items() if defaults.get(name) != value}
