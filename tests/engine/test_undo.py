"""What one run wrote is taken back, where it still stands as the run left it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

import pytest
from attrs import evolve

from calsync_core.errors import UnknownRun
from calsync_core.models import (
    AccountStatus,
    BlockState,
    Mark,
    MirrorRule,
    Mode,
    Reason,
    SyncPolicy,
    SyncReport,
    UndoReport,
)
from calsync_core.protocols import Store
from calsync_core.providers.memory import MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.testing.deaths import Died, DyingStore
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from interruptions import DiesAt
from world import World, at

Look = tuple[object, object, str, str]


def shown(world: World) -> Mapping[str, list[Look]]:
    """What the blocks on each calendar say, whatever they are called."""
    return {
        name: sorted(
            (
                (one.span.start, one.span.end, one.title, str(one.availability))
                for item in world.blocks(name)
                for one in item.events
            ),
            key=repr,
        )
        for name in world.remote
    }


def done(report: UndoReport) -> tuple[int, int, int]:
    assert report.errors == ()
    return report.deleted, report.reverted, report.remade


@pytest.fixture
def world() -> World:
    """Ana's calendars in step: two meetings at work, one at home."""
    made = World()
    made.book("work", "a", at(2))
    made.book("work", "b", at(3))
    made.book("home", "c", at(4))
    made.sync()
    made.clock.advance(timedelta(minutes=10))
    return made


def change_everything(world: World) -> SyncReport:
    """A run that creates, updates and deletes."""
    world.service.move(world.remote["work"], "a", at(6))
    world.service.remove(world.remote["work"], "b")
    world.book("club", "d", at(5))
    report = world.sync()
    kinds = (report.busy_blocks_created, report.busy_blocks_updated, report.busy_blocks_deleted)
    assert kinds == (2, 2, 2)
    return report


def test_a_run_is_taken_back_and_its_owner_observed(world: World) -> None:
    before = shown(world)
    run = change_everything(world)
    report = world.engine.undo(run.key)
    assert done(report) == (2, 2, 2)
    assert shown(world) == before
    assert (report.observed, world.engine.mode("ana")) == (("ana",), Mode.OBSERVE)
    assert report.left == ()
    assert report.ok
    # What the rules want has not changed: it is said, and not written.
    told = world.sync()
    assert told.observed is not None
    assert (told.writes, told.observed.writes) == (0, 6)
    assert shown(world) == before


def test_to_write_again_is_to_do_it_again(world: World) -> None:  # I-01, I-03
    run = change_everything(world)
    after = shown(world)
    world.engine.undo(run.key)
    world.engine.set_mode("ana", "write")
    world.sync()
    assert shown(world) == after
    world.check()


def test_a_wrong_rule_is_undone_and_put_right(world: World) -> None:
    before = shown(world)
    world.engine.set_rules("ana", [MirrorRule(title="{title}")])
    wrong = world.sync()
    assert wrong.busy_blocks_updated == 6
    assert done(world.engine.undo(wrong.key)) == (0, 6, 0)
    assert shown(world) == before
    world.engine.set_rules("ana", [])
    observed = world.sync().observed
    assert observed is not None
    assert observed.writes == 0
    world.engine.set_mode("ana", "write")
    assert world.sync().writes == 0
    world.check()


def test_a_calendar_that_was_switched_off_by_mistake_gets_its_blocks_back(world: World) -> None:
    before = shown(world)
    world.engine.disable(world.id("club"))
    taken = world.sync()
    assert taken.busy_blocks_deleted == 3
    assert done(world.engine.undo(taken.key)) == (0, 0, 3)
    assert shown(world) == before
    world.engine.enable(world.id("club"))
    world.engine.set_mode("ana", "write")
    assert world.sync().writes == 0
    world.check()


def test_an_undo_is_a_run_and_can_be_undone(world: World) -> None:
    run = change_everything(world)
    after = shown(world)
    first = world.engine.undo(run.key)
    assert first.run is not None
    [latest, *_] = world.engine.runs()
    assert (latest.id, latest.undoes, latest.writes, latest.sync_type) == (first.run, run.id, 6, "polling")
    assert done(world.engine.undo(first.run)) == (2, 2, 2)
    assert shown(world) == after


def test_a_second_undo_has_nothing_to_do(world: World) -> None:
    run = change_everything(world)
    world.engine.undo(run.key)
    stood, runs = shown(world), len(world.engine.runs())
    again = world.engine.undo(run.key)
    assert done(again) == (0, 0, 0)
    assert (again.run, again.already, again.observed, again.left) == (None, 6, (), ())
    assert (shown(world), len(world.engine.runs())) == (stood, runs)


def test_what_was_changed_since_is_left_and_named(world: World) -> None:  # I-02, I-45
    run = change_everything(world)
    by_name = {name: world.blocks(name) for name in world.remote}
    service, remote = world.service, world.remote
    moved = next(item for item in by_name["home"] if item.events[0].span.start == at(6))
    service.retitle(remote["home"], moved.key, "Lunch")
    adorned = next(item for item in by_name["work"] if item.events[0].span.start == at(5))
    service.adorn(remote["work"], adorned.key)
    removed = next(item for item in by_name["club"] if item.events[0].span.start == at(6))
    service.remove(remote["club"], removed.key)
    unwanted = next(item for item in by_name["home"] if item.events[0].span.start == at(5))
    service.remove(remote["home"], unwanted.key)
    world.clock.advance(timedelta(minutes=10))
    report = world.engine.undo(run.key)
    assert (done(report), report.already) == ((0, 0, 2), 1)
    assert sorted(left.why for left in report.left) == ["changed", "changed", "taken"]
    assert {left.calendar for left in report.left} == {world.id(name) for name in ("work", "home", "club")}
    assert [item.events[0].title for item in world.blocks("home") if item.key == moved.key] == ["Lunch"]


def test_what_a_later_run_wrote_is_left(world: World) -> None:
    first = change_everything(world)
    world.service.move(world.remote["work"], "a", at(8))
    world.service.remove(world.remote["club"], "d")
    later = world.sync()
    report = world.engine.undo(first.key)
    assert done(report) == (0, 0, 2)
    assert [left.why for left in report.left] == ["changed", "changed"]
    assert report.already == 2
    # The later one first, and nothing is in the way.
    world.engine.undo(later.key)
    assert done(world.engine.undo(first.key)) == (2, 2, 0)


def test_a_block_that_another_stands_for_is_not_made_again(world: World) -> None:  # I-06
    world.service.remove(world.remote["work"], "b")
    run = world.sync()
    world.book("work", "b", at(3), 2)
    world.sync()
    report = world.engine.undo(run.key)
    assert [left.why for left in report.left] == ["replaced", "replaced"]
    assert (done(report), report.run, world.engine.mode("ana")) == ((0, 0, 0), None, Mode.WRITE)


def test_a_series_that_moved_is_moved_back(world: World) -> None:  # I-48
    world.book("work", "daily", at(1, 7), recurrence=("RRULE:FREQ=DAILY;COUNT=5",))
    world.sync()
    before = shown(world)
    world.service.move(world.remote["work"], "daily", at(1, 15))
    run = world.sync()
    assert run.busy_blocks_updated == run.writes == 10
    assert done(world.engine.undo(run.key)) == (0, 10, 0)
    assert shown(world) == before
    world.engine.set_mode("ana", "write")
    assert world.sync().busy_blocks_updated == 10
    world.check()


def test_the_first_content_counts_where_a_run_wrote_a_block_twice(world: World) -> None:
    before = shown(world)
    target = world.blocks("club")[0].key
    world.service.move(world.remote["work"], "a", at(6))

    class Edits:
        """Somebody moves the block just before it is written: the run plans and writes it once more."""

        edited = False

        def __getattr__(self, name: str) -> object:
            if name == "claim_intents" and not self.edited:
                self.edited = True
                world.service.move(world.remote["club"], target, at(9))
            return getattr(world.store, name)

    run = world.worker(store=cast("Store", Edits())).sync_calendars_needing_polling()
    assert run.busy_blocks_updated == 2
    world.engine.undo(run.key)
    assert shown(world)["home"] == before["home"]
    assert world.starts("club")[-1] == at(9)


def test_the_guard_holds_nothing_of_an_undo(world: World) -> None:  # I-08
    world.restart(policy=SyncPolicy(horizon_days=30, guard_max=0, guard_share=0.0))
    first = world.engine.runs()[0]
    assert done(world.engine.undo(first.key)) == (6, 0, 0)
    assert world.engine.held() == []
    tombstones = world.store.load_blocks("ana")
    assert {(block.state, block.deleted_for) for block in tombstones} == {(BlockState.DELETED, Reason.UNDONE)}


def test_what_is_over_is_taken_back_as_well(world: World) -> None:
    run = world.engine.runs()[0]
    world.clock.advance(timedelta(days=4))
    assert done(world.engine.undo(run.key)) == (6, 0, 0)


def test_a_run_without_writes_leaves_everything_as_it_is(world: World) -> None:
    run = world.sync()
    report = world.engine.undo(run.key)
    assert report == UndoReport(undone=run.key)
    assert world.engine.mode("ana") is Mode.WRITE


def test_an_unknown_run_is_refused_before_a_request(world: World) -> None:  # I-44
    with pytest.raises(UnknownRun, match=r"^run: "):
        world.engine.undo(4711)


def test_a_run_that_was_forgotten_can_not_be_undone(world: World) -> None:
    run = world.engine.runs()[0]
    world.clock.advance(timedelta(days=40))
    world.engine.cleanup()
    with pytest.raises(UnknownRun):
        world.engine.undo(run.key)
    assert world.store.load_writes(run.key) == []


def test_only_the_owners_of_the_run_are_observed(world: World) -> None:
    bo = World(("desk", "team"), owner="bo", service=world.service, clock=world.clock, store=world.store)
    bo.sync()
    bo.book("desk", "desk-1", at(2))
    run = bo.engine.sync_calendar(bo.id("desk"))
    assert world.engine.undo(run.key).observed == ("bo",)
    assert (world.engine.mode("ana"), world.engine.mode("bo")) == (Mode.WRITE, Mode.OBSERVE)


def test_where_nothing_may_be_written_nothing_is_taken_back(world: World) -> None:  # I-37, I-46
    """Two accounts' calendars went out of reach: the rest is undone all the same."""
    wrong = change_everything(world)
    ours = world.store.load_accounts("ana")
    world.store.save_account(evolve(ours[0], status=AccountStatus.IDENTITY_CHANGED))
    world.store.save_account(evolve(ours[1], provider="gone"))
    report = world.engine.undo(wrong.key)
    assert {left.why for left in report.left} == {"out of reach"}
    assert {left.calendar for left in report.left} == {world.id("work"), world.id("home")}
    assert report.deleted + report.reverted + report.remade == wrong.writes - len(report.left)
    assert world.store.load_intents("ana") == []


def test_a_run_that_died_can_be_undone(world: World) -> None:
    before = shown(world)
    world.service.move(world.remote["work"], "a", at(6))
    dying = world.worker(store=cast("Store", DyingStore(world.store, DiesAt("after record_outcomes"))))
    with pytest.raises(Died):
        dying.sync_calendars_needing_polling()
    [died, *_] = world.engine.runs()
    assert died.finished_at is None
    world.clock.advance(timedelta(minutes=2))
    assert done(world.engine.undo(died.key))[1] >= 1
    world.clock.advance(timedelta(minutes=2))
    world.engine.set_mode("ana", "write")
    world.service.move(world.remote["work"], "a", at(2))
    world.sync()
    assert shown(world) == before


def test_what_was_decided_before_does_not_keep_an_undo_waiting(world: World) -> None:
    """Two deletions wait that the rules asked for: of an observed owner they are not written, and the order is."""
    run = world.engine.runs()[0]
    world.service.remove(world.remote["work"], "a")
    dying = world.worker(store=cast("Store", DyingStore(world.store, DiesAt("after save_plan"))))
    with pytest.raises(Died):
        dying.sync_calendars_needing_polling()
    assert [intent.attempts for intent in world.store.load_intents("ana")] == [0, 0]
    world.clock.advance(timedelta(minutes=2))
    assert done(world.engine.undo(run.key)) == (6, 0, 0)
    assert world.store.load_intents("ana") == []


def test_a_normalised_title_is_known_for_what_the_run_wrote() -> None:
    """Also while the next plan waits: then the record says what shall be there, and not what is."""
    world = World(("work", "home"), service=MemoryService(renormalise_titles=True))
    world.book("work", "a", at(2))
    world.sync()
    before = shown(world)
    world.engine.set_rules("ana", [MirrorRule(title="Somewhere else")])
    wrong = world.sync()
    world.engine.set_rules("ana", [MirrorRule(title="Away for long")])
    dying = world.worker(store=cast("Store", DyingStore(world.store, DiesAt("after save_plan"))))
    with pytest.raises(Died):
        dying.sync_calendars_needing_polling()
    world.clock.advance(timedelta(minutes=2))
    assert done(world.engine.undo(wrong.key)) == (0, 1, 0)
    assert shown(world) == before


def test_an_older_systems_block_that_ours_replaced_stands_again() -> None:  # I-17
    """By its times: it is ours now, since its text can't be written."""
    world = World(("work", "home"))
    account = world.store.load_account(world.calendars["work"].account_id)
    world.store.save_account(evolve(account, email="ana@example.com"))
    world.book("work", "a", at(2))
    mark = Mark(f"ana@example.com:{world.remote['work']}:a", 0, None, textual=True)
    old = world.service.event("old", at(2, 12), at(2, 13), title="Busy")
    world.service.put(world.remote["home"], evolve(old, mark=mark))
    run = world.sync()
    assert (run.busy_blocks_created, run.busy_blocks_deleted) == (1, 1)
    report = world.engine.undo(run.key)
    assert (done(report), report.left) == ((1, 0, 1), ())
    assert world.starts("home") == [at(2, 12)]


def test_what_an_older_version_planned_is_not_guessed_at(world: World) -> None:
    """It did not say what stood there before."""
    run = change_everything(world)
    after = shown(world)
    assert isinstance(world.store, MemoryStore)
    writes = world.store._rows.writes
    writes.update({key: evolve(each, before=None) for key, each in writes.items() if each.kind == "update"})
    report = world.engine.undo(run.key)
    assert (done(report), [left.why for left in report.left]) == ((2, 0, 2), ["unknown", "unknown"])
    assert shown(world)["club"] != after["club"]


def test_the_next_sync_goes_on_where_an_undo_was_put_off(world: World) -> None:
    faulty = FaultyProvider(world.provider)
    world.provider = faulty
    world.restart()
    before = shown(world)
    run = change_everything(world)
    for _ in range(3):
        faulty.schedule(Fault(FaultKind.RATE_LIMITED, on="apply", retry_after=90))
    report = world.engine.undo(run.key)
    assert (report.waiting, report.ok, len(report.errors) > 0) == (6, False, True)
    faulty.calm()
    world.clock.advance(timedelta(minutes=2))
    assert world.sync().writes == 6
    assert shown(world) == before
    assert world.engine.undo(run.key).already == 6


def test_a_report_is_json_without_titles(world: World) -> None:  # I-39
    world.engine.set_rules("ana", [MirrorRule(title="{title}")])
    run = world.sync()
    told = json.loads(json.dumps(world.engine.undo(run.key).as_dict()))
    assert (told["reverted"], told["ok"], told["observed"]) == (6, True, ["ana"])
    assert "Written" in repr(world.store.load_writes(run.key)[0])


def test_titles_are_not_in_what_a_run_wrote_when_shown(world: World) -> None:  # I-39
    world.engine.set_rules("ana", [MirrorRule(title="{title}")])
    run = world.sync()
    print(world.store.load_writes(run.key))  # noqa: T201  (tests/leaks.py reads it)
