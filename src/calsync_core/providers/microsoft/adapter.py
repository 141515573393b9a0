"""Microsoft 365 and Outlook behind the ports: ``Provider``, ``AuthorizingProvider`` and ``EchoingProvider``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx
from attrs import evolve

from calsync_core.core.zones import resolve_zone
from calsync_core.errors import AuthExpired, InvalidValue, Unavailable
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
from calsync_core.providers.microsoft import auth
from calsync_core.providers.microsoft.answers import judge_with
from calsync_core.providers.microsoft.batch import BATCH_SIZE
from calsync_core.providers.microsoft.gate import Gate
from calsync_core.providers.microsoft.names import block_name
from calsync_core.providers.microsoft.push import Subscriptions, parse_handshake, parse_push
from calsync_core.providers.microsoft.reading import CalendarReader
from calsync_core.providers.microsoft.service import PREFERENCES, Service
from calsync_core.providers.microsoft.wire import Json, parse_calendar
from calsync_core.providers.microsoft.writing import BlockWriter
from calsync_core.transport import Answer, Connections, HttpxConnection, Link, Permitted, checked_base

__all__ = ["MicrosoftProvider"]

GRAPH = "https://graph.microsoft.com/v1.0"
_CALENDARS_AT_ONCE = "100"


class MicrosoftProvider:
    """Microsoft Graph v1.0, and any server that speaks it at the account's ``base_url``.

    Args:
        timeout: Seconds one request may take in all.
        transport: For a service that is not across a network: a simulator's.
        base_url: The server of accounts that name none; by default the one of Microsoft's worldwide cloud.

    Raises:
        InvalidValue: names the argument.
    """

    batch_size: int = BATCH_SIZE
    shows_tentative: bool = True
    read_scopes: tuple[str, ...] = auth.READ_SCOPES
    write_scopes: tuple[str, ...] = auth.WRITE_SCOPES
    one_worker_per_login: bool = True
    """Four requests at a time per application and mailbox, whichever process sends them."""

    def __init__(
        self, *, timeout: float = 60, transport: httpx.BaseTransport | None = None, base_url: str = GRAPH
    ) -> None:
        if timeout <= 0:
            raise InvalidValue("timeout: must be more than 0 seconds")
        self._timeout = timeout
        self._transport = transport
        self._base_url = checked_base(base_url)
        self._connections = Connections(self._connect)
        self._lock = threading.Lock()
        self._gates: WeakKeyDictionary[TokenSource, Gate] = WeakKeyDictionary()

    # -- Provider -------------------------------------------------------------------------------------------------

    def identify(self, session: Session) -> Identity:
        """The user's object id, address and mailbox zone. One request."""
        service = self._service(session)
        calls = [
            service.call("GET", query={"$select": "id,mail,userPrincipalName"}),
            service.call("GET", "mailboxSettings", query={"$select": "timeZone"}),
        ]
        who, settings = service.send_all(calls, reading=True)
        refusal = None if who is None else service.refusal(who)
        if refusal is not None and refusal.status == 403 and refusal.codes:
            raise AuthExpired(f"the login lacks a permission it needs ({refusal}): connect again and grant it")
        user = _told(service, who)
        if not isinstance(user.get("id"), str) or not user["id"]:
            raise Unavailable("Graph did not say whose login this is")
        # The zone needs a permission of its own; without it, the host may say the zone.
        known = _told(service, settings) if settings is not None and settings.ok else {}
        zone = resolve_zone(str(known.get("timeZone") or ""))
        address = user.get("mail") or user.get("userPrincipalName")
        return Identity(user["id"], str(address) if address else None, zone.key if zone else None)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """The calendars of all groups. Writable only as far as Graph and the granted scopes allow."""
        service = self._service(session)
        writable = auth.may_write(self._token(session).scopes)
        groups = [str(group["id"]) for group in self._list(service, "calendarGroups") if group.get("id")]
        paths = [("calendars",), *(("calendarGroups", group, "calendars") for group in groups)]
        found: dict[str, RemoteCalendar] = {}
        for path in paths:
            for entry in self._list(service, *path):
                try:
                    calendar = parse_calendar(entry, session.account.email)
                except ValueError:
                    raise Unavailable("a calendar in the answer can't be read") from None
                found.setdefault(calendar.remote_id, calendar)
        return [calendar if writable else _read_only(calendar) for calendar in found.values()]

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:  # noqa: ARG002  (the port's signature)
        """The transaction id; Graph gives the event's own id."""
        return block_name(key, generation)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """A delta round over a window that reaches past the horizon; series as their occurrences in it."""
        yield from self._reader(session, request.calendar).changes(request)

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """One request for one key, else batches; a series' instances are read as well."""
        return self._reader(session, calendar).lookup(keys, session.clock.now())

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """Lists the whole calendar: an extended property can be lost, a transaction id can't."""
        yield from self._reader(session, calendar).blocks()

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """A batch that looks, for updates and deletes, then a batch that writes."""
        yield from BlockWriter(self._reader(session, calendar)).apply(intents)

    # -- GrantingProvider -----------------------------------------------------------------------------------------

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:  # noqa: ARG002  (the port's signature)
        """A refresh token, which rotates; msal's cache; or the application's own credentials."""
        return auth.renew(grant, clock, self._transport)

    # -- AuthorizingProvider --------------------------------------------------------------------------------------

    def begin_authorization(self, client: OAuthClient, request: AuthorizationRequest, clock: Clock) -> Authorization:
        """Asks the login server for its addresses."""
        return auth.begin_authorization(client, request, clock=clock, transport=self._transport)

    def finish_authorization(
        self, client: OAuthClient, record: Mapping[str, object], answer: Mapping[str, str], clock: Clock
    ) -> OAuthGrant:
        """One request to the token server, after its addresses."""
        return auth.finish_authorization(client, record, answer, clock=clock, transport=self._transport)

    def read_refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """By the error's word, and by the number in its description."""
        return auth.read_refusal(answer)

    def missing_scopes(self, granted: Sequence[str], *, write: bool = False) -> tuple[str, ...]:
        """Whoever consents, consents to all; an administrator may have allowed less."""
        return auth.missing_scopes(granted, write=write)

    # -- EchoingProvider ------------------------------------------------------------------------------------------

    def subscribe(
        self,
        session: Session,
        calendar: Calendar,
        *,
        subscription_id: str,  # noqa: ARG002  (Graph gives its own)
        secret: str,
        url: str,
    ) -> Subscription:
        """Subscribe to the calendar's events; other subscriptions of ours to them are ended."""
        return Subscriptions(self._service(session)).open(calendar, secret, url)

    def renew(self, session: Session, calendar: Calendar, subscription: Subscription) -> Subscription | None:  # noqa: ARG002  (the port's signature)
        """Prolong it."""
        return Subscriptions(self._service(session)).prolong(subscription)

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        """End it."""
        Subscriptions(self._service(session)).end(subscription.id)

    def read_push(self, request: PushRequest) -> Sequence[Push]:
        """Everything is in the body, which may hold several."""
        return parse_push(request)

    def read_handshake(self, request: PushRequest) -> str | None:
        """Graph asks both addresses of a new subscription to repeat a token, in the query, while it is made (I-29)."""
        return parse_handshake(request)

    # -- how it asks ----------------------------------------------------------------------------------------------

    def _list(self, service: Service, *segments: str) -> list[Json]:
        """All pages of a collection."""
        first = service.send(service.call("GET", *segments, query={"$top": _CALENDARS_AT_ONCE}), reading=True)
        return [entry for page in service.pages(first) for entry in page.entries]

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
            headers={"Accept": "application/json", **PREFERENCES},
        )
        with self._lock:
            gate = self._gates.setdefault(session.tokens, Gate())
        acts_for = self._token(session).acts_for
        return Service(link, base, f"/users/{quote(acts_for)}" if acts_for else "/me", gate)

    def _token(self, session: Session) -> BearerToken:
        return _bearer(session.tokens.credential())

    def _connect(self, credential: Credential, timeout: float) -> HttpxConnection:
        return HttpxConnection(_bearer(credential), timeout, self._transport)


def _bearer(credential: Credential) -> BearerToken:
    if not isinstance(credential, BearerToken):
        raise InvalidValue("credentials: Microsoft takes an OAuth grant or a bearer token, not a password")
    return credential


def _told(service: Service, answer: Answer | None) -> Json:
    """The object in an answer. Raises what it means if there is none."""
    if answer is None:
        raise Unavailable("Graph gave no answer")
    service.require(answer)
    told = answer.json()
    if not isinstance(told, dict):
        raise Unavailable("the answer is no object")
    return told


def _read_only(calendar: RemoteCalendar) -> RemoteCalendar:
    return evolve(calendar, role=CalendarRole.READER) if calendar.role.writable else calendar
