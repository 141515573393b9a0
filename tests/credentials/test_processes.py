"""Real processes over one SQLite file and a token server across a socket: one renewal, and none lost (I-36)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve, frozen

from calsync_core.credentials import Vault, new_key
from calsync_core.engine import SyncEngine
from calsync_core.models import Account, Lease, OAuthGrant
from calsync_core.providers.memory import MemoryService
from calsync_core.stores.sql import SQLStore
from granting import GrantingProvider, TokenServer, over_http

SECRET = "a secret for tests only"

WORKER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import structlog

from calsync_core import SyncEngine
from calsync_core.providers.memory import MemoryService
from calsync_core.stores.sql import SQLStore
from granting import HttpProvider

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
url, key, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = SyncEngine(
    store=SQLStore(url), providers={"memory": HttpProvider(MemoryService())}, secret="a secret for tests only",
    encryption_key=key,
)
account = engine._store.load_accounts()[0]
tokens = engine._context.logins.source(account)
together = Barrier(threads)

def ask(order):
    together.wait()
    return tokens.credential(renew=order == "renew").token

with ThreadPoolExecutor(threads) as pool:
    print("ready", flush=True)
    for line in sys.stdin:
        print(*pool.map(ask, [line.strip()] * threads), flush=True)
"""


@frozen
class Office:
    """One account in a file, its token server and its address."""

    url: str
    key: str
    server: TokenServer
    account: Account

    def worker(self, threads: int = 1) -> subprocess.Popen[str]:
        tests = str(Path(__file__).parents[1])
        command = [sys.executable, "-W", "error", "-c", WORKER, self.url, self.key, str(threads)]
        worker = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": tests}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert answer(worker) == "ready"
        return worker

    def stored(self) -> OAuthGrant:
        store = SQLStore(self.url)
        sealed = store.load_credential(self.account.key)
        store.close()
        assert sealed is not None
        login = Vault(self.key).unseal(self.account, sealed).login
        assert isinstance(login, OAuthGrant)
        return login


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    server, key, url = TokenServer(), new_key(), f"sqlite:///{tmp_path}/calsync.db"
    service = MemoryService()
    service.add_user("ana")
    with over_http(server) as address:
        store = SQLStore(url)
        engine = SyncEngine(
            store=store, providers={"memory": GrantingProvider(service, server)}, secret=SECRET, encryption_key=key
        )
        server.life = timedelta()  # the token it connects with is over at once
        account = engine.connect(Account("ana", "memory", "home"), evolve(server.consent("ana"), token_url=address))
        server.life = timedelta(hours=1)
        store.close()
        yield Office(url, key, server, account)


def order(worker: subprocess.Popen[str], what: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{what}\n")
    worker.stdin.flush()


def answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def end(*workers: subprocess.Popen[str]) -> None:
    for worker in workers:
        worker.communicate(timeout=60)
    assert [worker.returncode for worker in workers] == [0] * len(workers)


def test_four_processes_of_two_threads_renew_once(office: Office) -> None:  # I-36
    workers = [office.worker(threads=2) for _ in range(4)]
    for round_number, what in enumerate(["use", "renew", "renew"], start=1):
        spent = office.server.requests
        for worker in workers:
            order(worker, what)
        tokens = {token for worker in workers for token in answer(worker).split()}
        assert office.server.requests == spent + 1, f"round {round_number}"
        assert tokens == {office.stored().access_token}
    end(*workers)


def test_a_process_killed_after_its_grant_was_stored_loses_nothing(office: Office) -> None:  # I-05, I-36
    first = office.worker()
    order(first, "use")
    token = answer(first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = office.worker()
    spent = office.server.requests
    order(second, "use")
    assert answer(second) == token
    order(second, "renew")
    assert answer(second) == office.stored().access_token != token
    assert office.server.requests == spent + 1
    end(second)


def test_a_process_killed_between_the_answer_and_the_store_leaves_the_old_grant(office: Office) -> None:  # I-05, I-36
    office.server.gentle = True  # where a lost answer may be asked for again, it is
    asked, dead = threading.Event(), threading.Event()

    def killed_meanwhile() -> None:
        asked.set()
        assert dead.wait(30)

    office.server.meanwhile = killed_meanwhile
    first = office.worker()
    before = office.stored()
    order(first, "use")
    assert asked.wait(30)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    office.server.meanwhile = None
    dead.set()
    assert office.stored() == before
    store = SQLStore(office.url)  # its lease would be over in a minute
    lease = store.renew_lease(_lease_of_the_dead(store, office.account), 0, _long_ago())
    assert lease.holder
    store.close()
    second = office.worker()
    order(second, "use")
    assert answer(second) == office.stored().access_token
    end(second)


def _lease_of_the_dead(store: SQLStore, account: Account) -> Lease:
    with store._database.reading() as connection:
        row = connection.exec_driver_sql(
            "SELECT name, holder, token FROM calsync_leases WHERE name = ?", (f"credential:{account.key}",)
        ).one()
    return Lease(row.name, row.holder, row.token, _long_ago())


def _long_ago() -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC)
