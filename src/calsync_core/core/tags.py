"""The two tags of busy blocks as text: our private one, and the one of the system this design follows (decision 5)."""

from __future__ import annotations

import re

from calsync_core.models import Tag

__all__ = ["build_tag", "find_textual_tag", "parse_tag"]

_TEXTUAL = re.compile(r"CalSync \[source:([^:\s\[\]]+:\S.*:[^:\s\[\]]+)\]")


def build_tag(tag: Tag, key: str, generation: int) -> str:
    """The private tag as text, for the block with this key and generation: on a copy it names another block."""
    return f"v1;i={tag.installation};o={tag.owner};s={tag.source};k={key};g={generation}"


def parse_tag(text: str) -> tuple[Tag, str, int] | None:
    """The private tag, and the key and generation it was made for; None if it is not whole."""
    version, *pairs = text.strip().split(";")
    values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    try:
        tag = Tag(installation=values["i"], owner=values["o"], source=values["s"])
        key, generation = values["k"], int(values["g"])
    except (KeyError, ValueError):
        return None
    return (tag, key, generation) if version == "v1" else None


def find_textual_tag(description: str) -> str | None:
    """``EMAIL:CALENDAR:EVENT`` of a whole ``CalSync [source:…]`` line in it; part of one proves nothing (I-17)."""
    for line in description.splitlines():
        match = _TEXTUAL.fullmatch(line.strip())
        if match:
            return match[1]
    return None
