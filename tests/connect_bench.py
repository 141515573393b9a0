"""What the tests of the connect pages share: a host that knows who is logged in, and people's browsers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from attrs import define, field

from calsync_core.engine import SyncEngine
from calsync_core.models import Account, OAuthClient
from calsync_core.testing import GoogleSimulator, GraphSimulator, VirtualClock
from calsync_core.testing.browser import Browser
from calsync_core.web.connect import Connector, Received
from calsync_core.web.wsgi import connect_app

__all__ = ["SITE", "Host", "query_of"]

SITE = "https://app.example.com"


@define(eq=False)
class Host:
    """An application with the connect pages on it.

    Attributes:
        who: Who is logged in, whatever browser asks; None: nobody.
        seen: Every request that it was asked about.
    """

    engine: SyncEngine
    google: GoogleSimulator
    graph: GraphSimulator
    clock: VirtualClock
    clients: Mapping[str, OAuthClient]
    browse: Callable[[Any], Browser]
    who: str | None = "ana"
    seen: list[Received] = field(factory=list)

    def owner(self, received: Received) -> str | None:
        self.seen.append(received)
        return self.who

    def settings(self, **changes: Any) -> dict[str, Any]:
        usual = {"public_url": SITE, "owner": self.owner, "clients": self.clients, "done": "/?done"}
        return usual | changes

    def app(self, **changes: Any) -> Any:
        return connect_app(self.engine, **self.settings(**changes))

    def connector(self, **changes: Any) -> Connector:
        return Connector(self.engine, **self.settings(**changes))

    def browser(self, **changes: Any) -> Browser:
        """A new browser, with no cookies, at an application over the same engine."""
        return self.browse(self.app(**changes))

    def connected(self, provider: str, address: str) -> Account:
        """An account of Ana's, connected on the pages."""
        browser = self.browser()
        browser.open(f"/{provider}")
        browser.submit()
        browser.consent(address)
        return next(account for account in self.engine.accounts("ana") if account.name == address)

    def begun(self, provider: str = "google", browser: Browser | None = None, **fields: str | bool) -> Browser:
        """A browser that was sent to a consent page."""
        browser = browser or self.browser()
        browser.open(f"/{provider}")
        browser.submit(**fields)
        assert browser.waiting_at is not None
        return browser

    def answered(self, browser: Browser, user: str, *, deny: bool = False) -> str:
        """Where the consent page would send that browser, which does not follow."""
        page = str(browser.waiting_at)
        service = self.google if page.startswith(self.google.authorize_url) else self.graph
        return service.consent(page, user, deny=deny)

    def nothing_kept(self) -> bool:
        """Nobody has connected anything."""
        return self.engine.accounts() == []


def query_of(url: str | httpx.URL) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(url)).query))
