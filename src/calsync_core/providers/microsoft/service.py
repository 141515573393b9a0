"""One session's way to Graph: paths, single calls, batches and pages, and never more than four at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import quote, urlencode

from attrs import field, frozen

from calsync_core.errors import Unavailable
from calsync_core.providers.microsoft.answers import Refusal, refusal_of
from calsync_core.providers.microsoft.batch import BATCH_SIZE, Call, build_batch, parse_batch
from calsync_core.providers.microsoft.gate import Gate
from calsync_core.providers.microsoft.wire import Json
from calsync_core.transport import Answer, Link, send_calls

__all__ = ["MAX_PAGES", "PREFERENCES", "Page", "Service"]

PREFERENCES = {"Prefer": 'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text"'}
"""With every request, alone or in a batch: an id is immutable only where the request asks for it, and times are in UTC
only then."""

MAX_PAGES = 10_000

_NO_BATCHES = frozenset({400, 404, 405, 413, 501})
"""How a server answers that speaks the API but has no such endpoint, or finds this batch too much."""


@frozen
class Page:
    """A part of a listing.

    Attributes:
        following: The link to the next part; None: this is the last one.
        delta: Of the last part of a delta round: the link to the next round.
    """

    entries: list[Json] = field(repr=False)
    following: str | None = field(repr=False)
    delta: str | None = field(repr=False)


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
        # An id that was garbled on its way is asked for all the same, and found by nobody.
        path = "".join(f"/{quote(segment, safe='', errors='replace')}" for segment in segments)
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
        return send_calls(
            calls,
            BATCH_SIZE,
            self.link.session,
            alone=partial(self.send, reading=reading),
            together=partial(self._send_batch, reading=reading),
            meaning=lambda answer: self.refusal(answer).as_error(reading=True),
            reading=reading,
        )

    def pages(
        self,
        first: Answer,
        *,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Answer], None] | None = None,
    ) -> Iterator[Page]:
        """A listing from its first answer on; an empty page is not the end (I-13).

        Args:
            first: The answer to the call that asked for the listing.
            headers: Of the requests for what follows; preferences must be said again each time.
            check: Raises what an answer that is no page means; None: ``require``.

        Raises:
            Unavailable: no list, a link that comes again or leads elsewhere, or no end of pages.
        """
        answer, seen = first, set[str]()
        for _ in range(MAX_PAGES):
            (check or self.require)(answer)
            page = _page(answer)
            yield page
            if page.following is None:
                return
            if page.following in seen:
                raise Unavailable("Graph repeats a page")
            seen.add(page.following)
            answer = self.follow(page.following, headers)
        raise Unavailable(f"more than {MAX_PAGES} pages")

    def refusal(self, answer: Answer) -> Refusal:
        """What an answer that is no success says."""
        return refusal_of(answer, self.link.session.clock)

    def require(self, answer: Answer) -> None:
        """Raise what it means for reading if it is no success."""
        if not answer.ok:
            raise self.refusal(answer).as_error(reading=True)

    def require_calendar(self, calendar_id: str) -> None:
        """Raise NotFound if there is no such calendar, or this login may not see it."""
        self.require(self.send(self.call("GET", "calendars", calendar_id, query={"$select": "id"}), reading=True))

    def _send_batch(self, calls: Sequence[Call], *, reading: bool) -> Sequence[Answer | None]:
        headers = {"Content-Type": "application/json"}
        with self.gate.passing(len(calls)):
            # The parts have none of the outer request's headers.
            body = build_batch(calls, PREFERENCES)
            answer = self.link.send("POST", f"{self.base}/$batch", body, headers, reading=reading)
        if answer.ok:
            return parse_batch(answer, len(calls))
        if answer.status in _NO_BATCHES:
            return [self.send(call, reading=reading) for call in calls]
        return [answer] * len(calls)


def _page(answer: Answer) -> Page:
    told = answer.json()
    value = told.get("value") if isinstance(told, dict) else None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Unavailable("the answer is no page of a list")
    return Page(value, _link(told, "@odata.nextLink"), _link(told, "@odata.deltaLink"))


def _link(told: Json, name: str) -> str | None:
    link = told.get(name)
    return link if isinstance(link, str) and link else None
