"""The promises under random histories at Google, Graph and a real CalDAV server at once, over every kind of store.

See ``machine`` for what can happen in one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, timedelta
from itertools import cycle
from typing import Any, cast
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import event, settings
from hypothesis.stateful import initialize, rule

from caldav_service import CalDAVService, radicale_for
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.faults import Fault, FaultKind
from calsync_core.testing.servers import RadicaleServer
from google_service import GoogleService
from graph_service import GraphService
from machine import RULES, SHAPES, Histories, counted
from mixed_service import MixedService
from store_servers import KINDS, Rows, bring_back, empty, new_database, snapshot
from storms import google_storm, graph_storm

pytestmark = pytest.mark.server

PLACES = {"work": "google", "home": "microsoft", "club": "caldav"}
BERLIN = ZoneInfo("Europe/Berlin")
STORES = ("memory", "sqlite", *KINDS)


class Cellar:
    """Databases of each kind, made once and used again and again: three are in use at one time at most."""

    def __init__(self, stack: ExitStack, folder: str) -> None:
        urls = {kind: [stack.enter_context(new_database(kind)) for _ in range(3)] for kind in KINDS}
        urls["sqlite"] = [f"sqlite:///{folder}/{number}.db?synchronous=off" for number in range(3)]
        stores = {kind: [SQLStore(url) for url in found] for kind, found in urls.items()}
        for found in stores.values():
            for store in found:
                stack.callback(store.close)
        self._stores = {kind: cycle(found) for kind, found in stores.items()}

    def take(self, kind: str) -> Store:
        """An empty store."""
        if kind == "memory":
            return MemoryStore()
        store = next(self._stores[kind])
        store.load_accounts()
        empty(store._database._open().engine)
        return store


class MixedHistories(Histories):
    radicale: RadicaleServer
    cellar: Cellar
    shared = "work"

    @initialize(store=st.sampled_from(STORES), **SHAPES)
    def begin(self, *, store: str = "memory", **shape: Any) -> None:
        self.kind = store
        event(f"store: {store}")
        super().begin(**shape)
        # People who have something to lose: histories are few here.
        for number, name in enumerate(PLACES):
            self.book(name=name, uid=f"u{number}@example.com", day=number, hour=9, hours=1.0, zone=UTC, look={})
            self.book_series(
                name=name,
                uid=f"u{number + 3}@example.com",
                day=-2,
                hour=12 + number,
                zone=BERLIN,
                lines=RULES[number],
                all_day=False,
                look={},
            )
        self.sync(way="polling", name="work", stop=None)

    def open_store(self) -> Store:
        return self.cellar.take(self.kind)

    def snapshot(self) -> object:
        store = self.world.store
        return snapshot(store) if isinstance(store, SQLStore) else super().snapshot()

    def bring_back(self, backup: object) -> None:
        store = self.world.store
        if isinstance(store, SQLStore):
            bring_back(store, cast("Rows", backup))
        else:
            super().bring_back(backup)

    def open_service(self, **shape: Any) -> MixedService:
        self.google = GoogleService(self.clock, page_size=shape["page_size"])
        self.graph = GraphService(self.clock, page_size=shape["page_size"])
        caldav = CalDAVService(self.radicale, self.clock)
        return MixedService(PLACES, {"google": self.google, "microsoft": self.graph, "caldav": caldav})

    def spoil(self, fault: Fault) -> None:
        if fault.kind is FaultKind.STALE_READ:
            self.google.google.habits.lag = fault.behind
            self.graph.graph.habits.delta_delay = timedelta(minutes=10 * fault.behind)
        else:
            super().spoil(fault)

    def calm(self) -> None:
        super().calm()
        self.settle_down()
        self.google.google.habits.lag = 0
        self.graph.graph.habits.delta_delay = timedelta()

    def settle_down(self) -> None:
        self.google.google.calm()
        self.graph.graph.calm()

    def connectable(self) -> None:
        """Whoever connects an account tries until it works."""
        super().connectable()
        self.settle_down()

    @rule(seed=st.integers(0, 10_000), rate=st.sampled_from([0.1, 0.4]), at_google=st.booleans())
    def storm(self, *, seed: int, rate: float, at_google: bool) -> None:
        """From now on any request may go wrong."""
        dice = random.Random(seed)
        if at_google:
            self.google.google.scatter(dice, rate, google_storm)
        else:
            self.graph.graph.scatter(dice, rate, graph_storm)
        counted("storm")

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "google"):
            assert self.google.google.mails == (), "somebody was written to because of a block"  # I-40
            assert self.graph.graph.mails == (), "somebody was written to because of a block"  # I-40


@pytest.fixture(scope="module", autouse=True)
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ExitStack() as stack:
        MixedHistories.radicale = stack.enter_context(radicale_for("ana-club"))
        MixedHistories.cellar = Cellar(stack, str(tmp_path_factory.mktemp("stores")))
        yield


TestOverEverything = MixedHistories.TestCase
# A history costs a hundred times what it costs in memory; the profiles' proportions stay.
TestOverEverything.settings = settings(stateful_step_count=20, max_examples=max(2, settings().max_examples // 50))
