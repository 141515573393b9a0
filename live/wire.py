"""How hands and probes ask a service: directly, counted, unhurried, and patient with limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from calsync_core.models import BearerToken
from calsync_core.protocols import Clock, RequestMeter, TokenSource
from calsync_core.transport import Answer, problem_with, seconds_asked
from live.findings import Unanswered

__all__ = ["Wire", "need", "wait_until"]

_TRIES = 5
_LONGEST_WAIT = 120.0
_GAP_SECONDS = 0.1
"""Between two requests to a service across a network: nobody is in a hurry here."""
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class Wire:
    """Requests with one login.

    Args:
        base: What paths are relative to; ends with a slash.
        tokens: Where the credential comes from.
        clock: To wait by.
        headers: With every request.
        is_limit: Whether an answer only asks to wait, besides 429, and 503 with Retry-After.

    Attributes:
        meter: Counts what was sent.
        limits: Every limit that was met: its status, and whether it said how long to wait.
        local: The service is on this machine.
    """

    def __init__(
        self,
        base: str,
        tokens: TokenSource,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        is_limit: Callable[[httpx.Response], bool] = lambda _: False,
    ) -> None:
        problem = problem_with(base)
        if problem:
            raise Unanswered(f"base URL: {problem}")
        self.meter = RequestMeter()
        self.limits: list[tuple[int, bool]] = []
        self.base = base
        self._hosts = {urlsplit(base).netloc}
        self._tokens = tokens
        self._clock = clock
        self._is_limit = is_limit
        self.local = urlsplit(base).hostname in _LOCAL
        self._gap = 0.0 if self.local else _GAP_SECONDS
        self._client = httpx.Client(base_url=base, timeout=120, headers=dict(headers or {}))

    def allow(self, url: str) -> None:
        """Let the login be sent to this URL's host too."""
        self._hosts.add(urlsplit(url).netloc)

    def ask(
        self,
        method: str,
        url: str = "",
        *,
        json: Any = None,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        content: str | bytes | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        anonymous: bool = False,
    ) -> httpx.Response:
        """One request; again after a limit, and once with a renewed login. Raises httpx.HTTPError."""
        query = urlencode(params if isinstance(params, Mapping) else list(params)) if params else None
        made = self._client.build_request(
            method, url, json=json, params=query, content=content, data=data, headers=headers
        )
        if made.url.netloc.decode() not in self._hosts:
            raise Unanswered("the service named a host that the login must not be sent to")
        answer = self._once(made, renew=False, anonymous=anonymous)
        if answer.status_code == 401 and not anonymous:
            answer = self._once(made, renew=True, anonymous=False)
        for attempt in range(1, _TRIES):
            said = Answer(answer.status_code, dict(answer.headers), b"", str(made.url))
            wait = seconds_asked(said, self._clock)
            limited = answer.status_code == 429 or (answer.status_code == 503 and wait is not None)
            if not limited and not self._is_limit(answer):
                break
            self.limits.append((answer.status_code, wait is not None))
            self._clock.sleep(min(_LONGEST_WAIT, 2.0**attempt if wait is None else wait))
            answer = self._once(made, renew=False, anonymous=anonymous)
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _once(self, request: httpx.Request, *, renew: bool, anonymous: bool) -> httpx.Response:
        self._clock.sleep(self._gap)
        self.meter.count()
        auth: httpx.Auth | None = None
        if not anonymous:
            credential = self._tokens.credential(renew=renew)
            if isinstance(credential, BearerToken):
                request.headers["Authorization"] = f"Bearer {credential.token}"
            else:
                auth = httpx.BasicAuth(credential.username, credential.password)
        return self._client.send(request, auth=auth)


def need(answer: httpx.Response, *statuses: int) -> httpx.Response:
    """The answer, if it has one of these statuses (none given: any success). Raises Unanswered."""
    if answer.status_code in statuses or (not statuses and answer.is_success):
        return answer
    raise Unanswered(f"{answer.request.method} gave {answer.status_code}")


def wait_until(check: Callable[[], bool], clock: Clock, patience: float = 30.0) -> float | None:
    """Ask again and again, more and more slowly, until something is so.

    Returns:
        Seconds until it was; None: it was not in ``patience`` seconds.
    """
    began, pause = clock.monotonic(), 0.5
    while True:
        asked = clock.monotonic()
        if check():
            return asked - began
        if asked + pause - began > patience:
            return None
        clock.sleep(pause)
        pause = min(2 * pause, 8.0)
