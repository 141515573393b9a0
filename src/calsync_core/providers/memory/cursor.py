"""What a cursor says: the service's sync token, and the window that the listing had. Pure."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from calsync_core.errors import CursorExpired
from calsync_core.models import Cursor, Window

__all__ = ["Position"]


@frozen
class Position:
    """Where a read ended.

    Attributes:
        window: None: the listing had none.
    """

    token: str
    window: Window | None = None

    def write(self, shape: str) -> Cursor:
        """As a cursor of a listing of this shape."""
        words = [self.token]
        if self.window is not None:
            words += [self.window.start.isoformat(), self.window.end.isoformat()]
        return Cursor(" ".join(words), shape)

    @classmethod
    def read(cls, cursor: Cursor, shape: str) -> Position:
        """Raises CursorExpired: it is of another shape, or can't be read."""
        if cursor.shape != shape:
            raise CursorExpired("the cursor was made by a request of another shape")
        token, *edges = cursor.value.split(" ")
        try:
            return cls(token, Window(*map(datetime.fromisoformat, edges)) if edges else None)
        except (ValueError, TypeError):
            raise CursorExpired("the cursor can't be read") from None

    def reaches(self, window: Window) -> bool:
        """Whether the listing still shows this window."""
        return self.window is None or (self.window.start <= window.start and window.end <= self.window.end)
