"""calsync-core: what is booked on one of a person's calendars shows as busy on the others.

A host needs this module, one store and its providers. Everything named here works with no extra installed; stores,
providers and the command line are imported from their own packages, so that nobody pays for what they don't use.
"""

from __future__ import annotations

from typing import Any

from calsync_core.engine import SyncEngine
from calsync_core.errors import (
    AuthExpired,
    CalsyncError,
    ConfigurationError,
    IdentityChanged,
    InvalidValue,
    ProviderError,
    StoreError,
    Unavailable,
    UnknownAccount,
    UnknownCalendar,
    UnknownRun,
    UsageError,
)
from calsync_core.models import (
    Account,
    AuditReport,
    BearerToken,
    BusyTime,
    Calendar,
    Explanation,
    HealthReport,
    HeldDeletion,
    InboxReport,
    Metrics,
    MirrorRule,
    Mode,
    Notice,
    NoticeKind,
    OAuthGrant,
    Observation,
    Password,
    Plan,
    Progress,
    PurgeReport,
    PushReceipt,
    ServiceAccountGrant,
    SubscriptionReport,
    SyncFailure,
    SyncPolicy,
    SyncReport,
    SyncType,
    UndoReport,
    Vitals,
)
from calsync_core.system import StaticTokens, SystemClock

__all__ = [
    "Account",
    "AuditReport",
    "AuthExpired",
    "BearerToken",
    "BusyTime",
    "Calendar",
    "CalsyncError",
    "ConfigurationError",
    "Explanation",
    "HealthReport",
    "HeldDeletion",
    "IdentityChanged",
    "InboxReport",
    "InvalidValue",
    "Metrics",
    "MirrorRule",
    "Mode",
    "Notice",
    "NoticeKind",
    "OAuthGrant",
    "Observation",
    "Password",
    "Plan",
    "Progress",
    "ProviderError",
    "PurgeReport",
    "PushReceipt",
    "ServiceAccountGrant",
    "StaticTokens",
    "StoreError",
    "SubscriptionReport",
    "SyncEngine",
    "SyncFailure",
    "SyncPolicy",
    "SyncReport",
    "SyncType",
    "SystemClock",
    "Unavailable",
    "UndoReport",
    "UnknownAccount",
    "UnknownCalendar",
    "UnknownRun",
    "UsageError",
    "Vitals",
    "__version__",
]

__version__: str
"""The installed version. Found on first use: it is read from the package's metadata on disk."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  (only for who asks)

        return version("calsync-core")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
