"""The simulator itself: requests in, answers out, and the hands of its users."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from attrs import frozen

from calsync_core.protocols import Clock
from calsync_core.system import SystemClock
from calsync_core.testing.simulators.graph.batch import Part, answer_batch, parts_of
from calsync_core.testing.simulators.graph.calls import Call, Login
from calsync_core.testing.simulators.graph.delta import Deltas
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.habits import Habits
from calsync_core.testing.simulators.graph.hands import UserHands
from calsync_core.testing.simulators.graph.query import Preferences
from calsync_core.testing.simulators.graph.routes import Routes
from calsync_core.testing.simulators.graph.state import Mail, Mailbox, State
from calsync_core.testing.simulators.graph.throttling import Key, Throttle
from calsync_core.testing.simulators.graph.times import zone_of
from calsync_core.testing.simulators.graph.tokens import ALL_SCOPES, Tokens
from calsync_core.testing.simulators.graph.writing import Writer
from calsync_core.testing.simulators.messages import Request, Response

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
        simulator.add_user("ana@contoso.example")
        calendar = simulator.calendars("ana@contoso.example")[0]
        meeting = simulator.put_event(calendar, {"subject": "Planning", "start": start, "end": end})
        token = simulator.token("ana@contoso.example")
        with simulator:
            client = httpx.Client(base_url=simulator.base_url, headers={"Authorization": f"Bearer {token}"})
            client.get("me/calendarView/delta", params={"startDateTime": first, "endDateTime": last})
        simulator.habits.masters = "never"

    Users' hands (``put_event`` …) take and give Graph's own JSON and immutable ids; what they do sends no mail.

    Attributes:
        habits: How it behaves where Graph was seen to behave in several ways.
        meanwhile: Called, without a lock, while a request is in flight; a test's chance to hold some of them there.
    """

    def __init__(self, *, clock: Clock | None = None, habits: Habits | None = None, seed: int = 0) -> None:
        super().__init__()
        self.habits = habits or Habits()
        self.meanwhile: Callable[[Request], None] | None = None
        self._clock = clock or SystemClock()
        dice = random.Random(seed)  # noqa: S311  (not for secrets)
        self._state = State(self._clock, self.habits, dice, _TENANT)
        self._throttle = Throttle(self._state)
        self._tokens = Tokens(self._state)
        self._deltas = Deltas(self._state)
        self._writer = Writer(self._state)
        self._rank = 0
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

    def revoke(self, upn: str) -> None:
        """The user takes the consent back: no token works any more."""
        with self._lock:
            self._tokens.revoke(self._state.mailbox(upn))

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Every mail that a request has had Graph send."""
        with self._lock:
            return tuple(self._state.mails)

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
        if request.segments[:1] != ("v1.0",):
            raise GraphError(400, "BadRequest", "Invalid version.")
        self._tokens.login(request.bearer)
        if request.segments == ("v1.0", "$batch"):
            return self._batch(request)
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
            try:
                return self.carry_out(part.request, inner=True)
            finally:
                self._rank = 0

        return answer_batch(request, carry_out, self._state.dice if self.habits.shuffled_batches else None)

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
