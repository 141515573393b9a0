"""What ``manage.py check`` finds out about ``CALSYNC``, the database that it names, and what is made of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  (Django's name)
from django.http.request import validate_host
from django.urls import NoReverseMatch

from calsync_core.contrib.django.configuration import problems, read_configuration
from calsync_core.contrib.django.installation import Installation
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.errors import ConfigurationError
from calsync_core.transport.addresses import host_of

__all__ = ["check_database", "check_host", "check_pages", "check_settings"]


def check_settings(**_: Any) -> list[CheckMessage]:
    """One error for each mistake."""
    return [Error(each, id="calsync.E001") for each in problems()]


def check_database(**_: Any) -> list[CheckMessage]:
    """It must be of a kind that the store works with. Opens nothing."""
    if problems():
        return []
    try:
        DjangoStore(read_configuration().database)
    except ConfigurationError as error:
        return [Error(str(error), id="calsync.E002")]
    return []


def check_host(**_: Any) -> list[CheckMessage]:
    """Django answers pushes, and people, with 400 unless it may be asked under the name in their ``public_url``."""
    if problems():
        return []
    said = read_configuration()
    found = []
    if not _is_allowed(said.public_url):
        found.append("CALSYNC['public_url']: its host is not in ALLOWED_HOSTS: pushes are refused")
    if said.connect is not None and not _is_allowed(said.connect.public_url):
        found.append("CALSYNC['connect']: public_url: its host is not in ALLOWED_HOSTS: the connect pages are refused")
    return [Warning(each, id="calsync.W001") for each in found]


def _is_allowed(address: str | None) -> bool:
    """Whether Django answers under this address; None: nobody asks it there."""
    if address is None:
        return True
    # As ``HttpRequest.get_host`` compares: IPv6 in its brackets.
    host = host_of(address)
    allowed = settings.ALLOWED_HOSTS or [".localhost", "127.0.0.1", "[::1]"]
    return validate_host(f"[{host}]" if ":" in host else host, allowed)


def check_pages(**_: Any) -> list[CheckMessage]:
    """Providers can be made, and the connect pages, which may name one of the project's URLs."""
    if problems() or check_database():
        return []
    made = None
    try:
        made = Installation.of(read_configuration())
        made.connect()
    except (ConfigurationError, NoReverseMatch) as error:
        where = "CALSYNC" if made is None else "CALSYNC['connect']"
        said = str(error)
        return [Error(said if said.startswith("CALSYNC") else f"{where}: {said}", id="calsync.E003")]
    return []


register(check_settings)
register(check_host)
register(check_database, Tags.models)
register(check_pages, Tags.urls)
