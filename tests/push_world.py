"""A world whose calendars push, and time that passes in it: notifications arrive, timers run out, people book."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from calsync_core.models import PushReceipt, StoredSubscription, SyncReport, Watch
from calsync_core.protocols import PushRequest
from world import World

__all__ = ["WEBHOOKS", "PushWorld"]

WEBHOOKS = "http://127.0.0.1:1/webhooks"
"""Nobody listens there: tests carry the pushes from the service to the engine."""

TICK = 30.0
"""How often a scheduler asks what is due, in seconds."""


class PushWorld(World):
    """A world whose engine has an address to push to.

    Attributes:
        post: What happens to the pushes on their way: loses, doubles or shuffles them. As they came, unless replaced.
        up: The endpoint and its workers are running.
    """

    def __init__(self, names: Sequence[str] = ("work", "home", "club"), **engine: Any) -> None:
        self.post: Callable[[list[PushRequest]], list[PushRequest]] = lambda pushes: pushes
        self.up = True
        self._plans: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = count()
        super().__init__(names, **{"webhook_url": WEBHOOKS, **engine})

    # -- what happens ----------------------------------------------------------------------------------------------

    def deliver(self) -> list[PushReceipt]:
        """Carry what the service has told to the endpoint."""
        pushes = self.post(self.memory.take_pushes())
        return [self.engine.accept_push("memory", push) for push in pushes] if self.up else []

    def tick(self) -> SyncReport:
        """What a scheduler does each half minute."""
        report = self.engine.sync_calendars_needing_polling(due_only=True)
        self.engine.deliver_notices()
        return report

    def settle(self, seconds: float = 0.0) -> None:
        """Let so much time pass, a second at a time, with everything that is due in it."""
        self.until(self.clock.now() + timedelta(seconds=seconds), step=1.0)

    def plan(self, when: datetime, what: Callable[[], object]) -> None:
        """Have something done at that time."""
        heapq.heappush(self._plans, (when, next(self._numbers), what))

    def until(self, end: datetime, *, step: float = TICK) -> None:
        """Let time pass: as slowly as pushes need while there are any, in ticks otherwise."""
        next_tick = self.clock.now()
        while True:
            self._do_what_was_planned()
            self.deliver()
            waiting = self._work()
            now = self.clock.now()
            if self.up and now >= next_tick:
                self.tick()
                next_tick = now + timedelta(seconds=TICK)
                continue
            if now >= end:
                return
            pause = timedelta(seconds=1.0 if waiting else step)
            then = min(now + pause, end, max(next_tick, now + timedelta(seconds=1)) if self.up else end)
            if self._plans:
                then = min(then, max(self._plans[0][0], now))
            self.clock.advance(max(then - now, timedelta()))

    def _do_what_was_planned(self) -> None:
        while self._plans and self._plans[0][0] <= self.clock.now():
            heapq.heappop(self._plans)[2]()

    def _work(self) -> bool:
        """Work the inbox off; returns whether something waits in it."""
        if not self.up:
            return False
        self.engine.process_notifications()
        return any(self.store.count_waiting(calendar.key) for calendar in self.calendars.values())

    # -- what there is ---------------------------------------------------------------------------------------------

    def watch(self, name: str) -> Watch:
        return self.store.load_watches([self.id(name)])[self.id(name)]

    def subscription(self, name: str) -> StoredSubscription:
        """The one confirmed subscription of a calendar."""
        (found,) = [one for one in self.store.load_subscriptions(self.id(name)) if one.confirmed]
        return found

    def live_at_service(self, name: str) -> list[str]:
        """Ids of the subscriptions that the service has for a calendar."""
        held = self.memory.subscriptions()
        return sorted(key for key, one in held.items() if one.calendar == self.remote[name])

    def push_of(self, name: str) -> str:
        """The state of a calendar's push."""
        (found,) = [one for one in self.engine.health().calendars if one.calendar == self.id(name)]
        return found.push

    def reads_since(self, since: int) -> list[SyncReport]:
        """Recorded runs that read something, after the run with this id, oldest first."""
        runs = [run for run in self.engine.runs(limit=100_000) if (run.id or 0) > since and run.calendars_read]
        return runs[::-1]


def shuffled(dice: random.Random) -> Callable[[list[PushRequest]], list[PushRequest]]:
    """Lose some pushes, double others, and deliver them in another order."""

    def post(pushes: list[PushRequest]) -> list[PushRequest]:
        kept = [push for push in pushes for _ in range(dice.choice((0, 1, 1, 2)))]
        dice.shuffle(kept)
        return kept

    return post
