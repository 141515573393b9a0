"""Meetings: the copies on the guests' calendars, their answers, and the mail that Google would send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from calsync_core.testing.simulators.google.composing import SHARED, Hand
from calsync_core.testing.simulators.google.errors import forbidden
from calsync_core.testing.simulators.google.instances import resolve
from calsync_core.testing.simulators.google.series import Shelf
from calsync_core.testing.simulators.google.state import Body, Calendar, Entry, State

__all__ = ["Invitations", "Mail"]

_OWN = ("reminders", "colorId", "transparency", "visibility", "eventLabelId")
_SERVER = (
    "iCalUID", "organizer", "creator", "eventType", "recurringEventId", "originalStartTime", "status", "sequence",
    "conferenceData", "hangoutLink",
)  # fmt: skip


@frozen
class Mail:
    """A mail that Google would have sent.

    Attributes:
        kind: ``invitation``, ``update``, ``cancellation`` or ``reply``.
        to: The address.
        event: The event's id.
        calendar: Where it was changed.
    """

    kind: str
    to: str
    event: str
    calendar: str


class Invitations:
    """Keeps the copies of a meeting together."""

    def __init__(self, state: State, shelf: Shelf) -> None:
        self._state = state
        self._shelf = shelf
        self.mails: list[Mail] = []

    def spread(self, calendar: Calendar, entry: Entry, before: Entry | None, hand: Hand) -> None:
        """After the organiser's copy changed: change the guests' copies, and write to the guests."""
        if entry.body["organizer"]["email"] != calendar.id or entry.body.get("privateCopy"):
            return
        now, earlier = _guests(entry.body), _guests(before.body) if before is not None else set()
        for email in sorted(now | earlier):
            home = self._state.calendars.get(email)
            if home is not None and home.primary and home is not calendar:
                self._copy(home, entry, invited=email in now)
        gone = now | earlier if entry.cancelled else earlier - now
        self._write("cancellation", gone, calendar, entry, hand)
        if not entry.cancelled:
            self._write("update", now & earlier, calendar, entry, hand)
            self._write("invitation", now - earlier, calendar, entry, hand)

    def answer(self, calendar: Calendar, entry: Entry, hand: Hand) -> None:
        """After a guest changed their own copy: tell the organiser's, and through it all others."""
        mine = next((one for one in entry.body.get("attendees", []) if one["email"] == calendar.id), None)
        organiser = entry.body["organizer"]["email"]
        home = self._state.calendars.get(organiser)
        theirs = resolve(home, entry.id) if home is not None else None
        if mine is None or home is None or theirs is None or home is calendar:
            return
        if entry.cancelled:
            mine = {**mine, "responseStatus": "declined"}
        people = [mine if one["email"] == calendar.id else one for one in theirs.body.get("attendees", [])]
        if people != theirs.body.get("attendees", []):
            saved = self._shelf.save(home, theirs.id, {**theirs.body, "attendees": people})
            self.spread(home, saved, theirs, Hand(organiser))
            self._write("reply", {organiser}, calendar, entry, hand)

    def check_guest(self, calendar: Calendar, old: Entry, new: Body) -> Body:
        """What a guest may change of a meeting: their own answer, and what is theirs alone.

        Returns:
            The body with the other attendees as they were.

        Raises:
            ApiError: 403 ``forbiddenForNonOrganizer`` (error guide).
        """
        shared = [name for name in SHARED if old.body.get(name) != new.get(name)]
        if shared or _shared(old.body) != _shared(new):
            message = "Shared properties can only be changed by the organizer of the event."
            raise forbidden("forbiddenForNonOrganizer", message, "calendar")
        mine = next((one for one in new.get("attendees", []) if one["email"] == calendar.id), None)
        people = old.body.get("attendees", [])
        if mine is not None:
            people = [{**one, **mine} if one["email"] == calendar.id else one for one in people]
        return {**new, "attendees": people} if people else new

    def _copy(self, home: Calendar, entry: Entry, *, invited: bool) -> None:
        old = resolve(home, entry.id)
        strange = old is not None and old.body["iCalUID"] != entry.body["iCalUID"]
        if strange or (old is not None and old.body["organizer"]["email"] == home.id):
            return
        if old is not None and old.cancelled and _answer_of(home, entry) == "declined":
            # A guest who removed the meeting does not get it back with the organiser's next change.
            return
        if not invited:
            if old is not None and not old.cancelled:
                self._shelf.save(home, entry.id, {**old.body, "status": "cancelled"})
            return
        own: Body = {"reminders": {"useDefault": True}} if old is None else old.body
        body: Body = {name: own[name] for name in _OWN if name in own}
        body |= {name: entry.body[name] for name in (*SHARED, *_SERVER, "attendees") if name in entry.body}
        properties = {"private": own.get("extendedProperties", {}).get("private"), "shared": _shared(entry.body)}
        if any(properties.values()):
            body["extendedProperties"] = {kind: pairs for kind, pairs in properties.items() if pairs}
        if old is None and entry.body.get("visibility") in {"private", "confidential"}:
            body["visibility"] = entry.body["visibility"]
        known: Body = {name: old.body[name] for name in ("created", "htmlLink", "kind") if old and name in old.body}
        if old is None or any(old.body.get(name) != value for name, value in body.items()):
            self._shelf.save(home, entry.id, {**known, **body})

    def _write(self, kind: str, people: Iterable[str], calendar: Calendar, entry: Entry, hand: Hand) -> None:
        if hand.send == "none":
            return
        for email in sorted(people):
            if email not in {calendar.id, hand.user} and (hand.send == "all" or email not in self._state.users):
                self.mails.append(Mail(kind, email, entry.id, calendar.id))


def _guests(body: Body) -> set[str]:
    return {one["email"] for one in body.get("attendees", [])}


def _answer_of(home: Calendar, entry: Entry) -> str | None:
    people = entry.body.get("attendees", [])
    return next((one["responseStatus"] for one in people if one["email"] == home.id), None)


def _shared(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = body.get("extendedProperties", {}).get("shared", {})
    return found
