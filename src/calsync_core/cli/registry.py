"""Which stores and logins a configuration may name, and what the demo needs."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec

from calsync_core.errors import ConfigurationError
from calsync_core.protocols import Store
from calsync_core.providers.registry import import_shipped, load_point

__all__ = ["AUTH_TYPES", "build_store", "require_demo"]

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


def build_store(url: str) -> Store:
    """The store for a URL: an entry point named like its scheme, or else the SQL store.

    Raises:
        ConfigurationError: the extra isn't installed, or the URL names no database.
    """
    scheme = url.partition(":")[0]
    points = entry_points(group=STORE_GROUP, name=scheme)
    if points:
        factory = load_point(points[scheme], f'url: store "{scheme}"')
    else:
        factory = import_shipped("calsync_core.stores.sql", "SQLStore", "url", "sql")
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
