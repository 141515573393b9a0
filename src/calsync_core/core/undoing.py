"""What it takes to take back one run's writes. Pure: data in, a plan out.

Three contents decide about each block: what it said before the run, what the run left there, and what its calendar
shows now. As before: nothing to do. As the run left it: write back. Anything else was done since, by a later run or by
somebody, and stays. Undoing again, or after it ended half-way, therefore does what is left to do and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field, frozen

from calsync_core.core.draft import Draft, Situation
from calsync_core.core.keeping import is_read_back
from calsync_core.models import (
    Block,
    BlockContent,
    BlockState,
    LeftBlock,
    OperationKind,
    Plan,
    Reason,
    Sighting,
    Written,
)

__all__ = ["Undoing", "undo"]


@frozen
class Undoing:
    """What is left to do, and what is not touched.

    Attributes:
        already: Blocks that are as before the run.
        under_way: Blocks whose undoing is decided and not known to have happened.
    """

    plan: Plan
    already: frozenset[str] = frozenset()
    under_way: frozenset[str] = frozenset()
    left: tuple[LeftBlock, ...] = ()


def undo(situation: Situation, writes: Sequence[Written], under_way: frozenset[str] = frozenset()) -> Undoing:
    """Plan the undoing of a run's writes for one owner.

    Args:
        situation: Of all these blocks' identities. What is wanted there does not matter.
        writes: The run's, in the order in which they were decided.
        under_way: Blocks on which an undo of some run is decided already, and open.
    """
    making = _Making(Draft(situation), under_way)
    known = {block.ref: block for block in (*situation.blocks, *situation.others)}
    run: dict[str, list[Written]] = {}
    for each in writes:
        run.setdefault(each.ref, []).append(each)
    for ref, history in run.items():
        making.judge(history, known.get(ref), known)
    return Undoing(
        plan=making.draft.finish(),
        already=frozenset(making.already),
        under_way=frozenset(making.open_here),
        left=tuple(making.left),
    )


@define
class _Making:
    draft: Draft
    under_way: frozenset[str]
    already: set[str] = field(factory=set)
    open_here: set[str] = field(factory=set)
    left: list[LeftBlock] = field(factory=list)

    def judge(self, history: Sequence[Written], block: Block | None, known: Mapping[str, Block]) -> None:
        """Decide about one block; ``history`` is what the run did to it."""
        first, last = history[0], history[-1]
        if block is None or (first.before is None and first.kind is not OperationKind.CREATE):
            self._leave(last, "unknown")
            return
        if block.target_id in self.draft.situation.barred:
            self._leave(last, "out of reach")
            return
        standing = self._standing(block, known)
        if not self.under_way.isdisjoint({block.ref, standing.ref}):
            self.open_here.add(last.ref)
        elif self._in_doubt(standing):
            self._leave(last, "in doubt")
        else:
            self._settle(first.before, last, standing)

    def _standing(self, block: Block, known: Mapping[str, Block]) -> Block:
        """The block, or where it is gone the one that shows the same occurrence in its place, or is about to."""
        if self.draft.sighting(block) is not None:
            return block
        place = (block.uid, block.slot, block.target_id)
        others = (other for other in known.values() if (other.uid, other.slot, other.target_id) == place)
        stand = (other for other in others if other.state is not BlockState.DELETED and other.ref != block.ref)
        return next((other for other in stand if other.ref not in self.draft.operations), block)

    def _settle(self, goal: BlockContent | None, last: Written, block: Block) -> None:
        sighting = self.draft.sighting(block)
        otherwise = "changed" if block.ref == last.ref else "replaced"
        if sighting is None:
            if goal is None:
                self.already.add(last.ref)
            elif last.after is None and block.ref == last.ref:
                self._make_again(goal, block)
            else:
                self._leave(last, otherwise)
        elif sighting.event.adorned:
            self._leave(last, "taken")
        elif goal is not None and _shows(sighting, block, goal):
            self.already.add(last.ref)
        elif last.after is not None and (sighting.content == last.seen or _shows(sighting, block, last.after)):
            self._write_back(goal, evolve(block, native_id=sighting.event.id), sighting)
        elif goal is None and block.ref != last.ref:
            # What the run made is gone; what stands there now is something else.
            self.already.add(last.ref)
        else:
            self._leave(last, otherwise)

    def _write_back(self, goal: BlockContent | None, block: Block, sighting: Sighting) -> None:
        if goal is None:
            self.draft.write(OperationKind.DELETE, block, Reason.UNDONE, sighting.etag)
            return
        # As in every plan, ``seen`` is unknown until the write is.
        said = evolve(block, state=BlockState.LIVE, reason=None, content=goal, seen=None)
        changed = self.draft.record(evolve(said, changed_at=self.draft.situation.now))
        self.draft.write(OperationKind.UPDATE, changed, Reason.UNDONE, sighting.etag)

    def _make_again(self, goal: BlockContent, block: Block) -> None:
        """Under a new generation of its key: the old one stays a tombstone."""
        now = self.draft.situation.now
        generation = self.draft.next_generation(block.key)
        made = Block(
            key=block.key,
            generation=generation,
            owner=block.owner,
            source_id=block.source_id,
            target_id=block.target_id,
            uid=block.uid,
            slot=block.slot,
            native_id=self.draft.situation.native_id(block.target_id, block.key, generation),
            content=goal,
            created_at=now,
            changed_at=now,
        )
        self.draft.write(OperationKind.CREATE, self.draft.record(made), Reason.UNDONE)

    def _in_doubt(self, block: Block) -> bool:
        situation = self.draft.situation
        return block.ref in situation.in_doubt or (block.target_id, block.native_id) in situation.doubtful

    def _leave(self, last: Written, why: str) -> None:
        self.left.append(LeftBlock(last.ref, last.target_id, why))


def _shows(sighting: Sighting, block: Block, content: BlockContent) -> bool:
    """Whether the calendar shows this content, which its provider may have normalised."""
    if sighting.content == content:
        return True
    written = block.content == content and block.seen is not None
    return written and (sighting.content == block.seen or is_read_back(block, sighting))
