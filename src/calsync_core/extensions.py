"""Providers and stores by name: those shipped, and those that other packages offer as entry points.

A package offers a provider in the group ``calsync_core.providers`` under the name that accounts use, and a store in
``calsync_core.stores`` under the scheme of its URLs. What is shipped keeps its name: nobody else's takes its place, and
nobody else's is looked for, which means reading what every installed package offers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from calsync_core.errors import CalsyncError, ConfigurationError
from calsync_core.protocols import PublishingProvider, Store

__all__ = ["PROVIDER_GROUP", "STORE_GROUP", "has_provider", "known_providers", "load_provider", "load_store"]

PROVIDER_GROUP = "calsync_core.providers"
"""Its entry points are callables without arguments that give a provider, usually its class."""

STORE_GROUP = "calsync_core.stores"
"""Its entry points are callables that are given the URL and give a store."""

_SHIPPED = {
    "caldav": ("calsync_core.providers.caldav", "CalDAVProvider", "caldav"),
    "google": ("calsync_core.providers.google", "GoogleProvider", "google"),
    "icloud": ("calsync_core.providers.caldav", "ICloudProvider", "caldav"),
    "microsoft": ("calsync_core.providers.microsoft", "MicrosoftProvider", "microsoft"),
}

_DATABASES = frozenset({"mariadb", "mysql", "postgresql", "sqlite"})
"""What the SQL store speaks to, whichever driver is named after it."""


def known_providers() -> frozenset[str]:
    """The names that ``load_provider`` takes. None is imported."""
    return frozenset(_SHIPPED) | frozenset(point.name for point in entry_points(group=PROVIDER_GROUP))


def has_provider(name: str) -> bool:
    """Whether it is one of ``known_providers``."""
    return name in _SHIPPED or name in entry_points(group=PROVIDER_GROUP).names


def load_provider(name: str) -> PublishingProvider:
    """A provider by its name, made as it is by default.

    Raises:
        ConfigurationError: there is none, its extra isn't installed, or its entry point is broken.
    """
    what = f'provider "{name}"'
    if name in _SHIPPED:
        made = _import_shipped(*_SHIPPED[name], what)()
    else:
        made = _made(_entry_point(PROVIDER_GROUP, name, what), what)
    if not isinstance(made, PublishingProvider):
        raise ConfigurationError(f"{what}: its entry point made a {type(made).__name__}, not a provider")
    return made


def load_store(url: str) -> Store:
    """The store for a URL: the SQL store for its databases, or else an entry point named like the scheme.

    Raises:
        ConfigurationError: the extra isn't installed, the URL names no database, or the entry point is broken.
    """
    scheme = url.partition(":")[0]
    what = f'url: store "{scheme}"'
    if scheme.partition("+")[0] in _DATABASES or scheme not in entry_points(group=STORE_GROUP).names:
        sql_store: Store = _import_shipped("calsync_core.stores.sql", "SQLStore", "sql", "url")(url)
        return sql_store
    made = _made(_entry_point(STORE_GROUP, scheme, what), what, url)
    # Not by its type: a store that passes everything on to another one has no methods of its own.
    missing = [name for name in ("load_accounts", "save_changes", "save_plan") if not hasattr(made, name)]
    if missing:
        raise ConfigurationError(f"{what}: its entry point made a {type(made).__name__}, not a store")
    store: Store = made
    return store


def _entry_point(group: str, name: str, what: str) -> EntryPoint:
    points = entry_points(group=group, name=name)
    if not points:
        raise ConfigurationError(f"{what}: it is not installed (no entry point of that name in {group})")
    return points[name]


def _made(point: EntryPoint, what: str, *arguments: object) -> Any:
    """What the entry point's callable gives.

    Raises:
        ConfigurationError: it can't be imported or called; what the callable itself says is wrong goes through.
    """
    try:
        factory: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        # These name modules and attributes. What else a stranger's exception quotes, nobody knows (I-39).
        raise ConfigurationError(f"{what}: entry point {point.value} can't be loaded: {error}") from error
    except Exception as error:
        raise ConfigurationError(
            f"{what}: entry point {point.value} can't be loaded: {type(error).__name__}"
        ) from error
    try:
        return factory(*arguments)
    except CalsyncError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{what}: entry point {point.value} failed: {type(error).__name__}") from error


def _import_shipped(module: str, attribute: str, extra: str, what: str) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("calsync_core"):
            raise
        raise ConfigurationError(
            f"{what}: {error.name} is not installed; it needs the extra: pip install 'calsync-core[{extra}]'"
        ) from None
    return factory
