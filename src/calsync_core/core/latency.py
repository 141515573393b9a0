"""How long it takes from a push to the last block written because of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from calsync_core.models import SyncReport

__all__ = ["quantiles", "waits"]


def waits(runs: Iterable[SyncReport]) -> list[float]:
    """Seconds from the push that woke a run to its end, ascending; of runs that wrote something."""
    return sorted(
        (run.finished_at - run.notified_at).total_seconds()
        for run in runs
        if run.notified_at is not None and run.finished_at is not None and run.writes
    )


def quantiles(waited: Sequence[float]) -> dict[str, float]:
    """``p50``, ``p95`` and ``p99`` of ascending numbers; empty without any."""
    if not waited:
        return {}
    return {f"p{share}": waited[math.ceil(len(waited) * share / 100) - 1] for share in (50, 95, 99)}
