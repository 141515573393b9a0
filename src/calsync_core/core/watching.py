"""How far each calendar's push can be relied on, and when to look at the calendar next.

A ``Watch`` is moved on by what happens: a push, a read, a write of ours, an attempt to subscribe. Nothing here asks
for anything; ``steps.watch`` and ``steps.subscriptions`` do, and save what comes of it.

Evidence, strongest first:

* a push, also the echo of a block that we wrote, proves that the channel lives, and clears every doubt and failure;
* a write of ours that no push follows, and a change that no push announced, raise a doubt. If still nothing comes for
  some minutes, the doubt is a failure: the subscription is replaced and polling takes over at the third in a row;
* silence with nothing to tell proves nothing. It costs one read per ``interval``, and the interval grows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import evolve, frozen

from calsync_core.core.evidence import (
    DOUBTS,
    FAILURES_UNTIL_SUSPENDED,
    announced,
    doubt,
    doubts_due,
    is_live,
    settled,
    state_of,
    unread,
)
from calsync_core.models import (
    CalendarId,
    NoticeKind,
    PushKind,
    PushState,
    ReadState,
    StoredSubscription,
    SyncPolicy,
    Watch,
)

__all__ = [
    "FAILURES_UNTIL_SUSPENDED",
    "Action",
    "Pace",
    "action",
    "announced",
    "doubt",
    "ended",
    "full_due",
    "has_cooled",
    "hastened",
    "newest",
    "noted",
    "notice_due",
    "received",
    "record_failure",
    "record_read",
    "record_subscribed",
    "record_unsupported",
    "record_write",
    "scheduled",
    "settled",
    "state_of",
    "unread",
]

FAILURES_UNTIL_NOTICE = 5

ECHO_DELAY = timedelta(seconds=10)
"""A push that comes right after our own write waits this long, so that all echoes of a batch cost one read."""

COOL_DOWN = timedelta(seconds=5)
"""Between two reads of a calendar that pushes ask for: a burst of pushes leads to two syncs at the most (I-27)."""

_ECHO_WINDOW = timedelta(minutes=2)
_ASK_UNSUPPORTED_AGAIN = timedelta(days=30)
_ROTATE_AFTER = timedelta(days=30)
_REAUTHORIZE_PAUSE = timedelta(minutes=10)
"""Graph asks for it again and again; renewing and reauthorising must never meet within ten minutes."""
_FORGIVEN_AFTER = timedelta(days=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_FIRST_PROBE, _LONGEST_PROBE = timedelta(hours=6), timedelta(hours=24)
_SHORTEST_POLL = 60.0
_FULL_STRETCH = 7
_NEVER = datetime.max.replace(tzinfo=UTC)


class Action(StrEnum):
    """What a calendar's subscription needs now."""

    KEEP = "keep"
    CREATE = "create"
    """A new one; whatever there was is ended after it, so that nothing is missed in between."""
    RENEW = "renew"
    REST = "rest"
    """Suspended: end what there is; the probe is not due."""


@frozen
class Pace:
    """How often calendars are read without a push.

    Attributes:
        polling: Seconds, at the most, without healthy push.
        silence: Seconds after which a silent channel is not simply believed; up to four times that once it has proved
            itself.
    """

    polling: float
    silence: float

    @classmethod
    def of(cls, policy: SyncPolicy) -> Pace:
        """As the policy says."""
        return cls(policy.polling_seconds, policy.silence_hours * 3600)

    def limits(self, state: PushState) -> tuple[float, float]:
        """Shortest and longest interval, in seconds."""
        if state is PushState.ACTIVE:
            return self.silence, 4 * self.silence
        return self.hurried, self.polling

    @property
    def hurried(self) -> float:
        """Seconds between reads of a calendar that changes and does not push, or whose push is in doubt."""
        return max(_SHORTEST_POLL, self.polling / 12)


# -- what happened -------------------------------------------------------------------------------------------------


def record_read(
    watch: Watch, calendar_id: CalendarId, now: datetime, *, found: bool, by_push: bool, pace: Pace
) -> Watch:
    """The calendar was read completely, and events of its own had changed (``found``) or not."""
    # What the first read finds has been there before anybody could have announced it.
    untold = found and watch.read_at is not None and not (by_push or announced(watch))
    watch = settled(watch)
    if untold and is_live(watch, now):
        watch = evolve(watch, doubted_at=watch.doubted_at or now)
    if not found:
        watch = _forgiven(watch, now)
    state = state_of(watch, now)
    low, high = pace.limits(state)
    interval = watch.interval
    if untold:
        interval, low = pace.hurried, pace.hurried
    elif state is PushState.ACTIVE:
        # A push that told of a change, and a silence with nothing to tell, both agree with a healthy channel.
        interval = 2 * interval if found or not by_push else interval
    else:
        interval = low if found else 2 * interval
    interval = min(max(interval, low), high)
    pause = timedelta(seconds=interval * (1 - 0.1 * _dice(calendar_id, now)))
    return evolve(watch, read_at=now, interval=interval, due_at=now + pause)


def _forgiven(watch: Watch, now: datetime) -> Watch:
    """A quiet day agrees with a silent channel: what was held against it weighs less, or polling would never end."""
    doubted = watch.failures and watch.last_error in DOUBTS
    if not doubted or watch.failed_at is None or not is_live(watch, now) or now < watch.failed_at + _FORGIVEN_AFTER:
        return watch
    return evolve(watch, failures=watch.failures - 1, failed_at=now)


def record_write(watch: Watch, since: datetime, now: datetime) -> Watch:
    """Blocks were written to the calendar, the first one not before ``since``: an echo should follow."""
    waiting = watch.unechoed_since or (since if is_live(watch, now) else None)
    return settled(evolve(watch, written_at=now, unechoed_since=waiting))


def record_subscribed(watch: Watch, expires_at: datetime, now: datetime) -> Watch:
    """A subscription was made or prolonged. Failures to do so are over; that no push came is not disproved."""
    watch = evolve(
        watch, subscribed_at=now, expires_at=expires_at, unsupported_at=None, doubted_at=None, unechoed_since=None
    )
    if watch.last_error in DOUBTS:
        return watch
    return evolve(watch, failures=0, failed_at=None, last_error=None)


def record_failure(watch: Watch, error: str, now: datetime) -> Watch:
    """An attempt to subscribe or renew failed, or a doubt was confirmed."""
    watch = settled(watch)
    return evolve(
        watch,
        failures=watch.failures + 1,
        failed_at=now,
        last_error=error,
        doubted_at=None,
        unechoed_since=None,
    )


def record_unsupported(watch: Watch, now: datetime) -> Watch:
    """The provider says that this calendar can't push (I-30)."""
    return evolve(ended(watch), unsupported_at=now, failures=0, failed_at=None, last_error=None)


def ended(watch: Watch) -> Watch:
    """There is no subscription any more."""
    return evolve(watch, subscribed_at=None, expires_at=None, doubted_at=None, unechoed_since=None)


# -- what to do ----------------------------------------------------------------------------------------------------


def action(
    watch: Watch,
    current: StoredSubscription | None,
    url: str,
    now: datetime,
    *,
    at_once: bool = False,
    renew: bool = False,
    replace: bool = False,
) -> Action:
    """What the subscription needs.

    Args:
        watch: Settled; a confirmed doubt is recorded in it already.
        current: The newest confirmed one that has not ended.
        url: Where pushes should go to.
        now: Now.
        at_once: Don't wait for the next attempt, probe or question.
        renew: Its provider asked for it to be renewed.
        replace: It is not trusted any more, or its secret is to change.
    """
    if replace:
        return Action.CREATE
    if watch.unsupported_at is not None and not at_once and now < watch.unsupported_at + _ASK_UNSUPPORTED_AGAIN:
        return Action.KEEP
    waits = not at_once and watch.failed_at is not None and now < watch.failed_at + _pause(watch.failures)
    if waits and watch.failures >= FAILURES_UNTIL_SUSPENDED:
        # One that only can't be renewed still pushes until it ends.
        return Action.KEEP if watch.last_error not in DOUBTS and is_live(watch, now) else Action.REST
    if current is None or not is_live(watch, now) or current.url != url:
        return Action.KEEP if waits else Action.CREATE
    if now >= current.created_at + _ROTATE_AFTER and now >= _renewal(watch):
        return Action.KEEP if waits else Action.CREATE
    asked = renew and (current.renewed_at is None or now >= current.renewed_at + _REAUTHORIZE_PAUSE)
    return Action.RENEW if asked or (now >= _renewal(watch) and not waits) else Action.KEEP


def scheduled(watch: Watch, calendar_id: CalendarId, now: datetime, *, possible: bool) -> Watch:
    """The watch with the instant from which its subscription is to be looked after.

    Args:
        watch: As it is now.
        calendar_id: Whose; spreads renewals.
        now: Now.
        possible: The calendar is on, there is an address to push to, and the provider can push. If not, the instant
            stays: what there is may have to be ended.
    """
    watch = settled(watch)
    if not possible:
        return watch
    again = None if watch.failed_at is None else watch.failed_at + _pause(watch.failures)
    if watch.unsupported_at is not None:
        ask = watch.unsupported_at + _ASK_UNSUPPORTED_AGAIN
        return evolve(watch, check_at=ask if again is None else max(ask, again))
    if not is_live(watch, now):
        return evolve(watch, check_at=again or now)
    spread = timedelta(hours=1) * _dice(calendar_id, watch.expires_at or now)
    renewal = _renewal(watch) + min(spread, _quarter(watch) / 2)
    renewal = max(renewal, again) if again is not None else renewal
    return evolve(watch, check_at=min([renewal, *doubts_due(watch)]))


def _quarter(watch: Watch) -> timedelta:
    if watch.expires_at is None or watch.subscribed_at is None:
        return timedelta()
    return (watch.expires_at - watch.subscribed_at) / 4


def _renewal(watch: Watch) -> datetime:
    """When a quarter of its life is left: enough for a day's outage where a subscription lasts a week."""
    return (watch.expires_at or _NEVER) - _quarter(watch)


def _pause(failures: int) -> timedelta:
    """Until the next attempt."""
    if failures < FAILURES_UNTIL_SUSPENDED:
        return min(_FIRST_PAUSE * (1 << max(0, failures - 1)), _LONGEST_PAUSE)
    return min(_FIRST_PROBE * (1 << min(failures - FAILURES_UNTIL_SUSPENDED, 8)), _LONGEST_PROBE)


def full_due(watch: Watch, state: ReadState, policy: SyncPolicy, calendar_id: CalendarId, now: datetime) -> datetime:
    """From when a read should be a full one: a safety net, rarer where push and cursor have proved themselves."""
    if state.full_at is None:
        return now
    stretch = _FULL_STRETCH if state_of(watch, now) is PushState.ACTIVE else 1
    hours = policy.full_hours * stretch
    # Calendars that were connected together are not all re-read together. A single day is kept as it was asked for.
    early = 0.15 * _dice(calendar_id, state.full_at) if stretch > 1 else 0.0
    return state.full_at + timedelta(hours=hours * (1 - early))


def hastened(watch: Watch, calendar_id: CalendarId, now: datetime, pace: Pace) -> Watch:
    """The watch once push can't be relied on any more: a timer that was set while it could runs too long now."""
    _, high = pace.limits(state_of(watch, now))
    if watch.interval <= high:
        return watch
    latest = (watch.read_at or now) + timedelta(seconds=high * (1 - 0.1 * _dice(calendar_id, now)))
    due_at = max(latest, now)
    return evolve(watch, interval=high, due_at=due_at if watch.due_at is None else min(watch.due_at, due_at))


def received(watch: Watch | None, kind: PushKind, now: datetime) -> datetime:
    """When a push that just came is due."""
    if watch is None or kind is not PushKind.CHANGED or watch.written_at is None or not unread(watch):
        return now
    return now + ECHO_DELAY if now - watch.written_at < _ECHO_WINDOW else now


def has_cooled(watch: Watch | None, now: datetime) -> bool:
    """Whether the last read is long enough ago for pushes to have the calendar read again."""
    # A read in the future is one by a clock that was set back since.
    return watch is None or watch.read_at is None or not watch.read_at <= now < watch.read_at + COOL_DOWN


# -- what to say ---------------------------------------------------------------------------------------------------

_TOLD = {
    PushState.FAILING: NoticeKind.PUSH_DEGRADED,
    PushState.SUSPENDED: NoticeKind.PUSH_SUSPENDED,
    PushState.ACTIVE: NoticeKind.PUSH_RECOVERED,
}
_TROUBLE = {PushState.FAILING, PushState.SUSPENDED}


def notice_due(watch: Watch, now: datetime) -> NoticeKind | None:
    """What the host should be told of, once: trouble that lasts, that it grew, and its end."""
    state = state_of(watch, now)
    if state is watch.told or state not in _TOLD:
        return None
    if state is PushState.FAILING and (watch.failures < FAILURES_UNTIL_NOTICE or watch.told in _TROUBLE):
        return None
    if state is PushState.ACTIVE and watch.told not in _TROUBLE:
        return None
    return _TOLD[state]


def noted(watch: Watch, now: datetime) -> Watch:
    """The watch once the host was told."""
    return evolve(watch, told=state_of(watch, now))


def _dice(calendar_id: CalendarId, at: datetime) -> float:
    """From 0 to 1, the same for the same calendar and instant: spreads what would otherwise come all at once."""
    return zlib.crc32(f"{calendar_id}/{at.timestamp():.0f}".encode()) / 0xFFFFFFFF


def newest(subscriptions: Iterable[StoredSubscription], now: datetime) -> StoredSubscription | None:
    """The confirmed subscription that lives longest; None: there is none that has not ended."""
    live = [each for each in subscriptions if each.confirmed and each.expires_at > now]
    return max(live, key=lambda each: (each.created_at, each.id or 0), default=None)
