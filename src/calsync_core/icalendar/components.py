"""iCalendar text as lines and components, values untouched. Pure.

Done here and not by icalendar's parser: that one keeps custom VTIMEZONEs in a cache of the whole process (the next
file with the same TZID gets the first one's rules) and turns times with an unknown TZID into naive ones without a
word. Here a value stays text until its zone is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import Factory, define, field, frozen

__all__ = ["Component", "Property", "parse_components", "unescape"]

MAX_TEXT = 24 * 1024 * 1024
"""Characters of one resource; iCloud allows events of 20 MB."""
MAX_LINES = 500_000
"""Of one resource, unfolded: a line of three characters costs a hundred times its size."""
_FOLD = re.compile(r"\r?\n[ \t]")
_NEWLINE = re.compile(r"\r\n|\n|\r")
# Possessive throughout, and a name has an end: an enemy's line must not have more ways to fail than it has characters.
_LINE = re.compile(
    r"([A-Za-z0-9.-]{1,100}+)"
    r'((?:[ \t]*+;[ \t]*+[A-Za-z0-9-]++[ \t]*+=(?:"[^"]*+"|[^";:,]*+)(?:,(?:"[^"]*+"|[^";:,]*+))*+)*+)'
    r":(.*+)",
    re.DOTALL,
)
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9-]+)[ \t]*=((?:"[^"]*"|[^";:])*)')
_ESCAPED = re.compile(r"\\([\\;,Nn])")


@frozen
class Property:
    """One content line: name and parameter names in upper case, the value as it was written."""

    name: str
    parameters: Mapping[str, str] = field(repr=False)
    value: str = field(repr=False)

    @property
    def text(self) -> str:
        """The value as RFC 5545 TEXT."""
        return unescape(self.value)


@define
class Component:
    """A component with its lines and subcomponents in order."""

    name: str
    properties: list[Property] = Factory(list)
    components: list[Component] = Factory(list)

    def first(self, name: str) -> Property | None:
        """The first line of this name."""
        return next(self.all(name), None)

    def all(self, *names: str) -> Iterator[Property]:
        """The lines of these names, in order."""
        return (each for each in self.properties if each.name in names)

    def word(self, name: str) -> str:
        """The first such line's value as a keyword, in upper case; empty if there is none."""
        line = self.first(name)
        return line.value.strip().upper() if line else ""

    def walk(self, name: str) -> Iterator[Component]:
        """All components of this name at any depth, but not those inside each other."""
        for child in self.components:
            if child.name == name:
                yield child
            else:
                yield from child.walk(name)


def unescape(value: str) -> str:
    """Undo the escapes of RFC 5545 TEXT."""
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "Nn" else match[1], value)


def parse_components(text: str) -> Component:
    """The component tree, under a nameless root.

    A line that is no content line is skipped: clients write such lines, and what is needed is checked where it is
    used. A structure that does not close is not: the text was cut off.

    Raises:
        ValueError: too large, not balanced, or no VCALENDAR at all.
    """
    root = Component("")
    stack = [root]
    for line in _lines(text):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, value = match[1].upper(), match[3]
        if name == "BEGIN":
            child = Component(value.strip().upper())
            stack[-1].components.append(child)
            stack.append(child)
            if len(stack) > 10:
                raise ValueError("components are nested too deeply")
        elif name == "END":
            if len(stack) == 1 or stack[-1].name != value.strip().upper():
                raise ValueError("components do not close in order")
            stack.pop()
        else:
            stack[-1].properties.append(Property(name, _parameters(match[2]), value))
    if len(stack) > 1:
        raise ValueError("the text ends inside a component")
    if not any(child.name == "VCALENDAR" for child in root.components):
        raise ValueError("there is no VCALENDAR")
    return root


def _lines(text: str) -> list[str]:
    """Unfolded. Raises ValueError: too many, or too long."""
    if len(text) > MAX_TEXT:
        raise ValueError("the resource is too large")
    lines = _NEWLINE.split(_FOLD.sub("", text.lstrip("\ufeff")), MAX_LINES)
    if len(lines) > MAX_LINES:
        raise ValueError("the resource has too many lines")
    return lines


def _parameters(text: str) -> dict[str, str]:
    return {match[1].upper(): match[2].strip().strip('"') for match in _PARAMETER.finditer(text)} if text else {}
