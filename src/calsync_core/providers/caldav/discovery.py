"""Who a login is and which calendars it has (RFC 4791, RFC 5397, RFC 6638, RFC 6764)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit

from attrs import frozen

from calsync_core.errors import AuthExpired, NotFound, Rejected, Unavailable, UnreadableAnswer
from calsync_core.icalendar.reader import parse_zone_name
from calsync_core.models import CalendarRole, RemoteCalendar
from calsync_core.providers.caldav.names import collection_url
from calsync_core.providers.caldav.transport import DavLink
from calsync_core.providers.caldav.wire import (
    CALDAV,
    CALSERVER,
    DAV,
    Entry,
    build_propfind,
    parse_multistatus,
)
from calsync_core.transport import Answer

__all__ = ["Principal", "find_principal", "list_collections", "role_of"]

_PRINCIPAL = f"{{{DAV}}}current-user-principal"
_HOME = f"{{{CALDAV}}}calendar-home-set"
_ADDRESSES = f"{{{CALDAV}}}calendar-user-address-set"
_TYPE = f"{{{DAV}}}resourcetype"
_NAME = f"{{{DAV}}}displayname"
_OWNER = f"{{{DAV}}}owner"
_PRIVILEGES = f"{{{DAV}}}current-user-privilege-set"
_COMPONENTS = f"{{{CALDAV}}}supported-calendar-component-set"
_ZONE = f"{{{CALDAV}}}calendar-timezone"
_DEFAULT = f"{{{CALDAV}}}schedule-default-calendar-URL"
_WRITING = {f"{{{DAV}}}{name}" for name in ("all", "write", "write-content", "bind")}
_READING = {f"{{{DAV}}}read", *_WRITING}
_FREE_BUSY = f"{{{CALDAV}}}read-free-busy"
_MOST_HOMES = 50
"""Each is asked for. People have one, seldom two."""


@frozen
class Principal:
    """The login as the server knows it.

    Attributes:
        url: Absolute, canonical.
        homes: Absolute URLs of the collections that hold its calendars.
        addresses: Its mail addresses in lower case, the preferred one first.
    """

    url: str
    homes: tuple[str, ...]
    addresses: tuple[str, ...]


def find_principal(link: DavLink) -> Principal:
    """Ask the base URL, then the well-known address, then the root.

    Raises:
        AuthExpired: the login is refused, or the server treats it as nobody.
        Rejected: there is no CalDAV service at any of them.
    """
    for url in dict.fromkeys((link.base, urljoin(link.base, "/.well-known/caldav"), urljoin(link.base, "/"))):
        entry, answer = _look(link, url, _PRINCIPAL, _HOME, _ADDRESSES)
        if entry is None:
            continue
        if f"{{{DAV}}}unauthenticated" in (entry.names(_PRINCIPAL) or ()):
            raise AuthExpired("the server treats this login as unauthenticated")
        own = next(iter(entry.hrefs(_PRINCIPAL)), None)
        if own is not None:
            principal = collection_url(answer.url, own)
            if principal != collection_url(answer.url, "") or not entry.hrefs(_HOME):
                entry, answer = _look(link, principal, _HOME, _ADDRESSES)
            return _principal(link, principal, entry, answer)
        if entry.hrefs(_HOME):
            return _principal(link, collection_url(answer.url, ""), entry, answer)
    raise Rejected(f"no CalDAV service at {link.base}")


def list_collections(link: DavLink, principal: Principal) -> list[RemoteCalendar]:
    """The collections of all its homes that can hold events, in the server's order.

    Raises:
        NotFound: the server names a home that does not exist.
        Rejected: a home is on a host that is not allowed.
    """
    entries = [found for home in principal.homes for found in _members(link, home)]
    defaults = {collection_url(url, href) for url, entry in entries for href in entry.hrefs(_DEFAULT)}
    calendars: dict[str, RemoteCalendar] = {}
    for url, entry in entries:
        if _holds_events(entry):
            remote_id = collection_url(url, entry.href)
            calendars.setdefault(remote_id, _calendar(remote_id, entry, principal, primary=remote_id in defaults))
    return list(calendars.values())


def role_of(entry: Entry, principal_url: str | None) -> CalendarRole:
    """What the login may do. A server that names no privileges does not thereby forbid writing."""
    privileges = entry.names(_PRIVILEGES)
    if privileges is not None and privileges and not privileges & _WRITING:
        return CalendarRole.FREE_BUSY if _FREE_BUSY in privileges and not privileges & _READING else CalendarRole.READER
    owner = next(iter(entry.hrefs(_OWNER)), None)
    if owner and principal_url and _path(owner) != _path(principal_url):
        return CalendarRole.WRITER
    return CalendarRole.OWNER


def _look(link: DavLink, url: str, *names: str) -> tuple[Entry | None, Answer]:
    answer = link.send("PROPFIND", url, build_propfind(*names), {"Depth": "0"})
    if answer.status == 403:
        raise AuthExpired("the server refused the login (403)")
    if answer.status != 207:
        return None, answer
    try:
        entries = parse_multistatus(answer.body).entries
    except UnreadableAnswer:
        return None, answer
    return (entries[0] if entries else None), answer


def _principal(link: DavLink, url: str, entry: Entry | None, answer: Answer) -> Principal:
    homes = [collection_url(answer.url, href) for href in entry.hrefs(_HOME)] if entry else []
    if len(homes) > _MOST_HOMES:
        raise UnreadableAnswer(f"the server names more than {_MOST_HOMES} calendar homes")
    mails = [href for href in entry.hrefs(_ADDRESSES) if href.lower().startswith("mailto:")] if entry else []
    addresses = tuple(unquote(mail[len("mailto:") :]).lower() for mail in mails)
    return Principal(url, tuple(dict.fromkeys(homes or [url, link.base])), addresses)


def _members(link: DavLink, home: str) -> Iterator[tuple[str, Entry]]:
    names = (_NAME, _TYPE, _OWNER, _PRIVILEGES, _COMPONENTS, _ZONE, _DEFAULT)
    answer = link.send("PROPFIND", home, build_propfind(*names), {"Depth": "1"})
    if answer.status in {404, 410}:
        raise NotFound("the server names a calendar home that does not exist")
    if answer.status == 403:
        raise AuthExpired("the server refused the login (403)")
    if answer.status != 207:
        raise Unavailable(f"the calendars can't be listed ({answer.status})")
    for entry in parse_multistatus(answer.body).entries:
        yield answer.url, entry


def _holds_events(entry: Entry) -> bool:
    types = entry.names(_TYPE) or frozenset()
    if f"{{{CALDAV}}}calendar" not in types or f"{{{CALSERVER}}}subscribed" in types:
        return False
    components = entry.properties.get(_COMPONENTS)
    if components is None:
        return True
    names = {(node.get("name") or "").upper() for node in components}
    return not names or "VEVENT" in names


def _calendar(remote_id: str, entry: Entry, principal: Principal, *, primary: bool) -> RemoteCalendar:
    zone = parse_zone_name(entry.text(_ZONE) or "")
    return RemoteCalendar(
        remote_id=remote_id,
        name=entry.text(_NAME) or unquote(remote_id.rstrip("/").rsplit("/", 1)[-1]),
        role=role_of(entry, principal.url),
        timezone=zone.key if zone else None,
        primary=primary,
    )


def _path(href: str) -> str:
    return unquote(urlsplit(href).path).rstrip("/")
