"""What a sync costs grows with what changed and not with what is stored: counted, so that it holds on any machine."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from calsync_core.models import SyncPolicy
from calsync_core.providers.memory import MemoryService
from calsync_core.steps.plan import plan_owner
from calsync_core.stores.sql import SQLStore
from counting import DatabaseWork, calls
from paging import in_pages
from world import World, at

FEW, MANY, CHANGES = 60, 600, 10


def syncs(events: int, folder: Path) -> dict[str, int]:
    """Each kind of sync of a calendar with so many events ahead, onto one that has nothing of its own."""
    work = DatabaseWork()
    database = sa.create_engine(f"sqlite:///{folder / str(events)}.db")
    work.listen(database)
    with closing(SQLStore(database)) as store:
        world = World(
            ("work", "home"), store=store, service=MemoryService(page_size=50), policy=SyncPolicy(horizon_days=60)
        )

        def book(number: int, minutes: int = 0) -> None:
            world.book("work", f"m{number}", at(1) + timedelta(hours=2 * number, minutes=minutes))

        for number in range(events):
            book(number)
        with work.of("first"):
            assert world.sync().writes == events
        world.sync()
        with work.of("nothing new"):
            assert world.sync().writes == 0
        for number in range(CHANGES):
            book(number, minutes=5)
        with work.of("changes"):
            assert world.sync().writes == CHANGES
        world.sync()
        with work.of("full"):
            assert world.engine.sync_all_calendars().writes == 0
        # Past midnight. The database looks through what it has, in a fraction of a second; nothing of it is loaded.
        world.clock.advance(timedelta(hours=17))
        work.took["new day"] = calls(world.sync)
    database.dispose()
    return work.took


def test_the_work_grows_with_what_changed_and_not_with_what_is_stored(tmp_path: Path) -> None:
    few, many = (syncs(events, tmp_path) for events in (FEW, MANY))
    for name in ("nothing new", "changes", "new day"):
        assert many[name] <= 1.1 * few[name], name
    for name in ("first", "full"):
        assert many[name] / MANY <= 1.1 * few[name] / FEW, name


def planning(events: int, folder: Path) -> int:
    """The most memory that planning all of them took, nothing of which is to be written."""
    with closing(SQLStore(f"sqlite:///{folder / str(events)}.db")) as store, in_pages(50):
        world = World(("work", "home"), store=store, policy=SyncPolicy(horizon_days=60))
        for number in range(events):
            world.book("work", f"m{number}", at(1) + timedelta(hours=number))
        assert world.sync().writes == events
        store.reset_plan("ana")
        tracemalloc.start()
        try:
            assert plan_owner(world.engine._context, "ana")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_planning_takes_memory_for_a_page_and_not_for_the_calendar(tmp_path: Path) -> None:
    """Of all others only the names are held; planned at once, each would take more than 4 kB."""
    planning(100, tmp_path)  # what is kept from then on, whatever comes
    few, many = planning(200, tmp_path), planning(1_200, tmp_path)
    assert (many - few) / 1_000 <= 600
