"""The two names that every block of ours carries in iCalendar: its UID, and that of the resource it is. Pure."""

from __future__ import annotations

import re

__all__ = ["TAG_PROPERTY", "block_id", "block_uid", "parse_block_name", "parse_block_uid", "parse_exported_uid"]

TAG_PROPERTY = "X-CALSYNC-TAG"
_UID = re.compile(r"calsync-([0-9a-v]+)-([0-9]{1,9})", re.ASCII)
_NAME = re.compile(r"calsync-([0-9a-v]+)-([0-9]{1,9})\.ics", re.ASCII)
_AT_GOOGLE = re.compile(r"ca15nc0re([0-9]{1,9})g([0-9a-v]+)@google\.com", re.ASCII)


def block_uid(key: str, generation: int) -> str:
    """The iCalendar UID of a block: the public constant, its key and its generation."""
    return f"calsync-{key}-{generation}"


def block_id(key: str, generation: int) -> str:
    """The resource name of a block."""
    return f"{block_uid(key, generation)}.ics"


def parse_block_uid(uid: str) -> tuple[str, int] | None:
    """Key and generation if the UID is that of a block, whoever's."""
    return _named(_UID.fullmatch(uid))


def parse_block_name(name: str) -> tuple[str, int] | None:
    """Key and generation if the resource name is that of a block, whoever's."""
    return _named(_NAME.fullmatch(name))


def parse_exported_uid(uid: str) -> tuple[str, int] | None:
    """Key and generation if the UID is what a service's own feed makes of a block on it: at Google, id and host.

    Without this, whoever subscribes to the feed of a calendar that is also blocked would have each block blocked again.
    """
    match = _AT_GOOGLE.fullmatch(uid)
    return (match[2], int(match[1])) if match else parse_block_uid(uid)


def _named(match: re.Match[str] | None) -> tuple[str, int] | None:
    return (match[1], int(match[2])) if match else None
