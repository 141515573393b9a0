"""A worker in a process of its own, and the process that such workers are forked from.

``python sync_process.py`` imports everything, opens nothing, and forks a worker for each line of JSON that it is given:
importing costs a second, and a test kills hundreds. What a worker does, it says on standard output, a line each, with
its number before it: each crossing of a store call's boundary, each round's report, and when it is done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, cast

import structlog
from attrs import define, frozen

from calsync_core.engine import SyncEngine
from calsync_core.errors import CalsyncError
from calsync_core.models import Account, BearerToken, Password, SyncPolicy
from calsync_core.protocols import Store, TokenSource
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores.sql import SQLStore
from calsync_core.system import StaticTokens
from calsync_core.testing.deaths import DyingStore, Toll
from shared_clock import SharedClock

__all__ = ["POLICY", "SECRET", "Order", "engine_over"]

SECRET = "a secret for tests only"
POLICY = SyncPolicy(horizon_days=14, guard_max=10_000)


@frozen
class Order:
    """What a worker is to do.

    Attributes:
        number: Its own, in all that it says.
        url: The store.
        clock: File of the shared clock.
        logins: Token, or user and password, by account name; those that are missing are in the store.
        ahead: Seconds that its clock is ahead of the others'.
        rounds: How many syncs; 0: until it is killed.
        task: ``sync``, or ``inbox``.
        stop_at: At the n-th crossing of this boundary it stops itself, as ``kill -STOP`` would; no two calls of its
            are one transaction.
        key: The store's encryption key.
        threads: Accounts and targets side by side.
    """

    number: int
    url: str
    clock: str
    logins: dict[str, list[str]]
    ahead: float = 0.0
    rounds: int = 0
    task: str = "sync"
    stop_at: tuple[str, int] | None = None
    key: str | None = None
    threads: int = 4


@define
class _Voice(Toll):
    """Says each boundary that is crossed; nobody dies of it."""

    order: Order
    crossings: int = 0

    def __attrs_post_init__(self) -> None:
        super().__init__()

    def say(self, *words: object) -> None:
        line = " ".join(str(word) for word in (self.order.number, *words))
        os.write(1, f"{line}\n".encode())  # at once and in one piece, whichever thread says it

    def cross(self, where: str) -> None:
        """See ``Toll``."""
        self.say("at", threading.get_ident(), where)
        if self.order.stop_at is not None and self.order.stop_at[0] == where:
            self.crossings += 1
            if self.crossings == self.order.stop_at[1]:
                self.say("stops")
                os.kill(os.getpid(), signal.SIGSTOP)


def engine_over(store: Store, clock: SharedClock, logins: dict[str, list[str]], **options: Any) -> SyncEngine:
    """An engine as every process of this installation has it."""

    def login(account: Account) -> TokenSource | None:
        said = logins.get(account.name)
        if said is None:
            return None
        return StaticTokens(BearerToken(said[0]) if len(said) == 1 else Password(*said))

    return SyncEngine(
        store=store,
        providers={
            "google": GoogleProvider(writes_per_minute=100_000),
            "microsoft": MicrosoftProvider(),
            "caldav": CalDAVProvider(),
        },
        secret=SECRET,
        policy=POLICY,
        clock=clock,
        tokens=login,
        **options,
    )


def work(order: Order) -> None:
    """Do it, in the forked process."""
    voice = _Voice(order)
    clock = SharedClock(Path(order.clock), order.ahead)
    store = SQLStore(order.url)
    apart = order.stop_at is not None
    told = cast("Store", DyingStore(store, voice, apart=apart))  # it gets the port's methods where no checker sees them
    engine = engine_over(told, clock, order.logins, encryption_key=order.key, max_workers=order.threads)
    voice.say("ready", os.getpid())
    rounds = 0
    while not order.rounds or rounds < order.rounds:
        rounds += 1
        try:
            if order.task == "inbox":
                report = engine.process_notifications().as_dict()
            else:
                report = engine.sync_calendars_needing_polling().as_dict()
        except CalsyncError as error:
            report = {"raised": type(error).__name__, "errors": []}
        voice.say("round", json.dumps(report, default=str))
    store.close()
    voice.say("done")


def main() -> None:
    """Fork a worker for each line, until there are no more."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Whoever has nobody to tell is to end, not to go on by itself.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            work(Order(**order))
            os._exit(0)


if __name__ == "__main__":
    main()
