"""Several calls of a store in one transaction of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event

from calsync_core.errors import InsideTransaction, LeaseBusy, StoreError
from calsync_core.models import Account
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.trouble import Contended
from calsync_core.testing.store_kit import NOW, StoreBench, a_notification, an_item
from store_servers import KINDS, empty


@pytest.fixture(params=["file", *(pytest.param(kind, marks=pytest.mark.server) for kind in KINDS)])
def store(request: pytest.FixtureRequest, url: str, used_store: Callable[[str], SQLStore]) -> Iterator[SQLStore]:
    if request.param == "file":
        store = SQLStore(url)
        yield store
        store.close()
        return
    store = used_store(request.param)
    with store._database.reading() as connection:
        empty(connection.engine)
    yield store


@pytest.fixture
def endings(store: SQLStore) -> Iterator[list[str]]:
    """How each transaction ended."""
    ended: list[str] = []
    store.load_vitals()
    with store._database.reading() as connection:
        engine = connection.engine

    def committed(_: object) -> None:
        ended.append("commit")

    def undone(_: object) -> None:
        ended.append("rollback")

    event.listen(engine, "commit", committed)
    event.listen(engine, "rollback", undone)
    yield ended
    event.remove(engine, "commit", committed)
    event.remove(engine, "rollback", undone)


def test_all_of_it_is_one_transaction(store: SQLStore, endings: list[str]) -> None:
    bench = StoreBench(store)
    lease = bench.lease_of(bench.source)
    endings.clear()

    def several() -> None:
        bench.save(bench.source, an_item("e1"))
        store.together(lambda: bench.save(bench.source, an_item("e2")))
        assert store.load_items(bench.source.key).keys() == {"e1", "e2"}
        store.release_lease(lease)

    store.together(several)
    assert endings == ["commit"]
    endings.clear()
    store.together(lambda: (store.load_accounts(), store.load_items(bench.source.key)), writes=False)
    assert endings == ["commit"]


def test_an_error_undoes_all_of_it(store: SQLStore, endings: list[str]) -> None:  # I-05
    bench = StoreBench(store)
    bench.lease("taken")
    endings.clear()

    def in_vain() -> None:
        store.acquire_lease("free", "me", 60, NOW)
        store.acquire_lease("taken", "me", 60, NOW)

    with pytest.raises(LeaseBusy):
        store.together(in_vain)
    assert endings == ["rollback"]
    assert store.acquire_lease("free", "you", 60, NOW).token == 1


def test_where_another_one_was_in_the_way_all_of_it_is_done_again(store: SQLStore, endings: list[str]) -> None:
    tries = []

    def contended() -> Account:
        saved = store.save_account(Account("ana", "memory", "work"))
        tries.append(saved)
        if len(tries) < 3:
            raise Contended("another transaction was in the way")
        return saved

    endings.clear()
    saved = store.together(contended)
    assert len(tries) == 3
    assert endings == ["rollback", "rollback", "commit"]
    assert store.load_accounts() == [saved]


def test_what_only_loads_can_store_nothing(store: SQLStore) -> None:
    bench = StoreBench(store)
    with pytest.raises(InsideTransaction):
        store.together(lambda: bench.save(bench.source, an_item("e1")), writes=False)
    assert not store.load_items(bench.source.key)


def test_what_is_promised_hard_is_no_part_of_what_is_not(store: SQLStore) -> None:  # I-28
    bench = StoreBench(store)
    with pytest.raises(InsideTransaction):
        store.together(lambda: store.save_notifications([a_notification(bench.source)]))
    assert store.save_notifications([a_notification(bench.source)]) == 1


def test_it_is_no_way_into_the_hosts_transaction(store: SQLStore) -> None:
    with store._database.reading() as connection:
        engine = connection.engine
    with engine.begin() as theirs, store.inside(theirs), pytest.raises(InsideTransaction):
        store.together(store.load_accounts)
    assert store.load_accounts() == []


def test_after_an_error_of_the_database_the_thread_has_its_transactions_back(store: SQLStore) -> None:
    def wrong() -> None:
        store.load_accounts()
        with store._database.reading() as connection:
            connection.exec_driver_sql("SELECT nonsense FROM nowhere")

    with pytest.raises(StoreError):
        store.together(wrong, writes=False)
    assert store.save_account(Account("ana", "memory", "work")) in store.load_accounts()


@pytest.mark.server
def test_what_is_asked_after_the_connection_broke_is_told_so(server_store: SQLStore) -> None:  # I-37
    """Whoever tidies up after the error asks once more."""
    errors: list[StoreError] = []

    def cut_off() -> None:
        with server_store._database.reading() as connection:
            postgresql = connection.dialect.name == "postgresql"
            session = "pg_backend_pid()" if postgresql else "connection_id()"
            mine = connection.exec_driver_sql(f"SELECT {session}").scalar()
            with connection.engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})" if postgresql else f"KILL {mine}")
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                server_store.load_accounts()
            errors.append(caught.value)
        raise errors[0]

    with pytest.raises(StoreError):
        server_store.together(cut_off)
    assert len(errors) == 2
    assert server_store.load_accounts() == []
