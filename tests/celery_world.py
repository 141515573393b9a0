"""Celery workers and a beat in processes of their own, over real PostgreSQL and a real broker.

The services are the simulators, served over HTTP by the test's process, and so is the webhook application: they outlive
every worker.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from brokers import Broker, new_broker
from calsync_core.core import watching
from calsync_core.credentials import new_key
from calsync_core.models import Account, BearerToken, CalendarId
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import leases, watches
from calsync_core.system import SystemClock
from calsync_core.testing import VirtualClock
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.web.asgi import webhook_app
from celery_app import SETTINGS, celery_app, engine_of
from google_service import GoogleService
from graph_service import GraphService
from planted import PASSWORD
from store_servers import new_database
from web_bench import listening, serve_asgi

__all__ = ["CeleryTown", "celery_town"]

PATIENCE = 90.0
"""Seconds for what other processes do: never reached where all is well."""

_TESTS = Path(__file__).parent


class Gate:
    """Holds up the writes that a simulated service is asked for, until it is opened.

    Attributes:
        waiting: How many came while it was shut.
        open: Set, nothing is held up.
    """

    def __init__(self, service: Any) -> None:
        self.waiting = 0
        self.open = threading.Event()
        self.open.set()
        self._answer = service.carry_out
        service.carry_out = self._carry_out

    def _carry_out(self, request: Request, **more: Any) -> Response:
        if request.method == "POST" and "events" in request.path and not self.open.is_set():
            self.waiting += 1
            assert self.open.wait(PATIENCE)
        answer: Response = self._answer(request, **more)
        return answer


class CeleryTown:
    """Owners with a calendar at a simulated Google and one at a simulated Graph.

    Attributes:
        settings: What every process of the installation is told.
        engine: This process's, for the endpoint and for looking at things.
    """

    def __init__(self, owners: Sequence[str], store: str, broker: Broker, address: str, folder: Path) -> None:
        self.settings: dict[str, Any] = {
            "celery": broker.settings,
            "store": store,
            "key": new_key(),
            "webhook_url": address,
        }
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        clock = cast("VirtualClock", SystemClock())
        self.google, self.graph = GoogleService(clock), GraphService(clock)
        self.services: dict[str, Any] = {"google": self.google, "microsoft": self.graph}
        self.gate = Gate(self.google.google)
        self.engine = engine_of(self.settings)
        self.app, self.tasks = celery_app(self.settings)
        self.remote: dict[tuple[str, str], str] = {}
        self.ids: dict[tuple[str, str], CalendarId] = {}
        self.hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        self._owners = owners

    # -- processes --------------------------------------------------------------------------------------------------

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """``celery`` with this command, in a process group of its own."""
        log = self._folder / f"celery-{len(self._processes)}.log"
        paths = os.pathsep.join([str(_TESTS), *sys.path])
        known = {**os.environ, SETTINGS: json.dumps(self.settings), "PYTHONPATH": paths, **environment}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_app", *command],
                cwd=self._folder,
                env=known,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """A worker with two forked processes."""
        name, quiet = f"w{len(self._processes)}@test", ("--without-gossip", "--without-mingle", "--without-heartbeat")
        return self.start("worker", "-c", "2", "-l", "INFO", "-n", name, *quiet, **environment)

    def start_beat(self) -> subprocess.Popen[bytes]:
        return self.start("beat", "-l", "INFO", "-s", str(self._folder / "beat"))

    def stop(self) -> None:
        """Nothing is waited for: what is left undone belongs to nobody."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def logs(self) -> str:
        """What the processes said, for whoever has to find out why a test failed."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self._folder.glob("celery-*.log")))

    def kill_whoever_holds(self, lease: str) -> None:
        """SIGKILL to the whole worker, the minute over that the leases of its processes last."""
        held = sa.select(leases.c.holder).where(leases.c.name == lease, leases.c.expires_at.is_not(None))
        with self.database() as connection:
            holder = connection.execute(held).scalar_one()
        worker = os.getpgid(_process(holder))
        os.killpg(worker, signal.SIGSTOP)
        with self.database() as connection:
            holders = connection.execute(sa.select(leases.c.holder).distinct()).scalars().all()
            dead = [one for one in holders if _group(_process(one)) == worker]
            os.killpg(worker, signal.SIGKILL)
            gone = datetime.now(UTC) - timedelta(seconds=1)
            connection.execute(sa.update(leases).where(leases.c.holder.in_(dead)).values(expires_at=gone))

    def let_timers_run_out(self) -> None:
        """As if every calendar's next poll had come."""
        with self.database() as connection:
            connection.execute(sa.update(watches).values(due_at=datetime.now(UTC)))

    @contextmanager
    def database(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(str(self.settings["store"]), poolclass=sa.NullPool)
        with engine.begin() as connection:
            yield connection

    # -- people ------------------------------------------------------------------------------------------------------

    def move_in(self) -> None:
        """Connect and enable everybody's calendars; nothing is read yet."""
        for owner in self._owners:
            for kind, service in self.services.items():
                user = f"{owner}-{kind}"
                service.add_user(user, PASSWORD)
                self.remote[owner, kind] = service.add_calendar(user, "Calendar", timezone="Europe/Berlin")
                self._connect(owner, kind, user)

    def _connect(self, owner: str, kind: str, user: str) -> None:
        simulator = self.google.google if kind == "google" else self.graph.graph
        account = Account(owner, kind, kind, base_url=simulator.base_url)
        connected = self.engine.connect(account, BearerToken(self.services[kind].tokens[user]))
        [found] = self.engine.discover(connected.key)
        self.ids[owner, kind] = self.engine.enable(found.key).key

    def book(self, owner: str, kind: str) -> datetime:
        """A meeting in an hour of its own, so that its block can be told; when it begins."""
        self.hour += timedelta(hours=2)
        event = self.services[kind].event(f"m{self.hour:%d%H}", self.hour, self.hour + timedelta(hours=1))
        self.services[kind].put(self.remote[owner, kind], event)
        return self.hour

    def starts(self, owner: str, kind: str) -> list[datetime]:
        """When the blocks on a calendar begin."""
        items = self.services[kind].blocks(self.remote[owner, kind])
        return sorted(item.events[0].span.edges(UTC)[0] for item in items)

    def has_cooled(self) -> bool:
        """Whether a push would have any calendar read at once."""
        store, now = self.engine._store, datetime.now(UTC)
        return all(watching.has_cooled(watch, now) for watch in store.load_watches(self.ids.values()).values())

    # -- what happens -------------------------------------------------------------------------------------------------

    def deliver(self) -> list[int | None]:
        """Post what the services have to tell; the answers."""
        return self.google.google.outbox.deliver() + self.graph.graph.outbox.deliver()

    def until(self, happens: Callable[[], object]) -> None:
        """Deliver pushes until it does."""

        def look() -> bool:
            self.deliver()
            return bool(happens())

        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not look():
            assert time.monotonic() < deadline, self.logs()[-20_000:]
            pause.wait(0.1)


def _process(holder: str) -> int:
    return int(holder.rpartition("/")[2])


def _group(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


@contextmanager
def celery_town(
    owners: Sequence[str], folder: Path, broker: str = "redis", *, told_at: str | None = None
) -> Iterator[CeleryTown]:
    """Its services and its endpoint are up, and its calendars enabled; no worker runs yet.

    Args:
        owners: Who lives there.
        folder: For logs.
        broker: The kind.
        told_at: Another broker's URL, which the endpoint takes for that of the workers.
    """
    with new_database("postgresql") as store, new_broker(broker) as where, listening() as (listener, address):
        town = CeleryTown(owners, store, where, address, folder)
        if told_at is not None:
            town.app.conf.update(broker_url=told_at)
        app = webhook_app(town.engine, drain=False, on_accepted=town.tasks.wake)
        with serve_asgi(app, at=listener), town.google.google, town.graph.graph:
            town.move_in()
            try:
                yield town
            finally:
                town.stop()
                town.gate.open.set()
        cast("SQLStore", town.engine._store).close()
