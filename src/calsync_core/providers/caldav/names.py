"""Names on a CalDAV server: resources, hrefs, entity tags, and the two names every block of ours carries. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from calsync_core.transport import sendable_etag

__all__ = [
    "TAG_PROPERTY",
    "block_id",
    "block_uid",
    "collection_url",
    "is_collection",
    "key_of",
    "parse_block_name",
    "parse_block_uid",
    "quoted_etag",
    "resource_url",
]

TAG_PROPERTY = "X-CALSYNC-TAG"
_UID = re.compile(r"calsync-([0-9a-v]+)-([0-9]{1,9})", re.ASCII)
_NAME = re.compile(r"calsync-([0-9a-v]+)-([0-9]{1,9})\.ics", re.ASCII)
_SAFE = "-._~!$&'()*+,;=:@"


def block_uid(key: str, generation: int) -> str:
    """The iCalendar UID of a block: the public constant, its key and its generation."""
    return f"calsync-{key}-{generation}"


def block_id(key: str, generation: int) -> str:
    """The resource name of a block."""
    return f"{block_uid(key, generation)}.ics"


def parse_block_uid(uid: str) -> tuple[str, int] | None:
    """Key and generation if the UID is that of a block, whoever's."""
    return _named(_UID.fullmatch(uid))


def parse_block_name(name: str) -> tuple[str, int] | None:
    """Key and generation if the resource name is that of a block, whoever's."""
    return _named(_NAME.fullmatch(name))


def collection_url(base: str, href: str) -> str:
    """The absolute URL of a collection, spelled one way: percent-encoding canonical, slash at the end."""
    parts = urlsplit(urljoin(base, href.strip()))
    path = "/".join(quote(unquote(segment), safe=_SAFE) for segment in parts.path.split("/"))
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    netloc = host if parts.port in {None, default} else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, path.rstrip("/") + "/", "", ""))


def resource_url(collection: str, key: str) -> str:
    """The absolute URL of a resource in a collection."""
    return collection + quote(key, safe=_SAFE)


def key_of(href: str) -> str:
    """A resource's name inside its collection: the last path segment, decoded. Empty for a collection.

    The host and the folders before it may change (iCloud moves accounts between partitions); this does not.
    """
    return unquote(urlsplit(href.strip()).path.rsplit("/", 1)[-1])


def is_collection(href: str, collection: str) -> bool:
    """Whether the href names the collection itself, which iCloud lists among its own members."""
    return unquote(urlsplit(href.strip()).path).rstrip("/") == unquote(urlsplit(collection).path).rstrip("/")


def quoted_etag(etag: str | None) -> str | None:
    """An entity tag as a header needs it: some servers leave the quotes out in XML, and If-Match without them fails."""
    etag = sendable_etag((etag or "").strip())
    if etag is None:
        return None
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def _named(match: re.Match[str] | None) -> tuple[str, int] | None:
    return (match[1], int(match[2])) if match else None
