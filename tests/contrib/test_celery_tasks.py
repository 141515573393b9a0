"""What the Celery tasks are called, ask for and carry, over a broker in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen
from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_ready
from kombu.transport.virtual import Message
from structlog.testing import capture_logs

from calsync_core.contrib.celery import CalsyncTasks, calsync_tasks
from calsync_core.engine import SyncEngine
from calsync_core.errors import CalsyncError, InvalidValue, StoreError
from calsync_core.models import NoticeKind
from push_world import PushWorld
from world import World, at

NAMES = ("inbox", "owner", "polling", "maintenance", "audit", "audit_owner", "sync_calendar")


@frozen(eq=False)
class Started:
    """Stands for the consumer that Celery sends its signal for."""

    app: Celery


def an_app(**settings: Any) -> Celery:
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.update(task_default_queue=f"queue-{id(app)}", **settings)
    return app


def eager(world: World) -> CalsyncTasks:
    """Tasks that are done where they are asked for."""
    return calsync_tasks(an_app(task_always_eager=True, task_eager_propagates=True), world.engine)


def sent(app: Celery) -> Iterator[tuple[str, Any, Message]]:
    """The messages that wait, and they are gone: name, arguments and all of it."""
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.conf.task_default_queue)
        while queue.qsize():
            message = queue.get_nowait()
            message.ack()
            arguments, named, _ = json.loads(message.body)
            yield message.headers["task"], named or arguments, message


@pytest.fixture
def world() -> PushWorld:
    """Ana's two calendars and Bo's one, quiet for a minute."""
    world = PushWorld(("work", "home"))
    world.owner = "bo"
    world.add("desk")
    world.owner = "ana"
    world.settle(60)
    return world


# -- as they are registered -----------------------------------------------------------------------------------------


def test_their_names_and_options_are_what_messages_rely_on() -> None:
    """Whatever the host's own settings say: one that acknowledges late by default does not change these."""
    app = an_app(task_acks_late=True, task_serializer="pickle", task_ignore_result=False)
    calsync_tasks(app, World(()).engine)
    tasks = {name: app.tasks[f"calsync.{name}"] for name in NAMES}
    assert {name for name in app.tasks if name.startswith("calsync.")} == {f"calsync.{name}" for name in NAMES}
    assert all(task.ignore_result and task.serializer == "json" for task in tasks.values())
    assert all(task.throws == (CalsyncError,) for task in tasks.values())
    assert {name for name, task in tasks.items() if task.acks_late} == {"sync_calendar"}
    # Redis hands out again after an hour what nobody acknowledged.
    assert all(task.time_limit < 3600 for task in tasks.values())


def test_another_application_in_the_process_knows_nothing_of_them() -> None:
    calsync_tasks(an_app(), World(()).engine)
    other = an_app()
    other.finalize()
    assert not [name for name in other.tasks if name.startswith("calsync.")]


def test_the_schedule_names_tasks_that_exist_and_lets_no_backlog_pile_up() -> None:
    app = an_app()
    schedule = calsync_tasks(app, World(()).engine).beat_schedule()
    assert {each["task"] for each in schedule.values()} <= set(app.tasks)
    seconds = {name: each["schedule"] for name, each in schedule.items() if isinstance(each["schedule"], float)}
    assert seconds == {"calsync.inbox": 5.0, "calsync.polling": 30.0, "calsync.maintenance": 1800.0}
    assert all(schedule[name]["options"]["expires"] == 2 * each for name, each in seconds.items())
    assert isinstance(schedule["calsync.audit"]["schedule"], crontab)
    assert schedule["calsync.audit"]["options"]["expires"] <= 3600


@pytest.mark.parametrize("wrong", [{"inbox_tick": 0.0}, {"polling_tick": -1.0}, {"maintenance_interval": float("nan")}])
def test_an_interval_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:  # I-44
    tasks = calsync_tasks(an_app(), World(()).engine)
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        tasks.beat_schedule(**wrong)


@pytest.mark.parametrize("wrong", [{"audit_days": 0.5}, {"cleanup_days": 0.0}])
def test_days_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:  # I-44
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        calsync_tasks(an_app(), World(()).engine, **wrong)


def test_the_engine_is_made_once_in_each_process_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = World(()), []

    def make() -> SyncEngine:
        made.append(os.getpid())
        return world.engine

    tasks = calsync_tasks(an_app(task_always_eager=True), make)
    assert made == []
    for _ in range(2):
        tasks.polling.delay()
    assert len(made) == 1
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    tasks.polling.delay()
    assert len(made) == 2


# -- what they do -----------------------------------------------------------------------------------------------------


def test_all_of_them_together_do_what_the_scheduler_does() -> None:  # I-01
    world = PushWorld(("work", "home"))
    tasks = eager(world)
    world.book("work", "a", at(2))
    tasks.maintenance.delay(everything=True)
    tasks.polling.delay()
    assert len(world.blocks("home")) == 1
    assert world.notices
    world.clock.advance(timedelta(minutes=5))
    world.memory.lose_pushes()
    world.book("work", "b", at(3))
    [push] = world.memory.take_pushes()
    tasks.wake(world.engine.accept_push("memory", push))
    assert len(world.blocks("home")) == 2
    world.book("home", "c", at(4))
    tasks.sync_calendar.delay(world.id("home"))
    assert len(world.blocks("work")) == 1
    world.check()


@pytest.mark.parametrize(
    ("job", "task", "arguments", "shows"),
    [
        ("polling", "polling", [], "sync_finished"),
        ("maintenance", "maintenance", [], "health_reported"),
        ("audit:ana", "audit_owner", ["ana"], "audit_finished"),
    ],
)
def test_a_job_that_another_process_is_at_is_left_to_it(
    job: str, task: str, arguments: list[str], shows: str
) -> None:  # I-06
    world = World(("work", "home"))
    twin = World((), service=world.service, clock=world.clock, store=world.store)
    asked = getattr(eager(world), task)
    with capture_logs() as logs:
        with twin.engine.job(job):
            asked.delay(*arguments)
        assert {each["event"] for each in logs} == {"job_elsewhere"}
        asked.delay(*arguments)
    assert shows in {each["event"] for each in logs} | {str(notice.kind) for notice in world.notices}


def test_every_owner_is_audited_once_in_the_round(world: PushWorld) -> None:  # I-01
    world.book("work", "a", at(20))
    world.settle(60)
    del world.memory._shelf(world.remote["home"]).resources[world.blocks("home")[0].key]  # no change log tells of it
    app = an_app()
    tasks = calsync_tasks(app, world.engine, audit_days=2)
    asked = []
    for _ in range(48):
        world.clock.advance(timedelta(hours=1))
        tasks.audit()
        asked += [arguments[0] for name, arguments, _ in sent(app) if name == "calsync.audit_owner"]
    assert sorted(asked) == ["ana", "bo"]
    with capture_logs() as logs:
        tasks.audit_owner("ana")
    assert [each["repaired"] for each in logs if each["event"] == "audit_finished"] == [1]
    assert [notice.detail for notice in world.told(NoticeKind.AUDIT_FAILED)] == [{"missing": 1}]
    assert len(world.blocks("home")) == 1


# -- what they ask for ------------------------------------------------------------------------------------------------


def test_a_burst_of_pushes_asks_for_its_own_owner_and_nobody_else(world: PushWorld) -> None:  # I-27
    """Everybody with news would be n times n messages."""
    app = an_app()
    tasks = calsync_tasks(app, world.engine)
    for number in range(20):
        world.book("desk", f"m{number}", at(number))
    world.book("work", "m", at(1))
    for push in world.memory.take_pushes():
        tasks.wake(world.engine.accept_push("memory", push))
    asked = [arguments for name, arguments, _ in sent(app) if name == "calsync.inbox"]
    assert sorted(asked) == sorted([[[world.id("desk")]]] * 20 + [[[world.id("work")]]])
    for (calendars,) in asked:
        tasks.inbox(calendars)
    owners = [arguments for name, arguments, _ in sent(app) if name == "calsync.owner"]
    assert len(owners) == 21
    assert owners.count(["bo"]) == 20
    tasks.inbox()
    assert [arguments for _, arguments, _ in sent(app)] == [["ana"], ["bo"]]


def test_a_message_holds_ids_and_expires(world: PushWorld) -> None:  # I-39
    app = an_app()
    tasks = calsync_tasks(app, world.engine)
    world.book("work", "a secret", at(2))
    receipts = [world.engine.accept_push("memory", push) for push in world.memory.take_pushes()]
    for receipt in receipts:
        tasks.wake(receipt)
        tasks.inbox(list(receipt.calendars))
    messages = list(sent(app))
    assert messages
    for _, _, message in messages:
        assert message.content_type == "application/json"
        assert message.headers["expires"] is not None
        assert message.headers["ignore_result"]
        assert "secret" not in f"{message.headers}{message.body}"


def test_a_worker_that_starts_has_every_subscription_looked_at() -> None:  # I-30
    """It may know another webhook address. Whatever other applications do in this process is no concern."""
    app = an_app()
    calsync_tasks(app, World(()).engine)
    worker_ready.send(sender=Started(an_app()))
    assert list(sent(app)) == []
    worker_ready.send(sender=Started(app))
    assert [(name, arguments) for name, arguments, _ in sent(app)] == [("calsync.maintenance", {"everything": True})]


def test_calendars_that_are_gone_ask_for_nobody(world: PushWorld) -> None:
    app = an_app()
    tasks = calsync_tasks(app, world.engine)
    world.engine.disable(world.id("home"))
    tasks.inbox([world.id("home"), 10**6])
    assert list(sent(app)) == []


@pytest.mark.parametrize("name", NAMES)
def test_only_what_no_tick_repeats_is_tried_again(name: str) -> None:
    """What fails is found by the next tick; a calendar that the host wanted synced is asked for by nobody else."""
    asked = []

    def make() -> SyncEngine:
        asked.append(name)
        raise StoreError("away")

    tasks = calsync_tasks(an_app(task_always_eager=True), make)
    arguments = {"owner": ["ana"], "audit_owner": ["ana"], "sync_calendar": [1]}.get(name, [])
    result = getattr(tasks, name).apply(arguments)
    assert result.failed()
    assert len(asked) == (6 if name == "sync_calendar" else 1)
