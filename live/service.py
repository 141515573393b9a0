"""What the run needs of every service: an adapter with a session, a way past it, calendars, and hands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import evolve

from calsync_core.credentials import KeptLogin, LoginTokens
from calsync_core.models import (
    Account,
    BearerToken,
    Calendar,
    Credential,
    Event,
    OAuthGrant,
    Password,
    ServiceAccountGrant,
)
from calsync_core.protocols import Clock, GrantingProvider, Provider, RequestMeter, Session, TokenSource
from calsync_core.system import StaticTokens
from live.environment import Setup
from live.findings import Seen
from live.wire import Wire, wait_until

__all__ = ["LiveHands", "LiveService"]


class LiveService(ABC):
    """One account at one service.

    Attributes:
        name: As in the environment's variables.
        cheap_calendars: Every test may have a new one. (Google locks accounts that make some dozens in a row.)
        provider: The adapter under test.
        session: The account's, for the adapter.
        wire: The way past the adapter.
        waits: Seconds that writes took until a listing showed them; None: longer than anybody waited.
    """

    name: ClassVar[str]
    cheap_calendars: ClassVar[bool] = False

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.setup = setup
        self.provider = self.make_provider()
        self.clock = clock
        self.waits: list[float | None] = []
        account = Account("live", self.name, f"live-{self.name}", base_url=setup.base_url)
        self.session = Session(account, _tokens(setup, account, self.provider, clock), RequestMeter(), clock)
        self.wire = self.open_wire(self.session.tokens)

    @abstractmethod
    def make_provider(self) -> Provider:
        """The adapter."""

    @abstractmethod
    def open_wire(self, tokens: TokenSource) -> Wire:
        """The way past the adapter."""

    @abstractmethod
    def list_calendars(self) -> Iterable[tuple[str, str]]:
        """Ids and names of the account's own calendars."""

    @abstractmethod
    def make_calendar(self, name: str) -> str:
        """Make an empty calendar in UTC; return its id."""

    @abstractmethod
    def drop_calendar(self, calendar_id: str) -> None:
        """Delete a calendar for good; harmless if it is gone."""

    @abstractmethod
    def hands(self, calendar: Calendar) -> LiveHands:
        """The user of a calendar."""

    @property
    def sent(self) -> int:
        """Requests so far, the adapter's and those past it."""
        return self.session.meter.sent + self.wire.meter.sent

    def told_lag(self) -> Seen:
        """Whether everything that was written so far was listed within a second."""
        if not self.waits:
            return None, "nothing was written"
        late = self.waits.count(None)
        longest = max((wait for wait in self.waits if wait is not None), default=0.0)
        missed = f", {late} not in half a minute" if late else ""
        return not late and longest < 1, f"{len(self.waits)} looks, the longest wait {longest:.1f} s{missed}"

    def wrong_session(self) -> Session:
        """A login that is refused."""
        credential: Credential = BearerToken("void")
        if isinstance(self.setup.login, Password):
            credential = Password(self.setup.login.username, "wrong")
        return evolve(self.session, tokens=StaticTokens(credential), meter=RequestMeter())


class LiveHands(ABC):
    """The hands of a calendar's user, over the service's own API; a ``RemoteHands``.

    What they and the adapter write is noted, and ``settle`` waits until the service's listing shows it: reads that
    follow must not depend on how fast a service's caches are.

    Attributes:
        uids: What the service made of a test's UIDs, the other way round.
    """

    def __init__(self, service: LiveService, calendar: Calendar) -> None:
        self.service = service
        self.id = calendar.remote_id
        self.uids: dict[str, str] = {}
        self._etags: dict[str, str | None] = {}
        self._pending: dict[str, str | None] = {}
        self._leaving: set[str] = set()

    @abstractmethod
    def put(self, *events: Event) -> str:
        """See ``RemoteHands``."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """See ``RemoteHands``."""

    @abstractmethod
    def list_raw(self) -> Mapping[str, str]:
        """See ``RemoteHands``."""

    @abstractmethod
    def listed(self) -> Mapping[str, str]:
        """Keys and etags that the service's listing of changes shows now."""

    @abstractmethod
    def clear(self) -> None:
        """Empty the calendar for the next test, and forget what was noted."""

    def note_written(self, key: str, etag: str | None) -> None:
        """This must show up before anything is read, unless it is what was written before."""
        if etag is None or self._etags.get(key) != etag:
            self._etags[key] = etag
            self._leaving.discard(key)
            self._pending[key] = etag
            self.outdate(key)

    def outdate(self, key: str) -> None:  # noqa: B027  (most listings are whole)
        """What was listed of this item so far is of no use any more."""

    def note_deleted(self, key: str) -> None:
        """This must disappear before anything is read."""
        self._pending.pop(key, None)
        self._leaving.add(key)

    def settle(self) -> None:
        """Wait until everything that was noted is so; give up in silence, the test will say what is missing."""
        if self._pending or self._leaving:
            self.service.waits.append(wait_until(self._settled, self.service.clock))
        self.forget()

    def forget(self) -> None:
        """What was noted is of no interest any more."""
        self._pending.clear()
        self._leaving.clear()

    def _settled(self) -> bool:
        shown = self.listed()
        here = all(key in shown and etag in {None, shown[key]} for key, etag in self._pending.items())
        return here and not self._leaving & shown.keys()


def _tokens(setup: Setup, account: Account, provider: Provider, clock: Clock) -> TokenSource:
    login = setup.login
    if not isinstance(login, OAuthGrant | ServiceAccountGrant):
        return StaticTokens(login)
    if not isinstance(provider, GrantingProvider):
        raise TypeError(f"{setup.service}: takes no grants")
    renewer = provider
    return LoginTokens(KeptLogin.of(login), lambda grant: renewer.renew_grant(account, grant, clock), clock)
