"""SQL stores: in a file, and in databases on real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from calsync_core.stores.sql import SQLStore
from store_servers import KINDS, empty, new_database

ON_SERVERS = [pytest.param(kind, marks=pytest.mark.server) for kind in KINDS]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/calsync.db?synchronous=off"


@pytest.fixture
def file_store(url: str) -> Iterator[SQLStore]:
    store = SQLStore(url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def used_store() -> Iterator[Callable[[str], SQLStore]]:
    """The session's own store on a server; a test begins with ``empty``."""
    stores: dict[str, SQLStore] = {}
    with ExitStack() as stack:

        def find(kind: str) -> SQLStore:
            if kind not in stores:
                stores[kind] = SQLStore(stack.enter_context(new_database(kind)))
                stack.callback(stores[kind].close)
                stores[kind].load_vitals()
            return stores[kind]

        yield find


def engine_of(store: SQLStore) -> sa.Engine:
    return store._database._open().engine


@pytest.fixture
def emptied_store(used_store: Callable[[str], SQLStore]) -> Callable[[str], SQLStore]:
    """A store on a server of this kind, without a row."""

    def find(kind: str) -> SQLStore:
        store = used_store(kind)
        empty(engine_of(store))
        return store

    return find


@pytest.fixture(params=ON_SERVERS)
def server_store(request: pytest.FixtureRequest, emptied_store: Callable[[str], SQLStore]) -> SQLStore:
    """An empty store on each kind of server."""
    return emptied_store(request.param)
