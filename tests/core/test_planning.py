"""Planning as a pure function: random wishes against a ledger that applies every plan faithfully."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.core.guards import Guard
from calsync_core.core.identity import Keyring
from calsync_core.core.planning import Situation, plan
from calsync_core.core.rules import Scene
from calsync_core.models import (
    Availability,
    Block,
    BlockContent,
    BlockState,
    Calendar,
    Event,
    Mark,
    Operation,
    OperationKind,
    Plan,
    Reason,
    Sighting,
    Span,
    SyncPolicy,
    Tag,
    Wanted,
    Window,
    tombstone,
)

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
KEYRING = Keyring.of("a secret for tests only")
SOURCE, TARGET = 1, 2


def _calendar(number: int) -> Calendar:
    return Calendar(1, "ana", f"r{number}", f"c{number}", publish=True, receive=True, enabled=True, id=number)


def native_id(_target: int, key: str, generation: int) -> str:
    return f"calsync-{key}-{generation}"


def span(hour: int, hours: int = 1) -> Span:
    return Span(NOW + timedelta(hours=hour), NOW + timedelta(hours=hour + hours))


def wish(slot: str = "", hour: int = 24, uid: str = "m1", title: str = "Busy") -> Wanted:
    return Wanted(uid, slot, SOURCE, TARGET, BlockContent(span(hour), title))


@define
class Ledger:
    """A target and a store in one: what plans decide happens, exactly and at once."""

    policy: SyncPolicy = field(factory=lambda: SyncPolicy(guard_max=10_000))
    now: datetime = NOW
    blocks: dict[str, Block] = field(factory=dict)
    shown: dict[str, Sighting] = field(factory=dict)
    writes: int = 0

    def plan(self, wishes: Sequence[Wanted], **changes: Any) -> Plan:
        calendars = {number: _calendar(number) for number in (SOURCE, TARGET)}
        options: dict[str, Any] = {
            "scene": Scene("ana", calendars, {n: f"memory:r{n}" for n in calendars}, policy=self.policy),
            "keyring": KEYRING,
            "native_id": native_id,
            "now": self.now,
            "horizon": Window(self.now, self.now + timedelta(days=30)),
            "guard": Guard(self.policy.guard_max, self.policy.guard_share, live={SOURCE: len(self.blocks)}),
            "wanted": wishes,
            "blocks": list(self.blocks.values()),
            "sightings": list(self.shown.values()),
            "judgeable": frozenset({SOURCE, TARGET}),
        }
        return plan(Situation(**(options | changes)))

    def run(self, wishes: Sequence[Wanted], **changes: Any) -> Plan:
        made = self.plan(wishes, **changes)
        self.blocks |= {record.ref: record for record in made.records}
        for operation in made.operations:
            self.write(operation)
        return made

    def write(self, operation: Operation) -> None:
        self.writes += 1
        block = self.blocks[operation.ref]
        if operation.kind is OperationKind.CREATE:
            assert operation.native_id not in self.shown, "a create never meets its own id"
        else:
            assert operation.etag == self.shown[operation.native_id].etag, "every other write has its precondition"
        if operation.kind is OperationKind.DELETE:
            del self.shown[operation.native_id]
            self.blocks[operation.ref] = tombstone(block, self.now)
            return
        etag = f"e{self.writes}"
        self.show(operation, etag)
        self.blocks[operation.ref] = evolve(
            block, state=BlockState.LIVE, content=operation.content, seen=operation.content, etag=etag
        )

    def show(self, operation: Operation, etag: str) -> None:
        key, _, generation = operation.ref.rpartition(".")
        content = operation.content
        event = Event(
            operation.native_id,
            operation.native_id,
            content.span,
            title=content.title,
            availability=content.show_as,
            mark=Mark(key, int(generation), operation.tag),
        )
        self.shown[operation.native_id] = Sighting(TARGET, event, etag)

    def standing(self) -> list[BlockContent]:
        return sorted((sighting.content for sighting in self.shown.values()), key=_by_start)

    def tamper(self, native: str, **changes: Any) -> None:
        old = self.shown[native]
        self.shown[native] = evolve(old, event=evolve(old.event, **changes), etag=f"{old.etag}'")

    def only(self) -> str:
        (native,) = self.shown
        return native


def _by_start(content: BlockContent) -> tuple[datetime, str]:
    return content.span.edges(UTC)[0], content.title


WISHES = st.dictionaries(
    st.tuples(st.sampled_from(["m1", "m2", "series"]), st.sampled_from(["", "s1", "s2", "s3", "s4"])),
    st.tuples(st.integers(1, 600), st.sampled_from(["Busy", "Away"])),
    max_size=8,
).map(lambda chosen: [wish(slot, hour, uid, title) for (uid, slot), (hour, title) in chosen.items()])


@given(st.lists(WISHES, min_size=1, max_size=6))
def test_after_a_plan_exactly_the_wishes_stand_and_nothing_is_left_to_do(history: list[list[Wanted]]) -> None:
    ledger = Ledger()
    for wishes in history:
        ledger.run(wishes)
        assert ledger.standing() == sorted((w.content for w in wishes), key=_by_start)  # I-01
        again = ledger.plan(wishes)
        assert (again.operations, again.records, again.unsettled) == ((), (), frozenset())  # I-03


@given(st.lists(WISHES, min_size=2, max_size=5), st.data())
def test_a_lost_store_finds_its_blocks_again(history: list[list[Wanted]], data: st.DataObject) -> None:  # I-49
    ledger = Ledger()
    for wishes in history:
        ledger.run(wishes)
    ledger.blocks = {}
    strays = list(ledger.shown.values())
    ledger.run(history[-1], strays=strays)
    if data.draw(st.booleans()):
        ledger.run(history[-1])
    assert ledger.standing() == sorted((w.content for w in history[-1]), key=_by_start)


@given(st.integers(1, 12), st.integers(-20, 20).filter(bool))
def test_a_moved_series_is_as_many_updates_as_it_has_occurrences(count: int, shift: int) -> None:  # I-48
    ledger = Ledger()
    ledger.run([wish(f"s{24 * n + 48:04}", 24 * n + 48) for n in range(count)])
    made = ledger.run([wish(f"s{24 * n + 48 + shift:04}", 24 * n + 48 + shift) for n in range(count)])
    assert [op.kind for op in made.operations] == [OperationKind.UPDATE] * count
    assert not made.holds


def test_a_single_event_that_becomes_a_series_reuses_its_block() -> None:  # I-22
    ledger = Ledger()
    ledger.run([wish("", 24)])
    made = ledger.run([wish("s1", 24), wish("s2", 48)])
    assert sorted(str(op.kind) for op in made.operations) == ["create"]
    ledger.run([wish("", 24)])
    assert len(ledger.shown) == 1


def test_a_slot_whose_key_another_slot_took_over_gets_the_next_generation() -> None:
    ledger = Ledger()
    ledger.run([wish("s1", 24)])
    ledger.run([wish("s9", 30)])  # the block born for s1 shows s9 now
    ledger.run([wish("s1", 24), wish("s9", 30)])
    assert sorted(native.rpartition("-")[2] for native in ledger.shown) == ["0", "1"]
    assert not ledger.plan([wish("s1", 24), wish("s9", 30)]).operations


def test_nothing_is_planned_on_what_is_in_doubt() -> None:  # decision 3
    ledger = Ledger()
    ledger.run([wish()])
    ref = next(iter(ledger.blocks))
    for doubt in ({"in_doubt": frozenset({ref})}, {"doubtful": frozenset({(TARGET, ledger.only())})}):
        for wishes in ([], [wish(hour=30)], [wish(slot="s1")]):
            made = ledger.plan(wishes, **doubt)
            assert not [op for op in made.operations if op.ref == ref]
            assert made.unsettled == {"m1"}


def test_a_deleted_block_comes_back_under_a_new_id_and_a_late_one_is_undone() -> None:  # I-47, I-50
    ledger = Ledger()
    made = ledger.run([wish()])
    first = made.operations[0]
    ledger.shown.clear()
    assert [op.reason for op in ledger.run([wish()]).operations] == [Reason.USER_DELETED]
    assert ledger.only() != first.native_id
    ledger.show(first, "late")
    assert [(op.kind, op.reason) for op in ledger.run([wish()]).operations] == [
        (OperationKind.DELETE, Reason.LATE_WRITE)
    ]
    assert len(ledger.shown) == 1


def test_a_normalised_title_is_no_edit_but_another_time_is() -> None:  # decision 10
    ledger = Ledger()
    ledger.run([wish(title="Busy")])
    native = ledger.only()
    shown = ledger.shown[native]
    ledger.shown[native] = evolve(shown, event=evolve(shown.event, title="BUSY"))  # the same etag: our own write
    assert not ledger.run([wish()]).operations
    ledger.tamper(native, title="Lunch")
    assert [op.reason for op in ledger.run([wish()]).operations] == [Reason.USER_EDITED]
    ledger.tamper(native, availability=Availability.FREE)
    assert [op.reason for op in ledger.run([wish()]).operations] == [Reason.USER_EDITED]


def test_a_provider_without_etags_is_believed_if_the_times_are_ours() -> None:
    ledger = Ledger()
    ledger.run([wish()])
    ref, native = next(iter(ledger.blocks)), ledger.only()
    ledger.blocks[ref] = evolve(ledger.blocks[ref], etag=None)
    ledger.tamper(native, title="BUSY")
    assert not ledger.run([wish()]).operations
    ledger.blocks[ref] = evolve(ledger.blocks[ref], etag=None)
    ledger.tamper(native, span=span(99))
    assert [op.reason for op in ledger.run([wish()]).operations] == [Reason.USER_EDITED]


def test_past_blocks_are_left_and_a_meeting_moved_out_of_the_past_is_followed() -> None:  # decision 17
    ledger = Ledger()
    ledger.run([wish(hour=2)])
    ledger.now = NOW + timedelta(hours=5)
    assert not ledger.run([]).operations
    assert [op.kind for op in ledger.run([wish(hour=48)]).operations] == [OperationKind.UPDATE]


def test_beyond_the_horizon_nothing_is_created_but_what_stands_there_is_judged() -> None:  # I-23
    ledger = Ledger()
    assert not ledger.run([wish(hour=24 * 31)]).operations
    ledger.run([wish(hour=24 * 29)])
    ledger.run([wish(hour=24 * 29 + 60)])  # moved beyond the horizon's end: still followed
    assert len(ledger.shown) == 1
    assert not ledger.plan([wish(hour=24 * 29 + 60)]).operations
    assert [op.kind for op in ledger.run([]).operations] == [OperationKind.DELETE]


def test_a_stray_is_removed_only_if_its_source_is_known_and_read() -> None:  # decision 5, I-16, I-49
    ledger = Ledger()
    ledger.run([wish()])
    stray = ledger.shown[ledger.only()]
    assert stray.event.mark is not None
    ledger.blocks = {}
    unknown = KEYRING.tag("ana", "memory:elsewhere")
    foreign = Keyring.of("another installation's").tag("ana", "memory:r1")

    def judged(tag: Tag | None, **changes: Any) -> Plan:
        assert stray.event.mark is not None
        marked = evolve(stray, event=evolve(stray.event, mark=evolve(stray.event.mark, tag=tag)))
        return ledger.plan([], strays=[marked], sightings=[marked], **changes)

    assert [op.reason for op in judged(KEYRING.tag("ana", "memory:r1")).operations] == [Reason.ORPHANED]
    assert len(judged(KEYRING.tag("ana", "memory:r1"), judgeable=frozenset()).strays) == 1
    assert len(judged(unknown).strays) == 1
    for tag in (foreign, None):
        assert (judged(tag).operations, judged(tag).strays) == ((), ())


@pytest.mark.parametrize("hour", [24, 30])
def test_an_older_systems_block_is_adopted_and_replaced_only_if_it_must_change(hour: int) -> None:  # I-17
    ledger = Ledger()
    mark = Mark("ana@example.com:r1:m1", textual=True)
    old = Event("theirs", "theirs", span(24), title="🔒 Old", mark=mark)
    ledger.shown["theirs"] = Sighting(TARGET, old, "e0")
    asked = evolve(wish(hour=hour), aliases=("ana@example.com:r1:m1",))
    made = ledger.run([asked])
    assert sorted(str(op.kind) for op in made.operations) == ([] if hour == 24 else ["create", "delete"])
    assert [content.span for content in ledger.standing()] == [span(hour)]
    assert not ledger.plan([asked]).operations
    ledger.run([])
    assert ledger.standing() == []


def test_held_deletions_stand_until_approved_and_leave_the_hold_when_wanted_again() -> None:  # I-08
    ledger = Ledger(SyncPolicy(guard_max=2, guard_share=0))
    wishes = [wish(hour=24 * n, uid=f"u{n}") for n in range(1, 5)]
    ledger.run(wishes)
    made = ledger.run([])
    assert (len(made.operations), len(made.holds[0].refs)) == (0, 4)
    assert ledger.run([]).holds[0].refs == made.holds[0].refs
    ledger.run(wishes[:1])
    assert sum(block.held_since is not None for block in ledger.blocks.values()) == 3
    ledger.blocks = {ref: evolve(block, approved=block.held_since is not None) for ref, block in ledger.blocks.items()}
    assert len(ledger.run(wishes[:1]).operations) == 3
    assert len(ledger.standing()) == 1


class Looked(list[Block]):
    """Counts how often one of them is looked at on the way through all."""

    looked_at = 0

    def __iter__(self) -> Iterator[Block]:
        for block in super().__iter__():
            self.looked_at += 1
            yield block


@pytest.mark.parametrize("count", [20, 200])
def test_no_wish_looks_through_all_blocks_for_one_that_it_may_take_over(count: int) -> None:
    """Where a source came back after a plan that was about to remove its blocks as nobody's, each wish may."""
    ledger = Ledger()
    (record,) = ledger.run([wish("s")]).records
    strays = Looked(
        evolve(record, key=f"x{number}", uid=f"stray:x{number}", native_id=f"x{number}", state=BlockState.LIVE)
        for number in range(count)
    )
    made = ledger.plan([wish("", 24 + number, f"m{number}") for number in range(count)], blocks=(), others=strays)
    assert len(made.operations) == count
    assert strays.looked_at <= 5 * count
