"""What a store finds again: known items, unseen ones, events, identities."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import evolve

from calsync_core.models import BlockState, Debt, Event, Item, KnownItem, Mark, Span, StoredEvent, Window
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_sighting,
    an_event,
    an_item,
)

__all__ = ["FindingContract"]

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


class FindingContract(WithBench):
    """``EventStore``'s loading methods."""

    def test_known_items_come_by_key(self, bench: StoreBench) -> None:
        """Those asked for, or all; unknown keys are left out."""
        long = "https://dav.example.com/" + "ü" * 1500
        bench.save(bench.source, an_item("b"), an_item("a", etag=None), Item(long, ()))
        known = {
            "a": KnownItem("a", None, identity="uid-a"),
            "b": KnownItem("b", "etag-b", identity="uid-b"),
            long: KnownItem(long, None),
        }
        assert bench.store.load_items(bench.source.key) == known
        assert bench.store.load_items(bench.source.key, {"b", long, "nothing"}) == {
            key: item for key, item in known.items() if key != "a"
        }
        assert bench.store.load_items(bench.source.key, []) == {}
        assert bench.store.load_items(bench.target.key) == {}

    def test_keys_are_told_apart_exactly(self, bench: StoreBench) -> None:
        """By case, accent and trailing space: a database's collation must not decide."""
        keys = ["Key", "key", "key ", "kéy", "ke\u0301y"]
        bench.save(bench.source, *(an_item(key, etag=key) for key in keys))
        assert {key: item.etag for key, item in bench.store.load_items(bench.source.key).items()} == {
            key: key for key in keys
        }
        assert list(bench.store.load_items(bench.source.key, ["key"])) == ["key"]

    def test_ours_is_what_we_wrote_and_still_claim(self, bench: StoreBench) -> None:
        """In every state but DELETED and RELEASED, with this native id, on this calendar."""
        for number, state in enumerate(BlockState):
            changed_at = NOW + number * _HOUR
            block = a_block(bench.source, bench.target, f"k{number}", state=state, changed_at=changed_at)
            bench.store.save_blocks([block])
            bench.save(bench.target, a_sighting(block))
            bench.save(bench.source, a_sighting(block))
            ours = state not in {BlockState.DELETED, BlockState.RELEASED}
            written_at, identity = changed_at if ours else None, f"id:{block.native_id}"
            known = KnownItem(
                block.native_id, "seen-1", ours=ours, written_at=written_at, identity=identity, marked=True
            )
            for keys in (None, [block.native_id]):
                assert bench.store.load_items(bench.target.key, keys)[block.native_id] == known, state
                assert not bench.store.load_items(bench.source.key, keys)[block.native_id].ours

    def test_unseen_is_what_a_round_did_not_stamp(self, bench: StoreBench) -> None:
        """Items, present keys and debts are seen; sorted."""
        bench.save(bench.source, *(an_item(key) for key in ("d", "a", "b", "c", "e")))
        begun = bench.begin_round(bench.source)
        bench.save(bench.source, an_item("a"), round=begun, present=("b",), debts=(Debt("c", "x", NOW, NOW),))
        assert bench.store.load_unseen(bench.source.key, begun, None) == ["d", "e"]
        bench.save(bench.source, settled=("c",))
        assert bench.store.load_unseen(bench.source.key, begun, None) == ["d", "e"]
        assert bench.store.load_unseen(bench.source.key, begun + 1, None) == ["a", "b", "c", "d", "e"]
        assert bench.store.load_unseen(bench.target.key, begun, None) == []

    def test_what_is_owed_is_never_unseen(self, bench: StoreBench) -> None:
        """I-07: whenever the debt was made."""
        bench.save(bench.source, an_item("a"), an_item("b"))
        bench.save(bench.source, debts=(Debt("a", "unreadable", NOW, NOW),))
        begun = bench.begin_round(bench.source)
        assert bench.store.load_unseen(bench.source.key, begun, None) == ["b"]

    def test_an_outdated_page_has_seen_the_item_all_the_same(self, bench: StoreBench) -> None:
        """I-07, I-14: it is there, whichever version of it."""
        bench.save(bench.source, an_item(version=NOW))
        begun = bench.begin_round(bench.source)
        bench.save(bench.source, an_item(version=NOW - _DAY), round=begun)
        assert bench.store.load_unseen(bench.source.key, begun, None) == []

    def test_an_item_read_by_id_during_a_round_is_seen(self, bench: StoreBench) -> None:
        """I-07: a debt paid in the middle of a snapshot must not look absent at its end."""
        begun = bench.begin_round(bench.source)
        bench.save(bench.source, round=begun, debts=(Debt("e1", "unreadable", NOW, NOW),))
        bench.save(bench.source, an_item("e1"), settled=("e1",))
        assert bench.store.load_unseen(bench.source.key, begun, None) == []

    def test_inside_a_window_only_what_overlaps_it_is_missed(self, bench: StoreBench) -> None:
        """I-07: what the listing could not cover is not absent; an item without events never is."""
        window = Window(NOW, NOW + _DAY)
        inside = {
            "into": Span(NOW - _HOUR, NOW + _HOUR),
            "out-of": Span(NOW + 23 * _HOUR, NOW + 2 * _DAY),
            "around": Span(NOW - _DAY, NOW + 5 * _DAY),
            "instant": Span(NOW, NOW),
        }
        outside = {
            "before": Span(NOW - _HOUR, NOW),
            "after": Span(NOW + _DAY, NOW + 2 * _DAY),
            "instant-after": Span(NOW + _DAY, NOW + _DAY),
        }
        items = [an_item(key, an_event(key, span=span)) for key, span in {**inside, **outside}.items()]
        weekly = an_event("weekly", NOW - 2 * _DAY, recurrence=("RRULE:FREQ=WEEKLY",))
        daily = an_event("daily", NOW - 100 * _DAY, recurrence=("RRULE:FREQ=DAILY",))
        bench.save(bench.source, *items, Item("todo", ()), an_item("weekly", weekly), an_item("daily", daily))
        begun = bench.begin_round(bench.source)
        assert bench.store.load_unseen(bench.source.key, begun, window) == sorted([*inside, "daily"])

    def test_a_day_is_where_its_calendar_is(self, bench: StoreBench) -> None:
        """I-18: the window is exact to the hour in Auckland, 13 hours ahead, and in Honolulu, 10 behind."""
        zones = {"Pacific/Auckland": -13, "Pacific/Honolulu": 10}
        day = an_item("day", an_event("day", span=Span(date(2026, 11, 25), date(2026, 11, 26))))
        for zone, hours in zones.items():
            calendar = bench.calendar(zone, timezone=zone)
            bench.save(calendar, day)
            midnight = datetime(2026, 11, 25, tzinfo=ZoneInfo("UTC")) + hours * _HOUR
            before, at = Window(midnight - _DAY, midnight), Window(midnight - _DAY, midnight + _HOUR)
            assert bench.store.load_unseen(calendar.key, 1, before) == []
            assert bench.store.load_unseen(calendar.key, 1, at) == ["day"]

    def test_events_come_by_identity(self, bench: StoreBench) -> None:
        """From the owner's enabled calendars, masters with their exceptions, in a stable order."""
        master = an_event("m", uid="u", recurrence=("RRULE:FREQ=DAILY",))
        moved = an_event("x", uid="u", series="m", original_start=NOW)
        nameless = Event("g2", None, Span(NOW, NOW + _HOUR), series="g", original_start=NOW)
        second = bench.calendar("second")
        off = bench.calendar("off", enabled=False)
        strange = bench.stranger()
        for calendar in (second, off, strange, bench.source):
            bench.save(calendar, Item("r2", (moved,)), Item("r1", (master, an_event("y"))), Item("g2", (nameless,)))
        expected = [
            StoredEvent(calendar.key, event)
            for calendar in (bench.source, second)
            for event in (nameless, master, moved)
        ]
        assert bench.store.load_events("ana", {"u", "id:g", "nothing"}) == expected
        assert bench.store.load_events("ana", []) == []

    def test_identities_of_a_window_miss_nothing(self, bench: StoreBench) -> None:
        """I-20, I-23: masters however old, what reaches in from outside, all-day events in any zone."""
        window = Window(NOW, NOW + _DAY)
        inside = [
            an_event("single", NOW + _HOUR),
            an_event("into", NOW - _HOUR / 2),
            an_event("endless", NOW - 2000 * _DAY, recurrence=("RRULE:FREQ=YEARLY",)),
            an_event("until", NOW - 30 * _DAY, recurrence=("RRULE:FREQ=DAILY;UNTIL=20261124T100000Z",)),
            an_event("odd", NOW - 30 * _DAY, recurrence=("RRULE:FREQ=NONSENSE",)),
            an_event("day", span=Span(date(2026, 11, 24), date(2026, 11, 25))),
            an_event("shifts", NOW - 90 * _DAY, series="m", original_start=NOW - 90 * _DAY, and_future=True),
            an_event("rdate", NOW - 90 * _DAY, recurrence=("RDATE:20261124T120000Z",)),
        ]
        outside = [
            an_event("past", NOW - 10 * _DAY),
            an_event("future", NOW + 10 * _DAY),
            an_event("ended", NOW - 90 * _DAY, recurrence=("RRULE:FREQ=DAILY;UNTIL=20260901T000000Z",)),
            an_event("later", NOW + 10 * _DAY, recurrence=("RRULE:FREQ=DAILY",)),
        ]
        bench.save(bench.source, *(an_item(event.id, event) for event in (*inside, *outside)))
        assert bench.store.load_identities("ana", window) == {event.identity for event in inside}
        assert bench.store.load_identities("bo", window) == set()

    def test_identities_survive_a_new_zone(self, bench: StoreBench) -> None:
        """I-18: the calendar's zone may change after the event was stored."""
        bench.save(bench.source, an_item("day", an_event("day", span=Span(date(2026, 11, 25), date(2026, 11, 26)))))
        midnight = datetime(2026, 11, 25, tzinfo=ZoneInfo("UTC"))
        for zone, hours in (("Etc/GMT-14", -14), ("Etc/GMT+12", 12)):
            bench.store.save_calendar(evolve(bench.source, timezone=zone))
            first = midnight + hours * _HOUR
            for start in (first - _HOUR, first + 23 * _HOUR):
                window = Window(start + _HOUR / 2, start + _HOUR * 1.5)
                assert bench.store.load_identities("ana", window) == {"uid-day"}

    def test_blocks_have_no_say_in_what_is_wanted(self, bench: StoreBench) -> None:
        """I-15: unless they may prove to be events: textual marks, adorned blocks."""
        events = [
            an_event("block", mark=Mark("k1")),
            an_event("textual", mark=Mark("a@b.c:x:y", textual=True)),
            an_event("adorned", mark=Mark("k2"), adorned=True),
        ]
        bench.save(bench.target, *(an_item(event.id, event) for event in events))
        found = bench.store.load_identities("ana", Window(NOW, NOW + _DAY))
        assert found == {"uid-textual", "uid-adorned"}

    def test_the_far_ends_of_time_can_be_stored(self, bench: StoreBench) -> None:
        """I-25: an event of the year 1 or 9999 is an event."""
        utc = ZoneInfo("UTC")
        bench.save(
            bench.source,
            an_item("first", an_event("first", span=Span(date(1, 1, 1), date(1, 1, 2)))),
            an_item("last", an_event("last", span=Span(date(9999, 12, 30), date(9999, 12, 31)))),
            an_item("edge", an_event("edge", datetime(9999, 12, 31, 20, tzinfo=utc))),
        )
        assert bench.store.load_identities("ana", Window(NOW, NOW + _DAY)) == set()
        assert len(bench.store.load_events("ana", ["uid-first", "uid-last", "uid-edge"])) == 3
        begun = bench.begin_round(bench.source)
        assert bench.store.load_unseen(bench.source.key, begun, Window(NOW, NOW + _DAY)) == []
