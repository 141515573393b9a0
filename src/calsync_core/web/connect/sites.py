"""Where the pages are, as browsers see it. Nothing here comes from a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from attrs import frozen

from calsync_core.errors import ConfigurationError
from calsync_core.models import AccountId
from calsync_core.transport import problem_with

__all__ = ["Site", "local_path"]

# A second slash, or a backslash, which browsers take for one, would make it another host's.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def local_path(name: str, path: str) -> str:
    """A path on this very host, perhaps with a query.

    Raises:
        ConfigurationError: starts with the name; it leads elsewhere, or can't be a header's value.
    """
    if not isinstance(path, str) or not _LOCAL.fullmatch(path):
        raise ConfigurationError(f"{name}: must be a path on this host that starts with one slash, in ASCII")
    return path


@frozen
class Site:
    """The place that the connect application is mounted at.

    Attributes:
        url: Without a slash at its end.
    """

    url: str

    @classmethod
    def of(cls, public_url: str) -> Site:
        """Checked.

        Raises:
            ConfigurationError: it is no https address (http to this machine apart), or has a query or fragment.
        """
        problem = problem_with(public_url)
        if problem is None and (set(public_url) & set("?#\\") or not public_url.isascii()):
            problem = "must have no query, fragment or backslash, in ASCII"
        if problem is not None:
            raise ConfigurationError(f"public_url: {problem}")
        return cls(public_url.rstrip("/"))

    @property
    def secure(self) -> bool:
        """Browsers reach it by https."""
        return urlsplit(self.url).scheme == "https"

    @property
    def origin(self) -> str:
        """As browsers write it in ``Origin``."""
        parts = urlsplit(self.url)
        default = {"http": 80, "https": 443}[parts.scheme]
        port = "" if parts.port in {None, default} else f":{parts.port}"
        host = str(parts.hostname)
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"

    @property
    def home(self) -> str:
        """The path of the first page."""
        return f"{urlsplit(self.url).path}/"

    def start(self, provider: str, account: AccountId | None = None) -> str:
        """The path of a provider's page, perhaps to connect an account again."""
        query = "" if account is None else f"?account={account}"
        return f"{self.home}{quote(provider)}{query}"

    def calendars(self, account: AccountId) -> str:
        """The path of an account's calendars."""
        return f"{self.home}accounts/{account}/calendars"

    def callback(self, provider: str) -> str:
        """The redirect URI: the address that the provider sends people back to."""
        return f"{self.url}/{quote(provider)}/callback"

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser says that a form came from another site's page.

        Of a page without a referrer, as ours are, browsers say ``Origin: null``; the form's token proves the rest.
        """
        origin, where = headers.get("origin"), headers.get("sec-fetch-site")
        return origin not in {None, "null", self.origin} or where not in {None, "none", "same-origin"}
