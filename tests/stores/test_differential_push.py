"""Whatever comes in and is promised, the store in memory and the one in SQL answer the same.

Random histories of subscriptions, watches, notifications and notices over a few calendars, some of which go. After
each call both stores are asked everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from calsync_core.errors import CalsyncError
from calsync_core.models import (
    Account,
    AccountStatus,
    Calendar,
    Lease,
    Notice,
    NoticeKind,
    Notification,
    NotificationStatus,
    PushKind,
    PushState,
    ReadState,
    StoredSubscription,
    Watch,
)
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_contract.bench import count_waiting
from store_servers import KINDS
from store_world import DAY, HOUR, NOW, OWNERS, moments, picks

NAMES = ("s1", "s2", "S1", "x\x00")
MESSAGES = (None, "1", "2", "")
NOWHERE = 987_654

watches = st.builds(
    Watch,
    pushed_at=st.none() | moments,
    due_at=st.none() | moments,
    check_at=st.none() | moments,
    failures=st.integers(0, 3),
    told=st.sampled_from(PushState),
)


class BothPush(RuleBasedStateMachine):
    """Two stores, one history of pushes."""

    def __init__(self, other: Store | None = None) -> None:
        super().__init__()
        self.own = SQLStore("sqlite:///:memory:") if other is None else None
        self.stores: tuple[Store, Store] = (MemoryStore(), other or self.own or MemoryStore())
        # What is the same thing in both stores may have another id in each.
        self.accounts: list[tuple[Account, Account]] = []
        self.calendars: list[tuple[Calendar, Calendar]] = []
        self.subscriptions: list[tuple[StoredSubscription, StoredSubscription]] = []
        self.lease = Lease("x", "w", 1, NOW)

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

    def key(self, pick: int, side: int) -> int:
        """A calendar's id; sometimes of one that is not there."""
        return NOWHERE if pick == 7 else self.calendars[pick % len(self.calendars)][side].key

    def held(self, pick: int) -> Lease:
        """Mostly the lease; sometimes one that was lost."""
        return evolve(self.lease, token=99) if pick == 7 else self.lease

    @initialize()
    def begin(self) -> None:
        for number in range(3):
            owner = OWNERS[number % 2]
            accounts = self.both(lambda store, _: store.save_account(Account(owner, "memory", f"a{number}")))  # noqa: B023  (called at once)
            self.accounts.append(accounts)
            for remote in ("r1", "r2"):
                made = [Calendar(each.key, owner, remote, remote, enabled=True) for each in accounts]
                self.calendars.append(self.both(lambda store, side: store.save_calendar(made[side])))  # noqa: B023  (called at once)
        self.lease, other = self.both(lambda store, _: store.acquire_lease("x", "w", 90 * 86_400, NOW))
        assert self.lease == other

    # --- directory

    @rule(pick=picks, enabled=st.booleans(), status=st.sampled_from(AccountStatus), failures=st.integers(0, 1))
    def change_what_is_counted(self, pick: int, *, enabled: bool, status: AccountStatus, failures: int) -> None:
        number = pick % len(self.calendars)

        def change(store: Store, side: int) -> Calendar:
            calendar = self.calendars[number][side]
            store.save_read_state(self.lease, calendar.key, ReadState(failures=failures), NOW)
            store.save_account(evolve(store.load_account(calendar.account_id), status=status))
            return store.save_calendar(evolve(calendar, enabled=enabled))

        saved = self.both(change)
        if saved[0]:
            self.calendars[number] = saved

    @rule(pick=picks)
    def delete_account(self, pick: int) -> None:
        if pick > 5:
            self.both(lambda store, side: store.delete_account(self.accounts[pick % len(self.accounts)][side].key))

    # --- subscriptions and watches

    @rule(pick=picks, lease=picks, name=st.sampled_from(NAMES), provider=st.sampled_from(OWNERS), old=st.none() | picks)
    def save_subscription(self, *, pick: int, lease: int, name: str, provider: str, old: int | None) -> None:
        def save(store: Store, side: int) -> StoredSubscription:
            made = StoredSubscription(self.key(pick, side), provider, name, "hash", "url", NOW, NOW + DAY)
            if old is not None and self.subscriptions:
                made = evolve(made, id=self.subscriptions[old % len(self.subscriptions)][side].id)
            return store.save_subscription(self.held(lease), made, NOW)

        saved = self.both(save)
        if saved[0]:
            self.subscriptions.append(saved)

    @rule(pick=picks, lease=picks)
    def delete_subscription(self, pick: int, lease: int) -> None:
        if self.subscriptions:
            gone = self.subscriptions[pick % len(self.subscriptions)]
            self.both(lambda store, side: store.delete_subscription(self.held(lease), gone[side].id or 0, NOW))

    @rule(
        pick=picks,
        lease=picks,
        watch=watches,
        state=st.sampled_from(PushState),
        answered=st.none() | st.integers(1, 3),
    )
    def save_watch(self, pick: int, lease: int, watch: Watch, state: PushState, answered: int | None) -> None:
        self.both(
            lambda store, side: store.save_watch(
                self.held(lease), self.key(pick, side), watch, state, NOW, answered=answered
            )
        )

    @rule(some=st.lists(picks, max_size=3))
    def call_for_checks(self, some: list[int]) -> None:
        self.both(lambda store, side: store.call_for_checks([self.key(pick, side) for pick in some]))

    # --- inbox and outbox

    @rule(
        came=st.lists(
            st.tuples(picks, st.integers(1, 2), st.sampled_from(MESSAGES), moments, moments, st.none() | moments),
            max_size=4,
        ),
        status=st.sampled_from(NotificationStatus),
    )
    def save_notifications(self, came: list[tuple[Any, ...]], status: NotificationStatus) -> None:
        def save(store: Store, side: int) -> int:
            return store.save_notifications(
                [
                    Notification(
                        self.key(pick, side),
                        number,
                        PushKind.CHANGED,
                        received,
                        due,
                        message,
                        None,
                        None,
                        status,
                        0,
                        done,
                    )
                    for pick, number, message, received, due, done in came
                ]
            )

        one, other = self.both(save)
        assert one == other

    @rule(pick=picks, lease=picks, settled=st.lists(st.sampled_from(NotificationStatus), max_size=4), at=moments)
    def work(self, pick: int, lease: int, settled: list[NotificationStatus], at: datetime) -> None:
        """Claim what waits for a calendar, and settle some of it."""

        def claim(store: Store, side: int) -> list[Any]:
            claimed = store.claim_notifications(self.held(lease), self.key(pick, side), at)
            told = [
                evolve(each, status=status, finished_at=at, due_at=at, attempts=each.attempts + 1)
                for each, status in zip(claimed, settled, strict=False)
            ]
            store.settle_notifications(self.held(lease), told, at)
            return [self.plain(each, side) for each in claimed]

        one, other = self.both(claim)
        assert one == other

    @rule(owner=st.sampled_from(OWNERS), word=st.sampled_from(["", "\x00"]), at=moments)
    def save_notice(self, owner: str, word: str, at: datetime) -> None:
        self.both(lambda store, _: store.save_notice(Notice(NoticeKind.SYNC_FAILED, owner, at, detail={word: word})))

    @rule(pick=picks, due_at=st.none() | moments)
    def deliver(self, pick: int, due_at: datetime | None) -> None:
        """Or fail to."""

        def settle(store: Store, _: int) -> None:
            waiting = store.load_notices()
            chosen = waiting[pick % len(waiting)].id if waiting else NOWHERE
            if due_at is None:
                store.delete_notices([chosen])
            else:
                store.put_off_notice(chosen, pick, due_at)

        self.both(settle)

    @rule(before=moments)
    def cleanup(self, before: datetime) -> None:
        one, other = self.both(lambda store, _: store.cleanup(before))
        assert one == other

    # --- everything that can be asked

    def plain(self, value: Any, side: int) -> Any:
        """The answer without ids, which differ between the stores."""
        names = {pair[side].key: number for number, pair in enumerate(self.calendars)}
        return evolve(value, id=None, calendar_id=names[value.calendar_id])

    @invariant()
    def they_agree(self) -> None:
        if self.calendars:
            one, other = (list(self.answers(store, side)) for side, store in enumerate(self.stores))
            assert one == other

    def answers(self, store: Store, side: int) -> Iterator[Any]:
        names = {pair[side].key: number for number, pair in enumerate(self.calendars)}
        yield [self.plain(each, side) for each in store.load_subscriptions()]
        for provider in OWNERS:
            found = store.find_subscriptions(provider, [*NAMES, "x"])
            yield {name: self.plain(each, side) for name, each in found.items()}
        yield {names[key]: watch for key, watch in store.load_watches([*names, NOWHERE]).items()}
        yield [self.plain(each, side) for each in store.load_notifications()]
        for at in (NOW - HOUR, NOW, NOW + HOUR):
            yield [names[key] for key in store.load_notified(at)]
            due = store.load_due(at, "s", NOW)
            yield [names[key] for key in due.calendars], [names[key] for key in due.checks]
        for key in names:
            yield [self.plain(each, side) for each in store.load_subscriptions(key)]
            yield [self.plain(each, side) for each in store.load_notifications(key, 2)]
            yield count_waiting(store, key)
        for owner in (None, *OWNERS):
            yield [evolve(each, id=0) for each in store.load_notices(owner)]
        yield store.load_vitals()
        for limit, offset in ((None, 0), (2, 1)):
            standings = store.load_standings(limit=limit, offset=offset)
            yield [
                (names[one.calendar.key], one.state, one.watch, one.debts, one.blocks, one.mode) for one in standings
            ]


BothPush.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestBothPushStores = BothPush.TestCase


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_answers_the_same(kind: str, emptied_store: Callable[[str], SQLStore]) -> None:
    class OnAServer(BothPush):
        def __init__(self) -> None:
            super().__init__(emptied_store(kind))

    few = settings(max_examples=4, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(OnAServer, settings=few)
