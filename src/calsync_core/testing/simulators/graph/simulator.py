"""The simulator itself: requests in, answers out, and the hands of its users."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

import httpx
from attrs import frozen

from calsync_core.models import OAuthClient
from calsync_core.protocols import Clock
from calsync_core.system import SystemClock
from calsync_core.testing.simulators.graph.batch import Part, answer_batch, parts_of
from calsync_core.testing.simulators.graph.calls import Call, Login
from calsync_core.testing.simulators.graph.delta import Deltas
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.habits import Habits
from calsync_core.testing.simulators.graph.hands import UserHands
from calsync_core.testing.simulators.graph.identity import Identity
from calsync_core.testing.simulators.graph.query import Preferences
from calsync_core.testing.simulators.graph.routes import Routes
from calsync_core.testing.simulators.graph.state import Json, Mail, Mailbox, State
from calsync_core.testing.simulators.graph.subscriptions import Echo, LifecycleEvent, Subscriptions, knock
from calsync_core.testing.simulators.graph.throttling import Key, Throttle
from calsync_core.testing.simulators.graph.times import zone_of
from calsync_core.testing.simulators.graph.tokens import ALL_SCOPES, Tokens
from calsync_core.testing.simulators.graph.writing import Writer
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.pushes import Outbox

__all__ = ["GraphSimulator"]

_TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
_DIRECTORY = frozenset({"", "photo", "manager"})


@frozen
class _Ask:
    """A request's login and mailbox, as far as they can be known."""

    login: Login
    mailbox: Mailbox
    path: tuple[str, ...]
    root: str

    @property
    def key(self) -> Key | None:
        """Whom it counts for; None: not a mailbox's business."""
        return (self.login.app, self.mailbox.id) if self.path and self.path[0] not in _DIRECTORY else None


class GraphSimulator(UserHands):
    """Microsoft Graph's calendars on this machine.

    ::

        simulator = GraphSimulator()
        simulator.add_user("ana@contoso.example", zone="W. Europe Standard Time")
        calendar = simulator.calendars("ana@contoso.example")[0]
        start, end = ({"dateTime": f"2026-03-03T{hour}:00:00", "timeZone": "UTC"} for hour in ("09", "10"))
        simulator.put_event(calendar, {"subject": "Planning", "start": start, "end": end})
        headers = {"Authorization": f"Bearer {simulator.token('ana@contoso.example')}"}
        window = {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "2026-04-01T00:00:00Z"}
        with simulator, httpx.Client(base_url=simulator.base_url, headers=headers) as client:
            page = client.get("me/calendarView/delta", params=window).json()
            simulator.expire_delta_links()
            answer = client.get(page["@odata.deltaLink"])  # 410

    What users do by hand is in ``UserHands``, how requests fail by order in ``SimulatedService.fail`` and ``scatter``.

    Attributes:
        habits: How it behaves where Graph was seen to behave in several ways.
        knock: Shakes hands with an endpoint, given its URL, the token and how many seconds it has: POSTs there with the
            token as ``validationToken`` in the query, and returns what came back, as status, content type and text.
            Over HTTP unless replaced; raises ``httpx.HTTPError``.
        meanwhile: Called, without a lock, while a request is in flight; a test's chance to hold some of them there.
    """

    def __init__(self, *, clock: Clock | None = None, habits: Habits | None = None, seed: int = 0) -> None:
        super().__init__()
        self.habits = habits or Habits()
        self.meanwhile: Callable[[Request], None] | None = None
        self.knock: Callable[[str, str, float], Echo] = knock
        self._clock = clock or SystemClock()
        dice = random.Random(seed)  # noqa: S311  (not for secrets)
        self._state = State(self._clock, self.habits, dice, _TENANT)
        self._throttle = Throttle(self._state)
        self._tokens = Tokens(self._state)
        self._identity = Identity(self._state, self._tokens)
        self._deltas = Deltas(self._state)
        self._writer = Writer(self._state)
        self._rank = 0
        self._subscriptions = Subscriptions(self._state)
        self._outbox = Outbox(again=lambda status: status is None or not 200 <= status < 300)
        self._knocked = threading.local()
        self._routes = Routes(self._deltas, self._writer)

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """What stands for ``https://graph.microsoft.com/v1.0``."""
        return f"{self.origin}/v1.0"

    @property
    def authority(self) -> str:
        """What stands for ``https://login.microsoftonline.com/{tenant}``."""
        return f"{self.origin}/{_TENANT}"

    # -- tokens --------------------------------------------------------------------------------------------------

    def token(
        self, upn: str | None, scopes: Iterable[str] = ALL_SCOPES, *, app: str = "app", lifetime: int = 3600
    ) -> str:
        """An access token, for a user or (None) for the app itself; ``lifetime`` in seconds."""
        with self._lock:
            return self._tokens.issue(self._state.mailbox(upn) if upn else None, scopes, app, lifetime)

    def add_app(
        self,
        client_id: str,
        secret: str | None = None,
        *,
        redirect_uris: Iterable[str] = (),
        roles: Iterable[str] = (),
    ) -> None:
        """Register an application; without a secret it is a public client, ``roles`` are for client credentials."""
        with self._lock:
            self._identity.add_app(client_id, secret, redirect_uris, roles)

    def oauth_client(self, *redirect_uris: str, client_id: str = "web") -> OAuthClient:
        """Register an application that people are sent back to there, and give it as a host would know it."""
        secret = "simulated-secret"  # noqa: S105  (a toy server's)
        self.add_app(client_id, secret, redirect_uris=redirect_uris)
        return OAuthClient(client_id, secret, token_url=f"{self.authority}/oauth2/v2.0/token")

    def consent(self, authorization_url: str, upn: str, *, deny: bool = False) -> str:
        """Be the browser: sign in on this page and answer it; returns the redirect with code and state."""
        with self._lock:
            request = Request.of("GET", authorization_url, {}, b"")
            return self._identity.consent(request, self._state.mailbox(upn), deny=deny)

    def approve_device(self, user_code: str, upn: str, *, deny: bool = False) -> None:
        """Type a device's code in, as a user. Raises LookupError: no device shows it."""
        with self._lock:
            self._identity.approve(user_code, self._state.mailbox(upn), deny=deny)

    def revoke(self, upn: str) -> None:
        """The user takes the consent back: no access token and no refresh token works any more."""
        with self._lock:
            mailbox = self._state.mailbox(upn)
            self._tokens.revoke(mailbox)
            self._identity.revoke(mailbox)

    def refuse_refresh(self, upn: str, error: str = "interaction_required", suberror: str | None = None) -> None:
        """Refuse refreshes with this error until the user signs in again; issued access tokens go on working."""
        with self._lock:
            self._identity.refuse(self._state.mailbox(upn), error, suberror)

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Every mail that a request has had Graph send."""
        with self._lock:
            return tuple(self._state.mails)

    # -- change notifications -------------------------------------------------------------------------------------

    @property
    def outbox(self) -> Outbox:
        """Notifications on their way; what is not answered with 2xx is sent again with the next ``deliver``."""
        with self._lock:
            for delivery in self._subscriptions.flush():
                self._outbox.put(delivery)
        return self._outbox

    @property
    def subscriptions(self) -> list[Json]:
        """What lives, as Graph would return it."""
        with self._lock:
            return self._subscriptions.listed()

    def lifecycle(self, subscription: str, event: LifecycleEvent) -> None:
        """Have the host told of this. Raises KeyError: there is no such subscription."""
        with self._lock:
            self._subscriptions.lifecycle(subscription, event)

    @property
    def renewal_violations(self) -> int:
        """How often a subscription was both renewed and reauthorized within ten minutes: never do that."""
        with self._lock:
            return self._subscriptions.violations

    # -- misbehaving ----------------------------------------------------------------------------------------------

    def expire_delta_links(self, status: int = 410, code: str = "syncStateNotFound", *, after: int = 0) -> None:
        """Every next and delta link handed out so far ends with this answer, at once or after so many more pages."""
        with self._lock:
            self._deltas.expire(status, code, after)

    def throttle(
        self,
        upn: str,
        times: int = 1,
        *,
        status: int = 429,
        code: str = "TooManyRequests",
        seconds: float | None = 2.128,
    ) -> None:
        """Refuse the next requests to one mailbox, parts of batches included; ``seconds`` goes into Retry-After."""
        with self._lock:
            self._throttle.order(self._state.mailbox(upn).id, times, status, code, seconds)

    def max_seen_concurrency(self, upn: str | None = None) -> int:
        """The most requests of one app that were in flight to a mailbox (None: any), parts of batches included."""
        with self._lock:
            wanted = self._state.mailbox(upn).id if upn else None
            peaks: Counter[Key] = Counter(self._throttle.peaks)
            return max((peak for (_, user), peak in peaks.items() if wanted in {None, user}), default=0)

    # -- answering ------------------------------------------------------------------------------------------------

    def carry_out(self, request: Request, *, inner: bool = False) -> Response:
        """See ``SimulatedService``; whole requests are counted while they wait, too."""
        if inner:
            return super().carry_out(request, inner=True)
        with self._throttle.in_flight(self._load(request)):
            if self.meanwhile is not None:
                self.meanwhile(request)
            self._knocked.outcome = self._shake_hands(request)
            return super().carry_out(request)

    def answer(self, request: Request) -> Response:
        """Carry out one request."""
        self._state.mailing = True
        try:
            return self._route(request)
        except GraphError as error:
            return error.response(self._clock.now(), len(self._log))
        finally:
            self._state.mailing = False

    def _route(self, request: Request) -> Response:
        if self._identity.serves(request):
            return self._identity.answer(request)
        if request.segments[:1] != ("v1.0",):
            raise GraphError(400, "BadRequest", "Invalid version.")
        self._tokens.login(request.bearer)
        if request.segments == ("v1.0", "$batch"):
            return self._batch(request)
        if request.segments[1:2] == ("subscriptions",):
            login = self._tokens.login(request.bearer)
            if (request.method, len(request.segments)) == ("POST", 2):
                return self._subscriptions.create(request, login, self._knocked.outcome)
            return self._subscriptions.answer(request, login)
        ask = self._ask(request)
        if ask.key is not None:
            self._throttle.admit(ask.key, self._rank)
        preferences = Preferences.of(request)
        zone_of(preferences.zone, ask.mailbox.zone)
        call = Call(request, self._state, ask.login, ask.mailbox, ask.path, ask.root, preferences)
        return self._routes.user(call)

    def _batch(self, request: Request) -> Response:
        ranks: Counter[tuple[str, ...]] = Counter()
        serial = any(part.waits for part in parts_of(request))

        def carry_out(part: Part) -> Response:
            user = part.request.segments[1:3]
            # Of a batch without an order, as many parts run at a time as may; of one with an order, one.
            self._rank = 0 if serial else ranks[user] % self.habits.concurrency
            ranks[user] += 1
            self._knocked.outcome = self._shake_hands(part.request)
            try:
                return self.carry_out(part.request, inner=True)
            finally:
                self._rank = 0

        return answer_batch(request, carry_out, self._state.dice if self.habits.shuffled_batches else None)

    def _shake_hands(self, request: Request) -> str | None:
        """While a create request is pending, ask its endpoints to echo a token; returns what went wrong.

        Without the lock: the host may well ask this service something before it answers.
        """
        if request.method != "POST" or request.segments != ("v1.0", "subscriptions"):
            return None
        urls, guid = list[str](), ""
        with self._lock, suppress(GraphError):
            urls = self._subscriptions.urls(request, self._tokens.login(request.bearer))
            guid = self._state.guid()
        token = f"Validation: Testing client application reachability for subscription Request-Id: {guid} + 100%"
        for url in urls:
            try:
                status, kind, body = self.knock(url, token, self.habits.handshake_time)
            except httpx.HTTPError as error:
                return f"Notification endpoint could not be reached ({type(error).__name__})."
            if (status, kind.partition(";")[0].strip(), body) != (200, "text/plain", token):
                return f"Notification endpoint must respond with 200 OK to validation request; it gave {status}."
        return None

    def _ask(self, request: Request) -> _Ask:
        """Who asks for whose mailbox. Raises GraphError."""
        login = self._tokens.login(request.bearer)
        match request.segments[1:]:
            case ("me", *rest):
                if login.mailbox is None:
                    raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
                return _Ask(login, login.mailbox, tuple(rest), f"{request.base}/v1.0/me")
            case ("users", user, *rest):
                mailbox = self._state.mailbox(user)
                if login.mailbox not in {None, mailbox}:
                    raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
                return _Ask(login, mailbox, tuple(rest), f"{request.base}/v1.0/users('{mailbox.id}')")
        raise GraphError(400, "BadRequest", "Resource not found for the segment.")

    def _load(self, request: Request) -> dict[Key, int]:
        """How many requests to which mailboxes this one is: a batch runs up to four of its parts at a time."""
        with suppress(GraphError):
            if request.segments != ("v1.0", "$batch"):
                key = self._ask(request).key
                return {} if key is None else {key: 1}
            parts = parts_of(request)
            most = 1 if any(part.waits for part in parts) else self.habits.concurrency
            keys = Counter(self._ask(part.request).key for part in parts)
            return {key: min(count, most) for key, count in keys.items() if key is not None}
        return {}
