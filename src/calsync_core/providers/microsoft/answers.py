"""What Graph's error answers mean, by status and code. Pure but for the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from calsync_core.errors import AuthExpired, NotFound, ProviderError, RateLimited, ReadOnly, Rejected, Unavailable
from calsync_core.protocols import Clock
from calsync_core.transport import Answer, Judge, seconds_asked

__all__ = ["Refusal", "judge_with", "refusal_of"]

_CURSOR_LOST = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "syncstateexpired"})
_NO_MAILBOX = frozenset({"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi"})
_DUPLICATE = "errorduplicatetransactionid"
_UNDELETABLE = "errorcannotdeleteobject"


@frozen
class Refusal:
    """Status and codes of an answer that is no success; the message is never kept, it may quote a title.

    Attributes:
        codes: Lower case, the most general first; empty if the answer is not Graph's.
        wait: Seconds that it asks to wait.
    """

    status: int
    codes: tuple[str, ...] = ()
    wait: float | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.codes[-1] if self.codes else ''}".strip()

    @property
    def too_fast(self) -> bool:
        """429, or 503 with a time to wait: both are throttling, of this mailbox alone."""
        return self.status == 429 or (self.status == 503 and self.wait is not None)

    @property
    def gone(self) -> bool:
        """Graph itself says that there is no such thing."""
        return self.status in {404, 410} and bool(self.codes)

    @property
    def cursor_lost(self) -> bool:
        """On a link of a delta round: it is no longer valid ("40X-series errors with codes such as syncStateNotFound").

        400 with whatever code: nothing else is asked for than what the link says.
        """
        return self.status in {400, 410} or (self.status == 404 and bool(_CURSOR_LOST & set(self.codes)))

    @property
    def duplicate(self) -> bool:
        """The transaction id was used before; seen with 400 and 409."""
        return self.status in {400, 409} and _DUPLICATE in self.codes

    @property
    def undeletable(self) -> bool:
        """How a second delete of the same immutable id is answered at times."""
        return self.status == 403 and _UNDELETABLE in self.codes

    def as_error(self, *, reading: bool) -> ProviderError:
        """The error for a request that can't be done at all."""
        text = f"Graph refused ({self})"
        if self.too_fast:
            return RateLimited(f"Graph asks to wait ({self})", retry_after=self.wait)
        if self.status == 401:
            return AuthExpired(text)
        if set(self.codes) & _NO_MAILBOX:
            return Rejected(f"this login has no mailbox with a calendar ({self})")
        if self.gone or (self.status == 403 and self.codes and reading):
            return NotFound(f"there is no such calendar, or this login may not see it ({self})")
        if self.status >= 500 or self.status < 400 or not self.codes:
            return Unavailable(f"Graph failed ({self})", retry_after=self.wait)
        return ReadOnly(text) if self.status == 403 else Rejected(text)


def refusal_of(answer: Answer, clock: Clock) -> Refusal:
    """What an answer that is no success says."""
    return Refusal(answer.status, tuple(_codes(answer.body)), seconds_asked(answer, clock))


def _codes(body: bytes) -> list[str]:
    """``error.code`` and those of its inner errors, however deep; the key is spelled in two ways."""
    try:
        error: Any = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return []
    found = []
    for _ in range(5):
        if not isinstance(error, Mapping):
            break
        code = error.get("code")
        if isinstance(code, str) and code.replace(".", "_").isidentifier() and len(code) < 80:
            found.append(code.lower())
        error = error.get("innerError") or error.get("innererror")
    return found


def judge_with(clock: Clock) -> Judge:
    """What an answer means whatever was asked: throttling, and failures that pass."""

    def judge(answer: Answer, reading: bool) -> None:  # noqa: FBT001  (as ``Judge`` has it)
        refusal = refusal_of(answer, clock)
        if not answer.ok and (refusal.too_fast or (reading and answer.status >= 500)):
            raise refusal.as_error(reading=reading)

    return judge
