"""Events as a caller sees them, and the ``fields`` parameter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from calsync_core.testing.simulators.google.errors import bad
from calsync_core.testing.simulators.google.state import ROLES, Calendar, Entry
from calsync_core.testing.simulators.google.times import show

__all__ = ["render", "select"]

_DELETED = ("kind", "etag", "id", "status")
_LOST_INSTANCE = (*_DELETED, "recurringEventId", "originalStartTime")
# What somebody without the right to details is shown. That there are such viewers is documented (discovery document,
# CalendarListEntry.accessRole); which fields remain is not: this is the least that makes sense.
_WITHOUT_DETAILS = (
    *_LOST_INSTANCE, "htmlLink", "created", "updated", "start", "end", "recurrence", "transparency", "iCalUID",
    "sequence", "eventType",
)  # fmt: skip


def render(
    entry: Entry,
    calendar: Calendar,
    role: str,
    *,
    zone: tzinfo | None = None,
    bare: bool = False,
    most_attendees: int | None = None,
) -> dict[str, Any]:
    """The JSON of one event.

    Args:
        entry: The event.
        calendar: Where it is.
        role: What the caller may do there.
        zone: The offset of its times; the calendar's unless given.
        bare: Show a deleted event by its id only, as incremental lists do (discovery document, ``Event.status``).
        most_attendees: More than these, and only the caller's own entry is shown.
    """
    body: dict[str, Any] = dict(entry.body)
    if entry.cancelled and bare:
        names = _DELETED if entry.series is None else _LOST_INSTANCE
        body = {name: body[name] for name in names if name in body}
    elif _hides(entry, role):
        body = {name: body[name] for name in _WITHOUT_DETAILS if name in body}
        body["visibility"] = "private"
    else:
        body = _with_selves(body, calendar, most_attendees)
    for name in ("start", "end", "originalStartTime"):
        if name in body:
            body[name] = show(body[name], zone or calendar.zone)
    return body


def _hides(entry: Entry, role: str) -> bool:
    private = entry.body.get("visibility") in {"private", "confidential"}
    return ROLES.index(role) < ROLES.index("writer" if private else "reader")


def _with_selves(body: Mapping[str, Any], calendar: Calendar, most: int | None) -> dict[str, Any]:
    """Mark who of the people in it is this calendar."""
    shown = dict(body)
    for name in ("creator", "organizer"):
        if shown.get(name, {}).get("email") == calendar.id:
            shown[name] = {**shown[name], "self": True}
    if isinstance(shown.get("attendees"), list):
        organiser = shown.get("organizer", {}).get("email")
        people = [_person(one, calendar.id, organiser) for one in shown["attendees"]]
        if most is not None and len(people) > most:
            people, shown["attendeesOmitted"] = [one for one in people if one.get("self")], True
        shown["attendees"] = people
    return shown


def _person(attendee: Mapping[str, Any], own: str, organiser: str | None) -> dict[str, Any]:
    person = dict(attendee)
    if person.get("email") == own:
        person["self"] = True
    if person.get("email") == organiser:
        person["organizer"] = True
    return person


# -- partial responses: fields=kind,items(id,status),items/start/date ---------------------------------------------

Mask = dict[str, "Mask"]

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9_\-*]*|[(),/]")


def select(value: Any, fields: str) -> Any:
    """Only what the ``fields`` parameter names.

    Raises:
        ApiError: 400, it can't be read.
    """
    tokens = _TOKEN.findall(fields)
    if "".join(tokens) != fields.replace(" ", ""):
        raise bad(f"Invalid field selection {fields}", "invalidParameter", parameter="fields")
    stream = iter([*tokens, ")"])
    mask: Mask = {}
    try:
        _read(stream, mask)
    except StopIteration:
        raise bad(f"Invalid field selection {fields}", "invalidParameter", parameter="fields") from None
    return _cut(value, mask)


def _read(stream: Iterator[str], into: Mask) -> None:
    """Read a list of names up to its closing bracket."""
    at = into
    for word in stream:
        match word:
            case "(":
                _read(stream, at)
            case ",":
                at = into
            case ")":
                return
            case "/":
                pass
            case _:
                at = at.setdefault(word, {})
    raise StopIteration


def _cut(value: Any, mask: Mask) -> Any:
    if not mask:
        return value
    if isinstance(value, list):
        return [_cut(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    everything = mask.get("*")
    wanted = {name: mask.get(name, everything) for name in value}
    return {name: _cut(value[name], inner) for name, inner in wanted.items() if inner is not None}
