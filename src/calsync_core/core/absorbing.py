"""What one page of a read does to the record: a pure function over values.

A store loads the rows that a page names, asks ``absorb`` what becomes of them, and saves the answer in the same
transaction. Two stores can therefore differ in how they keep rows, not in what they conclude.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import evolve, field, frozen

from calsync_core.core.recording import Line, in_order, line_for, owe, plannable
from calsync_core.errors import InvalidValue
from calsync_core.models import Block, Calendar, ChangeCount, Changes, Debt, Event, Item, Mark, Moment, ReadState

__all__ = ["Absorbed", "Known", "StoredItem", "absorb", "named_keys", "same_event", "stored_item"]


@frozen
class StoredItem:
    """An item as a store keeps it.

    Attributes:
        round: The last snapshot round begun when it was last seen.
    """

    key: str
    events: tuple[Event, ...] = field(repr=False)
    etag: str | None = None
    version: datetime | None = None
    series: str | None = None
    round: int = 0


@frozen
class Known:
    """What a store has recorded about the keys that one page names.

    Attributes:
        items: Stored items of ``named_keys`` and those whose ``series`` is one of ``Changes.removed``.
        debts: Of all these keys.
        blocks: Recorded blocks, every state, by native id, for all these keys on this calendar.
    """

    state: ReadState
    items: Mapping[str, StoredItem]
    debts: Mapping[str, Debt]
    blocks: Mapping[str, Sequence[Block]]


@frozen
class Absorbed:
    """What one page changes in the store.

    Attributes:
        replaced: Items whose events changed: write the item and all its event rows.
        refreshed: Items whose events are as stored: write the item row only.
        stamped: Other stored keys that get ``round``.
        removed: Stored keys that go, with their events.
        debts: Debts to insert or replace by key.
        settled: Keys whose debt rows go.
        lines: Journal lines, in a stable order.
        state: The new ReadState; None: unchanged.
        first_complete: This is the calendar's first committed snapshot.
    """

    round: int
    replaced: tuple[StoredItem, ...] = ()
    refreshed: tuple[StoredItem, ...] = ()
    stamped: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    debts: tuple[Debt, ...] = ()
    settled: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    count: ChangeCount = field(factory=ChangeCount)
    state: ReadState | None = None
    first_complete: bool = False


def named_keys(changes: Changes) -> set[str]:
    """Every item key a page mentions."""
    return {
        *(item.key for item in changes.items),
        *changes.removed,
        *changes.present,
        *(debt.key for debt in changes.debts),
        *changes.settled,
    }


def absorb(changes: Changes, calendar: Calendar, known: Known) -> Absorbed:
    """Decide what a page of a read does to the stored items, debts, journal and read state of a calendar.

    A key that the page both removes and shows (as an item or as a debt) stays: absence is believed only where
    nothing contradicts it (I-07). Without a round the last one begun is stamped, so that an item read by id in the
    middle of a snapshot does not look unseen at its end.

    Raises:
        InvalidValue: ``snapshot_done`` without a cursor.
    """
    if changes.snapshot_done and changes.cursor is None:
        raise InvalidValue("snapshot_done: a snapshot is only done with the cursor of its last page")
    seen_round = known.state.round if changes.round is None else changes.round
    owed = {debt.key: owe(known.debts.get(debt.key), debt) for debt in changes.debts}
    after, shown = _upserted(changes, known, seen_round)
    removed = _removed(changes, after, owed.keys())
    for key in removed:
        after.pop(key, None)
    settled = [key for key in sorted({*changes.settled, *shown, *removed}) if key in known.debts and key not in owed]
    changed = {key for key in {*shown, *removed} if not _same_events(known.items.get(key), after.get(key))}
    saved = [after[key] for key in shown if key in after]
    stamps = {*(item.key for item in changes.items), *changes.present, *owed} & after.keys()
    return Absorbed(
        round=seen_round,
        replaced=tuple(item for item in saved if item.key in changed),
        refreshed=tuple(item for item in saved if item.key not in changed),
        stamped=tuple(sorted(stamps - {item.key for item in saved})),
        removed=tuple(sorted(key for key in removed if key in known.items)),
        debts=tuple(owed.values()),
        settled=tuple(settled),
        lines=in_order(_lines(changed, shown, settled, calendar, known, after)),
        count=_count(changed, known, after),
        state=_read_state(changes, known.state),
        first_complete=changes.snapshot_done and not known.state.complete,
    )


def _upserted(changes: Changes, known: Known, seen_round: int) -> tuple[dict[str, StoredItem], dict[str, None]]:
    after = dict(known.items)
    saved: dict[str, None] = {}
    for item in changes.items:
        stored = after.get(item.key)
        if stored is not None and _older(item.version, stored.version):
            continue
        after[item.key] = stored_item(item, stored, seen_round)
        saved[item.key] = None
    return after, saved


def stored_item(item: Item, stored: StoredItem | None, seen_round: int) -> StoredItem:
    """The item as it replaces the stored one. What it does not state stays (I-14).

    A version: an older replay must lose. A tag, where the listing shows none.
    """
    version = item.version or (stored.version if stored else None)
    known = {event.id: event.mark for event in stored.events} if stored else {}
    events = tuple(_with_tag(event, known.get(event.id)) for event in item.events)
    return StoredItem(item.key, events, item.etag, version, item.series, seen_round)


def _with_tag(event: Event, known: Mark | None) -> Event:
    mark = event.mark
    if mark is None or mark.shows_tag:
        return event
    same = known is not None and (known.key, known.generation) == (mark.key, mark.generation)
    return evolve(event, mark=evolve(mark, shows_tag=True, tag=known.tag if known is not None and same else None))


def _older(version: datetime | None, stored: datetime | None) -> bool:
    return version is not None and stored is not None and version < stored


def _removed(changes: Changes, after: Mapping[str, StoredItem], owed: Iterable[str]) -> set[str]:
    contradicted = {*(item.key for item in changes.items), *owed}
    named = set(changes.removed) - contradicted
    return named | {key for key, item in after.items() if item.series in named and key not in owed}


def _same_events(before: StoredItem | None, after: StoredItem | None) -> bool:
    old, new = _exact_events(before), _exact_events(after)
    if (before is None) != (after is None) or len(old) != len(new):
        return False
    return old == new or (len(old) > 1 and sorted(old, key=repr) == sorted(new, key=repr))


def _exact_events(item: StoredItem | None) -> list[tuple[object, ...]]:
    return [_exact(event) for event in item.events] if item else []


def same_event(one: Event, other: Event) -> bool:
    """Whether two events say exactly the same.

    ``==`` compares aware datetimes as instants, and ignores ``fold`` inside one zone. A series that moves to another
    zone at the same instant, or a wall time that moves to its second occurrence, is a change all the same.
    """
    return one == other and _exact(one) == _exact(other)


def _exact(event: Event) -> tuple[object, ...]:
    return (event, _wall(event.span.start), _wall(event.span.end), _wall(event.original_start))


def _wall(moment: Moment | None) -> tuple[object, ...]:
    if isinstance(moment, datetime):
        return (moment.replace(tzinfo=None).isoformat(), moment.fold, str(moment.tzinfo))
    return (moment,)


def _differing(before: StoredItem | None, after: StoredItem | None) -> tuple[list[Event], list[Event]]:
    old = before.events if before else ()
    new = after.events if after else ()
    return _lacking(old, new), _lacking(new, old)


def _lacking(events: Iterable[Event], others: Iterable[Event]) -> list[Event]:
    """Those that are not among the others, without comparing each with each: an item may have thousands."""
    by_id: defaultdict[str, list[Event]] = defaultdict(list)
    for other in others:
        by_id[other.id].append(other)
    return [event for event in events if not any(same_event(event, other) for other in by_id.get(event.id, ()))]


def _lines(  # noqa: PLR0917  (one page in its parts)
    changed: Collection[str],
    shown: Iterable[str],
    settled: Iterable[str],
    calendar: Calendar,
    known: Known,
    after: Mapping[str, StoredItem],
) -> set[Line]:
    learned = [key for key in shown if key not in changed and _tells_etag(key, known, after)]
    lines = {*_event_lines(changed, calendar, known, after), *_debt_lines(settled, known, after)}
    for key in learned:
        for event in after[key].events:
            lines |= set(_lines_of(event, calendar.owner, known.blocks[key]))
    return lines


def _tells_etag(key: str, known: Known, after: Mapping[str, StoredItem]) -> bool:
    """Whether this is the first word on the revision of a block of ours: the write did not tell it, and without it an
    edit that keeps the times could pass for what the service made of our write.
    """
    before = known.items.get(key)
    told = before is not None and before.etag is None and key in after and after[key].etag is not None
    return told and any(block.etag is None for block in known.blocks.get(key, ()))


def _event_lines(
    changed: Iterable[str], calendar: Calendar, known: Known, after: Mapping[str, StoredItem]
) -> Iterator[Line]:
    for key in changed:
        gone, come = _differing(known.items.get(key), after.get(key))
        for event in (*gone, *come):
            yield from _lines_of(event, calendar.owner, known.blocks.get(key, ()))


def _lines_of(event: Event, owner: str, blocks: Sequence[Block]) -> Iterator[Line]:
    if event.mark is None:
        yield Line(owner, event.identity)
        return
    if plannable(event):
        yield Line(owner, event.identity)
    if blocks:
        yield from map(line_for, blocks)
    else:
        yield Line(owner, event.mark.key, is_key=True)


def _debt_lines(settled: Iterable[str], known: Known, after: Mapping[str, StoredItem]) -> Iterator[Line]:
    for key in settled:
        if key not in after or known.debts[key].reason.startswith(("conflict", "taken")):
            yield from map(line_for, known.blocks.get(key, ()))


def _count(changed: Iterable[str], known: Known, after: Mapping[str, StoredItem]) -> ChangeCount:
    created = updated = deleted = 0
    for key in changed:
        gone, come = _differing(known.items.get(key), after.get(key))
        old = {event.id for event in gone if event.mark is None}
        new = {event.id for event in come if event.mark is None}
        created, updated, deleted = created + len(new - old), updated + len(new & old), deleted + len(old - new)
    return ChangeCount(created, updated, deleted)


def _read_state(changes: Changes, state: ReadState) -> ReadState | None:
    if changes.cursor is None:
        return None
    read = evolve(state, cursor=changes.cursor, read_at=changes.at, failures=0, last_error=None, due_at=None)
    return evolve(read, complete=True, full_at=changes.at) if changes.snapshot_done else read
