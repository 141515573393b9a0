"""A simulated Graph with the hands of a ``MemoryService``, for the histories and stories that were written for one."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

from attrs import define, evolve, field

from calsync_core.errors import InvalidValue
from calsync_core.models import (
    BearerToken,
    CalendarRole,
    Event,
    EventKind,
    Item,
    Moment,
    Response,
    Span,
)
from calsync_core.protocols import TokenSource
from calsync_core.providers.memory import MemoryService
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.providers.microsoft.names import is_block_name
from calsync_core.providers.microsoft.wire import parse_item
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.graph.errors import GraphError, not_found
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.rendering import etag
from calsync_core.testing.simulators.graph.series import itself
from calsync_core.testing.simulators.graph.state import Entry
from calsync_core.testing.simulators.messages import Request
from calsync_core.testing.simulators.messages import Response as Answer
from google_service import so_much_later
from graph_hands import recurrence_json, to_json
from planted import DETAIL, guest

__all__ = ["GraphService"]

_BOSS = {"name": "Boss", "address": guest("boss")}
_DETAILS = {"body": {"contentType": "text", "content": DETAIL}, "location": {"displayName": DETAIL}}
_UNREADABLE = {"start": 3, "originalStart": 3}
_DAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4}


class Login(TokenSource):
    """A user's token as it is now; it can't be renewed."""

    def __init__(self, service: GraphService, user: str) -> None:
        self._service = service
        self._user = user

    def credential(self, *, renew: bool = False) -> BearerToken:  # noqa: ARG002  (the port's signature)
        return BearerToken(self._service.tokens[self._user] or "void")


class _Graph(GraphSimulator):
    """With calendars that vanish and come back, as shared ones do; their owners' hands reach them all the time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock=clock)
        self.vanished: set[str] = set()

    def answer(self, request: Request) -> Answer:
        if self.vanished & set(request.segments):
            return not_found().response(self._clock.now(), 0)
        return super().answer(request)


@define
class _Kept:
    """What a person put, as they mean it: Graph shows times in UTC, and rules in words of its own."""

    event: Event
    exceptions: dict[datetime, Event] = field(factory=dict)


class GraphService:
    """Acts as people do in Outlook; an event goes by its UID, a block by its Graph id.

    Attributes:
        graph: The simulator.
        clock: Its clock.
        tokens: Each user's access token.
    """

    kind = "microsoft"
    shows_tentative = True
    renormalise_titles = False

    def __init__(self, clock: VirtualClock, *, page_size: int = 1000) -> None:
        self.clock = clock
        self.graph = _Graph(clock)
        self.graph.habits.longest_page = page_size
        self.tokens: dict[str, str] = {}
        self._password: dict[str, str] = {}
        self._kept: dict[str, _Kept] = {}

    exception = staticmethod(MemoryService.exception)

    @staticmethod
    def event(uid: str, start: Moment, end: Moment, **changes: Any) -> Event:
        """An event to ``put``: of a kind that Outlook has, and one that a series in Exchange means the same by."""
        made = MemoryService.event(uid, start, end, **{**changes, "kind": EventKind.DEFAULT})
        return _as_exchange_means(made) if made.recurrence else made

    def provider(self) -> MicrosoftProvider:
        """An adapter that asks this service."""
        return MicrosoftProvider(transport=self.graph.transport())

    def login(self, user: str, _password: str) -> TokenSource:
        """How this user is connected."""
        return Login(self, user)

    # -- people and calendars -------------------------------------------------------------------------------------

    def add_user(self, name: str, password: str) -> None:
        self._password[name] = password
        self.tokens[name] = ""

    def set_password(self, name: str, password: str) -> None:
        """Another one than that of the first day leaves the user without a valid token."""
        valid = password == self._password[name]
        if valid and not self.tokens[name]:
            self.tokens[name] = self._token(name)
        elif not valid:
            self.graph.revoke(_address(name))
            self.tokens[name] = ""

    def add_calendar(self, user: str, _name: str, *, timezone: str = "UTC", primary: bool = True) -> str:
        assert primary
        zone = {"Europe/Berlin": "W. Europe Standard Time"}.get(timezone, timezone)
        self.graph.add_user(_address(user), zone=zone)
        self.tokens[user] = self._token(user)
        return self.graph.calendars(_address(user))[0]

    def share(self, calendar_id: str, _user: str, role: CalendarRole) -> None:
        self.graph._state.folder(calendar_id).can_edit = role.writable

    def remove_calendar(self, calendar_id: str) -> None:
        self.graph.vanished.add(calendar_id)

    def bring_back(self, calendar_id: str) -> None:
        self.graph.vanished.discard(calendar_id)

    def expire_cursors(self, _calendar_id: str | None = None) -> None:
        self.graph.expire_delta_links()

    # -- events ---------------------------------------------------------------------------------------------------

    def put(self, calendar_id: str, *events: Event) -> str:
        """Save a single event or a master, and change occurrences; one that its series does not have is left out."""
        for event in events:
            if event.series is None:
                self._put_whole(calendar_id, event)
            else:
                self._except(calendar_id, event)
        return events[0].series or events[0].id

    def edit(self, calendar_id: str, event_id: str, **changes: Any) -> None:
        found = [(item, one) for item in self.items(calendar_id) for one in item.events if one.id == event_id]
        if not found:
            raise InvalidValue(f"event_id: nothing with the id {event_id!r}")
        event = found[0][1]
        changes = {name: value for name, value in changes.items() if name != "kind"}
        if "start" in changes:
            start = changes.pop("start")
            changes["span"] = Span(start, changes.pop("end", None) or so_much_later(start, event.span))
        edited = evolve(event, **changes)
        if event.series is not None:
            self._except(calendar_id, edited)
        elif edited.mark is not None:
            self._edit_block(event, edited)
        else:
            self._put_whole(calendar_id, edited)

    def move(self, calendar_id: str, event_id: str, start: Moment, end: Moment | None = None) -> None:
        self.edit(calendar_id, event_id, start=start, end=end)

    def retitle(self, calendar_id: str, event_id: str, title: str) -> None:
        self.edit(calendar_id, event_id, title=title)

    def remove(self, calendar_id: str, event_id: str) -> None:
        """Delete an event; an exception goes back to its place in the series."""
        master, _, slot = event_id.partition("#")
        entry = self._entry(calendar_id, master)
        if not slot:
            self.graph.remove_event(entry.event_id(immutable=True))
            return
        at = next(
            at for at in (*entry.exceptions, *entry.cancelled) if self._kept[entry.key].exceptions[at].id == event_id
        )
        entry.exceptions.pop(at, None)
        entry.cancelled.discard(at)
        self.graph._state.touch(entry)

    def items(self, calendar_id: str) -> list[Item]:
        folder = self.graph._state.folder(calendar_id)
        return [self._item(entry) for entry in folder.items.values()]

    def blocks(self, calendar_id: str) -> list[Item]:
        marks = ((item, item.events[0].mark) for item in self.items(calendar_id))
        return [item for item, mark in marks if mark is not None and not mark.textual]

    def adorn(self, _calendar_id: str, key: str) -> None:
        self.graph.patch_event(key, {"attendees": [{"emailAddress": _BOSS}]})

    def strip_tag(self, calendar_id: str, key: str) -> None:
        entry = self._entry(calendar_id, key)
        none = [{"id": name, "value": None} for name in entry.properties]
        self.graph.patch_event(key, {"singleValueExtendedProperties": none})

    def copy_block(self, calendar_id: str, key: str, _copy_id: str, *, to: str | None = None) -> str:
        return self.graph.copy_event(key, to or calendar_id)

    def corrupt(self, calendar_id: str, key: str) -> None:
        self.graph.corrupt(self._entry(calendar_id, key).event_id(immutable=True), _UNREADABLE)

    def mend(self, calendar_id: str, key: str) -> None:
        self.graph.corrupt(self._entry(calendar_id, key).event_id(immutable=True), {})

    # -- how it is kept -------------------------------------------------------------------------------------------

    def _token(self, user: str) -> str:
        return self.graph.token(_address(user), lifetime=10**9)

    def _entry(self, calendar_id: str, key: str) -> Entry:
        """By UID as a person put it, or by Graph id."""
        for entry in self.graph._state.folder(calendar_id).items.values():
            if key in {entry.uid, entry.event_id(immutable=True)}:
                return entry
        raise InvalidValue(f"event_id: nothing with the id {key!r}")

    def _put_whole(self, calendar_id: str, event: Event) -> None:
        event = _as_exchange_means(event) if event.recurrence else event
        body = {**to_json(event), **_DETAILS}
        organizer = None if event.response is Response.NONE else _BOSS
        try:
            entry = self._entry(calendar_id, event.uid or event.id)
            if any(one.response is not Response.NONE for one in self._exceptions(entry)):
                organizer = _BOSS
        except InvalidValue:
            made = self.graph.put_event(calendar_id, {**body, "organizer": {"emailAddress": organizer}})
            entry = self.graph._state.entries[EventId.read(made).key]
        else:
            entry.organizer = organizer
            if not event.recurrence and entry.recurrence is None:
                del body["recurrence"]
            self.graph.patch_event(entry.event_id(immutable=True), body)
        kept = self._kept.setdefault(entry.key, _Kept(event))
        kept.event = event

    def _edit_block(self, event: Event, edited: Event) -> None:
        before, after = to_json(evolve(event, uid="x")), to_json(evolve(edited, uid="x"))
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        if edited.recurrence != event.recurrence:
            changed["recurrence"] = recurrence_json(edited)
            changed |= {name: after[name] for name in ("start", "end", "isAllDay")}
        if changed:
            self.graph.patch_event(event.id, changed)
            self._kept[EventId.read(event.id).key] = _Kept(edited)

    def _except(self, calendar_id: str, event: Event) -> None:
        assert event.original_start is not None
        assert event.series is not None
        entry = self._entry(calendar_id, event.series)
        with suppress(LookupError, GraphError):
            at = _instant(event.original_start)
            if event.cancelled:
                self.graph.cancel_occurrence(entry.event_id(immutable=True), event.original_start)
            else:
                occurrence = self.graph.occurrence(entry.event_id(immutable=True), event.original_start)
                if event.response is not Response.NONE:
                    # Only to somebody else's meeting an answer can be given.
                    entry.organizer = _BOSS
                body = to_json(evolve(event, series=None, original_start=None))
                del body["recurrence"], body["iCalUId"]
                self.graph.patch_event(occurrence, body)
            self._kept[entry.key].exceptions[at] = event

    def _exceptions(self, entry: Entry) -> list[Event]:
        kept = self._kept[entry.key].exceptions if entry.key in self._kept else {}
        return [kept[at] for at in (*entry.exceptions, *entry.cancelled) if at in kept]

    def _item(self, entry: Entry) -> Item:
        version = max([entry.version, *(special.version for special in entry.exceptions.values())])
        if entry.key in self._kept and not is_block_name(entry.transaction_id):
            event = self._kept[entry.key].event
            return Item(event.id, (event, *self._exceptions(entry)), etag(version))
        garbage, entry.garbage = entry.garbage, {}
        try:
            shown = self.graph._shown(itself(entry))
        finally:
            entry.garbage = garbage
        (event,) = parse_item(shown).events
        if entry.recurrence is not None:
            event = evolve(event, recurrence=self._kept[entry.key].event.recurrence)
        return Item(event.id, (event,), etag(version))


def _address(user: str) -> str:
    return f"{user}@contoso.example"


def _instant(moment: Moment) -> datetime:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.combine(moment, time(), UTC)


def _as_exchange_means(master: Event) -> Event:
    """A series that begins on a day of its rule, at an hour that no change of the clocks skips.

    RFC 5545 counts a start that the rule does not name, Exchange does not; Exchange keeps the wall clock of an end that
    is skipped, RFC 5545 the length.
    """
    start = master.span.start
    named = [part.removeprefix("BYDAY=") for part in master.recurrence[0].split(";") if part.startswith("BYDAY=")]
    days = {_DAYS[day] for day in named[0].split(",")} if named else {start.weekday()}
    while start.weekday() not in days:
        start += timedelta(days=1)
    if isinstance(start, datetime) and start.hour in range(4):
        start = start.replace(hour=4)
    return evolve(master, span=Span(start, so_much_later(start, master.span)))
