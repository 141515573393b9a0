"""One session's way to the Calendar API: paths, single calls and batches, and the pace of writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from attrs import frozen

from calsync_core.providers.google.answers import Refusal, refusal_of
from calsync_core.providers.google.batch import BOUNDARY, Call, build_batch, parse_batch
from calsync_core.providers.google.pace import Pace
from calsync_core.transport import Answer, Link

__all__ = ["BATCH_SIZE", "Service"]

BATCH_SIZE = 50
"""Calls in one batch: Google admits 1,000, each counts as a request all the same, and more than 50 at once meet the
limits on quick writes to one calendar."""


@frozen
class Service:
    """Calls to one account's API.

    Attributes:
        link: Sends requests.
        base: The account's base URL, without a slash at the end.
        pace: Of the account's writes.
    """

    link: Link
    base: str
    pace: Pace

    def call(
        self,
        method: str,
        *segments: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """A call; the path's segments and the query are encoded here."""
        path = "/".join(quote(segment, safe="") for segment in segments)
        text = f"{urlsplit(self.base).path}/{path}"
        return Call(method, f"{text}?{urlencode(query)}" if query else text, body, headers or {})

    def send(self, call: Call, *, reading: bool) -> Answer:
        """One call as one request. Raises what ``Link.send`` raises."""
        if not reading:
            self.pace.take(1, self.link.session.clock)
        return self.link.send(call.method, self._root + call.path, call.content, call.all_headers(), reading=reading)

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
            if not reading:
                self.pace.take(len(chunk), self.link.session.clock)
            headers = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}
            answer = self.link.send("POST", self._batch, build_batch(chunk), headers, reading=reading)
            yield from parse_batch(answer, len(chunk)) if answer.ok else [answer] * len(chunk)

    def refusal(self, answer: Answer) -> Refusal:
        """What an answer that is no success says."""
        return refusal_of(answer, self.link.session.clock)

    @property
    def _root(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def _batch(self) -> str:
        # The discovery document's batchPath: /batch before the API's own path.
        return f"{self._root}/batch{urlsplit(self.base).path}"
