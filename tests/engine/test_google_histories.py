"""The promises under random histories at Google, with everything going wrong that HTTP allows; see ``machine``."""

from __future__ import annotations

import random
from typing import Any

import hypothesis.strategies as st
from attrs import evolve
from hypothesis import settings
from hypothesis.stateful import rule

from calsync_core.testing import GoogleSimulator
from calsync_core.testing.faults import Fault, FaultKind
from google_service import GoogleService
from machine import Histories, counted
from storms import google_storm


class GoogleHistories(Histories):
    google: GoogleSimulator

    def open_service(self, **shape: Any) -> GoogleService:
        made = GoogleService(self.clock, page_size=shape["page_size"])
        made.google.habits.empty_pages = 0 if shape.get("etag_on_write", True) else 1
        self.google = made.google
        made.google.habits.replays = 0 if shape.get("enforce_preconditions", True) else 2
        return made

    def spoil(self, fault: Fault) -> None:
        if fault.kind is FaultKind.STALE_READ:
            self.google.habits.lag = fault.behind
        else:
            super().spoil(evolve(fault))

    def calm(self) -> None:
        super().calm()
        self.google.calm()
        self.google.habits.lag = 0

    def connectable(self) -> None:
        """Whoever connects an account tries until it works."""
        super().connectable()
        self.google.calm()

    @rule(seed=st.integers(0, 10_000), rate=st.sampled_from([0.1, 0.4]))
    def storm(self, *, seed: int, rate: float) -> None:
        """From now on any request may go wrong."""
        self.google.scatter(random.Random(seed), rate, google_storm)
        counted("storm")

    @rule()
    def catch_up(self) -> None:
        """Lists show everything again."""
        self.google.habits.lag = 0

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "google"):
            assert self.google.mails == (), "somebody was written to because of a block"  # I-40


TestOverGoogle = GoogleHistories.TestCase
# A history costs more here than in memory; the profiles' proportions stay.
TestOverGoogle.settings = settings(stateful_step_count=25, max_examples=max(10, settings().max_examples // 10))
