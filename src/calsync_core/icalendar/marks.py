"""Whose block is it? What a resource says about itself (decision 5, I-15 to I-17, I-45). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from calsync_core.core.tags import find_textual_tag, parse_tag
from calsync_core.icalendar.components import Component, Property, unescape
from calsync_core.icalendar.names import TAG_PROPERTY, parse_block_name, parse_block_uid
from calsync_core.models import Mark

__all__ = ["find_mark", "is_adorned", "is_self"]

_CONFERENCE = re.compile(
    r"CONFERENCE|X-(?:[A-Z0-9]+-)*CONFERENCE(?:-[A-Z0-9]+)*|X-[A-Z0-9-]*(?:TEAMS|SKYPE|ZOOM)[A-Z0-9-]*URL"
)


def find_mark(name: str, component: Component, addresses: Collection[str]) -> Mark | None:
    """The mark of one VEVENT in the resource ``name``, or None if it is an ordinary event.

    The UID decides; where a user's client gave the event another UID but left it in its place, the name does. A
    private tag made for another id means that somebody copied the block: then it is the user's own event.
    """
    uid = component.first("UID")
    named = (parse_block_uid(uid.text.strip()) if uid else None) or parse_block_name(name)
    if named is None:
        return _textual_mark(component, addresses)
    line = component.first(TAG_PROPERTY)
    tagged = parse_tag(line.text) if line else None
    if tagged is None:
        return Mark(*named)
    tag, key, generation = tagged
    return Mark(*named, tag=tag) if (key, generation) == named else None


def is_adorned(component: Component, addresses: Collection[str]) -> bool:
    """Whether somebody added people, a recurrence or a conference (I-45)."""
    if any(component.all("ATTENDEE", "RRULE", "RDATE", "RECURRENCE-ID")) or _organised_by_other(component, addresses):
        return True
    return any(_CONFERENCE.fullmatch(each.name) and each.value.strip() for each in component.properties)


def is_self(line: Property | None, addresses: Collection[str]) -> bool:
    """Whether an ATTENDEE or ORGANIZER is the login itself."""
    if line is None:
        return False
    value = line.value.strip().lower()
    # Apple writes a principal path as the value and the address as a parameter.
    return value.removeprefix("mailto:") in addresses or line.parameters.get("EMAIL", "").lower() in addresses


def _organised_by_other(component: Component, addresses: Collection[str]) -> bool:
    organiser = component.first("ORGANIZER")
    return organiser is not None and not is_self(organiser, addresses)


def _textual_mark(component: Component, addresses: Collection[str]) -> Mark | None:
    """The whole textual tag of the system this design follows; part of one, or a lock in a title, proves nothing."""
    if any(component.all("ATTENDEE")) or _organised_by_other(component, addresses):
        return None
    for description in component.all("DESCRIPTION"):
        key = find_textual_tag(unescape(description.value))
        if key is not None:
            return Mark(key, textual=True)
    return None
