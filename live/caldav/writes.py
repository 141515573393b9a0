"""What CalDAV servers do with writes. The questions are asked of every server; what is believed of iCloud differs."""

from __future__ import annotations

import httpx

from calsync_core.providers.caldav.wire import parse_preconditions
from live.caldav.world import DavWorld, body, new_name
from live.findings import Seen, fact
from live.wire import need

__all__ = [
    "bytes_kept",
    "calendar_twice",
    "changed_uid",
    "create_once",
    "delete_missing",
    "etag_on_put",
    "garbage",
    "lag",
    "match_any",
    "no_end",
    "no_uid",
    "schedule_tag",
    "stale_delete",
    "stale_put",
    "uid_elsewhere",
    "uid_twice",
    "unquoted",
]


@fact("D-IF-NONE-MATCH", "If-None-Match: * creates once (201), and then refuses (412)")
def create_once(world: DavWorld) -> Seen:
    name = new_name()
    first, second = (world.put(name, body(name), If_None_Match="*").status_code for _ in range(2))
    return (first, second) == (201, 412), f"{first}, then {second}"


@fact("D-IF-MATCH-STAR", "If-Match: * overwrites what exists, and creates nothing (412)")
def match_any(world: DavWorld) -> Seen:
    name, missing = world.stored(), new_name()
    here = world.put(name, body(name, "LOCATION:x"), If_Match="*").status_code
    nowhere = world.put(missing, body(missing), If_Match="*").status_code
    return here in {200, 201, 204} and nowhere == 412, f"existing {here}, missing {nowhere}"


@fact("D-IF-MATCH-STALE", "a stale If-Match is refused with 412")
def stale_put(world: DavWorld) -> Seen:
    name = world.stored()
    status = world.put(name, body(name, "LOCATION:x"), If_Match='"stale"').status_code
    return status == 412, f"{status}"


@fact("D-IF-MATCH-UNQUOTED", "an etag without its quotes does not match (412)")
def unquoted(world: DavWorld) -> Seen:
    name = world.stored()
    etag = world.etag(name)
    if not etag.startswith('"'):
        return None, "this etag has no quotes"
    status = world.put(name, body(name, "LOCATION:x"), If_Match=etag.strip('"')).status_code
    return status == 412, f"{status}"


@fact("D-DELETE-STALE", "a DELETE with a stale If-Match is refused with 412")
def stale_delete(world: DavWorld) -> Seen:
    status = world.ask("DELETE", world.stored(), If_Match='"stale"').status_code
    return status == 412, f"{status}"


@fact("D-DELETE-MISSING", "deleting what is not there is answered with 404")
def delete_missing(world: DavWorld) -> Seen:
    status = world.ask("DELETE", new_name()).status_code
    return status == 404, f"{status}"


@fact("D-ETAG-ON-PUT", "a PUT is answered with the new ETag")
def etag_on_put(world: DavWorld) -> Seen:
    name = new_name()
    told = need(world.put(name, body(name))).headers.get("ETag")
    if told is None:
        return False, "none"
    return told == world.etag(name), "the one that GET says" if told == world.etag(name) else "another than GET says"


@fact("D-SCHEDULE-TAG", "a PUT is answered with a Schedule-Tag")
def schedule_tag(world: DavWorld) -> Seen:
    name = new_name()
    told = need(world.put(name, body(name))).headers.get("Schedule-Tag")
    return told is not None, "none" if told is None else "one"


@fact("D-BYTES", "what was sent is what is stored, byte for byte")
def bytes_kept(world: DavWorld) -> Seen:
    name = new_name()
    sent = body(name, "X-PROBE:1")
    need(world.put(name, sent))
    got = need(world.ask("GET", name)).content
    return got == sent.encode(), "the same" if got == sent.encode() else "another text"


@fact("D-NO-DTEND", "an event without DTEND is taken")
def no_end(world: DavWorld) -> Seen:
    name = new_name()
    return _taken(world.put(name, body(name, times=("DTSTART:20260302T100000Z",))))


@fact("D-NO-UID", "an event without a UID is refused")
def no_uid(world: DavWorld) -> Seen:
    return _refused(world.put(new_name(), body(None)))


@fact("D-GARBAGE", "what is no iCalendar is refused")
def garbage(world: DavWorld) -> Seen:
    return _refused(world.put(new_name(), "no calendar at all"))


@fact("D-UID-TWICE", "a second resource with the same UID in the same calendar is refused")
def uid_twice(world: DavWorld) -> Seen:
    return _refused(world.put(new_name(), body(world.stored())))


@fact("D-UID-ELSEWHERE", "the same UID in another calendar is taken")
def uid_elsewhere(world: DavWorld) -> Seen:
    return _taken(world.put(new_name(), body(world.stored()), world.other()))


@fact("D-UID-CHANGED", "a resource can't be given another UID")
def changed_uid(world: DavWorld) -> Seen:
    return _refused(world.put(world.stored(), body(new_name())))


@fact("D-MKCALENDAR-AGAIN", "making a calendar that exists is refused")
def calendar_twice(world: DavWorld) -> Seen:
    return _refused(world.dav.wire.ask("MKCALENDAR", world.url))


@fact("D-LAG", "a write is in the next listing at once")
def lag(world: DavWorld) -> Seen:
    return world.dav.told_lag()


def _taken(answer: httpx.Response) -> Seen:
    return answer.is_success, _told(answer)


def _refused(answer: httpx.Response) -> Seen:
    return answer.is_client_error, _told(answer)


def _told(answer: httpx.Response) -> str:
    named = sorted(name.rpartition("}")[2] for name in parse_preconditions(answer.content)) if answer.is_error else []
    return " ".join([str(answer.status_code), *(name for name in named if name != "href")])
