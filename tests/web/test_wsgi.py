"""The endpoint under WSGI: real HTTP by the standard library's server, and what other servers do."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults, shift_path_info
from wsgiref.validate import validator

import httpx
import pytest

from calsync_core.errors import StoreError
from calsync_core.web.wsgi import webhook_app
from web_bench import Desk, serve_wsgi


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.gate.set()


def test_served_by_the_standard_library(desk: Desk) -> None:
    app = validator(webhook_app(desk.engine, drain=False, max_body=1_000))
    with serve_wsgi(app) as url, httpx.Client(base_url=url) as http:
        assert http.post("/google", headers=desk.push()).status_code == 202
        assert http.post("/microsoft?validationToken=a%20b%2Bc", headers={"Content-Type": "text/plain"}).text == "a b+c"
        assert http.post("/microsoft", content=b'{"value": []}').status_code == 202
        assert http.post("/microsoft", content=b"x" * 1_001).status_code == 413
        assert http.get("/health").json()["status"] == "healthy"
        head = http.head("/health")
        assert (head.status_code, head.content) == (200, b"")
        assert http.get("/google").headers["allow"] == "POST"
        assert http.post("/gö").status_code == 404
        desk.store.sick = StoreError("away")
        again = http.post("/google", headers=desk.push(3))
        assert (again.status_code, again.headers["retry-after"]) == (503, "60")
    assert desk.inbox() == 1


def call(app: Any, body: io.BytesIO | None = None, **environ: Any) -> int:
    """One request as a server makes it; the status."""
    whole: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/microsoft"}
    setup_testing_defaults(whole)
    statuses: list[str] = []
    app({**whole, "wsgi.input": body or io.BytesIO(), **environ}, lambda status, _headers: statuses.append(status))
    return int(statuses[0].split()[0])


def test_a_chunked_body_ends_where_the_server_says(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False, max_body=100)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert call(app, io.BytesIO(b'{"value": []}'), **chunked) == 202
    large = io.BytesIO(b"x" * 10_000)
    assert call(app, large, **chunked) == 413
    assert large.tell() == 101
    # A server that does not mark the end would keep us reading for ever.
    assert call(app, io.BytesIO(b'{"value": []}'), HTTP_TRANSFER_ENCODING="chunked") == 411


def test_only_what_was_announced_is_read(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False)
    body = io.BytesIO(b'{"value": []}GET /next')
    assert call(app, body, CONTENT_LENGTH="13") == 202
    assert body.tell() == 13
    assert call(app, io.BytesIO(b'{"val'), CONTENT_LENGTH="13") == 400
    assert call(app, io.BytesIO(), CONTENT_LENGTH="") == 400


def test_a_sender_that_hangs_up_is_no_failure_of_ours(desk: Desk) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise ConnectionResetError

    assert call(webhook_app(desk.engine, drain=False), Broken(), CONTENT_LENGTH="13") == 400


def test_it_can_be_mounted(desk: Desk) -> None:
    """As Werkzeug's and Paste's dispatchers do: the mount moves from ``PATH_INFO`` to ``SCRIPT_NAME``."""
    hooks = webhook_app(desk.engine, drain=False)

    def host(environ: Any, start_response: Any) -> Any:
        assert shift_path_info(environ) == "hooks"
        return hooks(environ, start_response)

    with serve_wsgi(host) as url:
        for number, path in enumerate(("/hooks/google", "/hooks/google/", "/hooks/google/lifecycle"), start=2):
            assert httpx.post(f"{url}{path}", headers=desk.push(number)).status_code == 202
    assert desk.inbox() == 3


def test_only_so_many_at_a_time(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False, max_waiting=1)
    desk.store.gate.clear()
    with serve_wsgi(app) as url:
        answers: list[httpx.Response] = []
        first = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}/google", headers=desk.push(2))))
        first.start()
        assert desk.store.busy.wait(30)
        assert httpx.post(f"{url}/google", headers=desk.push(3)).status_code == 503
        desk.store.gate.set()
        first.join(30)
        assert httpx.post(f"{url}/google", headers=desk.push(3)).status_code == 202
    assert [answer.status_code for answer in answers] == [202]


def test_an_address_that_was_wrong_too_often(desk: Desk) -> None:
    app = webhook_app(desk.engine, drain=False, rate_limit=2)
    with serve_wsgi(app) as url:
        forged = desk.push(channel_token="guessed")
        assert [httpx.post(f"{url}/google", headers=forged).status_code for _ in range(3)] == [202, 202, 429]
