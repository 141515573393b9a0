"""For hosts' tests and for authors of extensions: clock, browser, faults, deaths, contract kits, calendar texts.

Exported here is what needs nothing but the base install. The kits need pytest and are imported by their own path::

    from calsync_core.testing.provider_kit import ProviderContract

So are the fixtures for hosts' tests, by ``pytest_plugins = ["calsync_core.testing.fixtures"]``.
"""

from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.faults import Died, DyingProvider, DyingStore, Fault, FaultKind, FaultyProvider, Toll
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.texts import icalendar_of, vevent_of

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
    "icalendar_of",
    "vevent_of",
]
