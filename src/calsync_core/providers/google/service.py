"""One session's way to the Calendar API: paths, single calls, batches and pages, and the pace of writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import frozen

from calsync_core.errors import Unavailable
from calsync_core.providers.google.answers import Refusal, refusal_of
from calsync_core.providers.google.batch import Call, build_batch, parse_batch
from calsync_core.providers.google.pace import Pace
from calsync_core.transport import Answer, Link, send_calls

__all__ = ["BATCH_SIZE", "Service"]

BATCH_SIZE = 50
"""Calls in one batch: Google admits 1,000, each counts as a request all the same, and more than 50 at once meet the
limits on quick writes to one calendar."""

MAX_PAGES = 10_000

_NO_BATCHES = frozenset({400, 404, 405, 413, 501})
"""How a server answers that speaks the API but has no such endpoint, or finds this batch too much."""


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
        # An id that was garbled on its way is asked for all the same, and found by nobody.
        path = "/".join(quote(segment, safe="", errors="replace") for segment in segments)
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
        return send_calls(
            calls,
            BATCH_SIZE,
            self.link.session,
            alone=partial(self.send, reading=reading),
            together=partial(self._send_batch, reading=reading),
            meaning=lambda answer: self.refusal(answer).as_error(reading=True),
            reading=reading,
        )

    def pages(self, *segments: str, query: Mapping[str, str], check: Callable[[Answer], None]) -> Iterator[Any]:
        """A listing page by page, each a JSON object; an empty page is not the end (I-13).

        Args:
            segments: Of the path.
            query: The same for all pages.
            check: Raises what an answer that is no page means.

        Raises:
            Unavailable: no list, a page that comes again, or no end of pages.
        """
        seen: set[str] = set()
        asked = dict(query)
        for _ in range(MAX_PAGES):
            answer = self.send(self.call("GET", *segments, query=asked), reading=True)
            check(answer)
            page = answer.json()
            items = page.get("items", []) if isinstance(page, dict) else None
            if not isinstance(items, list) or not all(isinstance(entry, dict) for entry in items):
                raise Unavailable("the answer is no page of a list")
            yield page
            following = page.get("nextPageToken")
            if not isinstance(following, str) or not following:
                return
            if following in seen:
                raise Unavailable("Google repeats a page")
            seen.add(following)
            asked["pageToken"] = following
        raise Unavailable(f"more than {MAX_PAGES} pages")

    def refusal(self, answer: Answer) -> Refusal:
        """What an answer that is no success says."""
        return refusal_of(answer, self.link.session.clock)

    def require(self, answer: Answer) -> None:
        """Raise what it means for reading if it is no success."""
        if not answer.ok:
            raise self.refusal(answer).as_error(reading=True)

    def _send_batch(self, calls: Sequence[Call], *, reading: bool) -> Sequence[Answer | None]:
        if not reading:
            self.pace.take(len(calls), self.link.session.clock)
        kind, body = build_batch(calls)
        # The discovery document's batchPath: /batch before the API's own path.
        url = f"{self._root}/batch{urlsplit(self.base).path}"
        answer = self.link.send("POST", url, body, {"Content-Type": kind}, reading=reading)
        if answer.ok:
            return parse_batch(answer, len(calls))
        if answer.status in _NO_BATCHES:
            return [self.send(call, reading=reading) for call in calls]
        return [answer] * len(calls)

    @property
    def _root(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"
