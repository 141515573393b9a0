"""Google's own description of its Calendar API, as a judge of requests and responses.

The document is the one that google-api-python-client carries. It names every method, parameter and property; what is
not in it does not exist, so an unknown property is as wrong as one of the wrong type.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from calsync_core.testing import GoogleSimulator
from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["CheckedGoogle", "document", "methods", "validate_request", "validate_response"]

OUTSIDE = {"/token", "/revoke", "/o/oauth2/v2/auth"}
"""Not part of the API, and so not of the document."""

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LISTED = re.compile(r'^- "([^"]+)"', re.MULTILINE)
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string"}
                            for name in ("domain", "reason", "message", "locationType", "location")
                        },
                    },
                },
            },
        }
    },
}


@cache
def document() -> Mapping[str, Any]:
    """The discovery document of Calendar v3."""
    spec = importlib.util.find_spec("googleapiclient")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "discovery_cache" / "documents" / "calendar.v3.json"
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


@cache
def methods() -> Mapping[str, Mapping[str, Any]]:
    """Every method by its name, as ``events.list``."""
    resources = document()["resources"]
    return {f"{kind}.{name}": one for kind, resource in resources.items() for name, one in resource["methods"].items()}


def validate_request(request: Request) -> list[str]:
    """What is wrong with a request: its path, a query parameter, or its body.

    The parts of a batch are requests of their own; the simulator's log has them.
    """
    if request.path in OUTSIDE:
        form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        return [] if request.method == "GET" or form else [f"{request.path}: not a form"]
    if request.path == f"/{document()['batchPath']}":
        mixed = request.headers.get("content-type", "").startswith("multipart/mixed")
        return [] if request.method == "POST" and mixed else ["batch: not POST, or not multipart/mixed"]
    found = _find(request)
    if found is None:
        return [f"{request.method} {request.path}: no such method"]
    name, method = found
    return [*_wrong_query(request, name, method), *_wrong_body(request, name, method)]


def validate_response(request: Request, response: Response) -> list[str]:
    """What is wrong with the answer to a request."""
    found = _find(request)
    if request.path in OUTSIDE or request.path == f"/{document()['batchPath']}" or response.status == 304:
        return []
    if response.status >= 400:
        return _wrong_error(response)
    if found is None:
        return [f"{request.method} {request.path}: no such method, yet it was answered"]
    name, method = found
    if "response" not in method:
        return [f"{name}: a body where there is none"] if response.body else []
    return list(_wrong(response.json(), method["response"], name, ""))


class CheckedGoogle(GoogleSimulator):
    """The simulator with the document over its shoulder.

    Attributes:
        problems: What was wrong with its answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: list[str] = []

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        self.problems += validate_response(request, response)
        return response


def _find(request: Request) -> tuple[str, Mapping[str, Any]] | None:
    prefix = f"/{document()['servicePath']}"
    if not request.path.startswith(prefix):
        return None
    path = request.path.removeprefix(prefix)
    for name, method in methods().items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(method["path"]))
        if method["httpMethod"] == request.method and re.fullmatch(pattern, path):
            return name, method
    return None


def _wrong_error(response: Response) -> list[str]:
    body = response.json()
    problems = list(_wrong(body, _ERROR, "error", ""))
    if not problems:
        error = body["error"]
        named = [{"domain", "reason", "message"} <= set(one) for one in error.get("errors", [])]
        if error.get("code") != response.status or not named or not all(named):
            problems.append(f"error: {body}")
    return problems


def _wrong_query(request: Request, name: str, method: Mapping[str, Any]) -> Iterator[str]:
    known = {**document()["parameters"], **method.get("parameters", {})}
    seen: set[str] = set()
    for key, value in request.query:
        parameter = known.get(key)
        if parameter is None or parameter.get("location") == "path":
            yield f"{name}?{key}: unknown"
            continue
        if key in seen and not parameter.get("repeated"):
            yield f"{name}?{key}: given twice"
        seen.add(key)
        yield from _wrong(_read(value, parameter), parameter, f"{name}?{key}", name)
    for key, parameter in known.items():
        if parameter.get("required") and parameter["location"] == "query" and key not in seen:
            yield f"{name}?{key}: missing"


def _wrong_body(request: Request, name: str, method: Mapping[str, Any]) -> Iterator[str]:
    if "request" not in method:
        if request.body:
            yield f"{name}: a body where there is none"
        return
    if not request.headers.get("content-type", "").startswith("application/json"):
        yield f"{name}: content type {request.headers.get('content-type')}"
    try:
        body = request.json()
    except ValueError:
        yield f"{name}: no JSON"
        return
    # A PATCH removes a field by null.
    yield from _wrong(body, method["request"], name, name, nulls=request.method == "PATCH")


def _read(text: str, parameter: Mapping[str, Any]) -> Any:
    """A parameter's text as the value it stands for."""
    if parameter["type"] == "integer":
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if parameter["type"] == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return unquote(text)


def _wrong(value: Any, schema: Mapping[str, Any], where: str, method: str, *, nulls: bool = False) -> Iterator[str]:
    if "$ref" in schema:
        schema = document()["schemas"][schema["$ref"]]
    if value is None:
        if not nulls:
            yield f"{where}: null"
        return
    match schema.get("type"):
        case "object":
            yield from _wrong_object(value, schema, where, method, nulls=nulls)
        case "array":
            if not isinstance(value, list):
                yield f"{where}: {value!r} is no array"
                return
            for place, item in enumerate(value):
                yield from _wrong(item, schema["items"], f"{where}[{place}]", method)
        case "any":
            pass
        case _:
            yield from _wrong_scalar(value, schema, where)


def _wrong_object(value: Any, schema: Mapping[str, Any], where: str, method: str, *, nulls: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no object"
        return
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        expected = properties.get(name, others)
        if expected is None:
            yield f"{where}.{name}: unknown"
        else:
            yield from _wrong(item, expected, f"{where}.{name}", method, nulls=nulls)
    for name, expected in properties.items():
        if f"calendar.{method}" in expected.get("annotations", {}).get("required", ()) and name not in value:
            yield f"{where}.{name}: missing"


def _wrong_scalar(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    kinds: dict[str, type] = {"string": str, "boolean": bool, "integer": int}
    kind = kinds[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    allowed = _allowed(schema)
    if allowed and value not in allowed:
        yield f"{where}: {value!r} is none of {sorted(allowed)}"
    low, high = int(schema.get("minimum", -(2**63))), int(schema.get("maximum", 2**63))
    if isinstance(value, int) and not low <= value <= high:
        yield f"{where}: {value!r} is not from {low} to {high}"
    if not _has_format(value, schema.get("format")):
        yield f"{where}: {value!r} is no {schema['format']}"


def _allowed(schema: Mapping[str, Any]) -> Sequence[str]:
    """The enumeration, or the values that the description lists as possible."""
    if "enum" in schema:
        found: Sequence[str] = schema["enum"]
        return found
    text = schema.get("description", "")
    return _LISTED.findall(text) if "Possible values are:" in text and schema["type"] == "string" else ()


def _has_format(value: Any, form: str | None) -> bool:
    try:
        match form:
            case "date-time":
                return bool(_DATE_TIME.fullmatch(value) and datetime.fromisoformat(value))
            case "date":
                return bool(date.fromisoformat(value).isoformat() == value)
            case "int32":
                return bool(-(2**31) <= value < 2**31)
            case "int64":
                return bool(str(int(value)) == value)
            case None:
                return True
    except ValueError:
        return False
    raise AssertionError(f"unknown format {form}")
