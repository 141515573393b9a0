"""Microsoft Graph v1.0, its calendar side, on this machine: see ``GraphSimulator``."""

from calsync_core.testing.simulators.graph.errors import error_response
from calsync_core.testing.simulators.graph.habits import Habits
from calsync_core.testing.simulators.graph.simulator import GraphSimulator
from calsync_core.testing.simulators.graph.state import Mail

__all__ = ["GraphSimulator", "Habits", "Mail", "error_response"]
