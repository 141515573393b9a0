"""What all parts of the engine share."""

from __future__ import annotations

from calsync_core.errors import StoreError
from calsync_core.log import Logger
from calsync_core.models import Calendar
from calsync_core.steps.context import Context
from calsync_core.steps.notices import deliver

__all__ = ["Part"]

log = Logger("calsync_core")


class Part:
    """The context, and what every part does with it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def _enabled(self, owner: str | None) -> list[Calendar]:
        return [calendar for calendar in self._store.load_calendars(owner=owner) if calendar.enabled]

    def _deliver(self) -> None:
        """Hand over the notices of what was just done. What can't be handed over now waits in the store."""
        if not self._context.told.is_set():
            return
        self._context.told.clear()
        try:
            deliver(self._context)
        except StoreError as error:
            log.warning("notices_wait", kind=type(error).__name__)
