"""Calendars that are published as iCalendar feeds: read and never written.

A roster, a school's calendar, the secret address that a service gives out: one URL, one
text, one calendar.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from calsync_core.errors import (
    AuthExpired,
    CursorExpired,
    InvalidValue,
    NotFound,
    RateLimited,
    Unavailable,
    UnreadableAnswer,
)
from calsync_core.icalendar import Feed, parse_feed
from calsync_core.models import (
    BearerToken,
    Calendar,
    CalendarRole,
    ChangePage,
    Cursor,
    Identity,
    KnownItem,
    Lookup,
    RemoteCalendar,
)
from calsync_core.protocols import ReadRequest, Session
from calsync_core.transport import (
    Answer,
    Connections,
    HttpxConnection,
    Link,
    Permitted,
    problem_with,
    seconds_asked,
)

__all__ = ["IcsFeedProvider"]

FORMAT = 1
"""Of the cursor and of what is read from a feed. Raised when either changes, so that
all is read afresh (I-12)."""

PAGE_SIZE = 250


class IcsFeedProvider:
    """Calendars that are published as iCalendar feeds.

    A feed's address is its login: ``BearerToken("https://…/roster.ics")``. Whoever
    knows a secret address may read the calendar, so it is kept, shown and replaced as
    a password is.

    Args:
        timeout: Seconds one request may take in all.
        allowed_hosts: Where a feed's server may redirect to, besides itself;
            ``*.example.com`` for all hosts below one.
    """

    def __init__(
        self, *, timeout: float = 60, allowed_hosts: Collection[str] = ()
    ) -> None:
        self._timeout = timeout
        self._allowed_hosts = tuple(allowed_hosts)
        self._connections = Connections(
            lambda _login, seconds: HttpxConnection(None, seconds, secret_paths=True)
        )

    def identify(self, session: Session) -> Identity:
        """The feed's server. A new address there may take the old one's place."""
        self._ask(session)
        return Identity(subject=urlsplit(_address(session)).netloc)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """One. It goes by its account's name, and is shown as the feed calls itself."""
        feed = _parsed(self._ask(session), session)
        name = session.account.name
        return [
            RemoteCalendar(
                name,
                feed.name or name,
                CalendarRole.READER,
                timezone=feed.timezone,
                primary=True,
            )
        ]

    def fetch_changes(
        self, session: Session, request: ReadRequest
    ) -> Iterator[ChangePage]:
        """Nothing, if the server says that nothing changed; else everything."""
        shape = _shape(session, request.calendar)
        answer = self._ask(
            session, request.calendar, _conditions(request.cursor, shape)
        )
        if answer.status == 304:
            yield ChangePage(cursor=request.cursor)
            return
        feed = _parsed(answer, session, request.calendar)
        yield from _pages(feed, request.known(None), _cursor(answer, shape))

    def fetch_items(
        self, session: Session, calendar: Calendar, keys: Sequence[str]
    ) -> Lookup:
        """The feed is read once and as a whole, whatever is asked for."""
        if not keys:
            return Lookup()
        feed = _parsed(self._ask(session, calendar), session, calendar)
        items = tuple(item for item in feed.items if item.key in keys)
        unreadable = tuple(each for each in feed.unreadable if each.key in keys)
        there = {item.key for item in items} | {each.key for each in unreadable}
        return Lookup(
            items,
            tuple(key for key in dict.fromkeys(keys) if key not in there),
            unreadable,
        )

    def _ask(
        self,
        session: Session,
        calendar: Calendar | None = None,
        conditions: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request: the feed, or 304 if nothing is newer than the conditions.

        Raises:
            AuthExpired: the address is no longer good.
            NotFound: the calendar is not this account's feed.
            Unavailable: anything that may pass.
        """
        if calendar is not None and calendar.remote_id != session.account.name:
            raise NotFound("there is no such calendar")

        def judge(answer: Answer, _reading: bool) -> None:  # noqa: FBT001  (transport's)
            if answer.status == 429:
                raise RateLimited(
                    "the server asks to wait",
                    retry_after=seconds_asked(answer, session.clock),
                )
            if answer.status >= 500:
                raise Unavailable(f"the server failed ({answer.status})")

        address = _address(session)
        permitted = Permitted(address, self._allowed_hosts)
        headers = {"Accept": "text/calendar"}
        link = Link(
            session,
            self._connections,
            permitted,
            self._timeout,
            judge=judge,
            headers=headers,
        )
        answer = link.send("GET", address, headers=conditions, reading=True)
        if answer.status in {403, 404, 410}:
            raise AuthExpired(f"the feed's address is no longer good ({answer.status})")
        if answer.status != 200 and not (answer.status == 304 and conditions):
            raise Unavailable(f"the feed can't be read ({answer.status})")
        return answer


def _address(session: Session) -> str:
    """The feed's address, which is the login."""
    login = session.tokens.credential()
    if not isinstance(login, BearerToken):
        raise InvalidValue(
            "credentials: a feed's login is a bearer token that holds its address"
        )
    address = login.token.strip()
    if address.startswith("webcal://"):
        address = "https" + address.removeprefix("webcal")
    problem = problem_with(address)
    if problem is not None:
        raise InvalidValue(f"token: a feed's address {problem}")
    return address


def _parsed(answer: Answer, session: Session, calendar: Calendar | None = None) -> Feed:
    """The feed's events. What is no calendar says nothing of any event (I-07)."""
    email = session.account.email
    try:
        return parse_feed(
            answer.body.decode("utf-8", "replace"),
            floating=_zone(session, calendar),
            addresses={email.lower()} if email else (),
        )
    except ValueError as reason:
        raise UnreadableAnswer(f"the answer is no calendar: {reason}") from None


def _zone(session: Session, calendar: Calendar | None) -> ZoneInfo | None:
    """Where the feed's floating times lie; None: where the feed itself says."""
    name = (calendar.timezone if calendar else None) or session.account.timezone
    return ZoneInfo(name) if name else None


def _pages(
    feed: Feed, known: Mapping[str, KnownItem], cursor: Cursor
) -> Iterator[ChangePage]:
    """Everything that is there, unchanged items by name only. The cursor comes last."""
    present = tuple(
        item.key
        for item in feed.items
        if item.key in known and known[item.key].etag == item.etag
    )
    changed = [item for item in feed.items if item.key not in set(present)]
    for start in range(0, len(changed), PAGE_SIZE):
        yield ChangePage(items=tuple(changed[start : start + PAGE_SIZE]), snapshot=True)
    yield ChangePage(
        present=present, unreadable=feed.unreadable, snapshot=True, cursor=cursor
    )


def _shape(session: Session, calendar: Calendar) -> str:
    """What the events depend on besides the feed itself."""
    zone = _zone(session, calendar)
    return f"ics-feed:{FORMAT}:floating={zone.key if zone else '-'}"


def _cursor(answer: Answer, shape: str) -> Cursor:
    """By what the server would know this very text again."""
    told = {
        "If-None-Match": answer.headers.get("etag"),
        "If-Modified-Since": answer.headers.get("last-modified"),
    }
    return Cursor(
        json.dumps({name: value for name, value in told.items() if value}), shape
    )


def _conditions(cursor: Cursor | None, shape: str) -> Mapping[str, str]:
    """The headers that ask for what is newer than the cursor; none without one.

    Raises:
        CursorExpired: it was made by a read of another shape, or can't be read.
    """
    if cursor is None:
        return {}
    try:
        conditions = json.loads(cursor.value)
    except ValueError:
        conditions = None
    if cursor.shape != shape or not isinstance(conditions, dict):
        raise CursorExpired("the cursor was made by a read of another shape")
    return {str(name): str(value) for name, value in conditions.items()}
