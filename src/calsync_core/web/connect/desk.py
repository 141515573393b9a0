"""What every step of connecting needs: the engine, the place, the seals, and what is on offer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from attrs import field, frozen

from calsync_core.engine import SyncEngine
from calsync_core.errors import (
    AuthExpired,
    CalsyncError,
    ConfigurationError,
    IdentityChanged,
    InvalidValue,
    LeaseBusy,
    Rejected,
    Unreachable,
)
from calsync_core.models import Account, AccountId, AccountStatus, OAuthClient
from calsync_core.protocols import AuthorizingProvider, PasswordProvider
from calsync_core.web.connect.answers import Header, Outcome, show, trouble
from calsync_core.web.connect.pages import AccountLine, Offer, Problem, StartPage
from calsync_core.web.connect.seals import Seals
from calsync_core.web.connect.sites import Site
from calsync_core.web.connect.words import hint_for, title_of
from calsync_core.web.messages import NAME

__all__ = ["PATIENCE_SECONDS", "Consenting", "Desk", "problem_in"]

PATIENCE_SECONDS = 15.0
"""How long a page waits for a calendar server, whatever it asks there: it holds one of the host's few threads, and
somebody watches it load. A login and its calendars are a handful of small requests."""

Consenting: TypeAlias = tuple[AuthorizingProvider, OAuthClient]
"""A provider that people are sent to, and the host's application there."""


def problem_in(error: CalsyncError) -> Problem:
    """What an error of a provider's is to the person."""
    match error:
        case IdentityChanged():
            return Problem.IDENTITY
        case AuthExpired():
            return Problem.REFUSED
        case Rejected() | InvalidValue() | ConfigurationError():
            return Problem.OPERATOR
        case Unreachable():
            return Problem.SILENT
        case LeaseBusy():
            return Problem.BUSY
    return Problem.LATER


@frozen(eq=False)
class Desk:
    """Thread-safe: nothing in it changes.

    Attributes:
        done: Where people go when they have chosen their calendars.
        private_servers: They may name servers in the host's own network.
    """

    engine: SyncEngine
    site: Site
    seals: Seals = field(repr=False)
    clients: Mapping[str, OAuthClient]
    done: str
    private_servers: bool

    def __attrs_post_init__(self) -> None:
        for name in self.clients:
            if not isinstance(self.engine.providers.get(name), AuthorizingProvider):
                raise ConfigurationError(f"clients: the engine has no provider {name!r} that people log in to by OAuth")

    def consenting(self, provider: str) -> Consenting | None:
        """A provider that people are sent to, and the host's application there; None: it is none of those."""
        found, client = self.engine.providers.get(provider), self.clients.get(provider)
        return (found, client) if client is not None and isinstance(found, AuthorizingProvider) else None

    def offers(self) -> tuple[Offer, ...]:
        """All providers that can be connected here, in the engine's order."""
        found = (self.offer(name) for name in self.engine.providers)
        return tuple(offer for offer in found if offer is not None)

    def offer(self, provider: str) -> Offer | None:
        """One of them; None: it can't be connected here."""
        found = self.engine.providers.get(provider)
        if found is None or not NAME.fullmatch(provider):
            return None
        href, title = self.site.start(provider), title_of(provider)
        if self.consenting(provider) is not None:
            return Offer(provider, title, href)
        if isinstance(found, PasswordProvider):
            return Offer(provider, title, href, takes_password=True, takes_address=found.default_base is None)
        return None

    def owned(self, owner: str, account_id: AccountId | None) -> Account | None:
        """The owner's account of this id; None: there is none, or it is somebody else's."""
        return next((each for each in self.engine.accounts(owner) if each.id == account_id), None)

    def ends(self) -> float:
        """Until when a page that is asked for now waits for its provider; see ``SyncEngine.identify``."""
        return self.engine.clock.monotonic() + PATIENCE_SECONDS

    @contextmanager
    def asking(self, owner: str) -> Iterator[None]:
        """While a server is asked that the owner named: one page at a time, so that nobody holds all threads of a host.

        Raises:
            LeaseBusy: another page of theirs is at it.
        """
        # An owner's name may be any text, of any length.
        who = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        with self.engine.job(f"connect-page:{who}") as mine:
            if not mine:
                raise LeaseBusy("another page of this person's asks a server")
            yield

    def line(self, account: Account) -> AccountLine:
        """An account, as pages show it."""
        broken = account.status in {AccountStatus.AUTH_EXPIRED, AccountStatus.IDENTITY_CHANGED}
        paused = account.status is AccountStatus.PAUSED
        again = None if self.offer(account.provider) is None else self.site.start(account.provider, account.key)
        calendars = self.site.calendars(account.key)
        return AccountLine(account.key, account.name, title_of(account.provider), broken, calendars, again, paused)

    def start_page(
        self, owner: str, offer: Offer, account: Account | None, *, problem: str | None = None, **typed: str
    ) -> Outcome:
        """The page of a provider, once more with what was typed if there was a problem with that."""
        line = None if account is None else self.line(account)
        token = self.seals.token(owner)
        # What helps stands in the problem already.
        hint = hint_for(offer.name) if offer.takes_password and problem is None else None
        page = StartPage(
            home=self.site.home, token=token, offer=offer, account=line, hint=hint, problem=problem, **typed
        )
        return show(page, status=200 if problem is None else 400)

    def trouble(
        self,
        problem: Problem,
        *headers: Header,
        provider: str | None = None,
        account: AccountId | None = None,
        missing: tuple[str, ...] = (),
    ) -> Outcome:
        """Say what went wrong, and where to try again."""
        again = None if provider is None else self.site.start(provider, account)
        return trouble(problem, self.site.home, *headers, again=again, missing=missing)
