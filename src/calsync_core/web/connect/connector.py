"""Who may do what, before anything is done: places, methods, owners and forms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TypeAlias

from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError, InvalidValue, StoreError
from calsync_core.log import Logger
from calsync_core.models import Account, AccountId, OAuthClient
from calsync_core.web.connect import calendars, consent, passwords
from calsync_core.web.connect.answers import Outcome, go, render, show, trouble
from calsync_core.web.connect.default import DefaultPages
from calsync_core.web.connect.desk import Desk
from calsync_core.web.connect.pages import HomePage, Offer, Pages, Problem
from calsync_core.web.connect.routes import Place, Spot, account_of, find_place
from calsync_core.web.connect.seals import Seals
from calsync_core.web.connect.sites import Site, local_path
from calsync_core.web.messages import Received, Reply, place_of, text_reply

__all__ = ["Connector", "OwnerOf"]

OwnerOf: TypeAlias = Callable[[Received], str | None]
"""Tells from a request who is logged in to the host; None: nobody."""

log = Logger("calsync_core.web")

_MAX_BODY = 131_072
"""Bytes. Two boxes of a thousand calendars are a third of it."""
_MOST_FIELDS = 2_100

_TEXTS = {
    400: "that can't be read",
    405: "not in this way",
    408: "the form did not come in time",
    411: "say how long the form is",
    413: "the form is too large",
    503: "not now: try again",
}


class _NothingHereError(Exception):
    """There is no such provider or account, or it is somebody else's."""


class Connector:
    """Answers requests to the connect pages. Thread-safe; never raises. May wait for the store and for providers.

    Args:
        engine: With an ``encryption_key``. Its providers are what can be connected: by OAuth those that are an
            ``AuthorizingProvider`` and have a client, by password those that are a ``PasswordProvider``.
        public_url: Where browsers find the pages; https, or http to this machine. The redirect URI is made of it, and
            nothing of any request's ``Host``.
        owner: A plain function, asked before every page and form; see ``OwnerOf``. Nothing else says whose accounts
            are shown and connected.
        clients: The host's applications, by the provider's name.
        done: A path on this host: where people go when they have chosen their calendars.
        login: A path on this host: where people go whom ``owner`` does not know. None: they are answered 401.
        pages: What it looks like.
        private_servers: People may name calendar servers in the host's own network, and on its machine.

    Raises:
        ConfigurationError: names the argument.
    """

    max_body = _MAX_BODY

    def __init__(
        self,
        engine: SyncEngine,
        *,
        public_url: str,
        owner: OwnerOf,
        clients: Mapping[str, OAuthClient] | None = None,
        done: str = "/",
        login: str | None = None,
        pages: Pages | None = None,
        private_servers: bool = False,
    ) -> None:
        site = Site.of(public_url)
        if not callable(owner) or inspect.iscoroutinefunction(owner):
            raise ConfigurationError("owner: must be a plain function that is given the request and returns a name")
        if not engine.keeps_logins:
            raise ConfigurationError("engine: needs an encryption_key; people's logins would end with this process")
        self._desk = Desk(
            engine=engine,
            site=site,
            seals=Seals(engine.sealer("connect"), site),
            clients=dict(clients or {}),
            done=local_path("done", done),
            private_servers=private_servers,
        )
        self._owner = owner
        self._login = None if login is None else local_path("login", login)
        self._pages: Pages = _checked(DefaultPages() if pages is None else pages)

    def start(self) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        """There is nothing to stop."""

    def precheck(self, received: Received) -> Reply | None:
        """What to answer before the body is read, if that is clear already. Asks nobody."""
        spot = find_place(received.path)
        # Where there is nothing, people are told so on a page, which the host's code makes: not here.
        methods = ("GET", "HEAD") if spot is None else spot.place.methods
        if received.method not in methods:
            return text_reply(405, _TEXTS[405], ("Allow", ", ".join(methods)))
        try:
            announced = received.announced() or 0
        except InvalidValue:
            return self.refused(received, 400)
        return self.refused(received, 413) if max(announced, len(received.body)) > self.max_body else None

    def refused(self, received: Received, status: int, reason: str = "") -> Reply:  # noqa: ARG002  (the port's signature)
        """The answer to what can't be taken."""
        log.info("connect_refused", status=status, reason=reason or _TEXTS[status])
        return text_reply(status, _TEXTS[status])

    def answer(self, received: Received) -> Reply:
        """Answer a request that has come completely."""
        early = self.precheck(received)
        if early is not None:
            return early
        try:
            return render(self._outcome(received), received, self._pages)
        except StoreError as error:
            log.warning("connect_failed", kind=type(error).__name__)
        except Exception as error:  # noqa: BLE001  (the host's code may raise anything)
            _log_failure(error)
        try:
            return render(self._desk.trouble(Problem.LATER), received, self._pages)
        except Exception as error:  # noqa: BLE001  (the host's pages)
            _log_failure(error)
            return text_reply(503, _TEXTS[503])

    def _outcome(self, received: Received) -> Outcome:
        owner: object = self._owner(received)
        if not owner:
            return self._desk.trouble(Problem.NOBODY) if self._login is None else go(self._login)
        if not isinstance(owner, str):
            log.error("owner_is_no_text", kind=type(owner).__name__)
            return self._desk.trouble(Problem.OPERATOR)
        spot = find_place(received.path)
        if spot is None:
            return self._desk.trouble(Problem.NOT_FOUND)
        try:
            if received.method == "POST":
                return self._posted(received, spot, owner)
            return self._shown(received, spot, owner)
        except _NothingHereError:
            return self._desk.trouble(Problem.NOT_FOUND)

    def _shown(self, received: Received, spot: Spot, owner: str) -> Outcome:
        try:
            query = received.query()
        except InvalidValue:
            raise _NothingHereError from None
        match spot.place:
            case Place.HOME:
                return self._home(owner)
            case Place.PROVIDER:
                again = self._again(owner, spot.provider, query)
                return self._desk.start_page(owner, self._offer(spot.provider), again)
            case Place.CALLBACK:
                return consent.finish(self._desk, owner, spot.provider, query, received.cookies())
            case Place.CALENDARS:
                return calendars.offered(self._desk, owner, self._account(owner, spot.account))

    def _home(self, owner: str) -> Outcome:
        desk = self._desk
        accounts = tuple(desk.line(account) for account in desk.engine.accounts(owner))
        return show(HomePage(home=desk.site.home, accounts=accounts, offers=desk.offers()))

    def _posted(self, received: Received, spot: Spot, owner: str) -> Outcome:
        desk = self._desk
        if desk.site.is_foreign(received.headers):
            # Ours as well, if it was opened under another name of this host than the public one.
            log.info("connect_refused", status=403, reason="origin")
            return trouble(Problem.ORIGIN, desk.site.home, again=f"{desk.site.url}/")
        form = self._form(received, owner)
        if form is None:
            log.info("connect_refused", status=403, reason="forged_form")
            return desk.trouble(Problem.FORGED)
        if spot.place is Place.CALENDARS:
            return calendars.ticked(desk, owner, self._account(owner, spot.account), form)
        offer, again = self._offer(spot.provider), self._again(owner, spot.provider, form)
        found = desk.consenting(offer.name)
        if found is None:
            return passwords.connect(desk, owner, offer, form, again)
        return consent.begin(desk, owner, offer.name, found, again=again, write="read_only" not in form)

    def _form(self, received: Received, owner: str) -> dict[str, str] | None:
        """What was filled in; None: not on a page that was made for this owner."""
        try:
            form = received.form(_MOST_FIELDS)
        except InvalidValue:
            return None
        return form if self._desk.seals.is_token(form.get("token", ""), owner) else None

    def _offer(self, provider: str) -> Offer:
        offer = self._desk.offer(provider)
        if offer is None:
            raise _NothingHereError
        return offer

    def _account(self, owner: str, account_id: AccountId | None) -> Account:
        account = self._desk.owned(owner, account_id)
        if account is None:
            raise _NothingHereError
        return account

    def _again(self, owner: str, provider: str, values: Mapping[str, str]) -> Account | None:
        """The account that is to be connected again; None: a new one."""
        number = values.get("account", "")
        if not number:
            return None
        account = self._account(owner, account_of(number))
        if account.provider != provider:
            raise _NothingHereError
        return account


def _checked(pages: Pages) -> Pages:
    if isinstance(pages, type) or not isinstance(pages, Pages):
        raise ConfigurationError("pages: must have home, start, calendars, problem and security_policy")
    return pages


def _log_failure(error: Exception) -> None:
    """Where, not what: its words, and a traceback, may hold what must not be logged (I-39)."""
    log.error("connect_failed", kind=type(error).__name__, at=place_of(error.__traceback__))
