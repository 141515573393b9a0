"""Every revision that was ever released comes up to date with all that is in it, on every kind of database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import evolve

from calsync_core.errors import ConfigurationError
from calsync_core.models import (
    Account,
    AccountStatus,
    Debt,
    MirrorRule,
    Mode,
    Notice,
    NoticeKind,
    Outcome,
    OutcomeStatus,
    SyncReport,
    SyncType,
)
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.migrating import migration_config
from calsync_core.stores.sql.schema import REVISION, VERSION_TABLE
from calsync_core.stores.sql.tables import metadata
from calsync_core.testing.store_kit import (
    NOW,
    StoreBench,
    a_block,
    a_notification,
    a_subscription,
    an_event,
    an_item,
    an_operation,
)
from store_servers import KINDS, new_database

REVISIONS = ("0001", "0002", "0003")
EVERYWHERE = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in KINDS)]


@pytest.fixture(params=EVERYWHERE)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/calsync.db"
    else:
        with new_database(request.param) as url:
            yield url


@contextmanager
def raw(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def make(url: str, revision: str) -> None:
    """A database as an older version left it."""
    with raw(url) as connection:
        command.upgrade(migration_config(connection), revision)


def use(store: SQLStore) -> None:
    """Have a row in every table."""
    bench = StoreBench(store)
    ended = store.save_account(Account("ana", "memory", "ended", status=AccountStatus.AUTH_EXPIRED))
    bench.calendar("more", ended)
    store.save_rules("ana", [MirrorRule(title="Büro 🔒 \x00")])
    series = an_event("m", uid="m", recurrence=("RRULE:FREQ=DAILY",))
    bench.read_completely(bench.source, an_item("e1", an_event(title="Ä\x00\ud83d")), an_item("m", series))
    bench.save(bench.source, debts=(Debt("d", "x", NOW, NOW),))
    state = store.load_read_state(bench.source.key)
    store.save_read_state(bench.lease_of(bench.source), bench.source.key, evolve(state, failures=2), NOW)
    block, held = a_block(bench.source, bench.target), a_block(bench.source, bench.target, "k2", held_since=NOW)
    bench.plan(an_operation(block), records=(block, held), unsettled=frozenset({"u"}))
    [intent] = bench.claim()
    written = a_block(bench.source, bench.target, "k3")
    bench.plan(an_operation(written), records=(written,), upto=0)
    writing = store.save_run(SyncReport(SyncType.POLLING, NOW, NOW)).key
    bench.record(*(Outcome(each.id, OutcomeStatus.DONE) for each in bench.claim()), run_id=writing)
    assert (intent.attempts, len(store.load_writes(writing))) == (1, 1)
    store.save_run(SyncReport(SyncType.FULL, NOW, NOW, calendars=(bench.source.key,)))
    store.save_credential(bench.lease("credential"), bench.account.key, "sealed", NOW)
    bench.watch(bench.source)
    store.save_subscription(bench.lease("x"), a_subscription(bench.source), NOW)
    store.save_notifications([a_notification(bench.source)])
    store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW))
    store.save_mode("bo", Mode.OBSERVE)


def copy(store: SQLStore, url: str) -> None:
    """Give a database of an older revision the rows that a store has, as far as it has places for them."""
    with raw(url) as old, store._database.reading() as new:
        inspector = sa.inspect(old)
        for table in metadata.sorted_tables:
            if not inspector.has_table(table.name):
                continue
            found = {column["name"] for column in inspector.get_columns(table.name)}
            columns = [column for column in table.c if column.name in found]
            rows = [dict(row._mapping) for row in new.execute(sa.select(*columns))]
            assert rows
            there = sa.table(table.name, *(sa.column(column.name, column.type) for column in columns))
            old.execute(sa.insert(there), rows)
            if old.dialect.name == "postgresql" and "id" in found:
                old.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"  # noqa: S608  (our own words)
                )


def answers(store: SQLStore) -> dict[str, Any]:
    """What a store says of the rows that every revision can keep."""
    calendars = store.load_calendars()
    return {
        "accounts": store.load_accounts(),
        "calendars": calendars,
        "rules": store.load_rules("ana"),
        "plan": evolve(store.load_plan_state("ana"), resets=0),
        "journal": store.load_unplanned("ana"),
        "read": [store.load_read_state(each.key) for each in calendars],
        "items": [store.load_items(each.key) for each in calendars],
        "debts": [store.load_debts(each.key) for each in calendars],
        "events": store.load_events("ana", ["uid-e1", "m"]),
        "blocks": store.load_blocks("ana"),
        "held": store.load_held(),
        "intents": store.load_intents("ana"),
        "runs": store.load_runs(calendars[0].key),
        "failing": store.load_vitals().failing,
    }


def differences(store: SQLStore) -> Any:
    with store._database.reading() as connection:
        options: dict[str, Any] = {"version_table": VERSION_TABLE, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_older_database_is_brought_up_to_date_with_all_that_is_in_it(fresh: str, revision: str) -> None:
    before = SQLStore("sqlite:///:memory:")
    use(before)
    make(fresh, revision)
    copy(before, fresh)
    store = SQLStore(fresh)
    assert answers(store) == answers(before)
    assert differences(store) == []
    # Tokens never return, also over an upgrade; nor do ids.
    assert store.acquire_lease("owner:ana", "w", 60, NOW.replace(year=2030)).token == 2
    assert store.save_account(Account("ana", "memory", "new")).key == len(before.load_accounts()) + 1
    assert store.load_credentials() == before.load_credentials()
    assert store.load_subscriptions() == before.load_subscriptions()
    assert store.load_notifications() == before.load_notifications()
    assert store.load_notices() == before.load_notices()
    assert store.load_watches(range(9)) == before.load_watches(range(9))
    runs = [run.key for run in before.load_runs()]
    kept = before if revision == "0003" else SQLStore("sqlite:///:memory:")  # earlier ones knew of neither
    assert store.load_mode("bo") == kept.load_mode("bo")
    assert [store.load_writes(run) for run in runs] == [kept.load_writes(run) for run in runs]
    store.close()
    before.close()


def test_the_revision_that_is_expected_is_the_newest_there_is() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_heads() == [REVISION] == [REVISIONS[-1]]


def test_a_new_database_has_the_tables_that_the_code_uses(fresh: str) -> None:
    store = SQLStore(fresh)
    assert store.load_accounts() == []
    assert differences(store) == []
    store.close()


def test_an_upgrade_can_be_taken_back_and_made_again(fresh: str) -> None:
    store = SQLStore(fresh)
    use(store)
    kept = answers(store)
    for revision in reversed(REVISIONS):
        with store._database.writing() as connection:
            command.downgrade(migration_config(connection), revision)
        store.close()
        assert answers(store) == kept
        assert differences(store) == []
    with store._database.writing() as connection:
        command.downgrade(migration_config(connection), "base")
    store.close()
    with raw(fresh) as connection:
        assert sa.inspect(connection).get_table_names() == [VERSION_TABLE]
    assert store.load_accounts() == []
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(fresh: str) -> None:
    make(fresh, "head")
    with raw(fresh) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608  (our own words)
    for migrate in (True, False):
        store = SQLStore(fresh, migrate=migrate)
        with pytest.raises(ConfigurationError, match="newer version"):
            store.load_accounts()
        store.close()


def test_without_migrate_the_tables_are_only_checked(fresh: str) -> None:
    store = SQLStore(fresh, migrate=False)
    with pytest.raises(ConfigurationError, match="no tables yet"):
        store.load_accounts()
    make(fresh, "head")
    assert store.load_accounts() == []
    store.close()


def test_the_hosts_own_tables_are_none_of_our_business(fresh: str) -> None:
    with raw(fresh) as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('of the host')")
    store = SQLStore(fresh)
    assert store.load_accounts() == []
    store.close()
    with raw(fresh) as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "of the host"


def test_a_table_that_is_there_already_is_not_taken_for_ours(fresh: str) -> None:  # I-44
    with raw(fresh) as connection:
        connection.exec_driver_sql("CREATE TABLE calsync_accounts (theirs INTEGER)")
    store = SQLStore(fresh)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"store url: .* there already"):
            store.load_accounts()
    store.close()
    with raw(fresh) as connection:
        assert [column["name"] for column in sa.inspect(connection).get_columns("calsync_accounts")] == ["theirs"]


def test_of_threads_that_open_an_old_database_at_once_all_find_it_upgraded(fresh: str) -> None:
    before = SQLStore("sqlite:///:memory:")
    use(before)
    make(fresh, "0001")
    copy(before, fresh)
    stores = [SQLStore(fresh) for _ in range(4)]
    start = Barrier(len(stores))

    def open_it(store: SQLStore) -> list[Account]:
        start.wait(30)
        return store.load_accounts()

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(open_it, stores)) == [before.load_accounts()] * len(stores)
    for store in stores:
        store.close()
    before.close()


def test_databases_that_are_opened_at_once_do_not_meet(tmp_path: Path) -> None:
    stores = [SQLStore(f"sqlite:///{tmp_path}/{number}.db") for number in range(4)]
    start = Barrier(len(stores))

    def open_it(store: SQLStore) -> Any:
        start.wait(30)
        store.load_accounts()
        return differences(store)

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(open_it, stores)) == [[]] * len(stores)
    for store in stores:
        store.close()


ASK = """
import sys
from datetime import datetime, UTC
from calsync_core.errors import LeaseBusy
from calsync_core.stores.sql import SQLStore

store = SQLStore(sys.argv[1])
sys.stdin.readline()
try:
    print(store.acquire_lease("owner:ana", sys.argv[2], 60, datetime(2026, 11, 24, tzinfo=UTC)).token)
except LeaseBusy:
    print(0)
"""


def test_of_processes_that_open_a_new_database_and_ask_at_once_one_gets_the_lease(fresh: str) -> None:  # I-06
    ask = [sys.executable, "-W", "error", "-c", ASK, fresh]
    workers = [
        subprocess.Popen([*ask, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=120)[0].strip() for worker in workers]
    assert sorted(said) == ["0", "0", "1"]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
