"""Ana's calendars at a simulated Google, a simulated Graph and a real CalDAV server, and workers in other processes.

The services are in this process or started by it, and reached over HTTP; time is a clock that all processes share. The
world's own engine connects the accounts and judges at the end; what is between is done by workers, which are killed,
stopped, or race each other.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from attrs import define, field

from caldav_service import CalDAVService
from calsync_core.engine import SyncEngine
from calsync_core.models import Account, BearerToken, Calendar, Event, Item, Password
from calsync_core.stores.sql import SQLStore, tables
from calsync_core.testing.servers import RadicaleServer
from calsync_core.testing.simulators.messages import Request
from gate import Gate, Stage, over_http, simulated
from google_service import GoogleService
from graph_service import GraphService
from oracle import examine
from planted import PASSWORD, title
from shared_clock import SharedClock
from sync_process import POLICY, SECRET, engine_over
from workers import PATIENCE, Worker, Zygote
from world import START, World

__all__ = ["KINDS", "PATIENCE", "Town", "Trap", "Worker", "Zygote", "anything"]

KINDS = ("google", "microsoft", "caldav")
BERLIN = ZoneInfo("Europe/Berlin")
AFTER_THE_LEASES = timedelta(minutes=2)


def anything(_request: Request) -> bool:
    """Any request fits."""
    return True


@define(eq=False)
class Trap:
    """What happens at the n-th request that fits.

    Attributes:
        deed: May block. What it returns is the gate's answer: False drops a request that arrived.
        reached: Set once it begins.
        sprung: Set once it is over.
        caught: The request: its method and whom it was for.
    """

    stage: Stage
    deed: Callable[[], bool]
    kind: str | None = None
    fits: Callable[[Request], bool] = anything
    n: int = 1
    reached: threading.Event = field(factory=threading.Event)
    sprung: threading.Event = field(factory=threading.Event)
    caught: str = ""


class Everywhere:
    """All three services at once, as the oracle looks at one."""

    kind = "everywhere"
    shows_tentative = True
    renormalise_titles = False

    def __init__(self, town: Town) -> None:
        self._town = town

    def provider(self) -> None:
        """There is not one, but three: ``Town.restart`` has them."""

    def items(self, calendar_id: str) -> list[Item]:
        with self._town.alone(self._town.kind_at(calendar_id)) as service:
            found: list[Item] = service.items(calendar_id)
            return found

    def blocks(self, calendar_id: str) -> list[Item]:
        with self._town.alone(self._town.kind_at(calendar_id)) as service:
            found: list[Item] = service.blocks(calendar_id)
            return found


class Town(World):
    """One owner with a calendar at each of three services.

    Args:
        url: An empty database.
        folder: For the clock.
        radicale: From ``radicale_for("ana-caldav")``.
        zygote: Forks the workers.
        seed: Of what people do and when processes die.

    Attributes:
        shared_clock: Everybody's.
        dice: All chance in it.
        trap: Armed for one of the next requests.
        left: What people left on each calendar: every event of theirs, with its etag.
    """

    def __init__(self, url: str, folder: Path, radicale: RadicaleServer, zygote: Zygote, seed: int = 1) -> None:
        self.url = url
        self.dice = random.Random(seed)
        self.trap: Trap | None = None
        self.logins: dict[str, list[str]] = {}
        self.left: dict[str, dict[str, str | None]] = {}
        self._zygote = zygote
        self._lock = threading.Lock()
        self._clock_file = folder / "clock"
        self._stack = ExitStack()
        self._serial = 0
        self.shared_clock = clock = SharedClock.begin(self._clock_file, START)
        self.google, self.graph = GoogleService(clock), GraphService(clock)
        self.dav = CalDAVService(radicale, clock)
        self.services: dict[str, Any] = {"google": self.google, "microsoft": self.graph, "caldav": self.dav}
        self.gates: dict[str, Gate] = {
            "google": simulated(self.google.google, self._watching("google")),
            "microsoft": simulated(self.graph.graph, self._watching("microsoft")),
            "caldav": over_http(radicale.base_url, self._watching("caldav")),
        }
        self.dav.base_url = self.gates["caldav"].origin + "/"
        for gate in self.gates.values():
            self._stack.enter_context(gate)
        store = SQLStore(url)
        self._stack.callback(store.close)
        everywhere: Any = Everywhere(self)
        super().__init__(KINDS, service=everywhere, clock=clock, store=store, policy=POLICY)
        self._note()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self._stack.close()

    def restart(self, **_changes: Any) -> SyncEngine:
        """The world's own engine, over the store that the workers use."""
        self.options |= {"secret": SECRET, "policy": POLICY}
        self.engine = engine_over(self.store, self.shared_clock, self.logins)
        return self.engine

    def add(self, name: str, *, remote: str | None = None) -> Calendar:  # noqa: ARG002  (the base class's signature)
        """Connect an account at the service of this kind, whose only calendar it has."""
        service, user = self.services[name], f"ana-{name}"
        service.add_user(user, PASSWORD)
        self.remote[name] = service.add_calendar(user, name, timezone="Europe/Berlin", primary=True)
        credential = service.login(user, PASSWORD).credential()
        given = [credential.username, credential.password] if isinstance(credential, Password) else [credential.token]
        self.logins[name] = given
        account = Account("ana", name, name, base_url=self.gates[name].origin + _ROOTS[name])
        login = Password(*given) if len(given) == 2 else BearerToken(given[0])
        connected = self.engine.connect(account, login)
        found = {calendar.remote_id: calendar for calendar in self.engine.discover(connected.key)}
        self.calendars[name] = self.engine.enable(found[self.remote[name]].key)
        return self.calendars[name]

    # -- services and what is on its way to them ------------------------------------------------------------------

    def kind_at(self, calendar_id: str) -> str:
        return next(kind for kind, remote in self.remote.items() if remote == calendar_id)

    @contextmanager
    def alone(self, kind: str) -> Iterator[Any]:
        """The service, with no request in between."""
        simulator = {"google": self.google.google, "microsoft": self.graph.graph}.get(kind)
        with simulator._lock if simulator is not None else self._lock:
            yield self.services[kind]

    def set_trap(self, stage: Stage, deed: Callable[[], bool], **which: Any) -> Trap:
        self.trap = Trap(stage, deed, **which)
        return self.trap

    def _watching(self, kind: str) -> Callable[[Stage, Any], bool]:
        def watch(stage: Stage, request: Any) -> bool:
            with self._lock:
                trap = self.trap
                if trap is None or trap.stage is not stage or trap.kind not in {None, kind} or not trap.fits(request):
                    trap = None
                elif trap.n > 1:
                    trap.n -= 1
                    trap = None
                else:
                    self.trap = None
            if trap is None:
                return True
            trap.caught = f"{request.method} at {kind}"
            trap.reached.set()
            try:
                return trap.deed()
            finally:
                trap.sprung.set()

        return watch

    def where(self, worker: Worker) -> str:
        """Where it is now, or was when it died: in which calls of the store, or else in which requests."""
        calls = {place.removeprefix("before ") for place in worker.at.values() if place.startswith("before ")}
        if calls:
            return f"in {' and '.join(sorted(calls))}"
        asked = {f"{request.method} at {kind}" for kind, gate in self.gates.items() for request in gate.under_way}
        return f"in {' and '.join(sorted(asked))}" if asked else "in between"

    def wait_until_quiet(self) -> None:
        for gate in self.gates.values():
            gate.wait_until_quiet()

    # -- workers --------------------------------------------------------------------------------------------------

    def fork(self, **order: Any) -> Worker:
        """Another worker on this store; returns once it is at work."""
        told = {"url": self.url, "clock": str(self._clock_file), "logins": self.logins}
        return self._zygote.fork(**(told | order)).wait(lambda worker: worker.pid)

    def calm_sync(self, **order: Any) -> list[dict[str, Any]]:
        """Have a worker sync in peace, after the leases of the dead have ended."""
        self.clock.advance(AFTER_THE_LEASES)
        return self.fork(rounds=2, **order).finish()

    # -- people ---------------------------------------------------------------------------------------------------

    def act(self, kind: str, deed: Callable[[Any, str], object]) -> None:
        """Have somebody do something on the calendar of this kind, and remember how it looks then."""
        with self.alone(kind) as service:
            deed(service, self.remote[kind])
            self._note(kind)

    def put(self, kind: str, uid: str, start: datetime, *lines: str, hours: float = 1) -> None:
        """Book, or move, or change the recurrence of what has this uid."""

        def deed(service: Any, remote: str) -> None:
            end = start + timedelta(hours=hours)
            service.put(remote, service.event(uid, start, end, title=title(uid), recurrence=lines))

        self.act(kind, deed)

    def cancel(self, kind: str, uid: str) -> None:
        self.act(kind, lambda service, remote: service.remove(remote, uid))

    def live_a_little(self) -> None:
        """Somebody does something: books, moves, cancels, makes a series, takes one out of it or moves one of it."""
        kind = self.dice.choice(KINDS)
        theirs = [item.events[0] for item in self._theirs(kind) if item.events[0].series is None]
        single = [event for event in theirs if not event.recurrence]
        series = [event for event in theirs if event.recurrence]
        what = self.dice.random()
        if len(theirs) > 12 or (theirs and what < 0.15):
            self.cancel(kind, self.dice.choice(theirs).id)
        elif single and what < 0.45:
            self.put(kind, self.dice.choice(single).id, self._some_time())
        elif series and what < 0.65:
            self._except(kind, self.dice.choice(series))
        else:
            self._serial += 1
            lines = ("RRULE:FREQ=DAILY;COUNT=5",) if what > 0.85 and len(series) < 3 else ()
            self.put(kind, f"{kind}-{self._serial}", self._some_time(), *lines)

    def _except(self, kind: str, master: Event) -> None:
        start = master.span.start
        assert isinstance(start, datetime)
        original = start + timedelta(days=self.dice.randrange(5))
        moved = {"start": original + timedelta(hours=2)} if self.dice.random() < 0.5 else {"cancelled": True}

        def deed(service: Any, remote: str) -> None:
            service.put(remote, service.exception(master, original, **moved))

        self.act(kind, deed)

    def _some_time(self) -> datetime:
        day = self.clock.now().astimezone(BERLIN).replace(minute=0, second=0, microsecond=0, hour=0)
        return day + timedelta(days=self.dice.randrange(1, 12), hours=self.dice.randrange(7, 19))

    def _theirs(self, kind: str) -> list[Item]:
        with self.alone(kind) as service:
            return [item for item in service.items(self.remote[kind]) if item.events[0].mark is None]

    def _note(self, *kinds: str) -> None:
        for kind in kinds or KINDS:
            service, remote = self.services[kind], self.remote[kind]
            found = [item for item in service.items(remote) if item.events[0].mark is None]
            self.left[kind] = {item.key: item.etag for item in found}

    # -- what must hold -------------------------------------------------------------------------------------------

    def verify(self) -> int:
        """Once all is calm, everything is right: I-01 to I-06; returns how many blocks stand."""
        self.wait_until_quiet()
        return self.verify_now()

    def verify_now(self) -> int:
        """The same while a request may still be on its way."""
        for _ in range(2):
            self.sync()
            self.clock.advance(AFTER_THE_LEASES)
        verdict = examine(self)
        assert verdict.ok, "\n".join(verdict.wrong)  # I-01, I-04, I-06
        assert not verdict.excused, verdict.excused  # nobody touched a block, so none may be parked or respected
        assert {kind: self._as_found(kind) for kind in KINDS} == self.left  # I-02
        assert self.store.load_intents("ana") == []
        assert self.sync().writes == 0  # I-03
        audit = self.engine.audit()
        assert audit.ok, audit.findings
        assert self.sync().writes == 0
        return verdict.standing

    def _as_found(self, kind: str) -> dict[str, str | None]:
        return {item.key: item.etag for item in self._theirs(kind)}

    def contents(self, *more: sa.Table) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the tables that say what is known, wanted and done; not who works, and when."""
        assert isinstance(self.store, SQLStore)
        with self.store._database.reading() as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
                for table in (*_FENCED, *more)
            }


_FENCED = (
    tables.items,
    tables.events,
    tables.debts,
    tables.blocks,
    tables.intents,
    tables.journal,
    tables.plan_states,
    tables.credentials,
    tables.notifications,
)
_ROOTS = {"google": "/calendar/v3", "microsoft": "/v1.0", "caldav": "/"}
