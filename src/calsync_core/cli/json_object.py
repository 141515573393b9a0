"""What a machine reads: one JSON object on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["print_json"]


def print_json(values: Mapping[str, Any]) -> None:
    """Write the one object to stdout."""
    sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
