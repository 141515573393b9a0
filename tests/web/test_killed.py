"""``kill -9`` of the web process in the middle of a burst: nothing that was answered with 2xx is lost (I-28)."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from calsync_core.models import Account, NotificationStatus, Password, StoredSubscription
from calsync_core.steps.receive import fingerprint
from calsync_core.testing import VirtualClock
from killed_app import NAMES, USER, engine_over
from planted import PASSWORD

BURST = 1_000
APP = Path(__file__).parents[1] / "killed_app.py"


def prepare(url: str) -> dict[str, str]:
    """Ana's calendars in a new database, each with a subscription; returns the secret of each."""
    engine = engine_over(url)
    account = engine.connect(Account("ana", "memory", "ana"), Password(USER, PASSWORD))
    now = datetime.now(UTC)
    secrets = {}
    for calendar in engine.discover(account.key):
        engine.enable(calendar.key)
        secrets[calendar.name] = f"the secret of {calendar.name}"
        lease = engine._store.acquire_lease(f"calendar:{calendar.key}", "test", 60, now)
        subscription = StoredSubscription(
            calendar_id=calendar.key,
            provider="memory",
            remote_id=calendar.name,
            secret_hash=fingerprint(secrets[calendar.name]),
            url="http://127.0.0.1/hooks/memory",
            created_at=now,
            expires_at=now + timedelta(days=7),
            confirmed=True,
        )
        engine._store.save_subscription(lease, subscription, now)
        engine._store.release_lease(lease)
    return secrets


@contextmanager
def web_process(url: str, mode: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The endpoint in a process of its own, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(APP), url, str(port), mode])
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{address}/health", timeout=5, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process, address
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("mode", "kill_after"), [("store", 1), ("store", 400), ("drain", 700)])
def test_what_was_answered_is_there(tmp_path: Path, mode: str, kill_after: int) -> None:  # I-28
    url = f"sqlite:///{tmp_path / 'calsync.db'}"
    secrets = prepare(url)
    taken: list[int] = []
    enough = threading.Event()
    with web_process(url, mode) as (process, address):

        def push(number: int) -> None:
            name = NAMES[number % len(NAMES)]
            body = {"subscription": name, "secret": secrets[name], "number": number, "kind": "changed"}
            try:
                answer = client.post(f"{address}/memory", content=json.dumps(body))
            except httpx.TransportError:
                return
            if answer.status_code == 202:
                taken.append(number)
                if len(taken) >= kill_after:
                    enough.set()

        with httpx.Client(timeout=10, trust_env=False) as client, ThreadPoolExecutor(8) as pool:
            burst = [pool.submit(push, number) for number in range(BURST)]
            assert enough.wait(60)
            process.send_signal(signal.SIGKILL)
            for one in burst:
                one.result()
    assert kill_after <= len(taken) < BURST

    # So much later that the dead process's leases have ended.
    engine = engine_over(url, VirtualClock(datetime.now(UTC) + timedelta(minutes=2)))
    stored = engine._store.load_notifications(limit=2 * BURST)
    there = {one.message for one in stored}
    assert {f"{NAMES[number % len(NAMES)]}/{number}" for number in taken} <= there
    # Nothing came twice, and the next process works off what this one left, once its lease has ended.
    assert len(there) == len(stored)
    engine.process_notifications()
    waiting = {NotificationStatus.PENDING, NotificationStatus.PROCESSING}
    assert not [one for one in engine._store.load_notifications(limit=2 * BURST) if one.status in waiting]
