"""For hosts' tests and for authors of extensions: a virtual clock, a browser, faults, deaths, contract kits.

Exported here is what needs nothing but the base install. The kits need pytest and are imported by their own path::

    from calsync_core.testing.provider_kit import ProviderContract

So are the fixtures for hosts' tests, by ``pytest_plugins = ["calsync_core.testing.fixtures"]``.
"""

from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.faults import Died, DyingProvider, DyingStore, Fault, FaultKind, FaultyProvider, Toll
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator

__all__ = [
    "Died",
    "DyingProvider",
    "DyingStore",
    "Fault",
    "FaultKind",
    "FaultyProvider",
    "GoogleSimulator",
    "GraphSimulator",
    "Toll",
    "VirtualClock",
]
