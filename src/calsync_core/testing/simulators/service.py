"""The frame of a simulated service: a real HTTP server, the same thing in this process, faults, and a log."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind, Logged, LostAnswer, Misfortunes
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["SimulatedService"]

_HOST = "127.0.0.1"
_LONGEST_BODY = 64 * 1024 * 1024


class SimulatedService(ABC):
    """A calendar service that lives in this process.

    Use it as a context manager (or ``start`` and ``stop``) to have it served over real HTTP on a free loopback port, or
    hand ``transport()`` to an ``httpx.Client`` to leave the network out. Thread-safe: requests are answered one by one.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._misfortunes = Misfortunes()
        self._log: list[Logged] = []
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """Carry out one request. Called under the lock; must not raise."""

    # -- served over HTTP -----------------------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Scheme, host and port; ``http://localhost`` while it is not served."""
        return "http://localhost" if self._server is None else f"http://{_HOST}:{self._server.server_address[1]}"

    def start(self, port: int = 0) -> None:
        """Serve on this port of the loopback interface, or on a free one."""
        self._server = _Server((_HOST, port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; what is stored stays. Harmless if it is not served."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def transport(self) -> httpx.BaseTransport:
        """An httpx transport that asks this service, whatever the host in the URL."""
        return _Transport(self)

    # -- faults and the log ---------------------------------------------------------------------------------------

    def fail(self, fault: HttpFault) -> None:
        """Let something go wrong."""
        with self._lock:
            self._misfortunes.schedule(fault)

    def scatter(
        self, dice: random.Random, rate: float, throw: Callable[[random.Random, Request], HttpFault | None]
    ) -> None:
        """Let one request in ``1 / rate`` meet what ``throw`` makes of the dice (None: nothing)."""
        with self._lock:
            self._misfortunes.scatter(dice, rate, throw)

    def calm(self) -> None:
        """From now on all goes well."""
        with self._lock:
            self._misfortunes.calm()

    @property
    def injected(self) -> tuple[tuple[str, HttpFaultKind], ...]:
        """Every fault so far: ``(request, kind)``."""
        with self._lock:
            return tuple(self._misfortunes.injected)

    @property
    def log(self) -> tuple[Logged, ...]:
        """Every request so far, the parts of batches after their batch."""
        with self._lock:
            return tuple(self._log)

    def count(self, *, inner: bool = False) -> Counter[str]:
        """HTTP requests by method; with ``inner``, the parts of batches instead."""
        return Counter(logged.method for logged in self.log if logged.inner == inner)

    def clear_log(self) -> None:
        """Forget the log."""
        with self._lock:
            self._log.clear()

    # -- carrying out ---------------------------------------------------------------------------------------------

    def carry_out(self, request: Request, *, inner: bool = False) -> Response:
        """Answer one request, or one part of a batch (``inner``), with its fault if it meets one.

        Raises:
            LostAnswer: the connection breaks.
        """
        with self._lock:
            place = len(self._log)
            self._note(place, request, None, inner=inner)
            fault = self._misfortunes.draw(request, inner=inner)
            kind = fault.kind if fault is not None else None
            if kind is HttpFaultKind.REFUSED:
                raise LostAnswer("refused")
            response = fault.response if fault is not None and kind is HttpFaultKind.ANSWER else self.answer(request)
            if kind is HttpFaultKind.LOST_ANSWER:
                raise LostAnswer("the answer is lost")
            self._note(place, request, response, inner=inner)
            if kind is HttpFaultKind.GARBLED:
                headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
                return Response(response.status, headers, response.body[: len(response.body) // 2], "garbled")
            return response

    def _note(self, place: int, request: Request, response: Response | None, *, inner: bool) -> None:
        status, note = (response.status, response.note) if response is not None else (None, None)
        self._log[place : place + 1] = [Logged(request.method, request.path, status, inner, note, request)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler_for(service: SimulatedService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body go out together: with Nagle's algorithm and delayed acknowledgements, two small writes
        # would cost 40 ms.
        wbufsize = -1
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _LONGEST_BODY)
            body = self.rfile.read(length)
            # A header may come in several lines, as Graph's Prefer does; they mean what one line with commas means.
            headers = {name: ", ".join(self.headers.get_all(name, ())) for name in self.headers}
            request = Request.of(self.command, self.path, headers, body, service.origin)
            try:
                response = service.carry_out(request)
            except LostAnswer:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if response.status not in {204, 304}:
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if response.status not in {204, 304}:
                self.wfile.write(response.body)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (the base class's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            """Say nothing: the service keeps its own log."""

    return Handler


class _Transport(httpx.BaseTransport):
    def __init__(self, service: SimulatedService) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the service directly."""
        base = f"{request.url.scheme}://{request.url.netloc.decode()}"
        asked = Request.of(request.method, str(request.url), dict(request.headers.items()), request.read(), base)
        try:
            response = self._service.carry_out(asked)
        except LostAnswer:
            raise httpx.ReadError("the connection broke", request=request) from None
        return httpx.Response(response.status, headers=dict(response.headers), content=response.body, request=request)
