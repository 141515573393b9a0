"""People with a calendar at a simulated Google, one at a simulated Graph and one that can't push, and months of them.

Everything of ours is real: the web application's receiver, the inbox, the scheduler's jobs, the adapters. What the
services tell travels to the receiver over a post that a test may hold up; time is virtual.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from calsync_core.engine import SyncEngine
from calsync_core.models import Account, Calendar, Notice, NoticeKind, Password, SyncPolicy
from calsync_core.protocols import Store
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.scheduler import Scheduler
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.pushes import Delivery
from calsync_core.testing.store_contract.bench import count_waiting
from calsync_core.web.receiver import Received, Receiver, Reply
from google_service import GoogleService
from graph_service import GraphService
from planted import PASSWORD, title
from world import START

__all__ = ["HybridWorld", "realistic_week"]

KINDS = ("google", "microsoft", "club")
HOST = "https://host.example"
MOUNT = "/hooks"


class HybridWorld:
    """Owners with three calendars each, an engine, its endpoint and its scheduler.

    Attributes:
        open: The endpoint can be reached; otherwise every push is answered with nothing.
        running: The scheduler's jobs are done.
        meddle: What happens to notifications on their way, if anything does.
        polling_tick: Seconds between the scheduler's looks at what is due, and into the inbox.
    """

    def __init__(
        self,
        owners: Sequence[str] = ("ana",),
        *,
        store: Store | None = None,
        policy: SyncPolicy | None = None,
        polling_tick: float = 30.0,
    ) -> None:
        self.clock = VirtualClock(START)
        self.google, self.graph, self.club = GoogleService(self.clock), GraphService(self.clock), MemoryService()
        self.services: dict[str, Any] = {"google": self.google, "microsoft": self.graph, "club": self.club}
        self.google.google.outbox.send = self._post
        self.graph.graph.outbox.send = self._post
        self.graph.graph.knock = self._knock
        self.store: Store = MemoryStore() if store is None else store
        self.policy = policy or SyncPolicy(horizon_days=30)
        self.polling_tick = polling_tick
        self.notices: list[Notice] = []
        self.open = self.running = True
        self.meddle: Callable[[], None] | None = None
        self.remote: dict[tuple[str, str], str] = {}
        self.ids: dict[tuple[str, str], int] = {}
        self._plans: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = count()
        self._logins: dict[tuple[str, str], Any] = {}
        self.restart()
        for owner in owners:
            for kind in KINDS:
                self._add(owner, kind)

    def restart(self) -> None:
        """Another process over the same store: engine, endpoint and scheduler."""
        self.engine = SyncEngine(
            store=self.store,
            providers={
                "google": self.google.provider(),
                "microsoft": self.graph.provider(),
                "club": MemoryProvider(self.club),
            },
            secret="a secret for tests only",
            policy=self.policy,
            notifier=self,
            clock=self.clock,
            webhook_url=f"{HOST}{MOUNT}",
            tokens=lambda account: self._logins[account.owner, account.provider],
            max_workers=1,
        )
        self.receiver = Receiver(self.engine)
        tick = self.polling_tick
        self.scheduler = Scheduler(self.engine, polling_tick=tick, inbox_tick=2 * tick, dice=random.Random(1))

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def told(self, kind: NoticeKind) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind is kind]

    def _add(self, owner: str, kind: str) -> None:
        service, user = self.services[kind], f"{owner}-{kind}"
        service.add_user(user, PASSWORD)
        pushes = {"pushes": False} if kind == "club" else {}
        remote = service.add_calendar(user, "Calendar", timezone="Europe/Berlin", primary=True, **pushes)
        self._logins[owner, kind] = self._login(service, user)
        account = self.engine.connect(Account(owner, kind, kind), self._logins[owner, kind])
        found = {one.remote_id: one for one in self.engine.discover(account.key)}
        self.remote[owner, kind] = remote
        self.ids[owner, kind] = self.engine.enable(found[remote].key).key

    def _login(self, service: Any, user: str) -> Any:
        return StaticTokens(Password(user, PASSWORD)) if service is self.club else service.login(user, PASSWORD)

    # -- the post -------------------------------------------------------------------------------------------------

    def _post(self, delivery: Delivery) -> int:
        return self._receive("POST", delivery.url, dict(delivery.headers), delivery.body).status

    def _knock(self, url: str, token: str, _seconds: float) -> tuple[int, str, str]:
        reply = self._receive("POST", str(httpx.URL(url, params={"validationToken": token})), {}, b"")
        headers = {name.lower(): value for name, value in reply.headers}
        return reply.status, headers["content-type"], reply.body.decode()

    def _receive(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Reply:
        if not self.open:
            raise httpx.ConnectError("nobody is there")
        asked = httpx.URL(url)
        assert f"{asked.scheme}://{asked.host}" == HOST
        path = asked.path.removeprefix(MOUNT)
        reply = self.receiver.answer(Received(method, path, asked.query.decode(), headers, body))
        self.scheduler.wake()
        return reply

    # -- time -----------------------------------------------------------------------------------------------------

    def plan(self, when: datetime, what: Callable[[], object]) -> None:
        """Have something done at that time."""
        heapq.heappush(self._plans, (when, next(self._numbers), what))

    def until(self, end: datetime, *, each: timedelta | None = None, look: Callable[[], None] | None = None) -> None:
        """Let time pass, doing what is due; ``look`` is called every so often."""
        next_look = self.clock.now()
        while True:
            now = self.clock.now()
            while self._plans and self._plans[0][0] <= now:
                heapq.heappop(self._plans)[2]()
            outboxes = (self.google.google.outbox, self.graph.graph.outbox)
            if self.meddle is not None:
                self.meddle()
            for outbox in outboxes:
                outbox.deliver()
            if self.running:
                self.scheduler.run_due()
            if look is not None and now >= next_look:
                look()
                next_look = now + (each or timedelta())
            if now >= end:
                return
            waits = any(count_waiting(self.store, one) for one in self.ids.values())
            if waits and self.running:
                self.scheduler.wake()
            then = now + timedelta(seconds=1 if waits and self.running else max(1.0, self._pause()))
            if any(len(outbox) for outbox in outboxes):
                # A service tries again what it could not deliver, from time to time.
                then = min(then, now + timedelta(seconds=1 if self.open else 600))
            then = min(then, end, *(when for when, _, _ in self._plans[:1]))
            self.clock.advance(max(then - now, timedelta()))

    def _pause(self) -> float:
        if not self.running:
            return 3600.0
        return min(job.pause() for job in self.scheduler.jobs)

    # -- people ---------------------------------------------------------------------------------------------------

    def book(self, owner: str, kind: str, uid: str, start: datetime, hours: float = 1, **fields: Any) -> None:
        """Put an event, or move the one of this uid."""
        service = self.services[kind]
        event = service.event(uid, start, start + timedelta(hours=hours), **{"title": title(uid)} | fields)
        service.put(self.remote[owner, kind], event)

    def cancel(self, owner: str, kind: str, uid: str) -> None:
        """Delete an event."""
        self.services[kind].remove(self.remote[owner, kind], uid)

    # -- what there is --------------------------------------------------------------------------------------------

    def starts(self, owner: str, kind: str) -> list[Any]:
        """When the blocks on a calendar begin."""
        items = self.services[kind].blocks(self.remote[owner, kind])
        return sorted(item.events[0].span.edges(UTC)[0] for item in items)

    def calendar(self, owner: str, kind: str) -> Calendar:
        return self.store.load_calendar(self.ids[owner, kind])

    def push_states(self) -> dict[str, set[str]]:
        """The states of push, by kind of calendar."""
        found: dict[str, set[str]] = {}
        for one in self.engine.health().calendars:
            found.setdefault(one.provider, set()).add(one.push)
        return found

    def live_subscriptions(self) -> dict[str, int]:
        """How many there are at the services."""
        now = self.clock.now()
        google = sum(channel.expires > now for channel in self.google.google.channels)
        return {"google": google, "microsoft": len(self.graph.graph.subscriptions)}


def realistic_week(world: HybridWorld, dice: random.Random, begin: datetime) -> int:
    """Plan a working week of edits: an office calendar, a private one, and a club's that hardly changes. Returns how
    many edits each person makes in all.
    """
    edits = 0
    for owner in sorted({owner for owner, _ in world.ids}):
        for kind, per_day, days in (("microsoft", 5, range(5)), ("google", 2, range(7)), ("club", 1, (1, 4))):
            known: list[str] = []
            for day in days:
                for _ in range(per_day):
                    when = begin + timedelta(days=day, seconds=dice.randrange(7 * 3600, 19 * 3600))
                    world.plan(when, _edit(world, dice, owner, kind, known))
                    edits += 1
    return edits


def _edit(world: HybridWorld, dice: random.Random, owner: str, kind: str, known: list[str]) -> Callable[[], None]:
    def do() -> None:
        start = world.clock.now().replace(minute=0, second=0, microsecond=0)
        start += timedelta(days=dice.randrange(1, 20), hours=dice.randrange(8))
        what = dice.random()
        if known and what < 0.15:
            world.cancel(owner, kind, known.pop(dice.randrange(len(known))))
        elif known and what < 0.45:
            world.book(owner, kind, dice.choice(known), start)
        else:
            uid = f"{owner}-{kind}-{len(known)}-{dice.randrange(10**9)}"
            known.append(uid)
            world.book(owner, kind, uid, start)

    return do
