"""One series: a master, its rule, and the exceptions that change single occurrences or all later ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import pairwise

from attrs import frozen

from calsync_core.core.occurrences.instances import instances
from calsync_core.core.occurrences.lines import Recurrence, parse_lines
from calsync_core.core.occurrences.rule import Rule
from calsync_core.core.occurrences.walls import FIRST_WALL, Dial, Steps, moved, placed
from calsync_core.models import Event, Moment, Occurrence, Span, Window, slot_of

__all__ = ["Series", "in_precedence", "standing"]

# Zones differ by 26 hours at the most, and a change of offset is at most a day (Samoa skipped one).
_SLACK = timedelta(days=3)


@frozen
class _Stretch:
    """A part of the series in which one event says how its occurrences look.

    Attributes:
        event: The master, or a THISANDFUTURE exception.
        begin: Original wall time from which it applies.
        shift: What it adds to the original wall time.
        dial: On which the result is read: an exception may make timed occurrences of all-day ones.
        length: Of each occurrence.
    """

    event: Event
    begin: datetime
    shift: timedelta
    dial: Dial
    length: timedelta


@frozen
class Series:
    """A master and its exceptions, inside one window.

    Attributes:
        zone: Where the midnights of all-day occurrences lie.
        steps: What the expansion may still cost.
    """

    master: Event
    exceptions: tuple[Event, ...]
    window: Window
    zone: tzinfo
    steps: Steps

    @cached_property
    def dial(self) -> Dial:
        """The master's."""
        return Dial.of(self.master.span.start, self.zone)

    @cached_property
    def first(self) -> datetime:
        """DTSTART on the wall; rules know no fractions of a second."""
        return self.dial.wall(self.master.span.start).replace(microsecond=0)

    @cached_property
    def first_slot(self) -> str:
        """DTSTART's."""
        return slot_of(self.master.span.start)

    def occurrences(self) -> Iterator[Occurrence]:
        """All that take place inside the window, in no order; the slots are distinct.

        Raises:
            Unusable: the recurrence can't be read, or costs too much.
        """
        recurrence = parse_lines(self.master.recurrence, self.master.span.start, self.zone)
        replaced = self._replaced()
        for slot, (wall, exception) in replaced.items():
            # An EXDATE wins over an exception of the same slot: the occurrence is not in the recurrence set at all.
            if not recurrence.excludes(wall, slot):
                yield from standing(exception, slot, self.window, self.zone)
        stretches = self._stretches()
        ends = [following.begin for _, following in pairwise(stretches)]
        taken = set(replaced)
        for stretch, end in zip(stretches, [*ends, None], strict=True):
            for wall, slot, span in self._spans(recurrence, stretch, end):
                if slot not in taken:
                    taken.add(slot)
                    if not recurrence.excludes(wall, slot):
                        yield Occurrence(stretch.event, slot if self.master.recurrence else "", span)

    def _original(self, exception: Event) -> tuple[datetime, str]:
        """Wall time and slot of the occurrence an exception names, in the master's own kind.

        A date naming an occurrence of a timed series means the one of that day, at the hour of the series; a time
        naming one of an all-day series means its date.
        """
        named = exception.span.start if exception.original_start is None else exception.original_start
        if self.dial.zone is not None and isinstance(named, datetime):
            return self.dial.wall(named), slot_of(named)
        wall = datetime.combine(self.dial.wall(named), self.first.time())
        return wall, slot_of(self.dial.moment(wall))

    def _replaced(self) -> dict[str, tuple[datetime, Event]]:
        """The exception that speaks for each slot, by slot, with its original wall time."""
        found: dict[str, tuple[datetime, Event]] = {}
        for exception in in_precedence(self.exceptions):
            wall, slot = self._original(exception)
            found[slot] = (wall, exception)
        return found

    def _stretches(self) -> list[_Stretch]:
        """In order of their beginning; two exceptions for one beginning: the last by id."""
        master = _Stretch(self.master, FIRST_WALL, timedelta(0), self.dial, self.dial.length(self.master.span))
        found = {master.begin: master}
        for exception in sorted(self.exceptions, key=lambda event: event.id):
            if exception.and_future:
                begin, _ = self._original(exception)
                start = exception.span.start
                # A timed series goes on in its own zone; one that was all-day takes the zone it is moved to.
                dial = self.dial if isinstance(start, datetime) and self.dial.zone else Dial.of(start, self.zone)
                shift = dial.wall(start) - begin
                found[begin] = _Stretch(exception, begin, shift, dial, dial.length(exception.span))
        return [found[begin] for begin in sorted(found)]

    def _spans(
        self, recurrence: Recurrence, stretch: _Stretch, end: datetime | None
    ) -> Iterator[tuple[datetime, str, Span]]:
        """Original wall time, slot and span of each occurrence of a stretch inside the window."""
        if stretch.event.cancelled or stretch.event.parked:
            return
        earliest = moved(_wall(self.window.start, self.zone), -stretch.length - stretch.shift - _SLACK)
        latest = moved(_wall(self.window.end, self.zone), _SLACK - stretch.shift)
        if end is not None:
            # The exception that ends the stretch has taken the slot of ``end`` itself.
            latest = min(latest, end)
        for wall, start, own in self._starts(recurrence, stretch.begin, max(earliest, stretch.begin), latest):
            slot = slot_of(start)
            span = self._span(stretch, wall, start, own, slot)
            if self.window.overlaps(span, self.zone):
                yield wall, slot, span

    def _starts(
        self, recurrence: Recurrence, begin: datetime, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, Moment, timedelta | None]]:
        """Original starts on the wall and on the time line, with their own length if they have one.

        An RDATE comes before the rule, so that of two equal starts the one with a length of its own stands. It may
        lie anywhere from ``begin``, since its length is its own.
        """
        excluded = {wall for rule in recurrence.exrules for wall in self._walls(rule, start, end, anchored=False)}
        for addition in recurrence.additions:
            self.steps.spend()
            wall = self.dial.wall(addition.start)
            if begin <= wall <= end and wall not in excluded:
                yield wall, addition.start, addition.length
        # Of several rules none can be the one for which an odd DTSTART counts.
        alone = len(recurrence.rules) == 1
        if not alone and start <= self.first <= end and self.first not in excluded:
            yield self.first, self.master.span.start, None
        for rule in recurrence.rules:
            for wall in self._walls(rule, start, end, anchored=alone):
                if wall not in excluded:
                    yield wall, self._moment(wall), None

    def _walls(self, rule: Rule, start: datetime, end: datetime, *, anchored: bool) -> Iterator[datetime]:
        self.steps.spend()
        last = end if rule.until is None else min(end, self.dial.last_wall(rule.until))
        for wall in instances(rule, self.first, start, last, self.steps, anchored=anchored):
            if rule.until is None or self.dial.within(wall, rule.until):
                yield wall

    def _moment(self, wall: datetime) -> Moment:
        # DTSTART says itself which of two equal wall times it means.
        return self.master.span.start if wall == self.first else self.dial.moment(wall)

    def _span(self, stretch: _Stretch, wall: datetime, start: Moment, own: timedelta | None, slot: str) -> Span:
        if stretch.event is not self.master:
            return stretch.dial.span(stretch.dial.moment(wall + stretch.shift), stretch.length)
        if own is not None:
            return stretch.dial.span(start, own)
        if slot == self.first_slot:
            return placed(self.master)
        return stretch.dial.span(start, stretch.length)


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    try:
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return instant.astimezone(UTC).replace(tzinfo=None)


def in_precedence(exceptions: Iterable[Event]) -> list[Event]:
    """Exceptions in such an order that of several for one slot the last one speaks: one that is for this occurrence
    alone over THISANDFUTURE, then the greatest id.
    """
    return sorted(exceptions, key=lambda event: (not event.and_future, event.id))


def standing(event: Event, slot: str, window: Window, zone: tzinfo) -> Iterator[Occurrence]:
    """The occurrence that an event is by itself, if it takes place inside the window."""
    if not event.cancelled and event.parked is None:
        span = placed(event)
        if window.overlaps(span, zone):
            yield Occurrence(event, slot, span)
