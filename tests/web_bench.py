"""What the tests of the webhook endpoint share: a watched calendar, a store that can be sick or slow, and servers."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn
from attrs import define, field

from calsync_core import Account, SyncEngine
from calsync_core.models import BearerToken, Calendar, Notification, StoredSubscription, Vitals
from calsync_core.protocols import Provider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing import GoogleSimulator, GraphSimulator, VirtualClock
from calsync_core.web.asgi import Application

__all__ = [
    "ADDRESS",
    "SECRET",
    "Desk",
    "FragileStore",
    "ask",
    "eventually",
    "listening",
    "serve_asgi",
    "serve_wsgi",
    "talk",
]

ANA = "ana@example.com"
ADDRESS = "https://calendar.example.com/webhooks"
CHANNEL = "channel-of-ana"
SECRET = "what-only-the-provider-was-told"
RESOURCE = "resource-of-ana"

Scope = dict[str, Any]


class FragileStore(MemoryStore):
    """A store in memory that can be out of order, or slow, for what the endpoint asks of it.

    Attributes:
        sick: What it raises.
        gate: While it is closed (not set), nothing is answered.
        asked: How often the endpoint asked.
        busy: Set once somebody waits at the gate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sick: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.asked = 0
        self.looks = 0

    def find_subscriptions(self, provider: str, remote_ids: Collection[str]) -> Mapping[str, StoredSubscription]:
        self.asked += 1
        self._suffer()
        return super().find_subscriptions(provider, remote_ids)

    def save_notifications(self, notifications: Sequence[Notification]) -> int:
        self._suffer()
        return super().save_notifications(notifications)

    def load_vitals(self) -> Vitals:
        self.looks += 1
        if self.sick is not None:
            raise self.sick
        return super().load_vitals()

    def _suffer(self) -> None:
        if not self.gate.is_set():
            self.busy.set()
            assert self.gate.wait(30)
        if self.sick is not None:
            raise self.sick


@define
class Desk:
    """An engine over Google and Microsoft, and one calendar of Ana's that Google has promised to push for."""

    clock: VirtualClock = field(factory=VirtualClock)
    store: FragileStore = field(factory=FragileStore)
    google: GoogleSimulator = field(init=False)
    graph: GraphSimulator = field(init=False)
    engine: SyncEngine = field(init=False)
    calendar: Calendar = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.google, self.graph = GoogleSimulator(self.clock), GraphSimulator(clock=self.clock)
        self.google.add_user(ANA)
        providers: dict[str, Provider] = {
            "google": GoogleProvider(transport=self.google.transport()),
            "microsoft": MicrosoftProvider(transport=self.graph.transport()),
        }
        self.engine = SyncEngine(
            store=self.store, providers=providers, secret="a secret for tests only", clock=self.clock
        )
        login = StaticTokens(BearerToken(self.google.issue_token(ANA)))
        account = self.engine.connect(Account(owner="ana", provider="google", name="work"), login)
        [found] = self.engine.discover(account.key)
        self.calendar = self.engine.enable(found.key)
        self._promise()

    def _promise(self) -> None:
        now = self.clock.now()
        promise = StoredSubscription(
            calendar_id=self.calendar.key,
            provider="google",
            remote_id=CHANNEL,
            secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
            url=f"{ADDRESS}/google",
            created_at=now,
            expires_at=now.replace(year=now.year + 1),
            resource=RESOURCE,
            confirmed=True,
        )
        lease = self.store.acquire_lease(f"calendar:{self.calendar.key}", "test", 60, now)
        self.store.save_subscription(lease, promise, now)
        self.store.release_lease(lease)

    def inbox(self) -> int:
        """Notifications kept."""
        return len(self.store.load_notifications())

    @staticmethod
    def push(number: int = 2, **changes: str) -> dict[str, str]:
        """The headers of an authentic push of Google's, or of one changed in these."""
        headers = {
            "X-Goog-Channel-ID": CHANNEL,
            "X-Goog-Channel-Token": SECRET,
            "X-Goog-Resource-ID": RESOURCE,
            "X-Goog-Resource-State": "exists",
            "X-Goog-Message-Number": str(number),
        }
        return headers | {f"X-Goog-{name.replace('_', '-').title()}": value for name, value in changes.items()}


def eventually(happens: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until it does."""
    pause = threading.Event()
    for _ in range(int(seconds * 100)):
        if happens():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


async def ask(
    app: Application,
    method: str = "POST",
    path: str = "/google",
    *pieces: bytes,
    headers: Mapping[str, str] | None = None,
    **scope: Any,
) -> tuple[int, dict[str, str], bytes]:
    """One request to an ASGI application, its body in these pieces: status, headers and body of the answer."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0) if messages else await asyncio.Event().wait()

    return await talk(app, receive, method, path, headers=headers, **scope)


async def talk(
    app: Application,
    receive: Callable[[], Any],
    method: str = "POST",
    path: str = "/google",
    *,
    headers: Mapping[str, str] | None = None,
    **scope: Any,
) -> tuple[int, dict[str, str], bytes]:
    """The same, with the messages of ``receive``. Status 0: nothing was answered."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    whole = {"type": "http", "method": method, "path": path, "headers": encoded, "query_string": b"", **scope}
    await app({"asgi": {"version": "3.0"}, "http_version": "1.1", "client": ("192.0.2.1", 1), **whole}, receive, send)
    if not sent:
        return 0, {}, b""
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A port of this machine that is ours, and its address, before anybody serves there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serve_asgi(app: Any, *, at: socket.socket | None = None, lifespan: bool = True) -> Iterator[str]:
    """Served by uvicorn on this machine; the address."""
    if at is None:
        with listening() as (listener, _), serve_asgi(app, at=listener, lifespan=lifespan) as url:
            yield url
        return
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="on" if lifespan else "off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([at],), daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{at.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the standard library calls it so)
        pass


@contextmanager
def serve_wsgi(app: Any, *, at: socket.socket | None = None) -> Iterator[str]:
    """Served by the standard library on this machine; the address."""
    port = 0
    if at is not None:
        port = at.getsockname()[1]
        at.close()
    with make_server("127.0.0.1", port, app, server_class=_Threaded, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)
