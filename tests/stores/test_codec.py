"""What a store keeps as text comes back exactly, whatever a provider sent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.errors import InvalidValue, StoreError
from calsync_core.models import Block, BlockContent, Event, MirrorRule, Moment, Span
from calsync_core.stores.sql.codec import decode, digest, encode, escape, format_moment, parse_moment, unescape
from store_values import VALUES, moments, text

BERLIN = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 11, 24, 9, tzinfo=BERLIN)


def walls(value: Any) -> list[object]:
    """Every moment in a value, as it stands on the wall: ``==`` would only compare instants."""
    if isinstance(value, datetime):
        zone = "UTC" if value.tzinfo is UTC else str(value.tzinfo)
        return [(value.replace(tzinfo=None, fold=0), value.fold, zone)]
    if isinstance(value, date):
        return [value]
    if isinstance(value, tuple):
        return [wall for part in value for wall in walls(part)]
    if attrs.has(type(value)):
        return [wall for field in attrs.fields(type(value)) for wall in walls(getattr(value, field.name))]
    return []


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_stored_value_comes_back_exactly(kind: type[Any], data: st.DataObject) -> None:  # I-14, I-19
    value = data.draw(VALUES[kind])
    stored = encode(value)
    assert stored.isascii()
    found = decode(kind, stored)
    assert found == value
    assert walls(found) == walls(value)
    assert encode(found) == stored


@given(moments)
def test_a_moment_comes_back_exactly(moment: Moment) -> None:  # I-19
    found = parse_moment(format_moment(moment))
    assert found == moment
    assert walls(found) == walls(moment)


@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        (date(2026, 11, 24), "2026-11-24"),
        (NINE, "2026-11-24T09:00:00[Europe/Berlin]"),
        (NINE.astimezone(UTC), "2026-11-24T08:00:00[UTC]"),
        (NINE.astimezone(timezone(timedelta(hours=5))), "2026-11-24T08:00:00[UTC]"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), "2026-10-25T02:30:00[Europe/Berlin] fold=1"),
        (datetime(26, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "0026-01-02T03:04:05.000006[UTC]"),
    ],
)
def test_a_stored_moment_is_readable(moment: Moment, stored: str) -> None:
    assert format_moment(moment) == stored
    assert parse_moment(stored) == moment


def test_a_moment_that_would_not_come_back_is_refused() -> None:  # I-24
    with pytest.raises(InvalidValue, match="datetime"):
        format_moment(datetime(2026, 11, 24))  # noqa: DTZ001  (naive on purpose)


def test_a_zone_that_this_machine_lacks_is_named() -> None:  # I-24
    with pytest.raises(StoreError, match="Mars/Olympus"):
        decode(Span, '{"start":"2026-11-24T09:00:00[Mars/Olympus]","end":"2026-11-24"}')


def test_what_is_at_its_default_takes_no_room() -> None:
    assert encode(MirrorRule()) == "{}"
    assert json.loads(encode(Event("a", None, Span(NINE, NINE)))).keys() == {"id", "uid", "span"}


@pytest.mark.parametrize("stored", ["", "[]", "null", "{", '{"key":"k"}', '{"span":3}', '{"nonsense":1}'])
def test_what_is_no_value_is_told_without_showing_it(stored: str) -> None:  # I-39
    for kind in (Block, BlockContent):
        with pytest.raises(StoreError, match=kind.__name__) as caught:
            decode(kind, stored)
        assert stored == "" or stored not in str(caught.value)
        assert caught.value.__suppress_context__


@given(text)
def test_any_text_survives_in_ascii(word: str) -> None:
    assert escape(word).isascii()
    assert "\x00" not in escape(word)
    assert unescape(escape(word)) == word


def test_plain_identifiers_are_stored_as_they_are() -> None:
    assert escape("uid-1@example.com/é") == "uid-1@example.com/\\u00e9"


@given(text, text)
def test_digests_tell_texts_apart(one: str, other: str) -> None:
    assert len(digest(one)) == 64
    assert (digest(one) == digest(other)) == (one == other)
