"""What a page of a read does to the stored items, debts and read state."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, LeaseLost
from calsync_core.models import (
    Availability,
    ChangeCount,
    Cursor,
    Debt,
    Event,
    Item,
    KnownItem,
    Mark,
    ReadState,
    Response,
    Span,
    StoredEvent,
    Tag,
)
from calsync_core.testing.store_contract.bench import (
    CURSOR,
    NOW,
    SHAPE,
    StoreBench,
    WithBench,
    an_event,
    an_item,
)

__all__ = ["AbsorbingContract"]

_BERLIN = ZoneInfo("Europe/Berlin")
_DAY = timedelta(days=1)


def _events() -> list[Event]:
    """Every kind of event, with every field in use."""
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=_BERLIN)
    return [
        an_event("single", NOW, private=True, response=Response.DECLINED, availability=Availability.TENTATIVE),
        Event(
            "master",
            "series-uid",
            Span(datetime(2021, 3, 1, 9, tzinfo=_BERLIN), datetime(2021, 3, 1, 10, tzinfo=_BERLIN)),
            recurrence=("RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Berlin:20211227T090000"),
        ),
        Event(
            "master#x",
            "series-uid",
            Span(date(2026, 11, 24), date(2026, 11, 26)),
            series="master",
            original_start=datetime(2026, 11, 23, 9, tzinfo=_BERLIN),
            and_future=True,
            cancelled=True,
        ),
        an_event("twice", span=Span(twice, twice.replace(fold=1)), uid=None, parked="why \u2028 not"),
        an_event("ours", uid=None, mark=Mark("k", 3, Tag("i", "o", "s")), adorned=True, title="\x00 🔒 \ud83d"),
    ]


class AbsorbingContract(WithBench):
    """``EventStore.save_changes`` and the read state."""

    def test_events_come_back_exactly(self, bench: StoreBench) -> None:
        """Zone, fold and every character included: an expansion must not change because of the store."""
        events = _events()
        bench.save(bench.source, Item("resource", tuple(events), "etag"))
        found = bench.store.load_events("ana", [event.identity for event in events])
        assert found == [StoredEvent(bench.source.key, event) for event in events]
        for stored, event in zip(found, events, strict=True):
            assert _walls(stored.event) == _walls(event)
            assert stored.event.title == event.title

    def test_a_calendar_that_was_never_read_has_a_fresh_state(self, bench: StoreBench) -> None:
        """No row is needed for that."""
        assert bench.store.load_read_state(bench.source.key) == ReadState()

    def test_read_states_of_several_calendars(self, bench: StoreBench) -> None:
        """Those that were never read among them; those that there are not are left out."""
        bench.save(bench.source, cursor=CURSOR)
        keys = [bench.source.key, bench.target.key, 987_654, bench.source.key]
        states = {key: bench.store.load_read_state(key) for key in keys[:2]}
        assert bench.store.load_read_states(keys) == states
        assert states[bench.source.key].cursor == CURSOR
        assert bench.store.load_read_states([]) == {}

    def test_a_read_state_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field except the cursor, which comes with what it covers."""
        state = ReadState(
            round=7,
            complete=True,
            read_at=NOW,
            full_at=NOW - _DAY,
            due_at=NOW + _DAY,
            failures=3,
            last_error="Unavailable: time-out",
            emptied=True,
        )
        bench.store.save_read_state(bench.lease_of(bench.source), bench.source.key, state, NOW)
        assert bench.store.load_read_state(bench.source.key) == state
        assert bench.store.load_read_state(bench.target.key) == ReadState()

    def test_a_cursor_is_only_saved_with_what_it_covers(self, bench: StoreBench) -> None:
        """I-11: setting another one is refused; keeping and dropping the stored one is not."""
        lease, key = bench.lease_of(bench.source), bench.source.key
        with pytest.raises(InvalidValue, match=r"^cursor"):
            bench.store.save_read_state(lease, key, ReadState(cursor=CURSOR), NOW)
        bench.read_completely(bench.source)
        state = bench.store.load_read_state(key)
        for other in (Cursor("sync-token-2", "all"), Cursor(CURSOR.value, "another shape")):
            with pytest.raises(InvalidValue, match=r"^cursor"):
                bench.store.save_read_state(lease, key, evolve(state, cursor=other), NOW)
        assert bench.store.load_read_state(key) == state
        bench.store.save_read_state(lease, key, evolve(state, failures=1), NOW)
        assert bench.store.load_read_state(key).cursor == CURSOR
        bench.store.save_read_state(lease, key, evolve(state, cursor=None), NOW)
        assert bench.store.load_read_state(key).resyncing

    def test_the_last_page_commits_the_cursor(self, bench: StoreBench) -> None:
        """I-11: also an empty one; a page without a cursor leaves the state alone."""
        failing = ReadState(round=4, due_at=NOW, failures=2, last_error="Unavailable: x")
        bench.store.save_read_state(bench.lease_of(bench.source), bench.source.key, failing, NOW)
        bench.save(bench.source, an_item())
        assert bench.store.load_read_state(bench.source.key) == failing
        later = NOW + _DAY
        bench.save(bench.source, cursor=CURSOR, at=NOW)
        read = ReadState(cursor=CURSOR, round=4, read_at=NOW)
        assert bench.store.load_read_state(bench.source.key) == read
        bench.store.renew_lease(bench.lease_of(bench.source), 10 * _DAY.total_seconds(), NOW)
        bench.save(bench.source, cursor=Cursor("2", "all"), snapshot_done=True, at=later)
        done = evolve(read, cursor=Cursor("2", "all"), read_at=later, full_at=later, complete=True)
        assert bench.store.load_read_state(bench.source.key) == done

    def test_a_snapshot_is_not_done_without_its_cursor(self, bench: StoreBench) -> None:
        """I-07: only the last page says so."""
        with pytest.raises(InvalidValue, match=r"^snapshot_done"):
            bench.save(bench.source, an_item(), snapshot_done=True)
        assert bench.store.load_items(bench.source.key) == {}

    def test_the_first_snapshot_makes_the_owner_due(self, bench: StoreBench) -> None:
        """Blocks of an unread source can be judged now; a later snapshot changes nothing of the kind."""
        bench.forget_what_is_unplanned()
        bench.save(bench.source, cursor=CURSOR)
        assert bench.store.load_plan_state("ana").shape == SHAPE
        bench.read_completely(bench.source)
        assert bench.store.load_plan_state("ana").shape is None
        bench.forget_what_is_unplanned()
        bench.read_completely(bench.source)
        assert bench.store.load_plan_state("ana").shape == SHAPE

    def test_an_item_replaces_all_its_events(self, bench: StoreBench) -> None:
        """Those it no longer has are gone."""
        one, two, three = (an_event(key, uid=f"u{key}") for key in "123")
        assert bench.save(bench.source, an_item("r", one, two)) == ChangeCount(created=2)
        moved = evolve(two, span=Span(NOW + _DAY, NOW + 2 * _DAY))
        assert bench.save(bench.source, an_item("r", moved, three)) == ChangeCount(1, 1, 1)
        found = bench.store.load_events("ana", ["u1", "u2", "u3"])
        assert [stored.event for stored in found] == [moved, three]

    def test_the_newest_version_wins_in_any_order(self, bench: StoreBench) -> None:
        """I-14: over pages and inside one; a version that is not stated loses to none, and forgets none."""
        old, new = an_event(title="old"), an_event(title="new")
        newer = an_item("e1", new, version=NOW, etag="2")
        older = an_item("e1", old, version=NOW - _DAY, etag="1")
        assert bench.save(bench.source, older, newer, older) == ChangeCount(created=1)
        assert bench.save(bench.source, older) == ChangeCount()
        assert _titles(bench) == ["new"]
        assert bench.store.load_items(bench.source.key)["e1"].etag == "2"
        last = an_event(title="unversioned")
        assert bench.save(bench.source, an_item("e1", last)) == ChangeCount(updated=1)
        assert bench.save(bench.source, older) == ChangeCount()
        assert _titles(bench) == ["unversioned"]

    def test_equal_events_count_for_nothing(self, bench: StoreBench) -> None:
        """But what is new around them is kept."""
        bench.save(bench.source, an_item())
        assert bench.save(bench.source, an_item(etag="another", version=NOW)) == ChangeCount()
        assert bench.store.load_items(bench.source.key) == {"e1": KnownItem("e1", "another", identity="uid-e1")}

    def test_the_same_instant_in_another_zone_is_a_change(self, bench: StoreBench) -> None:
        """I-19: a series is expanded in its zone, so 10:00 in Berlin is not 09:00 in UTC."""
        berlin = Span(NOW.astimezone(_BERLIN), (NOW + _DAY).astimezone(_BERLIN))
        bench.save(bench.source, an_item("e1", an_event(span=berlin)))
        assert bench.save(bench.source, an_item("e1", an_event(span=berlin.in_utc()))) == ChangeCount(updated=1)

    def test_the_second_time_the_clock_shows_it_is_a_change(self, bench: StoreBench) -> None:
        """I-19: Python calls two datetimes equal that differ in ``fold`` only."""
        first = datetime(2026, 10, 25, 2, 30, tzinfo=_BERLIN)
        spans = [Span(start, datetime(2026, 10, 25, 5, tzinfo=_BERLIN)) for start in (first, first.replace(fold=1))]
        bench.save(bench.source, an_item("e1", an_event(span=spans[0])))
        assert bench.save(bench.source, an_item("e1", an_event(span=spans[1]))) == ChangeCount(updated=1)

    def test_blocks_are_not_counted_as_events(self, bench: StoreBench) -> None:
        """An event that turns out to be one leaves the count, and the other way round."""
        plain, marked = an_event(uid=None), an_event(uid=None, mark=Mark("k"))
        assert bench.save(bench.source, an_item("e1", marked)) == ChangeCount()
        assert bench.save(bench.source, an_item("e1", plain)) == ChangeCount(created=1)
        assert bench.save(bench.source, an_item("e1", marked)) == ChangeCount(deleted=1)
        assert bench.save(bench.source, removed=("e1",)) == ChangeCount()

    def test_a_removed_key_takes_its_series_along(self, bench: StoreBench) -> None:
        """I-22: the master arrives as a bare id; a key that was never known is harmless."""
        master = an_item("m", an_event("m", uid="u", recurrence=("RRULE:FREQ=DAILY",)))
        others = [
            an_item(key, an_event(key, uid="u", series="m", original_start=NOW), series="m") for key in ("x1", "x2")
        ]
        bench.save(bench.source, master, *others, an_item("e1"))
        bench.save(bench.target, evolve(others[0], key="elsewhere"))
        assert bench.save(bench.source, removed=("m", "unknown")) == ChangeCount(deleted=3)
        assert list(bench.store.load_items(bench.source.key)) == ["e1"]
        assert list(bench.store.load_items(bench.target.key)) == ["elsewhere"]
        assert bench.save(bench.source, removed=("m",)) == ChangeCount()

    def test_what_a_page_both_removes_and_shows_stays(self, bench: StoreBench) -> None:
        """I-07: absence is believed only where nothing contradicts it."""
        bench.save(bench.source, an_item("shown"), an_item("owed"))
        debt = Debt("owed", "unreadable", NOW, NOW)
        bench.save(bench.source, an_item("shown", etag="2"), removed=("shown", "owed"), debts=(debt,))
        assert list(bench.store.load_items(bench.source.key)) == ["owed", "shown"]
        assert bench.store.load_debts(bench.source.key) == [debt]

    def test_an_owed_item_does_not_go_with_its_series(self, bench: StoreBench) -> None:
        """I-07: what the same page owes counts as present; a debt from before goes with it."""
        for key in ("x1", "x2"):
            bench.save(bench.source, an_item(key, an_event(key, series="m", original_start=NOW), series="m"))
        bench.save(bench.source, debts=(Debt("x2", "unreadable", NOW, NOW),))
        bench.save(bench.source, removed=("m",), debts=(Debt("x1", "unreadable", NOW, NOW),))
        assert list(bench.store.load_items(bench.source.key)) == ["x1"]
        assert [debt.key for debt in bench.store.load_debts(bench.source.key)] == ["x1"]

    def test_a_debt_keeps_its_age_and_its_item(self, bench: StoreBench) -> None:
        """I-07: the rest of it is replaced; the stored events stay."""
        bench.save(bench.source, an_item())
        first = Debt("e1", "unreadable: no DTSTART", NOW - _DAY, NOW)
        again = Debt("e1", "missing", NOW, NOW + _DAY, attempts=2)
        bench.save(bench.source, debts=(first, Debt("e2", "x", NOW, NOW)))
        bench.save(bench.source, debts=(again,))
        kept = evolve(again, since=first.since)
        assert bench.store.load_debts(bench.source.key) == [kept, Debt("e2", "x", NOW, NOW)]
        assert bench.store.load_debts(bench.source.key, NOW) == [Debt("e2", "x", NOW, NOW)]
        assert bench.store.load_debts(bench.source.key, NOW + _DAY)[0] == kept
        assert bench.store.load_debts(bench.target.key) == []
        assert _titles(bench) == ["Quarterly review"]

    def test_all_that_an_owner_s_calendars_owe(self, bench: StoreBench) -> None:
        """By calendar, also of one that is off, and nobody else's."""
        late, soon = Debt("a", "unreadable", NOW, NOW + _DAY), Debt("b", "unreadable", NOW - _DAY, NOW)
        bench.save(bench.source, debts=(late, soon))
        bench.save(bench.target, debts=(soon,))
        bench.store.save_calendar(evolve(bench.target, enabled=False))
        owed = {bench.source.key: [soon, late], bench.target.key: [soon]}
        assert bench.store.load_debtors("ana") == owed
        assert bench.store.load_debtors("ana", NOW) == {key: [soon] for key in owed}
        assert bench.store.load_debtors("ana", NOW - _DAY) == {}
        assert bench.store.load_debtors("bo") == {}

    @pytest.mark.parametrize("paid", ["items", "removed", "settled"])
    def test_a_debt_is_paid_by_any_answer(self, bench: StoreBench, paid: str) -> None:
        """Reading the item, learning that it is gone, or being told."""
        bench.save(bench.source, debts=(Debt("e1", "unreadable", NOW, NOW), Debt("e2", "unreadable", NOW, NOW)))
        answer: dict[str, Any] = {paid: ((an_item(),) if paid == "items" else ("e1",))}
        items = answer.pop("items", ())
        bench.save(bench.source, *items, **answer)
        assert [debt.key for debt in bench.store.load_debts(bench.source.key)] == ["e2"]

    def test_an_outdated_answer_pays_no_debt(self, bench: StoreBench) -> None:
        """I-14: a replica that lags behind is asked again."""
        bench.save(bench.source, an_item(version=NOW))
        bench.save(bench.source, debts=(Debt("e1", "conflict", NOW, NOW),))
        bench.save(bench.source, an_item(version=NOW - _DAY))
        assert [debt.key for debt in bench.store.load_debts(bench.source.key)] == ["e1"]

    def test_a_page_is_stored_wholly_or_not_at_all(self, bench: StoreBench) -> None:
        """I-05: what fails in the middle leaves nothing, not even the part before it."""
        nameless = ZoneInfo.from_file(_utc_data())
        impossible = an_event("bad", span=Span(NOW.astimezone(nameless), NOW.astimezone(nameless)))
        page = (an_item("e1"), Item("bad", (impossible,)), an_item("e2"))
        try:
            bench.save(bench.source, *page, cursor=CURSOR, debts=(Debt("d", "x", NOW, NOW),))
        except InvalidValue:
            assert bench.store.load_items(bench.source.key) == {}
            assert bench.store.load_debts(bench.source.key) == []
            assert bench.store.load_read_state(bench.source.key) == ReadState()
            assert bench.unplanned().uids == frozenset()
        else:
            assert set(bench.store.load_items(bench.source.key)) == {"e1", "e2", "bad"}

    def test_nothing_is_stored_under_a_lease_that_passed_on(self, bench: StoreBench) -> None:
        """I-06: the fence."""
        old = bench.lease_of(bench.source)
        bench.store.release_lease(old)
        new = bench.store.acquire_lease(old.name, "other", 60, NOW)
        with pytest.raises(LeaseLost):
            bench.save(bench.source, an_item(), cursor=CURSOR)
        with pytest.raises(LeaseLost):
            bench.store.save_read_state(old, bench.source.key, ReadState(round=9), NOW)
        with pytest.raises(LeaseLost):
            bench.store.save_read_state(new, bench.source.key, ReadState(round=9), new.expires_at)
        assert bench.store.load_items(bench.source.key) == {}
        assert bench.store.load_read_state(bench.source.key) == ReadState()
        assert bench.unplanned().uids == frozenset()

    def test_many_items_at_once(self, bench: StoreBench) -> None:
        """More than any database takes in one statement; twice, and gone again."""
        items = [an_item(f"e{number:04}") for number in range(1200)]
        assert bench.save(bench.source, *items).created == 1200
        assert bench.save(bench.source, *items) == ChangeCount()
        keys = [item.key for item in items]
        assert list(bench.store.load_items(bench.source.key, keys)) == keys
        assert len(bench.store.load_events("ana", [f"uid-{key}" for key in keys])) == 1200
        assert bench.save(bench.source, removed=tuple(keys)).deleted == 1200


def _walls(event: Event) -> list[tuple[object, ...]]:
    moments = (event.span.start, event.span.end, event.original_start)
    return [(str(moment), getattr(moment, "fold", 0), str(getattr(moment, "tzinfo", ""))) for moment in moments]


def _titles(bench: StoreBench) -> list[str]:
    return [stored.event.title for stored in bench.store.load_events("ana", ["uid-e1"])]


def _utc_data() -> Any:
    """A compiled time zone without a name, as a custom VTIMEZONE would become."""
    header = b"TZif2" + b"\0" * 15
    counts = (0).to_bytes(4, "big") * 4 + (1).to_bytes(4, "big") + (4).to_bytes(4, "big")
    body = header + counts + b"\0\0\0\0\0\0UTC\0"
    assert datetime(2026, 1, 1, tzinfo=UTC)
    return io.BytesIO(body + body + b"\nUTC0\n")
