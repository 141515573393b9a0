"""Fixtures for a host's own tests: every service simulated, an engine over them, and a browser. No network.

In the host's ``conftest.py``::

    pytest_plugins = ["calsync_core.testing.fixtures"]

Each can be replaced by a fixture of the same name: ``calsync_clock`` by one that gives a ``SystemClock``, say, or
``calsync_engine`` by one over the host's own store. They need pytest, and their providers' extras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any, TypeAlias

import httpx
import pytest

from calsync_core.credentials import new_key
from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.models import OAuthClient
from calsync_core.protocols import Clock, Notifier, Provider
from calsync_core.stores import MemoryStore
from calsync_core.testing.browser import Browser, client_for
from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.servers import RadicaleServer
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.graph.subscriptions import handshake
from calsync_core.testing.simulators.pushes import Delivery

__all__ = [
    "ANA_AT_GOOGLE",
    "ANA_AT_MICROSOFT",
    "ANA_AT_RADICALE",
    "Browsers",
    "Clients",
    "Postmen",
    "calsync_browser",
    "calsync_clients",
    "calsync_clock",
    "calsync_deliver",
    "calsync_engine",
    "calsync_google",
    "calsync_microsoft",
    "calsync_notifier",
    "calsync_providers",
    "calsync_radicale",
    "calsync_webhook_url",
]

ANA_AT_GOOGLE = "ana@example.com"
ANA_AT_MICROSOFT = "ana@contoso.example"
ANA_AT_RADICALE = ("ana", "ana-at-radicale")
"""User name and password."""

Clients: TypeAlias = Callable[[str], Mapping[str, OAuthClient]]
"""Given ``public_url``, what to give as ``clients``."""

Browsers: TypeAlias = Callable[..., Browser]
"""Given a WSGI or ASGI application, or an ``httpx.Client``, and perhaps its address, somebody's browser."""

Postmen: TypeAlias = Callable[[Any], Callable[[], list[int | None]]]
"""Given a WSGI or ASGI application, or an ``httpx.Client``, what carries all pushes to it, and returns the statuses."""


@pytest.fixture
def calsync_clock() -> Clock:
    """What everything tells the time by: it stands still until a test advances it."""
    return VirtualClock()


@pytest.fixture
def calsync_google(calsync_clock: Clock) -> GoogleSimulator:
    """Google, with Ana and her calendar."""
    google = GoogleSimulator(calsync_clock)
    google.add_user(ANA_AT_GOOGLE, timezone="Europe/Berlin")
    return google


@pytest.fixture
def calsync_microsoft(calsync_clock: Clock) -> GraphSimulator:
    """Microsoft's login server and Graph, with Ana and her calendar."""
    graph = GraphSimulator(clock=calsync_clock)
    graph.add_user(ANA_AT_MICROSOFT, zone="W. Europe Standard Time")
    return graph


@pytest.fixture
def calsync_radicale() -> Iterator[RadicaleServer]:
    """A real CalDAV server on this machine with a calendar of Ana's; ``base_url`` is what a person would type.

    Skips the test where Radicale is not installed.
    """
    server = RadicaleServer(dict([ANA_AT_RADICALE]))
    try:
        server.start()
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    try:
        server.add_calendar(ANA_AT_RADICALE[0], "home", name="Home", timezone="Europe/Berlin")
        yield server
    finally:
        server.stop()


@pytest.fixture
def calsync_providers(calsync_google: GoogleSimulator, calsync_microsoft: GraphSimulator) -> dict[str, Provider]:
    """``google`` and ``microsoft`` over the simulators, and ``caldav``; without those whose extra is missing."""
    builders: dict[str, Callable[[], Provider]] = {
        "google": lambda: _google(calsync_google),
        "microsoft": lambda: _microsoft(calsync_microsoft),
        "caldav": _caldav,
    }
    found = {}
    for name, build in builders.items():
        try:
            found[name] = build()
        except ConfigurationError:
            continue
    return found


@pytest.fixture
def calsync_webhook_url() -> str | None:
    """The engine's address for pushes. None: there are none, until a fixture of this name brings one."""
    return None


@pytest.fixture
def calsync_notifier() -> Notifier | None:
    """What the engine tells its notices to. None: nobody, until a fixture of this name brings one."""
    return None


@pytest.fixture
def calsync_engine(
    calsync_providers: dict[str, Provider],
    calsync_clock: Clock,
    calsync_webhook_url: str | None,
    calsync_notifier: Notifier | None,
) -> SyncEngine:
    """An engine over them, with a store in memory that keeps logins."""
    return SyncEngine(
        store=MemoryStore(),
        providers=calsync_providers,
        secret="a secret for tests only",  # noqa: S106  (of a test)
        encryption_key=new_key(),
        clock=calsync_clock,
        webhook_url=calsync_webhook_url,
        notifier=calsync_notifier,
    )


@pytest.fixture
def calsync_deliver(calsync_google: GoogleSimulator, calsync_microsoft: GraphSimulator) -> Iterator[Postmen]:
    """Has what both services push, and Microsoft's handshake, go to the host's application in this process.

    Say which application before the engine subscribes: a subscription is only made once the handshake was answered.
    """
    with ExitStack() as opened:

        def reach(app: Any) -> Callable[[], list[int | None]]:
            client = app if isinstance(app, httpx.Client) else client_for(app, "https://app.example.com")
            opened.enter_context(closing(client))

            def post(delivery: Delivery) -> httpx.Response:
                return client.post(delivery.url, headers=dict(delivery.headers), content=delivery.body)

            def knock(url: str, token: str, _seconds: float) -> tuple[int, str, str]:
                answer = post(handshake(url, token))
                return answer.status_code, answer.headers.get("content-type", ""), answer.text

            for outbox in (calsync_google.outbox, calsync_microsoft.outbox):
                outbox.send = lambda delivery: post(delivery).status_code
            calsync_microsoft.knock = knock
            return lambda: [*calsync_google.outbox.deliver(), *calsync_microsoft.outbox.deliver()]

        yield reach


@pytest.fixture
def calsync_clients(calsync_google: GoogleSimulator, calsync_microsoft: GraphSimulator) -> Clients:
    """Registers the host at the simulators."""

    def register(public_url: str) -> Mapping[str, OAuthClient]:
        back = f"{public_url.rstrip('/')}/microsoft/callback"
        return {"google": calsync_google.oauth_client, "microsoft": calsync_microsoft.oauth_client(back)}

    return register


@pytest.fixture
def calsync_browser(calsync_google: GoogleSimulator, calsync_microsoft: GraphSimulator) -> Iterator[Browsers]:
    """Opens browsers, each with cookies of its own."""
    clients: list[httpx.Client] = []

    def browse(app: Any, base_url: str = "https://app.example.com") -> Browser:
        client = app if isinstance(app, httpx.Client) else client_for(app, base_url)
        clients.append(client)
        return Browser(client, google=calsync_google, microsoft=calsync_microsoft)

    yield browse
    for client in clients:
        client.close()


def _google(simulator: GoogleSimulator) -> Provider:
    from calsync_core.providers.google import GoogleProvider  # noqa: PLC0415  (an extra)

    return GoogleProvider(transport=simulator.transport())


def _microsoft(simulator: GraphSimulator) -> Provider:
    from calsync_core.providers.microsoft import MicrosoftProvider  # noqa: PLC0415  (an extra)

    return MicrosoftProvider(transport=simulator.transport())


def _caldav() -> Provider:
    from calsync_core.providers.caldav import CalDAVProvider  # noqa: PLC0415  (an extra)

    return CalDAVProvider()
