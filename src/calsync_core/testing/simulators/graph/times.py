"""Graph's times: wall times with seven fractional digits beside the name of a zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from calsync_core.core.zones import resolve_zone
from calsync_core.testing.simulators.graph.errors import GraphError, bad_property, invalid_request

__all__ = ["CUSTOM_ZONE", "Moment", "format_instant", "parse_date", "parse_edge", "zone_of"]

CUSTOM_ZONE = "tzone://Microsoft/Custom"
"""``originalStartTimeZone`` of an event from a client with a zone of its own making: nobody else can resolve it."""

_WALL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,7})?")


def zone_of(name: str, home: str) -> ZoneInfo:
    """The zone by its Windows or IANA name. A custom one follows the mailbox's (``home``), unknown to clients.

    Raises:
        GraphError: there is no such zone.
    """
    zone = resolve_zone(home if name == CUSTOM_ZONE else name)
    if zone is None:
        message = f"A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'."
        raise GraphError(400, "TimeZoneNotSupportedException", message)
    return zone


@frozen
class Moment:
    """A wall time in a named zone, as ``start`` and ``end`` have it."""

    wall: datetime
    zone: str

    @classmethod
    def parse(cls, value: Any, home: str, what: str) -> Moment:
        """From ``{"dateTime", "timeZone"}``. Raises GraphError."""
        if not isinstance(value, dict) or not isinstance(value.get("dateTime"), str):
            raise bad_property(f"{what}: a dateTime is needed")
        found = _WALL.fullmatch(value["dateTime"])
        if found is None:
            raise bad_property(f"{what}.dateTime: '{value['dateTime']}' is no local date and time")
        name = value.get("timeZone") or "UTC"
        if not isinstance(name, str):
            raise bad_property(f"{what}.timeZone: a name is needed")
        zone_of(name, home)
        try:
            wall = datetime.fromisoformat(found[1] + (found[2] or "")[:7])
        except ValueError:
            raise bad_property(f"{what}.dateTime: no such time") from None
        return cls(wall, name)

    def instant(self, home: str) -> datetime:
        """In UTC."""
        return self.wall.replace(tzinfo=zone_of(self.zone, home)).astimezone(UTC)

    def seen_from(self, name: str, home: str) -> Moment:
        """The same moment in another zone."""
        if name == self.zone:
            return self
        return Moment(self.instant(home).astimezone(zone_of(name, home)).replace(tzinfo=None), name)

    @property
    def is_midnight(self) -> bool:
        """Whether a day begins."""
        return self.wall.time() == time()

    def json(self) -> dict[str, str]:
        """With seven fractional digits and no offset, as Graph writes it."""
        return {"dateTime": f"{self.wall:%Y-%m-%dT%H:%M:%S}.{self.wall.microsecond:06d}0", "timeZone": self.zone}


def format_instant(moment: datetime) -> str:
    """A DateTimeOffset: ``2026-03-02T09:00:00Z``, with a fraction where there is one."""
    fraction = f".{moment.microsecond:06d}0" if moment.microsecond else ""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def parse_edge(name: str, value: str | None) -> datetime:
    """An edge of a window, in UTC: its own offset counts, UTC if it has none, never ``outlook.timezone``.

    Raises:
        GraphError: it is missing, or no time.
    """
    if value is None:
        message = "This request requires a time window specified by the query string parameters StartDateTime and "
        raise GraphError(400, "ErrorInvalidParameter", message + "EndDateTime.")
    # An unencoded plus sign in a query is a space.
    text = re.sub(r"(\.\d{6})\d", r"\1", value.strip().replace(" ", "+"))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_request(f"{name}: '{value}' is no date and time") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def parse_date(value: Any, what: str) -> date:
    """A plain date. Raises GraphError."""
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise bad_property(f"{what}: '{value}' is no date") from None
