"""HTML and SVG out of values: whatever is not marked as markup is text, and is escaped."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["Content", "Markup", "document", "element", "hash_of", "join", "short"]

_WITHOUT_END = frozenset({"input", "link", "meta"})
_UNSEEN = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "\ufffd")
"""Control characters: some of them are errors in a page, and nobody sees any of them."""


class Markup(str):
    """Text that is HTML or SVG already. Made by ``element`` and ``join`` alone."""

    __slots__ = ()


Content: TypeAlias = "str | int | Iterable[Content] | None"
"""What may stand in an element: text, markup, numbers, several of them; None is nothing."""


def join(content: Content) -> Markup:
    """All of it, one after another."""
    if isinstance(content, Markup):
        return content
    if content is None:
        return Markup()
    if isinstance(content, str | int):
        return Markup(html.escape(str(content).translate(_UNSEEN)))
    return Markup("".join(map(join, content)))


def element(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Markup:
    """One element.

    Args:
        name: Its tag.
        content: What it contains.
        attributes: ``class_`` is ``class`` and ``aria_label`` is ``aria-label``; True stands alone, and None and False
            are left out.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _WITHOUT_END:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(content)}</{name}>")


def _attribute(key: str, value: str | float | bool | None) -> str:  # noqa: FBT001  (True is an attribute's value)
    if value is None or value is False:  # Nought is neither, though it equals one.
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{join(_number(value))}"'


def _number(value: str | float | bool | None) -> str:  # noqa: FBT001  (see above)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def short(text: str, most: int = 80) -> Markup:
    """A name from elsewhere: cut, and kept from turning the text around it."""
    return element("bdi", text if len(text) <= most else f"{text[: most - 1]}…")


def document(title: str, style: str, body: Content, *head: Content) -> str:
    """A whole page.

    Args:
        title: In the browser's tab.
        style: CSS of our own: it stands as it is, or its hash would be another.
        body: What is seen.
        head: What else is told of it.
    """
    told = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        *head,
        element("title", title),
        Markup(f"<style>{style}</style>"),
    )
    return f"<!doctype html>\n{element('html', told, element('body', body), lang='en')}\n"


def hash_of(style: str) -> str:
    """What allows a page's style in its ``Content-Security-Policy``."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
