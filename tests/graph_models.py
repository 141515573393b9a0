"""Request bodies judged by the models of Microsoft's own ``msgraph-sdk``, for the tests of whoever writes to Graph."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

__all__ = ["available", "problems_of", "require", "validate_body"]

_MODELS = {"event": ("event", "Event"), "subscription": ("subscription", "Subscription")}
_ENVELOPE = {"id", "method", "url", "headers", "body", "dependsOn"}
_MISSING = "msgraph-sdk (dependency group 'official') is not installed"


def available() -> bool:
    """Whether the SDK is there; it is large, and in a dependency group of its own."""
    return importlib.util.find_spec("msgraph") is not None


def require() -> None:
    """Skip the test that needs the SDK where it is missing, unless nothing may be skipped."""
    if not available():
        (pytest.fail if os.environ.get("CALSYNC_REQUIRE_SERVERS", "0") not in {"", "0"} else pytest.skip)(_MISSING)


def validate_body(kind: str, body: Mapping[str, Any]) -> None:
    """Hold a request body against the SDK's models: names, types, enumerations; the test fails where it does not fit.

    Args:
        kind: ``event``, ``subscription``, or ``batch``, whose parts are judged by their URLs.
        body: What is sent. A property that Graph lets nobody write still fits.
    """
    require()
    problems = list(problems_of(kind, body))
    assert not problems, f"{kind}: " + "; ".join(problems)


def problems_of(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What does not fit, in words with the path to it."""
    if kind == "batch":
        yield from _batch_problems(body)
        return
    module, name = _MODELS[kind]
    model_class = getattr(importlib.import_module(f"msgraph.generated.models.{module}"), name)
    node_class = importlib.import_module("kiota_serialization_json.json_parse_node").JsonParseNode
    writer_class = importlib.import_module("kiota_serialization_json.json_serialization_writer").JsonSerializationWriter
    model = node_class(json.loads(json.dumps(body))).get_object_value(model_class)
    yield from _unknown(model, kind)
    writer = writer_class()
    writer.write_object_value(None, model)
    # What a model could not read is not there when it writes.
    yield from _lost(body, json.loads(writer.get_serialized_content()), kind)


def _batch_problems(body: Mapping[str, Any]) -> Iterator[str]:
    for number, part in enumerate(body["requests"]):
        path = f"requests[{number}]"
        yield from (f"{path}.{name} is unknown" for name in part.keys() - _ENVELOPE)
        yield from (f"{path}.{name} is missing" for name in ("id", "method", "url") if not part.get(name))
        if "body" in part:
            kind = "subscription" if "subscriptions" in part["url"] else "event"
            yield from (f"{path}.{problem}" for problem in problems_of(kind, part["body"]))


def _unknown(model: Any, path: str) -> Iterator[str]:
    for name in model.additional_data or ():
        if not name.startswith("@"):
            yield f"{path}.{name} is unknown"
    for name, value in model.backing_store.enumerate_():
        # The SDK keeps a list together with its length.
        held = value[0] if isinstance(value, tuple) else value
        values = held if isinstance(held, list) else [held]
        for one in values:
            if hasattr(one, "get_field_deserializers"):
                yield from _unknown(one, f"{path}.{name}")


def _lost(sent: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        for name, value in sent.items():
            if value is not None:
                yield from _lost(value, kept.get(name), f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for number, (one, other) in enumerate(zip(sent, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif type(sent) is not type(kept) or (sent != kept and not _same_time(sent, kept)):
        yield f"{path} can't be {sent!r}"


def _same_time(sent: Any, kept: Any) -> bool:
    try:
        return datetime.fromisoformat(sent[:26]) == datetime.fromisoformat(kept[:26]) or (
            datetime.fromisoformat(sent) == datetime.fromisoformat(kept)
        )
    except (TypeError, ValueError):
        return False
