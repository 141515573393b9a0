"""Databases, a CalDAV server and a zygote for tests of several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from caldav_service import radicale_for
from calsync_core.testing.servers import RadicaleServer
from store_servers import new_database
from town import Town, Zygote


@pytest.fixture(scope="session")
def radicale() -> Iterator[RadicaleServer]:
    with radicale_for("ana-caldav") as server:
        yield server


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def town_on(radicale: RadicaleServer, zygote: Zygote, tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Makes a town on an empty database of this kind."""
    with ExitStack() as stack:

        def make(kind: str = "sqlite", seed: int = 1) -> Town:
            url = f"sqlite:///{tmp_path}/calsync.db" if kind == "sqlite" else stack.enter_context(new_database(kind))
            return stack.enter_context(Town(url, tmp_path, radicale, zygote, seed))

        yield make
