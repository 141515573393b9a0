"""Planned in pages: what is seen only in a look at all is seen, and what comes between two pages is not lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest

from calsync_core.errors import LeaseBusy
from calsync_core.models import Lease, MirrorRule, Mode, NoticeKind, Plan, Response, StoredEvent, SyncPolicy
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing.deaths import Died, DyingStore
from interruptions import Stall
from paging import in_pages
from world import World, at

WARY = SyncPolicy(horizon_days=30, guard_max=4, guard_share=0.2)


@pytest.fixture(params=[1, 2, 3], autouse=True)
def _page(request: pytest.FixtureRequest) -> Iterator[None]:
    with in_pages(request.param):
        yield


class Watched(MemoryStore):
    """Lets something happen before the n-th plan or page is stored, or looked at.

    Attributes:
        saved: Plans and pages so far, and how many operations each had.
        asked: How many identities were looked at together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[int] = []
        self.asked: list[int] = []
        self.happens: Callable[[int], object] = lambda _number: None
        self.looks: Callable[[int], object] = lambda _number: None

    def before(self, number: int, happens: Callable[[], object]) -> None:
        """Let this happen before the so-manieth plan or page is stored, and nothing else."""

        def once(now: int) -> None:
            if now == number:
                happens()

        self.happens = once

    def save_plan(self, lease: Lease, plan: Plan, **rest: Any) -> None:
        self.happens(len(self.saved) + 1)
        super().save_plan(lease, plan, **rest)
        self.saved.append(len(plan.operations))

    def load_events(self, owner: str, identities: Collection[str]) -> list[StoredEvent]:
        self.asked.append(len(identities))
        self.looks(len(self.asked))
        return super().load_events(owner, identities)


def busy_world(store: Store | None = None, **options: Any) -> World:
    """Ten meetings at work, nothing of them written yet."""
    world = World(("work", "home"), store=store, **options)
    for number in range(10):
        world.book("work", f"m{number}", at(number + 1))
    return world


def settle(world: World) -> None:
    """Everybody has time enough."""
    for _ in range(3):
        world.clock.sleep(3600)
        world.sync()
    world.check()


# -- all that is deleted is seen in one look ------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [False, True])
def test_a_mass_deletion_over_many_pages_is_held_as_a_whole_and_told_once(*, everything: bool) -> None:  # I-08
    world = busy_world(policy=WARY)
    world.sync()
    for number in range(9):
        world.service.remove(world.remote["work"], f"m{number}")
    world.service.move(world.remote["work"], "m9", at(20))
    if everything:
        world.store.reset_plan("ana")
    assert world.sync().writes == 1  # the rest goes on
    assert len(world.engine.held()) == len(world.blocks("home")) - 1 == 9
    world.store.reset_plan("ana")
    assert world.sync().writes == 0
    (told,) = world.told(NoticeKind.DELETIONS_HELD)
    assert told.detail["count"] == 9
    world.engine.approve()
    assert world.sync().writes == 9
    assert world.starts("home") == [at(20)]


def test_as_many_as_may_go_at_once_go() -> None:  # I-08
    world = busy_world(policy=WARY)
    world.sync()
    for number in range(4):
        world.service.remove(world.remote["work"], f"m{number}")
    assert world.sync().writes == 4
    world.service.remove(world.remote["work"], "m4")
    assert world.sync().writes == 0
    assert len(world.engine.held()) == 1


def test_what_was_approved_and_goes_at_once_does_not_count_against_the_rest() -> None:  # I-08
    world = busy_world(policy=WARY)
    world.sync()
    for number in range(6):
        world.service.remove(world.remote["work"], f"m{number}")
    world.sync()
    world.engine.approve()
    for number in range(6, 9):
        world.service.remove(world.remote["work"], f"m{number}")
    assert world.sync().writes == 9
    assert world.starts("home") == [at(10)]


def test_a_calendar_that_is_suddenly_empty_between_two_pages_loses_nothing() -> None:  # I-07, I-08
    store = Watched()
    world = busy_world(store)
    world.sync()
    twin = World((), service=world.service, clock=world.clock, store=store)

    def happens(now: int) -> None:
        if now == 2:
            for number in range(10):
                world.service.remove(world.remote["work"], f"m{number}")
            world.memory.expire_cursors()
            twin.engine.plan(world.id("work"))  # reads it, and writes nothing

    store.reset_plan("ana")
    del store.asked[:]
    store.looks = happens
    assert world.sync().writes == 0
    assert len(world.blocks("home")) == 10
    assert world.engine.held()


def test_what_the_host_ordered_is_stored_page_by_page() -> None:  # I-08, I-51
    store = Watched()
    world = busy_world(store, policy=WARY)
    world.sync()
    del store.saved[:]
    world.engine.set_rules("ana", [MirrorRule(source=world.id("home"), target=world.id("work"))])
    assert world.sync().writes == 10
    assert max(store.saved) <= 3
    assert world.blocks("home") == []


# -- blocks that nobody recorded ------------------------------------------------------------------------------------


def lose_the_store(world: World) -> None:
    world.store = MemoryStore()
    world.restart()
    for name in world.remote:
        world.connect(name)


def test_blocks_of_a_lost_store_are_found_by_whoever_they_show() -> None:  # I-49
    """The moved series' blocks have keys of slots that are no more; others stand at the same times."""
    world = busy_world()
    series = world.book("work", "standup", at(1, 7), recurrence=("RRULE:FREQ=DAILY;COUNT=6",))
    world.sync()
    world.service.move(world.remote["work"], series.id, at(1, 9), at(1, 10))
    world.sync()
    before = {item.key for item in world.blocks("home")}
    lose_the_store(world)
    world.book("work", "another", at(2, 9))
    assert world.sync().writes == 1
    assert len({item.key for item in world.blocks("home")} - before) == 1
    settle(world)


def test_nobodys_blocks_are_removed_once_nobody_wants_them() -> None:  # I-49, I-08
    world = busy_world()
    world.sync()
    for number in range(3):
        world.service.remove(world.remote["work"], f"m{number}")
    lose_the_store(world)
    assert world.sync().writes == 3
    assert world.starts("home") == [at(number + 1) for number in range(3, 10)]
    settle(world)


def test_a_block_on_the_wrong_calendar_is_left_to_whom_it_shows() -> None:  # I-06, decision 5
    """Another meeting at the same time was planned before, or is yet to be."""
    world = World()
    for number in range(10):
        world.book("work", f"m{number}", at(number + 1))
    world.sync()
    key = next(item.key for item in world.blocks("home") if item.events[0].span.start == at(1))
    world.service.copy_block(world.remote["home"], key, key, to=world.remote["club"])
    for uid in ("another", "twin"):
        world.book("work", uid, at(1))
    world.store.reset_plan("ana")
    world.sync()
    blocks = [block for block in world.store.load_blocks("ana") if not block.uid.startswith("stray:")]
    assert len({block.key for block in blocks}) == 2 * 12
    settle(world)
    assert world.starts("home").count(at(1)) == world.starts("club").count(at(1)) == 3


def test_an_audit_finds_the_same_as_in_one_look() -> None:  # I-01
    """One block is gone, one was moved, one stands twice, two are nobody's."""
    world = busy_world()
    world.sync()
    home, blocks = world.remote["home"], world.blocks("home")
    world.service.remove(home, blocks[0].key)
    world.service.move(home, blocks[1].key, at(25))
    world.service.copy_block(home, blocks[2].key, f"{blocks[2].key}-again")
    for number in (8, 9):
        world.service.remove(world.remote["work"], f"m{number}")
    lose_the_store(world)
    audit = world.engine.audit()
    with in_pages(1_000):
        whole = world.engine.audit()
    assert set(audit.findings) == set(whole.findings)
    assert (audit.checked, audit.missing, audit.extra, audit.wrong) == (8, whole.missing, whole.extra, whole.wrong)
    assert audit.missing
    assert audit.extra


# -- between two pages ------------------------------------------------------------------------------------------------


def test_no_more_is_looked_at_at_once_than_a_page() -> None:
    store = Watched()
    world = busy_world(store)
    assert world.sync().writes == 10
    assert max(store.asked) <= 3
    assert len(store.asked) > 3


@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_rules_change_between_two_pages(number: int) -> None:  # I-51
    store = Watched()
    world = busy_world(store)
    rules = [MirrorRule(title="Away")]
    store.before(number, lambda: world.engine.set_rules("ana", rules))
    settle(world)
    assert {event.title for item in world.blocks("home") for event in item.events} == {"Away"}


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_calendar_changes_between_two_pages(number: int) -> None:  # I-11, I-51
    store = Watched()
    world = busy_world(store)
    twin = World((), service=world.service, clock=world.clock, store=store)

    def happens() -> None:
        world.service.edit(world.remote["work"], "m0", response=Response.DECLINED)
        world.service.move(world.remote["work"], "m9", at(15))
        world.book("work", "late", at(16))
        twin.engine.plan(world.id("work"))  # reads it, and writes nothing

    store.before(number, happens)
    settle(world)
    assert world.starts("home") == [*(at(number + 1) for number in range(1, 9)), at(15), at(16)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_host_stops_all_writing_between_two_pages(number: int) -> None:
    store = Watched()
    world = busy_world(store)
    store.before(number, lambda: world.engine.set_mode("ana", Mode.OBSERVE))
    world.sync()
    assert world.blocks("home") == []
    assert sum(store.saved) < 10
    store.happens = lambda _now: None
    world.engine.set_mode("ana", Mode.WRITE)
    settle(world)
    assert len(world.blocks("home")) == 10


def test_midnight_passes_between_two_pages() -> None:  # I-23
    store = Watched()
    world = World(("work", "home"), store=store, policy=SyncPolicy(horizon_days=5))
    for number in range(8):
        world.book("work", f"m{number}", at(6, 9 + number))  # the first day that is not seen today
        world.book("work", f"n{number}", at(1, 9 + number))
    world.clock.advance(timedelta(hours=15, minutes=59))
    store.before(2, lambda: world.clock.advance(timedelta(minutes=2)))
    world.sync()
    assert len(store.saved) > 3
    settle(world)
    assert len(world.blocks("home")) == 16


def test_the_lease_is_kept_from_page_to_page() -> None:  # I-06
    store = Watched()
    world = busy_world(store)
    store.happens = lambda _now: world.clock.advance(timedelta(seconds=45))
    assert world.sync().writes == 10


def test_a_page_that_is_overtaken_is_looked_at_again_and_no_other() -> None:  # I-06
    store = Watched()
    world = busy_world(store)
    tries = iter([LeaseBusy("overtaken"), LeaseBusy("overtaken")])

    def happens(now: int) -> None:
        if now == 2:
            for error in tries:
                raise error

    store.happens = happens
    world.sync()
    assert len(store.asked) == len(store.saved) + 2
    assert len(world.blocks("home")) == 10


def test_an_owner_whose_plan_was_given_up_stays_due() -> None:  # I-05
    store = Watched()
    world = busy_world(store)
    before = store.load_plan_state("ana")

    def overtaken(now: int) -> None:
        if now > 1:
            raise LeaseBusy("overtaken")

    store.happens = overtaken
    assert not world.engine.sync_calendars_needing_polling().ok
    assert (len(store.saved), store.load_plan_state("ana").shape) == (1, before.shape)
    assert len(store.load_unplanned("ana").uids) == 10
    store.happens = lambda _now: None
    settle(world)
    assert len(world.blocks("home")) == 10


def test_an_engine_that_is_told_to_stop_stops_before_the_next_page() -> None:
    store = Watched()
    world = busy_world(store)
    store.happens = lambda _now: world.engine.stop()
    report = world.engine.sync_calendars_needing_polling()
    assert (report.stopped, len(store.saved)) == (True, 1)
    store.happens = lambda _now: None
    world.restart()
    settle(world)


def test_what_a_page_told_is_not_told_again_after_a_death() -> None:  # I-05
    world = busy_world()
    world.sync()
    for item in world.blocks("home"):
        world.service.adorn(world.remote["home"], item.key)
    world.store.reset_plan("ana")
    for number in range(3, 100):
        toll = Stall(number, lambda: None, dies=True)
        dying = world.worker(store=cast("Store", DyingStore(world.store, toll)))
        with suppress(Died):
            dying.sync_calendars_needing_polling()
            break
        world.clock.sleep(3600)
    settle(world)
    assert len(world.told(NoticeKind.BLOCK_RELEASED)) == 10
