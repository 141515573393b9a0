"""The promises under random histories at Graph, with everything going wrong that HTTP allows; see ``machine``."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import rule

from calsync_core.testing.faults import Fault, FaultKind
from graph_service import GraphService
from machine import Histories, counted
from storms import graph_storm


class GraphHistories(Histories):
    service: GraphService  # pyright: ignore[reportIncompatibleVariableOverride]  # it opens no other

    def open_service(self, **shape: Any) -> GraphService:
        made = GraphService(self.clock, page_size=shape["page_size"])
        habits = made.graph.habits
        if not shape.get("etag_on_write", True):
            habits.create_replay = "created"
        elif not shape.get("renormalise_titles", True):
            habits.create_replay = "conflict"
        habits.enforce_if_match = not shape.get("enforce_preconditions", True)
        habits.second_delete = "forbidden" if shape.get("shows_tentative", True) else "not_found"
        habits.masters = "never" if shape.get("split_series") else "sometimes"
        habits.occurrence_uids = "null" if shape.get("window_listing") else "occurrence"
        habits.removed_occurrences = shape.get("assigns_ids", False)
        return made

    def spoil(self, fault: Fault) -> None:
        if fault.kind is FaultKind.STALE_READ:
            self.service.graph.habits.delta_delay = timedelta(minutes=10 * fault.behind)
        else:
            super().spoil(fault)

    def calm(self) -> None:
        super().calm()
        self.service.graph.calm()
        self.service.graph.habits.delta_delay = timedelta()

    def connectable(self) -> None:
        """Whoever connects an account tries until it works."""
        super().connectable()
        self.service.graph.calm()

    @rule(seed=st.integers(0, 10_000), rate=st.sampled_from([0.1, 0.4]))
    def storm(self, *, seed: int, rate: float) -> None:
        """From now on any request may go wrong."""
        self.service.graph.scatter(random.Random(seed), rate, graph_storm)
        counted("storm")

    @rule()
    def catch_up(self) -> None:
        """Rounds show everything again."""
        self.service.graph.habits.delta_delay = timedelta()

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "service"):
            assert self.service.graph.mails == (), "somebody was written to because of a block"  # I-40
            assert self.service.graph.max_seen_concurrency() <= 4  # I-33


TestOverGraph = GraphHistories.TestCase
# A history costs more here than in memory; the profiles' proportions stay.
EXAMPLES = settings.default.max_examples if settings.default else 100
TestOverGraph.settings = settings(stateful_step_count=25, max_examples=max(12, EXAMPLES // 8))
