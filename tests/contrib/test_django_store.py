"""The store over Django's own connections keeps the contract of every store, and leaves Django's ways alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from calsync_core.contrib.django.store import DjangoStore
from calsync_core.protocols import Store
from calsync_core.testing.store_kit import StoreContract
from django_bench import EVERYWHERE, database_on
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


@pytest.fixture(params=EVERYWHERE)
def django_store(request: pytest.FixtureRequest, stores: Callable[[str], DjangoStore]) -> DjangoStore:
    """An empty one."""
    store = stores(request.param)
    empty(store._database._open().engine)
    return store


class TestStoreOfADjangoProject(StoreContract):
    @pytest.fixture
    def store(self, django_store: DjangoStore) -> Store:
        return django_store
