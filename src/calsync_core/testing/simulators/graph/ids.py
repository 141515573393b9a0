"""Ids of events, in Graph's two forms.

Immutable ids stay when an event changes folders; the other form, which a request without ``Prefer:
IdType="ImmutableId"`` gets, does not. Each form begins as the real ones do and holds what it stands for, so that no
index is needed; to a client both are opaque and case-sensitive ("outlook-immutable-id").
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

from attrs import frozen

from calsync_core.testing.simulators.graph.errors import GraphError

__all__ = ["EventId"]

_IMMUTABLE = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_MUTABLE = "AAMkAGI1ODAxM2Q2LWEyZmItNGY1Yy1iNmQ2LTZhZGUyYjM0ZGE5OABG"
_SLOT = "%Y%m%dT%H%M%S"
_INSIDE = re.compile(r"(?P<key>\w+)\|(?P<slot>(?:\d{8}T\d{6})?)(?:\|(?P<place>[^|]+))?")


@frozen
class EventId:
    """What an id stands for.

    Attributes:
        key: The stored event's.
        slot: Of an occurrence: its original start, in UTC. A re-timed series therefore gets occurrences with new ids
            (dankcalendar #95).
        place: Of a mutable id: the folder, and how often the event had moved.
    """

    key: str
    slot: datetime | None = None
    place: str | None = None

    def write(self) -> str:
        """As a client sees it."""
        parts = [self.key, "" if self.slot is None else self.slot.strftime(_SLOT)]
        prefix = _IMMUTABLE if self.place is None else _MUTABLE
        text = "|".join(parts if self.place is None else [*parts, self.place])
        return prefix + base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def read(cls, text: str) -> EventId:
        """From a client. Raises GraphError."""
        prefix = next((one for one in (_IMMUTABLE, _MUTABLE) if text.startswith(one)), None)
        found = _INSIDE.fullmatch(_decoded(text[len(prefix) :])) if prefix is not None else None
        if found is None or (found["place"] is None) != (prefix == _IMMUTABLE):
            raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        slot = datetime.strptime(found["slot"], _SLOT).replace(tzinfo=UTC) if found["slot"] else None
        return cls(found["key"], slot, found["place"])


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, b"-_", validate=True).decode()
    except ValueError:
        return ""
