"""The SQL store keeps the contract of every store; and what is particular to a database."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import (
    Account,
    BlockState,
    Debt,
    Outcome,
    OutcomeStatus,
    Plan,
    PlanState,
    ReadState,
    SyncReport,
    SyncType,
)
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_kit import (
    NOW,
    StoreBench,
    StoreContract,
    a_block,
    an_event,
    an_item,
    an_operation,
)
from counting import DatabaseWork
from store_use import BIG, may_scan, use_everything, use_push

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
            "CREATE TRIGGER full BEFORE INSERT ON calsync_journal WHEN NEW.word = 'uid-e3' "
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
                f"CREATE TRIGGER no_{table} BEFORE INSERT ON calsync_{table} BEGIN SELECT RAISE(ABORT, 'no'); END"
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


def test_statements_are_logged_without_what_is_stored(  # I-39
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a host listens to SQLAlchemy: to its statements, at INFO. At DEBUG it shows the rows that it reads."""
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    store = SQLStore(url)
    bench = StoreBench(store)
    bench.save(bench.source, an_item("e1", an_event(title=TITLE)))
    assert [stored.event.title for stored in store.load_events("ana", ["uid-e1"])] == [TITLE]
    store.close()
    assert "INSERT INTO calsync_events" in caplog.text
    assert "biopsy" not in caplog.text


def test_a_damaged_row_is_told_without_showing_it(file_store: SQLStore) -> None:  # I-39
    bench = StoreBench(file_store)
    bench.save(bench.source, an_item("e1", an_event(title=TITLE)))
    with file_store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE calsync_events SET value = replace(value, '\"span\"', '\"spam\"')")
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

    use_everything(bench)
    use_push(bench)
    assert len(statements) > 90
    explained = 0
    with file_store._database.reading() as connection:
        for statement, parameters in list(statements.items()):
            if not statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
                continue
            explained += 1
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                words = row.detail.split()
                scanned = words[1].removeprefix("calsync_") if words[0] == "SCAN" else ""
                assert scanned not in BIG or may_scan(scanned, statement), f"{row.detail}: {statement}"
    assert explained > 75


def test_what_stands_and_what_waits_costs_nobody_who_asks_for_less(tmp_path: Path) -> None:
    took = {}
    for waiting in (10, 1000):
        work = DatabaseWork()
        database = create_engine(f"sqlite:///{tmp_path / str(waiting)}.db")
        work.listen(database)
        bench = StoreBench(SQLStore(database))
        blocks = [
            a_block(bench.source, bench.target, f"k{number}", uid=f"u{number}", state=BlockState.LIVE)
            for number in range(waiting)
        ]
        bench.plan(*map(an_operation, blocks), records=tuple(blocks))
        with work.of("claim"):
            (intent,) = bench.claim(limit=1)
        with work.of("record"):
            bench.record(Outcome(intent.id, OutcomeStatus.DONE))
        with work.of("intents"):
            assert len(bench.store.load_intents("ana", [blocks[-1].ref])) == 1
        with work.of("held"):
            assert bench.store.load_held("ana") == []
        with work.of("blocks"):
            assert len(bench.store.load_blocks("ana", ["u3"])) == 1
        took[waiting] = work.took
        bench.store.close()  # type: ignore[attr-defined]  # a SQLStore, see above
        database.dispose()
    for name, steps in took[10].items():
        assert took[1000][name] <= 1.1 * steps + 20, name


def test_a_poll_that_finds_nothing_writes_nothing_but_its_state(file_store: SQLStore) -> None:
    bench = StoreBench(file_store)
    bench.read_completely(bench.source, an_item("e1"))
    changed = {f"calsync_{table}" for table in ("items", "events", "journal", "debts", "blocks")}
    written: list[str] = []
    engine = file_store._database._opened
    assert engine is not None

    @event.listens_for(engine.engine, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(statement)

    bench.save(bench.source, cursor=file_store.load_read_state(bench.source.key).cursor)
    assert not [statement for statement in written if changed & set(statement.split())]


def test_every_error_is_one_of_ours(file_store: SQLStore, tmp_path: Path) -> None:
    bench = StoreBench(file_store)
    block = a_block(bench.source, bench.target, state=BlockState.LIVE)
    with sqlite3.connect(tmp_path / "calsync.db") as raw:
        raw.execute("DROP TABLE calsync_blocks")
        raw.execute("DROP TABLE calsync_read_states")
        raw.execute("DROP TABLE calsync_journal")
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
