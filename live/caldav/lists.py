"""What CalDAV servers do with listings, tokens and reports."""

from __future__ import annotations

from urllib.parse import urlsplit

from calsync_core.providers.caldav.names import is_collection, key_of
from calsync_core.providers.caldav.wire import (
    DAV,
    Multistatus,
    build_multiget,
    build_sync,
    parse_multistatus,
    parse_preconditions,
)
from live.caldav.service import home_host_differs
from live.caldav.world import DavWorld, body, new_name
from live.findings import Seen, Unanswered, fact
from live.wire import need

__all__ = [
    "data_in_sync",
    "deletion",
    "foreign_token",
    "free_busy",
    "garbage_token",
    "home_elsewhere",
    "limit",
    "listed_itself",
    "multiget_missing",
    "principal_children",
    "pushes",
    "tombstones",
    "unauthenticated",
]

_FREE_BUSY = (
    '<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav">'
    '<C:time-range start="20260301T000000Z" end="20260401T000000Z"/></C:free-busy-query>'
)


@fact("D-SYNC-GARBAGE", "a sync token that is none is refused, with valid-sync-token")
def garbage_token(world: DavWorld) -> Seen:
    return _token_refused(world, "http://calsync.invalid/no-such-token")


@fact("D-SYNC-FOREIGN", "another calendar's sync token is refused, with valid-sync-token")
def foreign_token(world: DavWorld) -> Seen:
    # An empty calendar's token may be that of every empty one.
    name = new_name()
    need(world.put(name, body(name), world.other()))
    return _token_refused(world, _token(world.synced(calendar=world.other())))


@fact("D-SYNC-DELETED", "a deletion is reported with status 404")
def deletion(world: DavWorld) -> Seen:
    name = world.stored()
    token = _token(world.synced())
    need(world.ask("DELETE", name))
    found = [entry.status for entry in world.synced(token).entries if key_of(entry.href) == f"{name}.ics"]
    return found == [404], f"{found[0]}" if found else "not reported"


@fact("D-SYNC-TOMBSTONES", "a first sync, without a token, lists nothing that is deleted")
def tombstones(world: DavWorld) -> Seen:
    name = world.stored()
    need(world.ask("DELETE", name))
    gone = [entry for entry in world.synced().entries if entry.status == 404]
    return not gone, f"{'none' if not gone else 'some'} listed"


@fact("D-SYNC-ITSELF", "the calendar is not listed among its own members")
def listed_itself(world: DavWorld) -> Seen:
    world.stored()
    own = any(is_collection(entry.href, world.url) for entry in world.synced().entries)
    return not own, "listed" if own else "not listed"


@fact("D-SYNC-DATA", "a sync that asks for the data gets it")
def data_in_sync(world: DavWorld) -> Seen:
    world.stored()
    answer = need(world.report(build_sync("", data=True), depth="0"), 207)
    with_data = sum(entry.data is not None for entry in parse_multistatus(answer.content).entries)
    return with_data > 0, f"{'with' if with_data else 'without'} data"


@fact("D-SYNC-LIMIT", "a limit on a sync either is ignored or can be resumed from: nothing is lost")
def limit(world: DavWorld) -> Seen:
    names = {f"{world.stored()}.ics" for _ in range(2)}
    limited = build_sync("", data=False).replace(
        "<D:sync-level>1</D:sync-level>", "<D:sync-level>1</D:sync-level><D:limit><D:nresults>1</D:nresults></D:limit>"
    )
    first = parse_multistatus(need(world.report(limited, depth="0"), 207).content)
    seen = {key_of(entry.href) for entry in first.entries}
    if names <= seen:
        return True, "ignored"
    told = any(entry.status == 507 for entry in first.entries)
    rest = {key_of(entry.href) for entry in world.synced(_token(first)).entries}
    return names <= seen | rest, f"{'507' if told else 'no 507'}, rest {'found' if names <= seen | rest else 'lost'}"


@fact("D-MULTIGET-MISSING", "a multiget reports what is not there with 404")
def multiget_missing(world: DavWorld) -> Seen:
    here, missing = world.stored(), new_name()
    paths = [f"{urlsplit(world.url).path}{name}.ics" for name in (here, missing)]
    answer = need(world.report(build_multiget(paths)), 207)
    found = {key_of(entry.href): entry.status for entry in parse_multistatus(answer.content).entries}
    status = found.get(f"{missing}.ics")
    return status == 404, "left out" if status is None else f"{status}"


@fact("D-FREE-BUSY", "a free-busy-query is answered")
def free_busy(world: DavWorld) -> Seen:
    status = world.report(_FREE_BUSY).status_code
    return status == 200, f"{status}"


@fact("D-UNAUTHENTICATED", "without a login everything is refused with 401, and Basic is offered")
def unauthenticated(world: DavWorld) -> Seen:
    answer = world.dav.wire.ask("PROPFIND", world.dav.wire.base, headers={"Depth": "0"}, anonymous=True)
    basic = "basic" in answer.headers.get("WWW-Authenticate", "").lower()
    return answer.status_code == 401 and basic, f"{answer.status_code}, Basic {'offered' if basic else 'not offered'}"


@fact("D-PRINCIPAL-CHILDREN", "a PROPFIND of depth 1 on the principal is answered")
def principal_children(world: DavWorld) -> Seen:
    status = world.dav.propfind(world.dav.principal, f"{{{DAV}}}resourcetype", depth="1").status_code
    return status == 207, f"{status}"


@fact("D-HOME-HOST", "the calendars are on the host that was asked first")
def home_elsewhere(world: DavWorld) -> Seen:
    elsewhere = home_host_differs(world.dav)
    return not elsewhere, "on another" if elsewhere else "on the same"


@fact("D-WEBDAV-PUSH", "the server offers WebDAV-Push")
def pushes(world: DavWorld) -> Seen:
    offered = "webdav-push" in world.dav.wire.ask("OPTIONS", world.url).headers.get("DAV", "").lower()
    return offered, "offered" if offered else "not offered"


def _token(found: Multistatus) -> str:
    if found.sync_token is None:
        raise Unanswered("the sync gave no token")
    return found.sync_token


def _token_refused(world: DavWorld, token: str) -> Seen:
    answer = world.report(build_sync(token, data=False), depth="0")
    told = f"{{{DAV}}}valid-sync-token" in parse_preconditions(answer.content)
    if answer.status_code == 207:
        return False, f"207 with {len(parse_multistatus(answer.content).entries)} entries"
    return told, f"{answer.status_code} {'valid-sync-token' if told else ''}".strip()
