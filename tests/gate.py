"""What stands between workers and a service, and lets a test see and meddle with each request on its way."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.service import SimulatedService

__all__ = ["Gate", "Stage", "Watch", "over_http", "simulated", "writes"]

_BODILESS = frozenset({204, 304})
_WRITING_PART = re.compile(rb'"method": ?"(?:POST|PATCH|DELETE)"|^(?:POST|PUT|DELETE) /', re.MULTILINE)
_HOPS = frozenset({"connection", "content-length", "content-encoding", "transfer-encoding", "host", "accept-encoding"})


class Stage(StrEnum):
    """How far a request is."""

    ARRIVED = "arrived"
    """Nothing was done with it."""
    PART = "part"
    """It is one of a batch's, and about to be carried out."""
    DONE = "done"
    """It was carried out, and nobody knows it yet."""
    HALF = "half"
    """Half of the answer was sent."""


Watch = Callable[[Stage, Request], bool]
"""May block, or kill whoever asks. False for one that arrived: it never gets to the service."""


def writes(request: Request) -> bool:
    """Whether it changes something: by itself, or in a part of a batch."""
    if request.path.endswith("batch") or "/batch/" in request.path:
        return _WRITING_PART.search(request.body) is not None
    return request.method in {"POST", "PUT", "PATCH", "DELETE"}


class Gate:
    """Serves on a free port of this machine what ``behind`` answers, whatever the method.

    Attributes:
        under_way: Requests that have arrived and are not wholly answered.
    """

    def __init__(self, behind: Callable[[Request], Response], watch: Watch) -> None:
        self._behind = behind
        self._watch = watch
        self._quiet = threading.Condition()
        self.under_way: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_quiet(self) -> None:
        """What was sent by those who are dead by now has been carried out, or never will be."""
        with self._quiet:
            assert self._quiet.wait_for(lambda: not self.under_way, 30)

    def pass_on(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        """One request, from its arrival to the last byte of its answer."""
        with self._quiet:
            self.under_way.append(request)
        try:
            if not self._watch(Stage.ARRIVED, request):
                handler.close_connection = True
                return
            response = self._behind(request)
            self._watch(Stage.DONE, request)
            self._answer(request, response, handler)
        finally:
            with self._quiet:
                self.under_way = [other for other in self.under_way if other is not request]
                self._quiet.notify_all()

    def _answer(self, request: Request, response: Response, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(response.status)
        for name, value in response.headers.items():
            handler.send_header(name, value)
        body = b"" if response.status in _BODILESS else response.body
        if response.status not in _BODILESS:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        self._watch(Stage.HALF, request)
        handler.wfile.write(body[len(body) // 2 :])
        handler.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Those who asked are dead, or will be."""


def _handler_for(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: ", ".join(self.headers.get_all(name, ())) for name in self.headers}
            gate.pass_on(Request.of(self.command, self.path, headers, body, gate.origin), self)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (the base class's names)
        do_OPTIONS = do_PROPFIND = do_REPORT = _serve  # noqa: N815  (the base class's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            """Say nothing."""

    return Handler


def simulated(service: SimulatedService, watch: Watch) -> Gate:
    """Before a service that lives in this process; the parts of its batches are seen as well."""
    carry_out = service.carry_out

    def watched(request: Request, *, inner: bool = False) -> Response:
        if inner:
            watch(Stage.PART, request)
        return carry_out(request, inner=inner)

    service.carry_out = watched  # type: ignore[method-assign]  # it is this one that batches call for each part
    return Gate(watched, watch)


def over_http(origin: str, watch: Watch) -> Gate:
    """Before a service that is a process of its own."""
    client = httpx.Client(base_url=origin, timeout=30, trust_env=False)

    def forward(request: Request) -> Response:
        kept = {name: value for name, value in request.headers.items() if name not in _HOPS}
        answer = client.request(request.method, request.path, content=request.body, headers=kept)
        told = {name: value for name, value in answer.headers.items() if name not in _HOPS}
        return Response(answer.status_code, told, answer.content)

    return Gate(forward, watch)
