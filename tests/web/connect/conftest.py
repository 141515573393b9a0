from __future__ import annotations

import pytest

from calsync_core.engine import SyncEngine
from calsync_core.testing import GoogleSimulator, GraphSimulator, VirtualClock
from calsync_core.testing.fixtures import Browsers, Clients
from connect_bench import SITE, Host


@pytest.fixture
def host(
    calsync_engine: SyncEngine,
    calsync_google: GoogleSimulator,
    calsync_microsoft: GraphSimulator,
    calsync_clients: Clients,
    calsync_browser: Browsers,
) -> Host:
    clock = calsync_engine.clock
    assert isinstance(clock, VirtualClock)
    return Host(calsync_engine, calsync_google, calsync_microsoft, clock, calsync_clients(SITE), calsync_browser)
