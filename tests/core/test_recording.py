"""What reading and writing do to the record, as pure functions: what both stores conclude."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from calsync_core.core.absorbing import Absorbed, Known, StoredItem, absorb, named_keys, same_event
from calsync_core.core.extent import carries, reach, slot_end
from calsync_core.core.occurrences import expand
from calsync_core.core.recording import (
    LONGEST_WAIT,
    Line,
    check_plan,
    holds,
    owe,
    plannable,
    settle,
    touched_owners,
    wait_after,
)
from calsync_core.errors import InvalidValue, LeaseBusy
from calsync_core.models import (
    Block,
    BlockContent,
    Calendar,
    CalendarRole,
    ChangeCount,
    Changes,
    Debt,
    Event,
    Intent,
    Item,
    Lease,
    Mark,
    Operation,
    OperationKind,
    Outcome,
    OutcomeStatus,
    Plan,
    ReadState,
    Reason,
    Span,
    Tag,
    Window,
)
from store_values import ZONES, blocks, events

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CALENDAR = Calendar(1, "ana", "r", "Work", id=7, timezone="Europe/Berlin")
KEYS = ("a", "b", "c", "m")


# --- pages


@st.composite
def small_items(draw: st.DrawFn) -> Item:
    """Items of few keys and few contents, so that pages meet what is stored."""
    key = draw(st.sampled_from(KEYS))
    found = tuple(
        Event(
            f"{key}{number}", f"u-{key}", Span(NOW, NOW + length * HOUR), mark=draw(st.sampled_from([None, Mark("k")]))
        )
        for number, length in enumerate(draw(st.lists(st.integers(1, 2), max_size=2)))
    )
    version = draw(st.sampled_from([None, NOW, NOW + DAY]))
    series = draw(st.sampled_from([None, "m"])) if key != "m" else None
    return Item(key, found, draw(st.sampled_from([None, "1", "2"])), version, series)


keys = st.lists(st.sampled_from(KEYS), max_size=3, unique=True).map(tuple)
pages = st.builds(
    Changes,
    at=st.just(NOW),
    items=st.lists(small_items(), max_size=4).map(tuple),
    removed=keys,
    present=keys,
    debts=st.lists(
        st.builds(Debt, st.sampled_from(KEYS), st.sampled_from(["missing", "conflict"]), st.just(NOW), st.just(NOW)),
        max_size=2,
        unique_by=lambda debt: debt.key,
    ).map(tuple),
    settled=keys,
    round=st.none() | st.integers(1, 3),
)


class Shelf:
    """The least a store must do with what ``absorb`` says."""

    def __init__(self) -> None:
        self.items: dict[str, StoredItem] = {}
        self.debts: dict[str, Debt] = {}
        self.blocks: dict[str, tuple[Block, ...]] = {}
        self.state = ReadState(round=1)

    def put(self, changes: Changes) -> Absorbed:
        absorbed = absorb(changes, CALENDAR, Known(self.state, self.items, self.debts, self.blocks))
        self.items |= {item.key: item for item in (*absorbed.replaced, *absorbed.refreshed)}
        self.items |= {key: evolve(self.items[key], round=absorbed.round) for key in absorbed.stamped}
        for key in absorbed.removed:
            del self.items[key]
        for key in absorbed.settled:
            del self.debts[key]
        self.debts |= {debt.key: debt for debt in absorbed.debts}
        self.state = absorbed.state or self.state
        return absorbed


@given(st.lists(pages, max_size=4), pages)
def test_a_page_twice_is_a_page_once(before: list[Changes], page: Changes) -> None:  # I-03, I-27
    shelf = Shelf()
    for changes in before:
        shelf.put(changes)
    shelf.put(page)
    items, debts = dict(shelf.items), dict(shelf.debts)
    # A page that names a key twice, with other contents, is itself a history: only its last word is repeatable.
    assume(len({item.key for item in page.items}) == len(page.items))
    again = shelf.put(page)
    assert shelf.items == items
    assert shelf.debts == debts
    assert not again.replaced
    assert not again.removed
    assert again.count == ChangeCount()


@given(st.lists(pages, max_size=5))
def test_counts_add_up(history: list[Changes]) -> None:
    shelf = Shelf()
    total = 0
    for page in history:
        count = shelf.put(page).count
        total += count.created - count.deleted
    assert total == sum(event.mark is None for item in shelf.items.values() for event in item.events)


@given(st.lists(pages, max_size=4), pages)
def test_a_change_is_always_unplanned_and_nothing_else_is(before: list[Changes], page: Changes) -> None:  # I-11
    shelf = Shelf()
    for changes in before:
        shelf.put(changes)
    old = {event for item in shelf.items.values() for event in item.events}
    absorbed = shelf.put(page)
    new = {event for item in shelf.items.values() for event in item.events}
    expected = {
        Line("ana", event.identity) if event.mark is None else Line("ana", event.mark.key, is_key=True)
        for event in old ^ new
    }
    assert set(absorbed.lines) == expected


@given(st.lists(pages, max_size=4), pages)
def test_what_a_page_shows_is_never_removed(before: list[Changes], page: Changes) -> None:  # I-07
    shelf = Shelf()
    for changes in before:
        shelf.put(changes)
    stored = set(shelf.items)
    shelf.put(page)
    believed = set(page.removed) - {item.key for item in page.items} - {debt.key for debt in page.debts}
    assert stored & {debt.key for debt in page.debts} <= shelf.items.keys()
    if "m" not in believed:
        assert stored - shelf.items.keys() <= believed
    assert not any(item.series in believed and key not in shelf.debts for key, item in shelf.items.items())


@given(st.permutations([NOW, NOW + HOUR, NOW + DAY, NOW + 2 * DAY]))
def test_the_newest_version_wins_in_every_order(order: list[datetime]) -> None:  # I-14
    shelf = Shelf()
    for version in order:
        shelf.put(Changes(NOW, (Item("a", (Event("a", "u", Span(version, version)),), version=version),)))
    assert shelf.items["a"].events[0].span.start == max(order)


def test_a_snapshot_is_done_once_with_its_cursor() -> None:  # I-11
    shelf = Shelf()
    with pytest.raises(InvalidValue, match="snapshot_done"):
        shelf.put(Changes(NOW, snapshot_done=True))


def test_every_key_of_a_page_is_named() -> None:
    debt = Debt("d", "x", NOW, NOW)
    assert named_keys(Changes(NOW, (Item("a", ()),), ("b",), ("c",), (debt,), ("e",))) == set("abcde")


@given(events())
def test_an_event_is_the_same_as_itself_and_no_other(event: Event) -> None:
    assert same_event(event, evolve(event))
    assert not same_event(event, evolve(event, title=event.title + "x"))


def test_zone_and_fold_make_another_event() -> None:  # I-19
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    event = Event("a", "u", Span(first, first + DAY))
    second = evolve(event, span=Span(first.replace(fold=1), first + DAY))
    assert event == second, "Python sees no difference; if it ever does, same_event can be simpler"
    assert not same_event(event, second)
    assert not same_event(event, evolve(event, span=event.span.in_utc()))


@given(events())
def test_blocks_are_planned_only_if_they_may_be_events(event: Event) -> None:  # I-15, I-17, I-45
    assert plannable(evolve(event, mark=None))
    assert not plannable(evolve(event, mark=Mark("k"), adorned=False))
    assert plannable(evolve(event, mark=Mark("k"), adorned=True))
    assert plannable(evolve(event, mark=Mark("k", textual=True)))


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_debt_is_as_old_as_its_first_day(first: int, second: int) -> None:  # I-07
    old, new = Debt("a", "x", NOW + first * DAY, NOW), Debt("a", "y", NOW + second * DAY, NOW, 3)
    assert owe(None, new) == new
    assert owe(old, new) == evolve(new, since=old.since)


# --- extents


RULES = (
    "RRULE:FREQ=DAILY;COUNT=9",
    "RRULE:FREQ=WEEKLY;UNTIL=20261220T120000Z",
    "RRULE:FREQ=YEARLY",
    "RDATE:20270105T120000Z",
)


@st.composite
def placed_events(draw: st.DrawFn) -> Event:
    """Single events and masters around now, timed and all-day."""
    offset = draw(st.integers(-200, 200))
    if draw(st.booleans()):
        day = date(2026, 11, 24) + timedelta(days=offset)
        span = Span(day, day + timedelta(days=draw(st.integers(1, 3))))
    else:
        zone = ZoneInfo(draw(st.sampled_from(ZONES)))
        start = (NOW + offset * 3 * HOUR).astimezone(zone)
        span = Span(start, (start.astimezone(UTC) + draw(st.integers(0, 30)) * HOUR).astimezone(zone))
    return Event("e", "u", span, recurrence=tuple(draw(st.sampled_from([(), *((rule,) for rule in RULES)]))))


@given(placed_events(), st.sampled_from((*ZONES, "Etc/GMT-14", "Etc/GMT+12")), st.integers(-60, 60))
def test_nothing_takes_place_outside_its_reach(event: Event, zone: str, day: int) -> None:  # I-18, I-20, I-23
    window = Window(NOW + day * DAY, NOW + (day + 30) * DAY)
    starts_at, ends_at = reach(event)
    for occurrence in expand([event], window, ZoneInfo(zone)).occurrences:
        first, last = occurrence.span.edges(ZoneInfo(zone))
        assert starts_at <= first
        assert ends_at is None or last <= ends_at


@given(placed_events(), st.sampled_from(ZONES), st.integers(-60, 60))
def test_an_item_is_carried_where_something_of_it_takes_place(event: Event, zone: str, day: int) -> None:  # I-07
    window = Window(NOW + day * DAY, NOW + (day + 2) * DAY)
    calendar = evolve(CALENDAR, timezone=zone)
    assert carries([event], window, calendar) == bool(expand([event], window, calendar.zone).occurrences)
    assert not carries([], window, calendar)


@given(events())
def test_any_event_has_a_reach_that_can_be_stored(event: Event) -> None:  # I-25
    starts_at, ends_at = reach(event)
    assert starts_at.year >= 1000
    assert ends_at is None or (starts_at <= ends_at and ends_at.year <= 9999)
    assert not event.and_future or ends_at is None
    carries([event], Window(NOW, NOW + DAY), CALENDAR)


@given(blocks)
def test_a_record_lasts_as_long_as_its_block_anywhere(block: Block) -> None:  # I-50
    if not block.content.span.all_day:
        assert slot_end(block) >= min(block.content.span.edges(UTC)[1], datetime(9999, 12, 30, tzinfo=UTC))
    elif block.content.span.edges(UTC)[1].year > 1000:
        assert slot_end(block) >= block.content.span.edges(ZoneInfo("Etc/GMT+12"))[1]


# --- outcomes


def an_intent(number: int = 1, kind: OperationKind = OperationKind.CREATE, attempts: int = 1) -> tuple[Intent, Block]:
    content = BlockContent(Span(NOW, NOW + HOUR), "Busy")
    block = Block(f"k{number}", 2, "ana", 1, 7, f"u{number}", "", f"n{number}", content)
    operation = Operation(kind, block.ref, 7, block.native_id, content, Tag("i", "o", "s"), Reason.BOOKED, NOW)
    return Intent(number, operation, attempts=attempts), block


@pytest.mark.parametrize("status", OutcomeStatus)
@pytest.mark.parametrize("kind", OperationKind)
def test_an_outcome_closes_its_intent_unless_it_is_to_be_tried_again(
    kind: OperationKind, status: OutcomeStatus
) -> None:
    intent, block = an_intent(kind=kind)
    settled = settle([Outcome(1, status)], {1: intent}, {block.ref: block}, NOW)
    assert settled.closed == (() if status is OutcomeStatus.RETRY else (1,))
    assert list(settled.waiting) == ([1] if status is OutcomeStatus.RETRY else [])


@pytest.mark.parametrize("status", OutcomeStatus)
@pytest.mark.parametrize("kind", OperationKind)
def test_an_operation_whose_record_is_gone_still_has_an_end(kind: OperationKind, status: OutcomeStatus) -> None:
    intent, _block = an_intent(kind=kind)
    settled = settle([Outcome(1, status)], {1: intent}, {}, NOW)
    assert not settled.blocks
    assert not settled.lines
    done = status is OutcomeStatus.DONE
    assert bool(settled.removed) == (done and kind is OperationKind.DELETE)
    assert bool(settled.written) == (done and kind is not OperationKind.DELETE)


def test_a_second_word_on_an_intent_counts_for_nothing() -> None:
    intent, block = an_intent()
    both = [Outcome(1, OutcomeStatus.RETRY), Outcome(1, OutcomeStatus.DONE), Outcome(1, OutcomeStatus.REJECTED)]
    settled = settle([*both, Outcome(99, OutcomeStatus.DONE)], {1: intent}, {block.ref: block}, NOW)
    assert settled == settle([Outcome(1, OutcomeStatus.DONE)], {1: intent}, {block.ref: block}, NOW)


def test_what_takes_the_place_of_a_deleted_block_is_kept() -> None:  # I-05
    """In one batch, at one native id: the last word counts, in both orders."""
    (gone, old), (come, new) = an_intent(1, OperationKind.DELETE), an_intent(2)
    known = {1: gone, 2: come}, {old.ref: old, new.ref: new}, NOW
    deleted, created = Outcome(1, OutcomeStatus.DONE), Outcome(2, OutcomeStatus.DONE, native_id="n1")
    settled = settle([deleted, created], *known)
    assert (settled.removed, [item.key for item in settled.written]) == ((), ["n1"])
    settled = settle([created, deleted], *known)
    assert (settled.removed, [item.key for item in settled.written]) == (("n1",), [])


@given(st.integers(1, 10_000))
def test_waiting_grows_to_an_hour(attempts: int) -> None:  # I-34
    wait = wait_after(None, attempts)
    assert wait <= wait_after(None, attempts + 1) <= LONGEST_WAIT == timedelta(hours=1)
    assert wait == min(LONGEST_WAIT, 30 * timedelta(seconds=2 ** min(attempts, 20)))


@given(st.floats(-10, 1e6))
def test_a_providers_wish_is_honoured(seconds: float) -> None:  # I-33
    assert wait_after(seconds, 3) == timedelta(seconds=max(1.0, seconds))


# --- plans, leases, owners


def test_a_plan_that_was_overtaken_is_made_again() -> None:  # I-06
    intent, block = an_intent()
    plan = Plan("ana", (intent.operation,), (block,))
    assert check_plan(plan, ["other.0"]) == "ana"
    with pytest.raises(LeaseBusy, match="overtaken"):
        check_plan(plan, [block.ref])
    with pytest.raises(InvalidValue, match="operations"):
        check_plan(Plan("ana", (intent.operation, intent.operation)), [])
    with pytest.raises(InvalidValue, match="owner"):
        check_plan(Plan(None), [])


def test_only_the_newest_valid_lease_opens_the_fence() -> None:  # I-06
    lease = Lease("x", "me", 3, NOW)
    stored = evolve(lease, expires_at=NOW + HOUR)
    assert holds(stored, lease, NOW)
    assert not holds(stored, lease, NOW + HOUR)
    for other in (None, evolve(stored, token=4), evolve(stored, holder="you")):
        assert not holds(other, lease, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": True},
        {"publish": True},
        {"receive": True},
        {"timezone": None},
        {"role": CalendarRole.READER},
        {"owner": "bo"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whoever_may_want_something_else_is_planned_again(change: dict[str, Any]) -> None:  # I-51
    assert touched_owners(CALENDAR, evolve(CALENDAR, **change)) == {"ana", change.get("owner", "ana")}
    assert touched_owners(CALENDAR, evolve(CALENDAR, name="x", primary=True)) == set()
    assert touched_owners(None, CALENDAR) == {"ana"}
