"""What holds of the inbox."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from attrs import evolve

from calsync_core.models import Calendar, Notification, NotificationStatus, PushKind, Watch
from calsync_core.testing.store_contract.bench import NOW, StoreBench, WithBench, a_notification, count_waiting
from calsync_core.testing.store_contract.push import HOSTILE

__all__ = ["InboxContract"]

_NOWHERE = 987_654
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MANY = 1_200
_WORKERS = 4
_WAITING = (NotificationStatus.PENDING, NotificationStatus.PROCESSING, NotificationStatus.RETRYING)


class InboxContract(WithBench):
    """``InboxStore``."""

    def test_a_notification_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field, under an id of its own; the id it came with means nothing."""
        plain = a_notification(bench.source, None)
        full = Notification(
            calendar_id=bench.target.key,
            subscription_id=2**40,
            kind=PushKind.MISSED,
            received_at=NOW,
            due_at=NOW + _HOUR,
            message="m",
            item="i",
            etag="e",
            status=NotificationStatus.FAILED,
            attempts=4,
            finished_at=NOW + _DAY,
            seconds=1.25,
            error="Unavailable",
            id=_NOWHERE,
        )
        assert bench.store.save_notifications([full, plain]) == 2
        newest, oldest = bench.store.load_notifications()
        assert (oldest, newest) == (evolve(full, id=oldest.id), evolve(plain, id=newest.id))
        assert newest.id is not None
        assert oldest.id is not None
        assert newest.id > oldest.id
        assert bench.store.save_notifications([]) == 0

    def test_any_text_can_be_kept(self, bench: StoreBench) -> None:
        """I-26: what a provider names is not ours to choose, and told apart to the last character."""
        came = [a_notification(bench.source, text, item=text, etag=text, error=text) for text in HOSTILE]
        assert bench.store.save_notifications(came) == len(HOSTILE)
        assert [evolve(each, id=None) for each in reversed(bench.store.load_notifications())] == came
        assert bench.store.save_notifications(came) == 0

    def test_the_same_message_twice_is_one(self, bench: StoreBench) -> None:
        """I-28: stored before, or earlier in the list, whatever else it says and however far the first has come."""
        first = a_notification(bench.source, "m1")
        again = evolve(first, kind=PushKind.MISSED, item="other", due_at=NOW - _DAY)
        other = a_notification(bench.source, "m2")
        assert bench.store.save_notifications([first, again]) == 1
        assert bench.store.save_notifications([again, other, first, other]) == 1
        assert [evolve(each, id=None) for each in bench.store.load_notifications()] == [other, first]
        lease = bench.lease("inbox:ana")
        done = [
            evolve(each, status=NotificationStatus.COMPLETED)
            for each in bench.store.claim_notifications(lease, bench.source.key, NOW)
        ]
        bench.store.settle_notifications(lease, done, NOW)
        assert bench.store.save_notifications([again, other]) == 0
        assert bench.store.load_notified(NOW) == []

    def test_a_message_is_its_subscriptions_own(self, bench: StoreBench) -> None:
        """Another subscription counts its messages from one as well."""
        came = [a_notification(bench.source, "1", subscription_id=number) for number in (1, 2, 11)]
        assert bench.store.save_notifications([*came, *came]) == 3
        assert bench.store.save_notifications([a_notification(bench.source, "11", subscription_id=1)]) == 1

    def test_a_nameless_message_is_always_new(self, bench: StoreBench) -> None:
        """Nothing says that it came before; an empty name is a name."""
        nameless = a_notification(bench.source, None)
        assert bench.store.save_notifications([nameless, nameless]) == 2
        assert bench.store.save_notifications([nameless]) == 1
        assert bench.store.save_notifications([a_notification(bench.source, "")] * 2) == 1

    def test_a_calendar_that_is_not_there_gets_none(self, bench: StoreBench) -> None:
        """The others get theirs; what was left out was not heard."""
        unknown = evolve(a_notification(bench.source, "m1"), calendar_id=_NOWHERE)
        assert bench.store.save_notifications([unknown]) == 0
        assert bench.store.save_notifications([unknown, a_notification(bench.source, "m1")]) == 1
        assert [each.calendar_id for each in bench.store.load_notifications()] == [bench.source.key]
        assert bench.store.load_watches([_NOWHERE]) == {}

    def test_a_push_moves_its_calendars_watch_forward(self, bench: StoreBench) -> None:
        """To the latest of the list, never back; only of calendars that are in the list."""
        for calendar in (bench.source, bench.target):
            bench.watch(calendar, failures=1)
        times = [NOW - _HOUR, NOW, NOW - _DAY]
        bench.store.save_notifications([a_notification(bench.source, None, received_at=at) for at in times])
        assert bench.watched(bench.source) == Watch(failures=1, pushed_at=NOW)
        assert bench.watched(bench.target) == Watch(failures=1)
        bench.store.save_notifications([a_notification(bench.source, None, received_at=NOW - _HOUR)])
        assert bench.watched(bench.source) == Watch(failures=1, pushed_at=NOW)
        bench.store.save_notifications(
            [a_notification(calendar, None, received_at=NOW + _HOUR) for calendar in (bench.target, bench.source)]
        )
        for calendar in (bench.source, bench.target):
            assert bench.watched(calendar) == Watch(failures=1, pushed_at=NOW + _HOUR)

    def test_a_doubled_push_is_a_push(self, bench: StoreBench) -> None:
        """It proves the subscription alive, though it tells nothing new."""
        bench.watch(bench.source)
        came = a_notification(bench.source)
        bench.store.save_notifications([came])
        assert bench.store.save_notifications([evolve(came, received_at=NOW + _HOUR)]) == 0
        assert bench.watched(bench.source) == Watch(pushed_at=NOW + _HOUR)

    def test_as_many_come_at_once_as_a_provider_likes(self, bench: StoreBench) -> None:
        """In their order, also where some came before."""
        came = [a_notification(bench.source, f"m{number}") for number in range(_MANY)]
        assert bench.store.save_notifications(came[::100]) == _MANY / 100
        assert bench.store.save_notifications(came) == _MANY - _MANY / 100
        claimed = bench.store.claim_notifications(bench.lease("inbox:ana"), bench.source.key, NOW)
        new = [each.message for each in came if each not in came[::100]]
        assert [each.message for each in claimed] == [each.message for each in came[::100]] + new
        done = [evolve(each, status=NotificationStatus.COMPLETED) for each in claimed]
        bench.store.settle_notifications(bench.lease("inbox:ana"), done, NOW)
        assert count_waiting(bench.store, bench.source.key) == 0

    def test_of_workers_that_hear_the_same_at_once_one_stores_it(self, bench: StoreBench) -> None:
        """I-28: threads stand in for processes; also where the calendar has no Watch yet."""
        calendars = [bench.source, *(bench.calendar(f"more-{number}") for number in range(4))]
        barrier = Barrier(_WORKERS)

        def hear(worker: int, calendar: Calendar) -> int:
            came = [a_notification(calendar, f"{calendar.key} {number}") for number in range(worker, worker + 20)]
            barrier.wait()
            return bench.store.save_notifications(came[:: (-1) ** worker])

        with ThreadPoolExecutor(_WORKERS) as pool:
            for calendar in calendars:
                counts = list(pool.map(hear, range(_WORKERS), [calendar] * _WORKERS))
                assert sum(counts) == 20 + _WORKERS - 1 == count_waiting(bench.store, calendar.key)

    def test_what_can_be_claimed_is_known(self, bench: StoreBench) -> None:
        """PENDING and RETRYING when due, PROCESSING at once, the rest never; each calendar once, by id."""
        for status in NotificationStatus:
            calendar = bench.calendar(str(status))
            came = [a_notification(calendar, f"{status} {n}", status=status, due_at=NOW + n * _HOUR) for n in (1, 2)]
            bench.store.save_notifications(came)
        calendars = {calendar.key: calendar.remote_id for calendar in bench.store.load_calendars()}
        soon = NOW + _HOUR - timedelta(microseconds=1)
        assert [calendars[key] for key in bench.store.load_notified(soon)] == ["processing"]
        for later in (NOW + _HOUR, NOW + 2 * _HOUR):
            found = bench.store.load_notified(later)
            assert [calendars[key] for key in found] == ["pending", "processing", "retrying"]

    def test_a_claim_takes_all_that_waits(self, bench: StoreBench) -> None:
        """Due or not, by id, of this calendar; what a dead worker had begun is given again."""
        for calendar in (bench.source, bench.target):
            bench.store.save_notifications(
                [
                    a_notification(calendar, f"{calendar.key} {status}", status=status, due_at=NOW + _DAY)
                    for status in NotificationStatus
                ]
            )
        lease = bench.lease("inbox:ana")
        claimed = bench.store.claim_notifications(lease, bench.source.key, NOW)
        assert [each.message for each in claimed] == [f"{bench.source.key} {status}" for status in _WAITING]
        assert {each.status for each in claimed} == {NotificationStatus.PROCESSING}
        stored = [each for each in bench.store.load_notifications(bench.source.key) if each in claimed]
        assert stored == claimed[::-1]
        assert bench.store.claim_notifications(lease, bench.source.key, NOW) == claimed
        assert bench.store.load_notified(NOW) == [bench.source.key, bench.target.key]
        assert bench.store.load_notified(NOW, "ana") == [bench.source.key, bench.target.key]
        assert bench.store.load_notified(NOW, "bo") == []
        assert bench.store.load_notified_owners(NOW) == ["ana"]
        others = {each.status for each in bench.store.load_notifications(bench.target.key)}
        assert others == set(NotificationStatus)

    def test_nothing_waits_for_a_calendar_that_got_nothing(self, bench: StoreBench) -> None:
        """Nor for one that is not there."""
        for calendar_id in (bench.source.key, _NOWHERE):
            assert bench.store.claim_notifications(bench.lease("inbox:ana"), calendar_id, NOW) == []
            assert count_waiting(bench.store, calendar_id) == 0
            assert bench.store.load_notifications(calendar_id) == []

    def test_what_became_of_them_is_settled(self, bench: StoreBench) -> None:
        """Replaced by id, all of them and nothing else; an id that is not there is ignored."""
        names = ("a", "b", "c", "d")
        bench.store.save_notifications([a_notification(bench.source, name) for name in names])
        lease = bench.lease("inbox:ana")
        first, second, third, last = bench.store.claim_notifications(lease, bench.source.key, NOW)
        settled = [
            evolve(first, status=NotificationStatus.COMPLETED, finished_at=NOW, seconds=0.5),
            evolve(second, status=NotificationStatus.RETRYING, attempts=1, due_at=NOW + _HOUR, error="Unavailable"),
            evolve(third, status=NotificationStatus.FAILED, attempts=4, finished_at=NOW + _DAY, error="Rejected"),
        ]
        strangers = [evolve(first, id=_NOWHERE), evolve(first, id=None)]
        bench.store.settle_notifications(lease, [*strangers, *settled], NOW)
        assert bench.store.load_notifications() == [last, *settled[::-1]]
        assert count_waiting(bench.store, bench.source.key) == 2
        bench.store.settle_notifications(lease, [evolve(last, status=NotificationStatus.COMPLETED)], NOW)
        assert bench.store.load_notified(NOW) == []
        assert bench.store.load_notified_owners(NOW) == []
        assert bench.store.load_notified(NOW + _HOUR) == [bench.source.key]
        bench.store.settle_notifications(lease, [], NOW)

    def test_the_newest_are_shown_first(self, bench: StoreBench) -> None:
        """As many as asked for; of one calendar if asked for."""
        for number in range(6):
            bench.store.save_notifications([a_notification((bench.source, bench.target)[number % 2], str(number))])

        def names(*of: int, **limit: int) -> list[str | None]:
            return [each.message for each in bench.store.load_notifications(*of, **limit)]

        assert names() == ["5", "4", "3", "2", "1", "0"]
        assert names(limit=2) == ["5", "4"]
        assert names(bench.source.key) == ["4", "2", "0"]
        assert names(bench.target.key, limit=1) == ["5"]
        assert names(limit=0) == []

    def test_what_waits_is_counted(self, bench: StoreBench) -> None:
        """Of one calendar."""
        came = [a_notification(bench.source, str(status), status=status) for status in NotificationStatus]
        bench.store.save_notifications([*came, a_notification(bench.target, "t")])
        assert count_waiting(bench.store, bench.source.key) == len(_WAITING)
        assert count_waiting(bench.store, bench.target.key) == 1
