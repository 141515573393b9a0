"""What happens to one block: kept as it is, updated, restored, respected, parked, released, retired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve

from calsync_core.core.draft import Draft
from calsync_core.models import (
    Block,
    BlockContent,
    BlockState,
    OperationKind,
    Reason,
    Sighting,
    Span,
    Wanted,
)

__all__ = ["MOST_REPAIRS", "adopt", "create", "is_over", "is_past", "is_read_back", "keep", "release", "retire"]

MOST_REPAIRS = 5
"""Repairs of one block in 24 hours after which it is parked (I-47)."""


def is_past(draft: Draft, span: Span) -> bool:
    """Whether it has ended; an all-day span when its last day has ended everywhere on earth (last at UTC−12)."""
    end = span.edges(UTC)[1] + (timedelta(hours=12) if span.all_day else timedelta())
    return end <= draft.situation.now


def is_over(draft: Draft, block: Block) -> bool:
    """Whether a block is past as it is recorded and, if it is in sight, where it stands: people drag blocks about."""
    sighting = draft.sighting(block)
    return is_past(draft, block.content.span) and (sighting is None or is_past(draft, sighting.content.span))


def create(draft: Draft, wish: Wanted, reason: Reason, repairs: tuple[datetime, ...] = ()) -> None:
    """A new block, under a generation of its key that was never used."""
    situation = draft.situation
    ref = situation.scene.refs[wish.target_id]
    key = situation.keyring.block_keys(situation.scene.owner, wish.uid, wish.slot, ref)[0]
    generation = draft.next_generation(key)
    block = Block(
        key=key,
        generation=generation,
        owner=situation.scene.owner,
        source_id=wish.source_id,
        target_id=wish.target_id,
        uid=wish.uid,
        slot=wish.slot,
        native_id=situation.native_id(wish.target_id, key, generation),
        content=wish.content,
        repairs=repairs,
        created_at=situation.now,
        changed_at=situation.now,
    )
    draft.write(OperationKind.CREATE, draft.record(block), reason)


def adopt(draft: Draft, wish: Wanted) -> Block | None:
    """Record a block that stands on the target already, written by a lost store or an older system (I-17, I-49)."""
    stray = draft.stray_for(wish)
    if stray is not None:
        # It was about to be removed as nobody's: a held deletion, or one that waits.
        named = evolve(stray, uid=wish.uid, slot=wish.slot, source_id=wish.source_id)
        return draft.record(evolve(named, held_since=None, approved=False))
    for key, sighting in draft.unclaimed(wish):
        mark = sighting.event.mark
        if mark is None:
            continue
        situation = draft.situation
        if mark.textual:
            ref = situation.scene.refs[wish.target_id]
            key = situation.keyring.block_keys(situation.scene.owner, wish.uid, wish.slot, ref)[0]  # noqa: PLW2901  (a textual mark's key is none of ours)
        return draft.record(
            Block(
                key=key,
                generation=draft.next_generation(key) if mark.textual else mark.generation,
                owner=situation.scene.owner,
                source_id=wish.source_id,
                target_id=wish.target_id,
                uid=wish.uid,
                slot=wish.slot,
                native_id=sighting.event.id,
                alias=mark.key if mark.key != key else None,
                content=sighting.content,
                state=BlockState.LIVE,
                seen=sighting.content,
                etag=sighting.etag,
                created_at=situation.now,
                changed_at=situation.now,
            )
        )
    return None


def keep(draft: Draft, block: Block, wish: Wanted, *, reason: Reason | None = None) -> None:
    """The block is wanted: make it say what the wish says."""
    sighting = draft.sighting(block)
    if block.state is BlockState.RELEASED:
        if sighting is None:
            draft.bury(block)
            create(draft, wish, Reason.USER_DELETED)
        return
    block = evolve(block, source_id=wish.source_id, held_since=None, approved=False)
    if (block.state is BlockState.PARKED and wish.content == block.content) or (
        block.state is BlockState.RESPECTED and wish.content.span == block.content.span
    ):
        if sighting is not None and block.ref in draft.situation.waiting:
            # A deletion waits from when it was not wanted: only another write takes it back.
            _update(draft, evolve(block, state=BlockState.LIVE, reason=None), wish, sighting, reason)
        else:
            draft.record(block)
    elif sighting is None:
        _keep_unseen(draft, block, wish)
    elif sighting.event.mark is not None and sighting.event.mark.textual:
        _keep_textual(draft, block, wish, sighting)
    else:
        _keep_seen(draft, block, wish, sighting, reason)


def _keep_unseen(draft: Draft, block: Block, wish: Wanted) -> None:
    """It is wanted, and its target does not show it."""
    situation = draft.situation
    waits = block.ref in situation.waiting
    if block.state is BlockState.PENDING:
        # Never known to have been written: the same id may be used again, since a create can be replayed.
        block = draft.record(evolve(block, content=wish.content))
        draft.write(OperationKind.CREATE, block, situation.waiting[block.ref].reason if waits else Reason.BOOKED)
        return
    lived = block.state in {BlockState.LIVE, BlockState.PINNED}
    # ``seen`` is unknown while an update is under way: it found nothing, so the block went before the source moved.
    if not lived or wish.content != block.content or block.seen is None:
        draft.bury(block)
        create(draft, wish, Reason.BOOKED, block.repairs)
    elif situation.scene.policy.on_block_deleted == "respect":
        draft.record(evolve(block, state=BlockState.RESPECTED, reason="deleted by the user", changed_at=situation.now))
    elif _worn_out(draft, block):
        draft.record(_park(draft, block))
    else:
        draft.bury(block)
        create(draft, wish, Reason.USER_DELETED, (*_recent(draft, block), situation.now))


def _keep_textual(draft: Draft, block: Block, wish: Wanted, sighting: Sighting) -> None:
    """An older system's block stays as long as its times are right; to change it, ours takes its place (I-17).

    It can't be updated: its id lacks the public constant, and our body lacks its textual tag, so that afterwards nobody
    would recognise it.
    """
    seen = sighting.content
    if (seen.span, seen.show_as) == (wish.content.span, wish.content.show_as):
        draft.record(evolve(block, state=BlockState.LIVE, content=seen, seen=seen, etag=sighting.etag))
        return
    draft.write(OperationKind.DELETE, draft.record(block), Reason.ADOPTED, sighting.etag)
    create(draft, wish, Reason.ADOPTED)


def _keep_seen(draft: Draft, block: Block, wish: Wanted, sighting: Sighting, reason: Reason | None) -> None:
    """It is wanted, and its target shows it."""
    known = block.seen if block.state in {BlockState.LIVE, BlockState.PINNED} else None
    block = evolve(block, state=BlockState.LIVE, reason=None)
    waiting = draft.situation.waiting.get(block.ref)
    if waiting is not None and waiting.content == wish.content and waiting.kind is OperationKind.UPDATE:
        draft.record(block)
    elif waiting is not None:
        _update(draft, block, wish, sighting, reason)
    elif known is None or wish.content != block.content:
        if sighting.content == wish.content:
            draft.record(evolve(block, content=wish.content, seen=sighting.content, etag=sighting.etag))
        else:
            _update(draft, block, wish, sighting, reason)
    elif sighting.content == known or is_read_back(block, sighting):
        draft.record(evolve(block, seen=sighting.content, etag=sighting.etag))
    else:
        _undo_edit(draft, block, wish, sighting)


def is_read_back(block: Block, sighting: Sighting) -> bool:
    """Whether this shows our own write, which the provider may have normalised, and not somebody's edit.

    An equal etag proves it. A provider that told none is believed if the times are as we wrote them.
    """
    if block.etag is not None:
        return sighting.etag == block.etag
    return (sighting.content.span, sighting.content.show_as) == (block.content.span, block.content.show_as)


def _undo_edit(draft: Draft, block: Block, wish: Wanted, sighting: Sighting) -> None:
    situation = draft.situation
    if situation.scene.policy.on_block_deleted == "respect":
        respected = evolve(block, state=BlockState.RESPECTED, reason="edited by the user", changed_at=situation.now)
        draft.record(evolve(respected, seen=sighting.content, etag=sighting.etag))
    elif _worn_out(draft, block):
        draft.record(evolve(_park(draft, block), seen=sighting.content, etag=sighting.etag))
    else:
        tired = evolve(block, repairs=(*_recent(draft, block), situation.now))
        _update(draft, tired, wish, sighting, Reason.USER_EDITED)


def _update(draft: Draft, block: Block, wish: Wanted, sighting: Sighting, reason: Reason | None) -> None:
    # ``seen`` is unknown from now until the write is: a write that never happens must not look like one that did.
    changed = evolve(block, content=wish.content, seen=None, changed_at=draft.situation.now)
    why = reason or _difference(sighting.content, wish.content)
    draft.write(OperationKind.UPDATE, draft.record(changed), why, sighting.etag)


def _difference(before: BlockContent, after: BlockContent) -> Reason:
    if before.span != after.span:
        return Reason.MOVED
    return Reason.ANSWERED if before.show_as != after.show_as else Reason.RETITLED


def _recent(draft: Draft, block: Block) -> tuple[datetime, ...]:
    return tuple(at for at in block.repairs if draft.situation.now - at < timedelta(hours=24))


def _worn_out(draft: Draft, block: Block) -> bool:
    return len(_recent(draft, block)) >= MOST_REPAIRS


def _park(draft: Draft, block: Block) -> Block:
    why = f"repaired {MOST_REPAIRS} times in 24 hours"
    return evolve(block, state=BlockState.PARKED, reason=why, changed_at=draft.situation.now)


def release(draft: Draft, block: Block) -> None:
    """The user added people, a recurrence or a conference: it is theirs now (I-45)."""
    released = evolve(block, state=BlockState.RELEASED, held_since=None, approved=False, changed_at=draft.situation.now)
    draft.record(evolve(released, reason="people, a recurrence or a conference were added"))


def retire(draft: Draft, block: Block) -> None:
    """The block is no longer wanted: take it away, unless it is past (decision 17), the user's, or pinned."""
    sighting = draft.sighting(block)
    if is_over(draft, block):
        if block.held_since is not None:
            draft.record(evolve(block, held_since=None, approved=False))
        return
    scene = draft.situation.scene
    ordered = scene.first_rule(block.source_id, block.target_id) is None
    if block.state is BlockState.RELEASED or (block.state is BlockState.PINNED and not ordered):
        return
    if sighting is None and block.ref not in draft.situation.waiting:
        draft.bury(block)
        return
    draft.write(
        OperationKind.DELETE,
        block,
        Reason.SWITCHED_OFF if ordered else Reason.NO_LONGER_WANTED,
        sighting.etag if sighting else None,
    )
