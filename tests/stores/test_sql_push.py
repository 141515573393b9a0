"""What is particular to push in a database: what a request costs, and processes that hear the same at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import Notice, NoticeKind, NotificationStatus
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_contract.bench import count_waiting
from calsync_core.testing.store_kit import NOW, StoreBench, a_notification, a_subscription

SECRET = "5ec2e7" * 10


def _engine(store: SQLStore) -> sa.Engine:
    opened = store._database._opened
    assert opened is not None
    return opened.engine


def _statements(store: SQLStore, call: Callable[[], object]) -> list[str]:
    """What the call asks of the database; one for many rows at once counts once."""
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            asked.append(statement)

    event.listen(_engine(store), "before_cursor_execute", note)
    call()
    event.remove(_engine(store), "before_cursor_execute", note)
    return asked


def test_many_pushes_cost_as_many_statements_as_one(file_store: SQLStore) -> None:
    bench = StoreBench(file_store)
    calendars = [bench.source, *(bench.calendar(f"c{number}") for number in range(99))]
    for calendar in calendars:
        bench.watch(calendar)
    many = [a_notification(calendar, f"{calendar.key} {number}") for calendar in calendars for number in range(4)]
    one = [a_notification(bench.source, "first")]
    for came in (one, many):
        # Lock the watches, look for doubles, insert, note when the pushes came.
        assert len(_statements(file_store, partial(file_store.save_notifications, came))) == 4
    assert len(file_store.load_notifications(limit=1000)) == 401


def test_a_push_that_came_before_writes_no_row(file_store: SQLStore) -> None:  # I-28
    bench = StoreBench(file_store)
    bench.watch(bench.source)
    came = [a_notification(bench.source)]
    file_store.save_notifications(came)
    asked = _statements(file_store, lambda: file_store.save_notifications(came))
    assert [statement.split()[0] for statement in asked] == ["SELECT", "SELECT"]


HEAR = """
import sys
from datetime import datetime, UTC
from calsync_core.models import Notification, PushKind
from calsync_core.stores.sql import SQLStore

store, calendar = SQLStore(sys.argv[1]), int(sys.argv[2])
now = datetime(2026, 11, 24, tzinfo=UTC)
store.load_vitals()
sys.stdin.readline()
print(sum(
    store.save_notifications([Notification(calendar, 1, PushKind.CHANGED, now, now, f"{n}-{k}") for k in range(5)])
    for n in range(20)
))
"""


def test_of_processes_that_hear_the_same_at_once_one_stores_it(url: str, file_store: SQLStore) -> None:  # I-28
    bench = StoreBench(file_store)
    hear = [sys.executable, "-W", "error", "-c", HEAR, url, str(bench.source.key)]
    workers = [subprocess.Popen(hear, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    counts = [int(worker.communicate(timeout=120)[0]) for worker in workers]
    assert sum(counts) == 100 == count_waiting(file_store, bench.source.key)


def test_what_was_heard_survives_the_process(url: str) -> None:  # I-28
    store = SQLStore(url)
    bench = StoreBench(store)
    store.save_notifications([a_notification(bench.source)])
    store.claim_notifications(bench.lease("inbox:ana"), bench.source.key, NOW)
    store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW, detail={"runs": 1}))
    store.close()
    again = SQLStore(url)
    assert again.load_notified(NOW) == [bench.source.key]
    assert [each.status for each in again.load_notifications()] == [NotificationStatus.PROCESSING]
    assert [each.notice.detail for each in again.load_notices()] == [{"runs": 1}]
    again.close()


def test_errors_show_no_secret(file_store: SQLStore) -> None:  # I-26, I-39
    bench = StoreBench(file_store)
    lease = bench.lease_of(bench.source)
    with file_store._database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON calsync_subscriptions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(StoreError) as caught:
        file_store.save_subscription(lease, a_subscription(bench.source, secret_hash=SECRET), NOW)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


def test_damaged_rows_are_told_without_showing_them(file_store: SQLStore) -> None:  # I-39
    bench = StoreBench(file_store)
    file_store.save_subscription(bench.lease("x"), a_subscription(bench.source, secret_hash=SECRET), NOW)
    file_store.save_notifications([a_notification(bench.source)])
    file_store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW))
    bench.watch(bench.source)
    with file_store._database.writing() as connection:
        for table in ("subscriptions", "notifications", "notices", "watches"):
            connection.exec_driver_sql(f"UPDATE calsync_{table} SET value = '{{\"spam\":1}}'")  # noqa: S608  (our own words)
    damaged: dict[str, Callable[[], object]] = {
        "StoredSubscription": file_store.load_subscriptions,
        "Notification": file_store.load_notifications,
        "Notice": file_store.load_notices,
        "Watch": lambda: bench.watched(bench.source),
    }
    for kind, load in damaged.items():
        with pytest.raises(StoreError, match=f"stored {kind} "):
            load()


def test_details_that_json_cannot_say_are_refused(file_store: SQLStore) -> None:  # I-44
    for wrong in ({"at": object()}, {"when": NOW}):
        with pytest.raises(InvalidValue, match="detail"):
            file_store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW, detail=wrong))
    assert file_store.load_notices() == []
