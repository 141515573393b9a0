"""Fault injection around any provider: by schedule, or by dice.

::

    faulty = FaultyProvider(MemoryProvider(service))
    faulty.schedule(Fault(FaultKind.LOST_ANSWER, on="apply"))     # the next write happens, its answer is lost
    faulty.scatter(random.Random(7), rate=0.2)                    # and from now on, anything may
    faulty.calm()                                                 # until here
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

from attrs import evolve, field, frozen

from calsync_core.errors import ConfigurationError, InvalidValue, ProviderError, RateLimited, Unavailable
from calsync_core.models import (
    Calendar,
    ChangePage,
    Identity,
    Intent,
    Item,
    Lookup,
    Outcome,
    OutcomeStatus,
    RemoteCalendar,
    Unreadable,
)
from calsync_core.protocols import Provider, ReadRequest, Session
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore, Toll, lend

__all__ = ["Died", "DyingProvider", "DyingStore", "Fault", "FaultKind", "FaultyProvider", "Toll", "Trailing"]


_T = TypeVar("_T")


class FaultKind(StrEnum):
    """What can go wrong. Nothing here breaks the port's promises: these are honest failures and honest oddities."""

    ERROR = "error"
    """The request fails before anything happened: ``Fault.error``, or Unavailable."""
    RATE_LIMITED = "rate_limited"
    """RateLimited with ``Fault.retry_after``, before anything happened."""
    LOST_ANSWER = "lost_answer"
    """A write is committed and its answer lost: Unavailable after ``Fault.position`` outcomes were given. So may be the
    answer to a subscription made, prolonged or ended."""
    CUT_SHORT = "cut_short"
    """The connection breaks half-way: Unavailable in place of the last page, item or outcome."""
    EMPTY_LISTING = "empty_listing"
    """A snapshot that shows nothing, as if all had been deleted; changes since a cursor stay unseen until later."""
    UNREADABLE_ITEM = "unreadable_item"
    """The first item of each page or lookup can't be read."""
    STALE_READ = "stale_read"
    """The answer comes from a replica that has not seen the last ``Fault.behind`` changes."""
    BLANK_PAGE = "blank_page"
    """An empty page comes first (I-13)."""
    DOUBLED_PAGE = "doubled_page"
    """The first page of several comes twice (I-14)."""
    PUT_OFF = "put_off"
    """Every intent is answered with RETRY, and nothing is written."""


_SUBSCRIBING = ("subscribe", "renew", "unsubscribe")
_ANYWHERE = frozenset({FaultKind.ERROR, FaultKind.RATE_LIMITED})
_POSSIBLE: dict[str, frozenset[FaultKind]] = {
    "identify": _ANYWHERE,
    "list_calendars": _ANYWHERE,
    "fetch_changes": _ANYWHERE
    | {
        FaultKind.CUT_SHORT,
        FaultKind.EMPTY_LISTING,
        FaultKind.UNREADABLE_ITEM,
        FaultKind.STALE_READ,
        FaultKind.BLANK_PAGE,
        FaultKind.DOUBLED_PAGE,
    },
    "fetch_items": _ANYWHERE | {FaultKind.UNREADABLE_ITEM, FaultKind.STALE_READ},
    "find_blocks": _ANYWHERE | {FaultKind.CUT_SHORT, FaultKind.STALE_READ},
    "apply": _ANYWHERE | {FaultKind.LOST_ANSWER, FaultKind.CUT_SHORT, FaultKind.PUT_OFF},
    **dict.fromkeys(_SUBSCRIBING, _ANYWHERE | {FaultKind.LOST_ANSWER}),
}


@runtime_checkable
class Trailing(Protocol):
    """A provider whose service can be read as it was a little earlier; needed for STALE_READ."""

    def trailing(self, changes: int) -> Provider:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """The same service, without the newest changes of each calendar."""


@frozen
class Fault:
    """One thing that goes wrong, once.

    Attributes:
        on: The provider's method; None: the next one where this kind can happen.
        skip: How many calls where it could happen go well first.
        error: For ERROR.
        retry_after: Seconds, for RATE_LIMITED and PUT_OFF.
        position: For LOST_ANSWER: outcomes given before.
        behind: For STALE_READ: changes not seen.

    Raises:
        InvalidValue: there is no such method, or this kind can't happen there.
    """

    kind: FaultKind
    on: str | None = None
    skip: int = 0
    error: ProviderError | None = field(default=None, eq=False)
    retry_after: float | None = None
    position: int = 0
    behind: int = 1

    def __attrs_post_init__(self) -> None:
        if self.on is not None and self.kind not in _POSSIBLE.get(self.on, ()):
            raise InvalidValue(f"on: {self.kind} can't happen in {self.on!r}")

    def fits(self, operation: str) -> bool:
        """Whether it can happen in a call of this method."""
        return self.kind in _POSSIBLE[operation] and self.on in {None, operation}


class FaultyProvider:
    """Any provider, with faults. Thread-safe.

    Attributes:
        injected: ``(method, kind)`` of every fault so far.
    """

    def __init__(self, inner: Provider, *faults: Fault) -> None:
        self.batch_size = inner.batch_size
        self.shows_tentative = inner.shows_tentative
        self.injected: list[tuple[str, FaultKind]] = []
        self._inner = inner
        self._lock = threading.Lock()
        self._scheduled: list[Fault] = []
        self._dice: random.Random | None = None
        self._rate = 0.0
        self._kinds: frozenset[FaultKind] = frozenset()
        # A renewal of a grant never fails here: its errors are its own.
        plain = ("renew_grant", "read_push", "read_handshake", "one_worker_per_login")
        lend(self, inner, {name: getattr(inner, name, None) for name in plain})
        lend(self, inner, {name: self._faulty_call(name) for name in _SUBSCRIBING})
        for fault in faults:
            self.schedule(fault)

    def schedule(self, fault: Fault) -> None:
        """Let it happen once. Raises ConfigurationError for a stale read from a provider that can't trail."""
        self._check({fault.kind})
        with self._lock:
            self._scheduled.append(fault)

    def scatter(self, dice: random.Random, rate: float, kinds: Collection[FaultKind] | None = None) -> None:
        """Let one call in ``1 / rate`` go wrong in one of these ways (all that this provider can), by dice."""
        able = set(FaultKind) if isinstance(self._inner, Trailing) else set(FaultKind) - {FaultKind.STALE_READ}
        chosen = frozenset(able if kinds is None else kinds)
        self._check(chosen)
        if not 0 <= rate <= 1:
            raise InvalidValue(f"rate: must be from 0 to 1, got {rate}")
        with self._lock:
            self._dice, self._rate, self._kinds = dice, rate, chosen

    def calm(self) -> None:
        """From now on all goes well."""
        with self._lock:
            self._scheduled.clear()
            self._dice = None

    def identify(self, session: Session) -> Identity:
        """See ``Provider``."""
        self._begin("identify", session)
        return self._inner.identify(session)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """See ``Provider``."""
        self._begin("list_calendars", session)
        return self._inner.list_calendars(session)

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:
        """See ``Provider``; never fails."""
        return self._inner.native_id(calendar, key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """See ``Provider``."""
        fault = self._begin("fetch_changes", session)
        pages = self._source(fault).fetch_changes(session, request)
        match fault.kind if fault else None:
            case FaultKind.CUT_SHORT:
                yield from _cut_short(list(pages))
            case FaultKind.EMPTY_LISTING:
                yield _emptied(list(pages), request)
            case FaultKind.UNREADABLE_ITEM:
                yield from map(_spoiled, pages)
            case FaultKind.BLANK_PAGE:
                first = next(pages)
                yield ChangePage(snapshot=first.snapshot, covers=first.covers)
                yield first
                yield from pages
            case FaultKind.DOUBLED_PAGE:
                first, *rest = pages
                yield from [first, first, *rest] if rest else [first]
            case _:
                yield from pages

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """See ``Provider``."""
        fault = self._begin("fetch_items", session)
        found = self._source(fault).fetch_items(session, calendar, keys)
        # What only a name led to would be owed under the name, which the item does not tell.
        spoils = fault is not None and fault.kind is FaultKind.UNREADABLE_ITEM
        if spoils and all(item.key in keys for item in found.items[:1]):
            items, unreadable = _first_spoiled(found.items, found.unreadable)
            return evolve(found, items=items, unreadable=unreadable)
        return found

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """See ``Provider``."""
        fault = self._begin("find_blocks", session)
        blocks = self._source(fault).find_blocks(session, calendar)
        if fault and fault.kind is FaultKind.CUT_SHORT:
            yield from _cut_short(list(blocks))
        yield from blocks

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider``."""
        fault = self._begin("apply", session)
        match fault.kind if fault else None:
            case FaultKind.PUT_OFF:
                for intent in intents:
                    yield Outcome(intent.id, OutcomeStatus.RETRY, retry_after=fault.retry_after if fault else None)
            case FaultKind.CUT_SHORT:
                yield from self._inner.apply(session, calendar, intents[: len(intents) // 2])
                raise Unavailable("injected: the connection broke")
            case FaultKind.LOST_ANSWER:
                outcomes = self._inner.apply(session, calendar, intents)
                yield from islice(outcomes, max(0, min(fault.position if fault else 0, len(intents) - 1)))
                next(outcomes, None)
                raise Unavailable("injected: the answer was lost")
            case _:
                yield from self._inner.apply(session, calendar, intents)

    def _faulty_call(self, name: str) -> Callable[..., Any]:
        def faulty(session: Session, *args: Any, **kwargs: Any) -> Any:
            fault = self._begin(name, session)
            answer = getattr(self._inner, name)(session, *args, **kwargs)
            if fault is not None:
                raise Unavailable("injected: the answer was lost")
            return answer

        return faulty

    def _check(self, kinds: Collection[FaultKind]) -> None:
        if FaultKind.STALE_READ in kinds and not isinstance(self._inner, Trailing):
            raise ConfigurationError("kind: a stale read needs a provider with a method 'trailing'")

    def _source(self, fault: Fault | None) -> Provider:
        if fault and fault.kind is FaultKind.STALE_READ and isinstance(self._inner, Trailing):
            return self._inner.trailing(fault.behind)
        return self._inner

    def _begin(self, operation: str, session: Session) -> Fault | None:
        """Draw what goes wrong with this call, and fail at once if that is it."""
        fault = self._draw(operation)
        if fault is None or fault.kind not in _ANYWHERE:
            return fault
        session.meter.count()
        if fault.kind is FaultKind.RATE_LIMITED:
            raise RateLimited("injected: too many requests", retry_after=fault.retry_after)
        raise fault.error or Unavailable("injected: no connection")

    def _draw(self, operation: str) -> Fault | None:
        with self._lock:
            drawn = None
            for place, fault in enumerate(self._scheduled):
                if fault.fits(operation):
                    if fault.skip:
                        self._scheduled[place] = evolve(fault, skip=fault.skip - 1)
                        continue
                    drawn = self._scheduled.pop(place)
                    break
            if drawn is None and self._dice is not None and self._dice.random() < self._rate:
                drawn = self._thrown(self._dice, operation)
            if drawn is not None:
                self.injected.append((operation, drawn.kind))
            return drawn

    def _thrown(self, dice: random.Random, operation: str) -> Fault | None:
        kinds = sorted(self._kinds & _POSSIBLE[operation])
        if not kinds:
            return None
        return Fault(
            dice.choice(kinds),
            operation,
            retry_after=dice.choice([None, 0.5, 30.0]),
            position=dice.randrange(3),
            behind=dice.randrange(1, 4),
        )


def _cut_short(answers: Sequence[_T]) -> Iterator[_T]:
    yield from answers[:-1]
    raise Unavailable("injected: the connection broke")


def _emptied(pages: Sequence[ChangePage], request: ReadRequest) -> ChangePage:
    last = pages[-1]
    # A snapshot that lies is followed by true deltas; a delta that lied about its cursor would lose changes for ever,
    # which no service does and nobody could notice.
    cursor = last.cursor if last.snapshot else request.cursor
    return ChangePage(snapshot=last.snapshot, covers=last.covers, cursor=cursor)


def _spoiled(page: ChangePage) -> ChangePage:
    items, unreadable = _first_spoiled(page.items, page.unreadable)
    return evolve(page, items=items, unreadable=unreadable)


def _first_spoiled(
    items: tuple[Item, ...], unreadable: tuple[Unreadable, ...]
) -> tuple[tuple[Item, ...], tuple[Unreadable, ...]]:
    if not items:
        return items, unreadable
    spoiled = Unreadable(items[0].key, "unreadable: injected", items[0].etag)
    return items[1:], (*unreadable, spoiled)
