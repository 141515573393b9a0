"""Observing and undoing under random histories: of an owner who is only observed nothing is written but what the host
orders, an undo brings back what was there before the run, and written for again, all converges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC
from typing import cast

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import rule

from calsync_core.models import Mode, SyncReport, UndoReport
from calsync_core.providers.memory import MemoryService
from machine import NAMES, Histories, calendars, counted, picks
from world import World

_ORDERS = ("undo", "purge", "disconnect")
"""What writes in every mode."""


class Trials(Histories):
    """``Histories`` with a host that does not trust the library yet, and one that was wrong to."""

    @rule(mode=st.sampled_from(Mode), owner=st.sampled_from(["ana", "ana", "bo"]))
    def change_mode(self, *, mode: Mode, owner: str) -> None:
        self.world.engine.set_mode(owner, mode)
        counted(f"{owner} in mode {mode}")

    @rule(way=st.sampled_from(["polling", "full"]))
    def observe(self, *, way: str) -> None:
        """Where nothing fails, every run says the same again."""
        self.calm()
        self.connectable()
        self.mend_items()
        for world in self.ours:
            world.engine.set_mode(world.owner, Mode.OBSERVE)
        reports: list[SyncReport] = []
        for _ in range(3):
            work = lambda: reports.append(cast("SyncReport", self.by_way(way, NAMES[0])))  # noqa: E731  (for watched)
            self.watched(self.world, work, f"sync {way}")
        seen = [report.observed for report in reports[1:] if report.ok]
        if len(seen) == 2 and seen[0] is not None and not seen[0].unsettled:
            counted(f"observed {min(seen[0].writes, 20) // 5 * 5}+ writes")
            assert seen[0] == seen[1]

    @rule(pick=picks)
    def undo(self, *, pick: int) -> None:
        """Of any run, whatever came after it."""
        runs = [run.key for run in self.world.engine.runs() if run.writes]
        if runs:
            chosen = runs[pick % len(runs)]
            self.watched(self.world, lambda: self.world.engine.undo(chosen), "undo")

    @rule(name=calendars, way=st.sampled_from(["polling", "full"]), pick=picks, again=st.booleans())
    def undo_at_once(self, *, name: str, way: str, pick: int, again: bool) -> None:
        """Where nobody did anything since, and nothing fails, the calendars are as they were."""
        self.calm()
        self.connectable()
        self.mend_items()
        self.world.engine.set_mode("ana", Mode.WRITE)
        self.drag(name=name, pick=pick, day=pick % 9, hour=pick % 24)
        uid = f"u{pick % 7}@example.com"
        self.book(name=name, uid=uid, day=pick % 11, hour=pick % 24, hours=1.0, zone=UTC, look={})
        before = self.looks()
        reports: list[SyncReport] = []
        self.watched(self.world, lambda: reports.append(cast("SyncReport", self.by_way(way, NAMES[0]))), f"sync {way}")
        if not reports or not reports[0].ok or not reports[0].writes:
            return
        undone: list[UndoReport] = []
        self.watched(self.world, lambda: undone.append(self.world.engine.undo(reports[0].key)), "undo")
        [report] = undone
        assert report.ok, report
        assert {left.why for left in report.left} <= {"in doubt"}, report.left
        if not report.left:
            counted("undone at once")
            assert self.looks() == before
            assert self.world.engine.mode("ana") is Mode.OBSERVE or "ana" not in report.observed
        if again:
            writes = self.written()
            second = self.world.engine.undo(reports[0].key)
            assert self.written() == writes, second

    def written(self) -> int:
        assert isinstance(self.service, MemoryService)
        return len(self.service.writes)

    def looks(self) -> Counter[str]:
        """What stands on the calendars, whatever the blocks are called."""
        return Counter(
            f"{name} {one.span.in_utc()} {one.availability} {one.title} {one.mark is not None} {one.adorned}"
            for name in NAMES
            for item in self.service.items(self.world.remote[name])
            for one in item.events
        )

    def watched(self, world: World, work: Callable[[], object], what: str) -> None:
        """An owner who is only observed costs no write, unless the host ordered one."""
        owners = {calendar.owner for calendar in world.store.load_calendars()}
        observed = all(world.engine.mode(owner) is Mode.OBSERVE for owner in owners)
        ordered = any(intent.operation.ordered for owner in owners for intent in world.store.load_intents(owner))
        before = self.written()
        super().watched(world, work, what)
        if observed and not ordered and what not in _ORDERS:
            assert self.written() == before, f"{what} wrote for somebody who is only observed"
            counted("observed and left alone")

    def settle(self) -> None:
        for world in (self.world, *([self.other] if self.other else [])):
            for owner in ("ana", "bo"):
                world.engine.set_mode(owner, Mode.WRITE)
        super().settle()


TestTrials = Trials.TestCase
TestTrials.settings = settings(stateful_step_count=25)
