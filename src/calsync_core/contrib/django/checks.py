"""What ``manage.py check`` finds out about ``CALSYNC``, the database that it names, and what is made of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  (Django's name)
from django.http.request import validate_host
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from calsync_core.contrib.django.configuration import problems, read_configuration
from calsync_core.contrib.django.installation import Installation
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.errors import ConfigurationError
from calsync_core.transport.addresses import host_of

__all__ = ["check_database", "check_host", "check_pages", "check_places", "check_settings"]


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


def check_places(**_: Any) -> list[CheckMessage]:
    """The addresses in the settings lead to views of the project: pushes, people who log in, and those who are done."""
    if problems() or not getattr(settings, "ROOT_URLCONF", None):
        return []
    configuration, found = read_configuration(), list[CheckMessage]()
    if configuration.public_url is not None:
        try:
            included = reverse("calsync:webhook", kwargs={"route": ""})
        except NoReverseMatch:  # pushes may be taken in by views of the project's own
            included = "/"
        # A proxy may take the beginning of the path off.
        if not f"{urlsplit(configuration.public_url).path.rstrip('/')}/".endswith(included):
            said = f"CALSYNC['public_url']: its path is not {included}, where the URLs are included: pushes get lost"
            found.append(Warning(said, id="calsync.W002"))
    if configuration.connect is not None:
        done = str(configuration.connect.done)
        # A name that there is not is an error of the pages.
        if "/" in done and not _leads_somewhere(done):
            said = f"CALSYNC['connect']: done: {done!r} is no URL of this project: people end at a 404"
            found.append(Warning(said, id="calsync.W003"))
        if not _leads_somewhere(settings.LOGIN_URL):
            said = (
                f"LOGIN_URL: {str(settings.LOGIN_URL)!r} is no URL of this project: the connect pages send people there"
            )
            found.append(Warning(said, id="calsync.W004"))
    return found


def _leads_somewhere(place: Any) -> bool:
    """Whether a path, or the name of a URL pattern, is one of the project's; another site's address is."""
    try:
        url = urlsplit(resolve_url(place))
    except NoReverseMatch:
        return False
    if url.netloc:
        return True
    path = f"/{url.path.removeprefix(get_script_prefix())}"
    for tried in (path, f"{path}/"):  # as ``APPEND_SLASH`` has it
        try:
            resolve(tried)
        except Resolver404:
            continue
        return True
    return False


register(check_settings)
register(check_host)
register(check_database, Tags.models)
register(check_pages, Tags.urls)
register(check_places, Tags.urls)
