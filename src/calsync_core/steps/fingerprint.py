"""What every plan depends on besides events, rules and calendars: when it changes, all is planned again (I-51)."""

from __future__ import annotations

import hashlib
import importlib
import zoneinfo
from pathlib import Path

from attrs import evolve

from calsync_core.core.identity import Keyring
from calsync_core.core.occurrences import EXPANSION_VERSION
from calsync_core.core.planning import PLANNER_VERSION
from calsync_core.models import SyncPolicy

__all__ = ["plan_shape", "zone_database_version"]


def plan_shape(policy: SyncPolicy, keyring: Keyring) -> str:
    """A fingerprint of policy, planner, expansion, time-zone database and installation."""
    installation = keyring.tag("", "").installation
    # How often calendars are read changes no plan.
    planned = evolve(policy, full_hours=24, polling_seconds=3600, silence_hours=6)
    parts = (repr(planned), str(PLANNER_VERSION), str(EXPANSION_VERSION), zone_database_version(), installation)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def zone_database_version() -> str:
    """The version of the database that ``zoneinfo`` reads; ``unknown`` where the system does not say.

    ``zoneinfo`` looks into its search path first and into the ``tzdata`` package last; a system's ``tzdata.zi`` begins
    with ``# version 2025b``.
    """
    for folder in zoneinfo.TZPATH:
        for name, prefix in (("tzdata.zi", "# version "), ("+VERSION", "")):
            path = Path(folder) / name
            if path.is_file():
                with path.open(encoding="utf-8", errors="replace") as file:
                    return file.readline().removeprefix(prefix).strip()
    try:
        return str(importlib.import_module("tzdata").IANA_VERSION)
    except (ModuleNotFoundError, AttributeError):
        return "unknown"
