"""One session's way to Graph: paths, single calls and batches, and never more than four at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from attrs import define, field, frozen

from calsync_core.errors import Unavailable
from calsync_core.providers.microsoft.answers import Refusal, refusal_of
from calsync_core.providers.microsoft.batch import BATCH_SIZE, Call, build_batch, parse_batch
from calsync_core.transport import Answer, Link

__all__ = ["PREFERENCES", "Gate", "Service"]

MOST_AT_ONCE = 4
"""Requests at a time for one application and mailbox; the parts of a batch count one by one ("Throttling limits")."""

PREFERENCES = {"Prefer": 'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text"'}
"""With every request, alone or in a batch: an id is immutable only where the request asks for it, and times are in UTC
only then."""


@define
class Gate:
    """Lets so many requests through at a time. Thread-safe; one per login."""

    _free: int = MOST_AT_ONCE
    _changed: threading.Condition = field(factory=threading.Condition, init=False, repr=False)

    @contextmanager
    def passing(self, count: int) -> Iterator[None]:
        """Wait until there is room for so many at once; those of a large batch Graph itself puts in line."""
        count = min(count, MOST_AT_ONCE)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= count)
            self._free -= count
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()


@frozen
class Service:
    """Calls to one mailbox.

    Attributes:
        link: Sends requests.
        base: The account's base URL with the version, without a slash at the end.
        mailbox: ``/me``, or ``/users/ADDRESS`` for an application that acts for itself.
        gate: Of the login.
    """

    link: Link
    base: str
    mailbox: str
    gate: Gate

    def call(
        self,
        method: str,
        *segments: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """A call below the mailbox; the path's segments and the query are encoded here."""
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        asked = f"?{urlencode(query, quote_via=quote, safe='$')}" if query else ""
        return Call(method, f"{self.mailbox}{path}{asked}", body, headers or {})

    def send(self, call: Call, *, reading: bool) -> Answer:
        """One call as one request. Raises what ``Link.send`` raises."""
        with self.gate.passing(1):
            return self.link.send(
                call.method, f"{self.base}{call.path}", call.content, call.all_headers(), reading=reading
            )

    def follow(self, link: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Read on where Graph says: its links are opaque, and followed to its own host only (I-38).

        Raises:
            Unavailable: the link leads elsewhere.
        """
        if not self.link.allows(link):
            raise Unavailable("Graph gave a link to a host that is not allowed")
        with self.gate.passing(1):
            return self.link.send("GET", link, b"", headers, reading=True)

    def send_all(self, calls: Sequence[Call], *, reading: bool) -> Iterator[Answer | None]:
        """Calls in as few requests as possible; answers in the calls' order, as they come.

        None: nobody knows what became of the call. A lone call goes without the batch's wrapping.

        Raises:
            ProviderError: the request as a whole failed; the calls without an answer may have happened.
        """
        for start in range(0, len(calls), BATCH_SIZE):
            chunk = calls[start : start + BATCH_SIZE]
            if len(chunk) == 1:
                yield self.send(chunk[0], reading=reading)
                continue
            with self.gate.passing(len(chunk)):
                body = build_batch(chunk, PREFERENCES)
                headers = {"Content-Type": "application/json"}
                answer = self.link.send("POST", f"{self.base}/$batch", body, headers, reading=reading)
            yield from parse_batch(answer, len(chunk)) if answer.ok else [answer] * len(chunk)

    def refusal(self, answer: Answer) -> Refusal:
        """What an answer that is no success says."""
        return refusal_of(answer, self.link.session.clock)
