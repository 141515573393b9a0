"""The real world's small ports: the machine's clock, and a credential that never changes."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from attrs import field, frozen

from calsync_core.models import Credential

__all__ = ["StaticTokens", "SystemClock"]


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Really wait."""
        time.sleep(max(0.0, seconds))


@frozen(eq=False)
class StaticTokens:
    """A ``TokenSource`` for a password or token that can't be renewed."""

    value: Credential = field(repr=False)

    def credential(self, *, renew: bool = False) -> Credential:  # noqa: ARG002  (the port's signature)
        """The credential as given; the provider will say if it no longer works."""
        return self.value
