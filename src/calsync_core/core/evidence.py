"""What is known of a calendar's push: how far it can be relied on, what speaks against it. See ``core.watching``."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import evolve

from calsync_core.models import PushState, Watch

__all__ = [
    "DOUBTS",
    "FAILURES_UNTIL_SUSPENDED",
    "announced",
    "doubt",
    "doubts_due",
    "is_live",
    "settled",
    "state_of",
    "unread",
]

FAILURES_UNTIL_POLLING = 3
FAILURES_UNTIL_SUSPENDED = 10

UNANNOUNCED, SILENT = "Unannounced", "Silent"
DOUBTS = frozenset({UNANNOUNCED, SILENT})
_CLOCKS_APART = timedelta(seconds=5)
"""Who receives a push and who writes may be two machines."""

_DOUBT_AFTER = timedelta(minutes=5)
"""How long a push may be late: Graph says at most three minutes for calendars."""
_ECHO_MISSED_AFTER = timedelta(minutes=10)


def settled(watch: Watch) -> Watch:
    """The watch once its latest push has been taken into account."""
    pushed = watch.pushed_at
    if pushed is None:
        return watch
    # That a subscription can't be renewed is disproved by no push: it lives, and will end.
    if watch.last_error in DOUBTS and watch.failed_at is not None and pushed > watch.failed_at:
        watch = evolve(watch, failures=0, failed_at=None, last_error=None)
    if watch.doubted_at is not None and pushed >= watch.doubted_at - _CLOCKS_APART:
        watch = evolve(watch, doubted_at=None)
    if watch.unechoed_since is not None and pushed >= watch.unechoed_since - _CLOCKS_APART:
        watch = evolve(watch, unechoed_since=None)
    return watch


def state_of(watch: Watch, now: datetime) -> PushState:
    """How far push can be relied on now."""
    watch = settled(watch)
    if watch.unsupported_at is not None:
        return PushState.UNSUPPORTED
    if watch.failures >= FAILURES_UNTIL_SUSPENDED:
        return PushState.SUSPENDED
    live = is_live(watch, now)
    if watch.failures >= FAILURES_UNTIL_POLLING or (watch.failures and not live):
        return PushState.FAILING
    return PushState.ACTIVE if live else PushState.NONE


def doubt(watch: Watch, now: datetime) -> str | None:
    """The doubt that nothing has cleared in time, by name; None: there is none."""
    watch = settled(watch)
    if not is_live(watch, now):
        return None
    if watch.doubted_at is not None and now >= watch.doubted_at + _DOUBT_AFTER:
        return UNANNOUNCED
    if watch.unechoed_since is not None and now >= watch.unechoed_since + _ECHO_MISSED_AFTER:
        return SILENT
    return None


def doubts_due(watch: Watch) -> list[datetime]:
    """When its doubts are failures, unless a push clears them before."""
    due = []
    if watch.doubted_at is not None:
        due.append(watch.doubted_at + _DOUBT_AFTER)
    if watch.unechoed_since is not None:
        due.append(watch.unechoed_since + _ECHO_MISSED_AFTER)
    return due


def announced(watch: Watch) -> bool:
    """Whether a push has come since the last read: what a read finds now was told of."""
    return watch.pushed_at is not None and (watch.read_at is None or watch.pushed_at >= watch.read_at)


def unread(watch: Watch) -> bool:
    """Whether we wrote to the calendar after it was last read: pushes may be mere echoes."""
    return watch.written_at is not None and (watch.read_at is None or watch.written_at >= watch.read_at)


def is_live(watch: Watch, now: datetime) -> bool:
    """Whether it has a subscription that has not ended."""
    return watch.expires_at is not None and watch.expires_at > now
