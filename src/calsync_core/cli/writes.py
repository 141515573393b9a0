"""What really came of one call: each confirmed write with its reason, and what no plan could place."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from calsync_core.models import CalendarId, Intent, Lease, Operation, Outcome, OutcomeStatus, Parked, Plan
from calsync_core.protocols import Store

__all__ = ["WitnessedStore"]


class WitnessedStore:
    """A store that also remembers which claimed writes were recorded as done, and which events were parked.

    Everything passes through to the store it is made of.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._claimed: dict[int, Operation] = {}
        # By intent: what is stored in one transaction with more may be undone and stored again.
        self._written: dict[int, Operation] = {}
        self._parked: list[Parked] = []
        self._lock = threading.Lock()

    @property
    def inner(self) -> Store:
        """The store it is made of."""
        return self._store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim_intents(self, lease: Lease, target_id: CalendarId, limit: int, at: datetime) -> list[Intent]:
        """As the store does, remembering the operations."""
        intents = self._store.claim_intents(lease, target_id, limit, at)
        with self._lock:
            self._claimed.update((intent.id, intent.operation) for intent in intents)
        return intents

    def record_outcomes(
        self, lease: Lease, target_id: CalendarId, outcomes: Sequence[Outcome], at: datetime, **rest: Any
    ) -> None:
        """As the store does, remembering what is done."""
        self._store.record_outcomes(lease, target_id, outcomes, at, **rest)
        done = [outcome.intent_id for outcome in outcomes if outcome.status is OutcomeStatus.DONE]
        with self._lock:
            self._written.update((number, self._claimed[number]) for number in done if number in self._claimed)

    def save_plan(self, lease: Lease, plan: Plan, **rest: Any) -> None:
        """As the store does, remembering what the plan could not place."""
        self._store.save_plan(lease, plan, **rest)
        with self._lock:
            self._parked += plan.parked

    def take_parked(self) -> list[Parked]:
        """The events that plans saved since the last call could not place, each once."""
        with self._lock:
            parked, self._parked = self._parked, []
        return list(dict.fromkeys(parked))

    def take_written(self) -> list[Operation]:
        """The writes confirmed since the last call, in the order they were."""
        with self._lock:
            written, self._written = self._written, {}
        return list(written.values())
