"""From events to occurrences: series expanded in their own zone, exceptions in their place.

How it reads RFC 5545 where that leaves a choice, or where calendars differ from it:

* DTSTART is always the first occurrence and counts toward COUNT, also where the rule does not name it (3.3.10), unless
  there are several rules. Only UNTIL before DTSTART leaves nothing of the series.
* Rules run on the wall clock of the master's zone; what a wall time means is said in ``walls.Dial.moment``.
* DTEND fixes an exact duration (3.8.5.3): 23:00 to 07:00 ends at 06:00 in the night that has an hour more. The first
  occurrence is as it was written.
* An EXDATE wins over everything, an exception over the rule, a period over a plain RDATE. An exception whose slot the
  rule does not name takes place all the same.
* RANGE=THISANDFUTURE moves all later occurrences by the same wall time and gives them its length, until the next such
  exception; they keep their own slots. If it is cancelled, the series ends there.
* A cancelled master takes its exceptions with it. Exceptions without a master stand for themselves.
* A series that can't be read or costs too much is parked as a whole: a part of its occurrences would look like the
  cancellation of the others. Its exceptions, which say themselves when they are, still take place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from attrs import evolve

from calsync_core.core.occurrences.reach import bounds
from calsync_core.core.occurrences.series import Series, in_precedence, standing
from calsync_core.core.occurrences.walls import LONGEST, Steps, Unusable, placed
from calsync_core.models import Event, Expansion, Occurrence, Parked, Window

__all__ = ["EXPANSION_VERSION", "bounds", "expand", "may_recur"]

EXPANSION_VERSION: int = 1
"""Part of what a stored plan was made with: raise it when ``expand`` gives other results for the same events."""


def may_recur(event: Event) -> bool:
    """Whether the event is the master of a series."""
    return event.series is None and bool(event.recurrence)


def expand(events: Iterable[Event], window: Window, zone: tzinfo, *, budget: int = 20_000) -> Expansion:
    """Find what takes place inside a window.

    Args:
        events: Of one calendar, in any order: single events, masters, exceptions, of any number of series. Ids are
            unique among them. Marks mean nothing here.
        window: Occurrences that overlap it are returned (``Window.overlaps``).
        zone: The calendar's; for the midnights of all-day events and nothing else.
        budget: Steps that one series may cost: periods looked at and instances made.

    Returns:
        Occurrences by start, event id and slot, and what had to be parked by event id. Slots are distinct within a
        series. No event, however odd, makes this raise.
    """
    masters: dict[str, Event] = {}
    exceptions: defaultdict[str, list[Event]] = defaultdict(list)
    parked: list[Parked] = []
    for event in (_checked(event, zone) for event in events):
        if event.parked is not None and not event.cancelled:
            parked.append(Parked(event.id, event.parked))
        if event.series is None:
            masters[event.id] = event
        else:
            exceptions[event.series].append(event)
    found: list[Occurrence] = []
    for key in [*masters, *(series for series in exceptions if series not in masters)]:
        master, replaced = masters.get(key), exceptions.get(key, [])
        if master is not None and master.parked is None:
            try:
                found.extend(_series(master, replaced, window, zone, budget))
                continue
            except Unusable as error:
                parked.append(Parked(master.id, str(error)))
            except (OverflowError, ValueError):
                parked.append(Parked(master.id, "lies outside the years 1 to 9999"))
        if master is None or not master.cancelled:
            found.extend(_orphans(replaced, window, zone))
    found.sort(key=lambda occurrence: (occurrence.span.edges(zone)[0], occurrence.event.id, occurrence.slot))
    return Expansion(tuple(found), tuple(sorted(parked, key=lambda one: one.event_id)))


def _checked(event: Event, zone: tzinfo) -> Event:
    """The event, parked if it is too long to be true."""
    if event.parked is None:
        try:
            first, last = placed(event).edges(zone)
        except OverflowError:
            return evolve(event, parked="lies outside the years 1 to 9999")
        if last - first > LONGEST:
            return evolve(event, parked="longer than a year")
    return event


def _series(master: Event, exceptions: list[Event], window: Window, zone: tzinfo, budget: int) -> Iterable[Occurrence]:
    if master.cancelled:
        return []
    return list(Series(master, tuple(exceptions), window, zone, Steps(budget)).occurrences())


def _orphans(exceptions: Iterable[Event], window: Window, zone: tzinfo) -> Iterator[Occurrence]:
    for exception in {exception.slot: exception for exception in in_precedence(exceptions)}.values():
        yield from standing(exception, exception.slot, window, zone)
