"""The engine over Graph: what a change costs, and that the sharp edges of its deltas end in a clean audit."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from calsync_core.models import Event, SyncPolicy
from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from graph_hands import timed_json
from graph_scripts import refusal
from graph_service import GraphService
from world import START, World, at

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ("work", "home", "club", "team")
BACKGROUND = 5_000


def world_of(names: tuple[str, ...] = NAMES[:3], page_size: int = 1000, **more: Any) -> World:
    return World(names, service=GraphService(VirtualClock(START), page_size=page_size), **more)


def service_of(world: World) -> GraphService:
    assert isinstance(world.service, GraphService)
    return world.service


def put_series(world: World, uid: str = "standup", count: int = 5, hour: int = 9) -> Event:
    start = datetime(2026, 3, 3, hour, tzinfo=BERLIN)
    event = world.service.event(uid, start, start + timedelta(hours=1), recurrence=(f"RRULE:FREQ=DAILY;COUNT={count}",))
    world.service.put(world.remote["work"], event)
    return event


def requests(world: World) -> Counter[str]:
    """Whole requests since the log was cleared, by what they were."""
    kinds = Counter[str]()
    for one in service_of(world).graph.log:
        if not one.inner:
            last = one.path.rstrip("/").rpartition("/")[2]
            kinds[f"{one.method} {'event' if last.startswith('AAk') else last}"] += 1
    return kinds


# -- what it costs --------------------------------------------------------------------------------------------------


def test_what_one_change_costs_beside_five_thousand_events() -> None:
    """One read; per target one request for a create, two for an update, since a look precedes it; 1 where all is still.

    However large the calendar is.
    """
    world = world_of(NAMES)
    graph = service_of(world).graph
    for number in range(BACKGROUND):
        start = at(1 + number % 25, number % 24)
        graph.put_event(world.remote["work"], timed_json(start, start + timedelta(hours=1), showAs="free"))
    world.book("work", "review", at(2))
    world.sync()
    world.sync()
    assert len(world.blocks("home")) == 1

    graph.clear_log()
    world.service.move(world.remote["work"], "review", at(3))
    report = world.engine.sync_from_webhook(world.id("work"))
    assert report is not None
    assert requests(world) == {"GET delta": 1, "GET event": 3, "PATCH event": 3}
    assert (report.as_dict()["api_calls"], report.writes) == (7, 3)

    graph.clear_log()
    world.book("work", "talk", at(4))
    report = world.engine.sync_from_webhook(world.id("work"))
    assert report is not None
    assert requests(world) == {"GET delta": 1, "POST events": 3}

    world.sync()
    graph.clear_log()
    assert world.sync().writes == 0
    assert requests(world) == {"GET delta": len(NAMES)}
    assert graph.max_seen_concurrency() <= 4


def test_a_whole_batch_for_many_changes() -> None:
    """Twenty creates are one request per target, twenty updates two."""
    world = world_of()
    world.sync()
    for number in range(20):
        world.book("work", f"e{number}", at(1 + number % 9, 8 + number % 10))
    service_of(world).graph.clear_log()
    world.engine.sync_from_webhook(world.id("work"))
    assert requests(world) == {"GET delta": 1, "POST $batch": 2}
    service_of(world).graph.clear_log()
    for number in range(20):
        world.service.move(world.remote["work"], f"e{number}", at(2 + number % 9, 9 + number % 10))
    world.engine.sync_from_webhook(world.id("work"))
    assert requests(world) == {"GET delta": 1, "POST $batch": 4}
    world.sync()
    world.check()


def test_many_workers_keep_to_four_at_a_time() -> None:  # I-33
    """Several calendars of one login and several logins, read and written by a pool of threads."""
    world = world_of(NAMES, max_workers=8)
    graph = service_of(world).graph

    def meanwhile(_request: object) -> None:
        threading.Event().wait(0.002)

    graph.meanwhile = meanwhile
    for name in NAMES:
        for number in range(6):
            world.book(name, f"{name}{number}", at(1 + number, 8 + NAMES.index(name)))
    for _ in range(3):
        world.sync()
    assert graph.max_seen_concurrency() <= 4
    assert not [one for one in graph.log if one.status == 429]
    world.check()


# -- sharp edges ----------------------------------------------------------------------------------------------------


def test_one_occurrence_deleted() -> None:  # I-21
    world = world_of()
    master = put_series(world)
    world.sync()
    assert len(world.starts("home")) == 5
    gone = datetime(2026, 3, 4, 9, tzinfo=BERLIN)
    world.service.put(world.remote["work"], world.service.exception(master, gone, cancelled=True))
    assert world.sync().as_dict()["busy_blocks_deleted"] == 2
    assert gone.astimezone(UTC) not in world.starts("home")
    world.sync()
    world.check()


def test_a_series_moved() -> None:  # I-48
    """Its occurrences have new ids; n blocks are updated, none is deleted, and the guard stays quiet."""
    world = world_of(policy=SyncPolicy(horizon_days=30, guard_max=1, guard_share=0.1))
    put_series(world)
    world.sync()
    put_series(world, hour=14)
    report = world.sync().as_dict()
    assert (report["busy_blocks_updated"], report["busy_blocks_deleted"], report["held"]) == (10, 0, 0)
    world.sync()
    world.check()


def test_an_event_leaves_the_window_and_comes_back() -> None:  # I-22
    world = world_of()
    world.book("work", "review", at(2))
    put_series(world)
    world.sync()
    world.service.move(world.remote["work"], "review", at(400))
    put_series_at(world, at(400))
    world.sync()
    assert world.starts("home") == []
    world.sync()
    world.check()
    world.service.move(world.remote["work"], "review", at(5))
    world.sync()
    assert world.starts("home") == [at(5)]
    world.sync()
    world.check()


def put_series_at(world: World, start: datetime) -> None:
    event = world.service.event("standup", start, start + timedelta(hours=1), recurrence=("RRULE:FREQ=DAILY;COUNT=2",))
    world.service.put(world.remote["work"], event)


@pytest.mark.parametrize(
    ("status", "code"), [(410, "syncStateNotFound"), (400, "SyncStateInvalid"), (404, "resyncRequired")]
)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_reset_in_mid_page(status: int, code: str, after: int) -> None:  # I-10
    """What came before it is believed as far as it goes; what vanished meanwhile is found by the snapshot."""
    world = world_of(page_size=1)
    for number in range(4):
        world.book("work", f"e{number}", at(2 + number))
    put_series(world)
    world.sync()
    world.service.remove(world.remote["work"], "e0")
    world.service.move(world.remote["work"], "e1", at(9))
    world.service.move(world.remote["work"], "e2", at(10))
    service_of(world).graph.expire_delta_links(status, code, after=after)
    for _ in range(3):
        world.engine.sync_calendars_needing_polling()
        world.clock.advance(timedelta(minutes=10))
    assert at(2) not in world.starts("home")
    assert {at(9), at(10)} <= set(world.starts("home"))
    world.check()


def test_the_horizon_slides_over_a_series_without_churn() -> None:  # I-23
    """Day by day for weeks, over the edge of a delta's window: every occurrence is written once."""
    world = world_of(("work", "home"), policy=SyncPolicy(horizon_days=14))
    put_series(world, count=200)
    world.sync()
    written = len(world.starts("home"))
    for _ in range(60):
        world.clock.advance(timedelta(days=1))
        report = world.sync().as_dict()
        assert (report["busy_blocks_updated"], report["busy_blocks_deleted"]) == (0, 0)
        written += report["busy_blocks_created"]
    assert written == len(world.starts("home")) == 60 + 14
    world.check()


def test_a_create_whose_answer_was_lost_and_that_was_seen_first() -> None:  # I-04
    """The delta shows it under an id that nobody recorded: it is known by its name, and none is made beside it."""
    world = world_of(("work", "home"))
    world.book("work", "review", at(2))
    graph = service_of(world).graph
    graph.fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST", path="/events$"))
    world.engine.sync_calendars_needing_polling()
    assert len(world.blocks("home")) == 1
    for _ in range(3):
        world.clock.advance(timedelta(minutes=10))
        world.engine.sync_calendars_needing_polling()
    assert world.starts("home") == [at(2)]
    world.check()


def test_throttled_targets_are_written_later() -> None:  # I-33
    world = world_of()
    for number in range(5):
        world.book("work", f"e{number}", at(2 + number))
    graph = service_of(world).graph
    throttled = refusal(429, "ApplicationThrottled", retry_after="100")
    graph.fail(HttpFault(HttpFaultKind.ANSWER, throttled, method="POST", inner=True, times=3))
    world.engine.sync_calendars_needing_polling()
    assert len(world.blocks("home")) + len(world.blocks("club")) < 10
    world.clock.advance(timedelta(minutes=2))
    world.engine.sync_calendars_needing_polling()
    assert len(world.blocks("home")) == len(world.blocks("club")) == 5
    world.sync()
    world.check()


@pytest.mark.parametrize("zone", ["Pacific Standard Time", "W. Europe Standard Time", "Tonga Standard Time"])
def test_all_day_is_mirrored_as_days(zone: str) -> None:  # I-18
    """From and to mailboxes in UTC-8, UTC+1 and UTC+13; a second sync writes nothing."""
    world = World((), service=GraphService(VirtualClock(START)))
    service = service_of(world)
    add = service.add_calendar
    service.add_calendar = lambda user, name, **_: add(user, name, timezone=zone)  # type: ignore[method-assign]  # whatever zone is asked for
    for name in ("work", "home"):
        world.add(name)
    trip = world.service.event("trip", date(2026, 3, 9), date(2026, 3, 11))
    world.service.put(world.remote["work"], trip)
    world.sync()
    assert [(span.start, span.end) for span in world.spans("home")] == [(date(2026, 3, 9), date(2026, 3, 11))]
    world.sync()
    world.check()


def test_a_block_made_a_meeting_is_the_user_s() -> None:  # I-40, I-45
    """Its source is cancelled: nothing is deleted, nobody is mailed, and it blocks the others now."""
    world = world_of()
    world.book("work", "review", at(2))
    world.sync()
    world.sync()
    (block,) = world.blocks("home")
    world.service.adorn(world.remote["home"], block.key)
    world.sync()
    world.service.remove(world.remote["work"], "review")
    for _ in range(2):
        world.sync()
        world.clock.advance(timedelta(minutes=5))
    assert [item.key for item in world.blocks("home")] == [block.key]
    assert world.starts("work") == [at(2)]
    assert service_of(world).graph.mails == ()
    world.check()
