"""Servers that don't answer, and who still asks them."""

from __future__ import annotations

import threading

from calsync_core.models import Account

__all__ = ["Silences"]

_MOST_SILENCES = 3
_PROBE_SILENCE_SECONDS = 60.0


class Silences:
    """Servers that did not answer, over all runs of this process: while one is silent, one account at a time finds out
    whether it still is, and nobody else waits for it (I-37). Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str | None], int] = {}
        self._probe_at: dict[tuple[str, str | None], float] = {}

    def note(self, account: Account, now: float) -> None:
        """It did not answer in time."""
        whose = (account.provider, account.base_url)
        with self._lock:
            self._counts[whose] = self._counts.get(whose, 0) + 1
            self._probe_at[whose] = now + _PROBE_SILENCE_SECONDS

    def clear(self, account: Account) -> None:
        """It answered."""
        with self._lock:
            self._counts.pop((account.provider, account.base_url), None)

    def spares(self, account: Account, now: float) -> bool:
        """Whether the account need not ask now."""
        whose = (account.provider, account.base_url)
        with self._lock:
            if self._counts.get(whose, 0) < _MOST_SILENCES:
                return False
            if now >= self._probe_at[whose]:
                self._probe_at[whose] = now + _PROBE_SILENCE_SECONDS
                return False
            return True
