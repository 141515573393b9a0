"""Whose calendars are audited today."""

from __future__ import annotations

import hashlib

from calsync_core.engine import SyncEngine
from calsync_core.log import Logger
from calsync_core.scheduler.work import audit_owner

__all__ = ["Audits", "turn"]

log = Logger("calsync_core")


class Audits:
    """Which owners are to be audited: each on its own day of the round, by a hash that every process agrees on."""

    def __init__(self, engine: SyncEngine, days: int) -> None:
        self._engine = engine
        self._days = days
        self._through: int | None = None
        self._waiting: list[str] = []
        self._ending = False

    def end(self) -> None:
        """Begin no further audit."""
        self._ending = True

    def run(self) -> None:
        """Audit everybody whose day came since the last run, and those whose audit could not be done then.

        Raises:
            Exception: the last of what audits raised, after all others were done.
        """
        owners = self._engine.owners()
        today = self._engine.clock.now().toordinal()
        begun = today - 1 if self._through is None else max(self._through, today - self._days)
        slots = {day % self._days for day in range(begun + 1, today + 1)}
        self._waiting = [each for each in owners if each in self._waiting or turn(each, self._days) in slots]
        self._through = today
        failed: Exception | None = None
        for owner in tuple(self._waiting):
            if self._ending:
                return
            try:
                audit_owner(self._engine, owner)
            except Exception as error:  # noqa: BLE001  (one owner's trouble is no other's)
                log.warning("audit_not_done", owner=owner, kind=type(error).__name__)
                failed = error
            else:
                self._waiting.remove(owner)
        if failed is not None:
            raise failed


def turn(owner: str, count: int) -> int:
    """Which of so many turns of the round is this owner's; every process agrees."""
    return int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big") % count
