"""What the tests of reading from Graph share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from calsync_core.models import ChangePage, Cursor, Event, Item, KnownItem, Span, Window
from calsync_core.protocols import KnownItems, ReadRequest
from calsync_core.providers.microsoft.cursor import Position, ahead
from calsync_core.testing.provider_contract.bench import START, WINDOW, Reading
from calsync_core.testing.provider_contract.fixtures import BERLIN, HOUR
from graph_scripts import WORK, Graph, page


def series(uid: str = "s", count: int | None = 5, rule: str = "DAILY", start: datetime = START) -> Event:
    ending = "" if count is None else f";COUNT={count}"
    local = start.astimezone(BERLIN)
    return Event(uid, uid, Span(local, local + HOUR), recurrence=(f"RRULE:FREQ={rule}{ending}",), title="Daily")


def known_after(*readings: Reading) -> KnownItems:
    """What a store would say that had saved these readings."""
    stored = {item.key: KnownItem(item.key, item.etag) for reading in readings for item in reading.items}

    def look_up(keys: Sequence[str] | None) -> Mapping[str, KnownItem]:
        return {key: known for key, known in stored.items() if keys is None or key in keys}

    return look_up


def read(graph: Graph, cursor: Cursor | None = None) -> list[ChangePage]:
    return list(graph.provider.fetch_changes(graph.session, ReadRequest(WORK, WINDOW, cursor)))


def cursor_to(link: str, window: Window | None = None) -> Cursor:
    made = Graph(page(delta="t"))
    shape = read(made)[-1].cursor
    assert shape is not None
    return Position(link, window or ahead(WORK.remote_id, WINDOW)).write(shape.shape)


def starts(item: Item) -> list[datetime]:
    return sorted(one.span.edges(UTC)[0] for one in item.events)


def item_of(reading: Reading, key: str) -> Item:
    return {item.key: item for item in reading.items}[key]
