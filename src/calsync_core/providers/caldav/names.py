"""Names on a CalDAV server: resources, hrefs, entity tags. Pure."""

from __future__ import annotations

from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from calsync_core.transport import sendable_etag

__all__ = [
    "collection_url",
    "is_collection",
    "key_of",
    "quoted_etag",
    "resource_url",
]

_SAFE = "-._~!$&'()*+,;=:@"


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
