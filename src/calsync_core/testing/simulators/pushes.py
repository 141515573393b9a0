"""Change notifications on their way from a simulated service to the host's endpoint."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Mapping

import httpx
from attrs import field, frozen

__all__ = ["Delivery", "Outbox"]

Post = Callable[["Delivery"], int]
"""Delivers one notification; returns the status of the answer, or raises ``httpx.HTTPError``."""


@frozen
class Delivery:
    """One notification: a POST to the host."""

    url: str
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    attempt: int = 1


def post(delivery: Delivery) -> int:
    """Over real HTTP, with a short time-out."""
    answer = httpx.post(
        delivery.url, headers=dict(delivery.headers), content=delivery.body, timeout=10, trust_env=False
    )
    return answer.status_code


class Outbox:
    """Notifications not delivered yet. Nothing leaves before ``deliver`` is called, so that a test decides when.

    Args:
        send: How one is delivered; over HTTP unless said.
        again: Whether an answer with this status, or none (None), has it sent again with the next ``deliver``.
    """

    def __init__(self, send: Post = post, again: Callable[[int | None], bool] = lambda _status: False) -> None:
        self.send = send
        self._again = again
        self._lock = threading.Lock()
        self._waiting: deque[Delivery] = deque()

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Have one delivered."""
        with self._lock:
            self._waiting.append(delivery)

    def lose(self) -> int:
        """Drop everything that waits, as an outage does; returns how many were lost."""
        with self._lock:
            lost = len(self._waiting)
            self._waiting.clear()
            return lost

    def double(self) -> None:
        """Everything that waits will come twice."""
        with self._lock:
            self._waiting.extend(list(self._waiting))

    def shuffle(self, dice: random.Random) -> None:
        """Everything that waits will come in another order."""
        with self._lock:
            waiting = list(self._waiting)
            dice.shuffle(waiting)
            self._waiting = deque(waiting)

    def deliver(self) -> list[int | None]:
        """Send what waits now, once each, and return the statuses (None: no answer)."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
        statuses: list[int | None] = []
        for delivery in waiting:
            try:
                status: int | None = self.send(delivery)
            except httpx.HTTPError:
                status = None
            statuses.append(status)
            if self._again(status):
                self.put(Delivery(delivery.url, delivery.headers, delivery.body, delivery.attempt + 1))
        return statuses
