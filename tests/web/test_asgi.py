"""The endpoint on an event loop: bodies as they come, mounts, and a loop that is never kept waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.web import asgi
from calsync_core.web.asgi import webhook_app
from calsync_core.web.wsgi import webhook_app as wsgi_webhook_app
from web_bench import Desk, ask, eventually, serve_asgi, talk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.gate.set()


def client(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://host.example")


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_in_pieces_is_one_body(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False)
    pieces = [b'{"value"', b": [", b"", b"]}"]
    assert asyncio.run(ask(app, "POST", "/microsoft", *pieces))[0] == 202
    assert asyncio.run(ask(app, "POST", "/microsoft", *pieces[:2]))[0] == 400


@pytest.mark.parametrize("announced", [None, "5", "11", "999999999999"])
def test_never_more_is_held_than_the_limit(desk: Desk, announced: str | None) -> None:
    """Ten bytes may come; whoever sends more is told so at the eleventh, or before the first if they say it."""
    app = webhook_app(desk.engine, drain=False, max_body=10)
    taken: list[bytes] = []

    async def receive() -> Any:
        taken.append(b"four")
        return {"type": "http.request", "body": b"four", "more_body": True}

    headers = {"Content-Length": announced} if announced else {"Transfer-Encoding": "chunked"}
    status, answered, _ = asyncio.run(talk(app, receive, headers=headers))
    assert status == 413
    assert answered["connection"] == "close"
    assert len(taken) == (0 if announced and int(announced) > 10 else 3)
    assert desk.store.asked == 0


def test_an_answer_before_the_end_of_the_body_closes_only_where_that_is_said_so(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False)
    early = {"Content-Length": "99"}
    assert asyncio.run(ask(app, "POST", "/else/where", headers=early))[1]["connection"] == "close"
    assert "connection" not in asyncio.run(ask(app, "POST", "/else/where", headers=early, http_version="2"))[1]
    assert "connection" not in asyncio.run(ask(app, "POST", "/else/where"))[1]
    assert "connection" not in asyncio.run(ask(app, "POST", "/google", headers=desk.push()))[1]


def test_a_body_that_does_not_come_is_not_waited_for(desk: Desk) -> None:  # I-34
    app = webhook_app(desk.engine, drain=False)
    passed = 0.0

    async def receive() -> Any:
        nonlocal passed
        passed += asgi.BODY_SECONDS * 0.6
        if passed > asgi.BODY_SECONDS:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"{", "more_body": True}

    loop = asyncio.new_event_loop()
    now = loop.time
    loop.time = lambda: now() + passed  # type: ignore[method-assign]  # time passes faster
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(talk(app, receive))[0] == 408
    assert desk.store.asked == 0


def test_a_sender_that_hangs_up_is_answered_nothing(desk: Desk) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    assert asyncio.run(talk(webhook_app(desk.engine, drain=False), receive))[0] == 0
    assert desk.store.asked == 0


# -- mounts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/google", {}),
        ("/hooks/google", {"root_path": "/hooks"}),
        ("/hooks/google/", {"root_path": "/hooks/"}),
        ("/google", {"root_path": "/hooks"}),
        ("/google", {"root_path": "/goo"}),
        ("/a/b/google/lifecycle", {"root_path": "/a/b"}),
        ("/hooks/google", {"root_path": "/proxy/hooks", "app_root_path": "/proxy"}),
        ("/proxy/hooks/google", {"root_path": "/proxy/hooks", "app_root_path": "/proxy"}),
        ("/google/google", {"root_path": "/google"}),
    ],
)
def test_hosts_differ_in_what_they_leave_of_a_mount(desk: Desk, path: str, scope: dict[str, str]) -> None:
    app = webhook_app(desk.engine, drain=False)
    assert asyncio.run(ask(app, "POST", path, headers=desk.push(), **scope))[0] == 202
    assert desk.inbox() == 1


@pytest.mark.parametrize("prefix", ["", "/proxy"])
def test_it_can_be_mounted_in_starlette(desk: Desk, prefix: str) -> None:
    """Also behind a proxy that takes a prefix off, which Starlette then has in ``root_path`` only."""
    own = Route("/hooks", lambda _request: PlainTextResponse("the host's"), methods=["POST"])
    host = Starlette(routes=[own, Mount("/hooks", webhook_app(desk.engine, drain=False))])

    async def visit() -> list[int]:
        async with client(host, root_path=prefix) as http:
            paths = ["/hooks/google", "/hooks/google/lifecycle/", "/hooks/else/where", "/hooks"]
            posts = [(await http.post(path, headers=desk.push())).status_code for path in paths]
            return [*posts, (await http.get("/hooks/health")).status_code]

    assert asyncio.run(visit()) == [202, 202, 404, 200, 200]
    assert desk.inbox() == 1


def test_it_can_be_mounted_in_a_mount(desk: Desk) -> None:
    host = Starlette(routes=[Mount("/a", routes=[Mount("/b", webhook_app(desk.engine, drain=False))])])

    async def visit() -> int:
        async with client(host) as http:
            return (await http.post("/a/b/google", headers=desk.push())).status_code

    assert asyncio.run(visit()) == 202


# -- the loop --------------------------------------------------------------------------------------------------------


def test_a_slow_store_never_holds_up_the_loop(desk: Desk) -> None:
    """Eight pushes hang in the store, more wait; the host's own pages and the probe are answered meanwhile."""
    hooks = webhook_app(desk.engine, drain=False)
    host = Starlette(routes=[Mount("/hooks", hooks), Route("/own", lambda _request: PlainTextResponse("the host's"))])

    async def visit() -> list[int]:
        desk.store.gate.clear()
        async with client(host) as http:
            pushes = [
                asyncio.create_task(http.post("/hooks/google", headers=desk.push(number))) for number in range(20)
            ]
            await asyncio.to_thread(desk.store.busy.wait, 30)
            meanwhile = [(await http.get(path)).status_code for path in ("/own", "/hooks/health")]
            assert not any(push.done() for push in pushes)
            desk.store.gate.set()
            return meanwhile + [answer.status_code for answer in await asyncio.gather(*pushes)]

    assert asyncio.run(visit()) == [200, 200] + [202] * 20
    assert desk.inbox() == 20


def test_only_so_many_may_wait(desk: Desk) -> None:
    """Eight are in the store and three wait; a place is free again only when its thread is."""
    hooks = webhook_app(desk.engine, drain=False, max_waiting=3)

    async def visit() -> list[int]:
        desk.store.gate.clear()
        async with client(hooks) as http:
            pushes = [asyncio.create_task(http.post("/google", headers=desk.push(number))) for number in range(11)]
            await asyncio.to_thread(eventually, lambda: desk.store.asked == 8)
            turned_away = await http.post("/google", headers=desk.push(98))
            assert turned_away.headers["retry-after"] == "60"
            pushes.pop(0).cancel()
            await asyncio.sleep(0)
            statuses = [turned_away.status_code, (await http.post("/google", headers=desk.push(98))).status_code]
            desk.store.gate.set()
            statuses += [one.status_code for one in await asyncio.gather(*pushes)]
            return [*statuses, (await http.post("/google", headers=desk.push(99))).status_code]

    assert asyncio.run(visit()) == [503, 503] + [202] * 11
    assert desk.inbox() == 12


def test_a_number_that_makes_no_sense_is_a_mistake(desk: Desk) -> None:  # I-44
    for app, number in ((webhook_app, -1), (wsgi_webhook_app, 0)):
        with pytest.raises(ConfigurationError, match="max_waiting"):
            app(desk.engine, max_waiting=number)


def test_the_store_is_never_asked_on_the_loop(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()

    def watched(name: str) -> Callable[..., Any]:
        method = getattr(desk.store, name)

        def call(*args: Any, **named: Any) -> Any:
            threads.add(threading.current_thread().name)
            return method(*args, **named)

        return call

    for name in [name for name in dir(desk.store) if name.startswith(("load_", "save_", "find_"))]:
        monkeypatch.setattr(desk.store, name, watched(name))
    hooks = webhook_app(desk.engine, drain=False, metrics=True)

    async def visit() -> list[int]:
        async with client(hooks) as http:
            gets = [(await http.get(path)).status_code for path in ("/health", "/metrics")]
            return [*gets, (await http.post("/google", headers=desk.push())).status_code]

    assert asyncio.run(visit()) == [200, 200, 202]
    assert {name.rpartition("_")[0] for name in threads} == {"calsync-push", "calsync-probe"}


# -- over real HTTP --------------------------------------------------------------------------------------------------


def test_served_by_uvicorn(desk: Desk) -> None:
    with serve_asgi(webhook_app(desk.engine, drain=False, max_body=1_000)) as url, httpx.Client(base_url=url) as http:
        assert http.post("/google", headers=desk.push()).status_code == 202
        assert http.post("/microsoft?validationToken=a%20b%2Bc", headers={"Content-Type": "text/plain"}).text == "a b+c"
        # Only announced: a server that closes on what is still being sent may take its answer from the sender.
        with socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=30) as sender:
            sender.sendall(b"POST /microsoft HTTP/1.1\r\nHost: here\r\nContent-Length: 1001\r\n\r\n")
            assert sender.recv(64).startswith(b"HTTP/1.1 413")
        assert http.post("/microsoft", content=iter([b'{"value": ', b"[]}"])).status_code == 202
        assert http.head("/health").status_code == 200
        assert http.get("/google").headers["allow"] == "POST"
        desk.store.sick = StoreError("away")
        assert http.post("/google", headers=desk.push(3)).status_code == 503
    assert desk.inbox() == 1


def test_an_endless_body_is_cut_off(desk: Desk) -> None:
    """As raw bytes, since no client would go on sending."""
    with serve_asgi(webhook_app(desk.engine, drain=False, max_body=1_000)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as raw:
            raw.sendall(b"POST /google HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(2):
                raw.sendall(b"258\r\n" + b"x" * 600 + b"\r\n")
            answer = b""
            while piece := raw.recv(4_096):
                answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")


# -- what is not HTTP ------------------------------------------------------------------------------------------------


def test_a_websocket_is_turned_away(desk: Desk) -> None:
    sent: list[Any] = []

    async def visit() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await webhook_app(desk.engine, drain=False)({"type": "websocket", "path": "/google"}, receive, send)

    asyncio.run(visit())
    assert sent == [{"type": "websocket.close", "code": 1000}]
