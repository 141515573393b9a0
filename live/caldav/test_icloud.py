"""iCloud: the contract on scratch calendars, then the facts."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import cast

import pytest

from calsync_core.models import Calendar
from live.caldav.facts import ICLOUD_PROBES, DavWorld
from live.caldav.service import CalDAVService, ICloudService
from live.contract import LiveContract
from live.findings import Finding, Probe
from live.scratch import Scratch
from live.service import LiveService

SERVICE = ICloudService


class TestContract(LiveContract):
    """The adapter against the server itself."""


@pytest.fixture(scope="module")
def world(service: LiveService, scratch: Scratch, common_calendar: Calendar) -> DavWorld:
    return DavWorld(cast("CalDAVService", service), common_calendar.remote_id, scratch)


@pytest.mark.parametrize("probe", ICLOUD_PROBES, ids=attrgetter("id"))
def test_fact(probe: Probe[DavWorld], world: DavWorld, report: Callable[[Finding], None]) -> None:
    report(probe.look_into(world))
