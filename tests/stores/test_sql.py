"""The SQL store keeps the contract of every store; and what is particular to a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import (
    Account,
    BlockState,
    Debt,
    Notice,
    NoticeKind,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    ReadState,
    SyncReport,
    SyncType,
    Window,
)
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_kit import (
    NOW,
    StoreBench,
    StoreContract,
    a_block,
    a_notification,
    a_subscription,
    an_event,
    an_item,
    an_operation,
)

DAY = timedelta(days=1)
TITLE = "Dr. Müller, biopsy"


class TestSQLStoreInMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        store = SQLStore("sqlite:///:memory:")
        yield store
        store.close()


class TestSQLStoreInAFile(StoreContract):
    @pytest.fixture
    def store(self, file_store: SQLStore) -> Store:
        return file_store


# --- transactions


def test_what_was_saved_survives_the_process(url: str) -> None:  # I-05
    store = SQLStore(url)
    bench = StoreBench(store)
    bench.save(bench.source, an_item("e1"))
    block = a_block(bench.source, bench.target)
    bench.plan(an_operation(block), records=(block,))
    store.close()
    again = SQLStore(url)
    assert again.load_calendars() == [bench.source, bench.target]
    assert again.load_blocks("ana") == [block]
    assert [found.event for found in again.load_events("ana", ["uid-e1"])] == [an_event("e1")]
    again.close()


def test_an_error_in_the_middle_leaves_nothing(file_store: SQLStore) -> None:  # I-05
    bench = StoreBench(file_store)
    with file_store._database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON journal WHEN NEW.word = 'uid-e3' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(StoreError):
        bench.save(bench.source, *(an_item(key) for key in ("e1", "e2", "e3")), debts=(Debt("d", "x", NOW, NOW),))
    assert file_store.load_items(bench.source.key) == {}
    assert file_store.load_debts(bench.source.key) == []
    assert file_store.load_unplanned("ana").uids == frozenset()
    bench.save(bench.source, an_item("e1"))


def test_errors_never_show_what_was_stored(file_store: SQLStore) -> None:  # I-39
    bench = StoreBench(file_store)
    with file_store._database.writing() as connection:
        for table in ("events", "blocks", "intents", "read_states"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
    block = a_block(bench.source, bench.target, uid=TITLE, native_id=TITLE)
    failing: list[Callable[[], object]] = [
        lambda: bench.save(bench.source, an_item("e1", an_event(title=TITLE))),
        lambda: file_store.save_blocks([block]),
        lambda: bench.plan(an_operation(block), records=()),
        lambda: bench.begin_round(bench.source),
    ]
    for call in failing:
        with pytest.raises(StoreError) as caught:
            call()
        shown: BaseException | None = caught.value
        while shown is not None:
            assert TITLE not in f"{shown} {shown!r}"
            assert "Müller" not in f"{shown} {shown!r}"
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
        assert caught.value.__suppress_context__


def test_a_damaged_row_is_told_without_showing_it(file_store: SQLStore) -> None:  # I-39
    bench = StoreBench(file_store)
    bench.save(bench.source, an_item("e1", an_event(title=TITLE)))
    with file_store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE events SET value = replace(value, '\"span\"', '\"spam\"')")
    with pytest.raises(StoreError, match="stored Event") as caught:
        file_store.load_events("ana", ["uid-e1"])
    assert TITLE not in str(caught.value)


def test_names_that_some_database_could_not_keep_are_refused(file_store: SQLStore) -> None:  # I-44
    for owner in ("x" * 256, "nul\x00", "half \ud83d"):
        with pytest.raises(InvalidValue, match="name"):
            file_store.save_account(Account(owner, "memory", "a"))
    assert file_store.load_accounts() == []
    assert file_store.save_account(Account("é" * 255, "memory", "a")).id is not None


def test_writers_wait_for_each_other(url: str) -> None:  # I-06
    stores = [SQLStore(url), SQLStore(url)]
    account = stores[0].save_account(Account("ana", "memory", "a"))

    def save(number: int) -> int | None:
        return stores[number % 2].save_run(SyncReport(SyncType.FULL, NOW, NOW, calendars=(number,))).id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(save, range(60)))
    assert len(set(ids)) == 60
    assert stores[1].load_account(account.key) == account
    for store in stores:
        store.close()


def test_threads_share_a_database_in_memory() -> None:
    store = SQLStore("sqlite:///:memory:")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.save_account(Account("ana", "memory", f"a{n}")), range(40)))
        assert {len(found) for found in pool.map(lambda _: store.load_accounts("ana"), range(20))} == {40}
    store.close()


# --- what it costs


def test_no_question_reads_a_whole_table(file_store: SQLStore) -> None:
    bench = StoreBench(file_store)
    statements: dict[str, Any] = {}
    engine = file_store._database._opened
    assert engine is not None

    @event.listens_for(engine.engine, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, many: bool) -> None:
        statements.setdefault(statement, parameters[0] if many else parameters)

    _use_everything(bench)
    _use_push(bench)
    big = {"items", "events", "blocks", "intents", "journal", "debts", "runs", "run_calendars", "read_states"}
    big |= {"subscriptions", "watches", "notifications", "notices"}
    # What waits is counted: it is deleted when it is done. And a host may ask for the newest, or for all subscriptions.
    counted, listed = {"intents", "notices"}, {"runs", "notifications", "notices"}
    assert len(statements) > 90
    explained = 0
    with file_store._database.reading() as connection:
        for statement, parameters in list(statements.items()):
            if not statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
                continue
            explained += 1
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                words = row.detail.split()
                scanned = words[1] if words[0] == "SCAN" else None
                fine = (scanned in counted and "count(*)" in statement) or (scanned in listed and "LIMIT" in statement)
                fine |= scanned == "subscriptions" and "WHERE" not in statement
                assert scanned not in big or fine, f"{row.detail}: {statement}"
    assert explained > 75


def test_a_poll_that_finds_nothing_writes_nothing_but_its_state(file_store: SQLStore) -> None:
    bench = StoreBench(file_store)
    bench.read_completely(bench.source, an_item("e1"))
    changed = {"items", "events", "journal", "debts", "blocks"}
    written: list[str] = []
    engine = file_store._database._opened
    assert engine is not None

    @event.listens_for(engine.engine, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(statement)

    bench.save(bench.source, cursor=file_store.load_read_state(bench.source.key).cursor)
    assert not [statement for statement in written if changed & set(statement.split())]


def _use_everything(bench: StoreBench) -> None:
    """Call every method once with something to do."""
    store, source, target = bench.store, bench.source, bench.target
    window = Window(NOW, NOW + DAY)
    master = an_event("m", uid="m", recurrence=("RRULE:FREQ=DAILY",))
    bench.save(source, an_item("m", master), an_item("x", series="m"), an_item("e1"))
    begun = bench.begin_round(source)
    bench.save(source, an_item("e1", etag="2"), round=begun, present=("x",), debts=(Debt("d", "x", NOW, NOW),))
    bench.save(source, an_item("e2"), removed=("m",), settled=("d",), cursor=None)
    block = a_block(source, target, held_since=NOW)
    store.save_blocks([block])
    for blocks in (None, [block.uid]):
        store.load_blocks("ana", blocks)
    store.load_blocks_by_key([block.key])
    store.load_held()
    store.load_held("ana")
    for keys in (None, ["k1"]):
        store.load_sightings("ana", keys)
        store.load_items(target.key, keys)
        store.load_intents("ana", keys)
    store.load_unseen(source.key, begun + 1, None)
    store.load_unseen(source.key, begun + 1, window)
    store.load_debts(source.key)
    store.load_debts(source.key, NOW)
    store.load_events("ana", ["uid-e1"])
    store.load_identities("ana", window)
    bench.plan(an_operation(block), records=(block,), unsettled=frozenset({"u"}))
    store.load_plan_state("ana")
    store.reset_plan("ana")
    store.load_open_targets(None, NOW)
    store.load_open_targets("ana", NOW)
    store.load_due(NOW, "shape", NOW)
    intent = bench.claim()[0]
    bench.record(Outcome(intent.id, OutcomeStatus.RETRY, retry_after=1))
    bench.record(Outcome(intent.id, OutcomeStatus.DONE))
    store.count_deleted(source.key, NOW)
    store.count_live(source.key, NOW)
    renewing = bench.lease(f"credential:{bench.account.key}")
    store.save_credential(renewing, bench.account.key, "sealed", NOW)
    store.load_credential(bench.account.key)
    store.load_credentials()
    store.delete_credential(renewing, bench.account.key, NOW)
    store.load_accounts("ana")
    store.load_calendars(owner="ana")
    store.load_calendars(account_id=bench.account.key)
    run = store.save_run(SyncReport(SyncType.FULL, NOW, NOW, calendars=(source.key,)))
    store.save_run(run)
    store.load_runs()
    store.load_runs(source.key)
    store.renew_lease(bench.lease_of(source), 60, NOW)
    store.release_lease(bench.lease_of(source))
    store.cleanup(NOW)


def _use_push(bench: StoreBench) -> None:
    """Call every method of push once with something to do, then forget it all."""
    store, source = bench.store, bench.target
    lease = bench.lease_of(source)
    saved = store.save_subscription(lease, a_subscription(source), NOW)
    store.save_subscription(lease, saved, NOW)
    store.load_subscriptions()
    store.load_subscriptions(source.key)
    store.find_subscriptions("memory", ["s1", "s2"])
    store.delete_subscription(lease, saved.id or 0, NOW)
    bench.watch(source, due_at=NOW, check_at=NOW)
    store.call_for_checks([source.key, bench.source.key], NOW)
    store.load_watches([source.key])
    store.load_due(NOW, "shape", NOW)
    store.save_notifications([a_notification(source, name) for name in ("m1", "m2", None)])
    store.load_notified(NOW)
    store.settle_notifications(lease, store.claim_notifications(lease, source.key, NOW), NOW)
    store.count_waiting(source.key)
    store.load_notifications()
    store.load_notifications(source.key)
    store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW))
    [waiting] = store.load_notices("ana")
    store.put_off_notice(waiting.id, 1, NOW)
    store.delete_notices([waiting.id])
    store.load_notices()
    store.load_vitals()
    store.load_runs(since=NOW)
    store.load_runs(source.key, since=NOW)
    store.cleanup(NOW)
    store.delete_account(bench.account.key)


def test_every_error_is_one_of_ours(file_store: SQLStore, tmp_path: Path) -> None:
    bench = StoreBench(file_store)
    block = a_block(bench.source, bench.target, state=BlockState.LIVE)
    with sqlite3.connect(tmp_path / "calsync.db") as raw:
        raw.execute("DROP TABLE blocks")
        raw.execute("DROP TABLE read_states")
        raw.execute("DROP TABLE journal")
    raw.close()
    lease = bench.lease_of(bench.source)
    calls: list[Callable[[], object]] = [
        lambda: bench.store.save_blocks([block]),
        lambda: bench.store.load_blocks("ana"),
        lambda: bench.store.load_read_state(bench.source.key),
        lambda: bench.store.save_read_state(lease, bench.source.key, ReadState(), NOW),
        lambda: bench.store.save_plan(lease, Plan("ana"), upto=0, state=PlanState(), at=NOW),
        lambda: bench.store.load_unplanned("ana"),
        lambda: bench.store.load_due(NOW, "shape", NOW),
    ]
    for call in calls:
        with pytest.raises(StoreError):
            call()
