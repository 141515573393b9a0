"""Which providers and stores a configuration may name, and how they are made."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from calsync_core.errors import ConfigurationError
from calsync_core.protocols import Provider, Store

__all__ = ["AUTH_TYPES", "build_provider", "build_store", "known_providers", "require_demo"]

PROVIDER_GROUP = "calsync_core.providers"
STORE_GROUP = "calsync_core.stores"

AUTH_TYPES = {
    "caldav": ("password", "bearer"),
    "icloud": ("password",),
    "google": ("bearer", "oauth", "service_account"),
    "microsoft": ("bearer", "oauth", "device"),
}
"""What each service takes; iCloud's password is an app-specific one. A provider not named here may take anything."""

_DEMO_NEEDS = (
    "caldav",
    "icalendar",
    "radicale",
    "recurring_ical_events",
    "sqlalchemy",
    "alembic",
    "google.auth",
    "msal",
)

_SHIPPED = {
    "caldav": ("calsync_core.providers.caldav", "CalDAVProvider", "caldav"),
    "google": ("calsync_core.providers.google", "GoogleProvider", "google"),
    "icloud": ("calsync_core.providers.caldav", "ICloudProvider", "caldav"),
    "microsoft": ("calsync_core.providers.microsoft", "MicrosoftProvider", "microsoft"),
}


def known_providers() -> frozenset[str]:
    """Names that ``provider`` may have: those shipped, and entry points of ``calsync_core.providers``."""
    return frozenset(_SHIPPED) | frozenset(point.name for point in entry_points(group=PROVIDER_GROUP))


def build_provider(name: str) -> Provider:
    """A provider by its name.

    Raises:
        ConfigurationError: its extra isn't installed, or its entry point can't be loaded.
    """
    if name in _SHIPPED:
        module, attribute, extra = _SHIPPED[name]
        factory = _import_shipped(module, attribute, f'provider "{name}"', extra)
    else:
        points = entry_points(group=PROVIDER_GROUP, name=name)
        if not points:
            raise ConfigurationError(
                f'provider "{name}": an account was connected with it, and it is not installed now'
            )
        factory = _load(points[name], f'provider "{name}"')
    made = factory()
    if not isinstance(made, Provider):
        raise ConfigurationError(f'provider "{name}": its entry point made a {type(made).__name__}, not a provider')
    return made


def build_store(url: str) -> Store:
    """The store for a URL: an entry point named like its scheme, or else the SQL store.

    Raises:
        ConfigurationError: the extra isn't installed, or the URL names no database.
    """
    scheme = url.partition(":")[0]
    points = entry_points(group=STORE_GROUP, name=scheme)
    if points:
        factory = _load(points[scheme], f'url: store "{scheme}"')
    else:
        factory = _import_shipped("calsync_core.stores.sql", "SQLStore", "url", "sql")
    made: Store = factory(url)
    return made


def require_demo() -> None:
    """Check that everything the demo starts is installed.

    Raises:
        ConfigurationError: names what is missing, and the extra.
    """
    missing = [name for name in _DEMO_NEEDS if not _is_installed(name)]
    if missing:
        raise ConfigurationError(f"demo: {', '.join(missing)} not installed: pip install 'calsync-core[demo]'")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it is
        return False


def _import_shipped(module: str, attribute: str, what: str, extra: str) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("calsync_core"):
            raise
        raise ConfigurationError(
            f"{what}: {error.name} is not installed; it needs the extra: pip install 'calsync-core[{extra}]'"
        ) from None
    return factory


def _load(point: EntryPoint, what: str) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"{what}: entry point {point.value} can't be loaded: {type(error).__name__}"
        ) from error
    return factory
