"""Batches: parts that the server put off are sent again, and each part has an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from calsync_core import retry
from calsync_core.errors import ProviderError, RateLimited, Unavailable, Unreachable
from calsync_core.models import Intent, Outcome
from calsync_core.protocols import Session
from calsync_core.transport.link import Answer

__all__ = ["send_calls", "tell_outcomes"]

_Call = TypeVar("_Call")
_Send: TypeAlias = Callable[[Sequence[_Call]], Sequence[Answer | None]]


class _PutOff(RateLimited):
    """Some parts were throttled while the batch as a whole succeeded."""


def send_calls(
    calls: Sequence[_Call],
    size: int,
    session: Session,
    *,
    alone: Callable[[_Call], Answer],
    together: _Send[_Call],
    meaning: Callable[[Answer], ProviderError],
    reading: bool,
) -> Iterator[Answer | None]:
    """Send calls in as few requests as possible. A lone call goes without the batch's wrapping.

    Args:
        calls: Any number.
        size: Calls in one batch at the most.
        session: Whose credential and clock.
        alone: Sends one call.
        together: Sends a batch of some of them; the answers in their order, None where there is none.
        meaning: The error that an answer means which is no success.
        reading: They change nothing.

    Returns:
        The answers in the calls' order, as they come. None: nobody knows what became of the call.

    Raises:
        ProviderError: a request as a whole failed; the calls without an answer may have happened.
    """
    for start in range(0, len(calls), size):
        chunk = calls[start : start + size]
        if len(chunk) > 1:
            yield from _send_parts(chunk, together, session, meaning)
        else:
            yield _send_alone(chunk[0], alone, reading=reading)


def _send_alone(call: _Call, send: Callable[[_Call], Answer], *, reading: bool) -> Answer | None:
    try:
        return send(call)
    except Unreachable:
        raise
    except Unavailable:
        # As in a batch: what can't be read fails nothing else (I-37). Of a write, the caller must hear.
        if not reading:
            raise
        return None


def _send_parts(
    calls: Sequence[_Call], send: _Send[_Call], session: Session, meaning: Callable[[Answer], ProviderError]
) -> list[Answer | None]:
    """Send calls as one batch, and those parts again that were throttled for a short time or met an ended token.

    Args:
        calls: The parts.
        send: Sends a batch of some of them; the answers in their order, None where there is none.
        session: Whose credential and clock.
        meaning: The error that an answer means which is no success.

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
        limits = {place: error for place in left if (error := _limit(answers[place], meaning)) is not None}
        left = list(limits)
        if left:
            waits = [error.retry_after for error in limits.values() if error.retry_after is not None]
            raise _PutOff(retry_after=max(waits, default=None))

    def send_patiently() -> None:
        nonlocal left
        try:
            retry.call(send_left, session.clock, retry.RetryPolicy(errors=(_PutOff,)), ends=session.ends)
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


def _limit(answer: Answer | None, meaning: Callable[[Answer], ProviderError]) -> RateLimited | None:
    """The error of an answer that asks to wait."""
    error = None if answer is None or answer.ok else meaning(answer)
    return error if isinstance(error, RateLimited) else None
