"""The rows of a ``MemoryStore``: dictionaries of frozen values, and the indexes over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from threading import RLock
from typing import TypeVar

from attrs import define, evolve, field

from calsync_core.core.absorbing import StoredItem
from calsync_core.core.extent import reach
from calsync_core.core.recording import Line, calendars_of, holds, owe
from calsync_core.errors import LeaseLost, UnknownCalendar, UnknownRun
from calsync_core.models import (
    Account,
    Block,
    Calendar,
    CalendarId,
    Debt,
    Event,
    Intent,
    Lease,
    MirrorRule,
    Mode,
    Notification,
    PlanState,
    PushState,
    ReadState,
    StoredNotice,
    StoredSubscription,
    SyncReport,
    Watch,
    Written,
    require_utc,
)

__all__ = ["Journaled", "OpenIntent", "Role", "Rows"]

T = TypeVar("T")


@define
class OpenIntent:
    """An intent that waits, with what a store keeps beside it."""

    intent: Intent
    owner: str
    due_at: datetime
    claimed_under: tuple[str, int] | None = None


@define
class Journaled:
    """A journal line and where it came from."""

    line: Line
    calendar_id: CalendarId | None


@define
class Rows:
    """All tables. Values are frozen, so copying the dictionaries copies everything."""

    last_id: int = 0
    accounts: dict[int, Account] = field(factory=dict)
    credentials: dict[int, str] = field(factory=dict, repr=False)
    calendars: dict[CalendarId, Calendar] = field(factory=dict)
    rules: dict[str, list[MirrorRule]] = field(factory=dict)
    modes: dict[str, Mode] = field(factory=dict)
    read_states: dict[CalendarId, ReadState] = field(factory=dict)
    items: dict[CalendarId, dict[str, StoredItem]] = field(factory=lambda: defaultdict(dict))
    reaches: dict[CalendarId, dict[str, list[tuple[datetime, datetime | None]]]] = field(
        factory=lambda: defaultdict(dict)
    )
    by_identity: dict[tuple[CalendarId, str], dict[str, None]] = field(factory=lambda: defaultdict(dict))
    debts: dict[CalendarId, dict[str, Debt]] = field(factory=lambda: defaultdict(dict))
    journal: dict[int, Journaled] = field(factory=dict)
    blocks: dict[str, Block] = field(factory=dict)
    by_uid: dict[tuple[str, str], dict[str, None]] = field(factory=lambda: defaultdict(dict))
    by_native_id: dict[tuple[CalendarId, str], dict[str, None]] = field(factory=lambda: defaultdict(dict))
    plan_states: dict[str, PlanState] = field(factory=dict)
    intents: dict[int, OpenIntent] = field(factory=dict)
    leases: dict[str, Lease] = field(factory=dict)
    tokens: dict[str, int] = field(factory=dict)
    runs: dict[int, SyncReport] = field(factory=dict)
    writes: dict[tuple[int, int], Written] = field(factory=dict)
    subscriptions: dict[int, StoredSubscription] = field(factory=dict)
    watches: dict[CalendarId, tuple[Watch, PushState]] = field(factory=dict)
    pushed: dict[CalendarId, datetime] = field(factory=dict)
    called: dict[CalendarId, int] = field(factory=dict)
    notifications: dict[int, Notification] = field(factory=dict)
    messages: dict[tuple[int, str], int] = field(factory=dict)
    notices: dict[int, StoredNotice] = field(factory=dict)

    def copy(self) -> Rows:
        """The same rows, independent of these."""
        copied = Rows(last_id=self.last_id)
        for name in ("items", "reaches", "by_identity", "debts", "by_uid", "by_native_id"):
            mine, theirs = getattr(self, name), getattr(copied, name)
            theirs.update({key: dict(inner) for key, inner in mine.items()})
        for name in (
            *("accounts", "credentials", "calendars", "read_states", "journal", "blocks", "plan_states", "leases"),
            *("tokens", "runs", "subscriptions", "watches", "pushed", "called", "notifications", "messages", "notices"),
            *("modes", "writes"),
        ):
            setattr(copied, name, dict(getattr(self, name)))
        copied.rules = {owner: list(rules) for owner, rules in self.rules.items()}
        copied.intents = {key: evolve(row) for key, row in self.intents.items()}
        return copied

    def next_id(self) -> int:
        """An id never given before, in any table."""
        self.last_id += 1
        return self.last_id

    def calendar(self, calendar_id: CalendarId) -> Calendar:
        """One calendar. Raises UnknownCalendar."""
        try:
            return self.calendars[calendar_id]
        except KeyError:
            raise UnknownCalendar(f"calendar: there is none with id {calendar_id}") from None

    def run(self, run_id: int) -> SyncReport:
        """One run. Raises UnknownRun."""
        try:
            return self.runs[run_id]
        except KeyError:
            raise UnknownRun(f"run: there is none with id {run_id}") from None

    def calendars_of(self, owner: str) -> list[Calendar]:
        """An owner's calendars, by id."""
        return [calendar for _, calendar in sorted(self.calendars.items()) if calendar.owner == owner]

    def watch(self, calendar_id: CalendarId) -> Watch | None:
        """A calendar's Watch, with what saving it never changes; None if there is none."""
        if calendar_id not in self.watches:
            return None
        pushed_at, called = self.pushed.get(calendar_id), self.called.get(calendar_id)
        return evolve(self.watches[calendar_id][0], pushed_at=pushed_at, called=called)

    def put_items(self, calendar_id: CalendarId, items: Collection[StoredItem]) -> None:
        """Insert or replace items with all their events."""
        # First what can fail, then what is changed: a half-written page must not be seen.
        reaches = [[reach(event) for event in item.events] for item in items]
        for item, extent in zip(items, reaches, strict=True):
            self._put_item(calendar_id, item, extent)

    def _put_item(
        self, calendar_id: CalendarId, item: StoredItem, extent: list[tuple[datetime, datetime | None]]
    ) -> None:
        self.drop_item(calendar_id, item.key)
        self.items[calendar_id][item.key] = item
        self.reaches[calendar_id][item.key] = extent
        for event in item.events:
            self.by_identity[calendar_id, event.identity][item.key] = None

    def drop_item(self, calendar_id: CalendarId, key: str) -> None:
        """Delete an item, if it is there."""
        item = self.items[calendar_id].pop(key, None)
        self.reaches[calendar_id].pop(key, None)
        for event in item.events if item else ():
            self.by_identity[calendar_id, event.identity].pop(key, None)

    def put_block(self, block: Block) -> None:
        """Insert or replace a block by its ref."""
        self.drop_block(block.ref)
        self.blocks[block.ref] = block
        self.by_uid[block.owner, block.uid][block.ref] = None
        self.by_native_id[block.target_id, block.native_id][block.ref] = None

    def drop_block(self, ref: str) -> None:
        """Delete a block, if it is there."""
        block = self.blocks.pop(ref, None)
        if block is not None:
            self.by_uid[block.owner, block.uid].pop(ref)
            self.by_native_id[block.target_id, block.native_id].pop(ref)

    def blocks_at(self, calendar_id: CalendarId, native_id: str) -> list[Block]:
        """Recorded blocks with this native id, by ref."""
        refs = self.by_native_id.get((calendar_id, native_id), {})
        return [self.blocks[ref] for ref in sorted(refs)]

    def owe(self, calendar_id: CalendarId, debt: Debt) -> None:
        """Insert or replace a debt; one that is owed already keeps its ``since``."""
        debts = self.debts[calendar_id]
        debts[debt.key] = owe(debts.get(debt.key), debt)

    def note(self, lines: Iterable[Line], calendar_id: CalendarId | None) -> None:
        """Append to the journal."""
        for line in lines:
            self.journal[self.next_id()] = Journaled(line, calendar_id)

    def put_notification(self, notification_id: int, notification: Notification) -> None:
        """Insert or replace a notification by its id."""
        self.drop_notification(notification_id)
        self.notifications[notification_id] = evolve(notification, id=notification_id)
        if notification.message is not None:
            self.messages[notification.subscription_id, notification.message] = notification_id

    def drop_notification(self, notification_id: int) -> None:
        """Delete a notification, if it is there."""
        dropped = self.notifications.pop(notification_id, None)
        if dropped is not None and dropped.message is not None:
            self.messages.pop((dropped.subscription_id, dropped.message), None)

    def holds_back(self, row: OpenIntent) -> bool:
        """Whether an open intent waits for its owner to be more than observed."""
        return self.modes.get(row.owner) is Mode.OBSERVE and not row.intent.operation.ordered

    def forget_shape(self, owners: Iterable[str]) -> None:
        """Have these owners planned again from scratch."""
        for owner in owners:
            now = self.plan_states.get(owner, PlanState())
            self.plan_states[owner] = evolve(now, shape=None, resets=now.resets + 1)

    def events(self, calendar_id: CalendarId, keys: Collection[str]) -> Iterator[tuple[StoredItem, Event]]:
        """The events of these items, by key and position."""
        for key in sorted(keys):
            item = self.items[calendar_id][key]
            for event in item.events:
                yield item, event


class Role:
    """What every role of a ``MemoryStore`` shares: the rows and the lock around them."""

    def __init__(self) -> None:
        self._rows = Rows()
        self._lock = RLock()

    def together(self, call: Callable[[], T], *, writes: bool = True) -> T:  # noqa: ARG002  (the port's signature)
        """See ``TransactionStore.together``. There is nothing to be saved here: each call is as quick alone."""
        return call()

    def _fence(self, lease: Lease, at: datetime) -> None:
        if not holds(self._rows.leases.get(lease.name), lease, require_utc("at", at)):
            raise LeaseLost(f"lease {lease.name!r} is not ours any more")

    def _require_targets(self, blocks: Collection[Block]) -> None:
        for calendar_id in sorted(calendars_of(blocks)):
            self._rows.calendar(calendar_id)
