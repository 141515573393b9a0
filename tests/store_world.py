"""A small world of values in which everything meets everything: for histories of calls on stores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from calsync_core.models import (
    BlockContent,
    Changes,
    Cursor,
    Debt,
    Event,
    Item,
    Mark,
    OutcomeStatus,
    ReadState,
    Span,
    Tag,
    Window,
)

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OWNERS = ("ana", "bo")
KEYS = ("n0", "n1", "e0", "E0")
UIDS = ("u0", "u1")
MARKS = ("k0", "k1", "a@b.c:x:y")
WINDOWS = (Window(NOW, NOW + DAY), Window(NOW - DAY, NOW), Window(NOW + 300 * DAY, NOW + 301 * DAY))
SPANS = (
    Span(NOW, NOW + HOUR),
    Span(NOW.astimezone(BERLIN), (NOW + HOUR).astimezone(BERLIN)),
    Span(NOW - HOUR, NOW),
    Span(date(2026, 11, 24), date(2026, 11, 25)),
    Span(NOW - 400 * DAY, NOW - 400 * DAY),
)

picks = st.integers(0, 7)
moments = st.sampled_from([NOW, NOW + HOUR, NOW, NOW + HOUR, NOW + DAY])
spans = st.sampled_from(SPANS)
keys = st.sampled_from(KEYS)
key_lists = st.lists(keys, max_size=2).map(tuple)
marks = st.sampled_from([None, None, Mark("k0"), Mark("k1", 1, Tag("i", "o", "s")), Mark("a@b.c:x:y", textual=True)])
versions = st.sampled_from([None, NOW, NOW + HOUR])


@st.composite
def events(draw: st.DrawFn) -> Event:
    series = draw(st.sampled_from([None, None, "e0"]))
    return Event(
        draw(keys),
        draw(st.sampled_from([None, *UIDS])),
        draw(spans),
        series=series,
        original_start=NOW if series else None,
        recurrence=() if series else draw(st.sampled_from([(), ("RRULE:FREQ=WEEKLY",)])),
        title=draw(st.sampled_from(["", "x"])),
        mark=draw(marks),
        adorned=draw(st.booleans()),
    )


items = st.builds(
    Item,
    keys,
    st.lists(events(), max_size=2).map(tuple),
    st.sampled_from([None, "1"]),
    versions,
    st.sampled_from([None, "e0"]),
)
debts = st.builds(Debt, keys, st.sampled_from(["missing", "conflict: x", "taken"]), moments, moments, st.integers(0, 2))
contents = st.builds(BlockContent, spans.map(Span.in_utc), st.just("Busy"))
statuses = st.sampled_from(OutcomeStatus)

read_states = st.builds(ReadState, round=st.integers(0, 3), due_at=st.none() | moments, failures=st.integers(0, 2))
pages = st.builds(
    Changes,
    at=moments,
    items=st.lists(items, max_size=3).map(tuple),
    removed=key_lists,
    present=key_lists,
    debts=st.lists(debts, max_size=2, unique_by=lambda debt: debt.key).map(tuple),
    settled=key_lists,
    round=st.none() | st.integers(0, 3),
    cursor=st.sampled_from([None, Cursor("1", "s"), Cursor("2", "s")]),
)
