"""Wall times of a series, and the moment that each one means."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

from attrs import frozen

from calsync_core.models import Event, Moment, Span

__all__ = ["FIRST_WALL", "LAST_WALL", "LONGEST", "Dial", "Steps", "Unusable", "moved", "placed"]

LONGEST = timedelta(days=366)
"""An occurrence longer than this is a mistake or an attack; it is parked (I-25)."""


FIRST_WALL = datetime.min  # noqa: DTZ901  (a wall time: naive on purpose)
LAST_WALL = datetime.max  # noqa: DTZ901  (a wall time: naive on purpose)


class Unusable(ValueError):
    """A series can't be expanded. The message is the reason shown to the user; it never quotes the event."""


class Steps:
    """What expanding one series may cost: one step is a period looked at or an instance made."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0

    def spend(self, steps: int = 1) -> None:
        """Count some work before it is done.

        Raises:
            Unusable: it would be more than the limit.
        """
        self.spent += steps
        if self.spent > self.limit:
            raise Unusable(f"recurrence: needs more than {self.limit} steps inside this window")


def moved(wall: datetime, delta: timedelta) -> datetime:
    """``wall + delta``, stopping at the first and the last moment that a datetime can hold."""
    try:
        return wall + delta
    except OverflowError:
        limit = LAST_WALL if delta > timedelta(0) else FIRST_WALL
        return limit.replace(tzinfo=wall.tzinfo)


@frozen
class Dial:
    """How a series tells time: naive wall times on one side, moments on the other.

    Attributes:
        zone: In which a timed series repeats; None for an all-day series, whose wall times are midnights of dates.
        home: The calendar's zone: where the midnights of an all-day series lie, for those who write them in UTC.
    """

    zone: tzinfo | None
    home: tzinfo = UTC

    @classmethod
    def of(cls, moment: Moment, home: tzinfo = UTC) -> Dial:
        """The dial of a series that starts at this moment, in a calendar with this zone."""
        return cls(moment.tzinfo if isinstance(moment, datetime) else None, home)

    def wall(self, moment: Moment) -> datetime:
        """The wall time that shows at a moment; a date shows as its midnight, a naive time as it is.

        On an all-day dial a datetime, which RFC 5545 does not allow there, counts with its date as written
        (``EXDATE:20261224T000000Z`` means the 24th, whatever the zone). But a UTC time that is neither the beginning
        nor the end of a day is Exchange's way to write a midnight of the calendar's own zone
        (``UNTIL=20261223T230000Z`` from Berlin means the 24th).
        """
        if not isinstance(moment, datetime):
            return datetime.combine(moment, time.min)
        if self.zone is None:
            odd = moment.utcoffset() == timedelta(0) and moment.strftime("%H%M%S") not in {"000000", "235959"}
            return datetime.combine(moment.astimezone(self.home) if odd else moment, time.min)
        if moment.tzinfo is None:
            return moment
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def moment(self, wall: datetime) -> Moment:
        """The moment that a wall time means.

        RFC 5545, 3.3.5: a wall time that does not exist is read with the UTC offset before the gap; one that exists
        twice means the first (I-19).
        """
        if self.zone is None:
            return wall.date()
        return wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC).astimezone(self.zone)

    def span(self, start: Moment, length: timedelta) -> Span:
        """From ``start``, ``length`` of real time long; on an all-day dial that many whole days."""
        if isinstance(start, datetime):
            return Span(start, (start.astimezone(UTC) + length).astimezone(start.tzinfo))
        return Span(start, start + timedelta(days=length.days))

    def length(self, span: Span) -> timedelta:
        """How long the occurrences last of a series whose first occurrence is ``span``.

        RFC 5545, 3.8.5.3: DTEND fixes one exact duration for all. It is read off the wall clock of the first, so that
        a first occurrence across a daylight saving change, or in its gap, doesn't make all others an hour too long
        or empty; where the wall clock shows nothing or less (inside the doubled hour), real time counts.
        """
        shown = self.wall(span.end) - self.wall(span.start)
        if shown > timedelta(0):
            return shown
        first, last = span.edges(UTC)
        return last - first

    def last_wall(self, until: Moment) -> datetime:
        """A wall time after which UNTIL leaves no occurrence; ``within`` has the exact answer."""
        if not isinstance(until, datetime):
            return datetime.combine(until, time.max)
        if self.zone is None or until.tzinfo is None:
            return self.wall(until)
        try:
            return moved(self.wall(until), timedelta(days=1))
        except OverflowError:
            # UNTIL=99991231T235959Z is next year already east of Greenwich.
            return LAST_WALL

    def within(self, wall: datetime, until: Moment) -> bool:
        """Whether an occurrence at this wall time is not after UNTIL.

        A date includes its whole day on the wall (RFC 5545, 3.3.10, wants a UTC time for a timed series; programs
        that write a date mean the day). A floating time, as wrong and as common, is compared on the wall.
        """
        if isinstance(until, datetime) and until.tzinfo is not None and self.zone is not None:
            return wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC) <= until
        return wall <= self.last_wall(until)


def placed(event: Event) -> Span:
    """The event's own span, mended where the gap of a daylight saving change swallowed it.

    02:30 to 03:30 on the night without the hour from 02:00 starts, by RFC 5545, at 03:30, and would end where it
    starts: it keeps the length that the wall clock gives it.
    """
    span = event.span
    if span.all_day or not span.empty:
        return span
    dial = Dial.of(span.start)
    return dial.span(span.start, dial.length(span))
