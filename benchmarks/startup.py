"""What a process pays before it does anything: time, modules and memory of imports and of the command line.

Each case is a fresh interpreter. The cases take turns, so that whatever else the machine does hits all of them alike,
and what counts is the ratio to an interpreter that does nothing. Other packages stand beside ours for comparison. A
first sync in memory is there too: what is imported late is paid then.

Run it with ``python benchmarks/startup.py [--runs 21]``; it prints one JSON object per case.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from time import perf_counter

from attrs import asdict, define, field, frozen

BARE = "an interpreter that does nothing"

_COMMAND_LINE = "import sys; from calsync_core.cli import main; sys.argv = ['calsync', {words}]; sys.exit(main())"
_FIRST_SYNC = """
from datetime import UTC, datetime, timedelta
from calsync_core import Account, Password, SyncEngine
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
service = MemoryService()
provider = MemoryProvider(service)
engine = SyncEngine(store=MemoryStore(), providers={"memory": provider}, secret="sixteen letters or more")
for name in ("home", "work"):
    service.add_user(name, "secret")
    service.add_calendar(name, "Calendar", primary=True)
    account = engine.connect(Account(owner="ana", provider="memory", name=name), Password(name, "secret"))
    engine.enable(engine.discover(account.key)[0].key)
noon = datetime.now(UTC) + timedelta(days=1)
service.put("work/Calendar", service.event("review", noon, noon + timedelta(hours=1)))
assert engine.sync_all_calendars().busy_blocks_created == 1
"""

CASES: Mapping[str, str] = {
    BARE: "",
    "import calsync_core": "import calsync_core",
    "from calsync_core import SyncEngine": "from calsync_core import SyncEngine",
    "a first sync in memory": _FIRST_SYNC,
    "calsync --help": _COMMAND_LINE.format(words="'--help'"),
    "calsync sync --help": _COMMAND_LINE.format(words="'sync', '--help'"),
    "import attrs": "import attrs",
    "import click": "import click",
    "import httpx": "import httpx",
    "import sqlalchemy": "import sqlalchemy",
    "import structlog": "import structlog",
}

_TELL = """
import atexit, sys
def tell():
    modules = len(sys.modules)
    try:
        with open("/proc/self/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
    except OSError:
        peak = ""
    print(modules, peak, file=sys.stderr)
atexit.register(tell)
"""
"""Linux's own word: what ``getrusage`` says of a child is never less than its parent had."""


@frozen
class Line:
    """One case, beside an interpreter that does nothing.

    Attributes:
        case: What is run.
        runs: How often; the figures are their medians.
        seconds: Of processor time, which a machine that is busy with other things does not stretch.
        elapsed: Seconds by the clock.
        ratio: How many times the seconds of an interpreter that does nothing.
        modules: Loaded at the end.
        megabytes: Resident at the most. None where the system does not say.
    """

    case: str
    runs: int
    seconds: float
    elapsed: float
    ratio: float
    modules: int
    megabytes: float | None


@define
class _Runs:
    seconds: list[float] = field(factory=list)
    elapsed: list[float] = field(factory=list)

    def add(self, code: str) -> None:
        """Run it once more."""
        began = perf_counter()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        self.elapsed.append(perf_counter() - began)
        self.seconds.append(used.ru_utime + used.ru_stime)
        if status != 0:
            raise SystemExit(f"this failed, and its time means nothing: {code}")


def measure(runs: int) -> Iterator[Line]:
    """Run all cases in turn so many times."""
    found = {case: _Runs() for case in CASES}
    for _ in range(runs + 1):
        for case, code in CASES.items():
            found[case].add(code)
    # The first round may have compiled modules and filled the disk's cache.
    medians = {
        case: (statistics.median(each.seconds[1:]), statistics.median(each.elapsed[1:])) for case, each in found.items()
    }
    for case, (seconds, elapsed) in medians.items():
        modules, megabytes = _size(CASES[case])
        ratio = seconds / medians[BARE][0]
        yield Line(case, runs, round(seconds, 4), round(elapsed, 4), round(ratio, 2), modules, megabytes)


def _size(code: str) -> tuple[int, float | None]:
    told = subprocess.run([sys.executable, "-c", _TELL + code], capture_output=True, text=True, check=False).stderr
    last = told.strip().splitlines()[-1]
    modules, peak = re.match(r"\d+", last), re.search(r"(\d+) kB", last)
    if modules is None:
        raise SystemExit(f"this did not say what it loaded: {code}")
    return int(modules[0]), round(int(peak[1]) / 1024, 1) if peak else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    for line in measure(parser.parse_args().runs):
        print(json.dumps(asdict(line)), flush=True)


if __name__ == "__main__":
    main()
