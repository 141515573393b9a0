"""What holds of notices on their way to the host, and of what is counted."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from calsync_core.models import (
    Account,
    AccountStatus,
    Notice,
    NoticeKind,
    NotificationStatus,
    PushState,
    ReadState,
    Vitals,
)
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_notification,
    an_item,
    an_operation,
)

__all__ = ["NoticesContract", "VitalsContract"]

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_NOWHERE = 987_654


def _a_notice(owner: str = "ana", kind: NoticeKind = NoticeKind.SYNC_FAILED, **detail: object) -> Notice:
    return Notice(kind, owner, NOW, detail=dict(detail))


class NoticesContract(WithBench):
    """``NoticeStore``."""

    def test_a_notice_comes_back_as_it_was_saved(self, store: Store) -> None:
        """Every field and every kind of scalar; due at once, never tried."""
        detail = {"text": "ünïcode 🔒 \x00 \ud83d", "n": 2**40, "share": 0.25, "yes": True, "nothing": None, "": ""}
        full = Notice(NoticeKind.PUSH_DEGRADED, "ana", NOW, account=3, calendar=4, detail=detail)
        for notice in (full, _a_notice("")):
            store.save_notice(notice)
        waiting = store.load_notices()
        assert [each.notice for each in waiting] == [full, _a_notice("")]
        assert [(each.due_at, each.attempts) for each in waiting] == [(NOW, 0)] * 2

    def test_what_waits_is_nobody_elses_to_change(self, store: Store) -> None:
        """Neither by who gave the notice nor by who got it."""
        notice = _a_notice(count=1)
        store.save_notice(notice)
        notice.detail["count"] = 2
        [waiting] = store.load_notices()
        waiting.notice.detail["count"] = 3
        assert [each.notice.detail for each in store.load_notices()] == [{"count": 1}]

    def test_the_oldest_come_first(self, store: Store) -> None:
        """Due or not; as many as asked for, of one owner if asked for. The same notice twice is two."""
        for owner in ("bo", "ana", "bo", "ana", "ana"):
            store.save_notice(_a_notice(owner))
        waiting = store.load_notices()
        ids = [each.id for each in waiting]
        assert ids == sorted(set(ids))
        assert [each.notice.owner for each in waiting] == ["bo", "ana", "bo", "ana", "ana"]
        assert store.load_notices(limit=2) == waiting[:2]
        assert store.load_notices("ana") == [waiting[1], waiting[3], waiting[4]]
        assert store.load_notices("bo", 1) == waiting[:1]
        assert store.load_notices(after=waiting[1].id) == waiting[2:]
        assert store.load_notices("ana", after=waiting[1].id) == waiting[3:]
        assert store.load_notices("nobody") == store.load_notices(limit=0) == []
        store.put_off_notice(ids[0], 1, NOW + _DAY)
        assert [each.id for each in store.load_notices()] == ids

    def test_a_notice_can_be_put_off(self, store: Store) -> None:
        """It alone; one that is not there is no error."""
        for owner in ("ana", "bo"):
            store.save_notice(_a_notice(owner))
        first, second = store.load_notices()
        store.put_off_notice(second.id, 3, NOW + _HOUR)
        store.put_off_notice(second.id + _NOWHERE, 9, NOW)
        assert store.load_notices() == [first, evolve(second, attempts=3, due_at=NOW + _HOUR)]

    def test_a_notice_that_was_taken_is_gone(self, store: Store) -> None:
        """It alone; one that is not there is no error, and no id is given twice."""
        for owner in ("ana", "ana", "ana"):
            store.save_notice(_a_notice(owner))
        first, second, third = store.load_notices()
        for _ in range(2):
            store.delete_notices([third.id, first.id, third.id + _NOWHERE])
            assert store.load_notices() == [second]
        store.delete_notices([])
        store.save_notice(_a_notice())
        assert store.load_notices()[1].id > third.id

    def test_a_notice_outlives_what_it_is_about(self, bench: StoreBench) -> None:
        """The host is to hear of it."""
        account, calendar = bench.account.key, bench.source.key
        notice = Notice(NoticeKind.CALENDAR_VANISHED, "ana", NOW, account, calendar)
        bench.store.save_notice(notice)
        bench.store.delete_account(account)
        bench.store.cleanup(NOW + 365 * _DAY)
        assert [each.notice for each in bench.store.load_notices("ana")] == [notice]


class VitalsContract(WithBench):
    """``RunStore.load_vitals``."""

    def test_an_empty_store_counts_nothing(self, store: Store) -> None:
        """All at nought."""
        assert store.load_vitals() == Vitals()

    def test_calendars_count_while_they_are_enabled(self, bench: StoreBench) -> None:
        """All owners'."""
        bench.stranger()
        bench.calendar("off", enabled=False)
        assert bench.store.load_vitals() == Vitals(calendars=3)
        bench.store.save_calendar(evolve(bench.source, enabled=False))
        assert bench.store.load_vitals() == Vitals(calendars=2)

    def test_a_calendar_fails_by_its_reads(self, bench: StoreBench) -> None:
        """While there are failures; enabled ones only."""
        off = bench.calendar("off", enabled=False)
        for calendar in (bench.source, off):
            lease = bench.lease_of(calendar)
            bench.store.save_read_state(lease, calendar.key, ReadState(failures=2, last_error="Unavailable"), NOW)
        assert bench.store.load_vitals().failing == 1
        bench.read_completely(bench.source, an_item())
        assert bench.store.load_vitals().failing == 0

    def test_a_calendar_fails_by_its_account(self, bench: StoreBench) -> None:
        """While the login is refused; not while the host paused it. A calendar that fails by both is one."""
        lease = bench.lease_of(bench.source)
        counts = {}
        for status in AccountStatus:
            bench.store.save_account(evolve(bench.account, status=status))
            counts[status] = bench.store.load_vitals().failing
        assert counts == {status: 2 * (status not in {"active", "paused"}) for status in AccountStatus}
        bench.store.save_read_state(lease, bench.source.key, ReadState(failures=1), NOW)
        assert bench.store.load_vitals().failing == 2
        refused = Account("bo", "memory", "bo-1", status=AccountStatus.AUTH_EXPIRED)
        bench.calendar("bo-work", bench.store.save_account(refused))
        assert bench.store.load_vitals().failing == 3

    def test_calendars_count_by_the_state_of_their_push(self, bench: StoreBench) -> None:
        """As last saved; enabled ones only, and those that have a Watch."""
        bench.watch(bench.calendar("off", enabled=False), PushState.FAILING)
        bench.watch(bench.source, PushState.FAILING)
        bench.watch(bench.target, PushState.ACTIVE)
        bench.calendar("fresh")
        assert bench.store.load_vitals().push == {"failing": 1, "active": 1}
        bench.watch(bench.source, PushState.ACTIVE)
        assert bench.store.load_vitals().push == {"active": 2}

    def test_the_backlog_counts_what_is_not_done_with(self, bench: StoreBench) -> None:
        """And since when the one that is due longest has been due; one that waits for its next attempt is not late."""
        came = [
            a_notification(bench.source, str(status), status=status, received_at=NOW - _DAY, due_at=NOW - n * _HOUR)
            for n, status in enumerate(NotificationStatus)
        ]
        bench.store.save_notifications(came)
        oldest = list(NotificationStatus).index(NotificationStatus.RETRYING)
        vitals = bench.store.load_vitals()
        assert (vitals.backlog, vitals.backlog_since) == (3, NOW - oldest * _HOUR)
        lease = bench.lease("inbox:ana")
        claimed = bench.store.claim_notifications(lease, bench.source.key, NOW)
        done = [evolve(each, status=NotificationStatus.FAILED) for each in claimed]
        bench.store.settle_notifications(lease, done, NOW)
        vitals = bench.store.load_vitals()
        assert (vitals.backlog, vitals.backlog_since) == (0, None)

    def test_what_waits_for_the_host_and_the_providers_is_counted(self, bench: StoreBench) -> None:
        """Notices until they are taken, intents until they are closed, deletions while they are held."""
        for _ in range(3):
            bench.store.save_notice(_a_notice())
        blocks = [a_block(bench.source, bench.target, key, held_since=NOW) for key in ("k1", "k2")]
        bench.plan(*map(an_operation, blocks), records=(*blocks, a_block(bench.source, bench.target, "k3")))
        vitals = bench.store.load_vitals()
        assert (vitals.notices, vitals.open_intents, vitals.held) == (3, 2, 2)
        bench.store.delete_notices([each.id for each in bench.store.load_notices()])
        bench.store.save_blocks([evolve(blocks[0], held_since=None)])
        vitals = bench.store.load_vitals()
        assert (vitals.notices, vitals.open_intents, vitals.held) == (0, 2, 1)
