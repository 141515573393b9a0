"""What of a page of changes is worth keeping, and when to ask again for what could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from attrs import evolve

from calsync_core.core.occurrences import bounds
from calsync_core.models import Event, Item, Moment, Span

__all__ = ["EXPANSION_MARGIN", "earliest", "relevant", "retry_at"]

EXPANSION_MARGIN = timedelta(hours=26)
"""An all-day event begins and ends up to this far from where it would in UTC: zones reach from UTC−12 to UTC+14."""

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=6)


def earliest(now: datetime) -> datetime:
    """From when on events matter today. It moves once a day, as the horizon's end does.

    Which copy of a meeting decides can depend on what has dropped out: so nothing may drop out between two plans.
    """
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - EXPANSION_MARGIN


def relevant(items: Iterable[Item], zone: tzinfo, now: datetime) -> tuple[Item, ...]:
    """The items without events that are over for good; the items stay, with their etags.

    An exception is kept as long as the slot it replaces lies ahead, wherever it was moved to: without it the master
    would fill the slot again. Blocks are always kept.
    """
    since = earliest(now)
    return tuple(
        evolve(item, events=tuple(event for event in item.events if _matters(event, zone, since))) for item in items
    )


def _matters(event: Event, zone: tzinfo, since: datetime) -> bool:
    if event.mark is not None or event.and_future or event.parked is not None:
        return True
    if event.original_start is not None and _lies_after(event.original_start, zone, since):
        return True
    end = bounds(event, zone)[1]
    return end is None or end > since


def _lies_after(moment: Moment, zone: tzinfo, instant: datetime) -> bool:
    try:
        return Span(moment, moment).edges(zone)[0] > instant
    except OverflowError:
        # Beyond the years 1 to 9999, at one end or the other.
        return moment.year > instant.year


def retry_at(now: datetime, attempts: int) -> datetime:
    """When to try again after so many failures in a row: a minute, then twice as long each time, up to 6 hours."""
    return now + min(_FIRST_PAUSE * (1 << min(attempts, 12)), _LONGEST_PAUSE)
