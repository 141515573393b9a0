"""Google's facts, in the order in which they are looked into."""

from __future__ import annotations

from live.google import lists, pushes, writes
from live.google.world import GoogleWorld

__all__ = ["PROBES", "GoogleWorld"]

PROBES = (*writes.PROBES, *lists.PROBES, *pushes.PROBES, *writes.LAST)
