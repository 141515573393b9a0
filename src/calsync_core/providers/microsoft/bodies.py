"""The JSON of a busy block. Pure, and the same for the same operation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from calsync_core.core.tags import build_tag
from calsync_core.errors import InvalidValue
from calsync_core.models import Availability, Moment, Operation
from calsync_core.providers.microsoft.names import NAME_PROPERTY, TAG_PROPERTY, block_name, parse_block_name

__all__ = ["build_change", "build_new"]

_SHOWN = {Availability.BUSY: "busy", Availability.TENTATIVE: "tentative", Availability.FREE: "free"}


def build_new(operation: Operation) -> dict[str, Any]:
    """The event for a create.

    No attendee, ever: Graph mails them and there is no switch. No body, location, online meeting or reminder (I-40).

    Raises:
        InvalidValue: the native id is not the name of a block.
    """
    named = parse_block_name(operation.native_id)
    if named is None:
        raise InvalidValue("native_id: is not the name of a block")
    return {
        **build_change(operation),
        "transactionId": operation.native_id,
        "responseRequested": False,
        "allowNewTimeProposals": False,
    }


def build_change(operation: Operation) -> dict[str, Any]:
    """What an update sets; everything else of the event stays."""
    key, _, generation = operation.ref.rpartition(".")
    content = operation.content
    properties = {
        NAME_PROPERTY: block_name(key, int(generation)),
        TAG_PROPERTY: build_tag(operation.tag, key, int(generation)),
    }
    return {
        "subject": content.title,
        "isAllDay": content.span.all_day,
        "start": _moment(content.span.start),
        "end": _moment(content.span.end),
        "showAs": _SHOWN[content.show_as],
        "sensitivity": "private",
        "isReminderOn": False,
        "singleValueExtendedProperties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _moment(moment: Moment) -> dict[str, str]:
    """In UTC; the midnights of an all-day event as well: their dates are what counts."""
    at = moment.astimezone(UTC) if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001  (a wall time: naive on purpose)
    return {"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": "UTC"}
