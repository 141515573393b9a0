"""Limits: requests per minute, and the pause for a user who writes too much."""

from __future__ import annotations

import math
from collections import Counter, deque
from datetime import datetime, timedelta

from attrs import define, field

from calsync_core.testing.simulators.google.errors import ApiError, forbidden

__all__ = ["Quota"]

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)


@define
class Quota:
    """What one project may ask. Nothing is limited unless set; new projects really have 600 and 10,000.

    Attributes:
        per_user: Units per sliding minute and user; a ``quotaUser`` parameter stands for the user.
        per_project: Units per sliding minute over all users.
        status: How too many are answered: 403 or 429, both documented.
        retry_after: Seconds in a ``Retry-After`` header; None: no header. Whether Google sends one is unknown.
        writes_per_hour: More writes by a user than these, and the user is paused (the real trigger is unknown).
        pause: For how long: writes are refused with 403 ``quotaExceeded``, reads go on (reported).
        used: Units used so far, by user or ``quotaUser``; a PATCH counts 3, everything else 1.
        refused: Requests refused so far, by reason.
    """

    per_user: int | None = None
    per_project: int | None = None
    status: int = 403
    retry_after: float | None = None
    writes_per_hour: int | None = None
    pause: timedelta = timedelta(hours=6)
    used: Counter[str] = field(factory=Counter)
    refused: Counter[str] = field(factory=Counter)
    _paused: dict[str, datetime] = field(factory=dict)
    _minutes: dict[str, deque[datetime]] = field(factory=dict)
    _hours: dict[str, deque[datetime]] = field(factory=dict)

    def pause_user(self, user: str, until: datetime) -> None:
        """Pause a user's writes, as abuse protection does."""
        self._paused[user] = until

    def charge(self, user: str, quota_user: str | None, units: int, now: datetime, *, writes: bool) -> None:
        """Count one request.

        Raises:
            ApiError: 403 or 429, it is one too many; 403 ``quotaExceeded``, the user is paused.
        """
        who = quota_user or user
        self.used[who] += units
        if writes:
            self._charge_write(user, now)
        if self._spent(f"user {who}", self.per_user, units, now):
            raise self._too_many("userRateLimitExceeded", "User Rate Limit Exceeded")
        if self._spent("project", self.per_project, units, now):
            raise self._too_many("rateLimitExceeded", "Rate Limit Exceeded")

    def _spent(self, of: str, limit: int | None, units: int, now: datetime) -> bool:
        if limit is None:
            return False
        recent = _recent(self._minutes.setdefault(of, deque()), now - _MINUTE)
        if len(recent) + units > limit:
            return True
        recent.extend([now] * units)
        return False

    def _too_many(self, reason: str, message: str) -> ApiError:
        self.refused[reason] += 1
        headers = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        return ApiError(self.status, reason, message, domain="usageLimits", headers=headers)

    def _charge_write(self, user: str, now: datetime) -> None:
        if self.writes_per_hour is not None:
            recent = _recent(self._hours.setdefault(user, deque()), now - _HOUR)
            recent.append(now)
            if len(recent) > self.writes_per_hour and self._paused.get(user, now) <= now:
                self._paused[user] = now + self.pause
                recent.clear()
        if self._paused.get(user, now) > now:
            self.refused["quotaExceeded"] += 1
            raise forbidden("quotaExceeded", "Calendar usage limits exceeded.", "usageLimits")


def _recent(times: deque[datetime], since: datetime) -> deque[datetime]:
    while times and times[0] <= since:
        times.popleft()
    return times
