"""What the host is told of in the transaction that stores it: delivered once it is stored, and no long transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import TypeVar

from sqlalchemy import event

from calsync_core.models import Notice, NoticeKind, SyncReport, SyncType
from calsync_core.steps.run import Run
from calsync_core.steps.sync import record
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from world import World, at

T = TypeVar("T")


def test_somebody_else_looks_for_notices_just_before_they_are_stored(tmp_path: Path) -> None:
    store = SQLStore(f"sqlite:///{tmp_path / 'a.db'}")
    world = World(("work", "home"), store=store)
    world.sync()
    world.book("work", "m", at(2))
    with store._database.reading() as connection:
        engine = connection.engine

    def meanwhile(_: object) -> None:
        if current_thread() is main_thread():
            other = Thread(target=world.engine.process_notifications)
            other.start()
            other.join()

    event.listen(engine, "commit", meanwhile)
    world.sync()
    event.remove(engine, "commit", meanwhile)
    assert len(world.told(NoticeKind.SYNC_FINISHED)) == 2
    assert store.load_notices() == []
    store.close()


class Measured(MemoryStore):
    """Counts the notices that each transaction stores."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[int] = []

    def together(self, call: Callable[[], T], *, writes: bool = True) -> T:
        self.notices.append(0)
        return super().together(call, writes=writes)

    def save_notice(self, notice: Notice) -> None:
        self.notices[-1] += 1
        super().save_notice(notice)


def test_a_run_for_many_owners_stores_what_it_tells_bit_by_bit() -> None:  # I-28
    store = Measured()
    context = World((), store=store).engine._context
    owners = [f"owner {number}" for number in range(250)]
    report = record(context, Run(SyncType.FULL), SyncReport(SyncType.FULL, context.clock.now()), owners)
    told = store.load_notices(limit=1000)
    assert [each.notice.owner for each in told] == sorted(owners)
    assert {each.notice.detail["run"] for each in told} == {report.id}
    assert max(store.notices) <= 100
