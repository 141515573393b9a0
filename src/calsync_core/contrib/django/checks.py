"""What ``manage.py check`` finds out about ``CALSYNC``, and about the database that it names."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.utils.connection import ConnectionDoesNotExist

from calsync_core.contrib.django.configuration import problems, read_configuration
from calsync_core.contrib.django.database import dialect_of
from calsync_core.errors import ConfigurationError

__all__ = ["check_database", "check_settings"]


def check_settings(**_: Any) -> list[CheckMessage]:
    """One error for each mistake."""
    return [Error(each, id="calsync.E001") for each in problems()]


def check_database(**_: Any) -> list[CheckMessage]:
    """A database of a kind that the store works with."""
    try:
        dialect_of(connections[read_configuration().database])
    except ConnectionDoesNotExist:
        return []
    except ConfigurationError as error:
        said = str(error)
        return [Error(said, id="calsync.E002")] if said.startswith("DATABASES") else []
    return []


register(check_settings)
register(check_database, Tags.models)
