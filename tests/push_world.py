"""A world whose calendars push, and time that passes in it: notifications arrive, timers run out, people book."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

from calsync_core.engine import SyncEngine
from calsync_core.models import PushReceipt, StoredSubscription, SyncReport, Watch
from calsync_core.protocols import PushRequest, Store
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore, Toll
from calsync_core.testing.store_contract.bench import count_waiting
from world import World, at

__all__ = ["WEBHOOKS", "PushWorld", "shuffled"]

WEBHOOKS = "http://127.0.0.1:1/webhooks"
"""Nobody listens there: tests carry the pushes from the service to the engine."""

TICK = 30.0
"""How often a scheduler asks what is due, in seconds."""


class PushWorld(World):
    """A world whose engine has an address to push to.

    Attributes:
        post: What happens to the pushes on their way: loses, doubles or shuffles them. As they came, unless replaced.
        up: The endpoint and its workers are running.
        unanswered: Ids of subscriptions that may live at the service and be unknown here: whoever asked for them died
            before the answer was stored.
    """

    def __init__(self, names: Sequence[str] = ("work", "home", "club"), **engine: Any) -> None:
        self.post: Callable[[list[PushRequest]], list[PushRequest]] = lambda pushes: pushes
        self.up = True
        self.unanswered: set[str] = set()
        self._mail: deque[PushRequest] = deque()
        self._spare: SyncEngine | None = None
        self._plans: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = count()
        super().__init__(names, **{"webhook_url": WEBHOOKS, **engine})

    def go_live(self) -> None:
        """All is subscribed to and read, and no push of that is on its way."""
        self.engine.maintain_subscriptions(everything=True)
        self.engine.sync_all_calendars()
        self.memory.lose_pushes()

    def push_of_a_booking(self) -> PushRequest:
        """What the service says of an hour that is booked at work."""
        self.book("work", "m1", at(1))
        [push] = self.memory.take_pushes()
        return push

    def waiting(self) -> int:
        """How many pushes of the calendar at work wait in the inbox."""
        return count_waiting(self.store, self.id("work"))

    # -- what happens ----------------------------------------------------------------------------------------------

    def deliver(self) -> list[PushReceipt]:
        """Carry what the service has told to the endpoint; what was not answered with 2xx comes again."""
        self._mail.extend(self.post(self.memory.take_pushes()))
        receipts = []
        if not self.up:
            self._mail.clear()
        while self._mail:
            receipts.append(self.engine.accept_push("memory", self._mail[0]))
            self._mail.popleft()
        return receipts

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

    def until(self, end: datetime, *, step: float = TICK, tick: float = TICK, haste: float = 1.0) -> None:
        """Let time pass: as slowly as pushes need while there are any, in ticks otherwise.

        Args:
            end: Until when.
            step: Seconds between looks while nothing waits.
            tick: Seconds between the scheduler's questions what is due.
            haste: Seconds between looks at the inbox while something waits in it.
        """
        next_tick = self.clock.now()
        while True:
            self._do_what_was_planned()
            self.deliver()
            waiting = self._work()
            now = self.clock.now()
            if self.up and now >= next_tick:
                self.tick()
                next_tick = now + timedelta(seconds=tick)
                continue
            if now >= end:
                return
            pause = timedelta(seconds=haste if waiting else step)
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
        return any(count_waiting(self.store, calendar.key) for calendar in self.calendars.values())

    # -- processes -------------------------------------------------------------------------------------------------

    def restart(self, **changes: Any) -> SyncEngine:
        """See ``World``; there is one process then."""
        self._spare = None
        return super().restart(**changes)

    def take_turns(self) -> None:
        """Have the other one of two processes over the same store do the work from now on."""
        mine, other = self.engine, self._spare
        if other is None:
            self.restart()
        else:
            self.engine = other
        self._spare = mine

    @contextmanager
    def mortal(self, toll: Toll) -> Iterator[None]:
        """Work in a process that dies at a boundary; whatever comes of it, the next one begins after this."""
        store, provider = self.store, self.provider
        self.store = cast("Store", DyingStore(store, toll))  # it gets the port's methods where no checker sees them
        self.provider = DyingProvider(provider, toll)
        self.restart()
        try:
            yield
        except Died:
            known = {one.remote_id for one in store.load_subscriptions() if one.confirmed}
            self.unanswered |= self.memory.subscriptions().keys() - known
        finally:
            self.store, self.provider = store, provider
            self.restart()

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
