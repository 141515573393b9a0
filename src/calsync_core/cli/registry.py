"""What the command line knows of logins and of what the demo needs."""

from __future__ import annotations

from importlib.util import find_spec

from calsync_core.errors import ConfigurationError

__all__ = ["AUTH_TYPES", "DEMO_NEEDS", "require_demo"]

AUTH_TYPES = {
    "caldav": ("password", "bearer"),
    "icloud": ("password",),
    "google": ("bearer", "oauth", "service_account"),
    "microsoft": ("bearer", "oauth", "device"),
}
"""What each service takes; iCloud's password is an app-specific one. A provider not named here may take anything."""

DEMO_NEEDS = (
    "icalendar",
    "lxml",
    "radicale",
    "recurring_ical_events",
    "sqlalchemy",
    "alembic",
    "google.auth",
    "msal",
)


def require_demo() -> None:
    """Check that everything the demo starts is installed.

    Raises:
        ConfigurationError: names what is missing, and the extra.
    """
    missing = [name for name in DEMO_NEEDS if not _is_installed(name)]
    if missing:
        raise ConfigurationError(f"demo: {', '.join(missing)} not installed: pip install 'calsync-core[demo]'")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it is
        return False
