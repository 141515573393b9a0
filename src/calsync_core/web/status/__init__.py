"""The status page: who may see it, and what is on it, from the store alone."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError, InvalidValue
from calsync_core.models import SyncReport, Vitals
from calsync_core.web.drain import Drain
from calsync_core.web.messages import Received
from calsync_core.web.probes import Kept, drain_state, verdict
from calsync_core.web.status.figures import activity, lately, latency
from calsync_core.web.status.page import View, page
from calsync_core.web.status.style import POLICY

__all__ = ["HEADERS", "Admits", "StatusPage"]

Admits: TypeAlias = Callable[[Received], bool]

HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)

_CALENDARS = 50
"""On one page."""

_RUNS = 1_000
"""Looked at for the charts."""

_RUNS_SHOWN = 20


@frozen
class _Found:
    vitals: Vitals
    runs: list[SyncReport]


class StatusPage:
    """Whom it is shown, and what it shows. Thread-safe.

    What it costs the store does not depend on how many calendars there are.

    Args:
        engine: Whose installation.
        admits: Told the request; True lets it see the page. Anything else does not.
        names: Show what calendars and accounts are called: often somebody's address.
        drain: The thread of this process, if it is to have one.

    Raises:
        ConfigurationError: names the argument.
    """

    def __init__(self, engine: SyncEngine, admits: Admits, *, names: bool = False, drain: Drain | None = None) -> None:
        if not callable(admits) or inspect.iscoroutinefunction(admits):
            raise ConfigurationError("status: must be a plain function that is given the request and returns a bool")
        self._engine = engine
        self._admits = admits
        self._names = names
        self._drain = drain
        self._found = Kept(self._look, engine.clock)

    def admits(self, received: Received) -> bool:
        """Whether the host's check says so.

        Raises:
            Exception: whatever the check raises.
            InvalidValue: it returned something else than True or False.
        """
        answer: object = self._admits(received)
        if inspect.iscoroutine(answer):
            answer.close()
        if answer is not True and answer is not False:
            raise InvalidValue(f"status: must return True or False, got {type(answer).__name__}")
        return answer

    def render(self, received: Received) -> str:
        """The document.

        Raises:
            StoreError: the store can't be asked now.
        """
        found = self._found.get()
        pages = max(1, math.ceil(found.vitals.calendars / _CALENDARS))
        number = min(pages, _page_in(received))
        now = self._engine.clock.now()
        drain = drain_state(self._drain)
        recent = lately(found.runs, now)
        return page(
            View(
                now=now,
                verdict=verdict(found.vitals, now, drain),
                drain=drain,
                vitals=found.vitals,
                activity=activity(recent, now, whole=len(recent) < _RUNS),
                latency=latency(recent),
                calendars=self._engine.calendar_health(limit=_CALENDARS, offset=(number - 1) * _CALENDARS),
                number=number,
                pages=pages,
                runs=found.runs[:_RUNS_SHOWN],
                names=self._names,
            )
        )

    def _look(self) -> _Found:
        return _Found(self._engine.vitals(), self._engine.runs(limit=_RUNS))


def _page_in(received: Received) -> int:
    """Which page of calendars is asked for; the first one where that can't be read."""
    try:
        asked = received.query().get("page", "1")
    except InvalidValue:
        return 1
    return max(1, int(asked)) if asked.isascii() and asked.isdecimal() and len(asked) <= 9 else 1
