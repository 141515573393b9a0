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
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Request, Response
from google_scripts import refusal
from google_service import GoogleService
from machine import Histories, counted

HTML = b"<html><title>502</title>no way</html>"
ANSWERS = [
    refusal(500, "backendError"),
    refusal(503, "backendError"),
    refusal(403, "userRateLimitExceeded"),
    refusal(429, "rateLimitExceeded", Retry_After="3"),
    refusal(429, "rateLimitExceeded", Retry_After="40"),
    refusal(403, "quotaExceeded"),
    Response(502, {"Content-Type": "text/html"}, HTML),
    Response(404, {"Content-Type": "text/html"}, HTML),
    Response(403, {"Content-Type": "text/html"}, HTML),
    Response(200, {"Content-Type": "text/html"}, HTML),
]


def throw(dice: random.Random, request: Request) -> HttpFault | None:
    """Honest failures only: nothing that says "gone" of what is there."""
    inner = dice.random() < 0.5
    kind = dice.choice(list(HttpFaultKind))
    if kind is HttpFaultKind.ANSWER:
        answers = ANSWERS
        if request.arg("syncToken"):
            answers = [*ANSWERS, refusal(410, "fullSyncRequired"), refusal(410, "updatedMinTooLongAgo")]
        if request.method != "GET" and inner:
            answers = [*ANSWERS, refusal(409, "conflict")]
        return HttpFault(kind, dice.choice(answers), inner=inner)
    return HttpFault(kind, inner=inner)


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
        self.google.scatter(random.Random(seed), rate, throw)
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
TestOverGoogle.settings = settings(stateful_step_count=25, max_examples=max(15, settings().max_examples // 5))
