"""Whose calendars are audited today."""

from __future__ import annotations

import hashlib

import structlog

from calsync_core.engine import SyncEngine

__all__ = ["Audits"]

log = structlog.get_logger("calsync_core")


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
        self._waiting = [each for each in owners if each in self._waiting or _slot(each, self._days) in slots]
        self._through = today
        failed: Exception | None = None
        for owner in tuple(self._waiting):
            if self._ending:
                return
            try:
                self._audit(owner)
            except Exception as error:  # noqa: BLE001  (one owner's trouble is no other's)
                log.warning("audit_not_done", owner=owner, kind=type(error).__name__)
                failed = error
            else:
                self._waiting.remove(owner)
        if failed is not None:
            raise failed

    def _audit(self, owner: str) -> None:
        found = self._engine.audit(owner, repair=True)
        log.info(
            "audit_finished",
            owner=owner,
            ok=found.ok,
            checked=found.checked,
            missing=found.missing,
            extra=found.extra,
            wrong=found.wrong,
            repaired=found.repaired,
            errors=len(found.errors),
        )
        if not found.ok:
            self._engine.sync_all_calendars(owner)


def _slot(owner: str, days: int) -> int:
    return int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big") % days
