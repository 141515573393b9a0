"""Compare what should be with what a fresh listing shows, and name every difference (I-01)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from calsync_core.core.draft import Draft, Situation
from calsync_core.core.keeping import is_past
from calsync_core.models import AuditFinding, Block, BlockState, Sighting, Wanted

__all__ = ["EXCEPTIONS", "compare"]

EXCEPTIONS = frozenset({"held", "pinned", "respected", "parked", "released", "unjudged"})
"""Kinds of finding that don't make an audit fail."""

_EXCUSES = {
    BlockState.PINNED: "pinned",
    BlockState.RESPECTED: "respected",
    BlockState.PARKED: "parked",
    BlockState.RELEASED: "released",
}


def compare(situation: Situation) -> list[AuditFinding]:
    """All differences inside the horizon, as far as the situation reaches: everything of the owner, or a part of it.

    ``missing``: wanted, and not there. ``extra``: ours, there, and not wanted. ``wrong``: there, with other times,
    title or look. Otherwise the name of what excuses it; ``unjudged`` is a block of ours whose source is not known here
    or not completely read.
    """
    draft = Draft(situation)
    wishes = {
        (wish.uid, wish.slot, wish.target_id): wish
        for wish in situation.wanted
        if wish.content.span.edges(UTC)[0] < situation.horizon.end
        and not is_past(draft, wish.content.span)
        and wish.target_id not in situation.barred
    }
    standing = [block for block in situation.blocks if block.state is not BlockState.DELETED]
    by_name = {(block.uid, block.slot, block.target_id): block for block in standing}
    findings = [finding for name, wish in sorted(wishes.items()) for finding in _wanted(draft, wish, by_name.get(name))]
    findings += [
        finding
        for block in standing
        if by_name[block.uid, block.slot, block.target_id] is not block
        or (block.uid, block.slot, block.target_id) not in wishes
        for finding in _unwanted(draft, block)
    ]
    buried = (block for block in situation.blocks if block.state is BlockState.DELETED)
    findings += [finding for block in buried for finding in _unburied(draft, block)]
    findings += [finding for sighting in situation.strays for finding in _stray(draft, sighting)]
    return findings


def _wanted(draft: Draft, wish: Wanted, block: Block | None) -> Iterator[AuditFinding]:
    start = wish.content.span.start.isoformat()
    if block is None:
        yield AuditFinding("missing", wish.target_id, "", start)
        return
    sighting = draft.sighting(block)
    excuse = _EXCUSES.get(block.state) or ("held" if block.held_since else None)
    if sighting is None:
        yield AuditFinding(excuse or "missing", wish.target_id, block.ref, start)
        return
    shown, meant = sighting.content, wish.content
    # A title that the provider normalised is right if it is what it made of ours.
    titles = {meant.title} | ({block.seen.title} if block.seen else set())
    textual = sighting.event.mark is not None and sighting.event.mark.textual
    if (shown.span, shown.show_as) != (meant.span, meant.show_as):
        yield AuditFinding(excuse or "wrong", wish.target_id, block.ref, start, "other times or look")
    elif shown.title not in titles and not textual:
        yield AuditFinding(excuse or "wrong", wish.target_id, block.ref, start, "other title")


def _unwanted(draft: Draft, block: Block) -> Iterator[AuditFinding]:
    sighting = draft.sighting(block)
    if sighting is None or _out_of_sight(draft, sighting):
        return
    excuse = _EXCUSES.get(block.state) or ("held" if block.held_since else None)
    yield AuditFinding(excuse or "extra", block.target_id, block.ref, sighting.content.span.start.isoformat())


def _unburied(draft: Draft, block: Block) -> Iterator[AuditFinding]:
    """A block that was deleted and stands all the same (I-50)."""
    sighting = draft.sighting(block)
    if sighting is not None and not sighting.event.adorned and not _out_of_sight(draft, sighting):
        yield AuditFinding("extra", block.target_id, block.ref, sighting.content.span.start.isoformat())


def _stray(draft: Draft, sighting: Sighting) -> Iterator[AuditFinding]:
    situation = draft.situation
    mark = sighting.event.mark
    if mark is None or mark.tag is None or sighting.event.adorned or _out_of_sight(draft, sighting):
        return
    if draft.is_claimed(sighting):
        return
    if not situation.keyring.wrote(mark.tag, situation.scene.owner):
        return
    source_id = situation.keyring.source_of(mark.tag, situation.scene.refs)
    kind = "extra" if source_id is not None and source_id in situation.judgeable else "unjudged"
    yield AuditFinding(kind, sighting.calendar_id, sighting.event.id, sighting.content.span.start.isoformat())


def _out_of_sight(draft: Draft, sighting: Sighting) -> bool:
    span = sighting.content.span
    return is_past(draft, span) or not draft.situation.horizon.overlaps(span, UTC)
