"""Killed at every boundary over Google: between a batch and its answer, a page and the next (I-04, I-05, I-50)."""

from __future__ import annotations

import os

import pytest

from calsync_core.testing.clock import VirtualClock
from google_service import GoogleService
from stories import STORIES, Story, kill_everywhere
from world import START

# A history costs ten times what it costs in memory: by default every thirteenth boundary, which over all stories is
# every kind of boundary many times; on an evening's search all of them.
EVERY = 1 if os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"} else 29


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_boundary(story: Story) -> None:  # I-02, I-04, I-05, I-50
    kill_everywhere(story, lambda: GoogleService(VirtualClock(START), page_size=2), every=EVERY * story.stride)
