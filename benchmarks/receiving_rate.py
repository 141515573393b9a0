"""How many pushes a second the endpoint takes in, beside the same server doing next to nothing.

One uvicorn in a process of its own serves three applications, in turns: ours; one that reads the body and says 202; and
one that inserts the very row with the bare driver, and commits it as hard, before it says so. What is compared is the
server's processor time: whoever asks has a process of its own, too.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
import uvicorn
from benchmarks.databases import Plain, new_database
from benchmarks.rates import Figure, Pace, middle

from calsync_core import Account, Calendar, SyncEngine
from calsync_core.models import Notification, PushKind, StoredSubscription
from calsync_core.providers.google import GoogleProvider
from calsync_core.steps.receive import fingerprint
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import notifications
from calsync_core.system import SystemClock
from calsync_core.web.asgi import webhook_app

__all__ = ["receiving_figures"]

HOST, SECRET, CALENDARS = "127.0.0.1", "what-only-the-provider-was-told", 50
SIDE_BY_SIDE = 16
PATHS = {"ours": "/hooks/google", "bare ASGI server": "/bare", "… and a bare insert": "/insert"}


def receiving_figures(folder: Path, databases: Sequence[str], *, rounds: int, pushes: int = 1_000) -> Iterator[Figure]:
    """On each database there is; ``pushes`` in each round."""
    for kind in databases:
        with new_database(kind, folder) as url:
            if url is not None:
                _promise(url)
                with _serving(url) as port:
                    paces = asyncio.run(_measure(port, rounds, pushes))
                yield Figure("receive", "requests", paces.pop("ours"), paces, kind)


def _promise(url: str) -> None:
    """Calendars that Google pushes for."""
    store, now = SQLStore(url), SystemClock().now()
    account = store.save_account(Account("ana", "google", "work"))
    for number in range(CALENDARS):
        name = f"c{number}"
        calendar = store.save_calendar(Calendar(account.key, "ana", name, name, enabled=True))
        lease = store.acquire_lease(f"calendar:{calendar.key}", "bench", 3600, now)
        promise = StoredSubscription(
            *(calendar.key, "google", name, fingerprint(SECRET), f"https://{HOST}", now, now + timedelta(days=7)),
            confirmed=True,
        )
        store.save_subscription(lease, promise, now)
        store.call_for_checks([calendar.key])
    store.save_notifications([Notification(1, 1, PushKind.CHANGED, received_at=now, due_at=now, message="0")])
    store.close()


# -- the server -----------------------------------------------------------------------------------------------------


@contextmanager
def _serving(url: str) -> Iterator[int]:
    """The server in a process of its own; yields its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(url, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(30)


def _serve(url: str, told: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    engine = SyncEngine(
        store=SQLStore(url),
        providers={"google": GoogleProvider()},
        secret="only for this benchmark",  # noqa: S106  (it guards nothing)
        webhook_url=f"https://{HOST}",
    )
    config = uvicorn.Config(_Applications(engine, url), log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    listening = socket.create_server((HOST, 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    told.send(listening.getsockname()[1])
    told.recv()
    server.should_exit = True
    thread.join(20)


class _Applications:
    """By the first part of the path."""

    def __init__(self, engine: SyncEngine, url: str) -> None:
        self._ours = webhook_app(engine, drain=False)
        self._inserting = _Inserting(url)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan" or path.startswith("/hooks"):
            await self._ours({**scope, "root_path": "/hooks"}, receive, send)
            return
        while (await receive()).get("more_body", False):
            pass
        if path == "/insert":
            await asyncio.get_running_loop().run_in_executor(None, self._inserting.insert)
        body = str(time.process_time()).encode() if path == "/spent" else b""
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class _Inserting:
    """The row that a push becomes, again and again; one at a time in SQLite, where there is one writer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._here = threading.local()
        with sa.create_engine(url).connect() as connection:
            row = connection.execute(sa.select(notifications)).mappings().first()
        assert row is not None  # noqa: S101  (it was made above)
        self._names = [name for name in row if name not in {"id", "message_hash"}]
        plain = self._plain()
        (self._values,) = plain.execute(f"SELECT {', '.join(self._names)} FROM {notifications.name}")  # noqa: S608  (names of ours)
        self._statement = plain.insertion(notifications, self._names)
        self._turn = threading.Lock() if url.startswith("sqlite") else None

    def insert(self) -> None:
        plain = self._plain()
        if self._turn is None:
            self._insert(plain)
        else:
            with self._turn:
                self._insert(plain)

    def _insert(self, plain: Plain) -> None:
        with plain.transaction() as cursor:
            cursor.execute(self._statement, self._values)

    def _plain(self) -> Plain:
        if not hasattr(self._here, "plain"):
            self._here.plain = Plain(self._url, promised=True)
        plain: Plain = self._here.plain
        return plain


# -- whoever pushes -------------------------------------------------------------------------------------------------


async def _measure(port: int, rounds: int, pushes: int) -> dict[str, Pace]:
    connections = [await asyncio.open_connection(HOST, port) for _ in range(SIDE_BY_SIDE)]
    taken: dict[str, list[Pace]] = {name: [] for name in PATHS}
    number = 0
    for turn in range(rounds + 1):
        for name, path in PATHS.items():
            messages = [_request(path, number + one) for one in range(pushes)]
            number += pushes
            spent, began = await _spent(connections[0]), time.perf_counter()
            shares = [messages[place::SIDE_BY_SIDE] for place in range(SIDE_BY_SIDE)]
            await asyncio.gather(*(_push(each, share) for each, share in zip(connections, shares, strict=True)))
            wall = time.perf_counter() - began
            if turn:  # the first one opens connections and fills caches
                taken[name].append(Pace(wall / pushes, (await _spent(connections[0]) - spent) / pushes))
    for _, writer in connections:
        writer.close()
    return {name: middle(paces) for name, paces in taken.items()}


def _request(path: str, number: int) -> bytes:
    headers = {
        "Host": HOST,
        "X-Goog-Channel-ID": f"c{number % CALENDARS}",
        "X-Goog-Channel-Token": SECRET,
        "X-Goog-Resource-ID": "a-calendar",
        "X-Goog-Resource-State": "exists",
        "X-Goog-Message-Number": str(number + 2),
        "Content-Length": "0",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _push(streams: _Streams, messages: Sequence[bytes]) -> None:
    for message in messages:
        await _ask(streams, message)


async def _ask(streams: _Streams, message: bytes) -> bytes:
    reader, writer = streams
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 202"):
        raise RuntimeError("a push was not taken")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return await reader.readexactly(length)


async def _spent(streams: _Streams) -> float:
    """Seconds of the server's processor."""
    return float(await _ask(streams, _request("/spent", 0)))
