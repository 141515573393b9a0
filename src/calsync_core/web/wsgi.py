"""The endpoint, and the connect pages, for WSGI servers: Flask, Django and whatever else can mount an application."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attrs import evolve

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.models import OAuthClient
from calsync_core.web.messages import Answering
from calsync_core.web.receiver import MAX_BODY, Admits, OnAccepted, Received, Receiver, Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from calsync_core.web.connect import OwnerOf, Pages

__all__ = ["connect_app", "webhook_app"]

_PIECE = 65_536


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
) -> WSGIApplication:
    """A WSGI application, to be mounted where ``webhook_url`` points to.

    What it answers to what is told in ``calsync_core.web.receiver``.

    Args:
        engine: Takes in what comes.
        drain: Start a thread in each process, on first use, that works the inbox off; it ends with the process. False:
            the host calls ``engine.process_notifications()`` itself.
        metrics: Serve ``/metrics``.
        status: See ``Receiver``.
        status_names: See ``Receiver``.
        max_body: Bytes that a body may have; more is answered 413.
        rate_limit: See ``Receiver``. The server must know the client's address (``REMOTE_ADDR``).
        max_waiting: Requests under way at a time; one more is answered 503 at once.
        on_accepted: See ``Receiver``.

    Raises:
        ConfigurationError: names the argument.
    """
    places = _checked(max_waiting)
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
    return _Application(receiver, places)


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
) -> WSGIApplication:
    """A WSGI application on which people connect their accounts; mounted where ``public_url`` points.

    What it answers to what is told in ``calsync_core.web.connect``. ``owner`` finds WSGI's environ in the request's
    ``scope``.

    Args:
        engine: See ``Connector``, as for all that is not told here.
        public_url: See ``Connector``.
        owner: See ``Connector``.
        clients: See ``Connector``.
        done: See ``Connector``.
        login: See ``Connector``.
        pages: See ``Connector``.
        private_servers: See ``Connector``.
        max_waiting: Requests under way at a time; one more is answered 503 at once.

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
    return _Application(connector, _checked(max_waiting))


def _checked(max_waiting: int) -> int:
    if max_waiting < 1:
        raise ConfigurationError(f"max_waiting: must be at least 1, got {max_waiting!r}")
    return max_waiting


class _Application:
    """Moves bytes."""

    def __init__(self, answering: Answering, max_waiting: int) -> None:
        self._answering = answering
        self._places = threading.BoundedSemaphore(max_waiting)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        reply = self._answer(environ)
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers))
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body]

    def _answer(self, environ: dict[str, Any]) -> Reply:
        head = _head(environ)
        if not self._places.acquire(blocking=False):
            return self._answering.refused(head, 503, "busy")
        try:
            early = self._answering.precheck(head)
            if early is not None:
                return early
            body = self._body(environ, head)
            return body if isinstance(body, Reply) else self._answering.answer(evolve(head, body=body))
        finally:
            self._places.release()

    def _body(self, environ: dict[str, Any], head: Received) -> bytes | Reply:
        """As much as is announced, or until its end where the server marks that."""
        announced, most = head.announced(), self._answering.max_body
        if announced is None and not environ.get("wsgi.input_terminated"):
            return self._answering.refused(head, 411) if "transfer-encoding" in head.headers else b""
        limit = most + 1 if announced is None else announced
        try:
            body = b"".join(_pieces(environ["wsgi.input"].read, limit))
        except OSError:  # How servers say that the sender has gone.
            return self._answering.refused(head, 400, "broken_off")
        if len(body) > most:
            return self._answering.refused(head, 413)
        if announced is not None and len(body) < announced:
            return self._answering.refused(head, 400, "broken_off")
        return body


def _pieces(read: Callable[[int], bytes], limit: int) -> Iterator[bytes]:
    while limit > 0:
        piece = read(min(limit, _PIECE))
        if not piece:
            return
        limit -= len(piece)
        yield piece


def _head(environ: dict[str, Any]) -> Received:
    """All but the body. ``PATH_INFO`` is what follows the mount (``SCRIPT_NAME``), as PEP 3333 has it."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in environ.items()
        if (name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}) and value
    }
    return Received(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace"),
        query_string=environ.get("QUERY_STRING", ""),
        headers=headers,
        client=environ.get("REMOTE_ADDR") or None,
        scope=environ,
    )
