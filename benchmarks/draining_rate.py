"""How many changes a second go from the inbox to their blocks, with 1, 2 and 4 worker processes on one database.

Each change is a new meeting on one of an owner's three calendars: a read, a plan, and a write to each of the two
others. The calendars are in memory, in a copy in each worker, which was forked from one process that had prepared all;
so nobody waits for a network, and what is left is ours and the database's.

The yardstick is the same number of statements and transactions, each the smallest there is, with the bare driver.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import evolve
from benchmarks.counting import Counted, counting
from benchmarks.databases import Plain, new_database
from benchmarks.rates import Figure, Pace, take_turns

from calsync_core import Account, SyncEngine
from calsync_core.models import Notification, Password, PushKind
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import leases
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock

__all__ = ["WORKERS", "Town", "draining_figures"]

TARGETS = 2
WORKERS = (1, 2, 4)
_BARE = 200


def draining_figures(
    folder: Path, databases: Sequence[str], *, owners: int, workers: Sequence[int]
) -> Iterator[Figure]:
    """On each database there is; a change for each owner, in each round."""
    for kind in databases:
        with new_database(kind, folder) as url:
            if url is None:
                continue
            town = Town(url, owners)
            with counting() as counted:
                town.change()
                counted.clear()
                town.drain()
            least = _least(url, counted, owners)
            for count in workers:
                town.change()
                ours = evolve(_drained(town, count), counts=counted.each(owners))
                yield Figure("drain", "changes", ours, {"as many bare statements": least}, kind, count)


class Town:
    """Owners with three calendars each, all in one database and all in step.

    Args:
        url: Of an empty database.
        owners: How many.
        meetings: On each calendar.
    """

    def __init__(self, url: str, owners: int, meetings: int = 20) -> None:
        self.clock = VirtualClock()
        self.service = MemoryService()
        self.store = SQLStore(url)
        self._calendars: list[tuple[str, int]] = []
        self._hours = 24 + meetings
        self.engine = SyncEngine(
            store=self.store,
            providers={"memory": MemoryProvider(self.service)},
            secret="only for this benchmark",  # noqa: S106  (it guards nothing)
            clock=self.clock,
            tokens=_login,
            max_workers=1,
        )
        for number in range(owners):
            self._add(f"owner{number:03d}", meetings)
        self.engine.sync_all_calendars()

    def _add(self, owner: str, meetings: int) -> None:
        for place in range(TARGETS + 1):
            name = f"{owner}-{place}"
            self.service.add_user(name, "secret")
            remote = self.service.add_calendar(name, "Work")
            account = Account(owner, "memory", name)
            (found,) = self.engine.discover(self.engine.connect(account, _login(account)).key)
            key = self.engine.enable(found.key).key
            if place == 0:
                self._calendars.append((remote, key))
                for hour in range(24, 24 + meetings):
                    self._book(remote, hour)

    def _book(self, remote: str, hour: int) -> None:
        start = self.clock.now() + timedelta(hours=hour)
        self.service.put(remote, self.service.event(f"hour{hour}", start, start + timedelta(minutes=30)))

    def change(self) -> None:
        """Another meeting for each owner, each announced."""
        self.clock.advance(timedelta(minutes=1))
        now = self.clock.now()
        self._hours += 1
        for remote, key in self._calendars:
            self._book(remote, self._hours)
            self.store.save_notifications([Notification(key, 1, PushKind.CHANGED, now, now)])
        self.store.close()

    def drain(self) -> int:
        """Work off the inbox as far as it goes, one owner at a time as a worker does; returns how many that were."""
        done = 0
        while owners := self.engine.notified_owners():
            taken = sum(self.engine.process_notifications(owner).completed for owner in owners)
            done += taken
            if not taken:
                break  # others are at what is left
        return done


def _login(account: Account) -> StaticTokens:
    return StaticTokens(Password(account.name, "secret"))


def _drained(town: Town, workers: int) -> Pace:
    """By so many forked workers, from when the first began to when the last ended."""
    context: Any = multiprocessing.get_context("fork")
    pairs = [context.Pipe() for _ in range(workers)]
    processes = [context.Process(target=_work, args=(town, theirs), daemon=True) for _, theirs in pairs]
    for process in processes:
        process.start()
    ready = [ours.recv() for ours, _ in pairs]
    began = time.perf_counter()
    for ours, _ in pairs:
        ours.send("go")
    told = [ours.recv() for ours, _ in pairs]
    wall = time.perf_counter() - began
    for process in processes:
        process.join(60)
    done = sum(pieces for pieces, _ in told)
    if not all(ready) or town.engine.notified_owners():
        raise RuntimeError("the inbox was not worked off")
    town.store.close()
    return Pace(wall / done, sum(cpu for _, cpu in told) / done)


def _work(town: Town, told: Connection) -> None:
    town.engine.notified_owners()  # opens its own connection
    told.send(True)  # noqa: FBT003  (a message)
    told.recv()
    began = time.process_time()
    told.send((town.drain(), time.process_time() - began))


def _least(url: str, counted: Counted, changes: int) -> Pace:
    """As many statements and writing transactions, with the driver alone, for one change."""
    plain = Plain(url)
    ((name, *_), *_) = plain.execute(f"SELECT name FROM {leases.name}")  # noqa: S608  (a name of ours)
    reading, writing = plain.selection(leases, "name"), plain.update(leases, "token", "name")

    def read() -> int:
        with plain.transaction() as cursor:
            for _ in range(_BARE):
                cursor.execute(reading, (name,)).fetchall()
        return _BARE

    def write() -> int:
        for _ in range(_BARE):
            with plain.transaction() as cursor:
                cursor.execute(writing, (1, name))
        return _BARE

    paces = take_turns({"read": read, "write": write}, 5)
    plain.close()
    each = counted.each(changes)
    reads = each["statements"] - each["writing"]
    return Pace(
        *(
            reads * getattr(paces["read"], kind) + each["writing"] * getattr(paces["write"], kind)
            for kind in ("wall", "cpu")
        )
    )
