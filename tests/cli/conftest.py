"""Real CalDAV servers for the command line's tests, and a household on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calsync_core.testing.servers import CalDAVServer, RadicaleServer, XandikosServer
from dav_servers import running
from household import Household
from planted import PASSWORD


@pytest.fixture(scope="module")
def radicale() -> Iterator[CalDAVServer]:
    with running(RadicaleServer({"ana": PASSWORD, "ana-office": PASSWORD})) as server:
        yield server


@pytest.fixture
def household(radicale: CalDAVServer, tmp_path: Path) -> Household:
    """Three empty calendars of one owner, behind two logins."""
    made = Household(radicale, tmp_path)
    made.add_calendar("Work", "ana-office")
    made.add_calendar("Home")
    made.add_calendar("Club")
    made.write(made.account("office", "Work"), made.account("private", "Home", "Club"))
    return made


@pytest.fixture(scope="module")
def xandikos() -> Iterator[CalDAVServer]:
    with running(XandikosServer({"ana": PASSWORD})) as server:
        yield server
