"""The store over Django's own connections keeps the contract of every store, and leaves Django's ways alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest

from calsync_core.contrib.django.database import DjangoDatabase
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.errors import CalsyncError, LeaseBusy
from calsync_core.models import Lease
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.inbox import InboxContract
from calsync_core.testing.store_contract.work import LeasesContract
from calsync_core.testing.store_kit import NOW, StoreBench, StoreContract, a_notification
from django_bench import EVERYWHERE, OFTEN, SEARCHING, database_on
from store_servers import empty


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], DjangoStore]]:
    """A store in a database of Django's, made by its migrations."""
    made: dict[str, DjangoStore] = {}
    with ExitStack() as stack:

        def find(kind: str) -> DjangoStore:
            if kind not in made:
                alias = stack.enter_context(database_on(kind, tmp_path_factory.mktemp(kind)))
                made[kind] = DjangoStore(alias)
                stack.callback(made[kind].close)
            return made[kind]

        yield find


@pytest.fixture
def emptied(stores: Callable[[str], DjangoStore]) -> Callable[[str], DjangoStore]:
    """A store in a database of this kind, without a row."""

    def find(kind: str) -> DjangoStore:
        store = stores(kind)
        empty(store._database._open().engine)
        return store

    return find


class TestStoreOfADjangoProject(StoreContract):
    @pytest.fixture(params=OFTEN)
    def store(self, request: pytest.FixtureRequest, emptied: Callable[[str], DjangoStore]) -> Store:
        return emptied(request.param)


if not SEARCHING:

    class TestOnAServer(LeasesContract, InboxContract):
        """Where it depends most on how connections were made. A search tries the whole contract."""

        @pytest.fixture(params=EVERYWHERE[1:])
        def store(self, request: pytest.FixtureRequest, emptied: Callable[[str], DjangoStore]) -> Store:
            return emptied(request.param)


# --- side by side

WORKERS = 4


def at_once(stores: Sequence[DjangoStore], call: Callable[[DjangoStore, int], Any]) -> list[Any]:
    """What the call returned for each worker, or the error of ours that it raised; they begin together."""
    start = Barrier(len(stores))

    def run(worker: int) -> Any:
        start.wait(30)
        try:
            return call(stores[worker], worker)
        except CalsyncError as error:
            return type(error)

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(run, range(len(stores))))


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_workers_who_want_the_same_get_it_once(emptied: Callable[[str], DjangoStore], kind: str) -> None:  # I-06, I-27
    """Stores that know nothing of each other, as processes have them."""
    first = emptied(kind)
    bench = StoreBench(first)
    database = first._database
    assert isinstance(database, DjangoDatabase)
    workers = [DjangoStore(database.alias) for _ in range(WORKERS)]
    came = [a_notification(bench.source, f"m{number}") for number in range(5)]
    for turn in range(4 if not SEARCHING else 40):

        def take(store: DjangoStore, worker: int, name: str = f"x{turn}") -> Lease:
            return store.acquire_lease(name, f"w{worker}", 60, NOW)

        leases = at_once(workers, take)
        assert sorted(type(each).__name__ for each in leases) == ["Lease", *["type"] * (WORKERS - 1)]
        assert set(leases) - {each for each in leases if isinstance(each, Lease)} == {LeaseBusy}
    assert sum(at_once(workers, lambda store, _: store.save_notifications(came))) == len(came)
    owners = ["x", "y", "z"]

    def speak(store: DjangoStore, worker: int) -> None:
        for owner in owners if worker % 2 else reversed(owners):
            store.reset_plan(owner)

    assert at_once(workers, speak) == [None] * WORKERS
    assert [first.load_plan_state(owner).resets for owner in owners] == [WORKERS] * 3
    for store in workers:
        store.close()
