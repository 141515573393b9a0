"""Google Calendar behind the ports: ``Provider``, ``AuthorizingProvider`` and ``PushProvider``."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

import httpx
from attrs import evolve

from calsync_core.errors import AuthExpired, InvalidValue, Rejected, Unavailable
from calsync_core.models import (
    Account,
    BearerToken,
    Calendar,
    CalendarRole,
    ChangePage,
    Credential,
    Grant,
    Identity,
    Intent,
    Item,
    Lookup,
    OAuthClient,
    OAuthGrant,
    Outcome,
    RemoteCalendar,
)
from calsync_core.protocols import (
    Authorization,
    AuthorizationRequest,
    Clock,
    Push,
    PushRequest,
    ReadRequest,
    Refusal,
    Session,
    Subscription,
    TokenSource,
)
from calsync_core.providers.google import auth
from calsync_core.providers.google.answers import judge_with
from calsync_core.providers.google.names import block_id
from calsync_core.providers.google.pace import Pace
from calsync_core.providers.google.push import Channels, parse_push
from calsync_core.providers.google.reading import CalendarReader
from calsync_core.providers.google.service import BATCH_SIZE, Service
from calsync_core.providers.google.wire import parse_calendar
from calsync_core.providers.google.writing import BlockWriter
from calsync_core.transport import Connections, HttpxConnection, Link, Permitted, checked_base

__all__ = ["GoogleProvider"]

GOOGLE = "https://www.googleapis.com/calendar/v3"
_PAGE_OF_CALENDARS = "250"


class GoogleProvider:
    """Google Calendar (API v3), and any server that speaks it at the account's ``base_url``.

    Args:
        timeout: Seconds one request may take in all.
        writes_per_minute: How fast one login's blocks are written at the most; Google allows 600 requests a minute and
            person, reads included.
        transport: For a service that is not across a network: a simulator's.
        base_url: The server of accounts that name none; by default Google.

    Raises:
        InvalidValue: names the argument.
    """

    batch_size: int = BATCH_SIZE
    shows_tentative: bool = True
    read_scopes: tuple[str, ...] = auth.READ_SCOPES
    write_scopes: tuple[str, ...] = auth.WRITE_SCOPES

    def __init__(
        self,
        *,
        timeout: float = 60,
        writes_per_minute: int = 400,
        transport: httpx.BaseTransport | None = None,
        base_url: str = GOOGLE,
    ) -> None:
        if timeout <= 0:
            raise InvalidValue("timeout: must be more than 0 seconds")
        if writes_per_minute < 1:
            raise InvalidValue("writes_per_minute: must be at least 1")
        self._timeout = timeout
        self._writes_per_minute = writes_per_minute
        self._transport = transport
        self._base_url = checked_base(base_url)
        self._connections = Connections(self._connect)
        self._lock = threading.Lock()
        self._paces: WeakKeyDictionary[TokenSource, Pace] = WeakKeyDictionary()

    # -- Provider -------------------------------------------------------------------------------------------------

    def identify(self, session: Session) -> Identity:
        """The id of the login's primary calendar, which is its address. One request."""
        missing = auth.missing_scopes(self._token(session).scopes)
        if missing:
            names = ", ".join(scope.rpartition("/")[2] for scope in missing)
            raise AuthExpired(f"the login was not granted what it needs: {names}")
        service = self._service(session)
        answer = service.send(service.call("GET", "users", "me", "calendarList", "primary"), reading=True)
        if answer.status == 404:
            raise Rejected("there is no Google Calendar at this address, or none for this login (404)")
        service.require(answer)
        primary = _calendar(answer.json())
        return Identity(primary.remote_id, primary.remote_id, primary.timezone)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """The person's calendar list, without what they hid. Writable only as far as the granted scopes allow."""
        service = self._service(session)
        writable = auth.may_write(self._token(session).scopes)
        query = {"maxResults": _PAGE_OF_CALENDARS}
        pages = service.pages("users", "me", "calendarList", query=query, check=service.require)
        entries = [entry for page in pages for entry in page.get("items", [])]
        # A calendar may come twice; the last word counts.
        found = {calendar.remote_id: calendar for calendar in map(_calendar, entries)}
        gone = {str(entry["id"]) for entry in entries if entry.get("deleted")}
        listed = [calendar for key, calendar in found.items() if key not in gone]
        return listed if writable else [_read_only(calendar) for calendar in listed]

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:  # noqa: ARG002  (the port's signature)
        """The event id: the public constant, the generation, the key."""
        return block_id(key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """Masters and exceptions since the sync token. A listing covers the whole calendar."""
        yield from self._reader(session, request.calendar).changes(request.cursor, request.known)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """One request for one key, else batches."""
        return self._reader(session, calendar).lookup(keys)

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """Lists the whole calendar: a tag can be lost, an id can't."""
        yield from self._reader(session, calendar).blocks()

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """One request for one intent, a batch for more."""
        yield from BlockWriter(self._reader(session, calendar)).apply(intents)

    # -- GrantingProvider -----------------------------------------------------------------------------------------

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:  # noqa: ARG002  (the port's signature)
        """A person's refresh token, or a service account with delegation."""
        return auth.renew(grant, clock, self._transport)

    # -- AuthorizingProvider --------------------------------------------------------------------------------------

    def begin_authorization(self, client: OAuthClient, request: AuthorizationRequest, clock: Clock) -> Authorization:  # noqa: ARG002  (the port's signature)
        """Sends nothing."""
        return auth.begin_authorization(client, request)

    def finish_authorization(
        self, client: OAuthClient, record: Mapping[str, object], answer: Mapping[str, str], clock: Clock
    ) -> OAuthGrant:
        """One request to the token server."""
        return auth.finish_authorization(client, record, answer, clock=clock, transport=self._transport)

    def read_refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """By the error's word."""
        return auth.read_refusal(answer)

    def missing_scopes(self, granted: Sequence[str], *, write: bool = False) -> tuple[str, ...]:
        """Consent is granular: people untick boxes."""
        return auth.missing_scopes(granted, write=write)

    # -- PushProvider ---------------------------------------------------------------------------------------------

    def subscribe(
        self, session: Session, calendar: Calendar, *, subscription_id: str, secret: str, url: str
    ) -> Subscription:
        """Open a channel on the calendar's events. Google's ``sync`` push may come before this returns (I-29)."""
        return Channels(self._service(session)).open(calendar, subscription_id, secret, url)

    def renew(self, session: Session, calendar: Calendar, subscription: Subscription) -> Subscription | None:  # noqa: ARG002  (the port's signature)
        """None: channels can't be prolonged. Open a new one while the old one lives, then stop the old one (I-30)."""
        return None

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        """Stop the channel."""
        Channels(self._service(session)).stop(subscription)

    def read_push(self, request: PushRequest) -> Sequence[Push]:
        """Everything is in the headers."""
        return parse_push(request)

    # -- how it asks ----------------------------------------------------------------------------------------------

    def _reader(self, session: Session, calendar: Calendar) -> CalendarReader:
        return CalendarReader(self._service(session), calendar.remote_id)

    def _service(self, session: Session) -> Service:
        base = checked_base(session.account.base_url or self._base_url).rstrip("/")
        link = Link(
            session,
            self._connections,
            Permitted(base),
            self._timeout,
            judge=judge_with(session.clock),
            headers={"Accept": "application/json"},
        )
        with self._lock:
            pace = self._paces.setdefault(session.tokens, Pace(self._writes_per_minute))
        return Service(link, base, pace)

    def _token(self, session: Session) -> BearerToken:
        return _bearer(session.tokens.credential())

    def _connect(self, credential: Credential, timeout: float) -> HttpxConnection:
        token = _bearer(credential)
        # Without it, all people a service account acts for would share one quota.
        quota = {"X-Goog-Quota-User": _opaque(token.acts_for)} if token.acts_for else {}
        return HttpxConnection(token, timeout, self._transport, quota)


def _bearer(credential: Credential) -> BearerToken:
    if not isinstance(credential, BearerToken):
        raise InvalidValue("credentials: Google takes an OAuth grant or a bearer token, not a password")
    return credential


def _opaque(person: str) -> str:
    """At most 40 characters that name a person to Google's quotas and to nobody else."""
    return hashlib.sha256(person.encode()).hexdigest()[:40]


def _calendar(entry: object) -> RemoteCalendar:
    try:
        return parse_calendar(entry if isinstance(entry, dict) else {})
    except ValueError:
        raise Unavailable("a calendar in the answer can't be read") from None


def _read_only(calendar: RemoteCalendar) -> RemoteCalendar:
    return evolve(calendar, role=CalendarRole.READER) if calendar.role.writable else calendar
