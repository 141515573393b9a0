"""Worker processes as their parent knows them: what they say, and the signals that they get."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from attrs import asdict, define, field

from sync_process import Order

__all__ = ["PATIENCE", "Worker", "Zygote"]

PATIENCE = 120.0
"""Real seconds that anything here may take at the most."""


@define(eq=False)
class Worker:
    """A worker process, as its parent knows it.

    Attributes:
        at: For each of its threads, the boundary of a store call that it crossed last.
        crossed: How many boundaries it has crossed.
        rounds: What it reported.
        on_crossing: Called at each crossing, in the thread that hears of it.
    """

    number: int
    pid: int = 0
    at: dict[str, str] = field(factory=dict)
    crossed: int = 0
    rounds: list[dict[str, Any]] = field(factory=list)
    on_crossing: Callable[[], None] | None = None
    stopped: bool = False
    done: bool = False
    heard: threading.Condition = field(factory=threading.Condition)

    def hear(self, words: str) -> None:
        """Take in one line of what it says."""
        kind, _, rest = words.partition(" ")
        with self.heard:
            if kind == "ready":
                self.pid = int(rest)
            elif kind == "at":
                thread, _, where = rest.partition(" ")
                self.at[thread] = where
                self.crossed += 1
            elif kind == "round":
                self.rounds.append(json.loads(rest))
            elif kind == "stops":
                self.stopped = True
            else:
                self.done = True
            self.heard.notify_all()
        if kind == "at" and self.on_crossing is not None:
            self.on_crossing()

    def wait(self, until: Callable[[Worker], object]) -> Self:
        """Wait until it has said what makes this true."""
        with self.heard:
            deadline = time.monotonic() + PATIENCE
            while not until(self):
                # Not everything that is waited for is said by the worker: look again now and then.
                self.heard.wait(0.02)
                assert time.monotonic() < deadline, f"worker {self.number}: {self.at}"
        return self

    def finish(self) -> list[dict[str, Any]]:
        """Wait until it has done all its rounds; returns their reports."""
        return self.wait(lambda worker: worker.done).rounds

    def signal(self, number: signal.Signals) -> None:
        """Send it one."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """``kill -9``, and it is gone when this returns."""
        deadline = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < deadline:
                os.kill(self.pid, signal.SIGKILL)
                time.sleep(0.001)
        except ProcessLookupError:
            return
        raise AssertionError(f"worker {self.number} does not die")


class Zygote:
    """Forks workers, and hears what they say."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("sync_process.py")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error::DeprecationWarning", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._workers: dict[int, Worker] = {}
        self._ears = threading.Thread(target=self._listen, daemon=True)
        self._ears.start()

    def fork(self, **order: Any) -> Worker:
        """A new worker, at work."""
        number = len(self._workers) + 1
        worker = self._workers[number] = Worker(number)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(Order(number, **order))) + "\n")
        self._process.stdin.flush()
        return worker

    def close(self) -> None:
        """End it, and whoever still works."""
        for worker in self._workers.values():
            if worker.pid and not worker.done:
                worker.kill()
        self._process.communicate()
        self._ears.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, _, words = line.rstrip("\n").partition(" ")
            self._workers[int(number)].hear(words)
