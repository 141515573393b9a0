"""Google Calendar on this machine: API version 3 with its sharp edges, OAuth tokens, batches and pushes."""

from calsync_core.testing.simulators.google.errors import ApiError
from calsync_core.testing.simulators.google.invitations import Mail
from calsync_core.testing.simulators.google.simulator import GoogleSimulator

__all__ = ["ApiError", "GoogleSimulator", "Mail"]
