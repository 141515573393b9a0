"""Killed at every boundary over a real CalDAV server, where each write is a request of its own (I-04, I-05, I-50)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from caldav_service import CalDAVService, radicale_for
from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.servers import RadicaleServer
from stories import STORIES, Story, kill_everywhere
from world import START

pytestmark = pytest.mark.server

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}


@pytest.fixture(scope="module")
def radicale() -> Iterator[RadicaleServer]:
    with radicale_for("ana-work", "ana-home", "ana-club") as server:
        yield server


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_boundary(radicale: RadicaleServer, story: Story) -> None:  # I-02, I-04, I-05, I-50
    # A history costs a hundred times what it costs in memory: by default each story dies once, late, when the most is
    # under way; on an evening's search at all of its boundaries.
    every, first = (1, 1) if SEARCHING else (10_000, story.least * 2 // 3)
    kill_everywhere(story, lambda: CalDAVService(radicale, VirtualClock(START)), every=every, first=first)
