"""Blocks of ours on a calendar that nobody recorded: after a lost store or a copied calendar (I-16, I-49)."""

from __future__ import annotations

from datetime import UTC

from calsync_core.core.draft import STRAY, Draft
from calsync_core.core.keeping import is_past
from calsync_core.models import Block, BlockState, CalendarId, Mark, OperationKind, Reason, Sighting

__all__ = ["judge_strays"]


def judge_strays(draft: Draft) -> None:
    """Remove those whose source is known here and completely read; leave and report the others (decision 5).

    A stray that a wish of this plan adopted is none. Blocks of another installation or owner are not ours to judge, nor
    is what is past or beyond the horizon.
    """
    situation = draft.situation
    for sighting in situation.strays:
        mark = sighting.event.mark
        if (
            mark is None
            or sighting.event.adorned
            or draft.is_claimed(sighting)
            or sighting.calendar_id in situation.barred
        ):
            continue
        ours, source_id = _origin(draft, mark)
        span = sighting.content.span
        if not ours or is_past(draft, span):
            continue
        in_reach = situation.horizon.overlaps(span, UTC)
        if source_id is None or not in_reach or not _judgeable(draft, source_id):
            draft.strays.append(sighting)
            if source_id is not None and in_reach and source_id not in situation.unread:
                # A source once completely read is judged again by itself as soon as it owes nothing.
                draft.unsettled.add(f"{STRAY}{mark.key}")
            continue
        block = draft.record(_record(draft, sighting, mark, source_id))
        draft.write(OperationKind.DELETE, block, Reason.ORPHANED, sighting.etag)


def _origin(draft: Draft, mark: Mark) -> tuple[bool, CalendarId | None]:
    """Whether this installation wrote it for this owner, and from which calendar."""
    scene, keyring = draft.situation.scene, draft.situation.keyring
    if mark.textual:
        source_id = scene.textual_source(mark.key)
        return source_id is not None, source_id
    if mark.tag is None or not keyring.wrote(mark.tag, scene.owner):
        return False, None
    return True, keyring.source_of(mark.tag, scene.refs)


def _judgeable(draft: Draft, source_id: CalendarId) -> bool:
    source = draft.situation.scene.calendars[source_id]
    return not source.publishes or source_id in draft.situation.judgeable


def _record(draft: Draft, sighting: Sighting, mark: Mark, source_id: CalendarId) -> Block:
    situation = draft.situation
    key, uid = mark.key, f"{STRAY}{mark.key}"
    if mark.textual or draft.is_recorded(f"{mark.key}.{mark.generation}"):
        # An older system's block has no key of ours; and where a block of ours turns up once more (moved to another
        # calendar, or twice on one), its name is taken: the record of the first must not become the second's.
        uid = f"{uid}:{sighting.event.id}"
        target_ref = situation.scene.refs[sighting.calendar_id]
        key = situation.keyring.block_keys(situation.scene.owner, uid, "", target_ref)[0]
    return Block(
        key=key,
        generation=mark.generation,
        owner=situation.scene.owner,
        source_id=source_id,
        target_id=sighting.calendar_id,
        uid=uid,
        slot="",
        native_id=sighting.event.id,
        alias=mark.key if mark.key != key else None,
        content=sighting.content,
        state=BlockState.LIVE,
        seen=sighting.content,
        etag=sighting.etag,
        created_at=situation.now,
        changed_at=situation.now,
    )
