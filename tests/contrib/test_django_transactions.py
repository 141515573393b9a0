"""The project's transactions and the engine's: which call may be made where, and that both stay as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.db.backends.signals import connection_created

from calsync_core.contrib.django.models import Account as AccountRow
from calsync_core.contrib.django.models import Watch as WatchRow
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.errors import ConfigurationError, InsideTransaction, StoreError
from calsync_core.models import Account
from django_bench import EVERYWHERE, database_at, database_on, in_file
from forking import forks, in_a_child
from planted import secret
from push_world import PushWorld
from store_servers import empty
from world import at


@pytest.fixture(scope="module")
def aliases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A migrated database of each kind, with a table of the project's."""
    made: dict[str, str] = {}
    with ExitStack() as stack:

        def find(kind: str) -> str:
            if kind not in made:
                made[kind] = stack.enter_context(database_on(kind, tmp_path_factory.mktemp(kind)))
                with connections[made[kind]].cursor() as cursor:
                    cursor.execute("CREATE TABLE words (word VARCHAR(50))")
            return made[kind]

        yield find


@pytest.fixture
def alias(request: pytest.FixtureRequest, aliases: Callable[[str], str]) -> str:
    """SQLite's, unless a test is for others, too."""
    alias = aliases(getattr(request, "param", "sqlite"))
    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM words")
    return alias


everywhere = pytest.mark.parametrize("alias", EVERYWHERE, indirect=True)


@pytest.fixture
def store(alias: str) -> Iterator[DjangoStore]:
    store = DjangoStore(alias)
    empty(store._database._open().engine)
    yield store
    store.close()


@pytest.fixture
def world(store: DjangoStore) -> PushWorld:
    """Ana's calendars, all live at the service, and no push on its way."""
    world = PushWorld(("work", "home"), store=store)
    world.go_live()
    return world


def say(alias: str, word: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO words VALUES (%s)", [word])


def words(alias: str) -> list[str]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT word FROM words ORDER BY word")
        return [word for (word,) in cursor.fetchall()]


def test_nothing_but_a_push_is_taken_in_inside_a_transaction(world: PushWorld, alias: str) -> None:
    work = world.id("work")
    refused: list[Callable[[], object]] = [
        world.engine.sync_all_calendars,
        world.engine.process_notifications,
        world.engine.maintain_subscriptions,
        world.engine.sync_calendars_needing_polling,
        lambda: world.engine.sync_calendar(work),
        lambda: world.engine.disable(work),
        lambda: world.engine.busy("ana", at(1), at(2)),
    ]
    world.book("work", "m1", at(1))
    with transaction.atomic(using=alias):
        for call in refused:
            with pytest.raises(InsideTransaction):
                call()
        # Another thread is in no transaction of this one's.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(world.store.load_accounts).result() != []
    assert world.blocks("home") == []
    world.engine.sync_all_calendars()
    assert len(world.blocks("home")) == 1


def test_where_autocommit_is_off_there_is_always_a_transaction(world: PushWorld, alias: str) -> None:
    transaction.set_autocommit(False, using=alias)
    try:
        with pytest.raises(InsideTransaction):
            world.engine.sync_all_calendars()
    finally:
        transaction.rollback(using=alias)
        transaction.set_autocommit(True, using=alias)
    world.engine.sync_all_calendars()


@everywhere
def test_a_push_is_there_when_the_project_commits(world: PushWorld, alias: str) -> None:  # I-28
    push = world.push_of_a_booking()
    with transaction.atomic(using=alias):
        say(alias, "theirs")
        assert world.engine.accept_push("memory", push).accepted == 1
        # The same one again, in the same transaction.
        assert world.engine.accept_push("memory", push).doubled == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(world.waiting).result() == 0
    assert world.waiting() == 1
    assert words(alias) == ["theirs"]
    world.settle(30)
    [block] = world.blocks("home")
    assert block.events[0].span.start == at(1)


@everywhere
def test_a_push_is_not_there_when_the_project_rolls_back(world: PushWorld, alias: str) -> None:  # I-28
    push = world.push_of_a_booking()
    with transaction.atomic(using=alias):
        assert world.engine.accept_push("memory", push).accepted == 1
        say(alias, "theirs")
        transaction.set_rollback(True, using=alias)
    assert world.waiting() == 0
    assert words(alias) == []
    assert world.engine.accept_push("memory", push).accepted == 1


@everywhere
def test_a_push_that_fails_leaves_the_project_its_transaction(
    world: PushWorld, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = world.push_of_a_booking()
    with monkeypatch.context() as patch, transaction.atomic(using=alias):
        say(alias, "theirs")
        patch.setattr("calsync_core.stores.sql.inbox.insert", _broken)
        with pytest.raises(StoreError):
            world.engine.accept_push("memory", push)
    assert words(alias) == ["theirs"]
    assert world.waiting() == 0
    assert world.engine.accept_push("memory", push).accepted == 1


def _broken(connection: Any, *_: Any) -> None:
    connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


def manners(alias: str) -> list[Any]:
    """What the project's own connection is like."""
    asked = {
        "sqlite": [f"PRAGMA {name}" for name in ("foreign_keys", "busy_timeout", "synchronous", "journal_mode")],
        "postgresql": [
            f"SHOW {name}"
            for name in ("transaction_isolation", "lock_timeout", "synchronous_commit", "transaction_read_only")
        ],
        "mysql": [
            "SELECT @@tx_isolation",
            "SELECT @@innodb_lock_wait_timeout",
            "SELECT @@sql_mode",
            "SELECT @@tx_read_only",
            "SELECT @@autocommit",
        ],
    }
    answers = []
    with connections[alias].cursor() as cursor:
        for question in asked[connections[alias].vendor]:
            cursor.execute(question)
            answers.append(cursor.fetchone()[0])
    return [*answers, connections[alias].get_autocommit()]


@everywhere
def test_the_projects_own_connection_stays_as_it_is(alias: str, store: DjangoStore) -> None:
    before = manners(alias)
    world = PushWorld(("work", "home"), store=store)
    world.engine.maintain_subscriptions(everything=True)
    world.memory.lose_pushes()
    push = world.push_of_a_booking()
    with transaction.atomic(using=alias):
        world.engine.accept_push("memory", push)
    world.engine.process_notifications()
    assert manners(alias) == before
    store.close()
    # Closing the store closes nothing of the project's.
    assert words(alias) == []


@everywhere
def test_the_orm_reads_what_the_engine_wrote(world: PushWorld, alias: str) -> None:
    assert [row.stored for row in AccountRow.objects.using(alias).order_by("pk")] == world.store.load_accounts()
    watches = WatchRow.objects.using(alias).select_related("calendar")
    kept = world.store.load_watches([each.pk for each in watches])
    assert {each.pk: each.stored for each in watches} == kept
    world.engine.accept_push("memory", world.push_of_a_booking())
    [pushed] = WatchRow.objects.using(alias).filter(pushed_at__gte=world.clock.now())
    assert pushed.pushed_at == world.clock.now()
    assert pushed.calendar.stored == world.store.load_calendar(world.id("work"))
    assert not WatchRow.objects.using(alias).filter(pushed_at__gt=world.clock.now()).exists()


# --- connections


def test_connections_are_made_as_the_settings_say(tmp_path: Path) -> None:
    heard: list[str] = []

    def hear(connection: Any, **_: Any) -> None:
        heard.append(connection.alias)

    connection_created.connect(hear)
    options = {"init_command": "PRAGMA cache_size = -1234", "transaction_mode": "IMMEDIATE", "timeout": 7}
    try:
        with database_on("sqlite", tmp_path, options=options) as alias:
            heard.clear()
            store = DjangoStore(alias)
            with store._database.reading() as connection:
                assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -1234
            assert heard == [alias]
            store.close()
    finally:
        connection_created.disconnect(hear)


@pytest.mark.server
def test_connections_to_a_server_are_made_as_the_settings_say(tmp_path: Path) -> None:
    options: dict[str, Any] = {"options": "-c search_path=calsync,public", "assume_role": "pg_monitor"}
    with database_on("postgresql", tmp_path, migrate=False, options=options) as alias:
        store = DjangoStore(alias)
        with pytest.raises(ConfigurationError, match="no tables yet"):
            store.load_accounts()
        engine = store._database._connect_to(1_000).engine  # type: ignore[attr-defined]  # it is Django's
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT current_user").scalar() == "pg_monitor"
            assert connection.exec_driver_sql("SHOW search_path").scalar() == "calsync,public"
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        engine.dispose()
        store.close()


@pytest.mark.server
def test_a_pool_of_djangos_is_left_to_django(tmp_path: Path) -> None:
    with database_on("postgresql", tmp_path, migrate=False, options={"pool": {"min_size": 1, "max_size": 1}}) as alias:
        made = DjangoStore(alias)._database
        engine = made._connect_to(1_000).engine  # type: ignore[attr-defined]  # it is Django's
        with engine.connect(), engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        engine.dispose()


def test_another_database_under_the_same_name_is_used_from_then_on(tmp_path: Path) -> None:
    """As the test runner does it."""
    with database_on("sqlite", tmp_path) as alias, database_at("other", in_file(tmp_path / "other.db")) as other:
        store = DjangoStore(alias)
        store.save_account(Account("ana", "memory", "a"))
        before = connections[alias].settings_dict["NAME"]
        connections[alias].settings_dict["NAME"] = connections[other].settings_dict["NAME"]
        assert store.load_accounts() == []
        connections[alias].settings_dict["NAME"] = before
        assert len(store.load_accounts()) == 1
        store.close()


def test_a_test_database_in_memory_is_the_projects() -> None:
    """What Django's test runner makes of SQLite unless told otherwise."""
    shared = Path("file:of-a-test?mode=memory&cache=shared")
    with database_at("shared", in_file(shared)) as alias:
        store = DjangoStore(alias)
        world = PushWorld(("work", "home"), store=store)
        world.engine.sync_all_calendars()
        world.book("work", "m1", at(1))
        world.engine.sync_all_calendars()
        assert len(world.blocks("home")) == 1
        assert AccountRow.objects.using(alias).count() == len(store.load_accounts())
        store.close()


def test_an_event_loop_is_told_to_use_a_thread(tmp_path: Path) -> None:
    async def ask(store: DjangoStore) -> list[Account]:
        with pytest.raises(SynchronousOnlyOperation, match="sync_to_async"):
            store.load_accounts()
        return await sync_to_async(store.load_accounts)()

    with database_on("sqlite", tmp_path) as alias:
        store = DjangoStore(alias)
        assert store.load_accounts() == asyncio.run(ask(store)) == []
        store.close()


@forks
@everywhere
def test_a_store_that_was_used_before_a_fork_works_after_it(store: DjangoStore) -> None:
    mine = store.save_account(Account("ana", "memory", "parent"))

    def works() -> bool:
        same = store.load_accounts() == [mine]
        store.save_account(Account("ana", "memory", "child"))
        return same

    assert in_a_child(works)
    assert [account.name for account in store.load_accounts()] == ["parent", "child"]


# --- what is wrong with DATABASES


def test_a_database_that_there_is_none_of_is_named() -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r"^DATABASES: has no 'nowhere'"):
        DjangoStore("nowhere")


def test_a_database_that_is_not_worked_with_is_named() -> None:  # I-44
    with (
        database_at("dummy", {"ENGINE": "django.db.backends.dummy", "NAME": "x"}, migrate=False) as alias,
        pytest.raises(ConfigurationError, match=r"^DATABASES\['dummy'\]: .* not with unknown"),
    ):
        DjangoStore(alias)


@pytest.mark.server
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_refuses_is_a_matter_of_configuration(kind: str, tmp_path: Path) -> None:  # I-39, I-44
    password = secret("of-the-database")
    with database_on(kind, tmp_path, migrate=False) as alias:
        connections[alias].settings_dict["USER"] = "no_such_user"
        connections[alias].settings_dict["PASSWORD"] = password
        store = DjangoStore(alias)
        with pytest.raises(ConfigurationError) as caught:
            store.load_accounts()
        connections[alias].settings_dict.update({"USER": "", "PORT": "1"})
        with pytest.raises(StoreError, match=r"^DATABASES\["):
            store.load_accounts()
    assert str(caught.value).startswith(f"DATABASES['{alias}']: the database server refuses it")
    assert password not in f"{caught.value} {caught.value!r} {store!r}"
