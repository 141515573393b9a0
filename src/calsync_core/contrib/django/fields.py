"""Columns as the store keeps them, for Django's ORM."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["InstantField"]


class InstantField(models.DateTimeField):  # type: ignore[type-arg]  # generic in its stubs only
    """An aware instant in a column without a time zone, in UTC whatever ``USE_TZ`` and ``TIME_ZONE`` say."""

    def get_internal_type(self) -> str:
        """Not a DateTimeField's: what Django does to those depends on the project's settings."""
        return "InstantField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """As the store's migrations make it."""
        return {"postgresql": "timestamp without time zone", "mysql": "datetime(6)"}.get(connection.vendor, "datetime")

    def from_db_value(self, value: Any, _expression: object, _connection: object) -> datetime | None:
        """Aware."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)

    def get_prep_value(self, value: Any) -> datetime | None:
        """Naive, in UTC. A naive value is UTC already."""
        moment: datetime | None = self.to_python(value)
        return moment if moment is None or moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  (Django's signature)
        """What the column is compared with."""
        moment = value if prepared else self.get_prep_value(value)
        if moment is not None and connection.vendor == "sqlite":
            return moment.isoformat(" ", "microseconds")
        return moment
