"""Workers that want the same thing at the same moment, on databases that let many write at once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from calsync_core.errors import CalsyncError, LeaseBusy, StoreError, UnknownAccount, UnknownCalendar
from calsync_core.models import Account, Calendar, Changes, MirrorRule, Notification, Outcome, OutcomeStatus
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.store_contract.bench import count_waiting
from calsync_core.testing.store_kit import NOW, StoreBench, a_block, a_notification, an_item, an_operation

WORKERS = 6
ROUNDS = 8


def _url(store: SQLStore) -> str:
    return store._database.url.render_as_string(hide_password=False)


@pytest.fixture
def stores(server_store: SQLStore) -> Iterator[list[SQLStore]]:
    """Stores on the same database that know nothing of each other, as processes have them."""
    with ExitStack() as stack:
        made = [SQLStore(_url(server_store)) for _ in range(WORKERS)]
        for store in made:
            stack.callback(store.close)
            store.load_vitals()
        yield made


def at_once(stores: Sequence[SQLStore], call: Callable[[SQLStore, int], Any]) -> list[Any]:
    """What the call returned for each worker, or the error of ours that it raised; they begin together."""
    start = Barrier(len(stores))

    def run(worker: int) -> Any:
        start.wait(30)
        try:
            return call(stores[worker], worker)
        except CalsyncError as error:
            return error

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(run, range(len(stores))))


def kinds(answers: Sequence[object]) -> dict[str, int]:
    return dict(Counter(type(answer).__name__ for answer in answers))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_workers_who_make_the_same_thing_one_does(stores: list[SQLStore], number: int) -> None:  # I-06
    account = Account("ana", "memory", f"a{number}")
    answers = at_once(stores, lambda store, _: store.save_account(account))
    assert kinds(answers) == {"Account": 1, "InvalidValue": WORKERS - 1}, answers
    [saved] = stores[0].load_accounts()
    calendar = Calendar(saved.key, f"owner {number}", "r", "R")
    answers = at_once(stores, lambda store, _: store.save_calendar(calendar))
    assert kinds(answers) == {"Calendar": 1, "InvalidValue": WORKERS - 1}, answers
    answers = at_once(stores, lambda store, _: store.acquire_lease(f"x{number}", "w", 60, NOW))
    assert kinds(answers) == {"Lease": 1, "LeaseBusy": WORKERS - 1}, answers


@pytest.mark.parametrize("number", range(ROUNDS))
def test_workers_who_are_the_first_to_speak_of_owners_all_succeed(stores: list[SQLStore], number: int) -> None:
    owners, rules = [f"{number} {name}" for name in "xyz"], [MirrorRule(title=str(number))]

    def speak(store: SQLStore, worker: int) -> None:
        for owner in owners if worker % 2 else reversed(owners):
            store.save_rules(owner, rules)
            store.reset_plan(owner)

    assert at_once(stores, speak) == [None] * WORKERS
    assert [stores[0].load_rules(owner) for owner in owners] == [rules] * 3


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_account_that_goes_while_others_work_on_it_is_gone(stores: list[SQLStore], number: int) -> None:  # I-43
    bench = StoreBench(stores[0])
    account = stores[0].save_account(Account("ana", "memory", f"going {number}"))
    source, target = (bench.calendar(name, account, publish=True) for name in ("s", "t"))
    leases = [stores[0].acquire_lease(f"{number} {worker}", "w", 60, NOW) for worker in range(WORKERS)]
    block = a_block(source, target, f"k{number}")

    def work(store: SQLStore, worker: int) -> None:
        for turn in range(4):
            jobs: dict[int, Callable[[], object]] = {
                0: lambda: store.delete_account(account.key),
                1: lambda: store.save_blocks([block]),
                2: lambda turn=turn: store.save_notifications([a_notification(source, f"{turn}")]),  # type: ignore[misc]  # mypy can't infer a default
                3: lambda: store.save_calendar(source),
            }
            items = tuple(an_item(f"e{turn}{place}") for place in range(3))
            read = Changes(at=NOW, items=items)
            jobs.get(worker, lambda read=read: store.save_changes(leases[worker], source.key, read))()

    said = [answer for answer in at_once(stores, work) if answer is not None]
    assert all(isinstance(answer, UnknownAccount | UnknownCalendar) for answer in said), said
    assert stores[0].load_calendars(account_id=account.key) == []
    assert stores[0].load_blocks_by_key([block.key]) == []


@pytest.mark.parametrize("number", range(ROUNDS))
def test_pushes_for_many_calendars_in_any_order_all_arrive_once(
    stores: list[SQLStore], number: int
) -> None:  # I-27, I-28
    bench = StoreBench(stores[0])
    calendars = [bench.calendar(f"c{number}") for number in range(8)]

    def hear(store: SQLStore, worker: int) -> int:
        came: list[Notification] = []
        for place in range(len(calendars)):
            calendar = calendars[(place * (2 * worker + 1) + worker) % len(calendars)]
            came.append(a_notification(calendar, f"{number} {calendar.key}"))
            # One message, told of another calendar by each: what is unique is not what is locked.
            came.append(a_notification(calendars[worker], f"{number} everywhere"))
        return store.save_notifications(came)

    answers = at_once(stores, hear)
    assert all(isinstance(answer, int) for answer in answers), answers
    assert sum(answers) == len(calendars) + 1
    assert len(stores[0].load_notifications(limit=1000)) == len(calendars) + 1


def test_what_is_to_be_written_is_given_to_one_worker_at_a_time(stores: list[SQLStore]) -> None:  # I-06
    bench = StoreBench(stores[0])
    blocks = [a_block(bench.source, bench.target, f"k{number}") for number in range(40)]
    bench.plan(*(an_operation(block) for block in blocks), records=tuple(blocks))

    def work(store: SQLStore, worker: int) -> list[str]:
        target, done = bench.target.key, []
        while store.load_open_targets("ana", NOW):
            try:
                lease = store.acquire_lease(f"calendar:{target}", f"w{worker}", 60, NOW)
            except LeaseBusy:
                continue
            claimed = store.claim_intents(lease, target, 3, NOW)
            assert not any(intent.in_doubt for intent in claimed)
            done += [intent.operation.ref for intent in claimed]
            outcomes = [Outcome(intent.id, OutcomeStatus.DONE, "w") for intent in claimed]
            store.record_outcomes(lease, target, outcomes, NOW)
            store.release_lease(lease)
        return done

    answers = at_once(stores, work)
    assert sorted(ref for refs in answers for ref in refs) == sorted(block.ref for block in blocks)
    assert {block.state.value for block in stores[0].load_blocks("ana")} == {"live"}


def _steal(store: SQLStore, thief: Store, calendar: Calendar, times: int) -> Callable[[], list[str]]:
    """Between looking and storing, another process stores one of the messages, for another calendar: no lock is in
    its way. Returns what ends that, and says which.
    """
    engine, stolen = store._database._open().engine, list[str]()

    def note(_connection: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO calsync_notifications") and len(stolen) < times:
            stolen.append(f"m{len(stolen)}")
            thief.save_notifications([a_notification(calendar, stolen[-1])])

    event.listen(engine, "before_cursor_execute", note)

    def end() -> list[str]:
        event.remove(engine, "before_cursor_execute", note)
        return stolen

    return end


def test_a_message_that_another_process_stored_meanwhile_is_left_to_it(stores: list[SQLStore]) -> None:  # I-28
    bench = StoreBench(stores[0])
    came = [a_notification(bench.source, name) for name in ("m0", "m1", "m2")]
    end = _steal(stores[0], stores[1], bench.target, times=1)
    assert stores[0].save_notifications(came) == 2
    assert end() == ["m0"]
    assert [each.message for each in stores[0].load_notifications()] == ["m2", "m1", "m0"]


def test_a_store_that_never_gets_its_turn_says_so(stores: list[SQLStore]) -> None:  # I-28
    bench = StoreBench(stores[0])
    came = [a_notification(bench.source, f"m{number}") for number in range(99)]
    end = _steal(stores[0], stores[1], bench.target, times=99)
    with pytest.raises(StoreError):
        stores[0].save_notifications(came)
    stolen = end()
    assert 1 < len(stolen) < 10
    assert [each.message for each in stores[0].load_notifications()] == stolen[::-1]


HEAR = """
import sys
from datetime import datetime, UTC
from calsync_core.models import Notification, PushKind
from calsync_core.stores.sql import SQLStore

store, calendar = SQLStore(sys.argv[1]), int(sys.argv[2])
now = datetime(2026, 11, 24, tzinfo=UTC)
store.load_vitals()
print(flush=True)
sys.stdin.readline()
print(sum(
    store.save_notifications([Notification(calendar, 1, PushKind.CHANGED, now, now, f"{n}-{k}") for k in range(5)])
    for n in range(20)
))
store.close()
"""


def test_of_processes_that_hear_the_same_at_once_one_stores_it(server_store: SQLStore) -> None:  # I-28
    bench = StoreBench(server_store)
    hear = [sys.executable, "-W", "error", "-c", HEAR, _url(server_store), str(bench.source.key)]
    workers = [subprocess.Popen(hear, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    counts = [int(worker.communicate(timeout=120)[0]) for worker in workers]
    assert sum(counts) == 100 == count_waiting(server_store, bench.source.key)
