"""Series: a delta only says which ones changed; their instances in the window are what they are now (decision 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from attrs import define, field, frozen

from calsync_core.errors import Unavailable
from calsync_core.models import Item, Unreadable, Window
from calsync_core.providers.microsoft.batch import Call
from calsync_core.providers.microsoft.names import TAG_PROPERTY
from calsync_core.providers.microsoft.service import PREFERENCES, Service
from calsync_core.providers.microsoft.wire import EVENT_FIELDS, Json, parse_item, parse_series
from calsync_core.transport import Answer

__all__ = ["EXPANDED", "MAX_PAGES", "Found", "SeriesReader", "page_of", "zulu"]

MAX_PAGES = 10_000
_INSTANCES_AT_ONCE = "500"

_MakeCall: TypeAlias = Callable[[str], Call]

EXPANDED = {
    "$select": EVENT_FIELDS,
    "$expand": f"singleValueExtendedProperties($filter=id eq '{TAG_PROPERTY}')",
}
"""A read by id shows the tag, if it asks for it."""


@define
class Found:
    """What reads by id brought."""

    items: list[Item] = field(factory=list)
    gone: list[str] = field(factory=list)
    unreadable: list[Unreadable] = field(factory=list)


@frozen
class SeriesReader:
    """Reads events by id: single ones whole, series as their instances in a window."""

    service: Service
    calendar_id: str
    window: Window

    def read(self, keys: Sequence[str]) -> Found:
        """Read these, in two rounds of batches at the most, and more only where a series has many instances.

        Raises:
            NotFound: there is no such calendar.
        """
        found = Found()
        masters: dict[str, Json] = {}
        missing: list[str] = []
        for key, answer in self._ask(keys, self._event):
            entry = _json(answer)
            if entry is None:
                if answer is not None and self.service.refusal(answer).gone:
                    missing.append(key)
                else:
                    found.unreadable.append(Unreadable(key, f"could not be read ({answer.status if answer else '-'})"))
            elif entry.get("type") == "seriesMaster":
                masters[key] = entry
            else:
                self._take_single(found, key, entry)
        self._take_series(found, masters)
        if missing:
            # 404 is also what is said where the calendar is gone: then it means nothing for the event (I-41).
            self.check_exists()
            found.gone += missing
        return found

    def check_exists(self) -> None:
        """Raise NotFound if there is no such calendar, or this login may not see it."""
        call = self.service.call("GET", "calendars", self.calendar_id, query={"$select": "id"})
        answer = self.service.send(call, reading=True)
        if not answer.ok:
            raise self.service.refusal(answer).as_error(reading=True)

    def _take_single(self, found: Found, key: str, entry: Json) -> None:
        try:
            found.items.append(parse_item(entry))
        except ValueError as error:
            found.unreadable.append(Unreadable(key, str(error)))

    def _take_series(self, found: Found, masters: Mapping[str, Json]) -> None:
        for key, answer in self._ask(list(masters), self._instances):
            try:
                if answer is not None and self.service.refusal(answer).gone:
                    found.gone.append(key)
                else:
                    found.items.append(parse_series(masters[key], self._all_instances(answer)))
            except (ValueError, Unavailable) as error:
                found.unreadable.append(Unreadable(key, str(error)))

    def _all_instances(self, answer: Answer | None) -> list[Json]:
        instances: list[Json] = []
        seen: set[str] = set()
        while answer is not None and answer.ok:
            entries, link, _ = page_of(answer)
            instances += entries
            if link is None:
                return instances
            if link in seen or len(seen) > MAX_PAGES:
                raise Unavailable("Graph repeats a page of instances")
            seen.add(link)
            answer = self.service.follow(link, PREFERENCES)
        raise Unavailable(f"the instances can't be read ({answer.status if answer else '-'})")

    def _ask(self, keys: Sequence[str], make: _MakeCall) -> Iterable[tuple[str, Answer | None]]:
        answers = self.service.send_all([make(key) for key in keys], reading=True)
        for key, answer in zip(keys, answers, strict=True):
            if answer is not None and not answer.ok:
                refusal = self.service.refusal(answer)
                if refusal.too_fast or answer.status in {401, 403}:
                    raise refusal.as_error(reading=True)
            yield key, answer

    def _event(self, key: str) -> Call:
        return self.service.call("GET", "calendars", self.calendar_id, "events", key, query=EXPANDED)

    def _instances(self, key: str) -> Call:
        query = {
            "startDateTime": zulu(self.window.start),
            "endDateTime": zulu(self.window.end),
            "$select": EVENT_FIELDS,
            "$top": _INSTANCES_AT_ONCE,
        }
        return self.service.call("GET", "calendars", self.calendar_id, "events", key, "instances", query=query)


def page_of(answer: Answer) -> tuple[list[Json], str | None, str | None]:
    """A page's entries, its next link and its delta link.

    Raises:
        Unavailable: it is no page.
    """
    page = answer.json()
    value = page.get("value") if isinstance(page, dict) else None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Unavailable("the answer is not a list of events")
    return value, _link(page, "@odata.nextLink"), _link(page, "@odata.deltaLink")


def _link(page: Json, name: str) -> str | None:
    link = page.get(name)
    return link if isinstance(link, str) and link else None


def _json(answer: Answer | None) -> Json | None:
    if answer is None or not answer.ok:
        return None
    try:
        entry = answer.json()
    except Unavailable:
        return None
    return entry if isinstance(entry, dict) and entry.get("id") else None


def zulu(at: datetime) -> str:
    """As Graph's query parameters want an instant."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
