"""Events created, changed and deleted, by requests and by the simulated users' own hands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import evolve

from calsync_core.testing.simulators.graph.bodies import Draft, check_times
from calsync_core.testing.simulators.graph.errors import GraphError, bad_property, not_found
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.meetings import Meetings
from calsync_core.testing.simulators.graph.rendering import etag
from calsync_core.testing.simulators.graph.series import Instance, find, neighbours, slots
from calsync_core.testing.simulators.graph.state import UID_NO_DATE, UID_STEM, Entry, Folder, Json, Special, State
from calsync_core.testing.simulators.graph.times import Moment, zone_of

__all__ = ["Writer"]


class Writer:
    """Changes what the state stores. The caller has checked who may."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._meetings = Meetings(state)

    @property
    def meetings(self) -> Meetings:
        """What becomes of invitations."""
        return self._meetings

    def create(
        self, folder: Folder, body: Json, organizer: Json | None = None, uid: str | None = None
    ) -> tuple[Entry, bool]:
        """Store a new event.

        Args:
            folder: Where.
            body: A POST's.
            organizer: Somebody else's ``emailAddress``; the attendees are then not ours to invite.
            uid: The ``iCalUId``, where it is known.

        Returns:
            The event, and whether it is new; not if the transaction id is known and such a replay succeeds.

        Raises:
            GraphError: the body is wrong, or the transaction id is used up.
        """
        draft = Draft.parse(body, folder.mailbox.zone)
        replayed = self._replayed(folder, draft.transaction_id)
        if replayed is not None:
            return replayed, False
        if draft.start is None or draft.end is None:
            raise bad_property("start and end are needed")
        check_times(draft.start, draft.end, folder.mailbox.zone, all_day=bool(draft.fields.get("isAllDay")))
        series = draft.series(draft.start, folder.mailbox.zone)
        held = {name: value for name, value in draft.properties.items() if value is not None}
        key = f"{self._state.next_number():06d}{self._state.dice.getrandbits(48):012x}"
        uid = uid or f"{UID_STEM}{UID_NO_DATE}{self._state.dice.getrandbits(192):048X}"
        entry = Entry(
            key,
            folder.mailbox,
            folder,
            uid,
            draft.start,
            draft.end,
            _merged({}, draft.fields),
            series,
            draft.transaction_id,
            held,
        )
        entry.organizer = organizer
        if series is not None and next(slots(entry), None) is None:
            raise bad_property("recurrence: the series has no occurrence")
        if draft.transaction_id is not None:
            folder.mailbox.transactions[draft.transaction_id] = key
        self._state.add(entry)
        self._meetings.invite(entry)
        return entry, True

    def patch(self, event: str, body: Json, if_match: str | None = None) -> Entry:
        """Change what the body names, of an event, a series or one occurrence. Raises GraphError."""
        entry, one = self.find(event)
        self._match(one, if_match)
        draft = Draft.parse(body, entry.home)
        if draft.transaction_id not in {None, entry.transaction_id}:
            raise GraphError(400, "ErrorInvalidPropertySet", "transactionId can't be changed.")
        if one.slot is not None:
            self._patch_occurrence(one, draft)
        else:
            self._patch_whole(entry, draft)
        self._meetings.update(entry, draft)
        return entry

    def delete(self, event: str, if_match: str | None = None) -> None:
        """Into the deleted items; an occurrence is cancelled instead. Raises GraphError."""
        wanted = EventId.read(event)
        entry = self._state.entries.get(wanted.key)
        gone = entry is not None and (entry.folder is None or wanted.slot in entry.cancelled)
        if gone and wanted.place is None and self._state.habits.second_delete == "forbidden":
            raise GraphError(403, "ErrorCannotDeleteObject", "Cannot delete the object.")
        entry, one = self.find(event)
        self._match(one, if_match)
        if one.slot is not None:
            self.cancel(entry, one.slot)
            return
        self._meetings.withdraw(entry)
        self._state.move(entry, None)

    def cancel(self, entry: Entry, slot: datetime) -> None:
        """Take one occurrence out of its series."""
        entry.exceptions.pop(slot, None)
        entry.cancelled.add(slot)
        self._state.touch(entry)
        self._meetings.changed(entry)

    def find(self, event: str) -> tuple[Entry, Instance]:
        """What an id stands for, wherever it is. Raises GraphError."""
        wanted = EventId.read(event)
        entry = self._state.entries.get(wanted.key)
        if entry is None or entry.folder is None:
            raise not_found()
        if wanted.place is not None and EventId.read(entry.event_id(immutable=False)).place != wanted.place:
            raise not_found()
        return entry, find(entry, wanted)

    def _replayed(self, folder: Folder, transaction: str | None) -> Entry | None:
        key = folder.mailbox.transactions.get(transaction) if transaction is not None else None
        entry = self._state.entries.get(key) if key is not None else None
        if entry is None:
            return None
        if self._state.habits.create_replay == "created" and entry.folder is not None:
            return entry
        status = 409 if self._state.habits.create_replay == "conflict" else 400
        message = "The TransactionId specified in the request has already been used to create a different event."
        extra = {"@event.existingEventId": entry.event_id(immutable=False)} if status == 409 else {}
        raise GraphError(status, "ErrorDuplicateTransactionId", message, extra=extra)

    def _match(self, one: Instance, if_match: str | None) -> None:
        if self._state.habits.enforce_if_match and if_match not in {None, "*", etag(one.version)}:
            message = "The change key passed in the request does not match the current change key for the item."
            raise GraphError(412, "ErrorIrresolvableConflict", message)

    def _patch_whole(self, entry: Entry, draft: Draft) -> None:
        start, end = draft.start or entry.start, draft.end or entry.end
        all_day = bool(draft.fields.get("isAllDay", entry.all_day))
        check_times(start, end, entry.home, all_day=all_day)
        recurrence = None if draft.clears else draft.series(start, entry.home) or entry.recurrence
        if recurrence is not None and draft.recurrence is None and draft.start is not None:
            # The series keeps its pattern; it takes the new wall time and start, and the zone if it had the event's.
            zone = start.zone if recurrence.zone == entry.start.zone else recurrence.zone
            first = start.seen_from(zone, entry.home).wall.date()
            recurrence = evolve(recurrence, zone=zone, start=first)
        if (recurrence, start, end) != (entry.recurrence, entry.start, entry.end):
            # Outlook warns of this: a re-timed series loses its exceptions, and what was deleted is back.
            entry.exceptions.clear()
            entry.cancelled.clear()
        entry.start, entry.end, entry.recurrence = start, end, recurrence
        entry.fields = _merged(entry.fields, draft.fields)
        for name, value in draft.properties.items():
            if value is None:
                entry.properties.pop(name, None)
            else:
                entry.properties[name] = value
        self._state.touch(entry)

    def _patch_occurrence(self, one: Instance, draft: Draft) -> None:
        entry, slot = one.entry, one.slot
        if slot is None or draft.recurrence is not None:
            raise GraphError(400, "ErrorInvalidRequest", "An occurrence can't have a recurrence of its own.")
        start, end = draft.start or one.start, draft.end or one.end
        fields = _merged(one.fields, draft.fields)
        check_times(start, end, entry.home, all_day=bool(fields.get("isAllDay")))
        self._check_boundary(entry, slot, start, end)
        own = entry.exceptions[slot].fields if slot in entry.exceptions else {}
        entry.exceptions[slot] = Special(start, end, _merged(own, draft.fields))
        self._state.touch(entry, slot)

    def _check_boundary(self, entry: Entry, slot: datetime, start: Moment, end: Moment) -> None:
        """An occurrence stays between its neighbours' days ("event-update": ErrorOccurrenceCrossingBoundary)."""
        zone = zone_of(entry.recurrence.zone if entry.recurrence else entry.start.zone, entry.home)

        def day(moment: Moment) -> Any:
            return moment.instant(entry.home).astimezone(zone).date()

        before, after = neighbours(entry, slot)
        crossing = (before is not None and day(start) <= day(before.start)) or (
            after is not None
            and (day(start) >= day(after.start) or end.instant(entry.home) > after.start.instant(entry.home))
        )
        if crossing:
            message = "Modified occurrence is crossing or overlapping adjacent occurrence."
            raise GraphError(400, "ErrorOccurrenceCrossingBoundary", message)


def _merged(old: Json, new: Json) -> Json:
    """What is null goes back to its default."""
    return {name: value for name, value in (old | new).items() if value is not None}
