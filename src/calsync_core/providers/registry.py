"""Which providers a configuration may name, and how they are made: those shipped, and entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from calsync_core.errors import ConfigurationError
from calsync_core.protocols import Provider

__all__ = ["build_provider", "import_shipped", "known_providers", "load_point"]

PROVIDER_GROUP = "calsync_core.providers"

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
        factory = import_shipped(module, attribute, f'provider "{name}"', extra)
    else:
        points = entry_points(group=PROVIDER_GROUP, name=name)
        if not points:
            raise ConfigurationError(
                f'provider "{name}": an account was connected with it, and it is not installed now'
            )
        factory = load_point(points[name], f'provider "{name}"')
    made = factory()
    if not isinstance(made, Provider):
        raise ConfigurationError(f'provider "{name}": its entry point made a {type(made).__name__}, not a provider')
    return made


def import_shipped(module: str, attribute: str, what: str, extra: str) -> Callable[..., Any]:
    """What makes something that comes with an extra.

    Raises:
        ConfigurationError: the extra isn't installed.
    """
    try:
        factory: Callable[..., Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("calsync_core"):
            raise
        raise ConfigurationError(
            f"{what}: {error.name} is not installed; it needs the extra: pip install 'calsync-core[{extra}]'"
        ) from None
    return factory


def load_point(point: EntryPoint, what: str) -> Callable[..., Any]:
    """What an entry point names.

    Raises:
        ConfigurationError: it can't be loaded.
    """
    try:
        factory: Callable[..., Any] = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"{what}: entry point {point.value} can't be loaded: {type(error).__name__}"
        ) from error
    return factory
