"""Google Calendar: the contract on a scratch calendar, then the facts that nobody could check without an account."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import cast

import pytest

from calsync_core.models import Calendar
from live.contract import LiveContract
from live.findings import Finding, Probe
from live.google.facts import PROBES, GoogleWorld
from live.google.service import GoogleService
from live.scratch import Scratch
from live.service import LiveService

SERVICE = GoogleService


class TestContract(LiveContract):
    """The adapter against Google itself."""

    uses_known = False
    forbidden_words = ("attendee", "organizer", "overrides", "location", "conference", 'usedefault": true')


@pytest.fixture(scope="module")
def world(service: LiveService, scratch: Scratch, common_calendar: Calendar) -> GoogleWorld:
    google = cast("GoogleService", service)
    return GoogleWorld(google, google.hands(common_calendar), scratch)


@pytest.mark.parametrize("probe", PROBES, ids=attrgetter("id"))
def test_fact(probe: Probe[GoogleWorld], world: GoogleWorld, report: Callable[[Finding], None]) -> None:
    report(probe.look_into(world))
