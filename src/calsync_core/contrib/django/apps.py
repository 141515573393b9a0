"""The application, for ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["CalsyncConfig"]


class CalsyncConfig(AppConfig):
    """``calsync_core.contrib.django``, called ``calsync``."""

    name = "calsync_core.contrib.django"
    label = "calsync"
    verbose_name = "Calendar sync"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have ``manage.py check`` look at ``CALSYNC``."""
        from calsync_core.contrib.django import checks  # noqa: F401, PLC0415  (Django's way: not before it is ready)
