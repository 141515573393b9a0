"""Which occurrences block which calendars, and how the blocks look. Pure functions over values (decision 9)."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from calsync_core.models import (
    Availability,
    BlockContent,
    Calendar,
    CalendarId,
    Event,
    EventKind,
    MirrorRule,
    Occurrence,
    Response,
    SyncPolicy,
    Verdict,
    VerdictKind,
    Wanted,
)

__all__ = ["Scene", "is_block", "judge", "wanted"]

_TITLE_LIMIT = 255
_HIDDEN_TITLE = "Busy"


@frozen
class Scene:
    """An owner's calendars and wishes, as the rules see them.

    Attributes:
        calendars: All the owner's calendars by id, disabled ones included.
        refs: ``provider:remote id`` of each.
        emails: Address of each calendar's login, where known.
        busy_only: Targets that can't say "tentative".
        rules: In order; empty: every publishing calendar blocks every receiving one.
    """

    owner: str
    calendars: Mapping[CalendarId, Calendar]
    refs: Mapping[CalendarId, str]
    emails: Mapping[CalendarId, str | None] = field(factory=dict)
    busy_only: frozenset[CalendarId] = frozenset()
    rules: tuple[MirrorRule, ...] = ()
    policy: SyncPolicy = field(factory=SyncPolicy)

    def first_rule(self, source_id: CalendarId, target_id: CalendarId) -> tuple[int, MirrorRule] | None:
        """The rule that decides how this source shows on this target, with its place; None: it does not."""
        source, target = self.calendars.get(source_id), self.calendars.get(target_id)
        if source is None or target is None or source_id == target_id:
            return None
        if not source.publishes or not target.receives:
            return None
        for place, rule in enumerate(self.rules or (MirrorRule(),)):
            if rule.source in {None, source_id} and rule.target in {None, target_id}:
                return place, rule
        return None

    def textual_source(self, key: str) -> CalendarId | None:
        """The owner's calendar that a textual mark (``EMAIL:CALENDAR:EVENT``) names, if any (I-17)."""
        address = key.rpartition(":")[0].lower()
        for calendar_id, calendar in self.calendars.items():
            email = self.emails.get(calendar_id)
            if email and address == f"{email}:{calendar.remote_id}".lower():
                return calendar_id
        return None


def is_block(event: Event, scene: Scene) -> bool:
    """Whether the event is somebody's busy block and so is never mirrored (I-15, I-16).

    A block to which the user added people is theirs now and counts as a real event (I-45); so does a textual mark that
    names a stranger's calendar (I-17).
    """
    if event.mark is None or event.adorned:
        return False
    return not event.mark.textual or scene.textual_source(event.mark.key) is not None


def judge(occurrence: Occurrence, rule: MirrorRule, scene: Scene, target_id: CalendarId) -> Verdict:
    """What one rule makes of one occurrence on one target, without looking at the target's own events."""
    policy = scene.policy
    unanswered = rule.unanswered or policy.unanswered
    obstacle = _takes_no_time(occurrence, scene, unanswered=unanswered)
    if obstacle is not None:
        return Verdict(obstacle)
    all_day = rule.all_day or policy.all_day
    if occurrence.span.all_day and all_day == "skip":
        return Verdict(VerdictKind.ALL_DAY_SKIPPED)
    content = BlockContent(
        span=occurrence.span.in_utc(),
        title=_title(rule.title or policy.title, occurrence.event),
        show_as=_show_as(occurrence, unanswered, free_all_day=all_day == "free"),
    )
    if content.show_as is Availability.TENTATIVE and target_id in scene.busy_only:
        content = evolve(content, show_as=Availability.BUSY)
    return Verdict(VerdictKind.BLOCKS, content)


def wanted(occurrences: Mapping[CalendarId, Sequence[Occurrence]], scene: Scene) -> tuple[Wanted, ...]:
    """The blocks that should exist for these occurrences, one per (identity, slot, target) (I-06).

    Of several sources that show one meeting, busy beats tentative, then the earlier rule, then the lower calendar id.
    """
    named = {calendar_id: list(_name(found)) for calendar_id, found in occurrences.items()}
    own = {
        calendar_id: {
            name
            for name, occurrence in found
            if _takes_no_time(occurrence, scene, unanswered=scene.policy.unanswered) is None
        }
        for calendar_id, found in named.items()
    }
    candidates: dict[tuple[str, str, CalendarId], list[tuple[tuple[int, int, int], Wanted]]] = defaultdict(list)
    for source_id, found in named.items():
        for target_id in scene.calendars:
            decided = scene.first_rule(source_id, target_id)
            if decided is None:
                continue
            place, rule = decided
            there = own.get(target_id, set())
            for name, occurrence in found:
                verdict = judge(occurrence, rule, scene, target_id)
                if verdict.content is None or name in there:
                    continue
                rank = (_RANK[verdict.content.show_as], place, source_id)
                block = Wanted(
                    *name, source_id, target_id, verdict.content, _aliases(occurrence.event, source_id, scene)
                )
                candidates[*name, target_id].append((rank, block))
    chosen = [min(ranked, key=lambda pair: pair[0])[1] for ranked in candidates.values()]
    return tuple(sorted(chosen, key=lambda block: (block.uid, block.slot, block.target_id)))


_RANK = {Availability.BUSY: 0, Availability.TENTATIVE: 1, Availability.FREE: 2}


def _name(occurrences: Iterable[Occurrence]) -> Iterator[tuple[tuple[str, str], Occurrence]]:
    """Give each occurrence of one calendar its (identity, slot); of two events in one slot the later id stands in."""
    taken: dict[tuple[str, str], str] = {}
    for occurrence in sorted(occurrences, key=lambda found: (found.slot, found.event.id)):
        name = (occurrence.event.identity, occurrence.slot)
        if taken.setdefault(name, occurrence.event.id) != occurrence.event.id:
            name = (name[0], f"{occurrence.slot}#{occurrence.event.id}")
        yield name, occurrence


def _takes_no_time(occurrence: Occurrence, scene: Scene, *, unanswered: str) -> VerdictKind | None:
    event = occurrence.event
    obstacles = (
        (event.parked is not None, VerdictKind.PARKED),
        (is_block(event, scene), VerdictKind.OUR_BLOCK),
        (event.cancelled, VerdictKind.CANCELLED),
        (event.kind is not EventKind.DEFAULT, VerdictKind.NOT_A_MEETING),
        (event.response is Response.DECLINED, VerdictKind.DECLINED),
        (event.availability is Availability.FREE, VerdictKind.FREE),
        (occurrence.span.empty, VerdictKind.EMPTY),
        (event.response is Response.NEEDS_ACTION and unanswered == "none", VerdictKind.UNANSWERED),
    )
    return next((kind for applies, kind in obstacles if applies), None)


def _show_as(occurrence: Occurrence, unanswered: str, *, free_all_day: bool) -> Availability:
    event = occurrence.event
    if occurrence.span.all_day and free_all_day:
        return Availability.FREE
    if event.response is Response.TENTATIVE or event.availability is Availability.TENTATIVE:
        return Availability.TENTATIVE
    if event.response is Response.NEEDS_ACTION and unanswered == "tentative":
        return Availability.TENTATIVE
    return Availability.BUSY


def _title(pattern: str, event: Event) -> str:
    """Fill in the title literally, so that no text of the source is ever read as a pattern (decision 7)."""
    shown = _HIDDEN_TITLE if event.private or not event.title.strip() else event.title
    text = pattern.replace("{title}", shown)
    clean = "".join(" " if character in "\r\n\t" else character for character in text if _printable(character))
    return clean.strip()[:_TITLE_LIMIT].strip() or _HIDDEN_TITLE


def _printable(character: str) -> bool:
    # Cc: control, Cs: lone surrogates, which no wire format can carry. Line breaks and tabs become blanks.
    return character in "\r\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}


def _aliases(event: Event, source_id: CalendarId, scene: Scene) -> tuple[str, ...]:
    email = scene.emails.get(source_id)
    return (f"{email}:{scene.calendars[source_id].remote_id}:{event.id}",) if email else ()
