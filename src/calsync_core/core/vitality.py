"""Is an installation well? Judged from its vitals alone, the same for a probe as for the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from calsync_core.models import PushState, Vitals

__all__ = ["LATE", "STUCK", "Vitality", "judge"]

LATE = timedelta(minutes=2)
"""A notification that is due for longer than this is no longer done "within seconds"."""

STUCK = timedelta(minutes=15)
"""One that is due for longer than this: nobody works the inbox off. What failed is due again only later."""

_TROUBLED = (PushState.FAILING, PushState.SUSPENDED)


class Vitality(StrEnum):
    """How an installation is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It works, but slower or not for everyone: polling stands in for push, or calendars fail."""
    UNHEALTHY = "unhealthy"
    """What comes in is not worked off: somebody must look."""


def judge(vitals: Vitals, now: datetime) -> Vitality:
    """How an installation with these vitals is."""
    waited = timedelta() if vitals.backlog_since is None else now - vitals.backlog_since
    if waited > STUCK:
        return Vitality.UNHEALTHY
    troubled = sum(vitals.push.get(state, 0) for state in _TROUBLED)
    if vitals.failing or troubled or waited > LATE:
        return Vitality.DEGRADED
    return Vitality.HEALTHY
