"""What every step needs: the ports, the installation's secrets and policy, and who is working."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import define, field

from calsync_core.core.identity import Keyring
from calsync_core.credentials import Ask, Logins, Vault
from calsync_core.errors import CalsyncError, ConfigurationError, LeaseBusy, LeaseLost, Stopped, StoreError
from calsync_core.log import Logger
from calsync_core.models import Account, Calendar, Lease, Notice, NoticeKind, Progress, SyncPolicy, Window
from calsync_core.protocols import (
    Clock,
    EchoingProvider,
    ExclusiveProvider,
    Notifier,
    Provider,
    PublishingProvider,
    PushProvider,
    RequestMeter,
    Session,
    Store,
)
from calsync_core.steps.silences import Silences

__all__ = ["LEASE_SECONDS", "Context", "HeldLease"]

LEASE_SECONDS = 60.0
"""A lease lasts this long unless renewed, so a dead worker's calendars are free again after a minute (I-05)."""

_KEEP_SECONDS = LEASE_SECONDS / 3
_PATIENCE_SECONDS = LEASE_SECONDS + 5
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

log = Logger("calsync_core")

T = TypeVar("T")


@define
class HeldLease:
    """A lease in use; ``current`` renews it when it is half over."""

    _context: Context = field(repr=False)
    _lease: Lease
    _under: HeldLease | None = None
    _over: bool = False

    def current(self) -> Lease:
        """The lease, renewed if need be, and so the one it was taken under.

        Raises:
            LeaseLost: it has passed to another worker: stop, nothing more can be stored under it.
        """
        if self._under is not None:
            self._under.current()
        now = self._context.clock.now()
        if self._lease.expires_at - now < timedelta(seconds=LEASE_SECONDS / 2):
            self._lease = self._context.store.renew_lease(self._lease, LEASE_SECONDS, now)
        return self._lease

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew it from time to time, in a thread of its own, whatever the work meanwhile waits for."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(_KEEP_SECONDS):
                try:
                    self.current()
                except LeaseLost:
                    return
                except StoreError:
                    continue

        keeper = threading.Thread(target=keep, name="calsync-lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def last(self, call: Callable[[Lease], T]) -> T:
        """Store the last that there is to store under it, and give it back, in one transaction.

        Args:
            call: Stores it, under the lease it is given; asks nothing but the store, and may be called again.

        Raises:
            LeaseLost: it has passed to another worker.
        """
        lease = self.current()

        def done() -> T:
            answer = call(lease)
            self._give_back()
            return answer

        answer = self._context.together(done)
        self._over = True
        return answer

    def release(self) -> None:
        """Give it back, and the one it was taken under, unless that is done."""
        if not self._over:
            self._context.store.together(self._give_back)

    def _give_back(self) -> None:
        self._context.store.release_lease(self._lease)
        if self._under is not None:
            self._under._give_back()  # noqa: SLF001  (one of its own kind)


class _GuardedMeter(RequestMeter):
    """Counts for another meter, and sees to it before each request that it may be sent: that the engine was not told to
    stop, and that a lease is kept, since a provider may send many requests in one step.
    """

    def __init__(self, inner: RequestMeter, lease: HeldLease | None, stopping: threading.Event) -> None:
        super().__init__()
        self._inner = inner
        self._lease = lease
        self._stopping = stopping

    def count(self, requests: int = 1) -> None:
        """See ``RequestMeter``. Raises Stopped or LeaseLost: nothing more may be sent."""
        if self._stopping.is_set():
            raise Stopped("the engine was told to stop")
        if self._lease is not None:
            self._lease.current()
        self._inner.count(requests)

    @property
    def sent(self) -> int:
        """See ``RequestMeter``."""
        return self._inner.sent


@define
class Context:
    """One engine's surroundings. Thread-safe: what its ``logins`` know changes under a lock.

    Attributes:
        stopping: Set once no further request may be sent.
        silences: Servers that don't answer.
        told: Set while there are notices that this process has not tried to deliver.
        pushing: The providers that can push, by name. To ask a provider each time what it can do would take longer than
            to take in a push.
        echoing: Those that want to hear an echo first.
    """

    store: Store
    providers: Mapping[str, PublishingProvider]
    keyring: Keyring
    policy: SyncPolicy
    clock: Clock
    shape: str
    notifier: Notifier | None = None
    tokens: Ask | None = None
    vault: Vault | None = field(default=None, repr=False)
    on_progress: Callable[[Progress], None] | None = None
    max_workers: int = 8
    webhook_url: str | None = None
    logins: Logins = field(init=False, repr=False)
    stopping: threading.Event = field(factory=threading.Event, init=False, repr=False)
    silences: Silences = field(factory=Silences, init=False, repr=False)
    told: threading.Event = field(factory=threading.Event, init=False, repr=False)
    pushing: Mapping[str, PushProvider] = field(init=False, repr=False)
    echoing: Mapping[str, EchoingProvider] = field(init=False, repr=False)
    _exclusive: Mapping[str, ExclusiveProvider] = field(init=False, repr=False)
    _turns: dict[str, threading.Lock] = field(factory=dict, init=False, repr=False)
    _name: str = field(factory=lambda: f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}", init=False)

    def __attrs_post_init__(self) -> None:
        offered = self.providers.items()
        self.pushing = {name: each for name, each in offered if isinstance(each, PushProvider)}
        self.echoing = {name: each for name, each in offered if isinstance(each, EchoingProvider)}
        self._exclusive = {name: each for name, each in offered if isinstance(each, ExclusiveProvider)}
        self.logins = Logins(
            store=self.store,
            providers=self.providers,
            keyring=self.keyring,
            clock=self.clock,
            vault=self.vault,
            ask=self.tokens,
            lease=self.lease,
        )

    @property
    def holder(self) -> str:
        """Who holds our leases: host, engine and process, for people who look into the table."""
        return f"{self._name}/{os.getpid()}"

    def provider_of(self, account: Account) -> PublishingProvider:
        """The provider of an account. Raises ConfigurationError, naming it and those there are."""
        try:
            return self.providers[account.provider]
        except KeyError:
            known = ", ".join(sorted(self.providers)) or "none"
            message = f"provider: account {account.name!r} needs {account.provider!r}; this engine has: {known}"
            raise ConfigurationError(message) from None

    def writer_of(self, account: Account) -> Provider:
        """The same, to write with. Raises ConfigurationError: none, or one that only publishes."""
        provider = self.provider_of(account)
        if not isinstance(provider, Provider):
            message = f"provider: a calendar of {account.name!r} receives, and {account.provider!r} only publishes"
            raise ConfigurationError(message)
        return provider

    def session(
        self, account: Account, meter: RequestMeter, lease: HeldLease | None = None, *, ends: float | None = None
    ) -> Session:
        """An account in use; a lease given is kept by its requests, and without it no more are sent.

        Raises:
            ConfigurationError: nobody gave its credential in this process, and the store has none that can be opened.
        """
        counted = _GuardedMeter(meter, lease, self.stopping)
        tokens = self.logins.source(account)
        return Session(account=account, tokens=tokens, meter=counted, clock=self.clock, ends=ends)

    def ref(self, account: Account, calendar: Calendar) -> str:
        """The calendar's name in keys and tags, the same in every store."""
        return f"{account.provider}:{calendar.remote_id}"

    def horizon(self) -> Window:
        """From now to the end of the last day mirrored; its end moves once a day, at midnight UTC."""
        now = self.clock.now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
        return Window(now, midnight + timedelta(days=self.policy.horizon_days + 1))

    @contextmanager
    def at_work(self, account: Account, calendar: Calendar) -> Iterator[HeldLease]:
        """See ``put_to_work``, where there is nothing to be asked at once."""
        with self.put_to_work(account, calendar, _nothing) as (lease, _):
            yield lease

    @contextmanager
    def put_to_work(
        self, account: Account, calendar: Calendar, first: Callable[[Lease], T]
    ) -> Iterator[tuple[HeldLease, T]]:
        """Hold the lease of a calendar while requests about it are sent, and its login's where that admits one worker.

        Args:
            account: The calendar's.
            calendar: To work on.
            first: See ``leases``.

        Raises:
            LeaseBusy: another worker is still at it.
            Stopped: the engine was told to stop while this waited.
        """
        name = f"calendar:{calendar.key}"
        self.provider_of(account)  # or nobody could work on it: before a lease is taken
        exclusive = self._exclusive.get(account.provider)
        if exclusive is None or not exclusive.one_worker_per_login:
            with self.leases([name], first) as taken:
                yield taken
            return
        who = hashlib.sha256(f"{account.provider}:{account.subject or account.key}".encode()).hexdigest()[:32]
        # Threads of this process wait for each other here and not by asking the store again and again.
        turn = self._turns.setdefault(who, threading.Lock())
        with turn, self.leases([f"login:{who}", name], first) as taken:
            yield taken

    @contextmanager
    def lease(self, name: str, *, wait: bool = True) -> Iterator[HeldLease]:
        """Hold one lease; see ``leases``."""
        with self.leases([name], _nothing, wait=wait) as (held, _):
            yield held

    @contextmanager
    def leases(
        self, names: Sequence[str], first: Callable[[Lease], T], *, wait: bool = True
    ) -> Iterator[tuple[HeldLease, T]]:
        """Hold leases; waits for another worker to finish, or to be dead for a lease's length, unless told not to.

        Args:
            names: What to work on. The others are kept as long as the last one is, which is the one that is given.
            first: What to ask of the store under it, in the transaction that takes it; its answer is given, too. It
                asks nothing but the store, and may be called again.
            wait: False: give up at once.

        Raises:
            LeaseBusy: another worker is still at it.
        """
        taken, answer = self._acquire(names, first, patience=_PATIENCE_SECONDS if wait else 0.0)
        held: HeldLease | None = None
        for lease in taken:
            held = HeldLease(self, lease, held)
        assert held is not None  # noqa: S101  (at least one name)
        try:
            yield held, answer
        finally:
            held.release()

    def _acquire(self, names: Sequence[str], first: Callable[[Lease], T], *, patience: float) -> tuple[list[Lease], T]:
        deadline = self.clock.monotonic() + patience
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self.store.together(lambda: self._taken(names, first))
            except LeaseBusy:
                if self.clock.monotonic() >= deadline:
                    raise
            if self.stopping.is_set():
                raise Stopped("the engine was told to stop")
            if pause == _FIRST_PAUSE_SECONDS:
                log.info("lease_awaited", lease=names[-1])
            self.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _taken(self, names: Sequence[str], first: Callable[[Lease], T]) -> tuple[list[Lease], T]:
        """All of them or none, also where the store can't undo what came before."""
        taken: list[Lease] = []
        try:
            for name in names:
                taken += [self.store.acquire_lease(name, self.holder, LEASE_SECONDS, self.clock.now())]
            return taken, first(taken[-1])
        except CalsyncError:
            # In a transaction that failed, no statement is taken any more.
            with suppress(StoreError):
                for lease in taken:
                    self.store.release_lease(lease)
            raise

    def together(self, call: Callable[[], T]) -> T:
        """Store what ``call`` stores, and what it tells, in one transaction; see ``TransactionStore.together``."""
        answer = self.store.together(call)
        if self.notifier is not None:
            # Once more: whoever looked for notices before this was stored found none.
            self.told.set()
        return answer

    def tell(self, kind: NoticeKind, owner: str, **detail: object) -> None:
        """Have the host notified: the notice is durable when this returns, or the transaction it is a part of (see
        ``together``), and delivered by ``steps.notices``.

        Called before the change that it tells of is stored: if this process dies in between, the host is told twice,
        and not never.
        """
        if self.notifier is None:
            return
        account, calendar = detail.pop("account", None), detail.pop("calendar", None)
        notice = Notice(kind, owner, self.clock.now(), account, calendar, dict(detail))  # type: ignore[arg-type]  # both are ids
        self.store.save_notice(notice)
        self.told.set()

    def progress(self, step: str, subject: str, done: int = 0, total: int | None = None, *, over: bool = False) -> None:
        """Report how far a step is, if anybody listens."""
        if self.on_progress is None:
            return
        try:
            self.on_progress(Progress(step, subject, done, total, over))
        except Exception as error:  # noqa: BLE001  (the host's code may raise anything)
            log.warning("progress_failed", step=step, error=type(error).__name__)


def _nothing(_lease: Lease) -> None:
    pass
