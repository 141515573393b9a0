"""A plan in the making: what was decided so far, and the situation it is decided in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime

from attrs import define, evolve, field, frozen

from calsync_core.core.guards import Guard, hold_back
from calsync_core.core.identity import Keyring
from calsync_core.core.rules import Scene
from calsync_core.models import (
    Block,
    BlockState,
    CalendarId,
    Mark,
    Operation,
    OperationKind,
    Parked,
    Plan,
    Reason,
    Sighting,
    Span,
    Wanted,
    Window,
    tombstone,
)

__all__ = ["STRAY", "Draft", "NativeId", "Situation", "keys_of", "nearest_first"]

STRAY = "stray:"
"""Identities of recorded blocks that belong to no event begin like this."""

NativeId = Callable[[CalendarId, str, int], str]
"""``Provider.native_id`` of the target's provider: (target, key, generation) to native id."""


@frozen
class Situation:
    """Everything a plan depends on.

    Attributes:
        horizon: From now on; blocks are created only for occurrences that start before its end.
        wanted: Blocks that should exist, for the identities planned now. May reach past the horizon's end, so that a
            block standing there can be judged.
        blocks: All recorded blocks of these identities, tombstones included.
        others: Recorded blocks of other identities that were born under a key which ``wanted`` might get.
        sightings: What the targets show of all these, and of the keys that ``wanted`` might get.
        strays: Sightings that belong to no recorded block, to be judged now.
        in_doubt: Blocks with an open intent that may have happened.
        waiting: Blocks with an open intent that was never tried.
        doubtful: (target, native id) that must be read by id first.
        unread: Targets never completely read: nothing is created there yet, since blocks of ours may stand there.
        judgeable: Sources completely read, without debts: a stray of theirs that is not wanted can go.
        barred: Targets whose login is somebody else's now: nothing is planned there (I-46).
        wished: Keys that wishes of other identities have, where those were planned before: strays under them are left
            to those wishes.
        parked: Events that can't be placed in time; only reported.
    """

    scene: Scene
    keyring: Keyring = field(repr=False)
    native_id: NativeId
    now: datetime
    horizon: Window
    guard: Guard
    wanted: Collection[Wanted] = ()
    blocks: Collection[Block] = ()
    others: Collection[Block] = ()
    sightings: Collection[Sighting] = ()
    strays: Collection[Sighting] = ()
    in_doubt: frozenset[str] = frozenset()
    waiting: Mapping[str, Operation] = field(factory=dict)
    doubtful: frozenset[tuple[CalendarId, str]] = frozenset()
    unread: frozenset[CalendarId] = frozenset()
    judgeable: frozenset[CalendarId] = frozenset()
    barred: frozenset[CalendarId] = frozenset()
    wished: frozenset[str] = frozenset()
    parked: tuple[Parked, ...] = ()


def keys_of(wanted: Wanted, scene: Scene, keyring: Keyring) -> tuple[str, ...]:
    """Every key under which this block may already stand on its target: ours under each secret, then textual ones."""
    ref = scene.refs[wanted.target_id]
    return (*keyring.block_keys(scene.owner, wanted.uid, wanted.slot, ref), *wanted.aliases)


@define
class Draft:
    """Collects records and operations; one block has at most one of each."""

    situation: Situation
    records: dict[str, Block] = field(factory=dict)
    operations: dict[str, Operation] = field(factory=dict)
    unsettled: set[str] = field(factory=set)
    strays: list[Sighting] = field(factory=list)
    _seen: dict[tuple[CalendarId, str], Sighting] = field(init=False)
    _named: dict[tuple[CalendarId, str, int], Sighting] = field(init=False)
    _by_key: dict[tuple[CalendarId, str], list[Sighting]] = field(init=False)
    _loose: dict[tuple[CalendarId, Span], list[Sighting]] = field(init=False)
    _claimed: set[tuple[CalendarId, str]] = field(init=False)
    _refs: set[str] = field(init=False)
    _doomed: dict[tuple[CalendarId, str], list[Block]] = field(init=False)
    _generations: dict[str, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        seen = (*self.situation.sightings, *self.situation.strays)
        self._seen = {(sighting.calendar_id, sighting.event.id): sighting for sighting in seen}
        self._named = {
            (sighting.calendar_id, mark.key, mark.generation): sighting
            for sighting in seen
            if (mark := sighting.event.mark) is not None and not mark.textual
        }
        self._by_key = defaultdict(list)
        for sighting in self.situation.sightings:
            if sighting.event.mark is not None:
                self._by_key[sighting.calendar_id, sighting.event.mark.key].append(sighting)
        # What some wish has a key for is left to that wish.
        wished = set(self.situation.wished)
        if self.situation.strays:
            wished.update(key for wish in self.situation.wanted for key in self._keys(wish))
        self._loose = defaultdict(list)
        for sighting in self.situation.strays:
            mark = sighting.event.mark
            if mark is not None and mark.key not in wished and not sighting.event.adorned:
                self._loose[sighting.calendar_id, sighting.content.span].append(sighting)
        self._claimed = set()
        self._refs = {block.ref for block in (*self.situation.blocks, *self.situation.others)}
        self._doomed = defaultdict(list)
        for block in (*self.situation.blocks, *self.situation.others):
            self._claim(block)
            if block.uid.startswith(STRAY) and block.state is BlockState.LIVE:
                self._doomed[block.target_id, block.key].append(block)

    def _claim(self, block: Block) -> None:
        standing = self.sighting(block)
        self._claimed.add((block.target_id, standing.event.id if standing is not None else block.native_id))
        self._generations[block.key] = max(block.generation, self._generations.get(block.key, -1))

    def _keys(self, wish: Wanted) -> tuple[str, ...]:
        return keys_of(wish, self.situation.scene, self.situation.keyring)

    def sighting(self, block: Block) -> Sighting | None:
        """What its target shows of the block: under its id, or else by its name.

        Where a service gives ids itself, a write whose answer was lost shows up under an id that nobody recorded.
        """
        seen = self._seen.get((block.target_id, block.native_id))
        return seen or self._named.get((block.target_id, block.key, block.generation))

    def unclaimed(self, wish: Wanted) -> Iterator[tuple[str, Sighting]]:
        """Blocks standing on the target that nobody recorded and this wish may take, with their keys.

        First those under a key of its own; then those that show its very time for its source: a moved series re-points
        blocks, so that after the loss of a store their keys tell another slot.
        """
        for key in self._keys(wish):
            for sighting in sorted(self._by_key[wish.target_id, key], key=_generation):
                if not self.is_claimed(sighting) and not sighting.event.adorned:
                    yield key, sighting
        for sighting in self._loose.get((wish.target_id, wish.content.span), ()):
            mark = sighting.event.mark
            if mark is not None and not self.is_claimed(sighting) and self._shows(mark, wish):
                yield mark.key, sighting

    def _shows(self, mark: Mark, wish: Wanted) -> bool:
        situation = self.situation
        if mark.textual or mark.tag is None or not situation.keyring.wrote(mark.tag, situation.scene.owner):
            return False
        return situation.keyring.source_of(mark.tag, situation.scene.refs) == wish.source_id

    def stray_for(self, wish: Wanted) -> Block | None:
        """A stray recorded for removal that stands under a key of this wish."""
        if not self._doomed:
            return None
        named = (block for key in self._keys(wish) for block in self._doomed.get((wish.target_id, key), ()))
        return next((block for block in named if block.ref not in self.records), None)

    def is_claimed(self, sighting: Sighting) -> bool:
        """Whether a block is recorded for it, by an earlier plan or by this one."""
        return (sighting.calendar_id, sighting.event.id) in self._claimed

    def is_recorded(self, ref: str) -> bool:
        """Whether a block of this name is recorded, by an earlier plan or by this one."""
        return ref in self._refs or ref in self.records

    def next_generation(self, key: str) -> int:
        """The first generation of this key that was never used."""
        return self._generations.get(key, -1) + 1

    def record(self, block: Block) -> Block:
        """Note the block's new record and return it."""
        self.records[block.ref] = block
        self._claim(block)
        return block

    def bury(self, block: Block) -> None:
        """Record that the block no longer stands."""
        if block.state is not BlockState.DELETED:
            self.record(tombstone(block, self.situation.now))

    def write(self, kind: OperationKind, block: Block, reason: Reason, etag: str | None = None) -> None:
        """Plan one write for the block as it is given, unless the very same write is waiting already."""
        situation = self.situation
        shown = None if kind is OperationKind.CREATE else self.sighting(block)
        operation = Operation(
            kind=kind,
            ref=block.ref,
            target_id=block.target_id,
            native_id=block.native_id,
            content=block.content,
            tag=situation.keyring.tag(block.owner, situation.scene.refs.get(block.source_id, "")),
            reason=reason,
            decided_at=situation.now,
            etag=etag,
            source_id=block.source_id,
            before=None if shown is None else shown.content,
        )
        waiting = situation.waiting.get(block.ref)
        same = waiting is not None and waiting.ordered == operation.ordered
        if waiting is None or not same or evolve(waiting, decided_at=situation.now, reason=reason) != operation:
            self.operations[block.ref] = operation

    def drop(self, uids: Collection[str]) -> None:
        """Forget what was decided for these identities."""
        decided = self.known() | self.records
        for ref in {ref for ref in (*self.records, *self.operations) if decided[ref].uid in uids}:
            self.records.pop(ref, None)
            self.operations.pop(ref, None)
        self.unsettled.difference_update(uids)

    def known(self) -> dict[str, Block]:
        """The blocks as they were before this plan, by ref."""
        return {block.ref: block for block in (*self.situation.blocks, *self.situation.others)}

    def finish(self) -> Plan:
        """Let the guard look at what would be deleted, and put the nearest slots first."""
        known = self.known()
        now_known = known | self.records
        deletions = [op for op in self.operations.values() if op.kind is OperationKind.DELETE]
        held = hold_back([(now_known[op.ref], op.reason) for op in deletions], self.situation.guard)
        for ref in held.refs:
            del self.operations[ref]
            block = now_known[ref]
            self.records[ref] = evolve(block, held_since=block.held_since or self.situation.now)
        return Plan(
            owner=self.situation.scene.owner,
            operations=tuple(sorted(self.operations.values(), key=nearest_first)),
            records=tuple(block for ref, block in sorted(self.records.items()) if known.get(ref) != block),
            holds=held.holds,
            unsettled=frozenset(self.unsettled),
            strays=tuple(self.strays),
            parked=self.situation.parked,
        )


def _generation(sighting: Sighting) -> int:
    return sighting.event.mark.generation if sighting.event.mark else 0


def nearest_first(operation: Operation) -> tuple[datetime, str]:
    """By what operations are sorted."""
    return operation.content.span.edges(UTC)[0], operation.ref
