"""Requests per change: the classic way (``benchmarks/classic.py``) and ours, on the same simulated services.

A person has a calendar full of meetings and one to five others that show it as busy. Meetings are booked, moved and
cancelled, one by one and ten at once; a daily series moves by an hour; and a day passes on which nothing happens. Each
push is carried to whoever is measured, and the service counts what it is asked, echoes included.

Run it with ``python -m benchmarks.requests_per_change [--small] [--provider google]``; it writes one JSON object per
step to ``benchmarks/results/requests.jsonl`` and prints a table. All of it takes some twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import structlog
from attrs import asdict, define, field, frozen
from benchmarks.classic import Classic
from benchmarks.services import SERVICES, Service, Spent

from calsync_core import Account, BearerToken, SyncEngine, SyncPolicy
from calsync_core.scheduler import Scheduler
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.store_contract.bench import count_waiting
from calsync_core.web.receiver import Received, Receiver

RESULTS = Path(__file__).parent / "results" / "requests.jsonl"
HOST, MOUNT = "https://host.example", "/hooks"
HORIZON = timedelta(days=365)
SERIES_DAYS = 20
BURST = 10
QUIET = "quiet day"
STEPS = ("create", "move", "cancel", "burst", "series", QUIET)
POLLS_PER_DAY = 96
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@frozen
class Case:
    """What is compared.

    Attributes:
        provider: Whose calendars.
        ahead: Meetings between now and the end of the horizon.
        targets: On how many calendars they show.
        past: Meetings that are over.
        steps: What is done.
        page: Most items on a page; as many as the real service gives unless said.
    """

    provider: str
    ahead: int
    targets: int
    past: int = 0
    steps: Sequence[str] = STEPS
    page: int | None = None


CASES = (
    *(Case(provider, 100, targets) for provider in SERVICES for targets in (1, 2, 5)),
    *(Case(provider, 300, 2, past=9_700) for provider in SERVICES),
    # The classic way takes minutes for one change where many events are ahead.
    *(Case(provider, 1_000, 5, steps=("create", "move", "cancel", "series", QUIET)) for provider in SERVICES),
    *(Case(provider, 10_000, 2, steps=("create", QUIET)) for provider in SERVICES),
)
SMALL = tuple(Case(provider, size, 2) for size in (100, 300) for provider in SERVICES)


@frozen
class Line:
    """One step, done both ways. Requests, and calls as quotas count them, per change (of a quiet day: per day)."""

    provider: str
    past: int
    ahead: int
    targets: int
    step: str
    classic: float
    classic_calls: float
    kinder: float
    ours: float
    ours_calls: float

    @property
    def fewer(self) -> float:
        """How many per cent fewer requests than the classic way."""
        return 100 * (1 - self.ours / self.classic)


class Ours:
    """This library, with its receiver and scheduler, over the calendars of one person."""

    def __init__(self, service: Service, calendars: Sequence[str], horizon: timedelta) -> None:
        self._service = service
        self._store = MemoryStore()
        logins = {name: StaticTokens(BearerToken(service.tokens[name])) for name in calendars}
        self._engine = SyncEngine(
            store=self._store,
            providers={service.name: service.provider()},
            secret="only for this benchmark",  # noqa: S106  (it guards nothing)
            policy=SyncPolicy(horizon_days=horizon.days),
            clock=service.clock,
            webhook_url=f"{HOST}{MOUNT}",
            tokens=lambda account: logins[account.name],
            max_workers=1,
        )
        self._receiver = Receiver(self._engine)
        self._scheduler = Scheduler(self._engine, polling_tick=300.0, inbox_tick=300.0, dice=random.Random(1))
        service.listen(self._receive)
        self._keys: list[int] = []
        for name in calendars:
            account = self._engine.connect(Account("ana", service.name, name), logins[name])
            (found,) = self._engine.discover(account.key)
            self._keys.append(self._engine.enable(found.key).key)

    def settle(self, length: timedelta = 5 * MINUTE) -> None:
        """Let so much time pass, doing what is due and carrying pushes."""
        clock = self._service.clock
        end = clock.now() + length
        while True:
            self._service.outbox.deliver()
            self._scheduler.run_due()
            if clock.now() >= end:
                return
            waits = any(count_waiting(self._store, key) for key in self._keys)
            if waits:
                self._scheduler.wake()
            pause = SECOND if waits or len(self._service.outbox) else timedelta(seconds=self._pause())
            clock.advance(min(max(SECOND, pause), max(end - clock.now(), timedelta())))

    def audit(self) -> bool:
        """Whether every block is as it should be."""
        return self._engine.audit().ok

    def _pause(self) -> float:
        return min(job.pause() for job in self._scheduler.jobs)

    def _receive(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        path, _, query = url.removeprefix(f"{HOST}{MOUNT}").partition("?")
        reply = self._receiver.answer(Received("POST", path, query, headers, body))
        self._scheduler.wake()
        return reply.status, reply.body.decode()


@define
class Person:
    """One whose source calendar is full, and the others empty; does the same things at the same times every time.

    Attributes:
        pause: Lets time pass, with whoever syncs at work.
    """

    case: Case
    clock: VirtualClock = field(factory=VirtualClock)
    service: Service = field(init=False)
    calendars: list[str] = field(init=False)
    meetings: list[str] = field(factory=list)
    pause: Callable[[timedelta], None] = field(init=False)
    series: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.service = SERVICES[self.case.provider](self.clock, self.case.page)
        self.calendars = [self.service.add_calendar(f"c{number}") for number in range(self.case.targets + 1)]
        single = self.case.ahead - SERIES_DAYS
        apart = (HORIZON - 2 * DAY) / single
        for number in range(single):
            self.meetings.append(self.service.book(self.source, self.at(1, 0) + number * apart))
        for number in range(self.case.past):
            self.service.book(self.source, self.at(-1, 0) - number * timedelta(hours=6))
        self.series = self.service.book(self.source, self.at(3, 9), days=SERIES_DAYS)

    @property
    def source(self) -> str:
        """The calendar where all this happens."""
        return self.calendars[0]

    def at(self, day: int, hour: int, minute: int = 0) -> datetime:
        """A time so many days after the first one's midnight."""
        first = VirtualClock().now().replace(hour=0)
        return first + timedelta(days=day, hours=hour, minutes=minute)

    def book(self) -> None:
        """Another meeting."""
        self.meetings.append(self.service.book(self.source, self.at(5, 7)))

    def cancel(self) -> None:
        """The last one booked."""
        self.service.cancel(self.source, self.meetings.pop())

    def changes(self) -> Iterator[tuple[str, int, Callable[[], None]]]:
        """What happens: a name, how many changes it is, and how it is done."""
        service, source = self.service, self.source
        happens: dict[str, tuple[int, Callable[[], None]]] = {
            "create": (1, self.book),
            "move": (1, lambda: service.move(source, self.meetings[-1], self.at(6, 7))),
            "cancel": (1, self.cancel),
            "burst": (BURST, self._burst),
            "series": (1, lambda: service.move(source, self.series, self.at(3, 10))),
        }
        for step in self.case.steps:
            if step in happens:
                yield step, *happens[step]

    def _burst(self) -> None:
        for number in range(BURST):
            self.meetings.append(self.service.book(self.source, self.at(7, 7, 5 * number)))
            self.pause(SECOND)


def compare(case: Case) -> Iterator[Line]:
    """All steps, both ways."""
    classic = dict(classic_way(case))
    for step, (ours, changes) in our_way(case):
        theirs, kinder = classic[step]
        yield Line(
            case.provider,
            case.past,
            case.ahead,
            case.targets,
            step,
            classic=theirs.requests / changes,
            classic_calls=theirs.calls / changes,
            kinder=kinder / changes,
            ours=ours.requests / changes,
            ours_calls=ours.calls / changes,
        )


def classic_way(case: Case) -> Iterator[tuple[str, tuple[Spent, float]]]:
    """What was spent on each step, and what the kinder way would have."""
    person = Person(case)
    syncer = Classic(person.service, person.calendars, HORIZON)
    person.pause = syncer.settle
    syncer.poll()
    syncer.settle()
    for step, _, change in person.changes():
        person.service.take()
        syncer.rewrites.clear()
        change()
        syncer.settle()
        yield step, (person.service.take(), syncer.kinder())
        _check(person)
    person.service.take()
    # Each poll is as the last one. What a week of them costs is said, since ours is measured for a week.
    syncer.poll()
    poll = person.service.take()
    week = Spent(poll.requests * POLLS_PER_DAY * 7, poll.calls * POLLS_PER_DAY * 7)
    yield QUIET, (week, week.requests)


def our_way(case: Case) -> Iterator[tuple[str, tuple[Spent, float]]]:
    """What was spent on each step, and how many changes, or days, it was."""
    person = Person(case)
    syncer = Ours(person.service, person.calendars, HORIZON)
    person.pause = syncer.settle
    syncer.settle(timedelta(hours=4))
    # The first read of a target after the first sync has the echoes of all its blocks in it, once.
    for change in (person.book, person.cancel):
        change()
        syncer.settle()
    for step, changes, change in person.changes():
        person.service.take()
        change()
        syncer.settle()
        yield step, (person.service.take(), changes)
        _check(person)
    if QUIET in case.steps:
        person.service.take()
        # A week: it has the renewals, the safety nets and an audit in it.
        syncer.settle(7 * DAY)
        yield QUIET, (person.service.take(), 7)
    if not syncer.audit():
        raise SystemExit("the blocks are not as they should be: nothing that was counted counts")


def _check(person: Person) -> None:
    """Who is cheap because the work is not done is not to be compared."""
    wanted = len(person.meetings) + SERIES_DAYS
    found = [person.service.blocks(calendar) for calendar in person.calendars[1:]]
    if set(found) != {wanted}:
        raise SystemExit(f"{wanted} blocks should be on each target, there are {found}")


def table(lines: Sequence[Line]) -> str:
    """The figures in columns."""
    text = f"{'':10}{'ahead':>7}{'past':>7}{'targets':>8}  {'':10}{'classic':>10}{'kinder':>9}{'ours':>8}{'fewer':>8}\n"
    for line in lines:
        text += (
            f"{line.provider:10}{line.ahead:7,}{line.past:7,}{line.targets:8}  {line.step:10}"
            f"{line.classic:10,.1f}{line.kinder:9,.1f}{line.ours:8,.1f}{line.fewer:7.2f}%\n"
        )
    return text


def measure(cases: Sequence[Case], output: TextIO) -> list[Line]:
    """Compare these, writing each line as it comes."""
    lines = []
    for case in cases:
        began = time.monotonic()
        for line in compare(case):
            lines.append(line)
            told: dict[str, Any] = {**asdict(line), "fewer": round(line.fewer, 3)}
            print(json.dumps(told), file=output, flush=True)
        what = f"{case.provider}, {case.past} + {case.ahead} events, {case.targets} targets"
        print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small calendars only: seconds instead of minutes")
    parser.add_argument("--provider", choices=SERVICES, help="only this one")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with given.output.open("w", encoding="utf-8") as output:
        cases = [case for case in (SMALL if given.small else CASES) if given.provider in {None, case.provider}]
        lines = measure(cases, output)
    print(table(lines), end="")


if __name__ == "__main__":
    main()
