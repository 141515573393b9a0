"""Scratch calendars: made, found again by their names, and always removed."""

from __future__ import annotations

import re
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from calsync_core.models import Calendar
from calsync_core.protocols import Clock
from live.service import LiveService

__all__ = ["PREFIX", "Scratch"]

PREFIX = "calsync-live-"
"""What every scratch calendar's name begins with. Whatever is called so is deleted, sooner or later."""

_NAME = re.compile(rf"{PREFIX}(\d{{8}}T\d{{6}})Z-[0-9a-f]+-\d+")
_LEFT_OVER = timedelta(hours=2)
"""Older than any run lasts."""


class Scratch:
    """The scratch calendars of one run on one service."""

    def __init__(self, service: LiveService, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._run = f"{PREFIX}{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}-"
        self.made = 0
        self.swept = 0

    def new(self) -> Calendar:
        """A new, empty calendar."""
        self.made += 1
        name = f"{self._run}{self.made}"
        return Calendar(1, "live", self._service.make_calendar(name), name, timezone="UTC", id=self.made)

    def sweep(self) -> None:
        """Remove what runs that were killed have left behind."""
        for calendar_id, name in self._service.list_calendars():
            made = _NAME.fullmatch(name)
            if made and self._clock.now() - _stamp(made[1]) > _LEFT_OVER:
                self._service.drop_calendar(calendar_id)
                self.swept += 1

    def remove_all(self) -> None:
        """Remove this run's calendars, also one whose making was never answered. Another Ctrl-C does not stop it."""
        with _undisturbed():
            for calendar_id, name in list(self._service.list_calendars()):
                if name.startswith(self._run):
                    self._service.drop_calendar(calendar_id)


def _stamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


@contextmanager
def _undisturbed() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
