"""Graph's facts, in the order in which they are looked into."""

from __future__ import annotations

from live.microsoft import lists, pushes, writes
from live.microsoft.world import GraphWorld

__all__ = ["PROBES", "GraphWorld"]

PROBES = (*writes.PROBES, *lists.PROBES, *pushes.PROBES, *writes.LAST)
