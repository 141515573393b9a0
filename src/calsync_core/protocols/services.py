"""Small ports: time, credentials, notices, and the count of requests."""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol, runtime_checkable

from calsync_core.models import Credential, Notice

__all__ = ["Clock", "Notifier", "RequestMeter", "TokenSource"]


@runtime_checkable
class Clock(Protocol):
    """Everything that waits or asks the time takes one, so that a month is tested in a second."""

    def now(self) -> datetime:
        """The time, aware, in UTC. Never goes backwards by more than clock corrections do."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; for durations and deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait. A virtual clock moves itself forward instead."""


@runtime_checkable
class TokenSource(Protocol):
    """Where an account's credential comes from. One per account; it lives as long as the account is connected.

    Must be hashable by identity and weakly referenceable: providers keep open connections by it.
    """

    def credential(self, *, renew: bool = False) -> Credential:
        """The credential to use now.

        Thread-safe, and single-flight: threads that ask at once cause one renewal (I-36).

        Args:
            renew: The provider refused the last one that this thread was given; get a new one if that is possible.

        Raises:
            AuthExpired: it can't be had or renewed without the person.
            Unavailable: the token server can't be reached now.
        """


@runtime_checkable
class Notifier(Protocol):
    """Tells the host what it may want to know."""

    def notify(self, notice: Notice) -> None:
        """Deliver one notice. May be called from several threads, but for one owner's notices only one after another.

        Each is delivered at least once, always with its ``id``, and a calendar's in the order in which they came to be.
        What this raises is logged; that notice, and later ones of its calendar, are delivered again later.
        """


class RequestMeter:
    """Counts the HTTP requests of one run, over all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = 0

    def count(self, requests: int = 1) -> None:
        """Add requests that were sent, answered or not, redirects and retries included."""
        with self._lock:
            self._sent += requests

    @property
    def sent(self) -> int:
        """Requests so far."""
        return self._sent
