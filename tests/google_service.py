"""A simulated Google with the hands of a ``MemoryService``, for the histories and stories that were written for one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from calsync_core.errors import InvalidValue
from calsync_core.models import BearerToken, CalendarRole, Event, EventKind, Item, Moment, Response, Span, slot_of
from calsync_core.protocols import TokenSource
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.google.names import is_block_id
from calsync_core.providers.google.wire import is_deleted, parse_item
from calsync_core.providers.memory import MemoryService
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.simulators.google import ApiError
from google_hands import exception_json, to_json
from planted import DETAIL, guest

__all__ = ["GoogleService", "so_much_later"]

_BOSS = guest("boss")
_ANSWERS = {
    Response.ACCEPTED: "accepted",
    Response.TENTATIVE: "tentative",
    Response.NEEDS_ACTION: "needsAction",
    Response.DECLINED: "declined",
}
_TYPES = {EventKind.WORKING_LOCATION: "workingLocation", EventKind.BIRTHDAY: "birthday", EventKind.DEFAULT: "default"}
_UNREADABLE = {"start": 3, "originalStartTime": 3}


class Login(TokenSource):
    """A user's token as it is now; it can't be renewed."""

    def __init__(self, service: GoogleService, user: str) -> None:
        self._service = service
        self._user = user

    def credential(self, *, renew: bool = False) -> BearerToken:  # noqa: ARG002  (the port's signature)
        return BearerToken(self._service.tokens[self._user])


class GoogleService:
    """Acts as people do in the web app; an event goes by its Google id, which is its UID unless it is an exception.

    Attributes:
        google: The simulator.
        clock: Its clock.
        tokens: Each user's access token.
    """

    kind = "google"
    shows_tentative = True
    renormalise_titles = False

    def __init__(self, clock: VirtualClock, *, page_size: int = 100) -> None:
        self.clock = clock
        self.google = GoogleSimulator(clock)
        self.google.habits.page_size = page_size
        self.tokens: dict[str, str] = {}
        self._password: dict[str, str] = {}
        self._roles: dict[str, dict[str, CalendarRole]] = {}
        self._vanished: set[str] = set()

    event = staticmethod(MemoryService.event)

    def provider(self) -> GoogleProvider:
        """An adapter that asks this service. Its own pace is not what is looked at here."""
        return GoogleProvider(writes_per_minute=100_000, transport=self.google.transport())

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
            self.tokens[name] = self.google.issue_token(_address(name))
        elif not valid:
            self.google.expire_access_tokens(_address(name))
            self.tokens[name] = ""

    def add_calendar(self, user: str, _name: str, *, timezone: str = "UTC", primary: bool = True) -> str:
        assert primary
        made = self.google.add_user(_address(user), timezone=timezone)
        self.tokens[user] = self.google.issue_token(made)
        self._roles[made] = {user: CalendarRole.OWNER}
        return made

    def share(self, calendar_id: str, user: str, role: CalendarRole) -> None:
        if self._roles[calendar_id].get(user) is not role:
            self._roles[calendar_id][user] = role
            if calendar_id not in self._vanished:
                self.google.share(calendar_id, _address(user), str(role))

    def remove_calendar(self, calendar_id: str) -> None:
        if calendar_id not in self._vanished:
            self._vanished.add(calendar_id)
            self.google.remove_calendar(calendar_id)

    def bring_back(self, calendar_id: str) -> None:
        if calendar_id in self._vanished:
            self._vanished.remove(calendar_id)
            for user, role in self._roles[calendar_id].items():
                self.google.share(calendar_id, _address(user), str(role))

    def expire_cursors(self, calendar_id: str | None = None) -> None:
        self.google.expire_sync_tokens(calendar_id)

    # -- events ---------------------------------------------------------------------------------------------------

    @staticmethod
    def exception(
        master: Event, original_start: Moment, start: Moment | None = None, end: Moment | None = None, **changes: Any
    ) -> Event:
        made = MemoryService.exception(master, original_start, start, end, **changes)
        return evolve(made, id=f"{master.id}_{slot_of(original_start)}")

    def put(self, calendar_id: str, *events: Event) -> str:
        """Save a single event or a master, and change instances; one that its series does not have is left out."""
        for event in events:
            if event.series is None:
                given = {"id": event.id, "iCalUID": event.uid, **_whole(event, calendar_id)}
                self.google.put_event(calendar_id, given)
            else:
                self._except(calendar_id, event)
        return events[0].series or events[0].id

    def edit(self, calendar_id: str, event_id: str, **changes: Any) -> None:
        event = next((one for item in self.items(calendar_id) for one in item.events if one.id == event_id), None)
        if event is None:
            raise InvalidValue(f"event_id: nothing with the id {event_id!r}")
        if "start" in changes:
            start = changes.pop("start")
            changes["span"] = Span(start, changes.pop("end", None) or so_much_later(start, event.span))
        edited = evolve(event, **changes)
        if event.series is not None:
            self._except(calendar_id, edited)
            return
        before, after = _whole(event, calendar_id), _whole(edited, calendar_id)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        if changed:
            self.google.patch_event(calendar_id, event_id, changed)

    def move(self, calendar_id: str, event_id: str, start: Moment, end: Moment | None = None) -> None:
        self.edit(calendar_id, event_id, start=start, end=end)

    def retitle(self, calendar_id: str, event_id: str, title: str) -> None:
        self.edit(calendar_id, event_id, title=title)

    def remove(self, calendar_id: str, event_id: str) -> None:
        """Delete an event; an exception goes back to its place in the series, as "undo" does it."""
        shown = self.google.event(calendar_id, event_id)
        if "recurringEventId" not in shown:
            self.google.remove_event(calendar_id, event_id)
            return
        master = parse_item(self.google.event(calendar_id, shown["recurringEventId"])).events[0]
        original = parse_item(shown).events[0].original_start
        assert original is not None
        self._except(calendar_id, self.exception(master, original))

    def items(self, calendar_id: str) -> list[Item]:
        shown = self.google.events(calendar_id, deleted=True)
        return [parse_item(entry) for entry in shown if not is_deleted(entry)]

    def blocks(self, calendar_id: str) -> list[Item]:
        return [item for item in self.items(calendar_id) if is_block_id(item.key)]

    def adorn(self, calendar_id: str, key: str) -> None:
        self.google.patch_event(calendar_id, key, {"attendees": [{"email": _BOSS}]})

    def strip_tag(self, calendar_id: str, key: str) -> None:
        self.google.patch_event(calendar_id, key, {"extendedProperties": None})

    def copy_block(self, calendar_id: str, key: str, copy_id: str, *, to: str | None = None) -> str:
        whole = self.google.event(calendar_id, key)
        return self.google.put_event(to or calendar_id, {**whole, "id": copy_id, "iCalUID": f"{copy_id}@google.com"})

    def corrupt(self, calendar_id: str, key: str) -> None:
        """It is changed as well, so that it is listed."""
        self.google.corrupt(calendar_id, key, **_UNREADABLE)
        self._touch(calendar_id, key)

    def mend(self, calendar_id: str, key: str) -> None:
        self.google.corrupt(calendar_id, key)
        self._touch(calendar_id, key)

    def _touch(self, calendar_id: str, key: str) -> None:
        shown = self.google.event(calendar_id, key)
        if shown["status"] != "cancelled":
            self.google.patch_event(calendar_id, key, {"colorId": "2" if shown.get("colorId") == "1" else "1"})

    def _except(self, calendar_id: str, event: Event) -> None:
        assert event.original_start is not None
        changes = exception_json(event)
        if not event.cancelled:
            changes = {**changes, **_people(event, calendar_id)}
        try:
            self.google.patch_event(calendar_id, f"{event.series}_{slot_of(event.original_start)}", changes)
        except ApiError as error:
            if error.status != 404:
                raise


def _address(user: str) -> str:
    return f"{user}@example.com"


def so_much_later(start: Moment, like: Span) -> Moment:
    """So much later on the time line as that span is long."""
    if isinstance(start, datetime):
        first, last = like.edges(UTC)
        return (start.astimezone(UTC) + (last - first)).astimezone(start.tzinfo)
    return start + timedelta(days=like.end.toordinal() - like.start.toordinal())


def _whole(event: Event, calendar_id: str) -> Mapping[str, Any]:
    told = {name: value for name, value in to_json(event).items() if name != "iCalUID"}
    return {**told, **_people(event, calendar_id), "description": DETAIL, "location": DETAIL}


def _people(event: Event, calendar_id: str) -> dict[str, Any]:
    kind = {"eventType": _TYPES[event.kind]}
    if event.response is Response.NONE:
        return {**kind, "attendees": None, "organizer": {"email": calendar_id}}
    people = [
        {"email": _BOSS, "responseStatus": "accepted"},
        {"email": calendar_id, "responseStatus": _ANSWERS[event.response]},
    ]
    return {**kind, "attendees": people, "organizer": {"email": _BOSS}}
