"""The endpoint without a framework: a request comes in as a value, and its answer goes out as one.

::

    POST /{provider}, POST /{provider}/lifecycle
        200  the text that a provider wants repeated, before it believes the address
        202  stored, durably; also a push that came twice, or that nobody can have sent who knows its secret: whoever
             forges one learns nothing from the answer (I-26)
        400  no push of this provider's           404  no provider of this name that pushes
        413  larger than ``max_body``             429  this address was wrong too often (``rate_limit``)
        503  not stored: send it again. Never 2xx before it is durable (I-28)
    GET /health    200 healthy or degraded, 503 unhealthy; JSON without names
    GET /metrics   Prometheus' text, if wanted
    GET /status    a page for whoever looks after it, if wanted, and to whom the host's check lets see it; 404 to others

Providers take any other status than those for a failed delivery and may give the endpoint up, so that a push is refused
only if sending it again would never help.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TypeAlias

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError, InvalidValue, StoreError, UnknownProvider
from calsync_core.log import Logger
from calsync_core.models import PushReceipt
from calsync_core.protocols import PushRequest
from calsync_core.web.drain import Drain
from calsync_core.web.exposition import CONTENT_TYPE
from calsync_core.web.limits import Limiter
from calsync_core.web.messages import Received, Reply, Route, find_route, place_of, text_reply
from calsync_core.web.probes import Probes
from calsync_core.web.status import HEADERS, Admits, StatusPage
from calsync_core.web.status.page import unavailable

__all__ = ["MAX_BODY", "Admits", "OnAccepted", "Received", "Receiver", "Reply"]

OnAccepted: TypeAlias = Callable[[PushReceipt], object]

log = Logger("calsync_core.web")

MAX_BODY = 262_144
"""Bytes. A push of Google's has no body; one of Graph's some hundred bytes for each change that it tells of."""

_RETRY_SECONDS = 60

_TEXTS = {
    400: "this is no push",
    404: "there is nothing here",
    405: "not in this way",
    408: "the body did not come in time",
    411: "say how long the body is",
    413: "the body is too large",
    429: "too many requests that were no pushes",
    503: "not now: try again",
}
_BLAMED = frozenset({400, 404, 413})
"""What is charged to the address it came from."""


class Receiver:
    """Answers requests. Thread-safe; never raises.

    Args:
        engine: Takes in what comes.
        drain: Start a thread in this process, on first use, that works the inbox off. False: the host does.
        metrics: Serve ``/metrics``.
        status: Serve ``/status`` to whomever this lets see it: called with each request for it, in the thread that
            answers; True admits. What else it returns, and what it raises, is answered 404, as if there were no page.
        status_names: Show there what calendars and accounts are called: often somebody's address.
        max_body: Bytes that a body may have.
        rate_limit: How many requests a minute one client address may send that are refused or dropped, before it is
            answered 429 for a while. Authentic pushes never count. None: no limit.
        on_accepted: Called with the receipt of each push that brought news, once that is stored and before it is
            answered: have a worker of yours look now. It must be quick; what it raises changes no answer.

    Raises:
        ConfigurationError: names the argument.
    """

    def __init__(
        self,
        engine: SyncEngine,
        *,
        drain: bool = False,
        metrics: bool = False,
        status: Admits | None = None,
        status_names: bool = False,
        max_body: int = MAX_BODY,
        rate_limit: int | None = None,
        on_accepted: OnAccepted | None = None,
    ) -> None:
        if max_body < 1:
            raise ConfigurationError(f"max_body: must be at least 1, got {max_body!r}")
        if rate_limit is not None and rate_limit < 1:
            raise ConfigurationError(f"rate_limit: must be at least 1, got {rate_limit!r}")
        self.max_body = max_body
        self._engine = engine
        self._metrics = metrics
        self._limiter = None if rate_limit is None else Limiter(rate_limit, engine.clock)
        self._on_accepted = on_accepted
        self._drain = Drain(engine) if drain else None
        self._probes = Probes(engine, self._drain)
        self._status = None if status is None else StatusPage(engine, status, names=status_names, drain=self._drain)

    def start(self) -> None:
        """Start the thread that drains, if there is to be one. The first request does it otherwise."""
        if self._drain is not None:
            self._drain.start()

    def stop(self) -> None:
        """Stop it, and wait some seconds for what it is doing."""
        if self._drain is not None and not self._drain.stop():
            log.warning("drain_still_busy")

    def precheck(self, received: Received) -> Reply | None:
        """What to answer before the body is read, if that is clear already. Looks into no store."""
        found = find_route(received.path)
        if found is None or not self._serves(found[0]):
            return self.refused(received, 404)
        route = found[0]
        if received.method not in route.methods:
            if route is Route.STATUS:  # Whether there is one is nobody's business whom it is not shown to.
                return self.refused(received, 404, event="status_refused")
            return text_reply(405, _TEXTS[405], ("Allow", ", ".join(route.methods)))
        return self._precheck_push(received) if route is Route.PUSH else None

    def _serves(self, route: Route) -> bool:
        return {Route.METRICS: self._metrics, Route.STATUS: self._status is not None}.get(route, True)

    def _precheck_push(self, received: Received) -> Reply | None:
        wait = 0.0 if self._limiter is None else self._limiter.wait(received.client)
        if wait > 0:
            log.debug("push_refused", provider=None, status=429, reason="rate_limit")
            return text_reply(429, _TEXTS[429], ("Retry-After", str(math.ceil(wait))))
        try:
            announced = received.announced() or 0
        except InvalidValue:
            return self.refused(received, 400, "content_length")
        if max(announced, len(received.body)) > self.max_body:
            return self.refused(received, 413)
        return None

    def answer(self, received: Received) -> Reply:
        """Answer a request that has come completely."""
        early = self.precheck(received)
        if early is not None:
            return early
        self.start()
        route, name = find_route(received.path) or (Route.HEALTH, "")
        match route:
            case Route.HEALTH:
                return self._health()
            case Route.METRICS:
                return self._page(received)
            case Route.STATUS if self._status is not None:
                return self._show(self._status, received)
        return self._push(received, name)

    def refused(
        self, received: Received, status: int, reason: str = "", *, event: str = "push_refused", **ids: object
    ) -> Reply:
        """The answer to what can't be taken; logged, and charged to its sender if that is to blame."""
        if status in _BLAMED:
            self._charge(received)
        log.info(event, status=status, reason=reason or _TEXTS[status], **ids)
        more = (("Retry-After", str(_RETRY_SECONDS)),) if status == 503 else ()
        return text_reply(status, _TEXTS[status], *more)

    def _push(self, received: Received, name: str) -> Reply:
        try:
            request = PushRequest(received.headers, received.query(), received.body)
            receipt = self._engine.accept_push(name, request)
        except UnknownProvider:
            return self.refused(received, 404, "unknown_provider")
        except InvalidValue:
            return self.refused(received, 400, "no_push", provider=name)
        except StoreError as error:
            return self.refused(received, 503, type(error).__name__, provider=name)
        except Exception as error:  # noqa: BLE001  (whatever it is: what came is not stored)
            return self._failed(received, error)
        if receipt.reply is not None:
            log.info("handshake_answered", provider=name)
            return text_reply(200, receipt.reply)
        return self._taken(received, name, receipt)

    def _taken(self, received: Received, name: str, receipt: PushReceipt) -> Reply:
        counts = {"accepted": receipt.accepted, "doubled": receipt.doubled, "dropped": receipt.dropped}
        if receipt.accepted or receipt.doubled:
            log.info("push_accepted", provider=name, **counts)
        elif receipt.dropped:
            self._charge(received)
            log.info("push_refused", status=202, reason="not_ours", provider=name, **counts)
        if receipt.accepted and self._drain is not None:
            self._drain.wake()
        if receipt.calendars and self._on_accepted is not None:
            self._tell(self._on_accepted, receipt)
        return text_reply(202)

    def _tell(self, on_accepted: OnAccepted, receipt: PushReceipt) -> None:
        """The news is safe, and found by whoever looks into the inbox next, whatever becomes of this."""
        try:
            on_accepted(receipt)
        except Exception as error:  # noqa: BLE001  (the host's code may raise anything)
            log.warning("on_accepted_failed", kind=type(error).__name__, at=place_of(error.__traceback__))

    def _health(self) -> Reply:
        document = self._probes.health()
        status = 503 if document["status"] == "unhealthy" else 200
        return text_reply(status, json.dumps(document), ("Content-Type", "application/json"))

    def _page(self, received: Received) -> Reply:
        try:
            return text_reply(200, self._probes.metrics(), ("Content-Type", CONTENT_TYPE))
        except Exception as error:  # noqa: BLE001  (a scraper is told to come again, whatever it is)
            return self._failed(received, error)

    def _show(self, status: StatusPage, received: Received) -> Reply:
        try:
            admitted = status.admits(received)
        except Exception as error:  # noqa: BLE001  (the host's code may raise anything)
            log.warning("status_check_failed", kind=type(error).__name__, at=place_of(error.__traceback__))
            admitted = False
        if not admitted:
            return self.refused(received, 404, "not_admitted", event="status_refused")
        try:
            return text_reply(200, status.render(received), *HEADERS)
        except Exception as error:  # noqa: BLE001  (whoever looks after it is told so, whatever it is)
            log.error("request_failed", kind=type(error).__name__, at=place_of(error.__traceback__))  # noqa: TRY400  (I-39)
            return text_reply(503, unavailable(self._engine.clock.now(), type(error).__name__), *HEADERS)

    def _failed(self, received: Received, error: Exception) -> Reply:
        """Its message may hold what must not be logged (I-39), so the log says where, not what."""
        log.error("request_failed", kind=type(error).__name__, at=place_of(error.__traceback__))
        return self.refused(received, 503, type(error).__name__)

    def _charge(self, received: Received) -> None:
        if self._limiter is not None:
            self._limiter.charge(received.client)
