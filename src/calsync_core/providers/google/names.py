"""The ids of busy blocks on Google: client-supplied event ids that carry the public constant. Pure."""

from __future__ import annotations

import re

__all__ = ["BLOCK_PREFIX", "block_id", "is_block_id", "parse_block_id"]

BLOCK_PREFIX = "ca15nc0re"
"""The public constant: an id that begins with it names a busy block, whoever wrote it. Client-supplied ids may have
``a-v`` and ``0-9`` only (events.insert, ``id``); Google's own are 26 random characters of that alphabet."""

_ID = re.compile(rf"{BLOCK_PREFIX}(0|[1-9][0-9]{{0,8}})g([0-9a-v]+)", re.ASCII)


def block_id(key: str, generation: int) -> str:
    """The event id of a block; injective, because the generation ends at the first ``g``."""
    return f"{BLOCK_PREFIX}{generation}g{key}"


def is_block_id(event_id: str) -> bool:
    """Whether it carries the public constant."""
    return event_id.startswith(BLOCK_PREFIX)


def parse_block_id(event_id: str) -> tuple[str, int] | None:
    """Key and generation, also of an instance of a block that somebody made a series (``…_20261124T090000Z``).

    None: it is not the id of a block. An id with the constant but of another make has the rest as its key.
    """
    if not is_block_id(event_id):
        return None
    base = event_id.partition("_")[0]
    named = _ID.fullmatch(base)
    return (named[2], int(named[1])) if named else (base.removeprefix(BLOCK_PREFIX), 0)
