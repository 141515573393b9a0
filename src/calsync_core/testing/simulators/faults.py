"""What a simulated service does wrong when told to, and its log of requests."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from enum import StrEnum

from attrs import evolve, field, frozen

from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["HttpFault", "HttpFaultKind", "Logged", "LostAnswer"]


class HttpFaultKind(StrEnum):
    """How a request goes wrong."""

    ANSWER = "answer"
    """It is answered with ``HttpFault.response`` before anything happened."""
    REFUSED = "refused"
    """The connection breaks before anything happened."""
    LOST_ANSWER = "lost_answer"
    """It is carried out, and the connection breaks before the answer is there."""
    GARBLED = "garbled"
    """It is carried out, and the answer is cut in the middle."""


class LostAnswer(ConnectionError):
    """The connection breaks now; whoever serves the simulator turns it into that."""


@frozen
class HttpFault:
    """Something that goes wrong, ``times`` times.

    Attributes:
        response: For ANSWER.
        method: Only requests with this method; None: any.
        path: Only requests whose path this regular expression finds something in; None: any.
        skip: How many fitting requests go well first.
        times: How many go wrong.
        inner: Whether the parts of a batch are meant, and not whole requests.
    """

    kind: HttpFaultKind
    response: Response = field(factory=Response)
    method: str | None = None
    path: str | None = None
    skip: int = 0
    times: int = 1
    inner: bool = False

    def fits(self, request: Request, *, inner: bool) -> bool:
        """Whether this request is meant."""
        meant = self.method in {None, request.method} and inner == self.inner
        return meant and (self.path is None or re.search(self.path, request.path) is not None)


@frozen
class Logged:
    """One request as the log remembers it.

    Attributes:
        inner: It was a part of a batch.
        note: What the answer said besides its status.
        request: All of it, for tests that look closer.
    """

    method: str
    path: str
    status: int | None
    inner: bool = False
    note: str | None = None
    request: Request = field(default=Request("GET", "/"), repr=False)


class Misfortunes:
    """Faults by schedule, or by dice. The caller holds the simulator's lock."""

    def __init__(self) -> None:
        self._scheduled: list[HttpFault] = []
        self._dice: random.Random | None = None
        self._rate = 0.0
        self._thrown: Callable[[random.Random, Request], HttpFault | None] | None = None
        self.injected: list[tuple[str, HttpFaultKind]] = []

    def schedule(self, fault: HttpFault) -> None:
        """Let it happen."""
        self._scheduled.append(fault)

    def scatter(
        self, dice: random.Random, rate: float, throw: Callable[[random.Random, Request], HttpFault | None]
    ) -> None:
        """Let one request in ``1 / rate`` meet what ``throw`` makes of the dice."""
        self._dice, self._rate, self._thrown = dice, rate, throw

    def calm(self) -> None:
        """From now on all goes well."""
        self._scheduled.clear()
        self._dice = None

    def draw(self, request: Request, *, inner: bool) -> HttpFault | None:
        """What happens to this request, if anything."""
        drawn: HttpFault | None = None
        for place, fault in enumerate(self._scheduled):
            if fault.fits(request, inner=inner):
                if fault.skip:
                    self._scheduled[place] = evolve(fault, skip=fault.skip - 1)
                    continue
                drawn = fault
                if fault.times > 1:
                    self._scheduled[place] = evolve(fault, times=fault.times - 1)
                else:
                    del self._scheduled[place]
                break
        if drawn is None and self._dice is not None and self._thrown is not None and self._dice.random() < self._rate:
            thrown = self._thrown(self._dice, request)
            drawn = thrown if thrown is not None and thrown.inner == inner else None
        if drawn is not None:
            self.injected.append((f"{request.method} {request.path}", drawn.kind))
        return drawn
