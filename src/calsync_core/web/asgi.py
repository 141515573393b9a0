"""The endpoint, and the connect pages, for ASGI servers: Starlette, FastAPI, Django's ASGI side, or on its own.

The event loop only moves bytes. Whatever may wait for the store runs in threads of the application's own. They are few,
and only so many requests may wait for them: a slow store delays pushes, and nothing else of the host's.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.models import OAuthClient
from calsync_core.web.messages import Answering, Route, find_route
from calsync_core.web.receiver import MAX_BODY, Admits, OnAccepted, Received, Receiver, Reply

if TYPE_CHECKING:
    from calsync_core.web.connect import OwnerOf, Pages

__all__ = ["Application", "connect_app", "webhook_app"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 10.0
"""How long a body may take to come."""

_THREADS = 8


def webhook_app(
    engine: SyncEngine,
    *,
    drain: bool = True,
    metrics: bool = False,
    status: Admits | None = None,
    status_names: bool = False,
    max_body: int = MAX_BODY,
    rate_limit: int | None = None,
    max_waiting: int = 1_000,
    on_accepted: OnAccepted | None = None,
) -> Application:
    """An ASGI application for asyncio, to be mounted where ``webhook_url`` points to.

    What it answers to what is told in ``calsync_core.web.receiver``.

    Args:
        engine: Takes in what comes.
        drain: Start a thread in each process that works the inbox off: with the server's lifespan, or where a mounted
            application sees none of it, on first use. False: the host calls ``engine.process_notifications()`` itself.
        metrics: Serve ``/metrics``.
        status: See ``Receiver``.
        status_names: See ``Receiver``.
        max_body: Bytes that a body may have; more is answered 413.
        rate_limit: See ``Receiver``. The server must know the client's address.
        max_waiting: Requests that may wait for a thread; one more is answered 503 at once.
        on_accepted: See ``Receiver``.

    Raises:
        ConfigurationError: names the argument.
    """
    waiting = _checked(max_waiting)
    receiver = Receiver(
        engine,
        drain=drain,
        metrics=metrics,
        status=status,
        status_names=status_names,
        max_body=max_body,
        rate_limit=rate_limit,
        on_accepted=on_accepted,
    )
    # A probe is answered while all the others wait for the store, or for the host's check of who may see the page.
    return _Application(
        receiver,
        posts=_Threads("calsync-push", _THREADS, waiting),
        gets=_Threads("calsync-probe", 1, waiting),
        pages=_Threads("calsync-page", 1, waiting),
    )


def connect_app(
    engine: SyncEngine,
    *,
    public_url: str,
    owner: OwnerOf,
    clients: Mapping[str, OAuthClient] | None = None,
    done: str = "/",
    login: str | None = None,
    pages: Pages | None = None,
    private_servers: bool = False,
    max_waiting: int = 1_000,
) -> Application:
    """An ASGI application for asyncio on which people connect their accounts; mounted where ``public_url`` points.

    What it answers to what is told in ``calsync_core.web.connect``. ``owner`` is called in a thread, with ASGI's scope
    in the request's ``scope``.

    Args:
        engine: See ``Connector``, as for all that is not told here.
        public_url: See ``Connector``.
        owner: See ``Connector``.
        clients: See ``Connector``.
        done: See ``Connector``.
        login: See ``Connector``.
        pages: See ``Connector``.
        private_servers: See ``Connector``.
        max_waiting: Requests that may wait for a thread; one more is answered 503 at once.

    Raises:
        ConfigurationError: names the argument.
    """
    from calsync_core.web.connect import Connector  # noqa: PLC0415  (an endpoint alone needs nothing that sends requests)

    connector = Connector(
        engine,
        public_url=public_url,
        owner=owner,
        clients=clients,
        done=done,
        login=login,
        pages=pages,
        private_servers=private_servers,
    )
    threads = _Threads("calsync-connect", _THREADS, _checked(max_waiting))
    return _Application(connector, posts=threads, gets=threads)


def _checked(max_waiting: int) -> int:
    if max_waiting < 0:
        raise ConfigurationError(f"max_waiting: must not be negative, got {max_waiting!r}")
    return max_waiting


class _TooLargeError(Exception):
    pass


class _GoneError(Exception):
    pass


class _Application:
    """Moves bytes. What has a body, what has none, and the status page may each wait in threads of their own."""

    def __init__(self, answering: Answering, *, posts: _Threads, gets: _Threads, pages: _Threads | None = None) -> None:
        self._answering = answering
        self._posts = posts
        self._gets = gets
        self._pages = pages or gets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = _head(scope)
        try:
            reply, whole = await self._answer(head, receive)
        except _GoneError:
            return
        headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in reply.headers]
        if not whole and str(scope.get("http_version", "1.1")).startswith("1"):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else reply.body})

    async def _answer(self, head: Received, receive: Receive) -> tuple[Reply, bool]:
        """The answer, and whether the request was read to its end."""
        early, unread = self._answering.precheck(head), _has_body(head)
        if early is not None:
            return early, not unread
        if head.method != "POST":
            return await self._in_thread(self._threads_for(head), head), not unread
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive, self._answering.max_body)
        except TimeoutError:
            return self._answering.refused(head, 408), False
        except _TooLargeError:
            return self._answering.refused(head, 413), False
        return await self._in_thread(self._posts, evolve(head, body=body)), True

    def _threads_for(self, head: Received) -> _Threads:
        asked = find_route(head.path)
        return self._pages if asked is not None and asked[0] is Route.STATUS else self._gets

    async def _in_thread(self, threads: _Threads, received: Received) -> Reply:
        future = threads.submit(lambda: self._answering.answer(received))
        return self._answering.refused(received, 503, "busy") if future is None else await asyncio.wrap_future(future)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._answering.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._answering.stop)
                for threads in (self._posts, self._gets, self._pages):
                    threads.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _Threads:
    """A few threads in each process, and a bounded number of calls that wait for one of them."""

    def __init__(self, name: str, count: int, waiting: int) -> None:
        self._name = name
        self._count = count
        self._places = threading.BoundedSemaphore(count + waiting)
        self._lock = threading.Lock()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def submit(self, call: Callable[[], Reply]) -> Future[Reply] | None:
        """Have it called; None: too many wait."""
        if not self._places.acquire(blocking=False):
            return None
        try:
            future = self._executor().submit(call)
        except BaseException:
            self._places.release()
            raise
        # Not when the request ends: it may be cancelled while its thread goes on.
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        """Wait for nothing; the next call begins again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool[1].shutdown(wait=False)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():
                self._pool = (os.getpid(), ThreadPoolExecutor(self._count, thread_name_prefix=self._name))
            return self._pool[1]


async def _read(receive: Receive, most: int) -> bytes:
    """The whole body. Raises _TooLargeError, holding no more than that; _GoneError, the sender has hung up."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        piece = message.get("body", b"")
        if len(body) + len(piece) > most:
            raise _TooLargeError
        body += piece
        if not message.get("more_body", False):
            return bytes(body)


def _has_body(head: Received) -> bool:
    return head.headers.get("content-length", "0") != "0" or "transfer-encoding" in head.headers


def _head(scope: Scope) -> Received:
    """All but the body."""
    return Received(
        method=scope["method"],
        path=_below_mount(scope),
        query_string=scope.get("query_string", b"").decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope.get("headers", ())],
        client=scope["client"][0] if scope.get("client") else None,
        scope=scope,
    )


def _below_mount(scope: Scope) -> str:
    """The path after the mount: some hosts take that off ``path``, others leave it, as the specification has it.

    Behind a proxy that takes a prefix off, Starlette's ``root_path`` has that prefix (``app_root_path``) and the mount,
    and ``path`` has the mount only.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    for whole in (root, root.removeprefix(scope.get("app_root_path") or "")):
        mount = whole.rstrip("/")
        if mount and (path == mount or path.startswith(f"{mount}/")):
            return path[len(mount) :]
    return path
