"""What each calendar must show, worked out from the calendars alone: a second opinion on rules, plans and audits.

Nothing here asks the planner, the rules or the audit. It reads the service's own items, expands them, restates the
rules in the plainest way, and compares with the blocks that stand. The store is asked only what the host told the
engine (calendars, rules) and for the documented exceptions (held, pinned, respected, parked, released).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from calsync_core.core.identity import Keyring
from calsync_core.core.occurrences import expand
from calsync_core.models import (
    Availability,
    Block,
    BlockState,
    Calendar,
    Event,
    EventKind,
    MirrorRule,
    Occurrence,
    Response,
    Span,
    Window,
)
from calsync_core.providers.memory.server import TITLE_LIMIT
from world import World

__all__ = ["Verdict", "examine"]

_EXCEPTIONS = {BlockState.PINNED, BlockState.RESPECTED, BlockState.PARKED, BlockState.RELEASED}
_STRENGTH = [Availability.BUSY, Availability.TENTATIVE, Availability.FREE]

Look = tuple[Span, Availability, str]
Name = tuple[str, str]
"""Whose time, and which occurrence of it."""

Ranked = tuple[tuple[int, int, int], Look]
"""Strength, place of the rule, source; the least decides."""


@frozen
class Wish:
    """One block that must stand."""

    name: Name
    look: Look
    optional: bool
    """It is over, or so nearly that it depends on where on earth one asks."""


@define
class Verdict:
    """What is wrong, in words, and how much was looked at.

    Attributes:
        excused: Blocks and wishes left out because of a documented exception, by its name.
    """

    wrong: list[str] = field(factory=list)
    standing: int = 0
    excused: Counter[str] = field(factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.wrong


def examine(world: World, *, untagged: frozenset[str] = frozenset()) -> Verdict:
    """Compare every enabled calendar of the world's owner with what its events and rules ask for (I-01, I-06).

    Args:
        world: Its calendars must all be readable now.
        untagged: Ids of blocks whose private tag a user removed: nobody can tell whose they are.
    """
    verdict = Verdict()
    calendars = {calendar.key: calendar for calendar in world.store.load_calendars(owner=world.owner)}
    recorded = world.store.load_blocks(world.owner)
    wishes = _wishes(world, calendars)
    for target_id, target in calendars.items():
        _compare(world, target, wishes[target_id], recorded, untagged, verdict)
    return verdict


def _compare(  # noqa: PLR0917  (its one caller gives all of them)
    world: World,
    target: Calendar,
    wishes: list[Wish],
    recorded: list[Block],
    untagged: frozenset[str],
    verdict: Verdict,
) -> None:
    here = [block for block in recorded if block.target_id == target.key and block.state is not BlockState.DELETED]
    excused = {block.native_id: _excuse(block) for block in here if _excuse(block)}
    names = {(block.uid, block.slot) for block in here if _excuse(block)}
    wanted = [wish for wish in wishes if wish.name not in names]
    verdict.excused.update(reason for reason in excused.values() if reason)
    must = Counter(wish.look for wish in wanted if not wish.optional)
    may = Counter(wish.look for wish in wanted if wish.optional)
    known = {block.native_id for block in here}
    for native_id, look in _standing(world, target, known, untagged, verdict):
        if native_id in excused or _is_over(look[0], world.clock.now()):
            continue
        if native_id not in known and _is_beyond(world, look[0]):
            verdict.excused["left by another store, beyond the horizon"] += 1
            continue
        if native_id not in known and not target.enabled and not world.store.load_read_state(target.key).complete:
            # Only a purge searches a calendar that is switched off; this store has never seen it.
            verdict.excused["left by another store, on a calendar it never read"] += 1
            continue
        verdict.standing += 1
        if must[look]:
            must[look] -= 1
        elif may[look]:
            may[look] -= 1
        else:
            verdict.wrong.append(f"{target.name}: {native_id} stands at {_words(look)}, which nothing asks for")
    for look, count in must.items():
        if count:
            verdict.wrong.append(f"{target.name}: {count} missing at {_words(look)}")


def _standing(
    world: World, target: Calendar, recorded: set[str], untagged: frozenset[str], verdict: Verdict
) -> Iterator[tuple[str, Look]]:
    """The blocks of this installation that are still only blocks."""
    secrets = world.options["secret"]
    ring = Keyring.of(secrets)
    for item in world.service.blocks(target.remote_id):
        event = item.events[0]
        if event.adorned or event.mark is None:
            continue
        ours = event.mark.tag is not None and ring.wrote(event.mark.tag, world.owner)
        if item.key in recorded or ours:
            yield item.key, (event.span.in_utc(), event.availability, event.title)
        elif event.mark.tag is None and item.key not in untagged:
            verdict.wrong.append(f"{target.name}: {item.key} lost its tag by itself")


def _excuse(block: Block) -> str | None:
    if block.held_since is not None:
        return "held"
    return str(block.state) if block.state in _EXCEPTIONS else None


def _wishes(world: World, calendars: dict[int, Calendar]) -> dict[int, list[Wish]]:
    enabled = [calendar for calendar in calendars.values() if calendar.enabled]
    near = _best(world, calendars, {one.key: list(_named(world, one, beyond=False)) for one in enabled})
    far = _best(world, calendars, {one.key: list(_named(world, one, beyond=True)) for one in enabled})
    return {
        target_id: [
            Wish(name, look, _optional(world, look[0]))
            for name, (_, look) in (far[target_id] | near[target_id]).items()
        ]
        for target_id in calendars
    }


def _best(
    world: World, calendars: dict[int, Calendar], occurrences: dict[int, list[tuple[Name, Occurrence]]]
) -> dict[int, dict[Name, Ranked]]:
    """Of several copies of one meeting, which decides how it looks on each target."""
    rules = world.store.load_rules(world.owner) or [MirrorRule()]
    best: dict[int, dict[Name, Ranked]] = defaultdict(dict)
    for source_id, found in occurrences.items():
        for target_id, target in calendars.items():
            place = _rule(rules, calendars[source_id], target)
            if place is None:
                continue
            own = {name for name, one in occurrences[target_id] if _takes_time(world, one)}
            for name, one in found:
                look = _look(world, one, rules[place]) if _takes_time(world, one) else None
                if look is None or name in own:
                    continue
                ranked = ((_STRENGTH.index(look[1]), place, source_id), look)
                best[target_id][name] = min(best[target_id].get(name, ranked), ranked, key=lambda pair: pair[0])
    return best


def _named(world: World, calendar: Calendar, *, beyond: bool) -> Iterator[tuple[Name, Occurrence]]:
    """The occurrences of a calendar's own events; of several in one slot, all but the first get their id as well.

    What ended before the day before yesterday's last hours decides nothing any more, and what begins beyond the
    horizon decides nothing yet, except about blocks that stand there.
    """
    events = [
        event
        for item in world.service.items(calendar.remote_id)
        for event in item.events
        if event.mark is None or event.adorned
    ]
    midnight = _midnight(world)
    window = Window(midnight - timedelta(hours=26), midnight + timedelta(days=120))
    found = [
        one for one in expand(events, window, calendar.zone).occurrences if beyond or not _is_beyond(world, one.span)
    ]
    first: dict[Name, str] = {}
    for one in sorted(found, key=lambda one: (one.slot, one.event.id)):
        event = one.event
        identity = event.uid or f"id:{event.series or event.id}"
        if first.setdefault((identity, one.slot), event.id) == event.id:
            yield (identity, one.slot), one
        else:
            yield (identity, f"{one.slot}#{event.id}"), one


def _rule(rules: list[MirrorRule], source: Calendar, target: Calendar) -> int | None:
    if source.id == target.id or not (source.enabled and source.publish and target.enabled and target.receive):
        return None
    fits = (
        place
        for place, rule in enumerate(rules)
        if rule.source in {None, source.id} and rule.target in {None, target.id}
    )
    return next(fits, None)


def _takes_time(world: World, one: Occurrence) -> bool:
    event, policy = one.event, world.options["policy"]
    return not (
        event.cancelled
        or event.kind is not EventKind.DEFAULT
        or event.response is Response.DECLINED
        or event.availability is Availability.FREE
        or one.span.empty
        or (event.response is Response.NEEDS_ACTION and policy.unanswered == "none")
    )


def _look(world: World, one: Occurrence, rule: MirrorRule) -> Look | None:
    policy = world.options["policy"]
    all_day, unanswered = rule.all_day or policy.all_day, rule.unanswered or policy.unanswered
    event = one.event
    if one.span.all_day and all_day == "skip":
        return None
    if event.response is Response.NEEDS_ACTION and unanswered == "none":
        return None
    unsure = (
        Availability.TENTATIVE in {event.availability}
        or event.response is Response.TENTATIVE
        or (event.response is Response.NEEDS_ACTION and unanswered == "tentative")
    )
    show_as = Availability.TENTATIVE if unsure and world.service.shows_tentative else Availability.BUSY
    if one.span.all_day and all_day == "free":
        show_as = Availability.FREE
    return one.span.in_utc(), show_as, _title(world, rule.title or policy.title, event)


def _title(world: World, pattern: str, event: Event) -> str:
    title = pattern.replace("{title}", "Busy" if event.private else event.title)
    return title[:TITLE_LIMIT].strip() if world.service.renormalise_titles else title


def _optional(world: World, span: Span) -> bool:
    # A block made under a longer horizon, or moved there with its meeting, stays; none is made there anew.
    return span.edges(UTC)[1] <= world.clock.now() or _is_beyond(world, span)


def _is_beyond(world: World, span: Span) -> bool:
    return span.edges(UTC)[0] >= _midnight(world) + timedelta(days=world.options["policy"].horizon_days + 1)


def _midnight(world: World) -> datetime:
    return world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def _is_over(span: Span, now: datetime) -> bool:
    """The past is left alone (decision 17); a day has passed when it has everywhere on earth."""
    return span.edges(UTC)[1] + (timedelta(hours=12) if span.all_day else timedelta()) <= now


def _words(look: Look) -> str:
    return f"{look[0].start}..{look[0].end} {look[1]} {look[2]!r}"
