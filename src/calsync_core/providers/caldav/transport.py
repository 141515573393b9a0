"""Requests to a CalDAV server: which of its answers mean the same whatever was asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from calsync_core.errors import RateLimited, Unavailable
from calsync_core.protocols import Session
from calsync_core.providers.caldav.names import collection_url
from calsync_core.transport import (
    Answer,
    Connections,
    Link,
    Permitted,
    checked_base,
    seconds_asked,
)

__all__ = ["DavLink", "base_of"]

_XML = "application/xml; charset=utf-8"
_READS = frozenset({"PROPFIND", "REPORT", "GET"})
_SAY_NO = frozenset({501, 505, 507})
"""5xx answers that are decisions about this request and not failures that pass."""


class DavLink:
    """One session's way to its CalDAV server.

    Args:
        session: Whose credential, meter and clock.
        connections: The provider's.
        base: Canonical base URL; its host and port are allowed.
        allowed_hosts: Further hosts, as ``transport.Permitted`` takes them.
        timeout: Seconds one request may take in all (I-34).
    """

    def __init__(
        self, session: Session, connections: Connections, base: str, allowed_hosts: Collection[str], timeout: float
    ) -> None:
        self.session = session
        self.base = base

        def judge(answer: Answer, reading: bool) -> None:  # noqa: FBT001  (as ``transport.Judge`` has it)
            wait = seconds_asked(answer, session.clock)
            if answer.status == 429 or (answer.status == 503 and answer.headers.get("retry-after")):
                raise RateLimited(f"the server asks to wait ({answer.status})", retry_after=wait)
            if reading and answer.status >= 500 and answer.status not in _SAY_NO:
                raise Unavailable(f"the server failed ({answer.status})")

        self._link = Link(
            session,
            connections,
            Permitted(base, allowed_hosts),
            timeout,
            judge=judge,
            headers={"Accept": "text/xml, application/xml, text/calendar"},
        )

    def send(self, method: str, url: str, body: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request; see ``transport.Link.send``.

        Returns:
            Any answer but those raised below; its status is the caller's to judge.

        Raises:
            AuthExpired: 401, also with a renewed credential.
            RateLimited: 429, or 503 with Retry-After.
            Unavailable: network, deadline, 5xx to a read, a redirect that goes nowhere or to a host not allowed.
            Rejected: the URL's own host is not allowed.
        """
        typed = {"Content-Type": _XML, **(headers or {})} if body else headers
        return self._link.send(method, url, body.encode(), typed, reading=method in _READS)

    def allows(self, url: str) -> bool:
        """Whether credentials may be sent there (I-38)."""
        return self._link.allows(url)


def base_of(base_url: str | None) -> str:
    """The base URL in canonical form.

    Raises:
        InvalidValue: as ``transport.checked_base``.
    """
    return collection_url(checked_base(base_url), "")
