"""A calendar at Microsoft, as Ana's own app sees it: events as Graph has them (v1.0, resource ``event``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from attrs import define, evolve, field

from calsync_core.cli.demo.desks import Desk, fetch_json
from calsync_core.cli.demo.entries import Entry, Person, read_entries, write_entries, zone_name
from calsync_core.models import Moment
from calsync_core.testing.servers import ServerError
from calsync_core.testing.simulators.graph import GraphSimulator

__all__ = ["WINDOWS_ZONES", "GraphDesk"]

Json = dict[str, Any]

WINDOWS_ZONES = {
    "America/New_York": "Eastern Standard Time",
    "Europe/Berlin": "W. Europe Standard Time",
    "Europe/London": "GMT Standard Time",
    "UTC": "UTC",
}
"""By IANA name, as far as the example calendars go."""

_IANA_ZONES = {windows: iana for iana, windows in WINDOWS_ZONES.items()}
_ANSWERS = {
    "accepted": "ACCEPTED",
    "declined": "DECLINED",
    "tentativelyAccepted": "TENTATIVE",
    "notResponded": "NEEDS-ACTION",
}
_WORDS = {answer: word for word, answer in _ANSWERS.items()}
_DAYS = {
    "MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday", "SA": "saturday",
    "SU": "sunday",
}  # fmt: skip
_CODES = {day: code for code, day in _DAYS.items()}


@define
class GraphDesk(Desk):
    """A calendar at the simulated Microsoft. Saved by its owner's hand, listed over HTTP."""

    service: ClassVar[str] = "Microsoft"

    graph: GraphSimulator
    calendar_id: str
    email: str
    zone: str
    token: str = field(repr=False)
    _ids: dict[str, str] = field(factory=dict, init=False)

    def listing(self) -> dict[str, str]:
        """Single events and series; what differs in a series is asked for one by one, as Graph wants it."""
        names = {event_id: name for name, event_id in self._ids.items()}
        found: dict[str, str] = {}
        for event in self._events():
            event_id = str(event["id"])
            found[names.get(event_id, event_id)] = self._text(event)
        return found

    def _events(self) -> list[Json]:
        page = self._get(f"me/calendars/{quote(self.calendar_id, safe='')}/events", {"$top": "100"})
        events: list[Json] = page["value"]
        while "@odata.nextLink" in page:
            page = fetch_json(self.client, page["@odata.nextLink"], self.token, prefer=self._prefer)
            events += page["value"]
        return events

    def _text(self, event: Json) -> str:
        whole = self._entry(event)
        if event["type"] != "seriesMaster":
            return write_entries([whole])
        asked = {"$select": "cancelledOccurrences", "$expand": "exceptionOccurrences"}
        series = self._get(f"me/events/{quote(event['id'], safe='')}", asked)
        changed = [
            evolve(self._entry(each), uid=whole.uid, slot=_instant(each["originalStart"], whole.start))
            for each in series["exceptionOccurrences"]
        ]
        gone = [_cancelled(whole, occurrence) for occurrence in series["cancelledOccurrences"]]
        return write_entries([whole, *changed, *gone])

    def _get(self, path: str, query: Mapping[str, str]) -> Json:
        return fetch_json(self.client, f"{self.graph.base_url}/{path}", self.token, query=query, prefer=self._prefer)

    @property
    def _prefer(self) -> str:
        return f'IdType="ImmutableId", outlook.timezone="{WINDOWS_ZONES[self.zone]}"'

    def _entry(self, event: Json) -> Entry:
        answer = _ANSWERS.get(event["responseStatus"]["response"])
        cancelled, tentative = event["isCancelled"], event["showAs"] == "tentative"
        return Entry(
            uid=event["iCalUId"],
            start=_moment(event["start"], all_day=event["isAllDay"]),
            end=_moment(event["end"], all_day=event["isAllDay"]),
            title=event["subject"],
            status="CANCELLED" if cancelled else "TENTATIVE" if tentative else "CONFIRMED",
            free=event["showAs"] in {"free", "workingElsewhere"},
            rules=(_rule(event["recurrence"]),) if event["recurrence"] else (),
            people=(Person(self.email, answer=answer),) if answer else (),
            version=event["@odata.etag"],
        )

    def _save(self, name: str, text: str) -> None:
        before = read_entries(self.own[name]) if name in self.own else []
        for entry in read_entries(text):
            if entry in before:
                continue
            if entry.slot is not None:
                self._save_occurrence(self._ids[name], entry)
            elif name in self._ids:
                self.graph.patch_event(self._ids[name], self._event(entry))
            else:
                self._ids[name] = self.graph.put_event(self.calendar_id, {**self._event(entry), "iCalUId": entry.uid})
                for slot in entry.left_out:
                    self.graph.cancel_occurrence(self._ids[name], slot)

    def _save_occurrence(self, series: str, entry: Entry) -> None:
        slot = entry.slot or entry.start
        if entry.status == "CANCELLED":
            self.graph.cancel_occurrence(series, slot)
        else:
            self.graph.patch_event(self.graph.occurrence(series, slot), self._event(entry))

    def _erase(self, name: str) -> None:
        self.graph.remove_event(self._ids.pop(name, name))

    def _event(self, entry: Entry) -> Json:
        answer = entry.answer(self.email)
        event: Json = {
            "subject": entry.title,
            "start": _time(entry.start),
            "end": _time(entry.end),
            "isAllDay": not isinstance(entry.start, datetime),
            "showAs": _show_as(entry, answer),
            "sensitivity": "private" if entry.private else "normal",
            "location": {"displayName": entry.place},
            "body": {"contentType": "text", "content": entry.notes},
        }
        if entry.status == "CANCELLED":
            event["isCancelled"] = True
        if entry.rules:
            event["recurrence"] = _recurrence(entry)
        if entry.organizer is not None:
            event["organizer"] = _person(entry.organizer)
            event["attendees"] = [_person(each) for each in entry.people]
        if answer is not None:
            event["responseStatus"] = {"response": _WORDS[answer]}
        return event


def _show_as(entry: Entry, answer: str | None) -> str:
    """Outlook shows a meeting that nobody answered as tentative, and a declined one as free."""
    if entry.free or answer == "DECLINED":
        return "free"
    return "tentative" if entry.status == "TENTATIVE" or answer in {"TENTATIVE", "NEEDS-ACTION"} else "busy"


def _person(person: Person) -> Json:
    return {"emailAddress": {"name": person.name, "address": person.email}}


def _time(moment: Moment) -> Json:
    if isinstance(moment, datetime):
        wall = moment.replace(tzinfo=None)
        return {"dateTime": wall.isoformat(), "timeZone": WINDOWS_ZONES[zone_name(moment)]}
    return {"dateTime": f"{moment.isoformat()}T00:00:00", "timeZone": "UTC"}


def _moment(value: Json, *, all_day: bool) -> Moment:
    wall = datetime.fromisoformat(value["dateTime"][:19])
    return wall.date() if all_day else wall.replace(tzinfo=ZoneInfo(_IANA_ZONES[value["timeZone"]]))


def _recurrence(entry: Entry) -> Json:
    """Graph's pattern and range for a rule; the examples need no other than weekly ones without an end."""
    rule = dict(part.split("=") for part in entry.rules[0].removeprefix("RRULE:").split(";"))
    if rule["FREQ"] != "WEEKLY" or rule.keys() - {"FREQ", "INTERVAL", "BYDAY"}:
        raise ServerError(f"the demo knows no way to repeat an event at Microsoft like {entry.rules[0]}")
    pattern = {
        "type": "weekly",
        "interval": int(rule.get("INTERVAL", 1)),
        "daysOfWeek": [_DAYS[code] for code in rule["BYDAY"].split(",")],
        "firstDayOfWeek": "monday",
    }
    return {"pattern": pattern, "range": {"type": "noEnd", "startDate": f"{entry.start:%Y-%m-%d}"}}


def _rule(recurrence: Json) -> str:
    pattern = recurrence["pattern"]
    if (pattern["type"], recurrence["range"]["type"]) != ("weekly", "noEnd"):
        raise ServerError(f"the demo can't read a series that is {pattern['type']}, {recurrence['range']['type']}")
    days = ",".join(_CODES[day] for day in pattern["daysOfWeek"])
    return f"RRULE:FREQ=WEEKLY;INTERVAL={pattern['interval']};BYDAY={days};WKST={_CODES[pattern['firstDayOfWeek']]}"


def _instant(text: str, like: Moment) -> Moment:
    """An original start, in the zone of the series."""
    at = datetime.fromisoformat(text)
    return at.astimezone(like.tzinfo) if isinstance(like, datetime) else at.date()


def _cancelled(series: Entry, occurrence: str) -> Entry:
    """The occurrence that an id like ``OID.….2026-12-03`` stands for: the day is the series' own."""
    day = date.fromisoformat(occurrence.rpartition(".")[2])
    first, last = series.start, series.end
    if isinstance(first, datetime) and isinstance(last, datetime):
        start: Moment = datetime.combine(day, first.timetz())
        length = last - first
    else:
        start, length = day, timedelta(days=last.toordinal() - first.toordinal())
    return evolve(series, start=start, end=start + length, slot=start, status="CANCELLED", rules=())
