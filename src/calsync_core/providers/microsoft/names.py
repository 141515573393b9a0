"""What names a busy block on Graph: its transaction id, and the extended properties by which it is found. Pure."""

from __future__ import annotations

import re

__all__ = ["NAME_PROPERTY", "TAG_PROPERTY", "block_name", "is_block_name", "parse_block_name"]

_PREFIX = "calsync-"
"""The public constant: an event whose ``transactionId`` begins with it is a busy block, whoever wrote it. A copy
made by a person has no transaction id."""

_NAME = re.compile(rf"{_PREFIX}([0-9a-v]+)-(0|[1-9][0-9]{{0,8}})", re.ASCII)
_OURS = "{8f3a2d5e-6b1c-4e0f-9d47-51c0a7e2b964}"

NAME_PROPERTY = f"String {_OURS} Name CalsyncName"
"""Holds the transaction id: that one can't be filtered by, an extended property can."""

TAG_PROPERTY = f"String {_OURS} Name CalsyncTag"
"""Holds the private tag."""


def block_name(key: str, generation: int) -> str:
    """The transaction id of a block; injective, because a key (base32hex) has no hyphen."""
    return f"{_PREFIX}{key}-{generation}"


def is_block_name(text: object) -> bool:
    """Whether it carries the public constant."""
    return isinstance(text, str) and text.startswith(_PREFIX)


def parse_block_name(text: object) -> tuple[str, int] | None:
    """Key and generation if it carries the public constant; one of another make has the rest as its key."""
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        return None
    named = _NAME.fullmatch(text)
    return (named[1], int(named[2])) if named else (text.removeprefix(_PREFIX), 0)
