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

# A history costs a hundred times what it costs in memory: by default every so-manieth boundary, over all stories every
# kind of boundary; on an evening's search all of them.
EVERY = 1 if os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"} else 101


@pytest.fixture(scope="module")
def radicale() -> Iterator[RadicaleServer]:
    with radicale_for("ana-work", "ana-home", "ana-club") as server:
        yield server


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_boundary(radicale: RadicaleServer, story: Story) -> None:  # I-02, I-04, I-05, I-50
    kill_everywhere(story, lambda: CalDAVService(radicale, VirtualClock(START)), every=EVERY)
