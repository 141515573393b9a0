"""The server's side: logins, calendars, resources with revisions, a change log, preconditions.

Every method is one indivisible step, as a request is to a server; times and counts are the adapter's affair.
"""

from __future__ import annotations

import copy
import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator

from attrs import define, evolve, field, frozen

from calsync_core.errors import Conflict, InvalidValue, NotFound, PushUnsupported, ReadOnly
from calsync_core.models import CalendarRole, Event, Identity, OperationKind, RemoteCalendar, Tag
from calsync_core.protocols import Clock, Subscription
from calsync_core.providers.memory.push import DeskState, PushDesk, PushHabits
from calsync_core.providers.memory.wire import Resource

__all__ = ["Change", "Login", "Server", "Shelf", "Snapshot", "Write"]

_TOKEN = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)
TITLE_LIMIT = 4
"""How many characters of a block's title survive where ``renormalise_titles`` is set."""


@frozen
class Write:
    """One thing that an adapter really changed."""

    calendar: str
    kind: OperationKind
    native_id: str


@frozen
class Change:
    """One line of a calendar's change log; its revision is its place, counted from 1.

    Attributes:
        stamp: Never given twice in a server's life, also not after ``restore``.
        resource: What is there now; None: removed.
        along: Instances that were removed along with their master. A delta that names the master as gone does not
            name them.
    """

    key: str
    stamp: int
    resource: Resource | None = None
    along: tuple[str, ...] = ()


@define
class Login:
    """Who may come in, and what the service knows of them."""

    password: str = field(repr=False)
    email: str | None = field(repr=False)
    timezone: str | None


@define
class Shelf:
    """One calendar: what lies on it, and its history.

    Attributes:
        roles: What each login may do with it; who is not named does not see it.
        heard: Told of each change, once it has happened.
        pushes: Whether it can be watched.
        epoch: Grows when all its cursors are made void.
        vanished: Nobody finds it.
    """

    name: str
    timezone: str | None
    primary: bool
    roles: dict[str, CalendarRole]
    stamps: Iterator[int] = field(repr=False)
    heard: Callable[[Change], None] = field(repr=False)
    pushes: bool = True
    resources: dict[str, Resource] = field(factory=dict)
    log: list[Change] = field(factory=list)
    epoch: int = 1
    vanished: bool = False

    def at(self, behind: int) -> tuple[int, dict[str, Resource]]:
        """Revision and contents as they were this many changes ago."""
        if not behind:
            return len(self.log), self.resources
        seen = self.log[: max(0, len(self.log) - behind)]
        contents: dict[str, Resource] = {}
        for change in seen:
            if change.resource is None:
                for gone in (change.key, *change.along):
                    contents.pop(gone, None)
            else:
                contents[change.key] = change.resource
        return len(seen), contents

    def stamp_at(self, revision: int) -> int | None:
        """The stamp of this revision; None if there has been no such revision."""
        if not 0 <= revision <= len(self.log):
            return None
        return self.log[revision - 1].stamp if revision else 0

    def find(self, name: str) -> Resource | None:
        """The resource with this id, or that its creator called so."""
        return self.resources.get(name) or next((each for each in self.resources.values() if each.name == name), None)

    def write(self, resource: Resource) -> Resource:
        """Store it as the next revision."""
        stored = evolve(resource, stamp=next(self.stamps))
        self.resources[stored.key] = stored
        self._note(Change(stored.key, stored.stamp, stored))
        return stored

    def drop(self, key: str) -> None:
        """Remove it, and without a word the instances whose master it is."""
        along = tuple(each.key for each in self.resources.values() if each.series == key)
        for gone in (key, *along):
            del self.resources[gone]
        self._note(Change(key, next(self.stamps), along=along))

    def _note(self, change: Change) -> None:
        self.log.append(change)
        self.heard(change)


@frozen
class Snapshot:
    """A server's whole state, to go back to."""

    logins: dict[str, Login] = field(repr=False)
    shelves: dict[str, Shelf] = field(repr=False)
    writes: tuple[Write, ...]
    push: DeskState


class Server:
    """A calendar server in memory.

    Attributes:
        page_size: Resources in one page of a listing.
        split_series: Each exception of a series is a resource of its own (as Google does) and not part of its
            master's (as CalDAV does).
        window_listing: A listing shows a window only, and so do the changes since then; a series comes as the single
            occurrences in it (as Graph does). Not together with ``split_series``.
        shows_tentative: A block can say "tentative" here; otherwise it is stored as busy.
        etag_on_write: The answer to a write tells what was stored, and its etag.
        enforce_preconditions: A stale etag is refused; otherwise it is ignored.
        renormalise_titles: A written title is stripped and cut to ``TITLE_LIMIT`` characters.
        assigns_ids: A new item gets an id of the service's own; what its creator called it stays beside that, as
            Graph's ``transactionId`` does.
        lag: That many of the newest changes of each calendar are not shown to readers yet.
        writes: What adapters changed, in order.
    """

    def __init__(
        self,
        *,
        page_size: int = 100,
        split_series: bool = False,
        window_listing: bool = False,
        shows_tentative: bool = True,
        etag_on_write: bool = True,
        enforce_preconditions: bool = True,
        renormalise_titles: bool = False,
        assigns_ids: bool = False,
        lag: int = 0,
    ) -> None:
        if page_size < 1:
            raise InvalidValue(f"page_size: must be at least 1, got {page_size}")
        if split_series and window_listing:
            raise InvalidValue("split_series: not together with window_listing")
        self.page_size = page_size
        self.split_series = split_series
        self.window_listing = window_listing
        self.shows_tentative = shows_tentative
        self.etag_on_write = etag_on_write
        self.enforce_preconditions = enforce_preconditions
        self.renormalise_titles = renormalise_titles
        self.assigns_ids = assigns_ids
        self.lag = lag
        self.writes: list[Write] = []
        self._desk = PushDesk()
        self._stamps = itertools.count(1)
        self._logins: dict[str, Login] = {}
        self._shelves: dict[str, Shelf] = {}
        self._lock = threading.RLock()

    @property
    def push(self) -> PushHabits:
        """How it pushes. It, and each of its fields, may be set while the service runs."""
        return self._desk.habits

    @push.setter
    def push(self, habits: PushHabits) -> None:
        self._desk.habits = habits

    def authenticate(self, username: str, password: str) -> bool:
        """Whether this password opens this login."""
        with self._lock:
            login = self._logins.get(username)
            return login is not None and login.password == password

    def who_is(self, username: str) -> Identity:
        """The login's stable identity."""
        with self._lock:
            login = self._logins[username]
            return Identity(f"memory:{username}", login.email, login.timezone)

    def list_calendars(self, username: str) -> list[RemoteCalendar]:
        """What the login may see."""
        with self._lock:
            return [
                RemoteCalendar(
                    remote_id,
                    shelf.name,
                    shelf.roles[username],
                    shelf.timezone,
                    shelf.primary and shelf.roles[username] is CalendarRole.OWNER,
                )
                for remote_id, shelf in self._shelves.items()
                if username in shelf.roles and not shelf.vanished
            ]

    def read_all(self, username: str, remote_id: str, behind: int = 0) -> tuple[str, list[Resource]]:
        """A sync token, and the contents in the order of their keys."""
        with self._lock:
            shelf = self._open(username, remote_id)
            revision, contents = shelf.at(max(behind, self.lag))
            return _token(shelf, revision), sorted(contents.values(), key=lambda resource: resource.key)

    def read_since(
        self, username: str, remote_id: str, token: str, behind: int = 0
    ) -> tuple[str, list[tuple[str, Resource | None]]] | None:
        """A new sync token, and what changed since this one (None: removed), oldest change first.

        Returns:
            None if the token is not valid here (any more).
        """
        with self._lock:
            shelf = self._open(username, remote_id)
            revision = int(token.split(".")[1]) if _TOKEN.fullmatch(token) else 0
            if shelf.stamp_at(revision) is None or token != _token(shelf, revision):
                return None
            visible, contents = shelf.at(max(behind, self.lag))
            changed: dict[str, None] = {}
            for change in shelf.log[revision:visible]:
                changed |= dict.fromkeys((change.key, *(change.along if change.key in contents else ())))
            return _token(shelf, max(revision, visible)), [(key, contents.get(key)) for key in changed]

    def find(self, username: str, remote_id: str, name: str, behind: int = 0) -> Resource | None:
        """The resource with this id, or that its creator called so."""
        with self._lock:
            contents = self._open(username, remote_id).at(max(behind, self.lag))[1]
            return contents.get(name) or next((each for each in contents.values() if each.name == name), None)

    def read(self, username: str, remote_id: str, keys: Iterable[str], behind: int = 0) -> dict[str, Resource]:
        """Those of these resources that are there."""
        with self._lock:
            contents = self._open(username, remote_id).at(max(behind, self.lag))[1]
            return {key: contents[key] for key in keys if key in contents}

    def create(self, username: str, remote_id: str, key: str, event: Event, tag: Tag) -> Resource | None:
        """Store a block; None if its id or name is in use.

        Raises:
            NotFound: there is no such calendar.
            ReadOnly: the login may not write to it.
        """
        with self._lock:
            shelf = self._open(username, remote_id, to_write=True)
            if shelf.find(key) is not None:
                return None
            name = key if self.assigns_ids else None
            chosen = f"given-{next(self._stamps)}" if self.assigns_ids else key
            made = Resource(chosen, (evolve(event, id=chosen),), tag=tag, tagged_as=key, name=name)
            return self._write(shelf, Write(remote_id, OperationKind.CREATE, chosen), made)

    def replace(
        self, username: str, remote_id: str, key: str, event: Event, tag: Tag, *, if_match: str
    ) -> Resource | None:
        """Overwrite a block; None if there is none.

        Raises:
            NotFound: there is no such calendar.
            ReadOnly: the login may not write to it.
            Conflict: the etag is stale, where preconditions are enforced.
        """
        with self._lock:
            shelf = self._open(username, remote_id, to_write=True)
            if not self._matches(shelf, key, if_match):
                return None
            old = shelf.resources[key]
            made = Resource(key, (evolve(event, id=key),), tag=tag, tagged_as=old.called, name=old.name)
            return self._write(shelf, Write(remote_id, OperationKind.UPDATE, key), made)

    def erase(self, username: str, remote_id: str, key: str, *, if_match: str) -> bool:
        """Remove a block; False if there is none. Raises as ``replace`` does."""
        with self._lock:
            shelf = self._open(username, remote_id, to_write=True)
            if not self._matches(shelf, key, if_match):
                return False
            shelf.drop(key)
            self.writes.append(Write(remote_id, OperationKind.DELETE, key))
            return True

    def subscribe(
        self, username: str, remote_id: str, *, subscription_id: str, secret: str, url: str, clock: Clock
    ) -> Subscription:
        """Promise to push what changes in a calendar.

        Raises:
            NotFound: there is no such calendar.
            PushUnsupported: this one can't be watched.
            Rejected: the id or the secret is not possible.
            Conflict: the id is in use.
        """
        with self._lock:
            if not self._open(username, remote_id).pushes:
                raise PushUnsupported("this calendar can't push")
            return self._desk.open(
                username, remote_id, subscription_id=subscription_id, secret=secret, url=url, clock=clock
            )

    def renew(self, username: str, remote_id: str, subscription_id: str, clock: Clock) -> Subscription:
        """Prolong a subscription. Raises NotFound: it is gone, or its calendar is."""
        with self._lock:
            self._open(username, remote_id)
            return self._desk.prolong(username, remote_id, subscription_id, clock)

    def unsubscribe(self, username: str, subscription_id: str) -> None:
        """End a subscription, if it is there. Raises Rejected: another login made it."""
        with self._lock:
            self._desk.close(username, subscription_id)

    def snapshot(self) -> Snapshot:
        """The whole state, passwords, change log and untaken pushes included; options are not."""
        with self._lock:
            return Snapshot(dict(self._logins), _copied(self._shelves), tuple(self.writes), self._desk.state())

    def restore(self, state: Snapshot) -> None:
        """Go back to it. The snapshot stays usable; sync tokens given out since then are void."""
        with self._lock:
            self._logins = dict(state.logins)
            self._shelves = _copied(state.shelves)
            self.writes[:] = state.writes
            self._desk.go_back(state.push)

    def _tell(self, remote_id: str, change: Change) -> None:
        shelf = self._shelves[remote_id]
        etag = change.resource.etag if change.resource is not None else None
        self._desk.tell(remote_id, () if shelf.vanished else shelf.roles, change.key, etag)

    def _matches(self, shelf: Shelf, key: str, if_match: str) -> bool:
        there = shelf.resources.get(key)
        if there is not None and self.enforce_preconditions and there.etag != if_match:
            raise Conflict("the item has changed")
        return there is not None

    def _write(self, shelf: Shelf, write: Write, made: Resource) -> Resource:
        if self.renormalise_titles:
            events = tuple(evolve(event, title=event.title.strip()[:TITLE_LIMIT]) for event in made.events)
            made = evolve(made, events=events)
        self.writes.append(write)
        return shelf.write(made)

    def _shelf(self, remote_id: str) -> Shelf:
        try:
            return self._shelves[remote_id]
        except KeyError:
            raise InvalidValue(f"calendar_id: no calendar {remote_id!r}") from None

    def _open(self, username: str, remote_id: str, *, to_write: bool = False) -> Shelf:
        shelf = self._shelves.get(remote_id)
        if shelf is None or shelf.vanished or username not in shelf.roles:
            raise NotFound("there is no such calendar")
        if to_write and not shelf.roles[username].writable:
            raise ReadOnly("this login may not write to this calendar")
        return shelf


def _token(shelf: Shelf, revision: int) -> str:
    # The stamp tells a revision from another of the same number in a life that a restore has undone.
    return f"{shelf.epoch}.{revision}.{shelf.stamp_at(revision)}"


def _copied(shelves: dict[str, Shelf]) -> dict[str, Shelf]:
    copies = {}
    for remote_id, shelf in shelves.items():
        copies[remote_id] = one = copy.copy(shelf)
        one.roles, one.resources, one.log = dict(shelf.roles), dict(shelf.resources), list(shelf.log)
    return copies
