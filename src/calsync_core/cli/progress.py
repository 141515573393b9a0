"""Progress of long work: bars on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from calsync_core.log import Logger
from calsync_core.models import Progress as Step

__all__ = ["ProgressListener", "listening"]

_VERBS = {"read": "Reading", "plan": "Planning", "apply": "Writing"}

log = Logger("calsync_core.cli")


class ProgressListener(Protocol):
    """What the engine's ``on_progress`` calls; from any thread."""

    def __call__(self, step: Step) -> None:
        """Show how far this step on this subject is."""


class _Bars:
    """One bar per step and subject; a finished one is taken away."""

    def __init__(self, bars: Progress) -> None:
        self._bars, self._tasks, self._lock = bars, dict[tuple[str, str], TaskID](), threading.Lock()

    def __call__(self, step: Step) -> None:
        key = (step.step, step.subject)
        with self._lock:
            if step.finished:
                task = self._tasks.pop(key, None)
                if task is not None:
                    self._bars.remove_task(task)
                return
            if key not in self._tasks:
                label = f"{_VERBS.get(step.step, step.step)} {step.subject}"
                self._tasks[key] = self._bars.add_task(label, total=step.total)
            self._bars.update(self._tasks[key], completed=step.done, total=step.total)


def _log_step(step: Step) -> None:
    if step.finished:
        log.info("step_finished", step=step.step, subject=step.subject, done=step.done)


@contextmanager
def listening(console: Console) -> Iterator[ProgressListener]:
    """A listener for the length of a piece of work, fit for the stream it speaks to."""
    if not console.is_terminal:
        yield _log_step
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield _Bars(bars)
