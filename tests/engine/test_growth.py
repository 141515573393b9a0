"""What a sync costs grows with what changed and not with what is stored: counted, so that it holds on any machine."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from attrs import evolve

from calsync_core.core.auditing import compare
from calsync_core.errors import Unavailable
from calsync_core.models import Account, Block, Calendar, SyncPolicy, SyncReport
from calsync_core.providers.memory import MemoryService
from calsync_core.steps.gather import gather_all
from calsync_core.steps.plan import plan_owner
from calsync_core.steps.run import Run
from calsync_core.steps.sync import record
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from calsync_core.testing import VirtualClock
from calsync_core.testing.store_kit import NOW, StoreBench, a_block
from counting import DatabaseWork, calls
from paging import in_pages
from world import START, World, at

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


OWNERS, MORE_OWNERS = 8, 32


def sweeps(owners: int, folder: Path) -> dict[str, int]:
    """Each kind of sweep over so many owners, with two events and a target each: the steps of the database, and how
    many calls it takes.
    """
    work = DatabaseWork()
    database = sa.create_engine(f"sqlite:///{folder / f'{owners}-owners'}.db")
    work.listen(database)
    with closing(SQLStore(database)) as store:
        service, clock = MemoryService(), VirtualClock(START)
        worlds = [
            World(
                (f"work{number}", f"home{number}"),
                owner=f"o{number}",
                store=store,
                service=service,
                clock=clock,
                policy=SyncPolicy(guard_max=1),
            )
            for number in range(owners)
        ]
        first = worlds[0]

        def book(minute: int) -> None:
            for number, world in enumerate(worlds):
                for event in range(2):
                    world.book(f"work{number}", f"{world.owner}-{event}", at(1, 9 + event, minute))

        def sweep(name: str, writes: int, errors: int = 0) -> None:
            def swept() -> None:
                report = first.engine.sync_calendars_needing_polling()
                assert (report.writes, len(report.errors)) == (writes, errors)

            with work.of(name):
                work.took[f"{name}, calls"] = calls(swept)

        book(0)
        sweep("first", 2 * owners)
        first.sync()
        sweep("nothing new", 0)
        book(5)
        sweep("changes", 2 * owners)
        first.sync()
        for number, world in enumerate(worlds):
            # More at once than the guard lets go.
            for item in service.items(world.remote[f"work{number}"]):
                service.remove(world.remote[f"work{number}"], item.key)
            service.remove_calendar(world.remote[f"home{number}"])
        sweep("failing", 0, owners)
        sweep("held", 0, owners)
        assert len(store.load_held()) == 2 * owners
    database.dispose()
    return work.took


def test_a_sweep_takes_each_owner_the_same_however_many_there_are(tmp_path: Path) -> None:
    few, many = (sweeps(owners, tmp_path) for owners in (OWNERS, MORE_OWNERS))
    for name, took in many.items():
        assert took / MORE_OWNERS <= 1.1 * few[name] / OWNERS, name


class Name(str):
    """An owner's name; to compare it with another one is a call, and counted as such."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


class Held(MemoryStore):
    """What deletions are held in it is said."""

    held: Sequence[Block] = ()

    def load_held(self, owner: str | None = None) -> list[Block]:
        return [block for block in self.held if owner in {None, block.owner}]


def failures(owners: int) -> int:
    """How many calls it takes to end a run in which something failed for so many owners, each with a deletion held."""
    store = Held()
    world = World((), store=store)
    account, calendar = Account("o", "memory", "a", id=1), Calendar(1, "o", "r", "R", id=1)
    names = [f"o{number}" for number in range(owners)]
    store.held = [a_block(calendar, calendar, name, owner=Name(name)) for name in names]
    run = Run()

    def work() -> None:
        for name in names:
            run.fail(evolve(account, owner=name, name=name), None, Unavailable("down"))
        draft = SyncReport(run.way, world.clock.now())
        report = record(world.engine._context, run, draft, sorted(map(Name, names)))
        assert (len(report.errors), report.held) == (owners, owners)

    return calls(work)


def test_failures_and_held_deletions_take_each_owner_the_same_however_many_there_are() -> None:
    few, many = 50, 500
    assert failures(many) / many <= 1.1 * failures(few) / few


def test_what_of_others_is_held_costs_an_owner_nothing(tmp_path: Path) -> None:
    few, many = 200, 2_000
    work = DatabaseWork()
    database = sa.create_engine(f"sqlite:///{tmp_path / 'held.db'}")
    work.listen(database)
    with closing(SQLStore(database)) as store:
        bench = StoreBench(store)

        def hold(owner: str, numbers: range) -> None:
            store.save_blocks(
                [a_block(bench.source, bench.target, f"{owner}{n}", owner=owner, held_since=NOW) for n in numbers]
            )

        hold("ana", range(3))
        for name, numbers in (("few", range(few)), ("many", range(few, many))):
            hold("bo", numbers)
            with work.of(name):
                assert [block.owner for block in store.load_held("ana")] == ["ana"] * 3
        assert len(store.load_held("bo")) == many
    database.dispose()
    assert work.took["many"] <= 1.1 * work.took["few"]


def looks(events: int, folder: Path) -> dict[str, int]:
    """The most memory that each look at all of them took, when nothing was to be written."""
    with closing(SQLStore(f"sqlite:///{folder / str(events)}.db")) as store, in_pages(50):
        world = World(("work", "home"), store=store, policy=SyncPolicy(horizon_days=60))
        for number in range(events):
            world.book("work", f"m{number}", at(1) + timedelta(hours=number))
        assert world.sync().writes == events
        store.reset_plan("ana")
        context = world.engine._context
        ways: dict[str, Callable[[], object]] = {
            "plan": lambda: plan_owner(context, "ana"),
            "audit": lambda: [compare(situation) for situation in gather_all(context, "ana")],
        }
        most = {}
        for name, look in ways.items():
            tracemalloc.start()
            try:
                assert look()
                most[name] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        return most


def test_a_look_at_everything_takes_memory_for_a_page_and_not_for_the_calendar(tmp_path: Path) -> None:
    """Of all others only the names are held; at once, each would take more than 4 kB."""
    looks(100, tmp_path)  # what is kept from then on, whatever comes
    few, many = looks(200, tmp_path), looks(800, tmp_path)
    for name in few:
        assert (many[name] - few[name]) / 600 <= 600, name
