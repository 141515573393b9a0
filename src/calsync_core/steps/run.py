"""One sync in the making: its counts, failures and requests, over all its threads."""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from attrs import define, field

from calsync_core.errors import AuthExpired, CalsyncError, IdentityChanged, RateLimited, Stopped, Unreachable
from calsync_core.log import Logger
from calsync_core.models import (
    Account,
    AccountId,
    Calendar,
    CalendarId,
    ChangeCount,
    OperationKind,
    Plan,
    SyncFailure,
    SyncReport,
    SyncType,
)
from calsync_core.protocols import RequestMeter, Store

__all__ = ["Run", "each"]

log = Logger("calsync_core")

T = TypeVar("T")


class _PartMeter(RequestMeter):
    """Counts a part of a run's requests, and with them the whole."""

    def __init__(self, whole: RequestMeter) -> None:
        super().__init__()
        self._whole = whole

    def count(self, requests: int = 1) -> None:
        """See ``RequestMeter``."""
        super().count(requests)
        self._whole.count(requests)


@define
class Run:
    """Collects what a sync did. Thread-safe.

    Attributes:
        way: What woke it.
        meter: Counts all its requests.
        reading: Counts those that read calendars.
        calendars: Calendars that were read or written.
        reads: Calendars that were read completely.
        changed: Calendars on which events of their own were found changed.
        seen: How many items each calendar named at all, our blocks included.
        failures: Each one once, in order. Keys, since each is looked for among them, and a server that is down may fail
            every calendar of a sweep.
        errors: The first failure of each calendar.
        stopped: The engine was told to stop before it was done.
        draft: What is recorded of it as soon as it writes; None: it is no run to be recorded (an audit's repair, a
            purge), and nobody can undo it.
        observed: What it would have written, by owner who is only observed.
        failed_owners: Whose calendars or accounts failed; None for what concerns everybody.
    """

    way: SyncType = SyncType.POLLING
    meter: RequestMeter = field(factory=RequestMeter)
    counts: Counter[str] = field(factory=Counter)
    failures: dict[SyncFailure, None] = field(factory=dict)
    calendars: set[CalendarId] = field(factory=set)
    reads: set[CalendarId] = field(factory=set)
    changed: set[CalendarId] = field(factory=set)
    seen: Counter[CalendarId] = field(factory=Counter)
    stopped: bool = False
    draft: SyncReport | None = None
    observed: dict[str, Plan] = field(factory=dict)
    failed_owners: set[str | None] = field(factory=set)
    errors: dict[CalendarId, Exception] = field(factory=dict)
    account_errors: dict[AccountId, Exception] = field(factory=dict)
    refusals: set[AccountId] = field(factory=set)
    reading: RequestMeter = field(init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _beginning: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.reading = _PartMeter(self.meter)

    def read(
        self, calendar: Calendar, changes: ChangeCount, processed: int, seen: int = 0, *, news: bool = True
    ) -> None:
        """Count a page that was stored: items processed, and besides them keys seen unchanged, gone or unreadable.

        Without ``news``, what the store has changed is not what somebody did on the calendar.
        """
        with self._lock:
            self.calendars.add(calendar.key)
            if news and (changes.created or changes.updated or changes.deleted):
                self.changed.add(calendar.key)
            self.seen[calendar.key] += processed + seen
            self.counts["events_processed"] += processed
            self.counts["events_created"] += changes.created
            self.counts["events_updated"] += changes.updated
            self.counts["events_deleted"] += changes.deleted

    def read_through(self, calendar: Calendar) -> None:
        """Count a calendar that was read completely."""
        with self._lock:
            self.reads.add(calendar.key)

    def number(self, store: Store) -> int | None:
        """The id under which what it writes is remembered; given before the first write, so that a run that dies can be
        undone all the same. None: it is not recorded.
        """
        if self.draft is None:
            return None
        with self._beginning:
            if self.draft.id is None:
                self.draft = store.save_run(self.draft)
            return self.draft.id

    def observe(self, owner: str, plan: Plan) -> None:
        """Note what would have been written for an owner."""
        with self._lock:
            self.observed[owner] = plan

    def wrote(self, calendar_id: CalendarId, kind: OperationKind) -> None:
        """Count a write that happened."""
        with self._lock:
            self.calendars.add(calendar_id)
            self.counts[f"busy_blocks_{kind}d"] += 1

    def fail(
        self, account: Account | None, calendar: Calendar | None, error: Exception, message: str | None = None
    ) -> None:
        """Note a failure that the rest of the run survives (I-37)."""
        name = account.name if account else ""
        text = str(error) if message is None else message
        failure = SyncFailure(name, calendar.name if calendar else None, type(error).__name__, text)
        whose = account or calendar
        with self._lock:
            self.failed_owners.add(whose.owner if whose is not None else None)
            self.failures[failure] = None
            if account is not None and isinstance(error, AuthExpired | IdentityChanged | RateLimited | Unreachable):
                self.refusals.add(account.key)
            if calendar is not None:
                self.errors.setdefault(calendar.key, error)
            elif account is not None:
                self.account_errors.setdefault(account.key, error)
        log.warning(
            "calendar_failed",
            account=account.id if account else None,
            calendar=calendar.id if calendar else None,
            kind=failure.kind,
        )

    @contextmanager
    def surviving(self, account: Account | None, calendar: Calendar | None = None) -> Iterator[None]:
        """Note a failure and go on: one account's surprise must not end the sweep for the others (I-37)."""
        try:
            yield
        except Stopped:
            # No failure of anybody's: every next step will find the same, and the next sync goes on.
            self.stopped = True
        except CalsyncError as error:
            self.fail(account, calendar, error)
        except Exception as error:  # noqa: BLE001  (a provider or store of the host's may raise anything)
            place = traceback.extract_tb(error.__traceback__)[-1]
            # Not the message: nobody knows what a stranger's exception quotes (I-39).
            log.error("unexpected_error", kind=type(error).__name__, file=place.filename, line=place.lineno)  # noqa: TRY400  (see above)
            self.fail(account, calendar, error, "unexpected; the log names the place")

    def raise_for(self, calendar: Calendar) -> None:
        """Raise the first error that this calendar had, or its account, if there was one."""
        error = self.errors.get(calendar.key) or self.account_errors.get(calendar.account_id)
        if error is not None:
            raise error

    def failed_for(self, owner: str) -> bool:
        """Whether something of this owner's failed."""
        return bool(self.failed_owners & {None, owner})

    def refused(self, account: Account) -> bool:
        """Whether nothing more is asked of this account in this run: its login was refused, its rate limited, or its
        server did not answer, and would be waited for again.
        """
        return account.key in self.refusals


def each(work: Callable[[T], None], things: Iterable[T], *, at_most: int) -> None:
    """Do the work for each thing in a bounded pool of threads; the first exception is raised once all have ended."""
    things = list(things)
    if len(things) <= 1 or at_most <= 1:
        for thing in things:
            work(thing)
        return
    with ThreadPoolExecutor(max_workers=min(at_most, len(things)), thread_name_prefix="calsync") as pool:
        futures = [pool.submit(work, thing) for thing in things]
    for future in futures:
        future.result()
