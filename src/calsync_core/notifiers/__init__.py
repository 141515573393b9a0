"""Ways to tell the host what it may want to know. Neither needs an extra."""

from calsync_core.notifiers.callback import CallbackNotifier
from calsync_core.notifiers.log import StructlogNotifier

__all__ = ["CallbackNotifier", "StructlogNotifier"]
