"""Requests to a CalDAV server: connections, credentials, deadlines, redirects, and every foreign error translated.

caldav's ``DAVClient`` supplies the connection and the pinned authentication. Its own ``request`` is not used: it logs
bodies (I-39), follows redirects to any host and without the body, and waits as long as a server keeps dripping.
"""

from __future__ import annotations

import ipaddress
import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit
from weakref import WeakKeyDictionary

from attrs import field, frozen
from caldav.davclient import DAVClient
from caldav.lib.error import DAVError

from calsync_core import retry
from calsync_core.errors import AuthExpired, InvalidValue, ProviderError, RateLimited, Rejected, Unavailable
from calsync_core.models import BearerToken, Credential
from calsync_core.protocols import Clock, Session, TokenSource
from calsync_core.providers.caldav.names import collection_url
from calsync_core.providers.caldav.wire import UnreadableAnswer

__all__ = ["MAX_BODY", "Answer", "Connections", "Link", "checked_base"]

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a decoded answer. A larger one is not read on."""
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 307, 308})
_XML = "application/xml; charset=utf-8"
_READS = frozenset({"PROPFIND", "REPORT", "GET"})
_SAY_NO = frozenset({501, 505, 507})
"""5xx answers that are decisions about this request and not failures that pass."""


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


class Connections:
    """Open connections, kept per token source and process. Each is used by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: WeakKeyDictionary[TokenSource, list[tuple[int, Credential, DAVClient]]] = WeakKeyDictionary()

    @contextmanager
    def borrow(self, tokens: TokenSource, credential: Credential, timeout: float) -> Iterator[DAVClient]:
        """A client nobody else uses now. After an error it is closed, not kept."""
        with self._lock:
            idle = self._idle.setdefault(tokens, [])
            # A connection opened before a fork, or with an outdated password, is not ours to use.
            idle[:] = [each for each in idle if each[:2] == (os.getpid(), credential)]
            client = idle.pop()[2] if idle else _client(credential, timeout)
        try:
            yield client
        except BaseException:
            client.close()
            raise
        with self._lock:
            self._idle.setdefault(tokens, []).append((os.getpid(), credential, client))


class Link:
    """One session's way to its server.

    Args:
        session: Whose credential, meter and clock.
        connections: The provider's.
        base: Checked base URL; its host and port are allowed.
        allowed_hosts: Further hosts: ``dav.example.com``, ``dav.example.com:8443`` or ``*.example.com``.
        timeout: Seconds one request may take in all (I-34). Real seconds: a network does not live on a virtual clock.
    """

    def __init__(
        self, session: Session, connections: Connections, base: str, allowed_hosts: Collection[str], timeout: float
    ) -> None:
        self.session = session
        self.base = base
        self._connections = connections
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._timeout = timeout

    def send(self, method: str, url: str, body: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request, follow its redirects, renew the credential once, wait out short limits.

        Reads are repeated after a failure that may pass. Writes are repeated only where the server said that it did
        not take them (429, 503 with Retry-After): otherwise nobody knows whether they happened.

        Returns:
            Any answer but those raised below; its status is the caller's to judge.

        Raises:
            AuthExpired: 401, also with a renewed credential.
            RateLimited: 429, or 503 with Retry-After.
            Unavailable: network, deadline, 5xx to a read, a redirect that goes nowhere or to a host not allowed.
            Rejected: the URL's own host is not allowed.
        """
        if not self.allows(url):
            raise Rejected(f"{_host(url)} is not an allowed host for this account (allowed_hosts)")
        reading = method in _READS
        errors = (RateLimited, Unavailable) if reading else (RateLimited,)
        policy = retry.RetryPolicy(errors=errors, unless=(UnreadableAnswer,))
        request = partial(self._authorised, method, url, body.encode(), dict(headers or {}), reading=reading)
        return retry.call(request, self.session.clock, policy)

    def allows(self, url: str) -> bool:
        """Whether credentials may be sent there (I-38)."""
        if _problem(url):
            return False
        if _netloc(url) == _netloc(self.base):
            return True
        host, netloc = _host(url), _netloc(url)
        return any(
            each in {host, netloc} or (each.startswith("*.") and host.endswith(each[1:])) for each in self._allowed
        )

    def _authorised(self, method: str, url: str, body: bytes, headers: dict[str, str], *, reading: bool) -> Answer:
        tokens = self.session.tokens
        credential = tokens.credential()
        answer = self._followed(method, url, body, headers, credential)
        if answer.status == 401 and (renewed := tokens.credential(renew=True)) != credential:
            answer = self._followed(method, url, body, headers, renewed)
        if answer.status == 401:
            raise AuthExpired("the server refused the login (401)")
        wait = answer.headers.get("retry-after")
        if answer.status == 429 or (answer.status == 503 and wait):
            raise RateLimited(
                f"the server asks to wait ({answer.status})", retry_after=_seconds(wait, self.session.clock)
            )
        if reading and answer.status >= 500 and answer.status not in _SAY_NO:
            raise Unavailable(f"the server failed ({answer.status})")
        return answer

    def _followed(self, method: str, url: str, body: bytes, headers: dict[str, str], credential: Credential) -> Answer:
        seen = {url}
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._exchange(method, url, body, headers, credential)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            url = urljoin(url, target)
            if not self.allows(url):
                raise Unavailable(f"redirected to {_host(url)}, which is not an allowed host (allowed_hosts)")
            if url in seen:
                raise Unavailable("redirected in a circle")
            seen.add(url)
        raise Unavailable(f"redirected more than {_MAX_REDIRECTS} times")

    def _exchange(self, method: str, url: str, body: bytes, headers: dict[str, str], credential: Credential) -> Answer:
        """One request on the wire. The only place where foreign errors arise, and where they end."""
        sent = {"User-Agent": "calsync-core", "Accept": "text/xml, application/xml, text/calendar", **headers}
        if body:
            sent.setdefault("Content-Type", _XML)
        try:
            with self._connections.borrow(self.session.tokens, credential, self._timeout) as client:
                self.session.meter.count()
                return _exchange(client, (method, url, body), sent, self._timeout)
        except ProviderError:
            raise
        except (DAVError, OSError, ValueError, RuntimeError, LookupError, AttributeError) as foreign:
            raise Unavailable(f"{method} failed: {type(foreign).__name__}") from None
        except Exception as foreign:  # noqa: BLE001  (HTTP stacks raise what they like; nothing foreign may leave)
            raise Unavailable(f"{method} failed: {type(foreign).__name__}") from None


def checked_base(base_url: str | None) -> str:
    """The base URL in canonical form.

    Raises:
        InvalidValue: it is missing, no http(s) URL, holds a password, or is plain http to another machine (I-44).
    """
    if not base_url:
        raise InvalidValue("base_url: a CalDAV account needs the server's address")
    problem = _problem(base_url)
    if problem:
        raise InvalidValue(f"base_url: {problem}")
    return collection_url(base_url, "")


def _problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in {"http", "https"} or not host:
        return "must be an http(s) URL with a host"
    if parts.username or parts.password:
        return "must not hold a user name or password; they belong to the credential"
    if parts.scheme == "http" and not _loopback(host):
        return "plain http is for loopback hosts only; use https"
    return None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _netloc(url: str) -> str:
    parts = urlsplit(url)
    return f"{_host(url)}:{parts.port or {'http': 80}.get(parts.scheme, 443)}"


def _client(credential: Credential, timeout: float) -> DAVClient:
    client = _built(credential, timeout)
    # Sockets are closed when the connection is dropped, wherever that happens: account gone, provider gone, exit.
    weakref.finalize(client, client.session.close)
    return client


def _built(credential: Credential, timeout: float) -> DAVClient:
    common: dict[str, Any] = {"url": "https://caldav.invalid/", "enable_rfc6764": False, "timeout": timeout}
    if isinstance(credential, BearerToken):
        return DAVClient(password=credential.token, auth_type="bearer", **common)
    # Pinned: Cyrus answers 207 to an unauthenticated request, so a client that waits for a 401 sees no calendars and
    # takes any password.
    return DAVClient(username=credential.username, password=credential.password, auth_type="basic", **common)


def _exchange(client: DAVClient, request: tuple[str, str, bytes], headers: dict[str, str], timeout: float) -> Answer:
    method, url, body = request
    limit = time.monotonic() + timeout
    with _deadline(client.close, timeout):
        response = client.session.request(
            method,
            url,
            data=body or None,
            headers=headers,
            auth=client.auth,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        )
    try:
        content = _content(response, limit)
    finally:
        response.close()
    received = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Answer(int(response.status_code or 0), received, content, url)


@contextmanager
def _deadline(abort: Callable[[], None], timeout: float) -> Iterator[None]:
    """Abort the connection when the time is over: the library's own timeout starts anew with every byte received."""
    watch = threading.Timer(timeout, abort)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _content(response: Any, limit: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(64 * 1024):
        size += len(part)
        if size > MAX_BODY:
            raise UnreadableAnswer(f"the answer is larger than {MAX_BODY} bytes")
        if time.monotonic() > limit:
            raise Unavailable("the answer took too long")
        parts.append(part)
    return b"".join(parts)


def _seconds(wish: str | None, clock: Clock) -> float | None:
    """Retry-After in seconds, fractions of them, or as a date (I-33)."""
    if not wish:
        return None
    try:
        return max(0.0, float(wish))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(wish) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None
