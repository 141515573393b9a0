"""WebDAV bodies: built as text, parsed into values. Pure; entities and document types are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from attrs import field, frozen
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (a compiled module without stubs)

from calsync_core.errors import UnreadableAnswer
from calsync_core.providers.caldav.names import quoted_etag

__all__ = [
    "CALDAV",
    "CALSERVER",
    "DAV",
    "Entry",
    "Multistatus",
    "build_multiget",
    "build_propfind",
    "build_sync",
    "parse_multistatus",
    "parse_preconditions",
]

DAV = "DAV:"
CALDAV = "urn:ietf:params:xml:ns:caldav"
CALSERVER = "http://calendarserver.org/ns/"
_PREFIXES = {DAV: "D", CALDAV: "C", CALSERVER: "S"}
_SPACES = " ".join(f'xmlns:{prefix}="{space}"' for space, prefix in _PREFIXES.items())
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'


@frozen
class Entry:
    """One ``response`` of a multistatus.

    Attributes:
        href: As the server wrote it.
        status: Of the resource as a whole: its own, or 200 if any property was found, or its propstats' worst.
        properties: Property elements found, by Clark name (``{DAV:}getetag``).
    """

    href: str
    status: int
    properties: Mapping[str, etree._Element] = field(repr=False)

    def text(self, name: str) -> str | None:
        """The property's text, or None if it is absent or empty."""
        element = self.properties.get(name)
        text = element.text if element is not None else None
        return text if text and text.strip() else None

    def hrefs(self, name: str) -> list[str]:
        """The hrefs inside the property, preferred ones first; what is no URL is left out."""
        element = self.properties.get(name)
        nodes = [] if element is None else [node for node in element.iter(f"{{{DAV}}}href") if _is_url(node.text)]
        nodes.sort(key=lambda node: node.get("preferred") != "1")
        return [(node.text or "").strip() for node in nodes]

    def names(self, name: str) -> frozenset[str] | None:
        """Clark names of every element inside the property; None if it is absent."""
        element = self.properties.get(name)
        if element is None:
            return None
        return frozenset(str(node.tag) for node in element.iterdescendants(etree.Element))

    @property
    def etag(self) -> str | None:
        """The entity tag, quoted."""
        return quoted_etag(self.text(f"{{{DAV}}}getetag"))

    @property
    def data(self) -> str | None:
        """The iCalendar text."""
        return self.text(f"{{{CALDAV}}}calendar-data")


@frozen
class Multistatus:
    """A whole 207 answer."""

    entries: tuple[Entry, ...]
    sync_token: str | None = None


def build_propfind(*names: str) -> str:
    """A PROPFIND for properties given by Clark name."""
    return f"{_HEAD}<D:propfind {_SPACES}>{_props(names)}</D:propfind>"


def build_sync(token: str, *, data: bool) -> str:
    """A sync-collection REPORT (RFC 6578). Never limited: a server was seen to lose what lies beyond a limit."""
    names = [f"{{{DAV}}}getetag", *([f"{{{CALDAV}}}calendar-data"] if data else [])]
    return (
        f"{_HEAD}<D:sync-collection {_SPACES}><D:sync-token>{escape(token)}</D:sync-token>"
        f"<D:sync-level>1</D:sync-level>{_props(names)}</D:sync-collection>"
    )


def build_multiget(paths: Iterable[str]) -> str:
    """A calendar-multiget REPORT (RFC 4791 section 7.9) for these paths."""
    hrefs = "".join(f"<D:href>{escape(path)}</D:href>" for path in paths)
    names = [f"{{{DAV}}}getetag", f"{{{CALDAV}}}calendar-data"]
    return f"{_HEAD}<C:calendar-multiget {_SPACES}>{_props(names)}{hrefs}</C:calendar-multiget>"


def parse_multistatus(body: bytes) -> Multistatus:
    """Read a 207 answer.

    Raises:
        UnreadableAnswer: it is no well-formed multistatus.
    """
    root = _parse(body)
    if root.tag != f"{{{DAV}}}multistatus":
        raise UnreadableAnswer("the answer is not a WebDAV multistatus")
    entries = [entry for node in root.iterchildren(f"{{{DAV}}}response") for entry in _entries(node)]
    token = root.findtext(f"{{{DAV}}}sync-token")
    return Multistatus(tuple(entries), token.strip() if token and token.strip() else None)


def parse_preconditions(body: bytes) -> frozenset[str]:
    """Clark names of the elements in a ``DAV:error`` body; empty if there is none (many errors come as HTML)."""
    try:
        root = _parse(body)
    except UnreadableAnswer:
        return frozenset()
    if root.tag != f"{{{DAV}}}error":
        return frozenset()
    return frozenset(str(node.tag) for node in root.iterdescendants(etree.Element))


def _props(names: Iterable[str]) -> str:
    def tag(name: str) -> str:
        space, _, local = name.removeprefix("{").partition("}")
        return f"<{_PREFIXES[space]}:{local}/>"

    return f"<D:prop>{''.join(tag(name) for name in names)}</D:prop>"


def _parse(body: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise UnreadableAnswer("the answer is not well-formed XML") from None
    if root.getroottree().docinfo.doctype:
        raise UnreadableAnswer("the answer declares a document type, which no WebDAV answer does")
    return root


def _entries(node: etree._Element) -> list[Entry]:
    hrefs = [href for each in node.iterchildren(f"{{{DAV}}}href") if (href := (each.text or "").strip())]
    own = node.findtext(f"{{{DAV}}}status")
    found: dict[str, etree._Element] = {}
    statuses = []
    for propstat in node.iterchildren(f"{{{DAV}}}propstat"):
        status = _code(propstat.findtext(f"{{{DAV}}}status"))
        statuses.append(status)
        if 200 <= status < 300:
            for prop in propstat.iterchildren(f"{{{DAV}}}prop"):
                found.update((str(child.tag), child) for child in prop.iterchildren(etree.Element))
    if not all(map(_is_url, hrefs)):
        # Left out, it would be taken for gone.
        raise UnreadableAnswer("the answer names a resource by what is no URL")
    # A propstat speaks of properties: its 404 never means that the resource is gone.
    failed = [each for each in statuses if each not in {404, 410} and not 200 <= each < 300]
    implied = max(failed) if failed and len(failed) == len(statuses) else 200
    status = implied if own is None else _code(own)
    return [Entry(href, status, found) for href in hrefs]


def _code(status: str | None) -> int:
    parts = (status or "HTTP/1.1 200 OK").split()
    return int(parts[1]) if len(parts) > 1 and len(parts[1]) == 3 and parts[1].isdecimal() else 500


def _is_url(text: str | None) -> bool:
    """Whether it can be read as one, absolute or not."""
    try:
        _ = urlsplit(text or "").port
    except ValueError:
        return False
    return bool(text)
