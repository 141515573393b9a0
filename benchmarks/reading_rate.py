"""How many events a second are understood and stored, beside ``json.loads`` and the driver's bare ``executemany``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.databases import Plain, new_database
from benchmarks.rates import Figure, Pace, take_turns

from calsync_core import Account, Calendar
from calsync_core.core.reading import relevant
from calsync_core.models import Changes, Item
from calsync_core.providers.google.wire import parse_item
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import events, items

__all__ = ["reading_figures"]

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PAGE = 250
_SERIES = 10
"""Each so manieth event is a series."""


def page(number: int, size: int) -> bytes:
    """A page of Google's listing, as it comes over the wire; no two have an event in common."""
    return json.dumps({"items": [_entry(number * size + place) for place in range(size)]}).encode()


def _entry(number: int) -> dict[str, object]:
    start = NOW + timedelta(hours=1 + number % 2_000)
    edges = {name: {"dateTime": at.isoformat(), "timeZone": "Europe/Berlin"} for name, at in _edges(start)}
    return {
        "id": f"event{number:08d}",
        "etag": f'"{number:016d}"',
        "status": "confirmed",
        "updated": "2026-11-24T08:00:00.000Z",
        "summary": f"Meeting number {number} of the planning group",
        "description": "What it is about. " * 8,
        "iCalUID": f"event{number:08d}@google.com",
        "organizer": {"self": True},
        "attendees": [{"self": True, "responseStatus": "accepted"}, {"responseStatus": "needsAction"}],
        **edges,
        **({"recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=TU,TH"]} if number % _SERIES == 0 else {}),
    }


def _edges(start: datetime) -> tuple[tuple[str, datetime], tuple[str, datetime]]:
    return ("start", start), ("end", start + timedelta(minutes=30))


def parsed(body: bytes) -> tuple[Item, ...]:
    """What a page says, in our words, without what is over."""
    return relevant([parse_item(entry) for entry in json.loads(body)["items"]], UTC, NOW)


def reading_figures(folder: Path, databases: Sequence[str], *, rounds: int, size: int = PAGE) -> Iterator[Figure]:
    """Normalising alone, then storing, then both, on each database there is."""
    bodies = [page(number, size) for number in range(2 * (rounds + 1))]

    def loads() -> int:
        return len(json.loads(bodies[0])["items"])

    loading = take_turns({"ours": lambda: len(parsed(bodies[0])), "json.loads": loads}, rounds)
    yield Figure("normalise", "events", loading.pop("ours"), loading)
    for kind in databases:
        with new_database(kind, folder) as url, new_database(kind, folder) as beside:
            if url is not None and beside is not None:
                yield from _stored(kind, _Ours(url), _Theirs(beside, bodies), bodies, loading["json.loads"])


def _stored(kind: str, ours: _Ours, theirs: _Theirs, bodies: list[bytes], loading: Pace) -> Iterator[Figure]:
    half = len(bodies) // 2
    ready, raw = [parsed(body) for body in bodies[:half]], list(bodies[half:])
    works = {
        "store": lambda: ours.save(ready.pop()),
        "both": lambda: ours.save(parsed(raw.pop())),
        "executemany": theirs.insert,
    }
    paces = take_turns(works, half - 1)
    least = paces["executemany"]
    yield Figure("store", "events", paces["store"], {"executemany": least}, kind)
    floor = Pace(least.wall + loading.wall, least.cpu + loading.cpu)
    yield Figure("normalise + store", "events", paces["both"], {"json.loads + executemany": floor}, kind)
    ours.store.close()
    theirs.plain.close()


class _Ours:
    """A store, and one calendar in it."""

    def __init__(self, url: str) -> None:
        self.store = SQLStore(url)
        account = self.store.save_account(Account("ana", "google", "work"))
        self._calendar = self.store.save_calendar(Calendar(account.key, "ana", "work", "Work"))
        self._lease = self.store.acquire_lease(f"calendar:{self._calendar.key}", "bench", 3600, NOW)

    def save(self, found: tuple[Item, ...]) -> int:
        """Store a page."""
        return self.store.save_changes(self._lease, self._calendar.key, Changes(NOW, found)).created


class _Theirs:
    """The very rows that the store would make of these pages, and nothing but the driver."""

    def __init__(self, url: str, bodies: Sequence[bytes]) -> None:
        ours = _Ours(url)
        sizes = [ours.save(parsed(body)) for body in bodies]
        ours.store.close()
        self.plain = Plain(url)
        self._statements = [self.plain.insertion(table, list(table.c.keys())) for table in (items, events)]
        rows = [self.plain.execute(f"SELECT * FROM {table.name} ORDER BY key_hash") for table in (items, events)]  # noqa: S608  (names of ours)
        with self.plain.transaction() as cursor:
            for table in (events, items):
                cursor.execute(f"DELETE FROM {table.name}")  # noqa: S608  (names of ours)
        self._pages = [[part[start : start + sizes[0]] for part in rows] for start in range(0, len(rows[0]), sizes[0])]

    def insert(self) -> int:
        """A page of items, and their events, in one transaction."""
        page = self._pages.pop()
        with self.plain.transaction() as cursor:
            for statement, rows in zip(self._statements, page, strict=True):
                cursor.executemany(statement, rows)
        return len(page[0])
