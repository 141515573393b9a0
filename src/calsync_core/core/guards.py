"""Hold back mass deletions for the host to decide (I-08)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from attrs import field, frozen

from calsync_core.models import Block, BlockState, CalendarId, Hold, Reason

__all__ = ["Guard", "Held", "counts", "hold_back"]


@frozen
class Guard:
    """The limits, and what they are measured against.

    Attributes:
        most: Up to so many deletions of one source's blocks in 24 hours are never suspicious.
        share: Nor is up to this share of the source's blocks.
        deleted: Per source: how many of its blocks were deleted in the last 24 hours, or are about to be.
        live: Per source: how many of its blocks stand now and are not past. A source of which no more than ``most`` can
            be deleted may be left out: nobody asks.
        emptied: Sources whose last snapshot listed no event although some were known: every deletion is held.
    """

    most: int
    share: float
    deleted: Mapping[CalendarId, int] = field(factory=dict)
    live: Mapping[CalendarId, int] = field(factory=dict)
    emptied: frozenset[CalendarId] = frozenset()


@frozen
class Held:
    """What the guard holds: the refs, and the holds that explain them."""

    refs: frozenset[str] = frozenset()
    holds: tuple[Hold, ...] = ()


def hold_back(deletions: Collection[tuple[Block, Reason]], guard: Guard) -> Held:
    """Decide which of these deletions must wait. Moves are updates and never get here (I-48).

    What is held stays held until it is wanted again or the host decides, however few are left. What the host ordered,
    what undoes a write of ours, and what was never written is no sign of a source gone wrong.
    """
    held: dict[CalendarId, list[str]] = defaultdict(list)
    fresh: dict[CalendarId, list[str]] = defaultdict(list)
    for block, reason in deletions:
        if counts(block, reason):
            (held if block.held_since is not None else fresh)[block.source_id].append(block.ref)
    holds = []
    for source_id in sorted(held.keys() | fresh.keys()):
        waiting, more = held[source_id], fresh[source_id]
        why = _too_many(source_id, len(waiting) + len(more), guard) if more else None
        refs = waiting + (more if why is not None else [])
        if refs:
            holds.append(Hold(source_id, tuple(sorted(refs)), why or f"{len(refs)} deletions wait for a decision"))
    return Held(frozenset(ref for hold in holds for ref in hold.refs), tuple(holds))


def counts(block: Block, reason: Reason) -> bool:
    """Whether this deletion is one of those that must not be too many at once."""
    return reason.suspicious and not block.approved and block.state is not BlockState.PENDING


def _too_many(source_id: CalendarId, count: int, guard: Guard) -> str | None:
    if source_id in guard.emptied:
        return f"the calendar suddenly listed no event at all; {count} blocks would go"
    earlier = guard.deleted.get(source_id, 0)
    blocks = guard.live.get(source_id, 0) + earlier
    total = count + earlier
    if total > guard.most and total > guard.share * blocks:
        return f"{total} of {blocks} blocks within 24 hours, more than {guard.most} and {guard.share:.0%}"
    return None
