"""A calendar at Google, as Ana's own app sees it: events as the Calendar API has them (v3, resource ``Event``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from attrs import define, evolve, field

from calsync_core.cli.demo.desks import Desk, fetch_json
from calsync_core.cli.demo.entries import Entry, Person, read_entries, stamp, write_entries, zone_name
from calsync_core.models import Moment
from calsync_core.testing.simulators.google import GoogleSimulator

__all__ = ["GoogleDesk"]

Json = dict[str, Any]

_ANSWERS = {
    "accepted": "ACCEPTED",
    "declined": "DECLINED",
    "tentative": "TENTATIVE",
    "needsAction": "NEEDS-ACTION",
}
_WORDS = {answer: word for word, answer in _ANSWERS.items()}


@define
class GoogleDesk(Desk):
    """A calendar at the simulated Google. Saved by its owner's hand, listed over HTTP."""

    service: ClassVar[str] = "Google"

    google: GoogleSimulator
    calendar_id: str
    token: str = field(repr=False)
    _ids: dict[str, str] = field(factory=dict, init=False)

    def listing(self) -> dict[str, str]:
        """Single events, and series with their exceptions, from as many pages as there are."""
        names = {event_id: name for name, event_id in self._ids.items()}
        heads: dict[str, Json] = {}
        exceptions: defaultdict[str, list[Json]] = defaultdict(list)
        for event in self._events():
            if "recurringEventId" in event:
                exceptions[event["recurringEventId"]].append(event)
            elif event["status"] != "cancelled":
                heads[event["id"]] = event
        return {names.get(key, key): _text(head, exceptions[key]) for key, head in heads.items()}

    def _events(self) -> list[Json]:
        url = f"{self.google.base_url}/calendars/{quote(self.calendar_id, safe='')}/events"
        query = {"showDeleted": "true", "maxResults": "250"}
        events: list[Json] = []
        while True:
            page = fetch_json(self.client, url, self.token, query=query)
            events += page.get("items", [])
            if "nextPageToken" not in page:
                return events
            query["pageToken"] = page["nextPageToken"]

    def _save(self, name: str, text: str) -> None:
        before = read_entries(self.own[name]) if name in self.own else []
        for entry in read_entries(text):
            if entry in before:
                continue
            if entry.slot is not None:
                self._save_occurrence(self._ids[name], entry)
            elif name in self._ids:
                self.google.patch_event(self.calendar_id, self._ids[name], _event(entry))
            else:
                self._ids[name] = self.google.put_event(self.calendar_id, {**_event(entry), "iCalUID": entry.uid})

    def _save_occurrence(self, series: str, entry: Entry) -> None:
        occurrence = f"{series}_{_slot_key(entry.slot)}"
        if entry.status == "CANCELLED":
            self.google.remove_event(self.calendar_id, occurrence)
        else:
            self.google.patch_event(self.calendar_id, occurrence, _event(entry))

    def _erase(self, name: str) -> None:
        self.google.remove_event(self.calendar_id, self._ids.pop(name, name))


def _event(entry: Entry) -> Json:
    event: Json = {
        "summary": entry.title,
        "start": _time(entry.start),
        "end": _time(entry.end),
        "status": entry.status.lower(),
        "transparency": "transparent" if entry.free else "opaque",
        "visibility": "private" if entry.private else "default",
        "location": entry.place,
        "description": entry.notes,
    }
    if entry.rules:
        event["recurrence"] = [*entry.rules, *(stamp("EXDATE", moment) for moment in entry.left_out)]
    if entry.organizer is not None:
        event["organizer"] = {"email": entry.organizer.email, "displayName": entry.organizer.name}
        event["attendees"] = [
            {"email": each.email, "displayName": each.name, "responseStatus": _WORDS[each.answer]}
            for each in entry.people
        ]
    return event


def _time(moment: Moment) -> Json:
    if isinstance(moment, datetime):
        return {"dateTime": moment.isoformat(), "timeZone": zone_name(moment)}
    return {"date": moment.isoformat()}


def _slot_key(slot: Moment | None) -> str:
    return f"{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}" if isinstance(slot, datetime) else f"{slot:%Y%m%d}"


def _text(head: Json, exceptions: list[Json]) -> str:
    whole = _entry(head)
    # All of a series goes by the series' UID, and a cancelled occurrence may have lost its title.
    others = [evolve(_entry({**head, **each}), uid=whole.uid, rules=()) for each in exceptions]
    return write_entries([whole, *sorted(others, key=lambda each: stamp("", each.slot or each.start))])


def _entry(event: Mapping[str, Any]) -> Entry:
    people = [Person(each["email"], answer=_ANSWERS[each["responseStatus"]]) for each in event.get("attendees", [])]
    slot: Json | None = event.get("originalStartTime")
    return Entry(
        uid=event["iCalUID"],
        start=_moment(event["start"]),
        end=_moment(event["end"]),
        title=event.get("summary", ""),
        status=event["status"].upper(),
        free=event.get("transparency") == "transparent",
        rules=tuple(event.get("recurrence", ())),
        slot=_moment(slot) if slot is not None else None,
        people=tuple(people),
        version=event["etag"],
    )


def _moment(value: Json) -> Moment:
    if "date" in value:
        return date.fromisoformat(value["date"])
    return datetime.fromisoformat(value["dateTime"]).astimezone(ZoneInfo(value.get("timeZone", "UTC")))
