"""From what a client sends to the event as it is kept: defaults, limits, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from attrs import frozen

from calsync_core.testing.simulators.google.errors import ApiError, bad, forbidden, missing
from calsync_core.testing.simulators.google.instances import check_recurrence
from calsync_core.testing.simulators.google.methods import EVENT_TYPES
from calsync_core.testing.simulators.google.state import Body, Calendar
from calsync_core.testing.simulators.google.times import extent, keep

__all__ = ["SHARED", "Hand", "check_id", "compose", "merge"]

SHARED = (
    "summary", "description", "location", "start", "end", "recurrence", "guestsCanInviteOthers", "guestsCanModify",
    "guestsCanSeeOtherGuests",
)  # fmt: skip
"""What all copies of a meeting have in common, besides its attendees and shared properties."""

_TEXTS = ("summary", "description", "location", "colorId", "eventLabelId", "visibility", "transparency", "status")
_REST = (
    "attendees", "reminders", "source", "anyoneCanAddSelf", "guestsCanInviteOthers", "guestsCanModify",
    "guestsCanSeeOtherGuests", "birthdayProperties", "focusTimeProperties", "outOfOfficeProperties",
    "workingLocationProperties",
)  # fmt: skip
_KEPT = (
    "kind", "created", "updated", "creator", "organizer", "iCalUID", "htmlLink", "eventType", "recurringEventId",
    "originalStartTime", "hangoutLink", "conferenceData", "attachments", "privateCopy", "locked", "sequence",
)  # fmt: skip
"""What a full replacement leaves as it is: the server's own, immutable fields, and what needs a version parameter."""

_DEFAULTS = {
    "transparency": "opaque", "visibility": "default", "anyoneCanAddSelf": False, "guestsCanInviteOthers": True,
    "guestsCanModify": False, "guestsCanSeeOtherGuests": True,
}  # fmt: skip
"""Values that answers leave out."""

_ALLOWED = {
    "transparency": {"opaque", "transparent"},
    "visibility": {"default", "public", "private", "confidential"},
    "status": {"confirmed", "tentative", "cancelled"},
}
_RESPONSES = {"needsAction", "declined", "tentative", "accepted"}
_ID = re.compile(r"[a-v0-9]{5,1024}")
_LONGEST_KEY, _LONGEST_VALUE, _MOST_PROPERTIES, _MOST_BYTES = 44, 1024, 300, 32 * 1024


@frozen
class Hand:
    """Whose hand writes, and how.

    Attributes:
        user: Whose.
        send: Who gets mail: ``all``, ``externalOnly`` or ``none``.
        free: A test's own hand: nothing is refused because of roles, event types or a foreign organiser.
        inner: A part of a batch.
        guestless: A service account that acts for itself, and may invite nobody.
        versions: The version parameters that are on: ``conferenceData``, ``attachments``, ``eventLabel``.
    """

    user: str
    send: str = "none"
    free: bool = False
    inner: bool = False
    guestless: bool = False
    versions: frozenset[str] = frozenset()


def check_id(event_id: Any) -> str:
    """Raises ApiError: 400, this is no id that a client may give (discovery document, ``Event.id``)."""
    if not isinstance(event_id, str) or not _ID.fullmatch(event_id):
        raise bad("Invalid resource id value.")
    return event_id


def merge(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a PATCH makes of an object: null removes, objects are merged, arrays are replaced whole."""
    merged = dict(old)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


def compose(given: Mapping[str, Any], old: Mapping[str, Any], calendar: Calendar, hand: Hand) -> Body:
    """The event as it will be kept.

    Args:
        given: All of it, as a client sends it.
        old: What was there: its server fields and what must not be lost stays. Empty for a new event.
        calendar: Where it will be.
        hand: Who writes.

    Raises:
        ApiError: 400 or 403.
    """
    sent = {name: value for name, value in given.items() if value is not None}
    body: Body = {name: old[name] for name in _KEPT if name in old}
    for name in _TEXTS:
        if name in sent and not isinstance(sent[name], str):
            raise bad(f"Invalid value for: {name}", "invalid")
        if name in _ALLOWED and name in sent and sent[name] not in _ALLOWED[name]:
            raise bad(f"Invalid value for: {name}", "invalid")
    body.update({name: sent[name] for name in (*_TEXTS, *_REST) if name in sent})
    body.setdefault("status", "cancelled" if old.get("status") == "cancelled" else "confirmed")
    _compose_times(body, sent)
    body["sequence"] = _sequence(body, sent, old)
    body["eventType"] = sent.get("eventType", old.get("eventType", "default"))
    _compose_versions(body, sent, old, hand)
    body["attendees"] = _people(sent.get("attendees", []), hand)
    body["reminders"] = _reminders(sent.get("reminders"))
    body["extendedProperties"] = _properties(sent.get("extendedProperties") or {})
    if hand.free:
        body |= {
            name: sent[name] for name in ("organizer", "creator", "iCalUID", "hangoutLink", "locked") if name in sent
        }
    else:
        _check_type(body, old, calendar, hand)
    return {name: value for name, value in body.items() if not _is_default(name, value)}


def _compose_times(body: Body, sent: Mapping[str, Any]) -> None:
    recurrence = sent.get("recurrence") or []
    if "recurringEventId" in body and recurrence:
        raise bad("Cannot turn an instance of a recurring event into a recurring event itself.")
    for what in ("start", "end"):
        body[what] = keep(sent.get(what), what, recurring=bool(recurrence))
    if ("date" in body["start"]) != ("date" in body["end"]):
        raise bad("Start and end times must either both be date or both be dateTime.")
    begin, end = extent(body, UTC)
    if end < begin:
        raise bad("The specified time range is empty.", "timeRangeEmpty", domain="calendar")
    if recurrence:
        check_recurrence(recurrence, body["start"])
        body["recurrence"] = list(recurrence)


def _sequence(body: Mapping[str, Any], sent: Mapping[str, Any], old: Mapping[str, Any]) -> int:
    stored = int(old.get("sequence", 0))
    asked = sent.get("sequence", stored)
    if not isinstance(asked, int) or asked < stored:
        problem = "The specified sequence number is below the current sequence number of the resource."
        raise bad(f"Invalid sequence value. {problem}")
    moved = bool(old) and any(body.get(name) != old.get(name) for name in ("start", "end", "recurrence"))
    return max(asked, stored + 1) if moved else asked


def _compose_versions(body: Body, sent: Mapping[str, Any], old: Mapping[str, Any], hand: Hand) -> None:
    """What is only looked at with its version parameter (discovery document, parameters of ``events.insert``)."""
    for name, version in (("conferenceData", "conferenceData"), ("attachments", "attachments")):
        if hand.free or version in hand.versions:
            body.pop(name, None)
            if name in sent:
                body[name] = sent[name]
    ignored = "colorId" if "eventLabel" in hand.versions else "eventLabelId"
    body.pop(ignored, None)
    if ignored in old:
        body[ignored] = old[ignored]


def _people(attendees: Any, hand: Hand) -> list[dict[str, Any]]:
    if not isinstance(attendees, list) or not all(isinstance(one, dict) for one in attendees):
        raise bad("Invalid value for: attendees")
    if attendees and hand.guestless:
        message = "Service accounts cannot invite attendees without Domain-Wide Delegation of Authority."
        raise forbidden("forbiddenForServiceAccounts", message, "calendar")
    people = []
    for one in attendees:
        if "@" not in str(one.get("email", "")):
            raise missing("Missing attendee email.") if not one.get("email") else bad("Invalid attendee email.")
        if one.get("responseStatus", "needsAction") not in _RESPONSES:
            raise bad("Invalid value for: responseStatus")
        kept = {name: value for name, value in one.items() if name not in {"self", "organizer"} and value is not None}
        people.append({"responseStatus": "needsAction", **kept})
    return people


def _reminders(given: Any) -> dict[str, Any]:
    """Without overrides the list is left out of answers."""
    if given is None:
        return {"useDefault": True}
    use_default, overrides = bool(given.get("useDefault", False)), given.get("overrides") or []
    if use_default and overrides:
        raise bad("Cannot specify both default reminders and overrides at the same time.", "cannotUseDefaultRemindersAndSpecifyOverride", domain="calendar")  # fmt: skip  # noqa: E501  (Google's own words)
    if len(overrides) > 5:
        raise bad("Invalid value for: reminders")
    return {"useDefault": use_default} | ({"overrides": overrides} if overrides else {})


def _properties(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Too long a key is dropped, too long a value is cut, silently (guide on extended properties).

    How too many properties are refused is not documented; 400 is a guess.
    """
    kept: dict[str, dict[str, str]] = {}
    for kind in ("private", "shared"):
        pairs = {name: value for name, value in (given.get(kind) or {}).items() if value is not None}
        if not all(isinstance(value, str) for value in pairs.values()):
            raise bad("Invalid value for: extendedProperties")
        short = {name: value[:_LONGEST_VALUE] for name, value in pairs.items() if len(name) <= _LONGEST_KEY}
        if short:
            kept[kind] = short
    everything = [text for pairs in kept.values() for pair in pairs.items() for text in pair]
    if len(everything) > 2 * _MOST_PROPERTIES or sum(len(text.encode()) for text in everything) > _MOST_BYTES:
        raise bad("Extended properties limit exceeded.", "invalid")
    return kept


def _check_type(body: Body, old: Mapping[str, Any], calendar: Calendar, hand: Hand) -> None:
    """The rules of event types (discovery document, ``Event.eventType``; guide on status events)."""
    kind = body["eventType"]
    if kind not in EVENT_TYPES:
        raise bad("Invalid value for: eventType")
    if old.get("eventType", kind) != kind or (not old and kind == "fromGmail"):
        raise _restricted("The event type cannot be changed or created.")
    if kind in {"focusTime", "outOfOffice", "workingLocation", "birthday"} and not calendar.primary:
        raise _restricted("Events of this type can only be on a primary calendar.")
    all_day = "date" in body["start"]
    if kind in {"focusTime", "outOfOffice"} and (all_day or body.get("transparency") == "transparent"):
        raise bad("These events must be timed and opaque.", f"malformed{kind[0].upper()}{kind[1:]}Event")
    if kind == "birthday":
        yearly = any("FREQ=YEARLY" in line for line in body.get("recurrence", []))
        if not all_day or not (yearly or "recurringEventId" in body):
            raise bad("Birthdays are all-day and recur every year.", "malformedBirthdayEvent")
        body |= {"transparency": "transparent", "visibility": "private"}
    if kind == "workingLocation":
        _check_working_location(body, hand)


def _check_working_location(body: Mapping[str, Any], hand: Hand) -> None:
    if hand.inner:
        # Documented: not supported in batch requests. The answer is not.
        raise bad("Working location events are not supported in batch requests.", "badRequest")
    if body.get("transparency") != "transparent" or body.get("visibility") != "public":
        raise bad("A working location event must be public and transparent.", "malformedWorkingLocationEvent")
    if "workingLocationProperties" not in body:
        raise bad("Missing working location properties.", "malformedWorkingLocationEvent")


def _restricted(message: str) -> ApiError:
    return bad(message, "eventTypeRestriction", domain="calendar")


def _is_default(name: str, value: Any) -> bool:
    return value in ("", [], {}) or (name in _DEFAULTS and value == _DEFAULTS[name])
