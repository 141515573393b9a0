"""An owner who is only observed: all is read and planned, nothing is written, and each run says what would be."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from calsync_core.errors import InvalidValue
from calsync_core.models import (
    BlockState,
    CalendarWrites,
    MirrorRule,
    Mode,
    NoticeKind,
    Observation,
    OperationKind,
    SyncPolicy,
    SyncReport,
)
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from planted import title
from world import World, at


@pytest.fixture
def world() -> World:
    """Ana's three calendars, each with one meeting, observed from the beginning."""
    made = World()
    made.engine.set_mode("ana", "observe")
    for number, name in enumerate(("work", "home", "club")):
        made.book(name, f"{name}-1", at(1 + number))
    return made


def blocks(world: World) -> int:
    return sum(len(world.blocks(name)) for name in world.remote)


def observed(report: SyncReport) -> Observation:
    assert report.observed is not None
    return report.observed


def counts(report: SyncReport) -> dict[str, int]:
    kinds = ("create", "update", "delete")
    return {kind: sum(getattr(each, kind) for each in observed(report).calendars) for kind in kinds}


def test_nothing_is_written_and_the_run_says_what_would_be(world: World) -> None:
    before = len(world.memory.writes)
    report = world.sync()
    assert (blocks(world), report.writes, len(world.memory.writes)) == (0, 0, before)
    assert world.store.load_blocks("ana") == []
    assert world.store.load_intents("ana") == []
    seen = observed(report)
    assert seen.owners == ("ana",)
    assert seen.calendars == tuple(CalendarWrites(world.id(name), create=2) for name in ("work", "home", "club"))
    assert [each.start for each in seen.operations[:2]] == [at(1).isoformat()] * 2
    assert {each.kind for each in seen.operations} == {OperationKind.CREATE}
    assert (seen.writes, seen.left_out) == (6, 0)
    [kept] = world.engine.runs()
    assert kept == report


def test_what_a_run_shows_is_json_without_titles(world: World) -> None:  # I-39
    world.restart(policy=SyncPolicy(horizon_days=30, title="{title}"))
    told = json.dumps(world.sync().as_dict())
    assert json.loads(told)["observed"]["operations"][0]["reason"] == "booked"
    assert title("work-1") not in told


def test_every_run_says_all_of_it_again(world: World) -> None:
    first = world.sync()
    assert observed(world.sync()) == observed(first)
    world.clock.advance(timedelta(minutes=5))
    world.service.move(world.remote["work"], "work-1", at(8))
    assert counts(world.sync()) == {"create": 6, "update": 0, "delete": 0}
    world.service.remove(world.remote["work"], "work-1")
    assert counts(world.sync()) == {"create": 4, "update": 0, "delete": 0}
    pushed = world.engine.sync_from_webhook(world.id("home"))
    assert pushed is not None
    assert counts(pushed)["create"] == 4
    assert counts(world.engine.sync_all_calendars())["create"] == 4


def test_to_write_means_to_write_what_was_said(world: World) -> None:  # I-01, I-03
    said = observed(world.sync())
    world.engine.set_mode("ana", Mode.WRITE)
    report = world.sync()
    assert report.busy_blocks_created == said.writes == blocks(world)
    assert report.observed is None
    world.check()


def test_a_difference_is_to_what_stands_on_the_calendars(world: World) -> None:
    world.engine.set_mode("ana", "write")
    world.sync()
    world.engine.set_mode("ana", "observe")
    assert observed(world.sync()).writes == 0
    world.service.move(world.remote["work"], "work-1", at(9))
    world.service.remove(world.remote["home"], "home-1")
    world.book("club", "club-2", at(5))
    stood = [world.starts(name) for name in world.remote]
    for _ in range(2):
        assert counts(world.sync()) == {"create": 2, "update": 2, "delete": 2}
    assert [world.starts(name) for name in world.remote] == stood
    world.engine.set_mode("ana", "write")
    assert world.sync().writes == 6
    world.check()


def test_a_plan_shows_what_the_run_says(world: World) -> None:
    said = observed(world.sync())
    for _ in range(2):
        assert [operation.ref for operation in world.engine.plan().operations] == [
            each.block for each in said.operations
        ]
    one = world.engine.plan(world.id("work"))
    assert len(one.operations) == 4


def test_an_idle_pass_looks_at_nobody(world: World) -> None:
    """An observed owner is not due for ever."""
    world.sync()
    idle = world.engine.sync_calendars_needing_polling(due_only=True)
    assert (idle.id, idle.api_calls, idle.observed) == (None, 0, None)
    world.engine.set_rules("ana", [MirrorRule(source=world.id("work"))])
    due = world.engine.sync_calendars_needing_polling(due_only=True)
    assert due.id is not None
    assert counts(due)["create"] == 2


def test_what_was_tried_before_waits(world: World) -> None:  # I-04
    faulty = FaultyProvider(world.provider)
    world.provider = faulty
    world.restart()
    world.engine.set_mode("ana", "write")
    faulty.schedule(Fault(FaultKind.LOST_ANSWER, on="apply"))
    world.engine.sync_calendars_needing_polling()
    doubtful = [intent for intent in world.store.load_intents("ana") if intent.in_doubt]
    assert doubtful
    world.engine.set_mode("ana", "observe")
    world.clock.advance(timedelta(hours=2))
    stood = blocks(world)
    report = world.sync()
    assert blocks(world) == stood
    assert observed(report).unsettled
    assert world.engine.sync_calendars_needing_polling(due_only=True).id is None
    world.engine.set_mode("ana", "write")
    world.sync()
    assert blocks(world) == 6
    world.check()


def test_a_worker_that_planned_before_the_switch_writes_nothing_after_it(world: World) -> None:
    world.engine.set_mode("ana", "write")

    class SwitchesAfterThePlan:
        """The host decides while a worker is between plan and write."""

        def __getattr__(self, name: str) -> object:
            if name == "claim_intents":
                world.engine.set_mode("ana", "observe")
            return getattr(world.store, name)

    worker = world.worker(store=SwitchesAfterThePlan())  # type: ignore[arg-type]  # a store by duck typing
    worker.sync_calendars_needing_polling()
    assert len(world.store.load_intents("ana")) == 6
    assert blocks(world) == 0
    assert observed(world.sync()).writes == 6
    world.engine.set_mode("ana", "write")
    world.sync()
    world.check()


def test_deletions_that_would_be_held_are_counted_and_held_ones_stay(world: World) -> None:  # I-08
    world.restart(policy=SyncPolicy(horizon_days=30, guard_max=1, guard_share=0.1))
    world.engine.set_mode("ana", "write")
    world.book("work", "work-2", at(4))
    world.sync()
    for uid in ("work-1", "work-2"):
        world.service.remove(world.remote["work"], uid)
    world.engine.set_mode("ana", "observe")
    report = world.sync()
    assert (observed(report).held, observed(report).writes, report.held) == (4, 0, 0)
    assert world.told(NoticeKind.DELETIONS_HELD) == []
    world.engine.set_mode("ana", "write")
    assert world.sync().held == 4
    world.engine.set_mode("ana", "observe")
    assert world.engine.approve() == 4
    assert counts(world.sync())["delete"] == 4
    assert blocks(world) == 8
    world.engine.set_mode("ana", "write")
    assert world.sync().busy_blocks_deleted == 4


def test_one_owner_is_observed_and_another_written_for(world: World) -> None:
    bo = World(("desk", "team"), owner="bo", service=world.service, clock=world.clock, store=world.store)
    bo.book("desk", "desk-1", at(2))
    report = world.sync()
    assert observed(report).owners == ("ana",)
    assert (report.busy_blocks_created, len(bo.blocks("team")), blocks(world)) == (1, 1, 0)


def test_disabling_only_says_what_it_would_take_back_and_a_purge_takes_it(world: World) -> None:  # I-43
    world.engine.set_mode("ana", "write")
    world.sync()
    world.engine.set_mode("ana", "observe")
    world.engine.disable(world.id("club"))
    assert counts(world.sync())["delete"] == 4
    assert blocks(world) == 6
    purged = world.engine.purge("ana")
    assert purged.ok
    assert (purged.removed, blocks(world)) == (6, 0)
    assert world.engine.mode("ana") is Mode.OBSERVE


def test_disconnecting_takes_back(world: World) -> None:  # I-43
    world.engine.set_mode("ana", "write")
    world.sync()
    world.engine.set_mode("ana", "observe")
    gone = world.engine.disconnect(world.calendars["club"].account_id)
    assert gone.ok
    assert gone.removed == 4
    assert (len(world.blocks("club")), len(world.blocks("work")), len(world.blocks("home"))) == (0, 1, 1)


def test_an_audit_says_what_is_not_there_and_repairs_nothing(world: World) -> None:
    world.sync()
    found = world.engine.audit(repair=True)
    assert (found.missing, found.repaired, blocks(world)) == (6, 0, 0)
    assert world.told(NoticeKind.AUDIT_FAILED) == []


def test_a_user_who_deletes_a_block_meanwhile_gets_it_back_afterwards(world: World) -> None:  # I-47
    world.engine.set_mode("ana", "write")
    world.sync()
    world.engine.set_mode("ana", "observe")
    world.clock.advance(timedelta(minutes=10))
    [first, *_] = world.blocks("home")
    world.service.remove(world.remote["home"], first.key)
    world.sync()
    world.clock.advance(timedelta(minutes=10))
    assert counts(world.sync()) == {"create": 1, "update": 0, "delete": 0}
    world.engine.set_mode("ana", "write")
    assert world.sync().busy_blocks_created == 1
    assert BlockState.DELETED in {block.state for block in world.store.load_blocks("ana")}
    world.check()


def test_health_says_who_is_observed(world: World) -> None:
    assert {each.mode for each in world.engine.health().calendars} == {Mode.OBSERVE}
    world.engine.set_mode("ana", "write")
    assert {each["mode"] for each in world.engine.health().as_dict()["calendars"]} == {"write"}


def test_a_mode_is_one_of_two_and_may_come_before_the_account() -> None:  # I-44
    world = World(())
    with pytest.raises(InvalidValue, match=r'^mode: must be "write" or "observe", got \'watch\''):
        world.engine.set_mode("ana", "watch")
    with pytest.raises(InvalidValue, match=r"^owner: "):
        world.engine.set_mode(" ", "observe")
    assert world.engine.mode("ana") is Mode.WRITE
    world.engine.set_mode("ana", "observe")
    assert world.engine.mode("ana") is Mode.OBSERVE
    assert world.engine.mode("bo") is Mode.WRITE


def test_many_writes_are_counted_and_the_nearest_shown() -> None:
    world = World(("work", "home"))
    world.engine.set_mode("ana", "observe")
    for number in range(60):
        world.book("work", f"m{number}", at(1, 0) + timedelta(hours=6 * number), 0.5)
    seen = observed(world.sync())
    assert (len(seen.operations), seen.left_out, seen.writes) == (50, 10, 60)
    assert seen.operations[-1].start == (at(1, 0) + timedelta(hours=6 * 49)).isoformat()
    assert seen.calendars == (CalendarWrites(world.id("home"), create=60),)
