"""A server that hangs delays its own owner once, and nobody else (decision 15, I-33, I-37)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from calsync_core.errors import Unreachable
from calsync_core.models import Calendar, ChangePage, Intent, Outcome
from calsync_core.protocols import ReadRequest, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from world import World, at

_LONG = 30.0
"""Seconds; only a failing test waits so long."""


class Hanging(MemoryProvider):
    """Bo's server does not answer before something was written for somebody else."""

    def __init__(self, service: MemoryService) -> None:
        super().__init__(service)
        self.written = threading.Event()
        self.waited = False

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        if session.account.owner == "bo":
            self.waited = True
            assert self.written.wait(_LONG), "others wait for a server that hangs"
        yield from super().fetch_changes(session, request)

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        yield from super().apply(session, calendar, intents)
        self.written.set()


def test_others_are_planned_and_written_meanwhile() -> None:
    service = MemoryService()
    provider = Hanging(service)
    bo = World(("work", "home"), owner="bo", service=service, provider=provider)
    ana = World(("work", "home"), service=service, provider=provider, clock=bo.clock, store=bo.store, max_workers=4)
    ana.book("work", "talk", at(1))
    report = ana.engine.sync_calendars_needing_polling()
    assert provider.waited
    assert report.ok, report.errors
    assert report.busy_blocks_created == 1


def test_what_did_not_answer_is_not_waited_for_again_in_the_same_run() -> None:
    service = MemoryService()
    faulty = FaultyProvider(MemoryProvider(service))
    world = World(("work", "home"), service=service, provider=faulty)
    world.sync()
    world.book("work", "talk", at(1))
    faulty.schedule(Fault(FaultKind.ERROR, on="fetch_changes", skip=1, error=Unreachable("no answer")))
    report = world.engine.sync_calendars_needing_polling()
    assert [error.kind for error in report.errors] == ["Unreachable"]
    assert world.blocks("home") == [], "the server that did not answer was asked to write"
    assert world.sync().busy_blocks_created == 1
    world.check()
