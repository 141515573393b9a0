"""Reading by id, and blocks by their name.

A delta only says which series changed: their instances in the window are what they are now (decision 4).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from attrs import define, field, frozen

from calsync_core.errors import NotFound, Rejected, Unavailable
from calsync_core.models import Item, Lookup, Unreadable, Window
from calsync_core.providers.microsoft.batch import Call
from calsync_core.providers.microsoft.names import NAME_PROPERTY, TAG_PROPERTY, is_block_name
from calsync_core.providers.microsoft.service import Service
from calsync_core.providers.microsoft.wire import EVENT_FIELDS, Json, is_master, parse_item, parse_series
from calsync_core.transport import Answer

__all__ = ["EXPANDED", "ItemReader", "zulu"]

_INSTANCES_AT_ONCE = "500"
_OF_ONE = (Unavailable, Rejected, NotFound)
"""What an answer about one item may mean without stopping the others (I-37)."""

EXPANDED = {
    "$select": EVENT_FIELDS,
    "$expand": f"singleValueExtendedProperties($filter=id eq '{TAG_PROPERTY}')",
}
"""Such reads show the tag; it must be asked for."""


@frozen
class ItemReader:
    """Reads items of one calendar: single events whole, series as their instances in a window."""

    service: Service
    calendar_id: str
    window: Window

    def read(
        self, keys: Sequence[str], *, series: Collection[str] = (), masters: Mapping[str, Json] | None = None
    ) -> Lookup:
        """Read these, in one round of batches, and a second one for what turns out to be a series.

        Args:
            keys: Ids, and names of blocks.
            series: Those of them that are known to be series.
            masters: The masters of series that need not be asked for.

        Raises:
            NotFound: there is no such calendar.
        """
        found = _Found(frozenset(keys), dict(masters or {}))
        expected = {*series, *found.masters}
        calls = {("item", key): self._item(key) for key in keys if key not in found.masters}
        calls |= {("instances", key): self._instances(key) for key in keys if key in expected}
        answers = dict(self._ask(calls))
        for (kind, key), answer in answers.items():
            if kind == "item":
                self._take(found, key, answer)
        more = {("instances", key): self._instances(key) for key in found.masters if ("instances", key) not in answers}
        answers |= dict(self._ask(more))
        for key, master in found.masters.items():
            self._take_series(found, key, master, answers["instances", key])
        if found.missing:
            # 404 is also what is said where the calendar is gone: then it means nothing for the event (I-41).
            self.service.require_calendar(self.calendar_id)
        return found.lookup()

    def _ask(self, calls: Mapping[tuple[str, str], Call]) -> Iterator[tuple[tuple[str, str], Answer | None]]:
        """Raises what stops more than one of them: limits, and rights that are gone."""
        answers = self.service.send_all(list(calls.values()), reading=True)
        readable = False
        for asked, answer in zip(calls, answers, strict=True):
            if answer is not None and (answer.status == 401 or self.service.refusal(answer).too_fast):
                self.service.require(answer)
            if answer is not None and answer.status == 403 and not readable:
                # One event may be hidden in a calendar that can be read (I-37).
                self.service.require_calendar(self.calendar_id)
                readable = True
            yield asked, answer

    def _take(self, found: _Found, key: str, answer: Answer | None) -> None:
        if answer is not None and self.service.refusal(answer).gone:
            found.missing.append(key)
            return
        try:
            if answer is None:
                raise Unavailable("the answer was lost")
            if is_block_name(key):
                # Nothing is known under a name as such; what is called so stands under an id of Graph's.
                for entry in self._named(key, answer):
                    found.take(str(entry.get("id")), entry, name=key)
                found.gone.append(key)
            else:
                # Whatever id the answer has: it is told under the one that was asked for.
                found.take(key, {**_entry(answer), "id": key})
        except (*_OF_ONE, ValueError) as error:
            status = f" ({answer.status})" if answer is not None and not answer.ok else ""
            found.fail(key, f"{error}{status}")

    def _named(self, name: str, answer: Answer) -> list[Json]:
        # A copy that somebody made has the property too, but no transaction id.
        entries = [entry for page in self.service.pages(answer) for entry in page.entries]
        return [entry for entry in entries if entry.get("transactionId") == name]

    def _take_series(self, found: _Found, key: str, master: Json, answer: Answer | None) -> None:
        if answer is not None and self.service.refusal(answer).gone:
            found.missing.append(key)
            return
        try:
            if answer is None:
                raise Unavailable("the instances were not answered")
            instances = [entry for page in self.service.pages(answer) for entry in page.entries]
            found.items[key] = parse_series(master, instances)
        except (*_OF_ONE, ValueError) as error:
            found.fail(key, str(error))

    def _item(self, key: str) -> Call:
        path = ("calendars", self.calendar_id, "events")
        if not is_block_name(key):
            return self.service.call("GET", *path, key, query=EXPANDED)
        quoted = key.replace("'", "''")
        condition = f"singleValueExtendedProperties/Any(ep: ep/id eq '{NAME_PROPERTY}' and ep/value eq '{quoted}')"
        return self.service.call("GET", *path, query={"$filter": condition, **EXPANDED})

    def _instances(self, key: str) -> Call:
        query = {
            "startDateTime": zulu(self.window.start),
            "endDateTime": zulu(self.window.end),
            "$select": EVENT_FIELDS,
            "$top": _INSTANCES_AT_ONCE,
        }
        return self.service.call("GET", "calendars", self.calendar_id, "events", key, "instances", query=query)


@define
class _Found:
    """What the answers bring, bit by bit."""

    asked: frozenset[str]
    masters: dict[str, Json]
    names: dict[str, str] = field(factory=dict)
    """By id, the name that alone led to it."""
    items: dict[str, Item] = field(factory=dict)
    gone: list[str] = field(factory=list)
    missing: list[str] = field(factory=list)
    unreadable: dict[str, str] = field(factory=dict)

    def take(self, key: str, entry: Json, *, name: str | None = None) -> None:
        """A whole event. Raises ValueError."""
        if name is not None and key not in self.asked:
            self.names[key] = name
        if is_master(entry):
            self.masters[key] = entry
        else:
            self.items[key] = parse_item(entry)

    def fail(self, key: str, reason: str) -> None:
        """It stays owed under the key that was asked for: a name that leads to something unreadable is not gone."""
        self.unreadable[self.names.get(key, key)] = reason

    def lookup(self) -> Lookup:
        gone = (key for key in (*self.gone, *self.missing) if key not in self.unreadable)
        unreadable = (Unreadable(key, reason) for key, reason in self.unreadable.items())
        return Lookup(tuple(self.items.values()), tuple(gone), tuple(unreadable))


def _entry(answer: Answer) -> Json:
    """The event in an answer. Raises Unavailable."""
    if not answer.ok:
        raise Unavailable("could not be read")
    entry = answer.json()
    if not isinstance(entry, dict) or not entry.get("id"):
        raise Unavailable("the answer is no event")
    return entry


def zulu(at: datetime) -> str:
    """As Graph's query parameters want an instant."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
