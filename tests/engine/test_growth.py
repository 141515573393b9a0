"""What a sync costs grows with what changed and not with what is stored: counted, so that it holds on any machine."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from calsync_core.models import SyncPolicy
from calsync_core.providers.memory import MemoryService
from calsync_core.stores.sql import SQLStore
from counting import DatabaseWork, calls
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
