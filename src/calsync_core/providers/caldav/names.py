"""Names on a CalDAV server: resources, hrefs, entity tags, and the two names every block of ours carries. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from calsync_core.models import Tag

__all__ = [
    "TAG_PROPERTY",
    "block_id",
    "block_uid",
    "build_tag",
    "collection_url",
    "is_collection",
    "key_of",
    "parse_block_name",
    "parse_block_uid",
    "parse_tag",
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


def build_tag(tag: Tag, key: str, generation: int) -> str:
    """The private tag as text."""
    return f"v1;i={tag.installation};o={tag.owner};s={tag.source};k={key};g={generation}"


def parse_tag(text: str) -> tuple[Tag, str, int] | None:
    """The private tag, and the key and generation it was made for; None if it is not whole."""
    version, *pairs = text.strip().split(";")
    values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    try:
        tag = Tag(installation=values["i"], owner=values["o"], source=values["s"])
        key, generation = values["k"], int(values["g"])
    except (KeyError, ValueError):
        return None
    return (tag, key, generation) if version == "v1" else None


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
    etag = (etag or "").strip()
    if not etag:
        return None
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def _named(match: re.Match[str] | None) -> tuple[str, int] | None:
    return (match[1], int(match[2])) if match else None
