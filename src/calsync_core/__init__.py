"""calsync-core: what is booked on one of a person's calendars shows as busy on the others.

A host needs this module, one store and its providers. Everything named here works with no extra installed; stores,
providers and the command line are imported from their own packages, so that nobody pays for what they don't use. For
the same reason a name is imported when it is first used: who catches an error loads no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        OAuthClient,
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
    "OAuthClient",
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
"""The installed version, from the package's metadata on disk."""

_ROOMS = ("errors", "models", "system", "engine")
"""Where the names are, the light ones first."""

if not TYPE_CHECKING:  # or a checker would believe any name to be here

    def __getattr__(name):  # noqa: ANN001, ANN202  (no checker reads it)
        """Import a public name, or the module it comes from, on first use."""
        from importlib import import_module  # noqa: PLC0415  (with the names)

        if name in _ROOMS:
            return import_module(f"{__name__}.{name}")
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415  (only for who asks)

            return version("calsync-core")
        if name in __all__:
            for room in map(__getattr__, _ROOMS):
                if name in room.__all__:
                    value = globals()[name] = getattr(room, name)
                    return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():  # noqa: ANN202  (no checker reads it)
        return __all__
