"""What a cursor says: the delta link, and the window that is baked into it. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from attrs import frozen

from calsync_core.errors import CursorExpired
from calsync_core.models import Cursor, Window

__all__ = ["Position", "ahead"]

_READ_AHEAD = timedelta(days=30)
_STAGGER_DAYS = 7


def ahead(calendar_id: str, horizon: Window) -> Window:
    """The window of a new round: past the horizon, so that the next one is weeks away; by up to a week more, so that
    not all calendars begin theirs on the same day.
    """
    stagger = timedelta(days=hashlib.sha256(calendar_id.encode()).digest()[0] % _STAGGER_DAYS)
    return Window(horizon.start, horizon.end + _READ_AHEAD + stagger)


@frozen
class Position:
    """A place in a calendar's history.

    Attributes:
        link: The delta link, verbatim.
        window: What the round it belongs to covers.
    """

    link: str
    window: Window

    def reaches(self, horizon: Window) -> bool:
        """Whether its round still shows all of the horizon."""
        return self.window.start <= horizon.start and horizon.end <= self.window.end

    def write(self, shape: str) -> Cursor:
        """As the store keeps it."""
        window = [self.window.start.isoformat(), self.window.end.isoformat()]
        return Cursor(json.dumps({"link": self.link, "window": window}), shape)

    @classmethod
    def read(cls, cursor: Cursor, shape: str) -> Position:
        """From the store.

        Raises:
            CursorExpired: it was made by another request, or can't be read.
        """
        if cursor.shape != shape:
            raise CursorExpired("the cursor was made by a request of another shape")
        try:
            told = json.loads(cursor.value)
            start, end = (datetime.fromisoformat(text) for text in told["window"])
            return cls(str(told["link"]), Window(start, end))
        except (ValueError, KeyError, TypeError):
            raise CursorExpired("the cursor can't be read") from None
