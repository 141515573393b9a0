"""How cost grows with what is stored: events of one calendar, and calendars of one installation.

A simulated Google works in a process of its own; each step (a first sync, one with nothing new, one with ten changes
and so on) is done by a fresh process over an empty database, which says what it took: processor seconds, peak memory
above what it had before the step, rows that the database gave and what it looked through for them, requests. Nothing of
the service's own is in that. All events lie ahead within the horizon, the worst case: each has a block.

Run it with ``python -m benchmarks.growth [--events 1000 10000 100000] [--calendars 100 1000 10000]``; it writes one
JSON object per step to ``benchmarks/results/growth.jsonl`` and prints a table with the exponents: 1 is what grows as
the calendar does, 0 what does not grow. ``--database postgresql`` measures over PostgreSQL and keeps that in
``growth-postgresql.jsonl``.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from attrs import asdict, define, frozen
from benchmarks.databases import DATABASES, kept_tidy, looked_through, new_database, stored
from sqlalchemy import event

from calsync_core import Account, AuditReport, BearerToken, MirrorRule, SyncEngine, SyncPolicy, SyncReport
from calsync_core.models import Calendar
from calsync_core.providers.google import GoogleProvider
from calsync_core.stores.sql import SQLStore
from calsync_core.system import StaticTokens
from calsync_core.testing import GoogleSimulator, VirtualClock

RESULTS = Path(__file__).parent / "results" / "growth.jsonl"
SPREAD = timedelta(days=300)
HORIZON_DAYS = 330
FEW = 10
EACH = 20
"""Events on each publishing calendar of the sweep."""
START = datetime.fromisoformat("2026-11-26T08:00:00+00:00")
_LIFE = timedelta(days=10_000)
_LEAST = {"cpu": 0.1, "memory": 1e6, "work": 1.0}
"""What is less is as good as nothing, and must not tell of growth."""
_EVERY = 10
"""SQLite's steps that are counted at a time. In each connection, the last few of each statement are not: by the
thousand, most of what small statements do would be missed, and the less of it the more often they are asked.
"""


@frozen
class Line:
    """One step.

    Attributes:
        what: ``events`` of one calendar, or ``calendars`` of an installation.
        size: How many of them.
        cpu: Processor seconds.
        memory: Peak resident bytes above those before the step.
        rows: Given by the database.
        statements: Asked of it.
        work: What it looked through, whatever it gave, in thousands: SQLite's own steps; in PostgreSQL rows, and
            entries of indexes.
        requests: To the service.
        writes: Blocks written.
        store: Bytes of the database afterwards.
        database: Which kind.
    """

    what: str
    size: int
    step: str
    cpu: float
    memory: int
    rows: int
    statements: int
    work: float
    requests: int
    writes: int
    store: int
    database: str = "sqlite"


def _tomorrow(engine: SyncEngine, clock: VirtualClock) -> SyncReport:
    """Past midnight, and before everything is read again for safety's sake."""
    clock.advance(timedelta(hours=17))
    return engine.sync_calendars_needing_polling()


def _replanned(engine: SyncEngine) -> SyncReport:
    engine.set_rules("p0", [MirrorRule()])
    return engine.sync_calendars_needing_polling()


STEPS: dict[str, Callable[[SyncEngine, VirtualClock], SyncReport | AuditReport]] = {
    "first sync": lambda engine, _: engine.sync_calendars_needing_polling(),
    "look after": lambda engine, _: engine.sync_calendars_needing_polling(),
    "no change": lambda engine, _: engine.sync_calendars_needing_polling(),
    "10 changes": lambda engine, _: engine.sync_calendars_needing_polling(),
    "look after 10": lambda engine, _: engine.sync_calendars_needing_polling(),
    "new day": _tomorrow,
    "all planned again": lambda engine, _: _replanned(engine),
    "full sync": lambda engine, _: engine.sync_all_calendars(),
    "audit": lambda engine, _: engine.audit(),
}
SWEEP = ("first sync", "look after", "no change", "10 changes", "look after 10")


# -- the service --------------------------------------------------------------------------------------------------


class Google:
    """A simulated Google in a process of its own; use it as a context manager."""

    def __enter__(self) -> Google:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.base_url: str = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Have it do something (a method of ``_Hands``) and wait until it is done."""
        self._pipe.send((what, *arguments))
        return self._pipe.recv()


class _Hands:
    """What people do there."""

    def __init__(self, google: GoogleSimulator) -> None:
        self._google = google
        self._ids: dict[str, list[str]] = {}

    def people(self, pairs: int, events: int) -> dict[str, str]:
        """So many, each with a full calendar and an empty one; returns their tokens by account name."""
        tokens = {}
        for number in range(pairs):
            for kind in ("source", "target"):
                mail = self._google.add_user(f"{kind}{number}@example.com")
                tokens[f"{kind}{number}"] = self._google.issue_token(mail, life=_LIFE)
                if kind == "source":
                    self._ids[mail] = [
                        self._google.put_event(mail, {"summary": "Meeting", **_times(place, events)})
                        for place in range(events)
                    ]
        return tokens

    def move(self, count: int, minutes: int) -> None:
        """Move so many events, spread over the calendars and each calendar."""
        every = [(mail, place) for mail, ids in self._ids.items() for place in range(len(ids))]
        for mail, place in every[:: max(1, len(every) // count)][:count]:
            times = _times(place, len(self._ids[mail]), minutes)
            self._google.patch_event(mail, self._ids[mail][place], times)


def _times(place: int, of: int, minutes: int = 0) -> dict[str, Any]:
    start = START + timedelta(days=2, minutes=minutes) + SPREAD * place / of
    edges = (("start", start), ("end", start + timedelta(minutes=30)))
    return {name: {"dateTime": at.replace(microsecond=0).isoformat()} for name, at in edges}


def _serve(pipe: Connection) -> None:
    with GoogleSimulator(VirtualClock(START)) as google:
        hands = _Hands(google)

        def forget() -> None:
            while True:
                time.sleep(0.5)
                google.clear_log()

        threading.Thread(target=forget, daemon=True).start()
        pipe.send(google.base_url)
        while True:
            what, *arguments = pipe.recv()
            pipe.send(getattr(hands, what)(*arguments))


# -- one step, in a process of its own ------------------------------------------------------------------------------


@define
class Meter:
    """What the database does."""

    rows: int = 0
    statements: int = 0
    work: float = 0

    def listen(self, database: sa.Engine) -> None:
        def given(_cursor: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
            self.rows += 1
            return row

        def worked() -> int:
            self.work += _EVERY / 1_000
            return 0

        if database.dialect.name == "sqlite":

            @event.listens_for(database, "connect")
            def connected(connection: Any, _record: object) -> None:
                connection.row_factory = given
                connection.set_progress_handler(worked, _EVERY)

        @event.listens_for(database, "after_cursor_execute")
        def executed(_connection: object, cursor: Any, *_: object) -> None:
            self.statements += 1
            if cursor.description:
                # SQLite does not know before they are fetched.
                self.rows += max(0, cursor.rowcount)


def do_step(order: dict[str, Any]) -> dict[str, Any]:
    """What the parent asks for on the command line; it gets what was measured, and what time it is here then."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    database = sa.create_engine(order["url"])
    meter = Meter()
    meter.listen(database)
    clock = VirtualClock(datetime.fromisoformat(order["now"]))
    tokens: dict[str, str] = json.loads(Path(order["tokens"]).read_text(encoding="utf-8"))
    store = SQLStore(database)
    if database.dialect.name == "sqlite":
        with database.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    engine = SyncEngine(
        store=store,
        providers={"google": GoogleProvider()},
        secret="only for this benchmark",  # noqa: S106  (it guards nothing)
        policy=SyncPolicy(horizon_days=HORIZON_DAYS),
        clock=clock,
        tokens=lambda account: StaticTokens(BearerToken(tokens[account.name])),
    )
    if order["step"] is None:
        _connect(store, tokens, order["base_url"])
        return {"now": clock.now().isoformat()}
    store.load_accounts("nobody")
    gc.collect()
    with _peak() as memory:
        before = asdict(meter)
        cpu = time.process_time()
        report = STEPS[order["step"]](engine, clock)
        cpu = time.process_time() - cpu
    if report.errors or (isinstance(report, AuditReport) and not report.ok):
        raise SystemExit(f"{order['step']}: {report}")
    return {
        "now": clock.now().isoformat(),
        "cpu": round(cpu, 3),
        "memory": memory[0],
        **{name: round(value - before[name], 3) for name, value in asdict(meter).items()},
        "requests": report.api_calls,
        "writes": report.writes if isinstance(report, SyncReport) else 0,
    }


def _connect(store: SQLStore, tokens: dict[str, str], base_url: str) -> None:
    """Accounts and calendars as ``connect``, ``discover`` and ``enable`` would leave them."""
    for name in tokens:
        source, mail = name.startswith("source"), f"{name}@example.com"
        owner = f"p{name.removeprefix('source').removeprefix('target')}"
        account = store.save_account(Account(owner, "google", name, base_url=base_url, email=mail))
        calendar = Calendar(
            account.key, owner, mail, mail, primary=True, enabled=True, publish=source, receive=not source
        )
        store.save_calendar(calendar)


@contextmanager
def _peak() -> Iterator[list[int]]:
    """The most memory that is resident until the block ends, above what it was; in bytes. Linux tells; else 0."""
    status, found = Path("/proc/self/status"), [0]

    def told(name: str) -> int:
        lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)

    if status.exists():
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = told("VmRSS")
    yield found
    found[0] = max(0, told("VmHWM") - before)


# -- all steps --------------------------------------------------------------------------------------------------------


def measure(what: str, size: int, steps: Sequence[str], kind: str = "sqlite") -> Iterator[Line]:
    """All of these steps, one after the other, at one size and over one kind of database."""
    with tempfile.TemporaryDirectory() as name, new_database(kind, Path(name)) as url, Google() as google:
        if url is None:
            raise SystemExit(f"there is no {kind} server")
        pairs, events = (1, size) if what == "events" else (max(1, size // 2), EACH)
        tokens = Path(name) / "tokens.json"
        tokens.write_text(json.dumps(google.ask("people", pairs, events)), encoding="utf-8")
        order = {"base_url": google.base_url, "url": url, "tokens": str(tokens)}
        now = _done({**order, "step": None, "now": START.isoformat()})["now"]
        for number, step in enumerate(steps):
            if step == "10 changes":
                google.ask("move", FEW, 15 + number)
            before = looked_through(url)
            with kept_tidy(url):
                told = _done({**order, "step": step, "now": now})
            now = told.pop("now")
            told["work"] = round(told["work"] + looked_through(url) - before, 3)
            yield Line(what, size, step, store=stored(url), database=kind, **told)


def _done(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", "--step", json.dumps(order)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


def exponent(lines: Sequence[Line], name: str) -> float | None:
    """Of the power of the size that a figure grows with, as it was measured; None: there are too few."""
    points = [(math.log(line.size), math.log(max(float(getattr(line, name)), _LEAST[name]))) for line in lines]
    if len(points) < 2:
        return None
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    across = sum((x - middle_x) ** 2 for x, _ in points)
    return float(sum((x - middle_x) * (y - middle_y) for x, y in points) / across)


def table(lines: Sequence[Line]) -> str:
    """Each step at each size, and how it grows."""
    work = "database steps" if {line.database for line in lines} == {"sqlite"} else "looked through"
    rows = [
        f"| of | step | size | CPU s | memory MB | rows | {work} | requests | CPU, memory, database grow as |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for what, step in dict.fromkeys((line.what, line.step) for line in lines):
        here = [line for line in lines if (line.what, line.step) == (what, step)]
        for line in here:
            found = [exponent(here, name) for name in ("cpu", "memory", "work")] if line is here[-1] else []
            grows = ", ".join("–" if one is None else f"{one:.2f}" for one in found)
            cells = [f"{line.cpu:,.2f}", f"{line.memory / 1e6:,.1f}"]
            cells += [f"{value:,}" for value in (line.rows, round(line.work * 1_000), line.requests)]
            rows.append(f"| {what} | {step} | {line.size:,} | {' | '.join(cells)} | {grows} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--calendars", type=int, nargs="*", default=[100, 1_000, 10_000])
    parser.add_argument(
        "--steps", nargs="*", choices=STEPS, default=list(STEPS), help="all, in this order, unless said"
    )
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--step", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(do_step(given.step)))
        return
    kept = RESULTS if given.database == "sqlite" else RESULTS.with_stem(f"growth-{given.database}")
    kept = given.results or kept
    kept.parent.mkdir(exist_ok=True)
    lines = []
    sweep = [step for step in given.steps if step in SWEEP]
    with kept.open("w", encoding="utf-8") as results:
        for what, sizes, steps in (("events", given.events, given.steps), ("calendars", given.calendars, sweep)):
            for size in sizes:
                for line in measure(what, size, steps, given.database):
                    lines.append(line)
                    print(json.dumps(asdict(line)), file=results, flush=True)
                    print(json.dumps(asdict(line)), file=sys.stderr, flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
