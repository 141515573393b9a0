"""The port to a calendar service: everything the engine ever asks of one.

Common to all methods:

* **Before**: nothing. A provider holds no account and no store; one object serves every account of its kind and is
  thread-safe. It may cache connections weakly by ``session.tokens``.
* **After**: every HTTP request sent has been counted with ``session.meter.count()``; nothing that a server says is
  trusted further than its host: links are followed with credentials only to allowed hosts (I-38).
* **Errors**: only ``ProviderError`` and its children leave a provider. ``AuthExpired`` (login refused, after one
  ``credential(renew=True)``), ``RateLimited``, ``Unavailable`` (network, deadline, 5xx, unparseable answer) may come
  from any method. Short waits are retried inside the call by ``calsync_core.retry``; every wait has a deadline (I-34).
"""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

from calsync_core.models import (
    Account,
    Calendar,
    ChangePage,
    Cursor,
    Grant,
    Identity,
    Intent,
    Item,
    KnownItem,
    Lookup,
    Outcome,
    PushKind,
    RemoteCalendar,
    Window,
)
from calsync_core.protocols.services import Clock, RequestMeter, TokenSource

__all__ = [
    "EchoingProvider",
    "ExclusiveProvider",
    "GrantingProvider",
    "KnownItems",
    "Provider",
    "PublishingProvider",
    "Push",
    "PushProvider",
    "PushRequest",
    "ReadRequest",
    "Session",
    "Subscription",
    "nothing_known",
]

KnownItems: TypeAlias = Callable[[Sequence[str] | None], Mapping[str, KnownItem]]
"""Looks up what the store knows of these keys (None: of all keys of the calendar)."""


def nothing_known(_keys: Sequence[str] | None) -> Mapping[str, KnownItem]:
    """A ``KnownItems`` that knows nothing: everything is fetched."""
    return {}


@frozen(eq=False)
class Session:
    """One account in use during one run.

    Attributes:
        account: Stored or about to be; ``id`` may be None in ``identify``.
        tokens: Where its credential comes from.
        meter: Counts the requests of this run.
        clock: For waits and deadlines.
        ends: On the clock's ``monotonic``: later than that nothing more is asked, and no answer is waited for. None:
            only the provider's own time-out, request by request, and ``calsync_core.retry`` set an end.
    """

    account: Account
    tokens: TokenSource = field(repr=False)
    meter: RequestMeter = field(repr=False)
    clock: Clock = field(repr=False)
    ends: float | None = None


@frozen
class ReadRequest:
    """What to read.

    Attributes:
        calendar: Whose ``timezone`` resolves floating times.
        window: The horizon. A provider whose listing is not windowed may ignore it.
        cursor: Where the last complete read ended; None: take a snapshot.
        known: What the store has, so that unchanged items need not be fetched.
    """

    calendar: Calendar
    window: Window
    cursor: Cursor | None = None
    known: KnownItems = field(default=nothing_known, repr=False)


@runtime_checkable
class PublishingProvider(Protocol):
    """A calendar service that can be read: its calendars publish. One that can be written to as well is a ``Provider``.

    The engine takes every calendar of such a service for read-only, whatever role the service tells: to ``enable`` one
    with ``receive`` is refused before any request.
    """

    def identify(self, session: Session) -> Identity:
        """Ask the service who this login is.

        Raises:
            AuthExpired: the login is refused.
            Rejected: there is no calendar service at this address.
        """

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        """All calendars the login can see that can hold events, in the service's order."""

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        """Read what changed since the cursor, or everything.

        After: the pages hold every change exactly as the service shows it, our own blocks included (with ``mark``
        set); the last page, and only the last, has a cursor. Without a cursor in the request, ``snapshot`` is True on
        all pages and every existing item inside ``covers`` is named in ``items``, ``present`` or ``unreadable``.
        With one, ``snapshot`` may still be True where a service answers so. An empty page is not the end (I-13). A
        listing is bounded by a page ceiling and a check for repeated links.

        One item that can't be read or parsed never raises: it is ``unreadable``.

        Raises:
            CursorExpired: lost, invalid, or made by a request of another shape (I-12).
            NotFound: there is no such calendar (any more).
        """

    def fetch_items(self, session: Session, calendar: Calendar, keys: Sequence[str]) -> Lookup:
        """Read items by id. Any number of keys; the provider cuts them into requests.

        After: every key is in exactly one of ``items``, ``gone`` (the service says so of this very id) and
        ``unreadable`` (anything else, silence included). Where the service gives ids itself, a block asked for by
        ``native_id`` is gone under that and, if it stands, in ``items`` under its own id.

        Raises:
            NotFound: there is no such calendar (any more).
        """


@runtime_checkable
class Provider(PublishingProvider, Protocol):
    """A calendar service whose calendars publish and receive.

    Attributes:
        batch_size: How many intents the engine hands to one ``apply`` at the most.
        shows_tentative: Whether a block can say "tentative" there; otherwise the planner asks for "busy".
    """

    batch_size: int
    shows_tentative: bool

    def native_id(self, calendar: Calendar, key: str, generation: int) -> str:
        """The id (as in ``Item.key``) that a block will have there. Pure, and injective in (key, generation).

        Carries the provider's public constant, so that any reader of the calendar knows a block when it sees one. A
        service that gives ids itself keeps this one beside its own (Graph's ``transactionId``): ``apply`` then says in
        ``Outcome.native_id`` where the block stands, and this name is what a create in doubt is looked for by.
        """

    def find_blocks(self, session: Session, calendar: Calendar) -> Iterator[Item]:
        """Every item that carries the public constant, past ones included, whoever's it is.

        Raises:
            NotFound: there is no such calendar (any more).
            Unavailable: also when one item could not be read, after all others were given.
        """

    def apply(self, session: Session, calendar: Calendar, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """Write blocks, conditionally and idempotently, and tell per intent what became of it, as it becomes known.

        Before: at most ``batch_size`` intents, all for this calendar, nearest slot first; the caller holds the
        calendar's lease. After: an intent has an outcome, or the method has raised and the ones without outcome may
        or may not have happened. A create never overwrites (its id in use: TAKEN); an update or delete never touches
        an item that changed since ``operation.etag`` (CHANGED). Where a service enforces no precondition, a fresh
        read precedes the write. No body mentions attendees, organiser, location or description, no reminder is set,
        and no mail is sent (I-40).

        Raises:
            ReadOnly: this login may not write to this calendar.
            NotFound: there is no such calendar (any more).
        """


@runtime_checkable
class ExclusiveProvider(PublishingProvider, Protocol):
    """A calendar service that admits few requests at a time to one login, over all processes together.

    Attributes:
        one_worker_per_login: True: the engine lets one worker at a time read or write with a login (I-33). How many
            requests that worker has under way is the provider's affair.
    """

    one_worker_per_login: bool


@runtime_checkable
class GrantingProvider(PublishingProvider, Protocol):
    """A calendar service whose access tokens end and are renewed with a ``Grant``."""

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:
        """Get a new access token from the token server, in one request.

        Before: the caller is the only one who renews this account's grant now, over all processes. After: the answer
        has ``access_token`` and ``expires_at``; a rotated refresh token replaces the old one in it, and ``scopes`` are
        those granted. Nothing was stored; the caller stores it before it is used (I-36).

        Raises:
            AuthExpired: only the person can help (``invalid_grant`` and kin).
            Rejected: the application itself is refused (``invalid_client``): the operator must act.
            RateLimited: the token server asks to wait.
            Unavailable: it can't be reached, or fails.
            InvalidValue: this kind of grant is not for this provider, or is malformed.
        """


@frozen
class PushRequest:
    """What came to the host's endpoint.

    Attributes:
        query: Decoded.
        headers: Names in lower case.
    """

    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@frozen
class Push:
    """One push, not yet believed: whoever receives it compares ``secret`` and ``resource`` with the subscription's.

    Attributes:
        subscription_id: Which subscription it claims to belong to.
        secret: What proves it.
        resource: What is watched, as ``Subscription.resource`` names it; None where a push does not say.
        message: The same for a push that is delivered twice; None where nothing tells.
        expires_at: When the subscription ends, if the push says.
        item: What changed, as ``Item.key`` names it, if the push says; with ``etag``, its revision after the change.
            A push that names one of our blocks as we last wrote it is an echo, and costs no read.
    """

    subscription_id: str
    kind: PushKind
    secret: str | None = field(default=None, repr=False)
    resource: str | None = None
    message: str | None = None
    expires_at: datetime | None = None
    item: str | None = None
    etag: str | None = None


@frozen
class Subscription:
    """A provider's promise to push, as the provider knows it.

    Attributes:
        id: Ours for Google (channel id), theirs for Graph.
        resource: Their name of what is watched (Google ``resourceId``, Graph ``resource``).
        expires_at: As read back from the provider, never as asked for.
    """

    id: str
    resource: str
    expires_at: datetime


@runtime_checkable
class PushProvider(PublishingProvider, Protocol):
    """A calendar service that can push. Providers without push simply don't have these methods."""

    def subscribe(
        self, session: Session, calendar: Calendar, *, subscription_id: str, secret: str, url: str
    ) -> Subscription:
        """Ask for pushes. The caller has stored id and hashed secret first: a push may arrive before the answer.

        Args:
            session: A login that may read the calendar.
            calendar: What to watch.
            subscription_id: Proposed id, new for every call; at most 64 characters of ``[A-Za-z0-9_-]``.
            secret: At most 128 characters; comes with every push.
            url: Where to push to; https, except to a simulator on this machine.

        Raises:
            PushUnsupported: this calendar does not support push; remember it and poll.
            Rejected: the address is refused: the operator must act.
            Conflict: an equal subscription exists already, or the id is in use.
        """

    def renew(self, session: Session, calendar: Calendar, subscription: Subscription) -> Subscription | None:
        """Prolong it; None where the service can't, so that a new one must be made with overlap.

        Raises:
            NotFound: it is gone: make a new one.
        """

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        """End it. One that is already gone is success."""

    def read_push(self, request: PushRequest) -> Sequence[Push]:
        """Understand what came to the endpoint. Pure; believes nothing.

        Raises:
            InvalidValue: it is no push of this provider, whoever sent it.
        """


@runtime_checkable
class EchoingProvider(PushProvider, Protocol):
    """A push provider that asks the endpoint to repeat a text before it believes the address."""

    def read_handshake(self, request: PushRequest) -> str | None:
        """What to answer with, as plain text and status 200; None: the request is no handshake. Pure.

        Raises:
            InvalidValue: it is one, and asks for more than a handshake does.
        """
