"""The one retry policy: short waits are served inside the call, long ones are handed to the caller.

Every provider sends its requests through ``call``. What a provider says about waiting travels in ``retry_after`` of
the errors (``calsync_core.errors``), so nothing here knows any provider.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity
from attrs import field, frozen

from calsync_core.errors import ProviderError, RateLimited, Unavailable
from calsync_core.protocols import Clock

__all__ = ["LONGEST_WAIT", "RetryPolicy", "call"]

T = TypeVar("T")

LONGEST_WAIT = 10.0
"""Seconds. A provider that asks for more is not waited for inside a call: the error goes to the caller at once."""


@frozen
class RetryPolicy:
    """How often, how long and after what (I-34).

    Attributes:
        errors: What is worth another attempt. Anything else is permanent and raised at once.
        unless: Kinds of those that another attempt won't mend.
        attempts: Requests at the most, the first included.
        longest_wait: Seconds; a longer ``retry_after`` ends the retrying.
        budget: Seconds on the clock after which no further attempt begins.
        first_wait: Seconds; the ceiling of the first wait, doubled each time, where nobody said how long.
    """

    errors: tuple[type[ProviderError], ...] = (RateLimited, Unavailable)
    unless: tuple[type[ProviderError], ...] = ()
    attempts: int = 3
    longest_wait: float = LONGEST_WAIT
    budget: float = 60.0
    first_wait: float = 0.5
    _jitter: tenacity.wait.wait_base = field(factory=lambda: tenacity.wait_random(0, 0.5), repr=False, eq=False)

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next attempt: what the provider asked for and a little more, or full jitter."""
        asked = _asked(state)
        if asked is not None:
            return asked + self._jitter(state)
        return tenacity.wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)(state)

    def again(self, state: tenacity.RetryCallState) -> bool:
        """Whether another attempt makes sense."""
        failure = state.outcome.exception() if state.outcome else None
        if not isinstance(failure, self.errors) or isinstance(failure, self.unless):
            return False
        asked = _asked(state)
        return asked is None or asked <= self.longest_wait


def _asked(state: tenacity.RetryCallState) -> float | None:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, ProviderError) and failure.retry_after is not None:
        return max(0.0, failure.retry_after)
    return None


def call(request: Callable[[], T], clock: Clock, policy: RetryPolicy | None = None, *, ends: float | None = None) -> T:
    """Run a request, and again if that may help.

    Args:
        request: Sends one request and translates its failure.
        clock: Sleeps between attempts.
        policy: None: the defaults of ``RetryPolicy``.
        ends: On the clock's ``monotonic``: an attempt that would begin later is not waited for. None: the policy's
            budget alone.

    Raises:
        ProviderError: the last attempt's error, unchanged.
    """
    policy = policy or RetryPolicy()
    began = clock.monotonic()
    stop = tenacity.stop_after_attempt(policy.attempts)

    def enough(state: tenacity.RetryCallState) -> bool:
        now = clock.monotonic()
        too_late = ends is not None and now + state.upcoming_sleep >= ends
        return stop(state) or too_late or now - began >= policy.budget

    retrying = tenacity.Retrying(sleep=clock.sleep, stop=enough, wait=policy.wait, retry=policy.again, reraise=True)
    return retrying(request)
