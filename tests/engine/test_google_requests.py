"""What a sync costs at Google: requests, counted by the service itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from calsync_core.models import SyncPolicy
from calsync_core.providers.google import GoogleProvider
from calsync_core.testing.clock import VirtualClock
from google_service import GoogleService
from world import START, World, at


def a_world(*names: str, service: GoogleService | None = None, **more: Any) -> tuple[World, GoogleService]:
    made = service or GoogleService(VirtualClock(START), page_size=2500)
    policy = SyncPolicy(horizon_days=30, guard_max=10_000)
    return World(names, service=made, policy=policy, **more), made


def fill(world: World, name: str, count: int, first: datetime, apart: timedelta) -> None:
    for number in range(count):
        world.book(name, f"{name}-{number}", first + number * apart, 0.25)


def asked(service: GoogleService) -> list[str]:
    """Every request since the log was cleared: method and what of."""
    return [f"{one.method} {one.path.rpartition('/')[2]}" for one in service.google.log if not one.inner]


def test_one_change_on_a_large_calendar() -> None:
    """5,000 events and 3 targets: 1 read and 3 writes, whatever the calendar's size."""
    world, service = a_world("work", "home", "club", "spare")
    fill(world, "work", 40, at(1), timedelta(hours=12))
    fill(world, "work", 5_000, at(60), timedelta(hours=1))
    world.sync()
    service.google.clear_log()
    world.book("work", "new", at(3, 21))
    report = world.engine.sync_from_webhook(world.id("work"))
    assert report is not None
    assert report.busy_blocks_created == 3
    assert asked(service) == ["GET events", "POST events", "POST events", "POST events"]
    assert report.api_calls == 4


def test_a_poll_that_finds_nothing() -> None:
    """One request; and one for each of our own writes' echoes, whatever the number of blocks."""
    world, service = a_world("work", "home")
    fill(world, "work", 60, at(1), timedelta(hours=6))
    world.sync()
    world.sync()
    service.google.clear_log()
    for name in ("work", "home"):
        report = world.engine.sync_calendar(world.id(name))
        assert report is not None
        assert (report.api_calls, report.writes) == (1, 0)
    assert asked(service) == ["GET events"] * 2


def test_many_changes_to_one_target() -> None:
    """⌈n/50⌉ requests, be they new, moved or gone."""
    world, service = a_world("work", "home")
    world.sync()
    fill(world, "work", 120, at(1), timedelta(hours=5))
    for change in ("book", "move", "remove"):
        service.google.clear_log()
        for number in range(120):
            event_id = f"work-{number}"
            if change == "move":
                service.move(world.remote["work"], event_id, at(1, 10, 30) + number * timedelta(hours=5))
            elif change == "remove":
                service.remove(world.remote["work"], event_id)
        report = world.engine.sync_calendar(world.id("work"))
        assert report is not None
        assert report.writes == 120
        assert [one for one in asked(service) if one != "GET events"] == ["POST v3"] * 3, change


def test_a_first_mesh_stays_inside_the_budget_nearest_slot_first() -> None:  # I-33
    """Google's 600 requests a minute and person, batched or not; it meets no limit on the way."""
    clock = VirtualClock(START)
    service = GoogleService(clock, page_size=2500)
    service.google.quota.per_user = 600
    service.google.habits.order = None
    provider = GoogleProvider(transport=service.google.transport())
    world, _ = a_world("work", "home", service=service, provider=provider)
    fill(world, "work", 900, at(1), timedelta(minutes=30))
    began = clock.now()
    world.sync()
    assert len(world.blocks("home")) == 900
    assert service.google.quota.refused == {}
    minutes = (clock.now() - began) / timedelta(minutes=1)
    assert 900 / 600 < minutes < 900 / 200
    written = [json.loads(one.request.body)["start"]["dateTime"] for one in service.google.log if one.inner]
    assert written == sorted(written)
    service.google.clear_log()
    assert world.sync().writes == 0
