"""Points and spans in time: a date stays a date, a datetime is always aware."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from attrs import field, frozen

from calsync_core.errors import InvalidValue

__all__ = ["Moment", "Span", "Window", "is_all_day", "require_utc", "slot_of"]

Moment: TypeAlias = datetime | date
"""A ``date`` (all-day: no zone, ever) or an aware ``datetime`` whose tzinfo is a ``ZoneInfo`` or UTC."""


def is_all_day(moment: Moment) -> bool:
    """Whether the moment is a date and not a datetime (``datetime`` is a subclass of ``date``)."""
    return not isinstance(moment, datetime)


def require_utc(name: str, instant: datetime) -> datetime:
    """Return the instant in UTC.

    Raises:
        InvalidValue: if it is naive; the message starts with ``name``.
    """
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise InvalidValue(f"{name}: needs a datetime with a time zone, got {instant!r}")
    return instant.astimezone(UTC)


def slot_of(moment: Moment) -> str:
    """The canonical text of an occurrence's original start: ``20261124`` or ``20261124T090000Z``.

    Every provider names an occurrence of a series by its original start (RFC 5545 RECURRENCE-ID, Google's
    ``originalStartTime``, Graph's ``originalStart``); in UTC they all agree.
    """
    if not isinstance(moment, datetime):
        return moment.strftime("%Y%m%d")
    # What is an hour before the year 1 in UTC stays as it is: no two moments there are worth telling apart.
    with suppress(OverflowError):
        moment = moment.astimezone(UTC)
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _check_moment(_instance: object, attribute: object, value: Moment) -> None:
    name = getattr(attribute, "name", "moment")
    if not isinstance(value, date):
        raise InvalidValue(f"{name}: needs a date or a datetime, got {type(value).__name__}")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidValue(f"{name}: needs a time zone, got a naive datetime")
        if not (isinstance(value.tzinfo, ZoneInfo) or value.tzinfo in {UTC, UTC}):
            raise InvalidValue(f"{name}: needs a ZoneInfo or UTC, got {type(value.tzinfo).__name__}")


@frozen
class Span:
    """A half-open stretch of time, ``[start, end)``: two dates (all-day) or two aware datetimes.

    A zero-length span is allowed (an event can have one; it blocks nothing). Instants are compared on the time line,
    not on the wall, so a span across the end of daylight saving time is right.

    Raises:
        InvalidValue: naive datetime, mixed kinds, fixed-offset zone, or an end before the start.
    """

    start: Moment = field(validator=_check_moment)
    end: Moment = field(validator=_check_moment)

    def __attrs_post_init__(self) -> None:
        if is_all_day(self.start) != is_all_day(self.end):
            raise InvalidValue("end: a date and a datetime can't be mixed in one span")
        first, last = self.edges(UTC)
        if last < first:
            raise InvalidValue(f"end: {self.end} is before the start {self.start}")

    @property
    def all_day(self) -> bool:
        """Whether the span is made of dates."""
        return is_all_day(self.start)

    @property
    def empty(self) -> bool:
        """Whether the span has no length."""
        first, last = self.edges(UTC)
        return first == last

    def edges(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Start and end as UTC instants; ``zone`` is where an all-day span's midnights lie."""
        return _instant(self.start, zone), _instant(self.end, zone)

    def in_utc(self) -> Span:
        """The same span with its datetimes in UTC; an all-day span is returned as it is."""
        if self.all_day:
            return self
        return Span(*self.edges(UTC))


def _utc_start(value: datetime) -> datetime:
    return require_utc("start", value)


def _utc_end(value: datetime) -> datetime:
    return require_utc("end", value)


@frozen
class Window:
    """A half-open stretch of the time line in UTC, ``[start, end)``: the horizon, or what a listing covered."""

    start: datetime = field(converter=_utc_start)
    end: datetime = field(converter=_utc_end)

    def overlaps(self, span: Span, zone: tzinfo) -> bool:
        """Whether the span has a part inside the window (a zero-length span: whether it lies inside)."""
        first, last = span.edges(zone)
        if first == last:
            return self.start <= first < self.end
        return first < self.end and last > self.start


def _instant(moment: Moment, zone: tzinfo) -> datetime:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone).astimezone(UTC)
