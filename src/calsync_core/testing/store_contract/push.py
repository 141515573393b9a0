"""What holds of subscriptions and of watches, and what is due by a watch."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.errors import LeaseLost, UnknownCalendar
from calsync_core.models import Debt, Lease, PushState, ReadState, Watch
from calsync_core.testing.store_contract.bench import (
    NOW,
    SHAPE,
    StoreBench,
    WithBench,
    a_notification,
    a_subscription,
    count_waiting,
)

__all__ = ["HOSTILE", "SubscriptionsContract", "WatchesContract"]

_NOWHERE = 987_654
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MANY = 1_200

HOSTILE = ("", " ", "s1\x00", "half \ud83d", "' OR 1=1 --", "%", "S1", "ünïcode 🔒", "x" * 70_000, "x" * 70_001)
"""What a stranger may send as a name."""


class SubscriptionsContract(WithBench):
    """``PushStore``, the subscriptions."""

    def test_a_subscription_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field, under the id it was given; then replaced."""
        lease = bench.lease_of(bench.source)
        made = a_subscription(
            bench.source, resource="r1", confirmed=True, renewed_at=NOW + _HOUR, expires_at=NOW + 9 * _DAY
        )
        saved = bench.store.save_subscription(lease, made, NOW)
        assert saved.id is not None
        assert saved == evolve(made, id=saved.id)
        assert bench.store.load_subscriptions() == [saved]
        changed = evolve(saved, remote_id="s2", secret_hash="0" * 64, confirmed=False, resource=None)
        assert bench.store.save_subscription(lease, changed, NOW) == changed
        assert bench.store.load_subscriptions() == [changed]
        assert bench.store.find_subscriptions("memory", ["s1", "s2"]) == {"s2": changed}

    def test_a_calendar_has_its_own_by_id(self, bench: StoreBench) -> None:
        """Several, while one takes the place of another; unconfirmed ones included."""
        lease = bench.lease_of(bench.source)
        saved = [
            bench.store.save_subscription(lease, a_subscription(calendar, f"s{number}", confirmed=number > 1), NOW)
            for number, calendar in enumerate((bench.target, bench.source, bench.target))
        ]
        ids = [each.id or 0 for each in saved]
        assert ids == sorted(set(ids))
        assert bench.store.load_subscriptions() == saved
        assert bench.store.load_subscriptions(bench.target.key) == [saved[0], saved[2]]
        assert bench.store.load_subscriptions(_NOWHERE) == []

    def test_another_of_the_same_name_takes_its_place(self, bench: StoreBench) -> None:
        """An insert and a replacement, also for another calendar; a name of another provider is another name."""
        lease = bench.lease_of(bench.source)
        first, second, elsewhere = (
            bench.store.save_subscription(lease, each, NOW)
            for each in (
                a_subscription(bench.source, "s1"),
                a_subscription(bench.source, "s2"),
                a_subscription(bench.source, "s1", provider="google"),
            )
        )
        inserted = bench.store.save_subscription(lease, a_subscription(bench.target, "s1"), NOW)
        assert bench.store.load_subscriptions(bench.source.key) == [second, elsewhere]
        assert bench.store.load_subscriptions(bench.target.key) == [inserted]
        renamed = bench.store.save_subscription(lease, evolve(second, remote_id="s1"), NOW)
        assert renamed.id == second.id
        assert bench.store.load_subscriptions() == [renamed, elsewhere]
        assert first not in bench.store.find_subscriptions("memory", ["s1"]).values()

    def test_what_strangers_send_is_looked_up(self, bench: StoreBench) -> None:
        """I-26: any length, any text, any number; found only if it is the very name."""
        lease = bench.lease_of(bench.source)
        saved = bench.store.save_subscription(lease, a_subscription(bench.source), NOW)
        for provider in ("memory", *HOSTILE):
            assert bench.store.find_subscriptions(provider, HOSTILE) == {}
        many = [f"unknown-{number}" for number in range(_MANY)]
        assert bench.store.find_subscriptions("memory", [*many, "s1", "s1"]) == {"s1": saved}
        assert bench.store.find_subscriptions("memory", []) == bench.store.find_subscriptions("other", ["s1"]) == {}

    def test_any_name_can_be_kept(self, bench: StoreBench) -> None:
        """A provider may call it what it likes."""
        lease = bench.lease_of(bench.source)
        saved = {
            name: bench.store.save_subscription(lease, a_subscription(bench.source, name, resource=name), NOW)
            for name in HOSTILE
        }
        assert bench.store.find_subscriptions("memory", HOSTILE) == saved

    def test_a_deleted_subscription_is_gone(self, bench: StoreBench) -> None:
        """Deleting it again is no error; what came for it stays to be processed."""
        lease = bench.lease_of(bench.source)
        gone, kept = (
            bench.store.save_subscription(lease, a_subscription(bench.source, name), NOW) for name in ("s1", "s2")
        )
        bench.store.save_notifications([a_notification(bench.source, subscription_id=gone.id)])
        for _ in range(2):
            bench.store.delete_subscription(lease, gone.id or 0, NOW)
            assert bench.store.load_subscriptions() == [kept]
            assert bench.store.find_subscriptions("memory", ["s1"]) == {}
        assert count_waiting(bench.store, bench.source.key) == 1

    def test_a_calendar_that_is_not_there_has_none(self, bench: StoreBench) -> None:
        """Nothing was saved, and nothing replaced."""
        lease = bench.lease_of(bench.source)
        saved = bench.store.save_subscription(lease, a_subscription(bench.source), NOW)
        with pytest.raises(UnknownCalendar):
            bench.store.save_subscription(lease, evolve(saved, calendar_id=_NOWHERE), NOW)
        assert bench.store.load_subscriptions() == [saved]

    def test_a_forgotten_account_leaves_no_push(self, bench: StoreBench) -> None:
        """I-39: subscriptions, watches and notifications of its calendars go; those of others stay."""
        strange = bench.stranger()
        for calendar in (bench.source, strange):
            lease = bench.lease_of(calendar)
            bench.store.save_subscription(lease, a_subscription(calendar, f"s{calendar.key}"), NOW)
            bench.watch(calendar, check_at=NOW)
            bench.store.save_notifications([a_notification(calendar, f"m{calendar.key}")])
        bench.store.delete_account(bench.account.key)
        assert [each.calendar_id for each in bench.store.load_subscriptions()] == [strange.key]
        assert bench.store.find_subscriptions("memory", [f"s{bench.source.key}"]) == {}
        assert set(bench.store.load_watches([bench.source.key, strange.key])) == {strange.key}
        assert [each.calendar_id for each in bench.store.load_notifications()] == [strange.key]
        assert bench.store.load_notified(NOW) == [strange.key]
        assert bench.store.load_due(NOW, SHAPE, NOW).checks == (strange.key,)

    def test_who_lost_the_lease_changes_nothing(self, bench: StoreBench) -> None:
        """I-06: every method of push that takes a lease."""
        store, calendar = bench.store, bench.source
        name = f"calendar:{calendar.key}"
        old = store.acquire_lease(name, "me", 60, NOW)
        saved = store.save_subscription(old, a_subscription(calendar), NOW)
        store.save_watch(old, calendar.key, Watch(failures=1), PushState.ACTIVE, NOW)
        store.save_notifications([a_notification(calendar)])
        new = store.acquire_lease(name, "you", 60, old.expires_at)
        done = evolve(store.load_notifications()[0], attempts=9)
        calls: list[Callable[[Lease], object]] = [
            lambda lease: store.save_subscription(lease, evolve(saved, confirmed=True), old.expires_at),
            lambda lease: store.save_subscription(lease, a_subscription(calendar, "s2"), old.expires_at),
            lambda lease: store.delete_subscription(lease, saved.id or 0, old.expires_at),
            lambda lease: store.save_watch(lease, calendar.key, Watch(), PushState.FAILING, old.expires_at),
            lambda lease: store.claim_notifications(lease, calendar.key, old.expires_at),
            lambda lease: store.settle_notifications(lease, [done], old.expires_at),
        ]
        for lost in (old, evolve(new, token=99), Lease("never", "me", 1, new.expires_at)):
            for call in calls:
                with pytest.raises(LeaseLost):
                    call(lost)
        assert store.load_subscriptions() == [saved]
        assert bench.watched(calendar) == Watch(failures=1, pushed_at=NOW)
        assert [each.attempts for each in store.load_notifications()] == [0]
        assert store.load_notified(NOW - _DAY) == []


class WatchesContract(WithBench):
    """``PushStore``, the watches; and ``Due`` by them."""

    def test_a_watch_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field but the push and the call; then replaced."""
        times = iter(NOW + number * _HOUR for number in range(20))
        watch = Watch(
            read_at=next(times),
            interval=421.5,
            due_at=next(times),
            check_at=next(times),
            written_at=next(times),
            unechoed_since=next(times),
            doubted_at=next(times),
            proven_at=next(times),
            subscribed_at=next(times),
            expires_at=next(times),
            failures=3,
            failed_at=next(times),
            last_error="Unavailable",
            unsupported_at=next(times),
            told=PushState.FAILING,
        )
        lease = bench.lease_of(bench.source)
        for saved in (watch, Watch(), evolve(watch, due_at=None), evolve(watch, check_at=None)):
            bench.store.save_watch(lease, bench.source.key, saved, PushState.FAILING, NOW)
            assert bench.store.load_watches([bench.source.key]) == {bench.source.key: saved}

    def test_a_calendar_without_one_is_left_out(self, bench: StoreBench) -> None:
        """Known or not, however many are asked for."""
        bench.watch(bench.target)
        ids = [bench.target.key, bench.source.key, _NOWHERE, *range(10**6, 10**6 + _MANY)]
        assert bench.store.load_watches(ids) == {bench.target.key: Watch()}
        assert bench.store.load_watches([]) == bench.store.load_watches([bench.source.key]) == {}

    def test_only_the_inbox_says_when_a_push_came(self, bench: StoreBench) -> None:
        """I-32: a worker that saves what it loaded before a push came does not undo the push."""
        bench.watch(bench.source, pushed_at=NOW - _DAY)
        assert bench.watched(bench.source) == Watch()
        bench.store.save_notifications([a_notification(bench.source)])
        for pushed_at in (None, NOW - _DAY, NOW + _DAY):
            bench.watch(bench.source, failures=2, pushed_at=pushed_at)
            assert bench.watched(bench.source) == Watch(failures=2, pushed_at=NOW)

    def test_a_push_that_came_before_the_first_watch_is_kept(self, bench: StoreBench) -> None:
        """It makes no Watch by itself: the calendar is still to be read for the first time."""
        bench.store.save_notifications([a_notification(bench.source)])
        assert bench.watched(bench.source) is None
        assert bench.source.key in bench.store.load_due(NOW, SHAPE, NOW).calendars
        assert bench.store.load_vitals().push == {}
        bench.watch(bench.source)
        assert bench.watched(bench.source) == Watch(pushed_at=NOW)

    def test_a_calendar_that_is_not_there_has_no_watch(self, bench: StoreBench) -> None:
        """UnknownCalendar."""
        with pytest.raises(UnknownCalendar):
            bench.store.save_watch(bench.lease("calendar:987654"), _NOWHERE, Watch(), PushState.NONE, NOW)
        assert bench.store.load_watches([_NOWHERE]) == {}

    def test_checks_are_called_for(self, bench: StoreBench) -> None:
        """Everything else stays as it is, and a fresh Watch is made where there is none. What is off is not read."""
        off, none = bench.calendar("off", enabled=False), bench.calendar("none")
        bench.watch(bench.target)
        bench.watch(bench.source)
        bench.watch(off, PushState.SUSPENDED, due_at=NOW + _DAY, check_at=NOW + _DAY, failures=4)
        asked = [bench.source.key, off.key, none.key, _NOWHERE]
        bench.store.call_for_checks(asked)
        watches = bench.store.load_watches([*asked, bench.target.key])
        assert {key: watch.called is not None for key, watch in watches.items()} == {
            bench.source.key: True,
            bench.target.key: False,
            off.key: True,
            none.key: True,
        }
        assert {key: evolve(watch, called=None) for key, watch in watches.items()} == {
            bench.source.key: Watch(),
            bench.target.key: Watch(),
            off.key: Watch(due_at=NOW + _DAY, check_at=NOW + _DAY, failures=4),
            none.key: Watch(),
        }
        push = {str(PushState.ACTIVE): 2, str(PushState.NONE): 1}
        assert bench.store.load_vitals().push == push
        due = bench.store.load_due(NOW - _DAY, SHAPE, NOW)
        assert due.calendars == (bench.source.key, none.key)
        assert due.checks == (bench.source.key, off.key, none.key)
        bench.store.call_for_checks([])
        assert bench.store.load_watches([*asked, bench.target.key]) == watches

    def test_a_fresh_watch_that_was_called_for_knows_the_push_before_it(self, bench: StoreBench) -> None:
        """As one that is saved does."""
        bench.store.save_notifications([a_notification(bench.source)])
        bench.store.call_for_checks([bench.source.key])
        found = bench.watched(bench.source)
        assert found is not None
        assert found == Watch(pushed_at=NOW, called=found.called)

    def test_only_an_answer_ends_a_call(self, bench: StoreBench) -> None:
        """To the last one: whoever heard an earlier call, or none, has not answered it."""

        def call() -> int:
            bench.store.call_for_checks([bench.source.key])
            found = bench.watched(bench.source)
            assert found is not None
            assert found.called is not None
            return found.called

        first, second = call(), call()
        lease = bench.lease_of(bench.source)
        for answered, called in ((None, second), (first, second), (second, None), (second, None)):
            watch = Watch(failures=1, called=99)
            bench.store.save_watch(lease, bench.source.key, watch, PushState.ACTIVE, NOW, answered=answered)
            assert bench.watched(bench.source) == Watch(failures=1, called=called)
            assert bench.store.load_due(NOW, SHAPE, NOW).checks == (() if called is None else (bench.source.key,))
        assert call() is not None

    def test_a_calendar_is_due_by_its_watch(self, bench: StoreBench) -> None:
        """At its time, not before; never without one. Enabled ones only; and one that has no Watch yet, at once."""
        off, never = bench.calendar("off", enabled=False), bench.calendar("never")
        bench.watch(bench.source, due_at=NOW)
        bench.watch(off, due_at=NOW)
        bench.watch(never)
        soon = NOW - timedelta(microseconds=1)
        assert bench.store.load_due(soon, SHAPE, NOW).calendars == (bench.target.key,)
        assert bench.store.load_due(NOW, SHAPE, NOW).calendars == (bench.source.key, bench.target.key)
        bench.watch(bench.target)
        assert bench.store.load_due(NOW, SHAPE, NOW).calendars == (bench.source.key,)
        bench.calendar("unknown", enabled=False)
        assert bench.store.load_due(NOW + 9 * _DAY, SHAPE, NOW).calendars == (bench.source.key,)

    def test_a_watched_calendar_is_due_by_its_state_and_debts_too(self, bench: StoreBench) -> None:
        """Whatever its own timer says; each calendar once."""
        bench.watch(bench.source, due_at=NOW + 9 * _DAY)
        bench.watch(bench.target, due_at=NOW + 9 * _DAY)
        bench.save(bench.source, debts=(Debt("d", "x", NOW, NOW + _DAY), Debt("e", "x", NOW, NOW + _DAY)))
        lease = bench.lease_of(bench.target)
        bench.store.save_read_state(lease, bench.target.key, ReadState(due_at=NOW + 2 * _DAY), NOW)
        assert bench.store.load_due(NOW, SHAPE, NOW).calendars == ()
        assert bench.store.load_due(NOW + _DAY, SHAPE, NOW).calendars == (bench.source.key,)
        both = (bench.source.key, bench.target.key)
        for days in (2, 9):
            assert bench.store.load_due(NOW + days * _DAY, SHAPE, NOW).calendars == both

    def test_a_check_is_due_at_its_time(self, bench: StoreBench) -> None:
        """Switched-off calendars included: their subscription is to be given back."""
        off = bench.calendar("off", enabled=False)
        bench.watch(bench.source, check_at=NOW, due_at=NOW)
        bench.watch(off, check_at=NOW + _HOUR)
        bench.watch(bench.target, due_at=NOW)
        assert bench.store.load_due(NOW - timedelta(microseconds=1), SHAPE, NOW).checks == ()
        assert bench.store.load_due(NOW, SHAPE, NOW).checks == (bench.source.key,)
        assert bench.store.load_due(NOW + _HOUR, SHAPE, NOW).checks == (bench.source.key, off.key)
