"""Workers stopped as ``kill -STOP`` stops them: with a request at a gate, or just before a call of the store."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from attrs import define

from calsync_core.testing.simulators.messages import Request
from gate import Stage
from town import PATIENCE, Town, Worker

__all__ = ["Stopped", "kinds_of_errors", "stopped_at_a_request", "stopped_before"]


@define
class Stopped:
    """A worker that does nothing, and perhaps its request at a gate."""

    town: Town
    worker: Worker
    held: threading.Event | None = None

    def let_the_request_through(self) -> None:
        """It gets to its service, if it had not, and is answered."""
        assert self.held is not None
        self.held.set()
        self.town.wait_until_quiet()

    def go_on(self) -> list[dict[str, Any]]:
        """``kill -CONT``; returns what it reports once it is done."""
        if self.held is not None:
            self.held.set()
        self.worker.signal(signal.SIGCONT)
        return self.worker.finish()


def stopped_at_a_request(town: Town, kind: str, stage: Stage, fits: Callable[[Request], bool], **order: Any) -> Stopped:
    """Fork a worker, hold a request of its at this gate, and stop it."""
    held = threading.Event()
    trap = town.set_trap(stage, lambda: held.wait(PATIENCE), kind=kind, fits=fits)
    worker = town.fork(**{"rounds": 1, "threads": 1, **order})
    assert trap.reached.wait(PATIENCE), "it never asked"
    worker.signal(signal.SIGSTOP)
    return Stopped(town, worker, held)


def stopped_before(town: Town, call: str, nth: int = 1, **order: Any) -> Stopped:
    """Fork a worker that is stopped just before it calls the store so."""
    worker = town.fork(**{"rounds": 1, "threads": 1, "stop_at": (f"before {call}", nth), **order})
    return Stopped(town, worker.wait(lambda worker: worker.stopped))


def kinds_of_errors(reports: list[dict[str, Any]]) -> set[str]:
    return {error["kind"] for report in reports for error in report["errors"]}
