"""The JSON of a busy block. Pure, and the same for the same operation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from calsync_core.core.tags import build_tag
from calsync_core.errors import InvalidValue
from calsync_core.models import Availability, Moment, Operation
from calsync_core.providers.google.names import parse_block_id
from calsync_core.providers.google.wire import TAG_PROPERTY

__all__ = ["build_block"]

_LONGEST_NAME, _LONGEST_VALUE = 44, 1024
"""A longer property name is dropped without a word, a longer value cut (guide "Extended properties")."""


def build_block(operation: Operation) -> dict[str, Any]:
    """The whole event for an insert, or for an update that replaces everything.

    No attendee, conference, location or description, and no reminder (I-40); ``visibility`` is private, so that people
    with whom the target is shared see the time and nothing else.

    Raises:
        InvalidValue: the native id is not that of a block, or the tag would not be kept whole.
    """
    named = parse_block_id(operation.native_id)
    if named is None:
        raise InvalidValue("native_id: is not the id of a block")
    tag = build_tag(operation.tag, *named)
    if len(TAG_PROPERTY) > _LONGEST_NAME or len(tag) > _LONGEST_VALUE:
        raise InvalidValue(f"tag: longer than the {_LONGEST_VALUE} characters that Google keeps")
    content = operation.content
    return {
        "id": operation.native_id,
        "eventType": "default",
        "status": "tentative" if content.show_as is Availability.TENTATIVE else "confirmed",
        "transparency": "transparent" if content.show_as is Availability.FREE else "opaque",
        "visibility": "private",
        "summary": content.title,
        "start": _moment(content.span.start),
        "end": _moment(content.span.end),
        "reminders": {"useDefault": False, "overrides": []},
        "extendedProperties": {"private": {TAG_PROPERTY: tag}},
    }


def _moment(moment: Moment) -> dict[str, str]:
    if isinstance(moment, datetime):
        return {"dateTime": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "timeZone": "UTC"}
    return {"date": moment.isoformat()}
