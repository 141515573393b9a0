"""Real CalDAV servers, started once for the whole test session (with xdist: once per worker)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from caldav_hands import USER
from calsync_core.testing.servers import CalDAVServer, RadicaleServer, XandikosServer
from dav_servers import running
from planted import PASSWORD


@pytest.fixture(scope="session")
def radicale() -> Iterator[CalDAVServer]:
    with running(RadicaleServer({USER: PASSWORD})) as server:
        yield server


@pytest.fixture(scope="session")
def xandikos() -> Iterator[CalDAVServer]:
    with running(XandikosServer({USER: PASSWORD})) as server:
        yield server


@pytest.fixture(params=["radicale", "xandikos"])
def server(request: pytest.FixtureRequest) -> CalDAVServer:
    """Each real server in turn."""
    made: CalDAVServer = request.getfixturevalue(request.param)
    return made
