"""The whole service: the server, and on top of it the hands of its users.

What is here acts as a person would in a calendar app: it costs no request and is not among ``writes``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from attrs import evolve

from calsync_core.errors import InvalidValue
from calsync_core.models import CalendarRole, Event, Item, Mark, Moment, PushKind, Span, slot_of
from calsync_core.protocols import PushRequest
from calsync_core.providers.memory.push import HeldSubscription, PushHabits
from calsync_core.providers.memory.server import Login, Server, Shelf, Snapshot, Write
from calsync_core.providers.memory.wire import Resource, parse_item

__all__ = ["HeldSubscription", "MemoryService", "PushHabits", "Snapshot", "Write"]


class MemoryService(Server):
    """A calendar service in memory, with everything a test does to one. Thread-safe.

    A calendar goes by its remote id, an event by the id that ``items`` shows. Options: see ``Server``; each is also
    an attribute, to change while the service runs. How it pushes is the attribute ``push``.
    """

    def add_user(
        self,
        name: str,
        password: str = "secret",  # noqa: S107  (a toy server's)
        *,
        email: str | None = None,
        timezone: str | None = None,
    ) -> None:
        """A login; its address is ``NAME@example.com`` unless said."""
        with self._lock:
            self._logins[name] = Login(password, email or f"{name}@example.com", timezone)

    def set_password(self, name: str, password: str) -> None:
        """What was valid until now no longer is."""
        with self._lock:
            self._logins[name] = evolve(self._logins[name], password=password)

    def add_calendar(
        self,
        user: str,
        name: str,
        *,
        remote_id: str | None = None,
        role: CalendarRole = CalendarRole.OWNER,
        timezone: str | None = None,
        primary: bool = False,
        pushes: bool = True,
    ) -> str:
        """A new, empty calendar of this user; returns its remote id (``USER/NAME`` unless said)."""
        with self._lock:
            if user not in self._logins:
                raise InvalidValue(f"user: no user {user!r}")
            chosen = remote_id or f"{user}/{name}"
            if chosen in self._shelves:
                raise InvalidValue(f"remote_id: {chosen!r} is in use")
            heard = partial(self._tell, chosen)
            self._shelves[chosen] = Shelf(name, timezone, primary, {user: role}, self._stamps, heard, pushes)
            return chosen

    def share(self, calendar_id: str, user: str, role: CalendarRole) -> None:
        """Let a user see the calendar, or change what they may do there."""
        with self._lock:
            self._shelf(calendar_id).roles[user] = role

    def remove_calendar(self, calendar_id: str) -> None:
        """Nobody finds it any more, until ``bring_back``."""
        with self._lock:
            self._shelf(calendar_id).vanished = True

    def bring_back(self, calendar_id: str) -> None:
        """The removed calendar as it was."""
        with self._lock:
            self._shelf(calendar_id).vanished = False

    def expire_cursors(self, calendar_id: str | None = None) -> None:
        """Make every cursor given out so far void, on one calendar or on all."""
        with self._lock:
            for shelf in self._shelves.values() if calendar_id is None else [self._shelf(calendar_id)]:
                shelf.epoch += 1

    def set_pushes(self, calendar_id: str, *, pushes: bool) -> None:
        """Whether the calendar can be watched; what watches it already goes on."""
        with self._lock:
            self._shelf(calendar_id).pushes = pushes

    def take_pushes(self) -> list[PushRequest]:
        """What came to the hosts' endpoints since the last call, oldest first: one request for each change to an item
        and each live subscription. Whether a host gets them once, twice, late or never is the test's affair.
        """
        with self._lock:
            return self._desk.take()

    def lose_pushes(self) -> int:
        """Drop what nobody has taken yet, as an outage does; returns how many were lost."""
        return len(self.take_pushes())

    def subscriptions(self) -> dict[str, HeldSubscription]:
        """What has not ended, by id."""
        with self._lock:
            return self._desk.live()

    def kill_subscription(self, subscription_id: str) -> None:
        """It is gone, and nobody is told."""
        with self._lock:
            self._desk.drop(subscription_id)

    def mute_subscription(self, subscription_id: str, *, muted: bool = True) -> None:
        """It lives, can even be renewed, and tells nothing, until ``muted=False``."""
        with self._lock:
            self._desk.mute(subscription_id, muted=muted)

    def send_push(self, subscription_id: str, kind: PushKind) -> None:
        """Tell something of the subscription itself: MISSED, REAUTHORIZE …; with ENDED, it is gone."""
        with self._lock:
            self._desk.send(self._desk.find(subscription_id), kind)
            if kind is PushKind.ENDED:
                self._desk.drop(subscription_id)

    @staticmethod
    def event(uid: str, start: Moment, end: Moment, **changes: Any) -> Event:
        """An event to ``put``; ``changes`` are fields of ``Event``."""
        return Event(changes.pop("id", uid), uid, Span(start, end), **changes)

    @staticmethod
    def exception(
        master: Event, original_start: Moment, start: Moment | None = None, end: Moment | None = None, **changes: Any
    ) -> Event:
        """An exception of a series to ``put``, with the master's fields; without times it stays in its place."""
        begin = original_start if start is None else start
        finish = _after(begin, _length(master.span)) if end is None else end
        return evolve(
            master,
            id=f"{master.id}#{slot_of(original_start)}",
            series=master.id,
            original_start=original_start,
            span=Span(begin, finish),
            recurrence=(),
            **changes,
        )

    def put(self, calendar_id: str, *what: Event | Item, key: str | None = None) -> str:
        """Save an event: a single one, or a master with all its exceptions, or more exceptions of a stored series.

        A master or single event replaces what its key had, exceptions included.

        Args:
            calendar_id: Where.
            what: Events of one series or a single event; or one item.
            key: The id it shall get; the first event's own unless said.

        Returns:
            The id of the item with the master or single event.
        """
        events: list[Event] = []
        for one in what:
            if isinstance(one, Item):
                key = key or one.key
                events.extend(one.events)
            else:
                events.append(one)
        masters = [event for event in events if event.series is None]
        if not events or len(masters) > 1:
            raise InvalidValue("what: needs one single event, or one series with its exceptions")
        chosen = key or (masters[0].id if masters else str(events[0].series))
        with self._lock:
            shelf = self._shelf(calendar_id)
            if masters and chosen in shelf.resources:
                for old in [one.key for one in shelf.resources.values() if one.series == chosen]:
                    shelf.drop(old)
            if self.split_series:
                self._put_apart(shelf, chosen, events)
            else:
                self._put_together(shelf, chosen, events, whole=bool(masters))
        return chosen

    def edit(self, calendar_id: str, event_id: str, **changes: Any) -> None:
        """Change fields of one event; ``start`` and ``end`` are understood besides those of ``Event``."""
        with self._lock:
            resource, event = self._find(calendar_id, event_id)
            if "start" in changes or "end" in changes:
                start = changes.pop("start", event.span.start)
                changes["span"] = Span(start, changes.pop("end", None) or _after(start, _length(event.span)))
            edited = evolve(event, **changes)
            events = tuple(edited if one is event else one for one in resource.events)
            self._shelf(calendar_id).write(evolve(resource, events=events))

    def remove(self, calendar_id: str, event_id: str) -> None:
        """Delete an item; a master takes its exceptions along, an exception goes back to its place in the series."""
        with self._lock:
            shelf = self._shelf(calendar_id)
            if event_id in shelf.resources:
                shelf.drop(event_id)
                return
            resource, event = self._find(calendar_id, event_id)
            shelf.write(evolve(resource, events=tuple(one for one in resource.events if one is not event)))

    def corrupt(self, calendar_id: str, key: str) -> None:
        """Let the item be there and yet unreadable, until ``mend``."""
        self._amend(calendar_id, key, readable=False)

    def mend(self, calendar_id: str, key: str) -> None:
        """Let a corrupted item be readable again."""
        self._amend(calendar_id, key, readable=True)

    def items(self, calendar_id: str) -> list[Item]:
        """Everything in the calendar, as an adapter shows it; lag and windows apart."""
        with self._lock:
            return [parse_item(one) for _, one in sorted(self._shelf(calendar_id).resources.items())]

    def blocks(self, calendar_id: str) -> list[Item]:
        """The busy blocks of any installation among ``items``."""
        with self._lock:
            found = sorted(self._shelf(calendar_id).resources.items())
            return [parse_item(one) for _, one in found if one.is_block]

    def strip_tag(self, calendar_id: str, key: str) -> None:
        """Lose a block's private tag, as some apps do."""
        self._amend(calendar_id, key, tag=None, tagged_as=None)

    def retitle(self, calendar_id: str, event_id: str, title: str) -> None:
        """Give an event or block another title."""
        self.edit(calendar_id, event_id, title=title)

    def move(self, calendar_id: str, event_id: str, start: Moment, end: Moment | None = None) -> None:
        """Drag an event or block; without an end it keeps its length."""
        self.edit(calendar_id, event_id, start=start, **({} if end is None else {"end": end}))

    def adorn(self, calendar_id: str, key: str) -> None:
        """Invite somebody to a block."""
        self.edit(calendar_id, key, adorned=True)

    def copy_block(self, calendar_id: str, key: str, copy_id: str, *, to: str | None = None) -> str:
        """Duplicate an item under another id, private tag included, as an app's "duplicate" does."""
        with self._lock:
            resource = self._resource(calendar_id, key)
            events = tuple(evolve(event, id=copy_id, uid=copy_id) for event in resource.events)
            self._shelf(to or calendar_id).write(evolve(resource, key=copy_id, events=events, name=None))
            return copy_id

    def _put_together(self, shelf: Shelf, key: str, events: list[Event], *, whole: bool) -> None:
        old = shelf.resources.get(key)
        kept = {} if old is None or whole else {event.id: event for event in old.events}
        for event in events:
            named = _renamed(event, key)
            kept[named.id] = named
        shelf.write(_resource(old, key, tuple(kept.values())))

    def _put_apart(self, shelf: Shelf, key: str, events: list[Event]) -> None:
        for event in events:
            named = _renamed(event, key)
            shelf.write(_resource(shelf.resources.get(named.id), named.id, (named,), series=named.series))

    def _find(self, calendar_id: str, event_id: str) -> tuple[Resource, Event]:
        for resource in self._shelf(calendar_id).resources.values():
            for event in resource.events:
                if event.id == event_id:
                    return resource, event
        raise InvalidValue(f"event_id: nothing with the id {event_id!r}")

    def _amend(self, calendar_id: str, key: str, **changes: Any) -> None:
        with self._lock:
            self._shelf(calendar_id).write(evolve(self._resource(calendar_id, key), **changes))

    def _resource(self, calendar_id: str, key: str) -> Resource:
        shelf = self._shelf(calendar_id)
        if key not in shelf.resources:
            raise InvalidValue(f"key: nothing with the id {key!r}")
        return shelf.resources[key]


def _length(span: Span) -> timedelta:
    if isinstance(span.start, datetime) and isinstance(span.end, datetime):
        return span.end.astimezone(UTC) - span.start.astimezone(UTC)
    return timedelta(days=span.end.toordinal() - span.start.toordinal())


def _after(start: Moment, length: timedelta) -> Moment:
    """That much later on the time line, not on the wall, and in the same zone."""
    if isinstance(start, datetime):
        return (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    return start + length


def _renamed(event: Event, key: str) -> Event:
    # A server knows nothing of our marks; only the text of an older system's is in the event itself.
    mark = event.mark if isinstance(event.mark, Mark) and event.mark.textual else None
    if event.original_start is None:
        return evolve(event, id=key, mark=mark)
    return evolve(event, id=f"{key}#{slot_of(event.original_start)}", series=key, mark=mark)


def _resource(old: Resource | None, key: str, events: tuple[Event, ...], series: str | None = None) -> Resource:
    if old is None:
        return Resource(key, events, series=series)
    return evolve(old, events=events, series=series)
