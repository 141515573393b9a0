"""What the store contract's tests work with: a store with an owner in it, and short words for values."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve, field

from calsync_core.models import (
    Account,
    Block,
    BlockContent,
    Calendar,
    CalendarId,
    ChangeCount,
    Changes,
    Cursor,
    Event,
    Intent,
    Item,
    Lease,
    Mark,
    Notification,
    NotificationStatus,
    Operation,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    PushKind,
    PushState,
    Reason,
    Span,
    StoredSubscription,
    Tag,
    Unplanned,
    Watch,
)
from calsync_core.protocols import Store

__all__ = [
    "CURSOR",
    "NOW",
    "SHAPE",
    "StoreBench",
    "WithBench",
    "a_block",
    "a_notification",
    "a_subscription",
    "an_event",
    "an_item",
    "an_operation",
    "count_waiting",
]

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SHAPE = "policy-1"
CURSOR = Cursor("sync-token-1", "all")
HOUR = timedelta(hours=1)


def an_event(key: str = "e1", start: datetime = NOW, *, uid: str | None = "", **fields: Any) -> Event:
    """An hour's meeting; its UID is made from the id unless one is given."""
    fields.setdefault("span", Span(start, start + HOUR))
    fields.setdefault("title", "Quarterly review")
    return Event(key, f"uid-{key}" if uid == "" else uid, **fields)


def an_item(key: str = "e1", *events: Event, **fields: Any) -> Item:
    """An item of these events, or of one meeting."""
    fields.setdefault("etag", f"etag-{key}")
    return Item(key, events or (an_event(key),), **fields)


def a_sighting(block: Block, **fields: Any) -> Item:
    """The item as which a target shows a block of ours."""
    content = block.content
    mark = fields.pop("mark", Mark(block.key, block.generation, Tag("i", "o", "s")))
    event = Event(block.native_id, None, content.span, title=content.title, mark=mark, **fields)
    return Item(block.native_id, (event,), "seen-1")


def a_block(source: Calendar, target: Calendar, key: str = "k1", start: datetime = NOW, **fields: Any) -> Block:
    """A block of an hour that shows ``uid-e1`` unless said otherwise."""
    values: dict[str, Any] = {
        "generation": 0,
        "owner": target.owner,
        "source_id": source.key,
        "target_id": target.key,
        "uid": "uid-e1",
        "slot": "",
        "native_id": f"n-{key}",
        "content": BlockContent(Span(start, start + HOUR), "Busy"),
    }
    return Block(key=key, **{**values, **fields})


def an_operation(block: Block, kind: OperationKind = OperationKind.CREATE, **fields: Any) -> Operation:
    """The write that makes a block what its record says."""
    values: dict[str, Any] = {
        "native_id": block.native_id,
        "content": block.content,
        "tag": Tag("installation", "owner", "source"),
        "reason": Reason.NO_LONGER_WANTED if kind is OperationKind.DELETE else Reason.BOOKED,
        "decided_at": NOW,
    }
    return Operation(kind, block.ref, block.target_id, **{**values, **fields})


def a_subscription(calendar: Calendar, remote_id: str = "s1", **fields: Any) -> StoredSubscription:
    """A promise of a week to push for a calendar."""
    values: dict[str, Any] = {
        "provider": "memory",
        "secret_hash": "5ec2e7" * 10,
        "url": "https://calsync.example/push/memory",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=7),
    }
    return StoredSubscription(calendar.key, remote_id=remote_id, **{**values, **fields})


def a_notification(calendar: Calendar, message: str | None = "m1", **fields: Any) -> Notification:
    """A push that came for a calendar just now."""
    values: dict[str, Any] = {"subscription_id": 1, "kind": PushKind.CHANGED, "received_at": NOW, "due_at": NOW}
    return Notification(calendar.key, message=message, **{**values, **fields})


@define
class StoreBench:
    """A store with an owner ``ana`` who has a source and a target."""

    store: Store
    account: Account = field(init=False)
    source: Calendar = field(init=False)
    target: Calendar = field(init=False)
    _leases: dict[str, Lease] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.account = self.store.save_account(Account("ana", "memory", "ana-1"))
        self.source = self.calendar("work", publish=True)
        self.target = self.calendar("home", receive=True)

    def calendar(self, remote_id: str, account: Account | None = None, **fields: Any) -> Calendar:
        """A new, enabled calendar."""
        of = account or self.account
        calendar = Calendar(of.key, of.owner, remote_id, remote_id.title(), **{"enabled": True, **fields})
        return self.store.save_calendar(calendar)

    def stranger(self) -> Calendar:
        """A calendar of another owner."""
        account = self.store.save_account(Account("bo", "memory", "bo-1"))
        return self.calendar("bo-work", account, publish=True, receive=True)

    def lease(self, name: str) -> Lease:
        """The lease of this name, taken on first use."""
        if name not in self._leases:
            self._leases[name] = self.store.acquire_lease(name, "worker", 3600, NOW)
        return self._leases[name]

    def lease_of(self, calendar: Calendar) -> Lease:
        """The lease on a calendar."""
        return self.lease(f"calendar:{calendar.key}")

    def save(self, calendar: Calendar, *items: Item, **fields: Any) -> ChangeCount:
        """Store one page of a read."""
        changes = Changes(**{"at": NOW, "items": items, **fields})
        return self.store.save_changes(self.lease_of(calendar), calendar.key, changes)

    def watch(self, calendar: Calendar, state: PushState = PushState.ACTIVE, **fields: Any) -> Watch:
        """Save a watch on a calendar; nothing is due by it unless said otherwise."""
        watch = Watch(**fields)
        self.store.save_watch(self.lease_of(calendar), calendar.key, watch, state, NOW)
        return watch

    def watched(self, calendar: Calendar) -> Watch | None:
        """The stored watch on a calendar."""
        return self.store.load_watches([calendar.key]).get(calendar.key)

    def read_completely(self, calendar: Calendar, *items: Item) -> None:
        """Commit a snapshot of one page."""
        seen_round = self.begin_round(calendar)
        self.save(calendar, *items, round=seen_round, cursor=CURSOR, snapshot_done=True)

    def begin_round(self, calendar: Calendar) -> int:
        """Begin a snapshot."""
        state = self.store.load_read_state(calendar.key)
        begun = evolve(state, round=state.round + 1)
        self.store.save_read_state(self.lease_of(calendar), calendar.key, begun, NOW)
        return begun.round

    def unplanned(self, owner: str = "ana") -> Unplanned:
        """The owner's journal."""
        return self.store.load_unplanned(owner)

    def plan(
        self,
        *operations: Operation,
        records: tuple[Block, ...] = (),
        upto: int | None = None,
        state: PlanState | None = None,
        **fields: Any,
    ) -> None:
        """Store a plan of ana's, by default one that covers the whole journal."""
        self.store.save_plan(
            self.lease("owner:ana"),
            Plan("ana", operations, records, **fields),
            upto=self.unplanned().upto if upto is None else upto,
            state=state or self.planned("ana"),
            at=NOW,
        )

    def planned(self, owner: str, shape: str = SHAPE) -> PlanState:
        """What an owner's plan state is after a plan that knows of everything."""
        before = self.store.load_plan_state(owner)
        return evolve(before, shape=shape, horizon_end=NOW + timedelta(days=90))

    def forget_what_is_unplanned(self) -> None:
        """Leave an empty journal, and a plan state that is up to date."""
        self.plan()
        assert self.unplanned().uids == self.unplanned().keys == frozenset()

    def claim(self, limit: int = 10, at: datetime = NOW) -> list[Intent]:
        """Claim intents for the target."""
        return self.store.claim_intents(self.lease_of(self.target), self.target.key, limit, at)

    def record(self, *outcomes: Outcome, at: datetime = NOW, run_id: int | None = None) -> None:
        """Record outcomes of the target's intents."""
        self.store.record_outcomes(self.lease_of(self.target), self.target.key, outcomes, at, run_id=run_id)

    def write(self, block: Block, kind: OperationKind = OperationKind.CREATE, **outcome: Any) -> None:
        """Plan, claim and record one write; DONE unless said otherwise."""
        self.plan(an_operation(block, kind), records=(block,))
        intent = next(found for found in self.claim() if found.operation.ref == block.ref)
        self.record(Outcome(**{"intent_id": intent.id, "status": OutcomeStatus.DONE, "etag": "w1", **outcome}))

    def block(self, ref: str) -> Block:
        """One of ana's recorded blocks."""
        return next(block for block in self.store.load_blocks("ana") if block.ref == ref)


def count_waiting(store: Store, calendar_id: CalendarId) -> int:
    """How many of a calendar's notifications are not done with, of the latest thousand."""
    found = store.load_notifications(calendar_id, 1_000)
    return sum(each.status not in {NotificationStatus.COMPLETED, NotificationStatus.FAILED} for each in found)


class WithBench:
    """The fixtures that every part of the contract uses."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty store, fresh for every test: yours."""
        raise NotImplementedError("give the fixture: store")

    @pytest.fixture
    def bench(self, store: Store) -> StoreBench:
        """The store, with an owner in it."""
        return StoreBench(store)
