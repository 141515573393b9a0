"""Microsoft 365: the contract on a scratch calendar, then the facts that nobody could check without an account."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import cast

import pytest

from calsync_core.models import Calendar, OutcomeStatus
from live.contract import LiveContract
from live.findings import Finding, Probe
from live.microsoft.facts import PROBES, GraphWorld
from live.microsoft.service import GraphService
from live.scratch import Scratch
from live.service import LiveService

SERVICE = GraphService


class TestContract(LiveContract):
    """The adapter against Graph itself."""

    gives_masters = False
    uses_known = False
    forbidden_words = ("attendee", "organizer", "location", '"isreminderon": true', '"isonlinemeeting": true')
    replayed = frozenset({OutcomeStatus.TAKEN, OutcomeStatus.DONE})


@pytest.fixture(scope="module")
def world(service: LiveService, scratch: Scratch, common_calendar: Calendar) -> GraphWorld:
    graph = cast("GraphService", service)
    return GraphWorld(graph, graph.hands(common_calendar), scratch)


@pytest.mark.parametrize("probe", PROBES, ids=attrgetter("id"))
def test_fact(probe: Probe[GraphWorld], world: GraphWorld, report: Callable[[Finding], None]) -> None:
    report(probe.look_into(world))
