"""What holds of recorded blocks and of what the calendars show of them."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import date, timedelta

from attrs import evolve

from calsync_core.models import (
    Availability,
    Block,
    BlockContent,
    BlockState,
    Mark,
    Reason,
    Sighting,
    Span,
    tombstone,
)
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_sighting,
    an_event,
    an_item,
)

__all__ = ["BlockStoreContract"]

_DAY = timedelta(days=1)


class BlockStoreContract(WithBench):
    """``BlockStore``."""

    def test_a_block_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field."""
        content = BlockContent(Span(date(2026, 11, 24), date(2026, 11, 26)), "🔒 \x07é", Availability.FREE)
        block = Block(
            key="0123456789abcdefghijklmnopqrstuv",
            generation=12,
            owner="ana",
            source_id=bench.source.key,
            target_id=bench.target.key,
            uid="uid/" + "x" * 1500,
            slot="20261124T090000Z",
            native_id="https://dav.example.com/" + "y" * 1500,
            content=content,
            state=BlockState.PARKED,
            seen=evolve(content, title="other"),
            etag='W/"1"',
            held_since=NOW,
            approved=True,
            repairs=(NOW - _DAY, NOW),
            reason="why",
            alias="ana@example.com:primary:abc",
            deleted_for=Reason.LATE_WRITE,
            created_at=NOW - 2 * _DAY,
            changed_at=NOW,
        )
        bench.store.save_blocks([block])
        assert bench.store.load_blocks("ana") == [block]
        assert bench.store.load_blocks("ana", [block.uid]) == [block]
        assert bench.store.load_blocks_by_key([block.key]) == [block]
        assert bench.store.load_held("ana") == [block]

    def test_blocks_are_replaced_by_ref(self, bench: StoreBench) -> None:
        """Also in what they are found by."""
        block = a_block(bench.source, bench.target, held_since=NOW)
        bench.store.save_blocks([block])
        changed = evolve(block, uid="another", state=BlockState.PINNED, held_since=None)
        bench.store.save_blocks([changed])
        assert bench.store.load_blocks("ana") == bench.store.load_blocks("ana", ["another"]) == [changed]
        assert bench.store.load_blocks("ana", [block.uid]) == bench.store.load_held() == []

    def test_a_hold_decided_by_the_host_is_planned(self, bench: StoreBench) -> None:
        """I-08: saving journals the uids."""
        blocks = [a_block(bench.source, bench.target, key, uid=f"u-{key}") for key in ("k1", "k2")]
        bench.forget_what_is_unplanned()
        bench.store.save_blocks(blocks)
        assert bench.unplanned().uids == {"u-k1", "u-k2"}

    def test_blocks_come_by_owner_and_uid(self, bench: StoreBench) -> None:
        """Tombstones included; by ref."""
        strange = bench.stranger()
        first = a_block(bench.source, bench.target, "k1", state=BlockState.DELETED)
        again = evolve(first, generation=1, state=BlockState.LIVE)
        other = a_block(bench.source, bench.target, "k0", uid="other")
        theirs = a_block(strange, strange, "k9")
        bench.store.save_blocks([again, theirs, other, first])
        assert bench.store.load_blocks("ana") == [other, first, again]
        assert bench.store.load_blocks("ana", {"uid-e1", "nothing"}) == [first, again]
        assert bench.store.load_blocks("ana", []) == []
        assert bench.store.load_blocks("bo", ["uid-e1"]) == [theirs]

    def test_blocks_come_by_key_in_every_generation(self, bench: StoreBench) -> None:
        """Whoever's: a key is one owner's by its making."""
        first = a_block(bench.source, bench.target, "k1", state=BlockState.DELETED)
        again = evolve(first, generation=1, uid="re-pointed")
        other = a_block(bench.source, bench.target, "k2")
        bench.store.save_blocks([other, again, first])
        assert bench.store.load_blocks_by_key({"k1", "k3"}) == [first, again]
        assert bench.store.load_blocks_by_key([]) == []

    def test_held_blocks_come_by_owner(self, bench: StoreBench) -> None:
        """Or everybody's; approved ones included."""
        strange = bench.stranger()
        held = a_block(bench.source, bench.target, "k1", held_since=NOW)
        approved = a_block(bench.source, bench.target, "k2", held_since=NOW, approved=True)
        theirs = a_block(strange, strange, "k3", held_since=NOW)
        bench.store.save_blocks([theirs, approved, held, a_block(bench.source, bench.target, "k4")])
        assert bench.store.load_held() == [held, approved, theirs]
        assert bench.store.load_held("bo") == [theirs]

    def test_sightings_come_by_key(self, bench: StoreBench) -> None:
        """From all the owner's calendars, disabled ones included; strangers' and textual marks too."""
        off = bench.calendar("off", enabled=False, receive=True)
        strange = bench.stranger()
        textual = Mark("ana@example.com:primary:" + "z" * 1100, textual=True)
        foreign = an_event("f", uid=None, mark=Mark("foreign"))
        legacy = an_event("t", mark=textual)
        block = a_block(bench.source, bench.target)
        for calendar in (bench.target, off, strange):
            bench.save(calendar, a_sighting(block), an_item("f", foreign), an_item("t", legacy), an_item("e1"))
        shown = a_sighting(block)
        everything = [
            Sighting(calendar.key, event, etag)
            for calendar in (bench.target, off)
            for event, etag in ((foreign, "etag-f"), (shown.events[0], shown.etag), (legacy, "etag-t"))
        ]
        assert bench.store.load_sightings("ana") == everything
        found = bench.store.load_sightings("ana", {block.key, textual.key, "nothing"})
        assert found == [sighting for sighting in everything if sighting.event != foreign]
        assert bench.store.load_sightings("ana", []) == []
        assert len(bench.store.load_sightings("bo")) == 3

    def test_uids_are_told_once_each_but_for_those_that_are_known(self, bench: StoreBench) -> None:
        """Of blocks in every state; of nobody else's."""
        long = "id:" + "é" * 1000
        blocks = [
            a_block(bench.source, bench.target, f"k{number}", uid=uid, state=state)
            for number, (uid, state) in enumerate(
                [("a", BlockState.LIVE), ("a", BlockState.DELETED), ("b", BlockState.DELETED), (long, BlockState.LIVE)]
            )
        ]
        bench.store.save_blocks([*blocks, evolve(blocks[0], key="k9", owner="bo", uid="c")])
        assert bench.store.load_uids("ana") == {"a", "b", long}
        assert bench.store.load_uids("ana", besides=["a", "c", "x"]) == {"b", long}
        assert bench.store.load_uids("bo") == {"c"}
        assert bench.store.load_uids("nobody") == set()

    def test_strays_are_sightings_that_no_record_has_at_their_place(self, bench: StoreBench) -> None:
        """A record of any state is one; one of the same key elsewhere, or under another id, is none."""
        deleted = a_block(bench.source, bench.target, "gone", state=BlockState.DELETED)
        blocks = [a_block(bench.source, bench.target, f"k{number}") for number in range(4)]
        bench.store.save_blocks([blocks[0], evolve(blocks[1], native_id="another"), deleted])
        shown = [*map(a_sighting, blocks), a_sighting(deleted)]
        bench.save(bench.target, *shown, an_item("e1"))
        bench.save(bench.source, shown[0])
        places = [(bench.source, shown[0]), *((bench.target, item) for item in shown[1:4])]
        strays = [Sighting(calendar.key, item.events[0], item.etag) for calendar, item in places]
        assert bench.store.load_strays("ana") == strays
        assert bench.store.load_strays("bo") == []

    def test_suspicious_deletions_are_counted_by_source_and_time(self, bench: StoreBench) -> None:
        """I-08: at or after the instant; not those that the host ordered or that the user did."""
        gone = tombstone(a_block(bench.source, bench.target), NOW, Reason.NO_LONGER_WANTED)
        blocks = [
            gone,
            evolve(gone, changed_at=NOW + _DAY, deleted_for=Reason.ORPHANED),
            evolve(gone, changed_at=NOW - timedelta(microseconds=1)),
            evolve(gone, deleted_for=Reason.SWITCHED_OFF),
            evolve(gone, deleted_for=None),
            evolve(gone, state=BlockState.LIVE),
            evolve(gone, state=BlockState.RELEASED),
        ]
        bench.store.save_blocks([evolve(block, generation=number) for number, block in enumerate(blocks)])
        assert bench.store.count_deleted([bench.source.key], NOW) == {bench.source.key: 2}
        assert bench.store.count_deleted([bench.source.key], NOW - _DAY) == {bench.source.key: 3}
        both = [bench.source.key, bench.target.key]
        assert bench.store.count_deleted(both, NOW) == {bench.source.key: 2, bench.target.key: 0}

    def test_live_blocks_are_counted_by_source(self, bench: StoreBench) -> None:
        """I-08: those that end after the instant."""
        for number, state in enumerate(BlockState):
            bench.store.save_blocks([a_block(bench.source, bench.target, f"k{number}", state=state)])
        assert bench.store.count_live([bench.source.key], NOW) == {bench.source.key: 1}
        assert bench.store.count_live([bench.source.key], NOW + timedelta(minutes=59)) == {bench.source.key: 1}
        assert bench.store.count_live([bench.source.key], NOW + timedelta(hours=1)) == {bench.source.key: 0}
        both = [bench.target.key, bench.source.key]
        assert bench.store.count_live(both, NOW) == {bench.source.key: 1, bench.target.key: 0}
