"""Real CalDAV servers, started once for the whole test session (with xdist: once per worker)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from caldav_hands import USER
from calsync_core.errors import ConfigurationError
from calsync_core.testing.servers import CalDAVServer, RadicaleServer, XandikosServer
from planted import PASSWORD


def _running(server: CalDAVServer) -> Iterator[CalDAVServer]:
    try:
        server.start()
    except ConfigurationError as missing:
        pytest.skip(f"{type(server).__name__}: {missing}")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def radicale() -> Iterator[CalDAVServer]:
    yield from _running(RadicaleServer({USER: PASSWORD}))


@pytest.fixture(scope="session")
def xandikos() -> Iterator[CalDAVServer]:
    yield from _running(XandikosServer({USER: PASSWORD}))


@pytest.fixture(params=["radicale", "xandikos"])
def server(request: pytest.FixtureRequest) -> CalDAVServer:
    """Each real server in turn."""
    made: CalDAVServer = request.getfixturevalue(request.param)
    return made
