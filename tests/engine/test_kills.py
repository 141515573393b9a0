"""Killed at every boundary, and restarted: no double, nothing lost, nothing left waiting (I-04, I-05, I-50)."""

from __future__ import annotations

import os

import pytest

from calsync_core.providers.memory import MemoryService
from paging import in_pages
from stories import STORIES, Story, kill_everywhere

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_boundary(story: Story) -> None:  # I-02, I-04, I-05, I-50
    kill_everywhere(story, lambda: MemoryService(page_size=2), every=1 if SEARCHING else story.stride)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_where_little_is_planned_at_a_time(story: Story) -> None:  # I-02, I-04, I-05, I-50
    """Also between two pages of a plan."""
    with in_pages(1):
        kill_everywhere(story, lambda: MemoryService(page_size=2), every=1 if SEARCHING else 5 * story.stride)
