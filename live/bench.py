"""The contract's bench on a real service: one calendar for all tests, and nobody's clock but the service's.

On a real service a name that was used once stays used: Google keeps the ids of deleted events, Exchange its transaction
ids. And it may give UIDs itself. So every test has block keys of its own, and is shown the keys and UIDs it knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from attrs import evolve, frozen

from calsync_core.models import (
    BlockContent,
    Cursor,
    Event,
    Intent,
    Item,
    Lookup,
    OperationKind,
    Outcome,
    OutcomeStatus,
)
from calsync_core.protocols import KnownItems, nothing_known
from calsync_core.testing.provider_contract.bench import Bench, Reading
from live.service import LiveHands

__all__ = ["LiveBench"]


@frozen
class LiveBench(Bench):
    """A ``Bench`` that waits for what was written before it reads, and keeps its test's names to itself.

    Attributes:
        salt: What this test's block keys begin with on the service; of the alphabet of keys.
    """

    salt: str = ""

    @property
    def live(self) -> LiveHands:
        """The hands, which are a real user's."""
        return cast("LiveHands", self.hands)

    def read(self, cursor: Cursor | None = None, known: KnownItems = nothing_known) -> Reading:
        """As ``Bench.read``, when the service is ready."""
        self.live.settle()
        reading = super().read(cursor, known)
        return evolve(reading, items=self._own(reading.items))

    def lookup(self, *keys: str) -> Lookup:
        """As ``Bench.lookup``, when the service is ready."""
        self.live.settle()
        found = super().lookup(*keys)
        return evolve(found, items=self._own(found.items))

    def native_id(self, key: str, generation: int = 0) -> str:
        """Of the salted key; what the service shows has its salt already."""
        return super().native_id(key if key.startswith(self.salt) else self.salt + key, generation)

    def intent(
        self,
        kind: OperationKind,
        key: str,
        content: BlockContent,
        *,
        etag: str | None = None,
        in_doubt: bool = False,
    ) -> Intent:
        """For the salted key."""
        made = super().intent(kind, key, content, etag=etag, in_doubt=in_doubt)
        return evolve(made, operation=evolve(made.operation, ref=f"{self.salt}{key}.0"))

    def apply(self, *intents: Intent) -> list[Outcome]:
        """As ``Bench.apply``; what was done is noted."""
        self.live.settle()
        outcomes = super().apply(*intents)
        for intent, outcome in zip(intents, outcomes, strict=True):
            if outcome.status is OutcomeStatus.DONE:
                name = intent.operation.native_id
                key = outcome.native_id or self._places.get(name, name)
                if intent.operation.kind is OperationKind.DELETE:
                    self.live.note_deleted(key)
                else:
                    self.live.note_written(key, outcome.etag)
        return outcomes

    def _own(self, items: Iterable[Item]) -> tuple[Item, ...]:
        return tuple(evolve(item, events=tuple(self._known(event) for event in item.events)) for item in items)

    def _known(self, event: Event) -> Event:
        mark = event.mark
        if mark is not None and mark.key.startswith(self.salt):
            mark = evolve(mark, key=mark.key.removeprefix(self.salt))
        return evolve(event, uid=self.live.uids.get(event.uid or "", event.uid), mark=mark)
