"""READ: bring the stored events of one calendar up to date with its provider.

A page is believed as far as it can be: a removed key that is a block of ours, and anything whose absence is only
inferred from a listing without any event, becomes a debt: it is read by id before it counts as gone (I-07, I-09,
I-47).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, frozen

from calsync_core.core.reading import earliest, relevant, retry_at
from calsync_core.errors import (
    AuthExpired,
    ConfigurationError,
    CursorExpired,
    LeaseBusy,
    NotFound,
    ProviderError,
    Unavailable,
)
from calsync_core.log import Logger
from calsync_core.models import (
    Account,
    Calendar,
    CalendarStatus,
    ChangeCount,
    ChangePage,
    Changes,
    Cursor,
    Debt,
    Item,
    KnownItem,
    Lease,
    ReadState,
    Unreadable,
    Window,
)
from calsync_core.protocols import KnownItems, ReadRequest, Session, nothing_known
from calsync_core.steps.access import PROBE_SECONDS, set_calendar_status
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.run import Run
from calsync_core.steps.watch import note_failed_read, note_read

__all__ = ["note_unusable", "read_again_later", "read_calendar", "set_due", "settle_debts"]

log = Logger("calsync_core")


def read_calendar(
    context: Context, run: Run, account: Account, calendar: Calendar, *, full: bool = False, afresh: bool = False
) -> None:
    """Read one calendar under its lease, and pay its debts that are due.

    With ``full``, take a snapshot even though there is a cursor; the cursor stays until the snapshot is committed. With
    ``afresh``, fetch everything, also what the store seems to have: an audit trusts no etag.

    Raises:
        ProviderError: noted in the calendar's ReadState, with the time of the next attempt; nothing was concluded.
    """

    def look(_lease: Lease) -> tuple[ReadState, list[Debt]]:
        store = context.store
        return store.load_read_state(calendar.key), store.load_debts(calendar.key, context.clock.now())

    with context.put_to_work(account, calendar, look) as (lease, (state, debts)):
        session = context.session(account, run.reading, lease)
        reading = _Reading(context, run, session, calendar, lease, state)
        try:
            reading.read(full=full, afresh=afresh)
            if debts or reading.owes:
                reading.close()
                settle_debts(context, run, session, calendar, lease)
        except ProviderError as error:
            note_failed_read(context, lease.current(), account, calendar, reading.note_failure(error))
            raise
        reading.end(account)
        run.read_through(calendar)
    if calendar.status is CalendarStatus.VANISHED:
        set_calendar_status(context, calendar, CalendarStatus.OK)
    context.progress("read", calendar.name, reading.seen, over=True)


def read_again_later(context: Context, calendar: Calendar) -> None:
    """Have the calendar read once more in a minute."""
    with context.lease(f"calendar:{calendar.key}") as lease:
        set_due(context, lease, calendar, retry_at(context.clock.now(), 0))


def set_due(context: Context, lease: HeldLease, calendar: Calendar, due_at: datetime) -> None:
    """Have the calendar read by whoever looks for what is due."""
    state = evolve(context.store.load_read_state(calendar.key), due_at=due_at)
    context.store.save_read_state(lease.current(), calendar.key, state, context.clock.now())


def note_unusable(context: Context, calendar: Calendar, error: ConfigurationError) -> None:
    """Have the calendar show as failing: this process can't use its login, or has not its provider.

    When it is due stays as it was: once the configuration is right, or in another process, it can be read at once.
    """
    told = f"{type(error).__name__}: {error}"
    state = context.store.load_read_state(calendar.key)
    if state.failures and state.last_error == told:
        return
    # Who holds it reads it, and knows better.
    with suppress(LeaseBusy), context.lease(f"calendar:{calendar.key}", wait=False) as lease:
        state = context.store.load_read_state(calendar.key)
        state = evolve(state, failures=max(1, state.failures), last_error=told)
        context.store.save_read_state(lease.current(), calendar.key, state, context.clock.now())


def settle_debts(context: Context, run: Run, session: Session, calendar: Calendar, lease: HeldLease) -> None:
    """Read by id what is owed and due. What is still unreadable stays owed, asked for less and less often."""
    now = context.clock.now()
    debts = {debt.key: debt for debt in context.store.load_debts(calendar.key, now)}
    if not debts:
        return
    provider = context.provider_of(session.account)
    found = provider.fetch_items(session, calendar, list(debts))
    unsettled = tuple(
        evolve(debts[item.key], attempts=debts[item.key].attempts + 1, due_at=retry_at(now, debts[item.key].attempts))
        for item in found.unreadable
    )
    changes = Changes(
        at=now,
        items=relevant(found.items, calendar.zone, now),
        removed=found.gone,
        debts=unsettled,
        settled=(*(item.key for item in found.items), *found.gone),
    )
    count = context.store.save_changes(lease.current(), calendar.key, changes)
    run.read(calendar, count, len(found.items))


@frozen
class _Step:
    """A page, or what a whole snapshot means, ready to be stored.

    Attributes:
        processed: Items in it.
        unchanged: Keys that it names besides.
        news: Whether it can be news: see ``Run.read``.
    """

    changes: Changes
    processed: int = 0
    unchanged: int = 0
    news: bool = True


@define
class _Reading:
    """One read of one calendar.

    Attributes:
        closing: What ends it, and is not stored yet: with it comes the cursor.
        owes: Something in it is to be read by id at once.
    """

    context: Context
    run: Run
    session: Session
    calendar: Calendar
    lease: HeldLease
    state: ReadState
    round: int | None = None
    seen: int = 0
    lists_events: bool = False
    closing: _Step | None = None
    owes: bool = False

    def read(self, *, full: bool, afresh: bool) -> None:
        """Page through the changes, and store all but what closes them: the cursor is committed last, and only if every
        page came.
        """
        cursor = None if full else self.state.cursor
        try:
            last = self._pages(cursor, afresh=afresh)
        except CursorExpired:
            log.info("cursor_expired", calendar=self.calendar.id)
            self._save_state(cursor=None)
            self.round, self.seen, self.lists_events, self.closing = None, 0, False, None
            # Afresh: the cursor may be of another shape, and equal etags may then stand for other events (I-12).
            last = self._pages(None, afresh=True)
        if self.round is not None:
            self.closing = self._inferred(last)

    def close(self) -> None:
        """Store what closes it."""
        closing, self.closing = self.closing, None
        if closing is not None:
            self._store(closing)

    def end(self, account: Account) -> None:
        """Store what closes it, if that is still to be done, and when to read next; and give the lease back."""
        closing = self.closing

        def conclude(lease: Lease) -> ChangeCount:
            count = ChangeCount() if closing is None else self._save(lease, closing)
            found = closing is not None and closing.news and count != ChangeCount()
            found = found or self.calendar.key in self.run.changed
            note_read(self.context, lease, account, self.calendar, found=found, way=self.run.way)
            return count

        count = self.lease.last(conclude)
        if closing is not None:
            self._count(closing, count)

    def note_failure(self, error: ProviderError) -> datetime:
        """Remember the failure; a vanished calendar keeps its events and blocks (I-42). Returns when to try again."""
        now = self.context.clock.now()
        self.state = self.context.store.load_read_state(self.calendar.key)
        pause = PROBE_SECONDS if isinstance(error, AuthExpired) else error.retry_after
        again = retry_at(now, self.state.failures) if pause is None else now + timedelta(seconds=pause)
        self._save_state(failures=self.state.failures + 1, last_error=f"{type(error).__name__}: {error}", due_at=again)
        if isinstance(error, NotFound):
            set_calendar_status(self.context, self.calendar, CalendarStatus.VANISHED)
        return again

    def _save_state(self, **changes: Any) -> None:
        self.state = evolve(self.state, **changes)
        now = self.context.clock.now()
        self.context.store.save_read_state(self.lease.current(), self.calendar.key, self.state, now)

    def _known(self, keys: Sequence[str] | None) -> Mapping[str, KnownItem]:
        return self.context.store.load_items(self.calendar.key, keys)

    def _pages(self, cursor: Cursor | None, *, afresh: bool) -> ChangePage:
        """Store page after page, a snapshot's without the cursor; return the last one."""
        provider = self.context.provider_of(self.session.account)
        known: KnownItems = nothing_known if afresh else self._known
        horizon = self.context.horizon()
        # An all-day block is past only when its day is over everywhere on earth: until then its event must be covered.
        window = Window(earliest(horizon.start), horizon.end)
        request = ReadRequest(self.calendar, window, cursor, known)
        last = ChangePage()
        for page in provider.fetch_changes(self.session, request):
            self.close()
            step = self._prepared(page)
            if page.cursor is not None and self.round is None:
                # What is incremental ends with its last page.
                self.closing = step
            else:
                self._store(step)
            last = page
        if last.cursor is None:
            # A listing that ends without its cursor was cut off: what it did not name means nothing.
            raise Unavailable("the listing ended without a cursor")
        return last

    def _prepared(self, page: ChangePage) -> _Step:
        if page.snapshot and self.round is None:
            self.round = self.state.round + 1
            self._save_state(round=self.round)
        now = self.context.clock.now()
        if (self.round is not None or self.state.emptied) and not self.lists_events:
            self.lists_events = self._shows_events(page)
        if self.round is None and self.lists_events and self.state.emptied:
            self._save_state(emptied=False)
        asked = [*page.removed, *(item.key for item in page.items if self.round is not None)]
        known = self._known(asked) if asked else {}
        # Listed afresh, an item is what it was if its etag is: what is over by now was for no push to tell.
        news = bool(page.removed) or any(_is_news(item, known.get(item.key)) for item in page.items)
        doubts = [known[key] for key in page.removed if key in known and known[key].ours]
        doubtful = {item.key for item in doubts}
        changes = Changes(
            at=now,
            items=relevant(page.items, self.calendar.zone, now),
            removed=tuple(key for key in page.removed if key not in doubtful),
            present=page.present,
            debts=(*(_unreadable(item, now) for item in page.unreadable), *self._missing(doubts, now)),
            round=self.round,
            # What a snapshot did not name is looked at first (I-11).
            cursor=page.cursor if self.round is None else None,
        )
        self._look_at(changes.debts, now)
        self.seen += len(page.items)
        return _Step(changes, len(page.items), len(page.present) + len(page.removed) + len(page.unreadable), news)

    def _store(self, step: _Step) -> None:
        self._count(step, self._save(self.lease.current(), step))

    def _save(self, lease: Lease, step: _Step) -> ChangeCount:
        return self.context.store.save_changes(lease, self.calendar.key, step.changes)

    def _count(self, step: _Step, count: ChangeCount) -> None:
        self.run.read(self.calendar, count, step.processed, step.unchanged, news=step.news)
        self.context.progress("read", self.calendar.name, self.seen)

    def _shows_events(self, page: ChangePage) -> bool:
        """Whether the page names an event that is nobody's block, or something unreadable that may be one."""
        if page.unreadable or any(event.mark is None for item in page.items for event in item.events):
            return True
        known = self._known(page.present) if page.present else {}
        return any(key not in known or not known[key].marked for key in page.present)

    def _inferred(self, last: ChangePage) -> _Step:
        """What a complete snapshot lets infer; the cursor is saved with it (I-11)."""
        now = self.context.clock.now()
        removed: list[str] = []
        debts: list[Debt] = []
        unseen = self.context.store.load_unseen(self.calendar.key, self.state.round, last.covers)
        known = self._known(unseen) if unseen else {}
        ours = [item for item in known.values() if item.ours]
        theirs = [item for item in known.values() if not item.ours]
        if theirs and not self.lists_events:
            # A full calendar does not empty by itself: ask for each event by id, and hold what would follow.
            log.warning("calendar_listed_empty", calendar=self.calendar.id, known=len(theirs))
            self._save_state(emptied=True)
            debts = [Debt(item.key, "missing: the calendar listed empty", now, now) for item in theirs]
        else:
            removed = [item.key for item in theirs]
        debts += self._missing(ours, now)
        if self.lists_events and self.state.emptied:
            self._save_state(emptied=False)
        changes = Changes(
            at=now,
            removed=tuple(removed),
            debts=tuple(debts),
            round=self.round,
            cursor=last.cursor,
            snapshot_done=True,
        )
        self._look_at(changes.debts, now)
        return _Step(changes)

    def _look_at(self, debts: Iterable[Debt], now: datetime) -> None:
        self.owes = self.owes or any(debt.due_at <= now for debt in debts)

    def _missing(self, blocks: Iterable[KnownItem], now: datetime) -> list[Debt]:
        """Blocks of ours that seem gone: to be read by id, once they are older than the provider's lag (I-47)."""
        grace = timedelta(seconds=self.context.policy.grace_seconds)
        return [Debt(block.key, "missing", now, max(now, (block.written_at or now) + grace)) for block in blocks]


def _is_news(item: Item, known: KnownItem | None) -> bool:
    return known is None or known.etag is None or known.etag != item.etag


def _unreadable(item: Unreadable, now: datetime) -> Debt:
    return Debt(item.key, f"unreadable: {item.reason}", now, retry_at(now, 0))
