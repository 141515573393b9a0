from __future__ import annotations

import pytest

from graph_world import GraphWorld


@pytest.fixture
def world() -> GraphWorld:
    return GraphWorld()
