"""One session's way to its server: the credential, redirects, deadlines, retries, foreign errors translated."""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Protocol, TypeAlias
from urllib.parse import urljoin
from weakref import WeakKeyDictionary

from attrs import field, frozen

from calsync_core import retry
from calsync_core.errors import (
    AuthExpired,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
    Unreachable,
    UnreadableAnswer,
)
from calsync_core.models import Credential
from calsync_core.protocols import Clock, Session, TokenSource
from calsync_core.transport.addresses import Permitted, host_of

__all__ = [
    "MAX_BODY",
    "PACKED",
    "Answer",
    "Connection",
    "Connections",
    "Judge",
    "Link",
    "deadline",
    "gather",
    "seconds_asked",
    "sendable_etag",
]

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a decoded answer. A larger one is not read on."""
MAX_RECEIVED = 8 * MAX_BODY
"""Bytes of all answers to one ``Link``: a listing has as many pages as its server likes."""
PACKED = {"Accept-Encoding": "gzip"}
"""With every request; see ``gather``."""
_MAX_REDIRECTS = 5
_LONGEST_ETAG = 1_000
_LONGEST_WISH = 366 * 86_400.0
_REDIRECTS = frozenset({301, 302, 307, 308})


@frozen
class Answer:
    """What a server said.

    Attributes:
        headers: Names in lower case.
        url: Where it was finally asked.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON. Raises UnreadableAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise UnreadableAnswer(f"the answer ({self.status}) is not JSON") from None


Judge: TypeAlias = Callable[[Answer, bool], None]
"""Raises the ProviderError that an answer means wherever it comes; the second argument: the request only reads."""


class Connection(Protocol):
    """A way to one service with one credential, used by one thread at a time."""

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """One request on the wire, without following redirects. May raise anything; ``Link`` translates it.

        Args:
            method: HTTP method.
            url: Absolute, of a permitted host.
            headers: Complete but for the credential, which the connection adds.
            body: Empty for none.
            timeout: Seconds in all.
        """

    def close(self) -> None:
        """Break it off, whatever it is doing in another thread."""


@frozen
class _Idle:
    """A connection that nobody uses, and when it was last used, counted."""

    process: int
    credential: Credential = field(repr=False)
    connection: Connection
    turn: int


class Connections:
    """Open connections, kept per token source and process. Each is used by one thread at a time.

    Of those that nobody uses, only the last ones are kept: otherwise a sweep over many accounts would end with a socket
    open for each.

    Args:
        connect: Opens one for this credential and time-out.
        most_idle: How many are kept.
    """

    def __init__(self, connect: Callable[[Credential, float], Connection], *, most_idle: int = 64) -> None:
        self._connect = connect
        self._most_idle = most_idle
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._idle: WeakKeyDictionary[TokenSource, list[_Idle]] = WeakKeyDictionary()

    @contextmanager
    def borrow(self, tokens: TokenSource, credential: Credential, timeout: float) -> Iterator[Connection]:
        """A connection nobody else uses now. After an error it is closed, not kept."""
        with self._lock:
            # A connection opened before a fork, or with an outdated credential, is not ours to use.
            ours = (os.getpid(), credential)
            idle = [each for each in self._idle.pop(tokens, ()) if (each.process, each.credential) == ours]
            connection = idle.pop().connection if idle else self._connect(credential, timeout)
            if idle:
                self._idle[tokens] = idle
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.setdefault(tokens, []).append(_Idle(*ours, connection, next(self._turns)))
            spare = self._spare()
        if spare is not None:
            spare.close()

    def _spare(self) -> Connection | None:
        """The one that was not used for longest, taken out if there are too many."""
        kept = list(self._idle.items())
        if sum(len(idle) for _, idle in kept) <= self._most_idle:
            return None
        tokens, idle = min(kept, key=lambda each: each[1][0].turn)
        oldest = idle.pop(0)
        if not idle:
            del self._idle[tokens]
        return oldest.connection if oldest.process == os.getpid() else None


class Link:
    """One session's way to its server, for one question of the engine's, however many requests that takes.

    Args:
        session: Whose credential, meter and clock.
        connections: The provider's.
        permitted: Where its credential may go.
        timeout: Seconds one request may take in all (I-34). Real seconds: a network does not live on a virtual clock.
        judge: Translates answers that mean the same whatever was asked.
        headers: Sent with every request.
    """

    def __init__(
        self,
        session: Session,
        connections: Connections,
        permitted: Permitted,
        timeout: float,
        *,
        judge: Judge,
        headers: Mapping[str, str],
    ) -> None:
        self.session = session
        self._connections = connections
        self._permitted = permitted
        self._timeout = timeout
        self._judge = judge
        self._headers = {"User-Agent": "calsync-core", **PACKED, **headers}
        self._received = 0

    def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, reading: bool
    ) -> Answer:
        """Send one request, follow its redirects, renew the credential once, wait out short limits.

        Reads are repeated after a failure that may pass. Writes are repeated only where the server said that it did
        not take them (RateLimited): otherwise nobody knows whether they happened.

        Returns:
            Any answer but those raised below and by the judge; its status is the caller's to judge.

        Raises:
            AuthExpired: 401, also with a renewed credential.
            Unavailable: network, deadline, a redirect that goes nowhere or to a host not allowed.
            Rejected: the URL's own host is not allowed.
        """
        if not self._permitted.allows(url):
            raise Rejected(f"{host_of(url)} is not an allowed host for this account (allowed_hosts)")
        errors = (RateLimited, Unavailable) if reading else (RateLimited,)
        policy = retry.RetryPolicy(errors=errors, unless=(UnreadableAnswer,))
        request = partial(self._authorised, method, url, body, {**self._headers, **(headers or {})}, reading=reading)
        return retry.call(request, self.session.clock, policy, ends=self.session.ends)

    def allows(self, url: str) -> bool:
        """Whether credentials may be sent there (I-38)."""
        return self._permitted.allows(url)

    def _authorised(self, method: str, url: str, body: bytes, headers: dict[str, str], *, reading: bool) -> Answer:
        tokens = self.session.tokens
        credential = tokens.credential()
        answer = self._followed(method, url, body, headers, credential)
        self._judge(answer, reading)
        if answer.status == 401 and (renewed := tokens.credential(renew=True)) != credential:
            answer = self._followed(method, url, body, headers, renewed)
            self._judge(answer, reading)
        if answer.status == 401:
            raise AuthExpired("the server refused the login (401)")
        return answer

    def _followed(self, method: str, url: str, body: bytes, headers: dict[str, str], credential: Credential) -> Answer:
        seen = {url}
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._exchange(method, url, body, headers, credential)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            try:
                url = urljoin(url, target)
            except ValueError:
                raise Unavailable("redirected to what is no URL") from None
            if not self.allows(url):
                raise Unavailable(f"redirected to {host_of(url)}, which is not an allowed host (allowed_hosts)")
            if url in seen:
                raise Unavailable("redirected in a circle")
            seen.add(url)
        raise Unavailable(f"redirected more than {_MAX_REDIRECTS} times")

    def _exchange(self, method: str, url: str, body: bytes, headers: dict[str, str], credential: Credential) -> Answer:
        """One request on the wire. The only place where foreign errors arise, and where they end."""
        if self._received > MAX_RECEIVED:
            raise UnreadableAnswer(f"all answers together are larger than {MAX_RECEIVED} bytes")
        timeout = self._seconds_left()
        # Whoever counts may also stop the work: a worker that lost its lease sends nothing more.
        self.session.meter.count()
        try:
            borrowed = self._connections.borrow(self.session.tokens, credential, self._timeout)
            with borrowed as connection, deadline(connection.close, timeout):
                answer = connection.exchange(method, url, headers, body, timeout)
        except ProviderError:
            raise
        except Exception as foreign:  # noqa: BLE001  (HTTP stacks raise what they like; nothing foreign may leave)
            raise Unreachable(f"{method} to {host_of(url)} failed: {type(foreign).__name__}") from None
        self._received += len(answer.body)
        return answer

    def _seconds_left(self) -> float:
        """How long the next request may take. Raises Unreachable: the session has ended."""
        if self.session.ends is None:
            return self._timeout
        left = self.session.ends - self.session.clock.monotonic()
        if left <= 0:
            raise Unreachable("the server did not answer in the time there was")
        return min(self._timeout, left)


def gather(parts: Iterable[bytes], timeout: float, packing: str = "") -> bytes:
    """An answer's body, as it comes in.

    Args:
        parts: Unpacked piece by piece.
        timeout: Seconds in all.
        packing: The answer's Content-Encoding. Packed once, a piece grows a thousandfold at the most and its size is
            seen in time; packed twice, a million-fold, before anybody can look.

    Raises:
        UnreadableAnswer: it is larger than ``MAX_BODY``, or packed in another way than asked for.
        Unavailable: it is not complete after ``timeout`` seconds, however steadily it drips.
    """
    if packing.strip().lower() not in {"", "identity", "gzip", "deflate"}:
        raise UnreadableAnswer("the answer is packed more than once, or in a way that was not asked for")
    limit = time.monotonic() + timeout
    received, size = [], 0
    for part in parts:
        size += len(part)
        if size > MAX_BODY:
            raise UnreadableAnswer(f"the answer is larger than {MAX_BODY} bytes")
        if time.monotonic() > limit:
            raise Unreachable("the answer took too long")
        received.append(part)
    return b"".join(received)


def seconds_asked(answer: Answer, clock: Clock) -> float | None:
    """Retry-After in seconds, fractions of them, or as a date (I-33); None if there is none that can be understood.

    Never more than a year: nobody waits longer, and no date can be told that lies so far ahead.
    """
    wish = answer.headers.get("retry-after")
    if not wish:
        return None
    try:
        seconds = float(wish)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(wish) - clock.now()).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_WISH) if math.isfinite(seconds) else None


def sendable_etag(etag: object) -> str | None:
    """A server's entity tag if it can go out again in a header; without one, what stands there is looked at first."""
    fine = isinstance(etag, str) and 0 < len(etag) <= _LONGEST_ETAG and etag.isascii() and etag.isprintable()
    return str(etag) if fine else None


@contextmanager
def deadline(abort: Callable[[], None], timeout: float) -> Iterator[None]:
    """Break the connection off when the time is over: HTTP libraries' own time-outs start anew with every byte."""
    watch = threading.Timer(timeout, abort)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
