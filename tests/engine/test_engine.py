"""The engine's promises, each on a service in memory. Faults, kills and random histories have files of their own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, UnknownCalendar
from calsync_core.models import Availability, CalendarRole, Event, MirrorRule, NoticeKind, Response, Span, SyncPolicy
from calsync_core.providers.memory import MemoryService
from world import World, at

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def world() -> World:
    return World()


def daily(world: World, name: str = "work", uid: str = "standup", count: int = 10) -> Event:
    start = datetime(2026, 3, 3, 9, 0, tzinfo=BERLIN)
    event = world.service.event(
        uid, start, start + timedelta(minutes=30), recurrence=(f"RRULE:FREQ=DAILY;COUNT={count}",)
    )
    world.service.put(world.remote[name], event)
    return event


def test_a_booking_blocks_the_others_and_nothing_else(world: World) -> None:  # I-01
    world.book("work", "m1", at(1))
    report = world.sync()
    assert report.busy_blocks_created == 2
    assert world.starts("home") == world.starts("club") == [at(1)]
    assert world.starts("work") == []
    world.check()


def test_a_second_sync_writes_nothing(world: World) -> None:  # I-03
    world.book("work", "m1", at(1))
    world.book("home", "h1", at(2))
    daily(world)
    world.sync()
    for _ in range(10):
        assert world.sync().writes == 0
    world.check()


def test_a_poll_that_finds_nothing_costs_one_request_per_calendar(world: World) -> None:
    world.book("work", "m1", at(1))
    world.sync()
    world.sync()  # reads the echoes of our own writes
    assert world.sync().api_calls == 3


def test_a_moved_meeting_is_one_update(world: World) -> None:  # I-48
    world.book("work", "m1", at(1))
    world.sync()
    world.service.move(world.remote["work"], "m1", at(3))
    report = world.sync()
    assert (report.busy_blocks_updated, report.writes) == (2, 2)
    assert world.starts("home") == [at(3)]
    world.check()


def test_a_deleted_meeting_frees_the_time(world: World) -> None:
    world.book("work", "m1", at(1))
    world.book("work", "m2", at(2))
    world.sync()
    world.service.remove(world.remote["work"], "m1")
    assert world.sync().busy_blocks_deleted == 2
    assert world.starts("home") == [at(2)]
    world.check()


def test_a_declined_meeting_frees_the_time(world: World) -> None:
    world.book("work", "m1", at(1), response=Response.ACCEPTED)
    world.sync()
    world.service.edit(world.remote["work"], "m1", response=Response.DECLINED)
    assert world.sync().busy_blocks_deleted == 2
    world.check()


def test_moving_a_series_is_one_update_per_occurrence_and_the_guard_stays_quiet() -> None:  # I-48
    world = World(("work", "home"))
    event = daily(world, count=28)
    world.sync()
    assert len(world.blocks("home")) == 28
    moved = evolve(event, span=Span(event.span.start + timedelta(hours=1), event.span.end + timedelta(hours=1)))
    world.service.put(world.remote["work"], moved)
    report = world.sync()
    assert (report.busy_blocks_updated, report.writes, report.held) == (28, 28, 0)
    world.check()


def test_a_cancelled_occurrence_removes_one_block_and_a_moved_one_is_one_update(world: World) -> None:  # I-21
    event = daily(world)
    world.sync()
    second = event.span.start + timedelta(days=1)
    world.service.put(world.remote["work"], world.service.exception(event, second, cancelled=True))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.writes) == (2, 2)
    third = event.span.start + timedelta(days=2)
    world.service.put(world.remote["work"], world.service.exception(event, third, start=third + timedelta(hours=5)))
    report = world.sync()
    assert (report.busy_blocks_updated, report.writes) == (2, 2)
    world.check()


def test_series_keep_their_wall_time_across_the_clock_change() -> None:  # I-19
    world = World(("work", "home"))
    daily(world, count=30)
    world.sync()
    starts = world.starts("home")
    assert {start.astimezone(BERLIN).hour for start in starts} == {9}
    assert {start.astimezone(UTC).hour for start in starts} == {7, 8}
    world.check()


def test_all_day_stays_a_date(world: World) -> None:  # I-18
    world.service.put(world.remote["work"], world.service.event("trip", date(2026, 3, 9), date(2026, 3, 11)))
    world.sync()
    assert world.spans("home") == [Span(date(2026, 3, 9), date(2026, 3, 11))]
    world.check()


def test_the_horizon_slides_without_churn() -> None:  # I-23
    world = World(("work", "home"))
    start = datetime(2026, 3, 2, 9, 0, tzinfo=BERLIN)
    world.service.put(
        world.remote["work"],
        world.service.event("standup", start, start + timedelta(minutes=30), recurrence=("RRULE:FREQ=DAILY",)),
    )
    created = world.sync().busy_blocks_created
    for _ in range(30):
        world.clock.advance(timedelta(days=1))
        report = world.sync()
        assert report.busy_blocks_deleted == report.busy_blocks_updated == 0
        created += report.busy_blocks_created
    assert created == len(world.blocks("home")) == len(set(world.starts("home")))
    world.check()


def test_a_mesh_is_still_after_the_first_round() -> None:  # I-03, I-15
    names = ("a", "b", "c", "d", "e")
    world = World(names)
    for number, name in enumerate(names):
        world.book(name, f"{name}-1", at(number + 1))
        daily(world, name, f"{name}-series", 5)
    world.sync()
    for _ in range(10):
        assert world.sync().writes == 0
    world.check()


def test_the_same_meeting_on_two_calendars_is_one_block_elsewhere(world: World) -> None:  # I-06
    for name in ("work", "home"):
        world.book(name, "shared@uid", at(1))
    world.sync()
    assert world.starts("club") == [at(1)]
    assert world.blocks("work") == world.blocks("home") == []
    world.check()


def test_a_restored_block_comes_back(world: World) -> None:  # I-47
    world.book("work", "m1", at(1))
    world.sync()
    world.clock.advance(timedelta(minutes=5))
    world.service.remove(world.remote["home"], world.blocks("home")[0].key)
    world.sync()
    assert world.starts("home") == [at(1)]
    assert world.told(NoticeKind.BLOCK_RESTORED)
    world.check()


def test_a_young_block_that_seems_gone_is_lag_until_the_grace_has_passed(world: World) -> None:  # I-47
    world.book("work", "m1", at(1))
    world.sync()
    world.service.remove(world.remote["home"], world.blocks("home")[0].key)
    assert world.sync().writes == 0
    world.clock.advance(timedelta(seconds=61))
    assert world.sync().busy_blocks_created == 1
    world.check()


def test_an_edited_block_is_put_right_five_times_and_then_parked(world: World) -> None:  # I-47
    world.book("work", "m1", at(1))
    world.sync()
    for _ in range(5):
        world.clock.advance(timedelta(minutes=10))
        world.service.move(world.remote["home"], world.blocks("home")[0].key, at(2))
        assert world.sync().busy_blocks_updated == 1
        assert world.starts("home") == [at(1)]
    world.service.move(world.remote["home"], world.blocks("home")[0].key, at(2))
    assert world.sync().writes == 0
    assert len(world.told(NoticeKind.BLOCK_PARKED)) == 1
    audit = world.engine.audit()
    assert audit.ok
    assert audit.excepted == 1


@pytest.mark.parametrize("act", ["remove", "move"])
def test_respect_obeys_the_user_until_the_source_moves(act: str) -> None:  # decision 10
    world = World(policy=SyncPolicy(horizon_days=30, on_block_deleted="respect"))
    world.book("work", "m1", at(1))
    world.sync()
    world.clock.advance(timedelta(minutes=5))
    key = world.blocks("home")[0].key
    if act == "remove":
        world.service.remove(world.remote["home"], key)
    else:
        world.service.move(world.remote["home"], key, at(5))
    assert world.sync().writes == 0
    world.service.move(world.remote["work"], "m1", at(2))
    world.sync()
    assert world.starts("home") == [at(2)]
    world.check()


def test_a_block_with_people_is_the_users_now(world: World) -> None:  # I-45
    world.book("work", "m1", at(1))
    world.sync()
    key = world.blocks("home")[0].key
    world.service.adorn(world.remote["home"], key)
    world.sync()
    assert world.told(NoticeKind.BLOCK_RELEASED)
    world.service.remove(world.remote["work"], "m1")
    world.sync()
    assert [item.key for item in world.blocks("home")] == [key]  # never deleted
    assert world.starts("work") == [at(1)]  # and it blocks the others as a real event
    world.check()


def test_a_copy_of_a_block_is_an_ordinary_event(world: World) -> None:  # I-45
    world.book("work", "m1", at(1))
    world.sync()
    key = world.blocks("home")[0].key
    world.service.copy_block(world.remote["home"], key, "copy-of-it")
    world.service.move(world.remote["home"], "copy-of-it", at(4))
    world.sync()
    assert at(4) in world.starts("work")
    world.check()


def test_a_stripped_tag_or_another_title_makes_no_loop(world: World) -> None:  # I-15
    world.book("work", "m1", at(1))
    world.sync()
    key = world.blocks("home")[0].key
    world.service.strip_tag(world.remote["home"], key)
    world.service.retitle(world.remote["home"], key, "Lunch")
    world.sync()
    assert world.starts("work") == []
    world.check()


def test_no_title_leaves_its_source_unless_a_rule_says_so(world: World) -> None:  # decision 7
    world.book("work", "m1", at(1), title="Layoffs")
    world.book("work", "m2", at(2), title="Doctor", private=True)
    world.sync()
    assert {item.events[0].title for item in world.blocks("home")} == {"🔒 Busy"}
    world.engine.set_rules("ana", [MirrorRule(target=world.id("home"), title="Work: {title}"), MirrorRule()])
    assert world.sync().busy_blocks_updated == 2  # I-51
    assert {item.events[0].title for item in world.blocks("home")} == {"Work: Layoffs", "Work: Busy"}
    assert {item.events[0].title for item in world.blocks("club")} == {"🔒 Busy"}
    world.check()


def test_tentative_and_unanswered_show_as_tentative(world: World) -> None:  # decision 9
    world.book("work", "m1", at(1), availability=Availability.TENTATIVE)
    world.book("work", "m2", at(2), response=Response.NEEDS_ACTION)
    world.book("work", "m3", at(3), availability=Availability.FREE)
    world.sync()
    assert [item.events[0].availability for item in world.blocks("home")] == [Availability.TENTATIVE] * 2
    world.check()


def test_a_policy_change_replans_without_a_request(world: World) -> None:  # I-51
    world.book("work", "m1", at(1))
    world.sync()
    world.sync()
    world.restart(policy=SyncPolicy(horizon_days=30, title="Busy"))
    report = world.sync()
    assert report.busy_blocks_updated == 2
    assert report.api_calls == 3 + 2  # the polls and the writes
    world.check()


def test_mass_deletion_is_held_and_the_rest_goes_on(world: World) -> None:  # I-08
    for number in range(15):
        world.book("work", f"w{number}", at(number + 1))
    world.book("home", "h", at(3, 15))
    world.sync()
    for number in range(13):
        world.service.remove(world.remote["work"], f"w{number}")
    world.book("home", "h2", at(4, 15))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.busy_blocks_created, report.held) == (0, 2, 26)
    assert len(world.told(NoticeKind.DELETIONS_HELD)) == 1
    assert world.sync().held == 26
    assert len(world.told(NoticeKind.DELETIONS_HELD)) == 1  # told once
    audit = world.engine.audit()
    assert audit.ok
    assert audit.excepted == 26
    world.book("work", "w0", at(1))  # wanted again: leaves the hold
    assert world.sync().held == 24
    refs = [held.ref for held in world.engine.held()]
    assert world.engine.approve(refs[:10]) == 10
    assert world.engine.drop(refs[10:]) == 14
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (10, 0)
    world.check()


def test_removals_the_host_ordered_are_not_held(world: World) -> None:  # I-08, decision 18
    for number in range(25):
        world.book("work", f"w{number}", at(number + 1))
    world.sync()
    world.engine.disable(world.id("work"))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (50, 0)
    world.engine.enable(world.id("work"))
    assert world.sync().busy_blocks_created == 50
    world.check()


def test_a_disabled_target_gives_its_blocks_back(world: World) -> None:  # decision 18
    world.book("work", "m1", at(1))
    world.sync()
    world.engine.disable(world.id("home"))
    world.sync()
    assert world.blocks("home") == []
    assert world.starts("club") == [at(1)]


def test_disconnecting_leaves_nothing_of_ours(world: World) -> None:  # I-43
    world.book("work", "m1", at(1))
    world.book("home", "h1", at(2))
    world.sync()
    account = world.store.load_calendar(world.id("home")).account_id
    report = world.engine.disconnect(account)
    assert report.ok
    assert world.blocks("home") == []
    assert world.starts("work") == []
    assert world.starts("club") == [at(1)]
    assert {calendar.name for calendar in world.store.load_calendars()} == {"work", "club"}
    world.check()


def test_purging_takes_the_past_back_too(world: World) -> None:  # I-43, decision 17
    world.book("work", "m1", at(1))
    world.book("work", "m2", at(9))
    world.sync()
    world.clock.advance(timedelta(days=3))
    world.sync()
    assert len(world.blocks("home")) == 2  # the past is left alone …
    report = world.engine.purge()
    assert report.ok
    assert world.blocks("home") == world.blocks("club") == []  # … until it is purged


def test_the_past_is_left_alone(world: World) -> None:  # decision 17
    world.book("work", "m1", at(1))
    world.sync()
    world.clock.advance(timedelta(days=2))
    world.service.remove(world.remote["work"], "m1")
    assert world.sync().writes == 0
    assert world.starts("home") == [at(1)]


def test_an_owner_is_synced_alone() -> None:
    world = World()
    other = World(("x", "y"), owner="bob", service=world.service, clock=world.clock, store=world.store)
    other.provider = world.provider
    world.book("work", "m1", at(1))
    other.book("x", "b1", at(2))
    report = world.engine.sync_calendars_needing_polling(owner="ana")
    assert report.busy_blocks_created == 2
    assert other.blocks("y") == []
    assert world.engine.sync_all_calendars(owner="bob").busy_blocks_created == 1
    assert other.starts("y") == [at(2)]


def test_two_owners_on_one_service_know_nothing_of_each_other() -> None:  # I-16
    world = World(("work", "home"))
    other = World(("x",), owner="bob", service=world.service, clock=world.clock)
    world.service.share(world.remote["home"], "bob-x", CalendarRole.READER)
    account = other.store.load_accounts("bob")[0]
    shared = next(c for c in other.engine.discover(account.key) if c.remote_id == world.remote["home"])
    other.engine.enable(shared.key, publish=True, receive=False)
    world.book("work", "m1", at(1))
    world.book("home", "h1", at(2))
    for _ in range(3):
        world.sync()
        other.sync()
    assert other.starts("x") == [at(2)]  # ana's block on "home" is nobody's meeting
    assert world.starts("home") == [at(1)]
    world.check()
    other.check()


def test_misuse_is_refused_before_any_request(world: World) -> None:  # I-44
    with pytest.raises(UnknownCalendar):
        world.engine.sync_calendar(99)
    with pytest.raises(InvalidValue, match="instant"):
        world.engine.explain("ana", datetime(2026, 3, 2, 9, 0))  # noqa: DTZ001  (a wall time: naive on purpose)
    with pytest.raises(UnknownCalendar, match="source"):
        world.engine.set_rules("ana", [MirrorRule(source=99)])
    world.engine.disable(world.id("work"))
    with pytest.raises(InvalidValue, match="disabled"):
        world.engine.sync_calendar(world.id("work"))
    assert world.engine.sync_from_webhook(world.id("work")) is None
    assert world.engine.sync_from_webhook(99) is None


def test_a_webhook_reads_one_calendar_and_blocks_the_others(world: World) -> None:
    world.sync()
    world.book("work", "m1", at(1))
    report = world.engine.sync_from_webhook(world.id("work"))
    assert report is not None
    assert (report.api_calls, report.busy_blocks_created) == (3, 2)
    assert report.webhook_triggered


def test_plan_shows_and_writes_nothing(world: World) -> None:
    world.book("work", "m1", at(1))
    plan = world.engine.plan()
    assert [str(operation.kind) for operation in plan.operations] == ["create", "create"]
    assert world.memory.writes == []
    assert "secret" not in str(plan.as_dict())
    assert world.sync().busy_blocks_created == 2


@pytest.mark.parametrize("refused", [True, False])
def test_a_plan_says_what_it_could_not_read(world: World, *, refused: bool) -> None:  # I-35, I-37
    """Otherwise a dry run on what the store remembers looks like the whole truth."""
    world.sync()
    assert world.engine.plan().errors == ()
    if refused:
        world.service.set_password("ana-home", "another")
    else:
        world.service.remove_calendar(world.remote["home"])
    for _ in range(2):
        errors = world.engine.plan().errors
        kind = "AuthExpired" if refused else "NotFound"
        assert [(failure.account, failure.kind) for failure in errors] == [("home", kind)]


def test_explain_says_why(world: World) -> None:
    world.book("work", "m1", at(1))
    world.book("work", "m2", at(2), response=Response.DECLINED)
    world.sync()
    blocked = {c.name: c for c in world.engine.explain("ana", at(1, 9, 30)).calendars}
    assert blocked["work"].blocked
    assert blocked["home"].blocked
    assert "'work'" in blocked["home"].because[0]
    free = {c.name: c for c in world.engine.explain("ana", at(2, 9, 30)).calendars}
    assert not free["home"].blocked
    assert "declined" in free["home"].because[0]


def test_busy_merges_the_owners_own_events(world: World) -> None:
    world.book("work", "m1", at(1, 9), 2)
    world.book("home", "h1", at(1, 10), 2)
    world.book("club", "c1", at(1, 11), 3, availability=Availability.TENTATIVE)
    world.sync()
    times = world.engine.busy("ana", at(1, 0), at(2, 0))
    assert [(t.start, t.end, t.tentative) for t in times] == [
        (at(1, 9), at(1, 12), False),
        (at(1, 12), at(1, 14), True),
    ]


def test_runs_of_a_calendar_or_an_owner(world: World) -> None:
    first = world.sync()
    other = World(["bo's"], owner="bo", service=world.service, clock=world.clock, store=world.store)
    both = other.engine.sync_all_calendars()
    alone = other.engine.sync_all_calendars(owner="bo")
    assert world.engine.runs() == [alone, both, first]
    assert world.engine.runs(owner="ana") == [both, first]
    assert world.engine.runs(owner="bo") == [alone, both]
    assert world.engine.runs(owner="bo", limit=1) == [alone]
    work, theirs = world.calendars["work"].key, other.calendars["bo's"].key
    assert world.engine.runs(work) == world.engine.runs(work, owner="ana") == [both, first]
    assert world.engine.runs(theirs, owner="ana") == world.engine.runs(owner="nobody") == []
    with pytest.raises(InvalidValue, match=r"^calendar_id: .* str"):
        world.engine.runs(str(work))  # type: ignore[arg-type]  # as a host's URL has it


def test_runs_health_and_metrics(world: World) -> None:
    world.book("work", "m1", at(1))
    first = world.sync()
    assert world.engine.runs(limit=1)[0] == first
    assert set(first.as_dict()) >= {"sync_type", "calendars_processed", "api_calls", "time_window", "held", "errors"}
    health = world.engine.health()
    assert health.healthy
    assert [c.blocks for c in health.calendars] == [0, 1, 1]
    metrics = world.engine.metrics()
    assert (metrics.runs, metrics.blocks_written, metrics.success_rate) == (1, 2, 1.0)


@pytest.mark.parametrize("option", ["split_series", "window_listing", "renormalise_titles"])
def test_the_shape_of_a_service_makes_no_difference(option: str) -> None:  # I-22
    world = World(service=MemoryService(**{option: True}))
    _series_comes_and_goes(world)


def test_a_service_that_tells_no_etag_makes_no_difference() -> None:
    _series_comes_and_goes(World(service=MemoryService(etag_on_write=False)))


def _series_comes_and_goes(world: World) -> None:
    event = daily(world)
    world.book("home", "h1", at(2, 14))
    world.sync()
    world.check()
    world.service.put(world.remote["work"], world.service.exception(event, event.span.start, cancelled=True))
    world.sync()
    world.check()
    world.service.remove(world.remote["work"], "standup")
    world.sync()
    world.check()
    assert [len(world.blocks(name)) for name in ("work", "home", "club")] == [1, 0, 1]
