"""Dates and times of events: as clients write them, as they are kept, and as they are shown.

Kept is ``{"date": …}``, or ``{"dateTime": …}`` in UTC with the ``timeZone`` that was written, if one was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from calsync_core.testing.simulators.google.errors import bad, missing

__all__ = [
    "Moment", "after", "extent", "find_zone", "instant", "keep", "moment_of", "read_instant", "show", "slot_key",
    "stamp",
]  # fmt: skip

Moment = datetime | date
"""An aware time, or the date of something all-day."""

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def find_zone(name: str) -> tzinfo | None:
    """The time zone of an IANA name, or None."""
    try:
        return UTC if name in {"UTC", "Etc/UTC"} else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def read_instant(text: str, parameter: str) -> datetime:
    """A query parameter: RFC 3339 with an offset.

    Raises:
        ApiError: it is something else (discovery document: "mandatory time zone offset").
    """
    parsed = _parsed(text)
    if parsed is None or parsed.tzinfo is None:
        raise bad("Bad Request", "badRequest", parameter=parameter)
    return parsed.astimezone(UTC)


def keep(value: Any, what: str, *, recurring: bool) -> dict[str, str]:
    """An ``EventDateTime`` that a client wrote, in the form it is kept in.

    Args:
        value: What came.
        what: ``start`` or ``end``, for messages.
        recurring: Then a time zone is required (discovery document, ``EventDateTime.timeZone``).

    Raises:
        ApiError: 400, as Google words it.
    """
    given = {name: item for name, item in (value or {}).items() if item is not None}
    if ("date" in given) == ("dateTime" in given):
        raise missing(f"Missing {what} time.") if not given.get("date") else bad(f"Invalid {what} time.")
    if "date" in given:
        return {"date": _kept_date(given["date"], what)}
    zone_name = given.get("timeZone")
    zone = find_zone(zone_name) if zone_name else None
    if zone_name and zone is None:
        raise bad(f"Invalid time zone definition for {what} time.")
    parsed = _parsed(given["dateTime"])
    if parsed is None:
        raise bad(f"Invalid {what} time.")
    if (parsed.tzinfo is None or recurring) and zone is None:
        raise missing(f"Missing time zone definition for {what} time.")
    # Whole seconds are kept, fractions are not.
    kept = {"dateTime": stamp(parsed.replace(tzinfo=parsed.tzinfo or zone))}
    return kept | {"timeZone": zone_name} if zone_name else kept


def moment_of(kept: Mapping[str, str]) -> Moment:
    """The date, or the time in the zone it was written in (UTC without one)."""
    if "date" in kept:
        return date.fromisoformat(kept["date"])
    return datetime.fromisoformat(kept["dateTime"]).astimezone(find_zone(kept.get("timeZone", "UTC")) or UTC)


def show(kept: Mapping[str, str], zone: tzinfo) -> dict[str, str]:
    """As answers show it: with the offset of this zone, whatever the event's own."""
    if "date" in kept or "dateTime" not in kept:
        return dict(kept)
    local = datetime.fromisoformat(kept["dateTime"]).astimezone(zone)
    text = local.isoformat() if zone is not UTC else stamp(local)
    return {**kept, "dateTime": text}


def instant(moment: Moment, zone: tzinfo) -> datetime:
    """On the time line, in UTC; a date begins at midnight in this zone."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone).astimezone(UTC)


def extent(body: Mapping[str, Any], zone: tzinfo) -> tuple[datetime, datetime]:
    """When an event begins and ends on the time line; all-day in this zone."""
    start, end = moment_of(body["start"]), moment_of(body["end"])
    return instant(start, zone), instant(end, zone)


def after(moment: Moment, length: timedelta) -> Moment:
    """That much later on the time line, not on the wall (RFC 5545: an exact duration); in the same zone."""
    if isinstance(moment, datetime):
        return (moment.astimezone(UTC) + length).astimezone(moment.tzinfo)
    return moment + length


def slot_key(moment: Moment) -> str:
    """How the id of an instance ends: ``20261201T090000Z``, or ``20261201``."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{moment:%Y%m%d}"


def stamp(moment: datetime, *, milliseconds: bool = False) -> str:
    """A time in UTC as the API writes it."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


def _parsed(text: Any) -> datetime | None:
    if not isinstance(text, str) or not _DATE_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _kept_date(text: Any, what: str) -> str:
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise bad(f"Invalid {what} time.")
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise bad(f"Invalid {what} time.") from None
