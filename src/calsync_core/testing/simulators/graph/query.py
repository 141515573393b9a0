"""What clients say in queries and in the Prefer header: ``$select``, ``$expand``, ``$filter``, pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from attrs import frozen

from calsync_core.testing.simulators.graph.errors import GraphError, invalid_request
from calsync_core.testing.simulators.graph.state import Json
from calsync_core.testing.simulators.messages import Request

__all__ = ["Preferences", "next_link", "parse_expand", "parse_filter", "parse_property_id", "parse_select"]

_PREFERENCE = re.compile(r'\s*([\w.]+)\s*=\s*("([^"]*)"|[^,;\s]*)\s*(?:[,;]|$)')
_PROPERTY = re.compile(
    r"(\w+) \{([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\} (Name|Id) (.+)", re.IGNORECASE
)
_TEXT = r"'((?:[^']|'')*)'"
_EXPANDED = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_PROPERTY_IS = re.compile(rf"\s*id\s+eq\s+{_TEXT}\s*")
_ANY = re.compile(
    rf"singleValueExtendedProperties/Any\(\s*(\w+)\s*:\s*\1/id\s+eq\s+{_TEXT}\s+and\s+(.+)\)", re.IGNORECASE | re.DOTALL
)
_COMPARISON = re.compile(rf"([\w/]+)\s+(eq|ne|ge|gt|le|lt)\s+({_TEXT}|[\w.:+-]+)")
_CALL = re.compile(rf"(startswith|contains)\(\s*([\w/]+)\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)


@frozen
class Preferences:
    """The Prefer header's.

    Attributes:
        zone: ``outlook.timezone``, UTC where not said.
        page_size: ``odata.maxpagesize``.
        applied: For ``Preference-Applied``.
    """

    immutable: bool = False
    zone: str = "UTC"
    page_size: int | None = None
    applied: str = ""

    @classmethod
    def of(cls, request: Request) -> Preferences:
        """What this request prefers; the preferences of another one don't matter ("outlook-immutable-id")."""
        said = {
            name.lower(): quoted or plain
            for name, plain, quoted in _PREFERENCE.findall(request.headers.get("prefer", ""))
        }
        immutable = said.get("idtype", "").lower() == "immutableid"
        size = said.get("odata.maxpagesize", "")
        applied = [f'outlook.timezone="{said["outlook.timezone"]}"'] if "outlook.timezone" in said else []
        applied += ['IdType="ImmutableId"'] if immutable else []
        applied += [f"odata.maxpagesize={size}"] if size.isdigit() else []
        zone = said.get("outlook.timezone") or "UTC"
        return cls(immutable, zone, int(size) if size.isdigit() and int(size) else None, ", ".join(applied))


def parse_select(request: Request) -> tuple[str, ...]:
    """The names in ``$select``."""
    return tuple(name.strip() for name in (request.arg("$select") or "").split(",") if name.strip())


def parse_expand(request: Request) -> dict[str, tuple[str, ...]]:
    """``singleValueExtendedProperties`` with their ids, and other names with nothing. Raises GraphError."""
    found: dict[str, tuple[str, ...]] = {}
    for part in _split(request.arg("$expand") or "", ","):
        expanded = _EXPANDED.fullmatch(part.strip())
        if expanded is None:
            raise _bad_query(f"$expand: can't read '{part}'")
        name, options = expanded[1], expanded[2] or ""
        if name == "singleValueExtendedProperties":
            found[name] = _property_filter(options)
        elif name in {"exceptionOccurrences", "calendar"}:
            found[name] = ()
        else:
            raise _bad_query(f"$expand: could not find a property named '{name}'")
    return found


def parse_property_id(text: Any) -> str:
    """``String {guid} Name X`` as Graph keeps it: the GUID in lower case, the name as it is. Raises GraphError."""
    found = _PROPERTY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise GraphError(400, "ErrorInvalidProperty", f"The property ID '{text}' has an invalid form.")
    return f"{found[1].capitalize()} {{{found[2].lower()}}} {found[3].capitalize()} {found[4]}"


Test = Callable[[Callable[[], Json], Mapping[str, str]], bool]
"""Whether an event fits; its JSON is made only if the test asks for it, its extended properties are at hand."""


def parse_filter(request: Request) -> tuple[Test, bool] | None:
    """``$filter``: conditions joined by ``and``.

    Returns:
        The test, and whether it looks at extended properties (such a filter covers the whole mailbox); None: no
        filter.

    Raises:
        GraphError: it can't be understood, or asks what Graph can't answer.
    """
    text = request.arg("$filter")
    if text is None:
        return None
    parts = list(_split(text, " and "))
    tests = [_condition(part.strip()) for part in parts]
    extended = any(part.strip().lower().startswith("singlevalue") for part in parts)
    return (lambda event, properties: all(test(event, properties) for test in tests)), extended


def next_link(request: Request, skip: int) -> str:
    """The link to the next page of a plain listing."""
    kept = [(name, value) for name, value in request.query if name not in {"$skip", "$skipToken"}]
    return f"{request.base}{request.path}?{urlencode([*kept, ('$skip', str(skip))], quote_via=quote, safe='$')}"


def _property_filter(options: str) -> tuple[str, ...]:
    condition = options.strip()
    if not condition.lower().startswith("$filter="):
        raise _bad_query("$expand=singleValueExtendedProperties needs a $filter that names them")
    found = [_PROPERTY_IS.fullmatch(part) for part in _split(condition[len("$filter=") :], " or ")]
    if not all(found):
        raise _bad_query(f"$expand: can't read '{options}'")
    return tuple(parse_property_id(one[1].replace("''", "'")) for one in found if one)


def _condition(text: str) -> Test:
    if found := _ANY.fullmatch(text):
        alias, name, rest = found[1], parse_property_id(found[2].replace("''", "'")), found[3]
        fits = _value_test(rest.strip().replace(f"{alias}/value", "value"))
        return lambda _event, properties: name in properties and fits(properties[name])
    if found := _CALL.fullmatch(text):
        path, value = found[2], found[3].replace("''", "'")
        if found[1].lower() == "startswith":
            return lambda event, _: str(_get(event(), path) or "").casefold().startswith(value.casefold())
        return lambda event, _: value.casefold() in str(_get(event(), path) or "").casefold()
    if found := _COMPARISON.fullmatch(text):
        path, operator, value = found[1], found[2], (found[4] if found[4] is not None else found[3]).replace("''", "'")
        return lambda event, _: _compare(_get(event(), path), operator, value)
    raise _bad_query(f"Invalid filter clause: '{text}'", "ErrorInvalidUrlQueryFilter")


def _value_test(text: str) -> Callable[[str], bool]:
    """Values are compared without regard to case ("singlevaluelegacyextendedproperty-get")."""
    if found := _CALL.fullmatch(text):
        value = found[3].replace("''", "'").casefold()
        if found[2] == "value" and found[1].lower() == "startswith":
            return lambda held: held.casefold().startswith(value)
        if found[2] == "value":
            return lambda held: value in held.casefold()
    if (found := _COMPARISON.fullmatch(text)) and found[1] == "value" and found[4] is not None:
        wanted = found[4].replace("''", "'").casefold()
        if found[2] in {"eq", "ne"}:
            return lambda held: (held.casefold() == wanted) == (found[2] == "eq")
    raise _bad_query(f"Invalid filter clause: '{text}'", "ErrorInvalidUrlQueryFilter")


def _get(event: Json, path: str) -> Any:
    value: Any = event
    for part in path.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _compare(held: Any, operator: str, wanted: str) -> bool:
    text = str(held).lower() if isinstance(held, bool) else "null" if held is None else str(held)
    # Times are compared as far as the shorter of the two spellings goes.
    if operator not in {"eq", "ne"}:
        width = min(len(text), len(wanted.rstrip("Z")))
        text, wanted = text[:width], wanted[:width]
    order = (text > wanted) - (text < wanted)
    return {
        "eq": order == 0,
        "ne": order != 0,
        "ge": order >= 0,
        "gt": order > 0,
        "le": order <= 0,
        "lt": order < 0,
    }[operator]


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts of a text between separators that stand outside of parentheses and quotes."""
    depth, quoted, begun = 0, False, 0
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if depth == 0 and place >= begun and text[place : place + len(separator)].lower() == separator:
                yield text[begun:place]
                begun = place + len(separator)
    if text[begun:].strip():
        yield text[begun:]


def _bad_query(message: str, code: str = "ErrorInvalidUrlQuery") -> GraphError:
    error = invalid_request(message)
    error.code = code
    return error
