"""Whatever happens to a calendar in memory, its changes add up to what it shows."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from calsync_core.models import BlockContent, Item, OutcomeStatus, Span
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.testing.provider_contract.bench import START, meeting
from memory_bench import HOUR, bench_of, series, service_of

KEY, OTHER_KEY = "k" * 32, "o" * 32
BUSY = BlockContent(Span(START, START + HOUR), "🔒 Busy")


class Tally(RuleBasedStateMachine):
    """Whatever is done to a calendar, adding up its changes gives what a snapshot shows."""

    shape: dict[str, Any] = {}  # noqa: RUF012  (never changed)

    def __init__(self) -> None:
        super().__init__()
        self.bench = bench_of(MemoryService(page_size=2, **self.shape))
        self.service = service_of(self.bench)
        self.where = self.bench.calendar.remote_id
        self.kept: dict[str, Item] = {}
        self.cursor = self.bench.read().cursor

    @rule(uid=st.sampled_from("abc"), hour=st.integers(0, 30))
    def put(self, uid: str, hour: int) -> None:
        self.bench.hands.put(meeting(uid, START + hour * HOUR))

    @rule(uid=st.sampled_from("abc"), parts=st.integers(1, 3))
    def put_series(self, uid: str, parts: int) -> None:
        self.service.put(self.where, *series(self.service)[:parts], key=uid)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if items := self.service.items(self.where):
            self.service.remove(self.where, data.draw(st.sampled_from(items)).key)

    @rule(key=st.sampled_from([KEY, OTHER_KEY]), hour=st.integers(0, 30), in_doubt=st.booleans())
    def write(self, key: str, hour: int, in_doubt: bool) -> None:
        content = evolve(BUSY, span=Span(START + hour * HOUR, START + (hour + 1) * HOUR))
        if self.bench.create(key, content, in_doubt=in_doubt).status is OutcomeStatus.TAKEN:
            assert self.bench.update(key, content, None, in_doubt=in_doubt).status is OutcomeStatus.DONE
            assert self.bench.block(key).events[0].span == content.span

    @rule(changes=st.integers(0, 3))
    def read(self, changes: int) -> None:
        provider = MemoryProvider(self.service).trailing(changes)
        reading = evolve(self.bench, provider=provider).read(self.cursor)
        for key in reading.removed:
            self.kept = {one.key: one for one in self.kept.values() if key not in {one.key, one.series}}
        self.kept |= {item.key: item for item in reading.items}
        self.cursor = reading.cursor

    @rule()
    def compare(self) -> None:
        self.read(0)
        assert self.kept == {item.key: item for item in self.service.items(self.where)}
        assert self.kept == {item.key: item for item in self.bench.read().items}


class SplitTally(Tally):
    shape = {"split_series": True}  # noqa: RUF012  (never changed)


TestTally = Tally.TestCase
TestSplitTally = SplitTally.TestCase
