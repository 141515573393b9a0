"""From stored entries to what takes place: single events, occurrences, exceptions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from attrs import frozen

from calsync_core.testing.simulators.graph.errors import not_found
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.recurrence import Recurrence
from calsync_core.testing.simulators.graph.state import Entry, Json
from calsync_core.testing.simulators.graph.times import Moment, zone_of

__all__ = ["Instance", "exceptions", "find", "instances", "itself", "neighbours", "overlaps", "slots"]

_Slot = tuple[datetime, Moment, Moment]
Kind = Literal["singleInstance", "seriesMaster", "occurrence", "exception"]


@frozen
class Instance:
    """One thing that Graph calls an event.

    Attributes:
        slot: The original start in UTC, of an occurrence or exception.
        version: What its etag is made of.
    """

    entry: Entry
    kind: Kind
    start: Moment
    end: Moment
    fields: Json
    version: int
    slot: datetime | None = None


def itself(entry: Entry) -> Instance:
    """The single event, or the master; a master's times are those of the first occurrence."""
    if entry.recurrence is None:
        return Instance(entry, "singleInstance", entry.start, entry.end, entry.fields, entry.version)
    _, start, end = next(slots(entry), (None, entry.start, entry.end))
    return Instance(entry, "seriesMaster", start, end, entry.fields, entry.version)


def slots(entry: Entry, since: datetime | None = None) -> Iterator[tuple[datetime, Moment, Moment]]:
    """Where the rule puts a series: the original start in UTC, start and end, cancelled and excepted ones included.

    With ``since``, those that begin then or later.

    The wall clock of the series' zone keeps time, for the start and for the end: Exchange stores both as minutes of
    the day ([MS-OXOCAL], StartTimeOffset and EndTimeOffset). A wall time that a change to DST skips is read with the
    offset before the change.
    """
    if entry.recurrence is not None:
        zone = entry.start.zone if entry.all_day else entry.recurrence.zone
        yield from _timeline(entry.recurrence, entry.start, entry.end, zone, entry.home).since(since)


def instances(entry: Entry, start: datetime, end: datetime) -> list[Instance]:
    """What of an entry overlaps a window; of a series, its occurrences and exceptions and not the master."""
    if entry.recurrence is None:
        return [itself(entry)] if overlaps(entry, entry.start, entry.end, start, end) else []
    found = []
    length = entry.end.wall - entry.start.wall
    for slot, first, last in slots(entry, start - length - timedelta(days=2)):
        # An all-day event lies up to a day from where UTC has it; overlaps() knows.
        if slot > end + timedelta(days=1):
            break
        special = slot in entry.exceptions or slot in entry.cancelled
        if not special and overlaps(entry, first, last, start, end):
            found.append(Instance(entry, "occurrence", first, last, entry.fields, entry.version, slot))
    found += [one for one in exceptions(entry) if overlaps(entry, one.start, one.end, start, end)]
    return sorted(found, key=lambda one: one.start.instant(entry.home))


def exceptions(entry: Entry) -> list[Instance]:
    """All exceptions of a series, by original start."""
    return [_exception(entry, slot) for slot in sorted(entry.exceptions)]


def overlaps(entry: Entry, first: Moment, last: Moment, start: datetime, end: datetime) -> bool:
    """Whether a time lies in a window, both ends exclusive; one without length, if it begins in it."""
    begins, ends = first.instant(entry.home), last.instant(entry.home)
    return begins < end and (ends > start or begins >= start)


def find(entry: Entry, wanted: EventId) -> Instance:
    """What an id stands for. Raises GraphError: the series has no such occurrence, or no longer."""
    if wanted.slot is None:
        return itself(entry)
    if entry.recurrence is None or wanted.slot in entry.cancelled:
        raise not_found()
    if wanted.slot in entry.exceptions:
        return _exception(entry, wanted.slot)
    slot, first, last = next(slots(entry, wanted.slot), (None, entry.start, entry.end))
    if slot == wanted.slot:
        return Instance(entry, "occurrence", first, last, entry.fields, entry.version, slot)
    raise not_found()


def neighbours(entry: Entry, slot: datetime) -> tuple[Instance | None, Instance | None]:
    """What takes place of a series before and after an occurrence."""
    before: datetime | None = None
    for other, _, _ in slots(entry):
        if other in entry.cancelled or other == slot:
            continue
        if other > slot:
            after = find(entry, EventId(entry.key, other))
            return None if before is None else find(entry, EventId(entry.key, before)), after
        before = other
    return None if before is None else find(entry, EventId(entry.key, before)), None


def _exception(entry: Entry, slot: datetime) -> Instance:
    special = entry.exceptions[slot]
    fields = {**entry.fields, **special.fields}
    version = max(entry.version, special.version)
    return Instance(entry, "exception", special.start, special.end, fields, version, slot)


class _Timeline:
    """The slots of a rule, worked out once and only as far as somebody looks."""

    def __init__(self, source: Iterator[_Slot]) -> None:
        self._source = source
        self._known: list[_Slot] = []
        self._places: list[datetime] = []

    def __iter__(self) -> Iterator[_Slot]:
        return self.since(None)

    def since(self, moment: datetime | None) -> Iterator[_Slot]:
        """In order, from the first one at this time or later."""
        if moment is not None:
            while not self._places or self._places[-1] < moment:
                if not self._grow():
                    break
        place = 0 if moment is None else bisect_left(self._places, moment)
        while place < len(self._known) or self._grow():
            yield self._known[place]
            place += 1

    def _grow(self) -> bool:
        following = next(self._source, None)
        if following is None:
            return False
        self._known.append(following)
        self._places.append(following[0])
        return True


@lru_cache(maxsize=4096)
def _timeline(recurrence: Recurrence, start: Moment, end: Moment, zone: str, home: str) -> _Timeline:
    first, last = start.seen_from(zone, home), end.seen_from(zone, home)
    length, clock = last.wall - first.wall, zone_of(zone, home)

    def walk() -> Iterator[_Slot]:
        for day in recurrence.dates():
            wall = datetime.combine(day, first.wall.time())
            yield wall.replace(tzinfo=clock).astimezone(UTC), Moment(wall, zone), Moment(wall + length, zone)

    return _Timeline(walk())
