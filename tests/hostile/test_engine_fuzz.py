"""One of the owner's services is an enemy's: the others' blocks stand, nobody's events change, errors are ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import calsync_core.errors
from calsync_core.models import BearerToken, SyncReport
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.testing import VirtualClock
from enemy import TITLE, Enemy, Twisted
from google_service import GoogleService
from graph_service import GraphService
from world import START, World, at

enemies = st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed)))


class Half(httpx.BaseTransport):
    """Requests with one login go by way of an enemy, once there is one."""

    def __init__(self, honest: httpx.BaseTransport) -> None:
        self.honest = honest
        self.twisted: httpx.BaseTransport = honest
        self.login = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        mine = self.login and request.headers.get("authorization") == f"Bearer {self.login}"
        return (self.twisted if mine else self.honest).handle_request(request)


def set_up(kind: str) -> tuple[World, Half]:
    clock = VirtualClock(START)
    service: GoogleService | GraphService = GoogleService(clock) if kind == "google" else GraphService(clock)
    half = Half(service.google.transport() if isinstance(service, GoogleService) else service.graph.transport())
    provider = GoogleProvider(transport=half) if kind == "google" else MicrosoftProvider(transport=half)
    world = World(("work", "home", "club"), service=service, provider=provider)
    for name in ("work", "home", "club"):
        world.book(name, f"{name}-once", at(1, 9 + len(name)), title=TITLE)
        world.book(name, f"{name}-often", at(2, 9 + len(name)), title=TITLE, recurrence=("RRULE:FREQ=DAILY;COUNT=4",))
    world.sync()
    world.sync()
    login = service.login("ana-work", "").credential()
    assert isinstance(login, BearerToken)
    half.login = login.token
    return world, half


def of_people(world: World, name: str) -> Mapping[str, Any]:
    """What people have put there, as it is."""
    blocks = {item.key for item in world.blocks(name)}
    return {item.key: item for item in world.service.items(world.remote[name]) if item.key not in blocks}


def told(report: SyncReport) -> None:
    for failure in report.errors:
        assert failure.kind in calsync_core.errors.__all__, failure
        assert TITLE not in failure.message


@pytest.mark.parametrize("kind", ["google", "microsoft"])
@given(enemy=enemies)
@settings(max_examples=max(5, settings().max_examples // 10))
def test_an_enemy_among_the_owner_s_services(kind: str, enemy: Enemy) -> None:  # I-02, I-07, I-37
    """What the honest ones say of each other is what stands on them, also of what is new."""
    world, half = set_up(kind)
    before = {name: of_people(world, name) for name in ("home", "club")}
    half.twisted = Twisted(half.honest, enemy)
    new = []
    for day in range(3):
        world.book("work", f"enemy-{day}", at(3 + day, 6), title=TITLE)
        new.append(world.book("home", f"new-{day}", at(3 + day, 18)))
        told(world.engine.sync_all_calendars() if day % 2 else world.engine.sync_calendars_needing_polling())
        world.clock.advance(timedelta(hours=7))
    after = of_people(world, "home")
    assert of_people(world, "club") == before["club"]
    assert {key: after[key] for key in before["home"]} == before["home"]
    assert {event.span for event in new} <= set(world.spans("club"))
    for name, other in (("home", "club"), ("club", "home")):
        once = {one.span.in_utc() for item in before[other].values() for one in item.events if not one.recurrence}
        assert once <= set(world.spans(name))
