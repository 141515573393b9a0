"""Meetings: invitations, the copies on other people's calendars, and the mails all that costs.

With attendees Graph always sends mail, on create, change and delete; there is no switch ("user-post-events").
"""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from attrs import evolve

from calsync_core.testing.simulators.graph.bodies import Draft
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.state import Entry, Json, Mail, Mailbox, Special, State

__all__ = ["Meetings"]

Answer = Literal["accepted", "tentativelyAccepted", "declined"]
_OWN = frozenset({"showAs", "isReminderOn", "reminderMinutesBeforeStart", "categories", "response"})


class Meetings:
    """What follows from attendees. Mails are counted only while a request is carried out."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._made: defaultdict[str, list[Entry]] = defaultdict(list)

    def invite(self, entry: Entry) -> None:
        """A new event may have guests."""
        for address in _guests(entry):
            self._send("invitation", address, entry)
            self._copy(entry, address)

    def update(self, entry: Entry, draft: Draft) -> None:
        """A changed event: whoever was or is invited hears of it."""
        del draft
        if entry.organizer is not None:
            return
        for address in _guests(entry):
            mailbox = self._mailbox(address)
            known = mailbox is not None and self._copy_in(entry, mailbox) is not None
            self._send("update" if known or mailbox is None else "invitation", address, entry)
            if not known:
                self._copy(entry, address)
        self.changed(entry)

    def changed(self, entry: Entry) -> None:
        """Bring the copies up to date; each guest's own properties stay."""
        if entry.organizer is not None:
            return
        for copy in self._copies(entry):
            kept = {name: value for name, value in copy.fields.items() if name in _OWN}
            copy.fields = {name: value for name, value in entry.fields.items() if name not in _OWN} | kept
            copy.start, copy.end, copy.recurrence = entry.start, entry.end, entry.recurrence
            copy.cancelled = set(entry.cancelled)
            copy.exceptions = {
                slot: Special(one.start, one.end, dict(one.fields)) for slot, one in entry.exceptions.items()
            }
            self._state.touch(copy)
            for one in copy.exceptions.values():
                one.version = copy.version

    def withdraw(self, entry: Entry) -> None:
        """The organizer deletes it: the copies stay, marked as cancelled."""
        if entry.organizer is not None:
            return
        for address in _guests(entry):
            self._send("cancellation", address, entry)
        for copy in self._copies(entry):
            subject = f"Canceled: {copy.fields.get('subject', '')}"
            copy.fields = copy.fields | {"isCancelled": True, "showAs": "free", "subject": subject}
            self._state.touch(copy)

    def respond(self, entry: Entry, answer: Answer, *, send: bool) -> None:
        """A guest answers.

        Raises:
            GraphError: the meeting is one's own.
        """
        if entry.organizer is None:
            raise GraphError(400, "ErrorInvalidRequest", "You can't respond to this meeting: you're the organizer.")
        entry.response = answer
        shows = {"accepted": "busy", "tentativelyAccepted": "tentative", "declined": "free"}
        entry.fields = entry.fields | {"showAs": shows[answer]}
        if send:
            self._send("response", str(entry.organizer.get("address", "")), entry)
        self._tell_organizer(entry, answer)
        if answer == "declined" and self._state.habits.declined == "removed":
            self._state.move(entry, None)
        else:
            self._state.touch(entry)

    def _tell_organizer(self, copy: Entry, answer: Answer) -> None:
        for entry in list(self._state.entries.values()):
            if entry.uid == copy.uid and entry.organizer is None and entry.folder is not None:
                attendees = [_answered(one, copy.mailbox, answer) for one in entry.fields.get("attendees", [])]
                entry.fields = entry.fields | {"attendees": attendees}
                self._state.touch(entry)

    def _copy(self, entry: Entry, address: str) -> None:
        mailbox = self._mailbox(address)
        if mailbox is None or mailbox is entry.mailbox or not mailbox.enabled:
            return
        organizer = {"name": entry.mailbox.name, "address": entry.mailbox.mail}
        fields = {name: value for name, value in entry.fields.items() if name not in _OWN} | {"showAs": "tentative"}
        copy = evolve(
            entry,
            key=f"{self._state.next_number():06d}{self._state.dice.getrandbits(48):012x}",
            mailbox=mailbox,
            folder=mailbox.default,
            fields=fields,
            properties={},
            transaction_id=None,
            moves=0,
            exceptions={},
            cancelled=set(),
            organizer=organizer,
            response="notResponded",
            garbage={},
        )
        self._made[entry.uid].append(copy)
        self._state.add(copy)

    def _copies(self, entry: Entry) -> list[Entry]:
        return [copy for copy in self._made.get(entry.uid, ()) if copy.folder is not None]

    def _copy_in(self, entry: Entry, mailbox: Mailbox) -> Entry | None:
        return next((one for one in self._copies(entry) if one.mailbox is mailbox), None)

    def _mailbox(self, address: str) -> Mailbox | None:
        try:
            return self._state.mailbox(address)
        except GraphError:
            return None

    def _send(self, kind: Literal["invitation", "update", "cancellation", "response"], to: str, entry: Entry) -> None:
        if self._state.mailing:
            self._state.mails.append(Mail(kind, to, entry.event_id(immutable=True)))


def _guests(entry: Entry) -> list[str]:
    own = entry.mailbox.mail.casefold()
    addresses = [str(one["emailAddress"]["address"]) for one in entry.fields.get("attendees", [])]
    return [address for address in addresses if address.casefold() != own] if entry.organizer is None else []


def _answered(attendee: Json, mailbox: Mailbox, answer: str) -> Json:
    if str(attendee["emailAddress"]["address"]).casefold() not in {mailbox.mail.casefold(), mailbox.upn.casefold()}:
        return attendee
    return attendee | {"status": {"response": answer, "time": "2026-01-01T00:00:00Z"}}
