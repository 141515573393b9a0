"""The hands of the simulated users, and of the test that plays them."""

from __future__ import annotations

from datetime import date, datetime

from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.rendering import View
from calsync_core.testing.simulators.graph.series import Instance, instances, itself, slots
from calsync_core.testing.simulators.graph.state import Entry, Folder, Json, Mailbox, Share, State
from calsync_core.testing.simulators.graph.times import zone_of
from calsync_core.testing.simulators.graph.writing import Writer
from calsync_core.testing.simulators.service import SimulatedService

__all__ = ["UserHands"]


class UserHands(SimulatedService):
    """What people do in Outlook. They take and give Graph's own JSON and immutable ids; what they do sends no mail."""

    _state: State
    _writer: Writer

    # -- users and calendars --------------------------------------------------------------------------------------

    def add_user(
        self, upn: str, *, mail: str | None = None, name: str | None = None, zone: str = "UTC", mailbox: bool = True
    ) -> str:
        """A new user with a default calendar.

        Args:
            upn: The user principal name.
            mail: The address, where it is another.
            name: Shown to others.
            zone: The mailbox's, by its Windows name.
            mailbox: False: the user has none (``MailboxNotEnabledForRESTAPI``).

        Returns:
            The user's object id.
        """
        with self._lock:
            user = Mailbox(self._state.guid(), upn, mail or upn, name or upn.partition("@")[0].title(), zone, mailbox)
            self._state.mailboxes[user.id] = user
            self._add_folder(user, "Calendar", default=True)
            return user.id

    def add_calendar(self, upn: str, name: str, *, can_edit: bool = True, group: str = "My Calendars") -> str:
        """One more calendar of a user; returns its id."""
        with self._lock:
            user = self._state.mailbox(upn)
            if group not in user.groups:
                user.groups.append(group)
            folder = self._add_folder(user, name, default=False)
            folder.can_edit, folder.group = can_edit, group
            return folder.id

    def share_calendar(self, calendar: str, upn: str, *, can_edit: bool = False, private_items: bool = False) -> str:
        """Show a calendar to another user as well; returns its id in that user's list."""
        with self._lock:
            user = self._state.mailbox(upn)
            own_id = self._folder_id()
            user.shares[own_id] = Share(own_id, self._state.folder(calendar), can_edit, private_items)
            return own_id

    def remove_calendar(self, calendar: str) -> None:
        """Delete a calendar and what is in it."""
        with self._lock:
            folder = self._state.folder(calendar)
            for entry in list(folder.items.values()):
                self._state.move(entry, None)
            del folder.mailbox.folders[folder.id]

    def calendars(self, upn: str) -> list[str]:
        """The ids of a user's own calendars, the default one first."""
        with self._lock:
            return list(self._state.mailbox(upn).folders)

    # -- the users' hands -----------------------------------------------------------------------------------------

    def put_event(self, calendar: str, event: Json) -> str:
        """Create an event from the JSON that a POST takes; returns its immutable id.

        More than a POST can say: ``organizer`` and ``responseStatus`` (of the calendar's owner) for somebody else's
        meeting, ``iCalUId``, ``isCancelled``.
        """
        with self._lock:
            organizer = (event.get("organizer") or {}).get("emailAddress")
            folder = self._state.folder(calendar)
            entry, _ = self._writer.create(folder, event, organizer, event.get("iCalUId"))
            entry.response = "notResponded" if organizer else "organizer"
            self._take_over(entry, None, event)
            return entry.event_id(immutable=True)

    def copy_event(self, event: str, calendar: str | None = None) -> str:
        """Copy an event, into its own calendar or another, as users do: with its extended properties."""
        with self._lock:
            entry, _ = self._writer.find(event)
            folder = self._state.folder(calendar) if calendar else entry.folder
            body = self._shown(itself(entry))
            kept = {name: value for name, value in body.items() if name not in {"transactionId", "attendees"}}
            copy, _ = self._writer.create(folder or entry.mailbox.default, kept)
            return copy.event_id(immutable=True)

    def patch_event(self, event: str, changes: Json) -> None:
        """Change an event, a series or one occurrence; also ``isCancelled`` and ``responseStatus``."""
        with self._lock:
            entry = self._writer.patch(event, changes)
            self._take_over(entry, EventId.read(event).slot, changes)

    def remove_event(self, event: str) -> None:
        """Delete an event, a series, or one occurrence."""
        with self._lock:
            self._writer.delete(event)

    def move_event(self, event: str, calendar: str) -> None:
        """Into another calendar; its mutable id changes, its immutable one stays."""
        with self._lock:
            entry, _ = self._writer.find(event)
            self._state.move(entry, self._state.folder(calendar))

    def occurrence(self, master: str, start: datetime | date) -> str:
        """The id of the occurrence with this original start (a date: the one of that day in the series' zone).

        Raises:
            LookupError: there is none.
        """
        with self._lock:
            entry, _ = self._writer.find(master)
            zone = zone_of(entry.recurrence.zone if entry.recurrence else entry.start.zone, entry.home)
            for slot, first, _ in slots(entry):
                day = first.wall.date() if entry.all_day else slot.astimezone(zone).date()
                found, wanted = (slot, start) if isinstance(start, datetime) else (day, start)
                if found == wanted:
                    return EventId(entry.key, slot).write()
                if found > wanted:
                    break
            raise LookupError(f"the series has no occurrence at {start}")

    def cancel_occurrence(self, master: str, start: datetime | date) -> None:
        """Delete one occurrence."""
        self.remove_event(self.occurrence(master, start))

    def events(self, calendar: str) -> list[Json]:
        """What is stored in a calendar: single events and masters, with their extended properties, by immutable ids."""
        with self._lock:
            folder = self._state.folder(calendar)
            return [self._shown(itself(entry)) for entry in folder.items.values()]

    def instances(self, calendar: str, start: datetime, end: datetime) -> list[Json]:
        """What takes place in a calendar in a window: single events, occurrences and exceptions, whole."""
        with self._lock:
            folder = self._state.folder(calendar)
            return [self._shown(one) for entry in folder.items.values() for one in instances(entry, start, end)]

    def deleted_items(self, upn: str) -> list[Json]:
        """What a user's Deleted Items hold, titles and all."""
        with self._lock:
            user = self._state.mailbox(upn)
            gone = [one for one in self._state.entries.values() if one.folder is None and one.mailbox is user]
            return [self._shown(itself(entry)) for entry in gone]

    def corrupt(self, event: str, garbage: Json) -> None:
        """Put nonsense over an event's JSON in every answer; an empty object heals it."""
        with self._lock:
            entry, _ = self._writer.find(event)
            entry.garbage = dict(garbage)
            self._state.touch(entry)

    def _take_over(self, entry: Entry, slot: datetime | None, said: Json) -> None:
        """What only the service, or somebody else, can say of an event."""
        fields = entry.fields if slot is None else entry.exceptions[slot].fields
        if "isCancelled" in said:
            fields["isCancelled"] = said["isCancelled"]
        if "responseStatus" in said:
            response = said["responseStatus"]["response"]
            if slot is None:
                entry.response = response
            else:
                fields["response"] = response

    def _add_folder(self, user: Mailbox, name: str, *, default: bool) -> Folder:
        folder = Folder(self._folder_id(), user, name, default)
        user.folders[folder.id] = folder
        return folder

    def _folder_id(self) -> str:
        return f"AAMkAGI2TGuLAAA{self._state.dice.getrandbits(160):040X}{self._state.next_number():06d}-Cal="

    def _shown(self, one: Instance) -> Json:
        view = View(self._state.habits, immutable=True)
        return view.event(one, expand={"singleValueExtendedProperties": tuple(one.entry.properties)})
