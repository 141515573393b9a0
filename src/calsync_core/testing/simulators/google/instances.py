"""Series: their instances, by dateutil's own expansion, so that the simulator can convict the library's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from attrs import frozen
from dateutil import rrule

from calsync_core.testing.simulators.google.errors import bad
from calsync_core.testing.simulators.google.state import Body, Calendar, Entry
from calsync_core.testing.simulators.google.times import Moment, after, find_zone, instant, moment_of, slot_key, stamp

__all__ = ["Slot", "check_recurrence", "instance", "resolve", "slots"]

_INSTANCE = re.compile(r"(?P<master>.+)_(?P<slot>\d{8}(T\d{6}Z)?)")
_LINE = re.compile(r"(?P<name>RRULE|EXRULE|RDATE|EXDATE)(?P<params>(;[^:]*)?):(?P<value>.+)", re.DOTALL)
_UNTIL = re.compile(r"UNTIL=(\d{8}(T\d{6})?)(Z?)")


@frozen
class Slot:
    """One place in a series.

    Attributes:
        key: How the id of the instance ends.
    """

    key: str
    start: Moment
    end: Moment


def slots(body: Mapping[str, Any], low: datetime, high: datetime) -> Iterator[Slot]:
    """The slots of a series that touch ``low`` to ``high`` (aware), in order; exceptions are not looked at."""
    first = moment_of(body["start"])
    length = _length(first, moment_of(body["end"]))
    zone = first.tzinfo if isinstance(first, datetime) else UTC
    reach = low.astimezone(zone).replace(tzinfo=None) - max(length, timedelta()) - timedelta(days=2)
    for found in _rule(body["recurrence"], first).xafter(reach, inc=True):
        start: Moment = found.replace(tzinfo=zone) if isinstance(first, datetime) else found.date()
        begin = instant(start, UTC)
        if begin > high.astimezone(UTC) + timedelta(days=1):
            return
        end = after(start, length)
        # A day to each side for all-day slots: where their midnight is, is the asker's affair.
        slack = timedelta() if isinstance(start, datetime) else timedelta(days=1)
        if instant(end, UTC) + slack >= low and begin - slack <= high:
            yield Slot(slot_key(start), start, end)


def check_recurrence(lines: Any, start: Mapping[str, str]) -> None:
    """Raises ApiError: 400, these are no recurrence lines."""
    if not isinstance(lines, list) or not all(isinstance(line, str) and _LINE.fullmatch(line) for line in lines):
        raise bad("Invalid recurrence rule.")
    try:
        next(iter(_rule(lines, moment_of(start))), None)
    except (ValueError, TypeError, KeyError):
        raise bad("Invalid recurrence rule.") from None


def resolve(calendar: Calendar, event_id: str) -> Entry | None:
    """The event with this id: stored, or an instance that only follows from its series."""
    stored = calendar.entries.get(event_id)
    if stored is not None:
        return stored
    match = _INSTANCE.fullmatch(event_id)
    master = calendar.entries.get(match["master"]) if match else None
    if match is None or master is None or not master.recurring:
        return None
    day = datetime.strptime(match["slot"][:8], "%Y%m%d").replace(tzinfo=UTC)
    around = slots(master.body, day - timedelta(days=1), day + timedelta(days=2))
    found = next((slot for slot in around if slot.key == match["slot"]), None)
    return None if found is None else instance(master, found)


def instance(master: Entry, slot: Slot) -> Entry:
    """What a slot looks like while nobody changed it."""
    body: Body = {name: value for name, value in master.body.items() if name != "recurrence"}
    identity = {"id": f"{master.id}_{slot.key}", "recurringEventId": master.id}
    start = _kept(slot.start, master.body["start"])
    times = {"start": start, "end": _kept(slot.end, master.body["end"]), "originalStartTime": start}
    return Entry(identity["id"], {**body, **identity, **times}, master.change)


def _kept(moment: Moment, like: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(moment, datetime):
        return {"date": moment.isoformat()}
    return {**like, "dateTime": stamp(moment)}


def _rule(lines: list[str], first: Moment) -> rrule.rruleset:
    rules = rrule.rruleset()
    wall = _wall(first)
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        name, value = match["name"], match["value"]
        if name in {"RRULE", "EXRULE"}:
            rule: Any = rrule.rrulestr(_UNTIL.sub(lambda until: _until(until, first), value), dtstart=wall)
            rules.rrule(rule) if name == "RRULE" else rules.exrule(rule)
        else:
            for text in value.split(","):
                at = _listed(text, match["params"], first)
                rules.rdate(at) if name == "RDATE" else rules.exdate(at)
    if not any(line.startswith("RRULE") for line in lines):
        rules.rdate(wall)
    return rules


def _until(match: re.Match[str], first: Moment) -> str:
    """A limit in UTC as a wall time of the series, since the rule is expanded on the wall."""
    text = match[1]
    if match[3] and isinstance(first, datetime):
        limit = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        text = f"{limit.astimezone(first.tzinfo):%Y%m%dT%H%M%S}"
    elif not isinstance(first, datetime):
        text = text[:8]
    return f"UNTIL={text}"


def _listed(text: str, params: str, first: Moment) -> datetime:
    """A date or time of RDATE or EXDATE, on the series' wall."""
    if len(text) == 8:
        day = datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007  (a wall time)
        return day if not isinstance(first, datetime) else datetime.combine(day.date(), first.time())
    at = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  (a wall time)
    if not isinstance(first, datetime):
        return datetime(at.year, at.month, at.day)  # noqa: DTZ001  (a wall time)
    named = re.search(r"TZID=([^;:]+)", params)
    zone = UTC if text.endswith("Z") else find_zone(named[1]) if named else first.tzinfo
    return at.replace(tzinfo=zone).astimezone(first.tzinfo).replace(tzinfo=None)


def _wall(moment: Moment) -> datetime:
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001  (a wall time)


def _length(start: Moment, end: Moment) -> timedelta:
    if isinstance(start, datetime) and isinstance(end, datetime):
        return end.astimezone(UTC) - start.astimezone(UTC)
    return timedelta(days=date.toordinal(end) - date.toordinal(start))
