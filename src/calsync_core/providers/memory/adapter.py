"""The adapter: speaks the ``PushProvider`` protocol to a ``MemoryService`` as to a server across a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve

from calsync_core.errors import AuthExpired, Conflict, CursorExpired, Unavailable
from calsync_core.models import (
    Availability,
    BlockContent,
    Calendar,
    ChangePage,
    Cursor,
    Identity,
    Intent,
    Item,
    KnownItem,
    Lookup,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Password,
    RemoteCalendar,
    Tag,
    Unreadable,
    Window,
)
from calsync_core.protocols import Push, PushRequest, ReadRequest, Session, Subscription
from calsync_core.providers.memory.cursor import Position
from calsync_core.providers.memory.push import parse_push
from calsync_core.providers.memory.service import MemoryService
from calsync_core.providers.memory.wire import (
    PREFIX,
    Resource,
    build_event,
    build_native_id,
    parse_content,
    parse_in_window,
    parse_item,
)

__all__ = ["MemoryProvider"]

_T = TypeVar("_T")
_CHUNK = 50
_READ_AHEAD = timedelta(days=30)
_LONGEST_HORIZON = timedelta(days=730) + _READ_AHEAD
_UNREADABLE = "unreadable: the server can't hand it out"


class MemoryProvider:
    """A ``PushProvider`` for calendars of a ``MemoryService``; the credential is a ``Password``.

    One request: a page of a listing, up to 50 items read by id, an intent written, a look before such a write, a
    subscription made, prolonged or ended.

    Attributes:
        batch_size: See ``Provider``.
        shows_tentative: As the service says when the adapter is made.
    """

    batch_size = 50

    def __init__(self, service: MemoryService, *, behind: int = 0) -> None:
        self.shows_tentative = service.shows_tentative
        self._service = service
        self._behind = behind

    def trailing(self, changes: int) -> MemoryProvider:
        """The same service, read from a replica that has not seen the newest changes of each calendar yet."""
        return MemoryProvider(self._service, behind=changes)

    def identify(self, session: Session) -> Identity:
        """Who the login is. Raises AuthExpired."""
        return self._service.who_is(self._request(session))

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """What the login may see, in order of creation."""
        return self._service.list_calendars(self._request(session))

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:  # noqa: ARG002  (the port's signature)
        """``calsync-KEY-GENERATION``."""
        return build_native_id(key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """See ``Provider``. A windowed listing whose cursor no longer reaches the horizon answers with a snapshot."""
        calendar = request.calendar
        username = self._request(session)
        shape = self._shape(calendar)
        position = None if request.cursor is None else Position.read(request.cursor, shape)
        if position is None or not position.reaches(request.window):
            pages = self._snapshot(username, request, shape)
        else:
            pages = self._delta(username, request, position, shape)
        for number, page in enumerate(pages):
            if number:
                self._request(session)
            yield page

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """See ``Provider``. What is asked for by id is found wherever it is; of a series that is listed as single
        occurrences, those of the next two years and more.
        """
        now = session.clock.now()
        items: list[Item] = []
        gone: list[str] = []
        unreadable: list[Unreadable] = []
        wanted = list(dict.fromkeys(keys))
        for chunk in _chunks(wanted, _CHUNK):
            found = self._service.read(self._request(session), calendar.remote_id, chunk, self._behind)
            for key in chunk:
                resource = found.get(key)
                if resource is None:
                    gone.append(key)
                    items += self._called(session, calendar, key)
                elif resource.readable:
                    items.append(self._found(resource, now, calendar))
                else:
                    unreadable.append(Unreadable(key, _UNREADABLE, resource.etag))
        return Lookup(tuple(items), tuple(gone), tuple(unreadable))

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """See ``Provider``."""
        username = self._request(session)
        _, resources = self._service.read_all(username, calendar.remote_id, self._behind)
        missed = 0
        for number, page in enumerate(_chunks(resources, self._service.page_size)):
            if number:
                self._request(session)
            for resource in page:
                if not resource.is_block:
                    continue
                if resource.readable:
                    yield parse_item(resource)
                else:
                    missed += 1
        if missed:
            raise Unavailable(f"{missed} blocks could not be read")

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider``. Every intent is a request of its own."""
        for intent in intents:
            try:
                yield self._write(session, calendar, intent)
            except Conflict:
                yield Outcome(intent.id, OutcomeStatus.CHANGED)

    def subscribe(
        self, session: Session, calendar: Calendar, *, subscription_id: str, secret: str, url: str
    ) -> Subscription:
        """See ``PushProvider``. The service keeps the url, and its pushes until they are taken."""
        username = self._request(session)
        return self._service.subscribe(
            username,
            calendar.remote_id,
            subscription_id=subscription_id,
            secret=secret,
            url=url,
            clock=session.clock,
        )

    def renew(self, session: Session, calendar: Calendar, subscription: Subscription) -> Subscription | None:
        """See ``PushProvider``. Where the service can't prolong any, it isn't asked."""
        if not self._service.push.renewable:
            return None
        return self._service.renew(self._request(session), calendar.remote_id, subscription.id, session.clock)

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        """See ``PushProvider``."""
        self._service.unsubscribe(self._request(session), subscription.id)

    def read_push(self, request: PushRequest) -> Sequence[Push]:
        """See ``PushProvider``: one."""
        return (parse_push(request),)

    def _called(self, session: Session, calendar: Calendar, name: str) -> list[Item]:
        """A block that stands under an id of the service's own, and was asked for by its name."""
        if not self._service.assigns_ids or not name.startswith(PREFIX):
            return []
        there = self._look(session, calendar, name)
        return [parse_item(there)] if there is not None and there.readable else []

    def _found(self, resource: Resource, now: datetime, calendar: Calendar) -> Item:
        item = parse_item(resource)
        if not self._service.window_listing or not any(event.recurrence for event in item.events):
            return item
        window = Window(now - _READ_AHEAD, now + _LONGEST_HORIZON)
        return parse_in_window(resource, window, calendar.zone) or evolve(item, events=())

    def _write(self, session: Session, calendar: Calendar, intent: Intent) -> Outcome:
        operation = intent.operation
        etag, key = operation.etag, operation.native_id
        creating = operation.kind is OperationKind.CREATE
        careful = not creating and (etag is None or not self._service.enforce_preconditions)
        if intent.in_doubt or careful:
            there = self._look(session, calendar, operation.native_id)
            settled = self._settled(intent, there)
            if settled is not None:
                return settled
            if there is not None and not creating:
                if not self._service.enforce_preconditions and etag not in {None, there.etag}:
                    raise Conflict("the item has changed")
                # What is known by its name alone is written where it stands.
                etag, key = etag or there.etag, there.key
        if operation.kind is OperationKind.DELETE:
            self._service.erase(self._request(session), calendar.remote_id, key, if_match=etag or "")
            return Outcome(intent.id, OutcomeStatus.DONE)
        return self._store(session, calendar, intent, key, etag or "")

    def _store(self, session: Session, calendar: Calendar, intent: Intent, key: str, etag: str) -> Outcome:
        operation = intent.operation
        username = self._request(session)
        event = build_event(operation.native_id, operation.content, shows_tentative=self._service.shows_tentative)
        if operation.kind is OperationKind.CREATE:
            stored = self._service.create(username, calendar.remote_id, operation.native_id, event, operation.tag)
            if stored is None:
                return self._taken(session, calendar, intent)
        else:
            stored = self._service.replace(username, calendar.remote_id, key, event, operation.tag, if_match=etag)
            if stored is None:
                return Outcome(intent.id, OutcomeStatus.MISSING)
        return self._done(intent, stored)

    def _settled(self, intent: Intent, there: Resource | None) -> Outcome | None:
        """What is known of an intent after a look; None: it has to be sent."""
        operation = intent.operation
        if there is None:
            gone = {OperationKind.DELETE: OutcomeStatus.DONE, OperationKind.UPDATE: OutcomeStatus.MISSING}
            status = gone.get(operation.kind)
            return None if status is None else Outcome(intent.id, status)
        if not there.readable or any(event.adorned for event in parse_item(there).events):
            taken = operation.kind is OperationKind.CREATE
            return Outcome(intent.id, OutcomeStatus.TAKEN if taken else OutcomeStatus.CHANGED, native_id=there.key)
        if operation.kind is OperationKind.CREATE:
            return self._settled_create(intent, there)
        if operation.kind is OperationKind.UPDATE and self._says(there, operation.content, operation.tag):
            return self._done(intent, there)
        return None

    def _taken(self, session: Session, calendar: Calendar, intent: Intent) -> Outcome:
        there = self._look(session, calendar, intent.operation.native_id) if self._service.assigns_ids else None
        return Outcome(intent.id, OutcomeStatus.TAKEN, native_id=there.key if there else None)

    def _settled_create(self, intent: Intent, there: Resource) -> Outcome:
        # The create that got no answer is what we find, unless somebody has moved it since: then it must be judged
        # afresh, as what it is now would otherwise pass for what we wrote.
        found, wanted = parse_content(parse_item(there)), self._as_stored(intent.operation.content)
        if found is not None and (found.span, found.show_as) == (wanted.span, wanted.show_as):
            return self._done(intent, there)
        return Outcome(intent.id, OutcomeStatus.TAKEN, native_id=there.key)

    def _says(self, there: Resource, content: BlockContent, tag: Tag) -> bool:
        item = parse_item(there)
        return parse_content(item) == self._as_stored(content) and tag in [
            event.mark.tag for event in item.events if event.mark
        ]

    def _as_stored(self, content: BlockContent) -> BlockContent:
        tentative = content.show_as is Availability.TENTATIVE and not self._service.shows_tentative
        return BlockContent(content.span.in_utc(), content.title, Availability.BUSY if tentative else content.show_as)

    def _done(self, intent: Intent, stored: Resource) -> Outcome:
        if not self._service.etag_on_write:
            return Outcome(intent.id, OutcomeStatus.DONE, native_id=stored.key)
        content = parse_content(parse_item(stored))
        return Outcome(intent.id, OutcomeStatus.DONE, stored.etag, content, native_id=stored.key)

    def _look(self, session: Session, calendar: Calendar, key: str) -> Resource | None:
        return self._service.find(self._request(session), calendar.remote_id, key, self._behind)

    def _request(self, session: Session) -> str:
        """Send one request: count it, and let the server check who asks. Returns the login's name."""
        for renew in (False, True):
            session.meter.count()
            credential = session.tokens.credential(renew=renew)
            if isinstance(credential, Password) and self._service.authenticate(
                credential.username, credential.password
            ):
                return credential.username
        raise AuthExpired("the service refuses this login")

    def _shape(self, calendar: Calendar) -> str:
        series = "apart" if self._service.split_series else "together"
        return f"memory/1 {calendar.remote_id} series={series} window={self._service.window_listing}"

    def _snapshot(self, username: str, request: ReadRequest, shape: str) -> Iterator[ChangePage]:
        token, resources = self._service.read_all(username, request.calendar.remote_id, self._behind)
        covers = None
        if self._service.window_listing:
            covers = Window(request.window.start, request.window.end + _READ_AHEAD)
            resources = [one for one in resources if parse_in_window(one, covers, request.calendar.zone)]
        cursor = Position(token, covers).write(shape)
        changes = [(resource.key, resource) for resource in resources]
        for page in self._pages(request, changes, covers, cursor):
            yield evolve(page, snapshot=True, covers=covers)

    def _delta(self, username: str, request: ReadRequest, position: Position, shape: str) -> Iterator[ChangePage]:
        found = self._service.read_since(username, request.calendar.remote_id, position.token, self._behind)
        if found is None:
            raise CursorExpired("the service no longer knows this cursor")
        token, changes = found
        cursor = evolve(position, token=token).write(shape)
        yield from self._pages(request, changes, position.window, cursor)

    def _pages(
        self,
        request: ReadRequest,
        changes: Sequence[tuple[str, Resource | None]],
        window: Window | None,
        cursor: Cursor,
    ) -> Iterator[ChangePage]:
        chunks = _chunks(changes, self._service.page_size) or [[]]
        for number, chunk in enumerate(chunks, start=1):
            known = request.known([key for key, _ in chunk]) if chunk else {}
            page = _page(chunk, known, window, request.calendar.zone)
            yield evolve(page, cursor=cursor) if number == len(chunks) else page


def _page(
    changes: Sequence[tuple[str, Resource | None]],
    known: Mapping[str, KnownItem],
    window: Window | None,
    zone: ZoneInfo,
) -> ChangePage:
    items: list[Item] = []
    present: list[str] = []
    removed: list[str] = []
    unreadable: list[Unreadable] = []
    for key, resource in changes:
        shown = None if resource is None else _shown(resource, window, zone)
        if resource is None or shown is None:
            removed.append(key)
        elif not resource.readable:
            unreadable.append(Unreadable(key, _UNREADABLE, resource.etag))
        elif key in known and known[key].etag == resource.etag and not _depends_on_window(shown):
            present.append(key)
        else:
            items.append(shown)
    return ChangePage(tuple(items), tuple(present), tuple(removed), tuple(unreadable))


def _shown(resource: Resource, window: Window | None, zone: ZoneInfo) -> Item | None:
    return parse_item(resource) if window is None else parse_in_window(resource, window, zone)


def _depends_on_window(item: Item) -> bool:
    # An unchanged series shows other occurrences in another window: its etag says nothing of them.
    return any(event.series == item.key and not event.recurrence for event in item.events[:1])


def _chunks(values: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
