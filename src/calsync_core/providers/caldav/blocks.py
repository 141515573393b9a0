"""The body of a block as iCalendar text. Pure, and byte for byte the same for the same operation."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from calsync_core.core.tags import build_tag
from calsync_core.errors import InvalidValue
from calsync_core.models import Availability, BlockContent, Moment, Operation
from calsync_core.providers.caldav.names import TAG_PROPERTY, block_uid, parse_block_name

__all__ = ["build_block"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile(r"([\\;,])")
_SHOWN = {
    Availability.BUSY: ("OPAQUE", "CONFIRMED", "BUSY"),
    Availability.TENTATIVE: ("OPAQUE", "TENTATIVE", "TENTATIVE"),
    Availability.FREE: ("TRANSPARENT", "CONFIRMED", "FREE"),
}


def build_block(operation: Operation) -> str:
    """The whole resource for a create or update.

    Times are in UTC with an explicit end: no zone to misread, and iCloud refuses events without DTEND. There is no
    attendee, organiser, alarm, location or description (I-40), and no SEQUENCE: that orders revisions of a meeting
    between people, while ours are ordered by If-Match.

    Raises:
        InvalidValue: the native id is not that of a block.
    """
    named = parse_block_name(operation.native_id)
    if named is None:
        raise InvalidValue("native_id: is not the name of a block")
    transparency, status, busy = _SHOWN[operation.content.show_as]
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//calsync-core//EN",
        "BEGIN:VEVENT",
        f"UID:{block_uid(*named)}",
        f"DTSTAMP:{_utc(operation.decided_at)}",
        *_times(operation.content),
        f"SUMMARY:{_text(operation.content.title)}",
        "CLASS:PRIVATE",
        f"TRANSP:{transparency}",
        f"STATUS:{status}",
        f"X-MICROSOFT-CDO-BUSYSTATUS:{busy}",
        f"{TAG_PROPERTY}:{_text(build_tag(operation.tag, *named))}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _times(content: BlockContent) -> list[str]:
    return [_moment("DTSTART", content.span.start), _moment("DTEND", content.span.end)]


def _moment(name: str, moment: Moment) -> str:
    if isinstance(moment, datetime):
        return f"{name}:{_utc(moment)}"
    return f"{name};VALUE=DATE:{moment:%Y%m%d}"


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """RFC 5545 TEXT. A control character would end the line and begin a property of its own."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub(" ", text))


def _folded(line: str) -> str:
    """At most 75 octets a line, never cutting a character in two (RFC 5545 section 3.1)."""
    if len(line) <= 75 and line.isascii():
        return line
    parts, room, part = [], 75, ""
    for character in line:
        width = len(character.encode())
        if width > room:
            parts.append(part)
            part, room = "", 74
        part += character
        room -= width
    return "\r\n ".join([*parts, part])
