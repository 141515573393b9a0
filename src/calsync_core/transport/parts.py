"""Batches: parts that the server put off are sent again, and each part has an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from calsync_core import retry
from calsync_core.errors import ProviderError, RateLimited
from calsync_core.models import Intent, Outcome
from calsync_core.protocols import Session
from calsync_core.transport.link import Answer

__all__ = ["send_parts", "tell_outcomes"]

_Call = TypeVar("_Call")
_Send: TypeAlias = Callable[[Sequence[_Call]], Sequence[Answer | None]]


class _PutOff(RateLimited):
    """Some parts were throttled while the batch as a whole succeeded."""


def send_parts(
    calls: Sequence[_Call], send: _Send[_Call], session: Session, limit: Callable[[Answer], RateLimited | None]
) -> list[Answer | None]:
    """Send calls as one batch, and those parts again that were throttled for a short time or met an ended token.

    Args:
        calls: The parts.
        send: Sends a batch of some of them; the answers in their order, None where there is none.
        session: Whose credential and clock.
        limit: The error that an answer means if it is one that asks to wait.

    Returns:
        In the calls' order, the last answer to each. None: nobody knows what became of it.

    Raises:
        ProviderError: the first batch failed as a whole.
    """
    answers: list[Answer | None] = [None] * len(calls)
    left = list(range(len(calls)))
    answered = False

    def send_left() -> None:
        nonlocal left, answered
        for place, answer in zip(left, send([calls[place] for place in left]), strict=True):
            answers[place] = answer
        answered = True
        limits = {place: error for place in left if (error := _limit(answers[place], limit)) is not None}
        left = list(limits)
        if left:
            waits = [error.retry_after for error in limits.values() if error.retry_after is not None]
            raise _PutOff(retry_after=max(waits, default=None))

    def send_patiently() -> None:
        nonlocal left
        try:
            retry.call(send_left, session.clock, retry.RetryPolicy(errors=(_PutOff,)))
        except ProviderError as error:
            if not answered:
                raise
            if not isinstance(error, RateLimited):
                # What was sent again may have happened this time.
                for place in left:
                    answers[place] = None

    credential = session.tokens.credential()
    send_patiently()
    left = [place for place, answer in enumerate(answers) if answer is not None and answer.status == 401]
    # An access token that has ended is refused part by part; the batch itself succeeds.
    if left and session.tokens.credential(renew=True) != credential:
        send_patiently()
    return answers


def tell_outcomes(
    answered: Iterable[tuple[Intent, Answer | None]], judge: Callable[[Intent, Answer | None], Outcome]
) -> Iterator[Outcome]:
    """The outcomes of all that was answered; what stops the whole account is raised after them.

    Args:
        answered: What was written, and the answers to it.
        judge: What an answer means for one intent; raises what it means for all of them.

    Raises:
        ProviderError: the first that ``judge`` raised.
    """
    stopped: ProviderError | None = None
    for intent, answer in answered:
        try:
            outcome = judge(intent, answer)
        except ProviderError as error:
            stopped = stopped or error
        else:
            yield outcome
    if stopped is not None:
        raise stopped


def _limit(answer: Answer | None, limit: Callable[[Answer], RateLimited | None]) -> RateLimited | None:
    return None if answer is None or answer.ok else limit(answer)
