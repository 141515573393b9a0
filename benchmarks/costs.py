"""What one piece of work costs this library: CPU and database transactions, measured on simulated services.

The services run in the same process; the time that they take is subtracted. What is left is ours: the receiver, the
engine, the adapter, and the store's side of the database. ``python -m benchmarks.scale --measure`` comes here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from attrs import define, field, frozen
from benchmarks.counting import Counted, counting
from benchmarks.requests_per_change import HOST, MOUNT, Case, Person

from calsync_core import Account, BearerToken, SyncEngine
from calsync_core.stores.sql import SQLStore
from calsync_core.system import StaticTokens
from calsync_core.web.receiver import Received, Receiver

__all__ = ["Cost", "measure"]

ROUNDS = 30


@frozen
class Cost:
    """Of one piece of work: milliseconds of CPU, and transactions that write."""

    cpu_ms: float
    transactions: float


@define
class _Meter(httpx.BaseTransport):
    """Carries requests to the services, and adds up what is ours and what is not."""

    inner: httpx.BaseTransport
    not_ours: float = 0.0
    counted: Counted = field(factory=Counted)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self.elsewhere():
            return self.inner.handle_request(request)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """What is done here is not ours."""
        began = time.process_time()
        try:
            yield
        finally:
            self.not_ours += time.process_time() - began

    def cost(self, work: Callable[[], object], pieces: int = 1) -> Cost:
        """Of each of so many pieces that this work is."""
        cpu, elsewhere, writing = time.process_time(), self.not_ours, self.counted.writing
        work()
        spent = time.process_time() - cpu - (self.not_ours - elsewhere)
        return Cost(1000 * spent / pieces, (self.counted.writing - writing) / pieces)


class _Bench:
    """One person's calendars, an engine over SQLite, and its endpoint."""

    def __init__(self, provider: str, folder: Path, counted: Counted) -> None:
        self.person = Person(Case(provider, 300, 3))
        service = self.person.service
        self.meter = _Meter(service.simulator.transport(), counted=counted)
        self.engine = SyncEngine(
            store=SQLStore(f"sqlite:///{folder / provider}.db"),
            providers={provider: service.provider(self.meter)},
            secret="only for this benchmark",  # noqa: S106  (it guards nothing)
            clock=service.clock,
            webhook_url=f"{HOST}{MOUNT}",
            tokens=lambda account: StaticTokens(BearerToken(service.tokens[account.name])),
            max_workers=1,
        )
        self.receiver = Receiver(self.engine)
        self.pushes: list[Received] = []
        service.listen(self._keep)
        self.keys = []
        for name in self.person.calendars:
            account = self.engine.connect(
                Account("ana", provider, name), StaticTokens(BearerToken(service.tokens[name]))
            )
            (found,) = self.engine.discover(account.key)
            self.keys.append(self.engine.enable(found.key).key)

    def _keep(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        path, _, query = url.removeprefix(f"{HOST}{MOUNT}").partition("?")
        asked = Received("POST", path, query, headers, body)
        if query:
            return 200, self.receiver.answer(asked).body.decode()
        self.pushes.append(asked)
        return 202, ""

    def receive(self) -> int:
        """Let the endpoint have what was pushed; returns how many that was."""
        waiting, self.pushes = self.pushes, []
        for push in waiting:
            self.receiver.answer(push)
        return len(waiting)

    def collect(self) -> None:
        """Have the service push."""
        with self.meter.elsewhere():
            self.person.service.outbox.deliver()

    def quiet(self) -> None:
        """Do everything that waits, twenty minutes of it."""
        for _ in range(4):
            self.collect()
            self.receive()
            self.person.clock.advance(timedelta(minutes=5))
            self.engine.sync_calendars_needing_polling(due_only=True)
            self.engine.process_notifications()


def measure(provider: str) -> dict[str, Cost]:
    """Each piece of work of one provider, by name; three targets, 300 events."""
    with tempfile.TemporaryDirectory() as folder, counting() as counted:
        bench = _Bench(provider, Path(folder), counted)
        engine, meter, person = bench.engine, bench.meter, bench.person
        engine.sync_calendars_needing_polling()
        subscribing = meter.cost(lambda: engine.maintain_subscriptions(everything=True), len(bench.keys))
        bench.quiet()
        costs: dict[str, list[Cost]] = {"push": [], "change": [], "echo": []}
        for number in range(ROUNDS):
            with meter.elsewhere():
                person.book() if number % 2 == 0 else person.cancel()
            for name in ("change", "echo"):
                bench.collect()
                if bench.pushes:
                    costs["push"].append(meter.cost(bench.receive, len(bench.pushes)))
                person.clock.advance(timedelta(seconds=30))
                costs[name].append(meter.cost(engine.process_notifications))
        bench.quiet()
        quiet = [meter.cost(lambda key=key: engine.sync_calendar(key)) for _ in range(5) for key in bench.keys]  # type: ignore[misc]  # a lambda with a default
        audit = meter.cost(lambda: engine.audit("ana"), len(bench.keys))
        means = {name: _mean(each) for name, each in costs.items()}
        return means | {"quiet poll": _mean(quiet), "renewal": subscribing, "audit": audit}


def _mean(costs: list[Cost]) -> Cost:
    count = len(costs)
    return Cost(sum(one.cpu_ms for one in costs) / count, sum(one.transactions for one in costs) / count)
