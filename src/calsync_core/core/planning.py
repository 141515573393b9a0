"""Compare the blocks that should exist with those that do, and say what to write. Pure: data in, a plan out.

Blocks are planned per (identity, target). What matches by slot is kept or updated; what is left over on both sides is
paired in start order into updates, so that a moved series of n occurrences is n updates (decision 8, I-48); only the
rest is created or deleted. Nothing is planned on a block whose last write or read by id is still unknown: its identity
stays unplanned until it is known.

Identities don't know of each other, and so can be planned in pages, but for two things that need a look at all of them
together: the guard must see all deletions, and who takes over a block that nobody recorded is clear only once nobody
else has a name for it. A page's ``Part`` sets these identities aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC

from attrs import evolve, frozen

from calsync_core.core.draft import STRAY, Draft, Situation, keys_of
from calsync_core.core.guards import counts
from calsync_core.core.keeping import adopt, create, is_over, is_past, keep, release, retire
from calsync_core.core.strays import judge_strays
from calsync_core.models import Block, BlockState, CalendarId, OperationKind, Plan, Reason, Sighting, Span, Wanted

__all__ = ["PLANNER_VERSION", "Part", "Situation", "keys_of", "plan", "plan_part"]

PLANNER_VERSION = 2
"""Part of every owner's plan shape: raise it when the same situation leads to another plan."""


def plan(situation: Situation) -> Plan:
    """What should be written, and which records change.

    Planning again with nothing written or read in between plans nothing new (I-03).
    """
    draft = _settled(situation)
    judge_strays(draft)
    return draft.finish()


@frozen
class Part:
    """What was planned of some identities among many.

    Attributes:
        plan: To be stored at once. No deletion that the guard counts is in it.
        later: The identities left out of it, to be planned together once all others are.
    """

    plan: Plan
    later: frozenset[str] = frozenset()


def plan_part(situation: Situation, spots: Collection[tuple[CalendarId, Span]]) -> Part:
    """Plan a page of identities.

    Args:
        situation: Without strays, and without identities of recorded ones: they come last.
        spots: Targets and times at which blocks stand that nobody recorded: what would be created there may take one
            over instead.
    """
    draft = _settled(situation)
    decided = draft.known() | draft.records
    later = frozenset(
        decided[operation.ref].uid
        for operation in draft.operations.values()
        if (operation.kind is OperationKind.CREATE and (operation.target_id, operation.content.span) in spots)
        or (operation.kind is OperationKind.DELETE and counts(decided[operation.ref], operation.reason))
    )
    draft.drop(later)
    return Part(draft.finish(), later)


def _settled(situation: Situation) -> Draft:
    """What becomes of the situation's blocks and wishes."""
    draft = Draft(situation)
    groups: dict[tuple[str, CalendarId], tuple[list[Block], list[Wanted]]] = defaultdict(lambda: ([], []))
    for block in situation.blocks:
        groups[block.uid, block.target_id][0].append(block)
    for wish in situation.wanted:
        groups[wish.uid, wish.target_id][1].append(wish)
    # Strays last: a wish may have taken one over by then.
    for (uid, target_id), (blocks, wishes) in sorted(groups.items(), key=_strays_last):
        if target_id not in situation.barred:
            free = [block for block in blocks if block.ref not in draft.records] if uid.startswith(STRAY) else blocks
            _settle(draft, free, wishes)
    return draft


def _strays_last(group: tuple[tuple[str, CalendarId], object]) -> tuple[bool, tuple[str, CalendarId]]:
    return group[0][0].startswith(STRAY), group[0]


def _settle(draft: Draft, blocks: Collection[Block], wishes: Collection[Wanted]) -> None:
    """One identity on one target."""
    open_wishes = {wish.slot: wish for wish in wishes}
    standing = _standing(draft, blocks)
    leftover = []
    for block in standing:
        wish = open_wishes.pop(block.slot, None)
        if wish is None:
            leftover.append(block)
        elif is_past(draft, wish.content.span) and is_over(draft, block):
            continue
        elif _unknown(draft, block):
            draft.unsettled.add(block.uid)
        else:
            keep(draft, block, wish)
    creatable = _creatable(draft, open_wishes.values())
    for block in _pair(draft, leftover, creatable):
        if _unknown(draft, block):
            draft.unsettled.add(block.uid)
        else:
            retire(draft, block)
    for wish in creatable:
        stray = draft.stray_for(wish)
        if stray is not None and _unknown(draft, stray):
            draft.unsettled.add(wish.uid)
            continue
        adopted = adopt(draft, wish)
        if adopted is None:
            create(draft, wish, Reason.BOOKED)
        else:
            keep(draft, adopted, wish, reason=Reason.ADOPTED)


def _standing(draft: Draft, blocks: Collection[Block]) -> list[Block]:
    """The blocks in play, oldest generation first; late writes of deleted ones are undone on the way (I-50)."""
    standing = []
    for block in sorted(blocks, key=lambda block: (block.slot, block.generation, block.key)):
        sighting = draft.sighting(block)
        if sighting is not None:
            block = evolve(block, native_id=sighting.event.id)  # noqa: PLW2901  (the same block, found elsewhere)
        if block.state is not BlockState.DELETED:
            standing.append(_as_the_user_left_it(draft, block, sighting))
        elif sighting is not None and not sighting.event.adorned and not is_past(draft, sighting.content.span):
            _undo_late_write(draft, block, sighting)
    return standing


def _as_the_user_left_it(draft: Draft, block: Block, sighting: Sighting | None) -> Block:
    """Released once people were added to it, and only a block again once they are gone (I-45)."""
    adorned = sighting is not None and sighting.event.adorned
    if adorned and block.state is not BlockState.RELEASED:
        release(draft, block)
        return draft.records[block.ref]
    if sighting is not None and not adorned and block.state is BlockState.RELEASED:
        return evolve(block, state=BlockState.LIVE, seen=None, reason=None)
    return block


def _undo_late_write(draft: Draft, block: Block, sighting: Sighting) -> None:
    if _unknown(draft, block):
        draft.unsettled.add(block.uid)
    else:
        seen = evolve(block, content=sighting.content)
        draft.write(OperationKind.DELETE, seen, Reason.LATE_WRITE, sighting.etag)


def _unknown(draft: Draft, block: Block) -> bool:
    situation = draft.situation
    return block.ref in situation.in_doubt or (block.target_id, block.native_id) in situation.doubtful


def _creatable(draft: Draft, wishes: Collection[Wanted]) -> list[Wanted]:
    situation = draft.situation
    return sorted(
        (
            wish
            for wish in wishes
            if wish.target_id not in situation.unread
            and wish.content.span.edges(UTC)[0] < situation.horizon.end
            and not is_past(draft, wish.content.span)
        ),
        key=_by_start,
    )


def _pair(draft: Draft, leftover: list[Block], wishes: list[Wanted]) -> list[Block]:
    """Re-point leftover blocks to leftover wishes, in start order; takes the paired wishes out of the list.

    Returns:
        The blocks that found no wish.
    """
    alone = []
    for block in sorted(leftover, key=lambda block: (block.content.span.edges(UTC)[0], block.ref)):
        if wishes and _movable(draft, block):
            wish = wishes.pop(0)
            keep(draft, draft.record(evolve(block, slot=wish.slot)), wish)
        else:
            alone.append(block)
    return alone


def _movable(draft: Draft, block: Block) -> bool:
    sighting = draft.sighting(block)
    return (
        block.state is BlockState.LIVE
        and sighting is not None
        and sighting.event.mark is not None
        and not sighting.event.mark.textual
        and not _unknown(draft, block)
        and not is_past(draft, block.content.span)
    )


def _by_start(wish: Wanted) -> tuple[object, ...]:
    return wish.content.span.edges(UTC)[0], wish.slot
