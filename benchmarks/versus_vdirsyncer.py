"""This library beside vdirsyncer, on the same real CalDAV servers: seconds, processor seconds and requests.

One calendar is copied to another: vdirsyncer mirrors its events, ``calsync`` writes a busy block for each, one way only
and one resource for each event on both sides, so that both have to see the same and to write as many. Each has servers
of its own, fresh for each round, and a counting proxy in front of each; the two take turns, and who is first changes
from round to round. Steps are whole commands, process start included, and then the same commands inside processes that
are warm.

Run it with ``python -m benchmarks.versus_vdirsyncer --calsync BIN/calsync --vdirsyncer BIN/vdirsyncer``, each in an
environment that has nothing else: what tests bring along takes part in a start. It adds one JSON object per command to
``benchmarks/results/vdirsyncer.jsonl`` and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import asdict, frozen
from benchmarks.counting_proxy import CountingProxy

from calsync_core.testing.servers import CalDAVServer, RadicaleServer, XandikosServer

RESULTS = Path(__file__).parent / "results" / "vdirsyncer.jsonl"
RESIDENT = Path(__file__).with_name("resident.py")
SERVERS: dict[str, type[CalDAVServer]] = {"radicale": RadicaleServer, "xandikos": XandikosServer}
CHANGES = 10
CHANGED = f"{CHANGES} changes"
STEPS = ("first copy", "look after", "no change", CHANGED)
"""The look after a write also sees what was written, once."""
WAYS = ("command", "warm")

Spent = tuple[float, float, Counter[str]]
"""Seconds, processor seconds, requests by method."""


@frozen
class Line:
    """One command.

    Attributes:
        way: ``command`` with its process's start, ``warm`` inside a process that has done it before.
        seconds: On the wall.
        cpu: Processor seconds of the client.
        requests: By method.
    """

    server: str
    events: int
    tool: str
    way: str
    step: str
    round: int
    seconds: float
    cpu: float
    requests: dict[str, int]

    @property
    def asked(self) -> int:
        """All requests."""
        return sum(self.requests.values())


class Side(ABC):
    """One tool with two servers of its own.

    Args:
        program: The command line's path, in an environment of its own.
        folder: For its configuration and state.
        source: Whose calendar ``source`` is copied.
        target: Whose calendar ``target`` it is copied to.

    Attributes:
        entry: Module and function behind it.
        sync: Arguments of a sync.
    """

    name: str
    entry: str
    sync: Sequence[str]

    def __init__(self, program: str, folder: Path, source: CalDAVServer, target: CalDAVServer) -> None:
        self.program = program
        self.folder = folder
        self._servers = source, target
        self._stack = ExitStack()
        self._resident: subprocess.Popen[str] | None = None

    @property
    def beginnings(self) -> Sequence[Sequence[str]]:
        """Arguments of what has to be done once, before and as the first copy."""
        return [self.sync]

    @abstractmethod
    def configure(self, source: str, target: str) -> None:
        """Write the configuration; given the servers' addresses."""

    def start(self, events: int) -> None:
        """Servers, calendars, events, proxies, configuration."""
        source, target = (self._stack.enter_context(server) for server in self._servers)
        self._calendar = source.add_calendar("user", "source")
        self._target = target.add_calendar("user", "target")
        self.proxies = [self._stack.enter_context(CountingProxy(server.base_url)) for server in (source, target)]
        self.configure(*(proxy.base_url for proxy in self.proxies))
        for number in range(events):
            source.put(self._calendar, f"{number}.ics", ics(number))

    def change(self, minutes: int) -> None:
        """Move ten events to so many minutes after where they were at first."""
        for number in range(CHANGES):
            self._servers[0].put(self._calendar, f"{number}.ics", ics(number, timedelta(minutes=minutes)))

    def copied(self) -> int:
        """How many resources the target has."""
        return len(self._servers[1].names(self._target))

    def run(self, way: str, words: Sequence[str]) -> Spent:
        """Run a command in one of the ``WAYS``."""
        return self.command(words) if way == "command" else self.warm(words)

    def command(self, *calls: Sequence[str]) -> Spent:
        """Run commands, one after another, each in a new process."""
        self._take()
        seconds = cpu = 0.0
        for words in calls:
            began = time.perf_counter()
            with (self.folder / "output").open("wb") as output:
                process = subprocess.Popen(
                    [self.program, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder
                )
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            seconds += time.perf_counter() - began
            cpu += used.ru_utime + used.ru_stime
            self._check(process.returncode)
        return seconds, cpu, self._take()

    def warm(self, words: Sequence[str]) -> Spent:
        """Run one in a process that stays and has done it before."""
        if self._resident is None:
            command = [str(Path(self.program).with_name("python")), str(RESIDENT), self.entry]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.folder
            )
            self._resident = self._stack.enter_context(process)
            self._stack.callback(process.kill)
            self.warm(words)
        self._take()
        assert self._resident.stdin is not None and self._resident.stdout is not None  # noqa: S101, PT018  (pipes, see above)
        self._resident.stdin.write(json.dumps(list(words)) + "\n")
        self._resident.stdin.flush()
        told = json.loads(self._resident.stdout.readline())
        self._check(told["code"])
        return told["seconds"], told["cpu"], self._take()

    def close(self) -> None:
        """End all that runs."""
        self._stack.close()

    def _check(self, code: int) -> None:
        if code:
            said = self.folder / "output"
            raise SystemExit(f"{self.name} failed ({code}): {said.read_text() if said.exists() else ''}")

    def _take(self) -> Counter[str]:
        return sum((proxy.take() for proxy in self.proxies), Counter())


class Calsync(Side):
    """This library's command line."""

    name = "calsync"
    entry = "calsync_core.cli.application:calsync"
    sync = ("sync",)

    def configure(self, source: str, target: str) -> None:
        text = '[installation]\nsecret = "a secret for this measurement"\n[store]\nurl = "sqlite:///calsync.db"\n'
        text += "[policy]\nhorizon_days = 120\n"
        for name, url, publish in (("source", source, "true"), ("target", target, "false")):
            receive = "false" if publish == "true" else "true"
            text += (
                f'[[accounts]]\nname = "{name}"\nowner = "ana"\nprovider = "caldav"\nbase_url = "{url}"\n'
                f'auth = {{ type = "password", username = "user", password = "secret" }}\n'
                f'calendars = ["{name}"]\npublish = {publish}\nreceive = {receive}\n'
            )
        (self.folder / "calsync.toml").write_text(text, encoding="utf-8")


class Vdirsyncer(Side):
    """The other one; it finds its calendars in a command of its own, which belongs to its first copy."""

    name = "vdirsyncer"
    entry = "vdirsyncer.cli:app"
    sync = ("-c", "config", "sync")

    @property
    def beginnings(self) -> Sequence[Sequence[str]]:
        return [("-c", "config", "discover"), self.sync]

    def configure(self, source: str, target: str) -> None:
        text = f'[general]\nstatus_path = "{self.folder / "status"}"\n'
        text += '[pair copy]\na = "source"\nb = "target"\ncollections = [["all", "source", "target"]]\n'
        text += 'conflict_resolution = "a wins"\npartial_sync = "ignore"\n'
        for name, url, rest in (("source", source, "read_only = true\n"), ("target", target, "")):
            text += f'[storage {name}]\ntype = "caldav"\nurl = "{url}"\nusername = "user"\npassword = "secret"\n{rest}'
        (self.folder / "config").write_text(text, encoding="utf-8")


def ics(number: int, shift: timedelta = timedelta()) -> str:
    """One event of half an hour, within the next 80 days."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1 + number * 1.9) + shift
    end = start + timedelta(minutes=30)
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:bench-{number}@example.com\r\nDTSTAMP:20260101T000000Z\r\n"
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\n"
        f"SUMMARY:Meeting {number}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def compare(programs: Mapping[type[Side], str], server: str, events: int, number: int, repeats: int) -> Iterator[Line]:
    """One round: both tools, each with fresh servers, in turns.

    Args:
        programs: Each tool's command line.
        server: Of ``SERVERS``.
        events: On the source.
        number: The round's; the tools change places from one to the next.
        repeats: How often each step but the first copy is done.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sides = []
        for tool in list(programs)[:: 1 if number % 2 == 0 else -1]:
            place = Path(folder) / tool.name
            place.mkdir()
            side = tool(programs[tool], place, SERVERS[server](), SERVERS[server]())
            stack.callback(side.close)
            sides.append(side)
        for side in sides:
            side.start(events)
            yield _line(server, events, number, side, "command", "first copy", side.command(*side.beginnings))
            if side.copied() != events:
                raise SystemExit(f"{side.name} copied {side.copied()} of {events} events")
        for way in WAYS:
            for repeat in range(repeats):
                for step in STEPS[1:]:
                    for side in sides:
                        if step == CHANGED:
                            side.change(1 + repeat + WAYS.index(way) * repeats)
                        yield _line(server, events, number, side, way, step, side.run(way, side.sync))


def _line(  # noqa: PLR0917  (a line's parts, in its order)
    server: str, events: int, number: int, side: Side, way: str, step: str, spent: Spent
) -> Line:
    seconds, cpu, requests = spent
    rounded = round(seconds, 4), round(cpu, 4)
    return Line(server, events, side.name, way, step, number, *rounded, requests=dict(sorted(requests.items())))


def table(lines: Sequence[Line]) -> str:
    """Medians beside each other, and the median of the ratios of what was measured one after the other."""
    rows = [
        "| server | step | way | requests | seconds | processor seconds | as fast |",
        "|---|---|---|---|---|---|---|",
    ]
    for server in dict.fromkeys(line.server for line in lines):
        for step in STEPS:
            for way in WAYS:
                here = [line for line in lines if (line.server, line.step, line.way) == (server, step, way)]
                ours, theirs = ([line for line in here if line.tool == tool] for tool in ("calsync", "vdirsyncer"))
                if not ours:
                    continue
                pairs = zip(ours, theirs, strict=True)
                ratio = statistics.median(other.seconds / mine.seconds for mine, other in pairs)
                cells = [
                    f"{_middle(ours, 'asked'):.0f} / {_middle(theirs, 'asked'):.0f}",
                    f"{_middle(ours, 'seconds'):.2f} / {_middle(theirs, 'seconds'):.2f}",
                    f"{_middle(ours, 'cpu'):.2f} / {_middle(theirs, 'cpu'):.2f}",
                    f"{ratio:.1f} ×",
                ]
                rows.append(f"| {server} | {step} | {way} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _middle(lines: Sequence[Line], name: str) -> float:
    return statistics.median(float(getattr(line, name)) for line in lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for side in (Calsync, Vdirsyncer):
        parser.add_argument(f"--{side.name}", required=True, help="its command line, in an environment of its own")
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--server", choices=SERVERS, action="append")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    programs: dict[type[Side], str] = {Calsync: given.calsync, Vdirsyncer: given.vdirsyncer}
    lines: list[Line] = []
    given.results.parent.mkdir(exist_ok=True)
    with given.results.open("w", encoding="utf-8") as results:
        for server in given.server or SERVERS:
            for number in range(given.rounds):
                for line in compare(programs, server, given.events, number, given.repeats):
                    lines.append(line)
                    print(json.dumps(asdict(line)), file=results, flush=True)
                    print(line.server, line.tool, line.way, line.step, line.seconds, line.asked, file=sys.stderr)
    print(table(lines))


if __name__ == "__main__":
    main()
