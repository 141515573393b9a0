"""Which addresses credentials may be sent to (I-38). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from calsync_core.errors import InvalidValue

__all__ = ["Permitted", "checked_base", "host_of", "problem_with"]

# Letters of any script, IPv6 and its zone apart. Readers of URLs differ over everything else: for some of them a
# backslash ends the host, so that ``evil.example\.icloud.com`` is a host of Apple's here and a stranger's there.
_HOST = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,126}\.?|[0-9a-f:.]{2,45}(?:%\w{1,20})?")


def problem_with(url: str) -> str | None:
    """Why no credential may go there, as the end of a sentence; None if nothing speaks against it.

    Never quotes the URL: what is wrong with it may be a password in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in {"http", "https"} or not host or any(letter.isspace() for letter in url):
        return "must be a URL that starts with https:// and names a host"
    if not _HOST.fullmatch(host):
        return "names no host that everybody reads alike"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password; they belong to the login"
    if parts.scheme == "http" and not _loopback(host):
        return "plain http:// is accepted for this machine (loopback) only; use https://"
    return None


def checked_base(base_url: str | None) -> str:
    """The base URL as given.

    Raises:
        InvalidValue: it is missing, no http(s) URL, holds a password, or is plain http to another machine (I-44).
    """
    if not base_url:
        raise InvalidValue("base_url: the account needs the server's address")
    problem = problem_with(base_url)
    if problem:
        raise InvalidValue(f"base_url: {problem}")
    return base_url


def host_of(url: str) -> str:
    """The host's name in lower case; empty if there is none, or none that may be shown."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


class Permitted:
    """The hosts to which an account's credentials may go.

    Args:
        base: A checked base URL; its host and port are permitted.
        further: ``dav.example.com``, ``dav.example.com:8443`` or ``*.example.com``.
    """

    def __init__(self, base: str, further: Collection[str] = ()) -> None:
        self._own = _netloc(base)
        self._further = frozenset(host.lower() for host in further)

    def allows(self, url: str) -> bool:
        """Whether credentials may be sent there."""
        if problem_with(url):
            return False
        host, netloc = host_of(url), _netloc(url)
        return netloc == self._own or any(
            each in {host, netloc} or (each.startswith("*.") and host.endswith(each[1:])) for each in self._further
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _netloc(url: str) -> str:
    parts = urlsplit(url)
    return f"{host_of(url)}:{parts.port or {'http': 80}.get(parts.scheme, 443)}"
