"""Whatever is done to both, the store in memory and the one in SQL answer the same.

Random histories of calls, from a small world in which everything meets everything: late pages, lost leases, plans that
are overtaken, outcomes nobody waits for, accounts that go. After each call both stores are asked everything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from calsync_core.errors import CalsyncError
from calsync_core.models import (
    Account,
    Block,
    BlockContent,
    BlockState,
    Calendar,
    Changes,
    Intent,
    Lease,
    MirrorRule,
    Mode,
    Operation,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    ReadState,
    Reason,
    SyncReport,
    SyncType,
    Tag,
    Unplanned,
)
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from store_servers import KINDS
from store_world import (
    HOUR,
    KEYS,
    MARKS,
    NOW,
    OWNERS,
    UIDS,
    WINDOWS,
    contents,
    moments,
    pages,
    picks,
    read_states,
    statuses,
)


class Both(RuleBasedStateMachine):
    """Two stores, one history."""

    def __init__(self, other: Store | None = None) -> None:
        super().__init__()
        self.own = SQLStore("sqlite:///:memory:") if other is None else None
        self.stores: tuple[Store, Store] = (MemoryStore(), other or self.own or MemoryStore())
        # What is the same thing in both stores may have another id in each.
        self.accounts: list[tuple[Account, Account]] = []
        self.calendars: list[tuple[Calendar, Calendar]] = []
        self.leases: dict[str, list[Lease]] = {}
        self.intents: list[tuple[Intent, Intent]] = []
        self.uptos: tuple[int, int] = (0, 0)

    def teardown(self) -> None:
        if self.own is not None:
            self.own.close()

    def both(self, call: Callable[[Store, int], Any]) -> tuple[Any, Any]:
        """Do it to both; they must refuse for the same reason."""
        answers: list[tuple[Any, type[CalsyncError] | None]] = []
        for side, store in enumerate(self.stores):
            try:
                answers.append((call(store, side), None))
            except CalsyncError as error:
                answers.append((None, type(error)))
        (one, wrong), (other, wrong_too) = answers
        assert wrong == wrong_too, (one, other)
        return one, other

    def calendar(self, pick: int, side: int) -> Calendar:
        return self.calendars[pick % len(self.calendars)][side]

    def lease(self, name: str, pick: int) -> Lease:
        """Mostly the newest one; sometimes one that was lost."""
        history = self.leases.get(name, [Lease(name, "w", 1, NOW)])
        return history[pick % len(history)] if pick == 7 else history[-1]

    def names(self, side: int) -> dict[int, str]:
        """Which thing an id means, in this store."""
        return {pair[side].key: f"calendar {number}" for number, pair in enumerate(self.calendars)}

    @initialize()
    def begin(self) -> None:
        for number, owner in enumerate(OWNERS):
            self.save_account(owner, "a")
            self.save_calendar(number, f"r{number}", owner, enabled=True)
        self.save_calendar(0, "r9", "ana", enabled=True)
        for pick in range(3):
            self.acquire(f"calendar:{pick}", NOW)
        self.acquire("owner:ana", NOW)
        self.acquire("owner:bo", NOW)

    # --- directory

    def save_account(self, owner: str, name: str) -> None:
        saved = self.both(lambda store, _: store.save_account(Account(owner, "memory", name)))
        if saved[0]:
            self.accounts.append(saved)

    def save_calendar(self, pick: int, remote: str, owner: str, *, enabled: bool) -> None:
        def save(store: Store, side: int) -> Calendar:
            account = self.accounts[pick % len(self.accounts)][side]
            return store.save_calendar(Calendar(account.key, owner, remote, remote, enabled=enabled))

        saved = self.both(save)
        if saved[0]:
            self.calendars.append(saved)
            # Without a Watch it would be due whatever else is.
            self.both(lambda store, side: store.call_for_checks([saved[side].key]))

    def new_calendar(self, pick: int, remote: str, owner: str, *, enabled: bool) -> None:
        if len(self.calendars) < 5:
            self.save_calendar(pick, remote, owner, enabled=enabled)

    def change_calendar(self, pick: int, owner: str, zone: str | None, *, enabled: bool) -> None:
        def change(calendar: Calendar) -> Calendar:
            return evolve(calendar, owner=owner, enabled=enabled, timezone=zone)

        number = pick % len(self.calendars)
        saved = self.both(lambda store, side: store.save_calendar(change(self.calendar(pick, side))))
        if saved[0]:
            self.calendars[number] = saved

    def delete_account(self, pick: int) -> None:
        if pick > 4:
            self.both(lambda store, side: store.delete_account(self.accounts[pick % len(self.accounts)][side].key))

    def save_rules(self, owner: str, title: str | None) -> None:
        self.both(lambda store, _: store.save_rules(owner, [MirrorRule(title=title)]))

    def save_mode(self, owner: str, *, observe: bool) -> None:
        self.both(lambda store, _: store.save_mode(owner, Mode.OBSERVE if observe else Mode.WRITE))

    @rule(
        job=st.integers(0, 11),
        pick=picks,
        owner=st.sampled_from(OWNERS),
        word=st.sampled_from([None, "a", "b"]),
        enabled=st.booleans(),
        at=moments,
    )
    def do_something_rare(
        self, *, job: int, pick: int, owner: str, word: str | None, enabled: bool, at: datetime
    ) -> None:
        rare: list[Callable[[], None]] = [
            lambda: self.save_account(owner, word or "c"),
            lambda: self.new_calendar(pick, word or "r0", owner, enabled=enabled),
            lambda: self.change_calendar(pick, owner, word and "Asia/Tokyo", enabled=True),
            lambda: self.change_calendar(pick, owner, None, enabled=enabled),
            lambda: self.delete_account(pick),
            lambda: self.save_rules(owner, word),
            lambda: self.save_mode(owner, observe=enabled),
            lambda: self.reset_plan(word or owner),
            lambda: self.save_run(pick, at if enabled else None),
            lambda: self.cleanup(at),
            lambda: self.save_credential(pick, word, at),
            lambda: self.save_credential(pick, word or "c", at),
        ]
        rare[job]()

    def save_credential(self, pick: int, sealed: str | None, at: datetime) -> None:
        """Or delete it."""
        held = self.lease("owner:ana", pick)  # any lease fences: its name is the caller's affair

        def save(store: Store, side: int) -> None:
            account_id = self.accounts[pick % len(self.accounts)][side].key
            if sealed is None:
                store.delete_credential(held, account_id, at)
            else:
                store.save_credential(held, account_id, sealed, at)

        self.both(save)

    # --- reading

    @rule(
        pick=picks,
        lease=picks,
        at=moments,
        state=read_states,
        keep_cursor=st.booleans(),
    )
    def save_read_state(self, pick: int, lease: int, at: datetime, state: ReadState, *, keep_cursor: bool) -> None:
        def save(store: Store, side: int) -> None:
            calendar = self.calendar(pick, side)
            cursor = store.load_read_state(calendar.key).cursor if keep_cursor else None
            held = self.lease(f"calendar:{pick % len(self.calendars)}", lease)
            store.save_read_state(held, calendar.key, evolve(state, cursor=cursor), at)

        self.both(save)

    @rule(
        pick=picks,
        lease=picks,
        changes=pages,
        snapshot=st.booleans(),
    )
    def save_changes(self, pick: int, lease: int, changes: Changes, *, snapshot: bool) -> None:
        changes = evolve(changes, snapshot_done=snapshot and (changes.cursor is not None or lease == 6))
        held = self.lease(f"calendar:{pick % len(self.calendars)}", lease)
        counts = self.both(lambda store, side: store.save_changes(held, self.calendar(pick, side).key, changes))
        assert counts[0] == counts[1]

    # --- blocks, plans, writing

    def block(self, side: int, number: int, pick: int, **fields: Any) -> Block:
        source, target = self.calendar(number, side), self.calendar(pick, side)
        values = {"owner": target.owner, "slot": "", "native_id": KEYS[number % 2], "uid": UIDS[number % 2], **fields}
        return Block(f"k{number % 3}", number % 2, source_id=source.key, target_id=target.key, **values)

    @rule(
        number=picks,
        pick=picks,
        content=contents,
        state=st.sampled_from(BlockState),
        held=st.none() | moments,
        reason=st.none() | st.sampled_from(Reason),
    )
    def save_block(
        self,
        *,
        number: int,
        pick: int,
        content: BlockContent,
        state: BlockState,
        held: datetime | None,
        reason: Reason | None,
    ) -> None:
        fields = {"content": content, "state": state, "held_since": held, "changed_at": held, "deleted_for": reason}
        self.both(lambda store, side: store.save_blocks([self.block(side, number, pick, **fields)]))

    @rule(
        owner=st.sampled_from(OWNERS),
        lease=picks,
        numbers=st.lists(st.tuples(picks, picks), max_size=3),
        content=contents,
        kind=st.sampled_from(OperationKind),
        unsettled=st.frozensets(st.sampled_from(UIDS)),
        at=moments,
        shape=st.sampled_from([None, "s"]),
        late=st.booleans(),
        why=st.sampled_from([Reason.BOOKED, Reason.UNDONE]),
    )
    def save_plan(
        self,
        *,
        owner: str,
        lease: int,
        numbers: list[tuple[int, int]],
        content: BlockContent,
        kind: OperationKind,
        unsettled: frozenset[str],
        at: datetime,
        shape: str | None,
        late: bool,
        why: Reason,
    ) -> None:
        held = self.lease(f"owner:{owner}", lease)

        def save(store: Store, side: int) -> None:
            found = [self.block(side, number, pick, content=content) for number, pick in numbers]
            operations = tuple(
                Operation(kind, one.ref, one.target_id, one.native_id, content, Tag("i", "o", "s"), why, NOW)
                for one in found
            )
            upto = self.uptos[side] if late else store.load_unplanned(owner).upto
            plan = Plan(owner, operations, tuple({one.ref: one for one in found}.values()), unsettled=unsettled)
            resets = store.load_plan_state(owner).resets - late
            store.save_plan(held, plan, upto=upto, state=PlanState(shape, at, resets), at=at)

        self.both(save)

    @rule(owner=st.sampled_from(OWNERS))
    def read_journal(self, owner: str) -> None:
        one, other = self.both(lambda store, _: store.load_unplanned(owner).upto)
        self.uptos = (one, other)

    def reset_plan(self, owner: str) -> None:
        self.both(lambda store, _: store.reset_plan(owner))

    @rule(pick=picks, lease=picks, limit=st.integers(0, 3), at=moments)
    def claim(self, pick: int, lease: int, limit: int, at: datetime) -> None:
        held = self.lease(f"calendar:{pick % len(self.calendars)}", lease)
        one, other = self.both(lambda store, side: store.claim_intents(held, self.calendar(pick, side).key, limit, at))
        if one is not None:
            assert [self.plain(found, 0) for found in one] == [self.plain(found, 1) for found in other]
            self.intents += zip(one, other, strict=True)

    @precondition(lambda self: self.intents)
    @rule(
        pick=picks,
        lease=picks,
        outcomes=st.lists(st.tuples(picks, statuses), min_size=1, max_size=3),
        at=moments,
        moved=st.sampled_from([None, "n1", "new"]),
        seen=st.none() | contents,
        wait=st.sampled_from([None, 0.0, 3600.0]),
        run=st.none() | st.integers(0, 2),
    )
    def record(
        self,
        *,
        pick: int,
        lease: int,
        outcomes: list[tuple[int, OutcomeStatus]],
        at: datetime,
        moved: str | None,
        seen: BlockContent | None,
        wait: float | None,
        run: int | None,
    ) -> None:
        held = self.lease(f"calendar:{pick % len(self.calendars)}", lease)

        def record(store: Store, side: int) -> None:
            ids = [(self.intents[-1 - number % len(self.intents)][side].id, status) for number, status in outcomes]
            told = [Outcome(key, status, "w", seen, moved, wait, "because") for key, status in ids]
            runs = [4711, *(report.key for report in reversed(store.load_runs()))]
            run_id = None if run is None else runs[run % len(runs)]
            store.record_outcomes(held, self.calendar(pick, side).key, told, at, run_id=run_id)

        self.both(record)

    @rule(name=st.sampled_from([*(f"calendar:{number}" for number in range(4)), "owner:ana", "owner:bo"]), at=moments)
    def acquire(self, name: str, at: datetime) -> None:
        one, other = self.both(lambda store, _: store.acquire_lease(name, "w", 5400, at))
        assert one == other
        if one:
            self.leases.setdefault(name, []).append(one)

    @rule(name=st.sampled_from(["calendar:0", "calendar:1", "owner:ana"]), lease=picks, at=moments)
    def renew(self, name: str, lease: int, at: datetime) -> None:
        held = self.lease(name, lease)
        one, other = self.both(lambda store, _: store.renew_lease(held, 5400, at))
        assert one == other

    @rule(name=st.sampled_from(["calendar:0", "calendar:1", "owner:ana"]), lease=picks)
    def release(self, name: str, lease: int) -> None:
        held = self.lease(name, lease)
        self.both(lambda store, _: store.release_lease(held))

    def save_run(self, pick: int, finished: datetime | None) -> None:
        def save(store: Store, side: int) -> None:
            store.save_run(SyncReport(SyncType.FULL, NOW, finished, calendars=(self.calendar(pick, side).key,)))

        self.both(save)

    def cleanup(self, before: datetime) -> None:
        one, other = self.both(lambda store, _: store.cleanup(before))
        assert one == other

    # --- everything that can be asked

    def plain(self, value: Any, side: int) -> Any:
        """The answer without ids, which differ between the stores."""
        names = self.names(side)
        if isinstance(value, Intent):
            operation = evolve(value.operation, target_id=0)
            return (names[value.operation.target_id], operation, value.in_doubt, value.attempts)
        if isinstance(value, Block):
            return (names.get(value.source_id), names[value.target_id], evolve(value, source_id=0, target_id=0))
        if isinstance(value, Unplanned):
            return (value.uids, value.keys)
        if isinstance(value, SyncReport):
            return (value.finished_at, [names[key] for key in value.calendars])
        return value

    @invariant()
    def they_agree(self) -> None:
        if not self.calendars:
            return
        one, other = (list(self.answers(store, side)) for side, store in enumerate(self.stores))
        assert one == other

    def answers(self, store: Store, side: int) -> Any:
        names = self.names(side)
        due = store.load_due(NOW + HOUR, "s", NOW + HOUR)
        yield list(store.load_credentials().values())
        yield [store.load_credential(pair[side].key) for pair in self.accounts]
        yield due.owners, [[names[key] for key in keys] for keys in (due.targets, due.calendars, due.checks)]
        yield store.load_vitals()
        for limit, offset in ((None, 0), (2, 1)):
            standings = store.load_standings(limit=limit, offset=offset)
            yield [
                (names[one.calendar.key], one.state, one.watch, one.debts, one.blocks, one.mode) for one in standings
            ]
        for owner in OWNERS:
            yield [account.name for account in store.load_accounts(owner)]
            yield [names[calendar.key] for calendar in store.load_calendars(owner=owner)]
            yield store.load_rules(owner), store.load_plan_state(owner), store.load_mode(owner)
            yield self.plain(store.load_unplanned(owner), side)
            for uids in (None, ["u0"]):
                yield [self.plain(block, side) for block in store.load_blocks(owner, uids)]
            yield [self.plain(block, side) for block in store.load_held(owner)]
            yield [self.plain(intent, side) for intent in store.load_intents(owner)]
            for found in (None, MARKS[1:]):
                yield [(names[one.calendar_id], one.event, one.etag) for one in store.load_sightings(owner, found)]
            yield [(names[one.calendar_id], one.event, one.etag) for one in store.load_strays(owner)]
            yield store.load_uids(owner), store.load_uids(owner, besides=UIDS[:1])
            events = store.load_events(owner, [*UIDS, "id:e0", "id:n0"])
            yield [(names[one.calendar_id], one.event) for one in events]
            yield [store.load_identities(owner, window) for window in WINDOWS]
            yield [names[key] for key in store.load_open_targets(owner, NOW + HOUR)]
            for due_at in (None, NOW):
                yield sorted((names[key], list(debts)) for key, debts in store.load_debtors(owner, due_at).items())
        yield [self.plain(block, side) for block in store.load_blocks_by_key(["k0", "k2"])]
        yield [self.plain(run, side) for run in store.load_runs()]
        yield [self.plain(run, side) for run in store.load_runs(since=NOW + HOUR)]
        for run in store.load_runs():
            yield [(names[each.target_id], evolve(each, target_id=0)) for each in store.load_writes(run.key)]
        states = store.load_read_states([calendar.key for calendar in store.load_calendars()])
        for calendar in store.load_calendars():
            yield states[calendar.key]
            yield store.load_items(calendar.key), store.load_items(calendar.key, KEYS[:2])
            yield store.load_debts(calendar.key), store.load_debts(calendar.key, NOW)
            for window in (None, *WINDOWS):
                yield store.load_unseen(calendar.key, 2, window)
            counts = store.count_deleted([calendar.key], NOW + HOUR), store.count_live([calendar.key], NOW)
            yield [list(count.values()) for count in counts]
            yield [self.plain(run, side) for run in store.load_runs(calendar.key, 2)]


Both.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestBothStores = Both.TestCase


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_answers_the_same(kind: str, emptied_store: Callable[[str], SQLStore]) -> None:
    class OnAServer(Both):
        def __init__(self) -> None:
            super().__init__(emptied_store(kind))

    few = settings(max_examples=3, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(OnAServer, settings=few)
