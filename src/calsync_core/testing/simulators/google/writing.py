"""Creating, changing and deleting events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calsync_core.testing.simulators.google.composing import Hand, check_id, compose, merge
from calsync_core.testing.simulators.google.errors import already_deleted, bad, duplicate, forbidden, missing
from calsync_core.testing.simulators.google.instances import resolve
from calsync_core.testing.simulators.google.invitations import Invitations
from calsync_core.testing.simulators.google.series import Shelf
from calsync_core.testing.simulators.google.state import Body, Calendar, Entry, State

__all__ = ["Writer"]

_OF_MAIL = {"summary", "description", "location", "start", "end", "recurrence"}
"""What can't be changed of an event that came from a mail."""


class Writer:
    """The verbs, for the API and for a test's own hand alike."""

    def __init__(self, state: State, shelf: Shelf, invitations: Invitations) -> None:
        self._state = state
        self._shelf = shelf
        self._invitations = invitations

    def insert(self, calendar: Calendar, given: Mapping[str, Any], hand: Hand) -> Entry:
        """A new event.

        Raises:
            ApiError: 400, 403, or 409 for an id or UID that is taken, be it by a deleted event.
        """
        chosen, uid = given.get("id"), given.get("iCalUID")
        if chosen and uid and not hand.free:
            raise bad("Only one of id and iCalUID can be given.")
        key = str(chosen) if chosen and hand.free else check_id(chosen) if chosen else self._new_id()
        # All copies of one meeting have the same id, so that an id is taken on this calendar only.
        taken = uid and any(one.body["iCalUID"] == uid and not one.cancelled for one in calendar.entries.values())
        if resolve(calendar, key) is not None or (taken and not hand.free):
            raise duplicate()
        organiser = {"email": calendar.id} | ({} if calendar.primary else {"displayName": calendar.summary})
        body: Body = {
            "creator": {"email": hand.user},
            "organizer": organiser,
            "iCalUID": uid or f"{key}@google.com",
            **compose(given, {}, calendar, hand),
        }
        return self._save(calendar, None, key, body, hand)

    def bring_in(self, calendar: Calendar, given: Mapping[str, Any], hand: Hand) -> Entry:
        """A private copy of a meeting from elsewhere, or its new state.

        Raises:
            ApiError: 400 or 403.
        """
        uid = given.get("iCalUID")
        if not uid:
            raise missing("Missing iCalUID.")
        if given.get("eventType", "default") != "default":
            raise bad("Only default events can be imported.", "eventTypeRestriction", domain="calendar")
        old = next((one for one in calendar.entries.values() if one.body["iCalUID"] == uid and not one.series), None)
        body = compose(given, old.body if old is not None else {}, calendar, hand)
        body |= {"iCalUID": uid, "privateCopy": True}
        body.setdefault("creator", {"email": hand.user})
        body["organizer"] = given.get("organizer") or {"email": calendar.id}
        return self._save(calendar, old, old.id if old is not None else self._new_id(), body, hand)

    def replace(self, calendar: Calendar, old: Entry, given: Mapping[str, Any], hand: Hand) -> Entry:
        """All of an event anew: what is not given is gone.

        Raises:
            ApiError: 400 or 403.
        """
        if given.get("iCalUID", old.body["iCalUID"]) != old.body["iCalUID"] and not hand.free:
            raise bad("Invalid value for: iCalUID")
        body = compose(given, old.body, calendar, hand)
        if body["status"] == "cancelled" and not old.cancelled:
            return self.delete(calendar, old, hand)
        return self._save(calendar, old, old.id, self._allowed(calendar, old, body, hand), hand)

    def patch(self, calendar: Calendar, old: Entry, changes: Mapping[str, Any], hand: Hand) -> Entry:
        """Some fields of an event anew.

        Raises:
            ApiError: 400 or 403.
        """
        ignored = {} if hand.free else dict.fromkeys(("iCalUID", "organizer", "creator"), 0)
        wanted = {name: value for name, value in changes.items() if name not in ignored}
        return self.replace(calendar, old, merge(old.body, wanted), hand)

    def delete(self, calendar: Calendar, old: Entry, hand: Hand) -> Entry:
        """Delete an event, a series with all that is in it, or one instance.

        Raises:
            ApiError: 410, it is deleted.
        """
        if old.cancelled:
            raise already_deleted()
        return self._save(calendar, old, old.id, {**old.body, "status": "cancelled"}, hand)

    def move(self, calendar: Calendar, target: Calendar, old: Entry, hand: Hand) -> Entry:
        """Give an event another calendar, and thereby another organiser.

        Raises:
            ApiError: 400, it is an instance or of a special type; 403, it is somebody else's; 409, the id is taken.
        """
        if old.series or old.body["eventType"] != "default":
            raise bad("Cannot change the organizer of this event.", "cannotChangeOrganizer", domain="calendar")
        if not _is_organiser(calendar, old):
            message = "The operation can only be performed by the organizer of the event."
            raise forbidden("forbiddenForNonOrganizer", message, "calendar")
        if old.id in target.entries and target is not calendar:
            raise duplicate()
        body = {name: value for name, value in old.body.items() if name not in {"etag", "updated"}}
        self._shelf.save(calendar, old.id, {**old.body, "status": "cancelled"})
        return self._save(target, None, old.id, {**body, "organizer": {"email": target.id}}, hand)

    def _save(self, calendar: Calendar, old: Entry | None, key: str, body: Body, hand: Hand) -> Entry:
        saved = self._shelf.save(calendar, key, body)
        if _is_organiser(calendar, saved):
            self._invitations.spread(calendar, saved, old, hand)
        else:
            self._invitations.answer(calendar, saved, hand)
        return calendar.entries[key]

    def _allowed(self, calendar: Calendar, old: Entry, body: Body, hand: Hand) -> Body:
        if hand.free:
            return body
        if old.body["eventType"] == "fromGmail" and any(old.body.get(name) != body.get(name) for name in _OF_MAIL):
            raise bad("This event came from a mail.", "eventTypeRestriction", domain="calendar")
        free = old.body.get("privateCopy") or old.body.get("guestsCanModify")
        if free or _is_organiser(calendar, old):
            return body
        return self._invitations.check_guest(calendar, old, body)

    def _new_id(self) -> str:
        """An id as Google makes them: 26 characters of base32hex."""
        return f"{self._state.tick() * 0x9E3779B97F4A7C15 % 2**64:026d}"


def _is_organiser(calendar: Calendar, entry: Entry) -> bool:
    return bool(entry.body["organizer"]["email"] == calendar.id)
