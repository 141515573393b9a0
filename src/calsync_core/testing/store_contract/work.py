"""What holds of leases and of the record of syncs."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, LeaseBusy, LeaseLost
from calsync_core.models import (
    BlockContent,
    BlockState,
    Lease,
    NotificationStatus,
    Span,
    SyncFailure,
    SyncReport,
    SyncType,
)
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import NOW, StoreBench, WithBench, a_block, a_notification

__all__ = ["LeasesContract", "RunsContract"]

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_WORKERS = 4


class LeasesContract(WithBench):
    """``LeaseStore``."""

    def test_a_free_lease_is_given(self, store: Store) -> None:
        """Until the end of its time; names have nothing to do with each other."""
        assert store.acquire_lease("calendar:1", "me", 60, NOW) == Lease("calendar:1", "me", 1, NOW + _MINUTE)
        assert store.acquire_lease("calendar:2", "me", 60, NOW).token == 1

    def test_a_held_lease_is_refused_to_everybody(self, store: Store) -> None:
        """Its holder included: two threads of one worker are two workers."""
        lease = store.acquire_lease("x", "me", 60, NOW)
        for holder in ("me", "you"):
            with pytest.raises(LeaseBusy):
                store.acquire_lease("x", holder, 60, lease.expires_at - timedelta(microseconds=1))

    def test_an_expired_lease_is_free(self, store: Store) -> None:
        """I-05: a dead worker holds nothing for ever; its token is spent."""
        old = store.acquire_lease("x", "me", 60, NOW)
        new = store.acquire_lease("x", "you", 60, old.expires_at)
        assert new.token == old.token + 1
        with pytest.raises(LeaseLost):
            store.renew_lease(old, 60, NOW)

    def test_an_expired_lease_that_nobody_wanted_goes_on(self, store: Store) -> None:
        """A slow answer costs nothing if nobody was waiting."""
        lease = store.acquire_lease("x", "me", 60, NOW)
        renewed = store.renew_lease(lease, 60, lease.expires_at + _DAY)
        assert renewed == evolve(lease, expires_at=lease.expires_at + _DAY + _MINUTE)
        with pytest.raises(LeaseBusy):
            store.acquire_lease("x", "you", 60, lease.expires_at + _DAY)

    def test_tokens_never_return(self, store: Store) -> None:
        """Not by release, not by expiry, not by time."""
        tokens = []
        for day in range(4):
            lease = store.acquire_lease("x", "me", 60, NOW + day * _DAY)
            tokens.append(lease.token)
            if day % 2:
                store.release_lease(lease)
        assert tokens == [1, 2, 3, 4]

    def test_a_renewed_lease_lasts_longer_under_its_token(self, store: Store) -> None:
        """The old value of it still opens the fence."""
        lease = store.acquire_lease("x", "me", 60, NOW)
        renewed = store.renew_lease(lease, 120, NOW + _MINUTE / 2)
        assert renewed == evolve(lease, expires_at=NOW + 2.5 * _MINUTE)
        assert store.renew_lease(lease, 60, NOW + 2 * _MINUTE).token == lease.token
        with pytest.raises(LeaseBusy):
            store.acquire_lease("x", "you", 60, NOW + 2 * _MINUTE)

    def test_a_lost_lease_is_not_renewed(self, store: Store) -> None:
        """Passed on, given back, never given; one that only expired is nobody else's and may be prolonged."""
        lease = store.acquire_lease("x", "me", 60, NOW)
        lease = store.renew_lease(lease, 60, lease.expires_at)
        store.release_lease(lease)
        with pytest.raises(LeaseLost):
            store.renew_lease(lease, 60, NOW)
        store.acquire_lease("x", "you", 60, NOW)
        for lost in (lease, evolve(lease, name="never"), evolve(lease, token=2)):
            with pytest.raises(LeaseLost):
                store.renew_lease(lost, 60, NOW)

    def test_giving_back_what_is_no_longer_ours_does_nothing(self, store: Store) -> None:
        """The new holder keeps it."""
        old = store.acquire_lease("x", "me", 60, NOW)
        store.release_lease(old)
        store.release_lease(old)
        new = store.acquire_lease("x", "you", 60, NOW)
        store.release_lease(old)
        store.release_lease(evolve(old, name="never"))
        with pytest.raises(LeaseBusy):
            store.acquire_lease("x", "third", 60, NOW)
        assert store.renew_lease(new, 60, NOW).token == 2

    def test_a_time_without_a_zone_is_refused(self, store: Store) -> None:
        """I-44."""
        with pytest.raises(InvalidValue):
            store.acquire_lease("x", "me", 60, datetime(2026, 1, 1))  # noqa: DTZ001  (a wall time: naive on purpose)

    def test_of_workers_who_ask_at_once_one_gets_it(self, store: Store) -> None:
        """I-06: threads stand in for processes; each round a new token."""
        barrier = Barrier(_WORKERS)

        def ask(holder: int) -> Lease | None:
            barrier.wait()
            try:
                return store.acquire_lease("x", f"w{holder}", 60, NOW)
            except LeaseBusy:
                return None

        with ThreadPoolExecutor(_WORKERS) as pool:
            for number in range(1, 6):
                won = [lease for lease in pool.map(ask, range(_WORKERS)) if lease]
                assert [lease.token for lease in won] == [number]
                store.release_lease(won[0])


class RunsContract(WithBench):
    """``RunStore``."""

    def test_a_run_comes_back_as_it_was_saved(self, store: Store) -> None:
        """Every field, under the id it was given; then replaced."""
        report = SyncReport(
            sync_type=SyncType.FULL,
            started_at=NOW,
            finished_at=NOW + _MINUTE,
            owner="ana",
            calendars=(3, 1),
            events_processed=7,
            busy_blocks_created=2,
            webhook_triggered=True,
            polling_fallback=True,
            echo=True,
            notified_at=NOW - _MINUTE,
            api_calls=5,
            reading_calls=4,
            calendars_read=2,
            time_window=("2026-11-24T09:00:00+00:00", "2027-02-22T00:00:00+00:00"),
            errors=(SyncFailure("a", None, "Unavailable", "time-out"), SyncFailure("a", "b", "X", "y")),
        )
        saved = store.save_run(report)
        assert saved.id is not None
        assert saved == evolve(report, id=saved.id)
        assert store.load_runs() == [saved]
        changed = evolve(saved, calendars=(2,), held=3)
        assert store.save_run(changed) == changed
        assert store.load_runs() == store.load_runs(2) == [changed]
        assert store.load_runs(3) == []

    def test_the_newest_runs_come_first(self, store: Store) -> None:
        """As many as asked for; of one calendar if asked for."""
        runs = [store.save_run(SyncReport(SyncType.POLLING, NOW, NOW, calendars=(n % 2, 9))) for n in range(5)]
        assert store.load_runs() == runs[::-1]
        assert store.load_runs(limit=2) == [runs[4], runs[3]]
        assert store.load_runs(1) == [runs[3], runs[1]]
        assert store.load_runs(9, limit=1) == [runs[4]]
        assert store.load_runs(limit=0) == []

    def test_runs_since_an_instant_finished_at_or_after_it(self, store: Store) -> None:
        """Newest first, of one calendar if asked for; those that never finished did not finish since."""
        times = [NOW, None, NOW - timedelta(microseconds=1), NOW + _DAY, NOW]
        runs = [
            store.save_run(SyncReport(SyncType.POLLING, NOW - _DAY, at, calendars=(n % 2, 9)))
            for n, at in enumerate(times)
        ]
        assert store.load_runs(since=NOW) == [runs[4], runs[3], runs[0]]
        assert store.load_runs(1, since=NOW) == [runs[3]]
        assert store.load_runs(9, 2, since=NOW - _DAY) == [runs[4], runs[3]]
        assert store.load_runs(since=NOW + 2 * _DAY) == []

    def test_a_run_outlives_its_calendar(self, bench: StoreBench) -> None:
        """It says what happened."""
        run = bench.store.save_run(SyncReport(SyncType.FULL, NOW, NOW, calendars=(bench.source.key,)))
        bench.store.delete_account(bench.account.key)
        assert bench.store.load_runs(bench.source.key) == [run]

    def test_old_runs_are_forgotten(self, store: Store) -> None:
        """Finished before the instant; not at it, and not those that never finished."""
        times = [NOW - _DAY, NOW - timedelta(microseconds=1), NOW, None]
        runs = [store.save_run(SyncReport(SyncType.FULL, NOW - 2 * _DAY, at, calendars=(1,))) for at in times]
        assert store.cleanup(NOW, dry_run=True) == 2
        assert len(store.load_runs()) == len(runs)
        assert store.cleanup(NOW) == 2
        assert store.load_runs() == store.load_runs(1) == [runs[3], runs[2]]
        assert store.cleanup(NOW) == 0

    def test_old_notifications_are_forgotten(self, bench: StoreBench) -> None:
        """COMPLETED or FAILED before the instant; not at it, and never what waits. What is forgotten is new again."""
        waiting = {NotificationStatus.PENDING, NotificationStatus.PROCESSING, NotificationStatus.RETRYING}
        times = (NOW - _DAY, NOW, None)
        bench.store.save_notifications(
            [
                a_notification(bench.source, f"{status} {at}", status=status, finished_at=at)
                for status in NotificationStatus
                for at in times
            ]
        )
        assert bench.store.cleanup(NOW, dry_run=True) == 2
        assert bench.store.cleanup(NOW) == 2
        left = {(each.status, each.finished_at) for each in bench.store.load_notifications()}
        assert left == {
            (status, at) for status in NotificationStatus for at in times if status in waiting or at != times[0]
        }
        assert bench.store.cleanup(NOW) == 0
        again = [a_notification(bench.source, f"{status} {times[0]}") for status in NotificationStatus]
        assert bench.store.save_notifications(again) == 2

    def test_records_of_past_blocks_are_forgotten(self, bench: StoreBench) -> None:
        """I-50: not before their slot is past, whatever they show now; until then a late write could still land."""
        day = BlockContent(Span(date(2026, 11, 23), date(2026, 11, 24)), "Busy")
        past = [a_block(bench.source, bench.target, str(state), NOW - _DAY, state=state) for state in BlockState]
        gone = BlockState.DELETED
        ahead = [
            a_block(bench.source, bench.target, "ends-now", NOW - timedelta(hours=1), state=gone),
            a_block(bench.source, bench.target, "future", NOW + _DAY, state=gone),
            a_block(bench.source, bench.target, "slot", NOW - _DAY, slot="20261130T090000Z", state=gone),
            a_block(bench.source, bench.target, "slot-day", NOW - _DAY, slot="20261130", state=gone),
            a_block(bench.source, bench.target, "day", state=gone, content=day),
        ]
        bench.store.save_blocks([*past, *ahead])
        assert bench.store.cleanup(NOW, dry_run=True) == len(past)
        assert bench.store.cleanup(NOW) == len(past)
        assert {block.ref for block in bench.store.load_blocks("ana")} == {block.ref for block in ahead}
        assert bench.store.cleanup(NOW + 30 * _DAY) == len(ahead)
        assert bench.store.load_blocks("ana") == []
