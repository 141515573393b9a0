"""``calsync run``: the webhook endpoint and the scheduler in one process, until it is told to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import click
from attrs import define, evolve, field

from calsync_core.cli.accounts import align_accounts, align_modes
from calsync_core.cli.assembly import Installation, build_installation
from calsync_core.cli.config import Config
from calsync_core.cli.context import Call, verbose_option
from calsync_core.cli.output import configure_logging
from calsync_core.cli.server import WebServer, mounted
from calsync_core.errors import Stopped, StoreError
from calsync_core.log import Logger
from calsync_core.scheduler import Scheduler
from calsync_core.scheduler.stopping import signals_heard
from calsync_core.web.asgi import webhook_app

__all__ = ["COMMANDS", "Accounts"]

_GRACE_SECONDS = 15.0
"""For jobs under way, of the twenty that a stop may take as a whole."""

_LAST_SECONDS = 18.0
_LONGEST_PAUSE_SECONDS = 30.0
_ACCOUNTS_SECONDS = 300.0
_LOGIN_SECONDS = 3600.0
_LISTING_SECONDS = 24 * 3600.0
_LOGIN_FAILURES = frozenset({"AuthExpired", "IdentityChanged"})

T = TypeVar("T")

log = Logger("calsync_core.cli")


@click.command("run")
@click.option("--host", metavar="NAME", help="Listen on this address.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port; 0: any free one.  [default: 8080]")
@click.option(
    "--polling-interval",
    type=click.FloatRange(min=60),
    metavar="SECONDS",
    help="Read a calendar without healthy push at least this often.  [default: [policy] polling_seconds, or 3600]",
)
@click.option(
    "--maintenance-interval",
    type=click.FloatRange(min=1),
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="Look after subscriptions this often.",
)
@verbose_option
@click.pass_obj
def run(
    call: Call,
    *,
    host: str | None,
    port: int | None,
    polling_interval: float | None,
    maintenance_interval: float,
    verbose: bool,
) -> int:
    """Keep all calendars in step until SIGTERM or SIGINT (Ctrl-C).

    Listens for pushes where the configuration has a [webhooks] public_url, or where --host or --port is given; without
    either it polls only. Stops cleanly within 20 seconds; a second signal ends it at once.
    """
    config = call.config()
    if polling_interval is not None:
        config = evolve(config, policy=evolve(config.policy, polling_seconds=polling_interval))
    configure_logging(verbose=verbose, lasting=True)
    wanted = config.public_url is not None or host is not None or port is not None
    server = WebServer(host or "127.0.0.1", 8080 if port is None else port) if wanted else None
    click.echo(_announced(config, server))
    return _Service(config, server, maintenance_interval).run()


def _announced(config: Config, server: WebServer | None) -> str:
    if server is None:
        return "No webhook address is configured: all calendars are polled. Ctrl-C stops."
    where = config.public_url or "nowhere: [webhooks] public_url is not set, so all calendars are polled"
    return f"Listening on {server.address}, providers push to {where}. Ctrl-C stops."


@define
class _Service:
    """Everything that runs until the process is told to stop.

    The work is done in a thread, so that the main one does nothing but hear signals: a handler that interrupts code
    which holds a lock must not need it.
    """

    config: Config
    server: WebServer | None
    maintenance_interval: float
    stop: threading.Event = field(factory=threading.Event)
    installation: Installation | None = None
    clean: bool = True
    error: BaseException | None = None

    def run(self) -> int:
        """Returns the exit code. Raises what kept it from starting."""
        worker = threading.Thread(target=self._work, name="calsync-run", daemon=True)
        with signals_heard() as heard:
            worker.start()
            while worker.is_alive() and not heard():
                worker.join(0.25)
            self._end()
            deadline = time.monotonic() + _LAST_SECONDS
            worker.join(_LAST_SECONDS)
            served = self.server is None or self.server.ended(deadline - time.monotonic())
        if self.error is not None:
            raise self.error
        if worker.is_alive() or not (self.clean and served):
            # A request that does not end keeps its thread, and Python would wait for that. What it leaves undone is
            # what a crash leaves, and picked up like that (I-05).
            log.warning("stopped_late")
            os._exit(0 if heard() else 1)
        return 0 if heard() else 1

    def _end(self) -> None:
        log.info("stop_requested")
        if self.server is not None:
            self.server.end()
        self.stop.set()
        if self.installation is not None:
            self.installation.engine.stop()

    def _work(self) -> None:
        try:
            self._serve()
        except Stopped:
            log.info("stopped_while_starting")
        except Exception as error:  # noqa: BLE001  (raised again in the main thread)
            self.error = error

    def _serve(self) -> None:
        self.installation = installation = self._patiently(lambda: build_installation(self.config, lasting=True))
        try:
            self._patiently(lambda: align_modes(installation))
            self._patiently(lambda: _align(installation))
            scheduler = Scheduler(installation.engine, maintenance_interval=self.maintenance_interval)
            scheduler.add("accounts", _ACCOUNTS_SECONDS, Accounts(installation).look)
            if self.server is not None:
                prefix = urlsplit(self.config.public_url or "").path.rstrip("/")
                app = webhook_app(installation.engine, drain=False, on_accepted=lambda _: scheduler.wake())
                self.server.start(mounted(app, prefix))
                threading.Thread(target=self._watch, args=(self.server,), daemon=True).start()
            self.clean = scheduler.run(self.stop, grace=_GRACE_SECONDS)
        finally:
            if self.clean:
                installation.close()

    def _watch(self, server: WebServer) -> None:
        """A process that no longer hears pushes is better started again."""
        while server.alive:
            server.ended(60)
        self.stop.set()

    def _patiently(self, begin: Callable[[], T]) -> T:
        """Do it as soon as the store can be reached. Raises Stopped: told to stop before."""
        pause = 1.0
        while True:
            if self.stop.is_set():
                raise Stopped("told to stop")
            try:
                return begin()
            except StoreError as error:
                log.warning("store_unavailable", kind=type(error).__name__, retry_in=pause)
            self.stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _align(installation: Installation, *, refresh: bool = False) -> None:
    installation.failures.clear()
    align_accounts(installation, refresh=refresh)


@define
class Accounts:
    """Tries accounts again that could not be made ready, and lists those afresh that take part with all they own.

    Attributes:
        tried_at: When that was last done, on the clock of ``time.monotonic``.
        listed_at: When calendars were last listed.
    """

    installation: Installation
    tried_at: float = field(factory=time.monotonic)
    listed_at: float = field(factory=time.monotonic)

    def look(self) -> None:
        """Do what is due of it."""
        now = time.monotonic()
        refresh = now - self.listed_at >= _LISTING_SECONDS
        kinds = {failure.kind for failure in self.installation.failures}
        # A login that is refused heals by its owner's doing, not by being tried often.
        patience = _LOGIN_SECONDS if kinds <= _LOGIN_FAILURES else _ACCOUNTS_SECONDS
        if refresh or (kinds and now - self.tried_at >= patience):
            self.tried_at = now
            _align(self.installation, refresh=refresh)
            self.listed_at = now if refresh else self.listed_at


COMMANDS = (run,)
