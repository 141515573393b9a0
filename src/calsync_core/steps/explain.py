"""Answers from the store, without a request: why is this instant blocked, and when is the owner busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from calsync_core.core.reading import EXPANSION_MARGIN
from calsync_core.core.rules import Scene, is_block, judge
from calsync_core.models import (
    Availability,
    Block,
    BlockState,
    BusyTime,
    Calendar,
    CalendarExplanation,
    CalendarId,
    Explanation,
    MirrorRule,
    Occurrence,
    VerdictKind,
    Window,
)
from calsync_core.steps.context import Context
from calsync_core.steps.gather import Unfolded, stage, unfold

__all__ = ["busy", "explain"]

_INSTANT = timedelta(microseconds=1)


def explain(context: Context, owner: str, instant: datetime) -> Explanation:
    """Why the instant is blocked, or not, on each enabled calendar of the owner."""
    scene = stage(context, owner)
    moment = Window(instant, instant + _INSTANT)
    unfolded = _unfold(context, owner, scene, moment)
    blocks = [
        block
        for block in context.store.load_blocks(owner)
        if block.state is not BlockState.DELETED
        and moment.overlaps(block.content.span, scene.calendars[block.target_id].zone)
    ]
    return Explanation(
        owner,
        instant,
        tuple(
            _explain_calendar(scene, calendar, unfolded, blocks)
            for calendar in scene.calendars.values()
            if calendar.enabled
        ),
    )


def busy(context: Context, owner: str, window: Window) -> list[BusyTime]:
    """The owner's own events on publishing calendars, merged; tentative only where nothing firm overlaps."""
    scene = stage(context, owner)
    unfolded = _unfold(context, owner, scene, window)
    firm: list[tuple[datetime, datetime]] = []
    soft: list[tuple[datetime, datetime]] = []
    for calendar_id, occurrences in unfolded.occurrences.items():
        calendar = scene.calendars[calendar_id]
        if not calendar.publishes:
            continue
        for occurrence in occurrences:
            verdict = judge(occurrence, MirrorRule(all_day="busy"), scene, calendar_id)
            if verdict.content is None:
                continue
            first, last = occurrence.span.edges(calendar.zone)
            span = (max(first, window.start), min(last, window.end))
            (firm if verdict.content.show_as is Availability.BUSY else soft).append(span)
    merged = _merge(firm)
    found = [BusyTime(*span) for span in merged] + [BusyTime(*span, tentative=True) for span in _without(soft, merged)]
    return sorted(found, key=lambda time: (time.start, time.tentative))


def _unfold(context: Context, owner: str, scene: Scene, window: Window) -> Unfolded:
    wide = Window(window.start - EXPANSION_MARGIN, window.end + EXPANSION_MARGIN)
    events = context.store.load_events(owner, context.store.load_identities(owner, wide))
    return unfold(events, scene, window)


def _explain_calendar(
    scene: Scene, calendar: Calendar, unfolded: Unfolded, blocks: Sequence[Block]
) -> CalendarExplanation:
    because = [*_own_events(scene, calendar, unfolded)]
    blocked = bool(because)
    for block in blocks:
        if block.target_id == calendar.id:
            source = (
                scene.calendars[block.source_id].name if block.source_id in scene.calendars else "a former calendar"
            )
            because.append(_block_sentence(block, source))
            blocked = blocked or block.state in {BlockState.LIVE, BlockState.PINNED, BlockState.RELEASED}
    shown = {(block.uid, block.slot) for block in blocks if block.target_id == calendar.id}
    because += _not_blocking(scene, calendar, unfolded, shown)
    return CalendarExplanation(calendar.key, calendar.name, blocked, tuple(because))


def _block_sentence(block: Block, source: str) -> str:
    sentence = f"block {block.ref[:8]} for an event on {source!r}: {block.state}"
    if block.held_since is not None:
        sentence += ", its deletion is held"
    return f"{sentence} ({block.reason})" if block.reason else sentence


def _own_events(scene: Scene, calendar: Calendar, unfolded: Unfolded) -> Iterator[str]:
    for occurrence in unfolded.occurrences.get(calendar.key, ()):
        if not is_block(occurrence.event, scene):
            verdict = judge(occurrence, MirrorRule(all_day="busy"), scene, calendar.key)
            if verdict.kind is VerdictKind.BLOCKS:
                yield f"event {_short(occurrence)} of its own"


def _not_blocking(scene: Scene, target: Calendar, unfolded: Unfolded, shown: set[tuple[str, str]]) -> Iterator[str]:
    for source_id, occurrences in unfolded.occurrences.items():
        if source_id == target.key:
            continue
        for occurrence in occurrences:
            if (occurrence.event.identity, occurrence.slot) in shown or is_block(occurrence.event, scene):
                continue
            why = _why_not(scene, source_id, target.key, occurrence)
            yield f"event {_short(occurrence)} on {scene.calendars[source_id].name!r} does not block it: {why}"


def _why_not(scene: Scene, source_id: CalendarId, target_id: CalendarId, occurrence: Occurrence) -> str:
    decided = scene.first_rule(source_id, target_id)
    if decided is None:
        return str(VerdictKind.NO_RULE)
    kind = judge(occurrence, decided[1], scene, target_id).kind
    return "wanted, and not written yet or there already" if kind is VerdictKind.BLOCKS else str(kind)


def _short(occurrence: Occurrence) -> str:
    return f"{occurrence.event.id[:24]} ({occurrence.slot or 'single'})"


def _merge(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged


def _without(
    spans: Sequence[tuple[datetime, datetime]], taken: Sequence[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    """What of the spans, merged, lies outside the taken ones (which are merged and in order)."""
    for span_start, end in _merge(spans):
        start = span_start
        for taken_start, taken_end in taken:
            if taken_end <= start or taken_start >= end:
                continue
            if taken_start > start:
                yield start, taken_start
            start = max(start, taken_end)
        if start < end:
            yield start, end
