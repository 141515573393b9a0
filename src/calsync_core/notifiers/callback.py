"""Notices to a function of the host's."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from calsync_core.models import Notice

__all__ = ["CallbackNotifier"]


@frozen
class CallbackNotifier:
    """A ``Notifier`` that calls a function, in the thread in which the notice arises.

    Attributes:
        callback: Gets each notice; what it raises is logged by the engine and goes no further.
    """

    callback: Callable[[Notice], object]

    def notify(self, notice: Notice) -> None:
        """Call it."""
        self.callback(notice)
