"""Death at any boundary: wrappers that count every crossing of a request or database boundary and die at the n-th.

::

    for n in itertools.count(1):
        toll = Toll(n)
        engine = SyncEngine(store=DyingStore(store, toll), providers={"memory": DyingProvider(provider, toll)}, ...)
        try:
            engine.sync_all_calendars()
        except Died:
            ...                # restart over the same store and service, and check that it converges (I-05)
        else:
            break              # there is no n-th boundary: every one has been tried
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from attrs import evolve

from calsync_core.models import (
    Account,
    Calendar,
    ChangePage,
    Grant,
    Identity,
    Intent,
    Item,
    Lookup,
    Outcome,
    RemoteCalendar,
)
from calsync_core.protocols import Clock, Provider, ReadRequest, RequestMeter, Session, Store

__all__ = ["Died", "DyingProvider", "DyingStore", "Toll"]

_T = TypeVar("_T")


class Died(BaseException):
    """The process is gone. Not an ``Exception``: nothing that mends errors may mend this."""


class Toll:
    """Counts boundaries over all wrappers and threads that share it; from the n-th on, nobody gets through.

    A dead process also releases no lease and rolls nothing back by hand: what runs in ``finally`` dies as well.

    Args:
        n: Which boundary kills, from 1; None: none does, they are only counted.
    """

    def __init__(self, n: int | None = None) -> None:
        self._n = n
        self._lock = threading.Lock()
        self._crossed: list[str] = []

    @property
    def crossed(self) -> tuple[str, ...]:
        """The boundaries so far, in order: ``before apply``, ``after save_plan`` …; the last one killed."""
        with self._lock:
            return tuple(self._crossed)

    @property
    def dead(self) -> bool:
        """Whether the n-th boundary was reached."""
        with self._lock:
            return self._n is not None and len(self._crossed) >= self._n

    def cross(self, where: str) -> None:
        """Pass one boundary. Raises Died."""
        with self._lock:
            if self._n is not None and len(self._crossed) >= self._n:
                raise Died(f"dead since boundary {self._n}")
            self._crossed.append(where)
            if len(self._crossed) == self._n:
                raise Died(f"died at boundary {self._n}, {where}")


class _TollMeter(RequestMeter):
    """A boundary at every request that is counted."""

    def __init__(self, inner: RequestMeter, toll: Toll) -> None:
        super().__init__()
        self._inner = inner
        self._toll = toll

    def count(self, requests: int = 1) -> None:
        self._toll.cross("request")
        self._inner.count(requests)

    @property
    def sent(self) -> int:
        return self._inner.sent


def lend(wrapper: object, inner: object, methods: Mapping[str, object]) -> None:
    """Give a wrapper those of these methods and traits that the inner one has, as attributes of its own: for
    ``isinstance`` with a port, newer Pythons don't ask ``__getattr__``. What the wrapper's class has itself, it keeps.
    """
    for name, method in methods.items():
        if hasattr(inner, name) and not hasattr(type(wrapper), name):
            setattr(wrapper, name, method)


class DyingProvider:
    """Any provider, mortal: at each request it counts, and after each answer, page and outcome.

    Where the inner one pushes, subscriptions are mortal as well; where it renews grants, at and after each renewal.
    """

    def __init__(self, inner: Provider, toll: Toll) -> None:
        self.batch_size = inner.batch_size
        self.shows_tentative = inner.shows_tentative
        self._inner = inner
        self._toll = toll
        lend(
            self,
            inner,
            {
                "renew_grant": self._renew_grant,
                **{name: self._mortal_call(name) for name in ("subscribe", "renew", "unsubscribe")},
                **{
                    name: getattr(inner, name, None) for name in ("read_push", "read_handshake", "one_worker_per_login")
                },
            },
        )

    def identify(self, session: Session) -> Identity:
        """See ``Provider``; may raise Died."""
        return self._after("identify", self._inner.identify(self._mortal(session)))

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """See ``Provider``; may raise Died."""
        return self._after("list_calendars", self._inner.list_calendars(self._mortal(session)))

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:
        """See ``Provider``; crosses nothing."""
        return self._inner.native_id(calendar, key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """See ``Provider``; may raise Died before and after each page."""
        for page in self._inner.fetch_changes(self._mortal(session), request):
            yield self._after("fetch_changes", page)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """See ``Provider``; may raise Died."""
        return self._after("fetch_items", self._inner.fetch_items(self._mortal(session), calendar, keys))

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """See ``Provider``; may raise Died before and after each item."""
        for item in self._inner.find_blocks(self._mortal(session), calendar):
            yield self._after("find_blocks", item)

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider``; may raise Died before a write is sent, and after it was done and before that is known."""
        for outcome in self._inner.apply(self._mortal(session), calendar, intents):
            yield self._after("apply", outcome)

    def _mortal_call(self, name: str) -> Callable[..., Any]:
        def mortal(session: Session, *args: Any, **kwargs: Any) -> Any:
            return self._after(name, getattr(self._inner, name)(self._mortal(session), *args, **kwargs))

        return mortal

    def _renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:
        renew: Callable[..., Grant] = self._inner.renew_grant  # type: ignore[attr-defined]  # lent only where the inner one has it
        self._toll.cross("renewal")
        return self._after("renew_grant", renew(account, grant, clock))

    def _mortal(self, session: Session) -> Session:
        return evolve(session, meter=_TollMeter(session.meter, self._toll))

    def _after(self, operation: str, answer: _T) -> _T:
        self._toll.cross(f"after {operation}")
        return answer


class DyingStore:
    """Any store, mortal: before each method of the port, and after it has happened and before that is known.

    Args:
        inner: The store.
        toll: Counts, and kills.
        apart: Do one by one what is to be done together, as a store without transactions does: for a toll that lets
            something else happen at a boundary, or have a worker stop there, which no transaction should wait for.
    """

    def __init__(self, inner: Store, toll: Toll, *, apart: bool = False) -> None:
        self._inner = inner
        self._toll = toll
        self._apart = apart

    def together(self, call: Callable[[], _T], *, writes: bool = True) -> _T:
        """See ``Store``; may raise Died."""
        if self._apart:
            return call()
        self._toll.cross("before together")
        answer = self._inner.together(call, writes=writes)
        self._toll.cross("after together")
        return answer

    def __getattr__(self, name: str) -> Any:
        # What a store has beyond the port (close, dispose …) crosses no boundary of the engine's.
        return getattr(self._inner, name)


def _mortal_method(name: str) -> Callable[..., Any]:
    def method(self: DyingStore, *args: Any, **kwargs: Any) -> Any:
        self._toll.cross(f"before {name}")
        answer = getattr(self._inner, name)(*args, **kwargs)
        self._toll.cross(f"after {name}")
        return answer

    method.__name__ = name
    method.__doc__ = f"``Store.{name}``; may raise Died."
    return method


# Real attributes, so that ``isinstance(store, Store)`` holds, and a method new in the port is mortal by itself.
for _name in dir(Store):
    if not _name.startswith("_") and _name not in vars(DyingStore):
        setattr(DyingStore, _name, _mortal_method(_name))
