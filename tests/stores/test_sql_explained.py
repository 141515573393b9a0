"""How PostgreSQL and MariaDB answer the store's questions when there is much to look through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from calsync_core.errors import StoreError
from calsync_core.models import Account, Calendar, Changes, SyncReport, SyncType, Watch
from calsync_core.stores.sql import SQLStore, tables
from calsync_core.stores.sql.codec import encode
from calsync_core.testing.store_kit import NOW, StoreBench, a_notification, a_subscription
from store_servers import KINDS, new_database
from store_use import BIG, may_scan, use_everything, use_push

# Nothing of the many rows is due, old or ended: questions about now are about few, as in an installation that works.
# {n} counts the rows, {h} is a digest of that, {c} a calendar's id, {t} a moment later than now that differs by row.
FILL: dict[str, tuple[int, str, str]] = {
    "items": (30_000, "calendar_id, key_hash, `key`, etag, round", "{c}, {h}, 'k', 'e', 1"),
    "events": (
        30_000,
        "calendar_id, key_hash, position, identity, identity_hash, plannable, starts_at, ends_at, value",
        "{c}, {h}, 0, 'i', md5(concat('i', {n})), true, {t}, {t}, '{{}}'",
    ),
    "blocks": (
        30_000,
        "ref, `key`, owner, source_id, target_id, uid_hash, native_hash, state, changed_at, slot_end, value",
        "concat({n}, '.0'), concat('', {n}), concat('o', {c}), {c}, {c}, {h}, {h}, 'live', {t}, {t}, '{{}}'",
    ),
    "intents": (
        10_000,
        "owner, target_id, ref, slot_at, due_at, attempts, value",
        "concat('o', {c}), {c}, concat({n}, '.0'), {t}, {t}, 0, '{{}}'",
    ),
    "journal": (10_000, "owner, calendar_id, is_key, word", "concat('o', {c}), {c}, false, 'w'"),
    "debts": (
        10_000,
        "calendar_id, key_hash, `key`, reason, since, due_at, attempts",
        "{c}, md5(concat('d', {n})), 'k', 'r', {t}, {t}, 0",
    ),
    "notifications": (
        30_000,
        "calendar_id, message_hash, status, received_at, due_at, finished_at, value",
        "{c}, {h}, 'completed', {t}, {t}, {t}, :notification",
    ),
    "notices": (10_000, "owner, due_at, attempts, value", "concat('o', {c}), {t}, 0, :notice"),
    "runs": (30_000, "finished_at, value", "{t}, :run"),
    "writes": (30_000, "run_id, intent_id, target_id, value", "{n} + 1, {n}, {c}, '{{}}'"),
    "run_calendars": (30_000, "calendar_id, run_id", "{c}, {n} + 1"),
    "read_states": (2_000, "calendar_id, due_at, value, failures", "{c}, {t}, '{{}}', 0"),
    "watches": (2_000, "calendar_id, due_at, check_at, state, value", "{c}, {t}, {t}, 'active', :watch"),
    "subscriptions": (2_000, "calendar_id, name_hash, value", "{c}, md5(concat('s', {n})), :subscription"),
}
CALENDARS = 2_000
HASH = "md5(concat('', n))"


def fill(store: SQLStore) -> None:
    """A few thousand calendars and what they hold, made by the database itself."""
    account = store.save_account(Account("many", "memory", "m"))
    values = {
        "notification": encode(a_notification(Calendar(1, "o", "r", "R", id=1))),
        "notice": '{"kind":"sync_failed","owner":"o","at":"2026-11-24T08:00:00[UTC]",'
        '"account":null,"calendar":null,"detail":{}}',
        "run": encode(SyncReport(SyncType.FULL, NOW, NOW)),
        "watch": encode(Watch()),
        "subscription": encode(a_subscription(Calendar(1, "o", "r", "R", id=1))),
        "calendar": encode(Calendar(account.key, "o", "r", "R", enabled=True)),
    }
    with store._database.writing() as connection:
        postgresql = connection.dialect.name == "postgresql"

        def ask(statement: str) -> None:
            said = statement.replace("`", '"') if postgresql else statement
            used = {name: value for name, value in values.items() if f":{name}" in said}
            connection.execute(sa.text(said), used)

        ask("CREATE TABLE digits (d INTEGER)")
        ask("INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
        places = ", ".join(f"digits AS d{place}" for place in range(5))
        number = " + ".join(f"{10**place} * d{place}.d" for place in range(5))
        ask(f"CREATE TABLE numbers AS SELECT {number} AS n FROM {places}")  # noqa: S608  (our own words)
        ask(
            "INSERT INTO calsync_calendars (id, account_id, owner, remote_hash, enabled, value) "  # noqa: S608  (our own words)
            f"SELECT n + 1000, {account.key}, concat('o', n + 1000), {HASH}, true, :calendar FROM numbers "
            f"WHERE n < {CALENDARS}"
        )
        moment = "TIMESTAMP '2027-01-01 00:00:00' + n * INTERVAL '1 minute'"
        if not postgresql:
            moment = "TIMESTAMP '2027-01-01 00:00:00' + INTERVAL n MINUTE"
        for table, (count, columns, row) in FILL.items():
            # Half of all is in a hundredth of the calendars: some people meet a lot.
            calendar = f"(CASE WHEN n % 2 = 0 OR {count} <= {CALENDARS} THEN n % {CALENDARS} ELSE n % 20 END + 1000)"
            made = row.format(n="n", h=HASH, c=calendar, t=f"({moment})")
            ask(f"INSERT INTO calsync_{table} ({columns}) SELECT {made} FROM numbers WHERE n < {count}")  # noqa: S608  (ours)
        ask("DROP TABLE numbers")
        ask("DROP TABLE digits")
    with store._database._open().engine.connect() as connection:
        for table in sorted(BIG | {"calendars", "accounts"}):
            connection.exec_driver_sql(f"ANALYZE calsync_{table}" if postgresql else f"ANALYZE TABLE calsync_{table}")
        connection.commit()


def scanned(connection: sa.Connection, statement: str, parameters: Any) -> Iterator[str]:
    """Tables that would be read from one end to the other, by themselves or by an index."""
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar()
        for node in _nodes(found):
            kind = node.get("Node Type")
            by_all = kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node
            if kind == "Seq Scan" or by_all:
                yield node["Relation Name"].removeprefix("calsync_")
    else:
        # Not as JSON: MariaDB leaves the quotes in a statement's values as they are there.
        for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters):
            if row.type in {"ALL", "index"}:
                yield row.table.removeprefix("calsync_")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(part)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_no_question_reads_a_whole_table(kind: str) -> None:
    with new_database(kind) as url:
        store = SQLStore(url)
        fill(store)
        bench = StoreBench(store)
        statements: dict[str, Any] = {}

        @event.listens_for(store._database._open().engine, "before_cursor_execute")
        def _note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, many: bool) -> None:
            statements.setdefault(statement, parameters[0] if many else parameters)

        use_everything(bench)
        use_push(bench)
        explained, wrong = 0, []
        with store._database.writing() as connection:
            for statement, parameters in list(statements.items()):
                if not statement.startswith(("SELECT", "UPDATE", "DELETE")) or "set_config" in statement:
                    continue
                explained += 1
                for table in scanned(connection, statement, parameters):
                    if table in BIG and not may_scan(table, statement):
                        wrong.append(f"{table}: {statement}")
        store.close()
        assert wrong == []
        assert explained > 75


class Looked:
    """What each statement looks through in our tables, rows and entries of indexes, at most."""

    POSTGRESQL = (
        "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0) FROM pg_class "
        "WHERE relkind IN ('r', 'i') AND relname LIKE '%calsync%'"
    )
    MARIADB = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%'"

    def __init__(self, engine: sa.Engine) -> None:
        self.through: dict[str, int] = {}
        before = [0]

        @event.listens_for(engine, "before_cursor_execute")
        def _begin(connection: sa.Connection, *_: Any) -> None:
            before[0] = self._so_far(connection)

        @event.listens_for(engine, "after_cursor_execute")
        def _end(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
            seen = self._so_far(connection) - before[0]
            self.through[statement] = max(self.through.get(statement, 0), seen)

    def _so_far(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.dbapi_connection
        with driver.cursor() as cursor:
            cursor.execute(self.POSTGRESQL if connection.dialect.name == "postgresql" else self.MARIADB)
            return sum(int(row[-1]) for row in cursor.fetchall())

    def more_than(self, most: int) -> dict[str, int]:
        return {statement: seen for statement, seen in self.through.items() if seen > most}


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_made_for_any_calendar_does_for_one_with_far_more_than_others(kind: str) -> None:
    """PostgreSQL plans what it is asked often once, for whatever values come; or for some, not knowing who has much."""
    with new_database(kind) as url:
        with closing(SQLStore(url)) as store:
            fill(store)
        options = {"prepare_threshold": 0, "options": "-c plan_cache_mode=force_generic_plan"}
        engine = sa.create_engine(url, connect_args=options if kind == "postgresql" else {})
        store, looked = SQLStore(engine), Looked(engine)
        big, owner, names = 1001, "o1001", [f"x{number}" for number in range(60)]
        store.load_items(big, names)
        store.load_events(owner, names)
        store.load_blocks(owner, names)
        store.load_blocks_by_key(names)
        store.load_sightings(owner, names)
        store.load_intents(owner, names)
        lease = store.acquire_lease("big", "me", 60, NOW)
        store.save_changes(lease, big, Changes(at=NOW, removed=tuple(names)))
        assert store.load_open_targets(owner, NOW) == []
        engine.dispose()
        # Of debts an average calendar has so few that all of them are read, and so of a calendar that owes a lot.
        wrong = {what: seen for what, seen in looked.more_than(3 * len(names)).items() if "calsync_debts" not in what}
        assert wrong == {}
        assert len(looked.through) > 15


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_what_concerns_one_owner_is_not_sought_among_all(kind: str) -> None:
    with new_database(kind) as url:
        with closing(SQLStore(url)) as store:
            fill(store)
            plan_states, intents, blocks = tables.plan_states, tables.intents, tables.blocks
            with store._database.writing() as connection:
                owners = [{"owner": f"o{number}"} for number in range(1000, 1000 + CALENDARS)]
                connection.execute(sa.insert(plan_states), owners)
                theirs = (
                    sa.select(intents.c.id).where(intents.c.owner == "o1001").order_by(intents.c.slot_at).limit(150)
                )
                due = list(connection.scalars(theirs))
                connection.execute(sa.update(intents).where(intents.c.id.in_(due)).values(due_at=NOW))
                held = sa.update(blocks).where(blocks.c.owner.in_(["o1003", "o1005"]))
                connection.execute(held.values(held_since=NOW))
                for table in (plan_states, intents, blocks):
                    connection.exec_driver_sql(f"ANALYZE {'' if kind == 'postgresql' else 'TABLE '}{table.name}")
        engine = sa.create_engine(url)
        store, looked = SQLStore(engine), Looked(engine)
        assert store.load_held("o1000") == []
        assert store.load_open_targets("o1001", NOW) == [1001]
        lease = store.acquire_lease("big", "me", 60, NOW)
        with suppress(StoreError):  # their values can't be read
            store.claim_intents(lease, 1001, 20, NOW)
        engine.dispose()
        assert looked.more_than(500) == {}
        assert any("LIMIT" in statement and "calsync_intents" in statement for statement in looked.through)
