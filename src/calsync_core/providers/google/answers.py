"""What Google's error answers mean, by status and reason (guide "Handle API errors"). Pure but for the clock."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

from calsync_core.errors import AuthExpired, NotFound, ProviderError, RateLimited, ReadOnly, Rejected, Unavailable
from calsync_core.protocols import Clock
from calsync_core.transport import Answer, Judge, seconds_asked

__all__ = ["ABUSE_PAUSE_SECONDS", "Refusal", "judge_with", "refusal_of"]

ABUSE_PAUSE_SECONDS = 4 * 3600.0
"""How long a person's calendars are left alone after ``quotaExceeded``: Google's protection against abuse makes them
read-only for hours, and trying again prolongs that."""

_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_ABUSE = frozenset({"quotaExceeded", "calendarUsageLimitsExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_NO_SCOPE = frozenset({"insufficientPermissions", "insufficientScope", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})


@frozen
class Refusal:
    """Status and reason of an answer that is no success; the message is never kept, it may quote a title.

    Attributes:
        reason: Empty if the answer does not say: then it is not Google's, but a proxy's or a wrong address's.
        wait: Seconds that it asks to wait.
    """

    status: int
    reason: str
    wait: float | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()

    @property
    def too_fast(self) -> bool:
        """Google asks to wait: 403 and 429 are both in use for it."""
        return self.status == 429 or (self.status == 403 and self.reason in _TOO_FAST | _ABUSE)

    @property
    def lacks_scope(self) -> bool:
        """The login was not granted what this takes."""
        return self.status == 403 and self.reason in _NO_SCOPE

    @property
    def gone(self) -> bool:
        """Google itself says that there is no such thing (404), or no longer (410)."""
        return self.status in {404, 410} and bool(self.reason)

    def as_error(self, *, reading: bool) -> ProviderError:
        """The error for a request that can't be done at all."""
        text = f"Google refused ({self})"
        if self.too_fast:
            wait = max(self.wait or 0.0, ABUSE_PAUSE_SECONDS) if self.reason in _ABUSE else self.wait
            return RateLimited(f"Google asks to wait ({self})", retry_after=wait)
        if self.status == 401:
            return AuthExpired(text)
        if self.gone:
            return NotFound(f"there is no such calendar, or this login may not see it ({self})")
        if self.status >= 500 or self.status < 400 or not self.reason:
            return Unavailable(f"Google failed ({self})")
        return self._forbidden(reading=reading) if self.status == 403 else Rejected(text)

    def _forbidden(self, *, reading: bool) -> ProviderError:
        if not reading:
            return ReadOnly(f"this login may not write to this calendar ({self})")
        if self.lacks_scope:
            return AuthExpired(f"the login lacks a permission it needs ({self}): connect again and grant it")
        return NotFound(f"this login may not read the calendar ({self})")


def refusal_of(answer: Answer, clock: Clock) -> Refusal:
    """What an answer that is no success says."""
    return Refusal(answer.status, _reason(answer.body), seconds_asked(answer, clock))


def _reason(body: bytes) -> str:
    try:
        error: Any = json.loads(body)["error"]
        reason: Any = error["errors"][0]["reason"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return reason if isinstance(reason, str) and len(reason) < 80 and _REASON.fullmatch(reason) else ""


def judge_with(clock: Clock) -> Judge:
    """What an answer means whatever was asked: too many requests, failures that pass, and a refused push address."""

    def judge(answer: Answer, reading: bool) -> None:  # noqa: FBT001  (as ``Judge`` has it)
        refusal = refusal_of(answer, clock)
        if not answer.ok and (refusal.too_fast or (reading and answer.status >= 500)):
            raise refusal.as_error(reading=reading)
        if answer.status == 401 and refusal.reason.startswith("push."):
            # The address is refused (push.webhookUrlUnauthorized), not the login.
            raise Rejected(f"Google refused the address to push to ({refusal})")

    return judge
