"""CalDAV's facts: what holds of servers in general, and what is said of iCloud."""

from __future__ import annotations

from live.caldav import lists, writes
from live.caldav.world import DavWorld
from live.findings import Probe

__all__ = ["CALDAV_PROBES", "ICLOUD_PROBES", "DavWorld"]

_COMMON: tuple[Probe[DavWorld], ...] = (
    writes.create_once,
    writes.stale_put,
    writes.unquoted,
    writes.stale_delete,
    writes.delete_missing,
    writes.bytes_kept,
    writes.no_uid,
    writes.garbage,
    writes.uid_twice,
    writes.changed_uid,
    writes.calendar_twice,
    lists.garbage_token,
    lists.foreign_token,
    lists.deletion,
    lists.tombstones,
    lists.data_in_sync,
    lists.limit,
    lists.multiget_missing,
    lists.unauthenticated,
)

CALDAV_PROBES: tuple[Probe[DavWorld], ...] = (
    *_COMMON,
    writes.match_any,
    writes.etag_on_put,
    writes.schedule_tag,
    writes.no_end,
    writes.uid_elsewhere,
    lists.listed_itself,
    lists.free_busy,
    lists.principal_children,
    lists.home_elsewhere,
    lists.pushes,
    writes.lag,
)

ICLOUD_PROBES: tuple[Probe[DavWorld], ...] = (
    *_COMMON,
    writes.match_any.denied("I-IF-MATCH-STAR", "If-Match: * is backwards: 412 for what exists, and creates the rest"),
    writes.etag_on_put,
    writes.schedule_tag.denied("I-SCHEDULE-TAG", "a PUT is answered without a Schedule-Tag"),
    writes.no_end.denied("I-NO-DTEND", "an event without DTEND is refused"),
    writes.uid_elsewhere.denied("I-UID-ELSEWHERE", "the same UID in another calendar is refused"),
    lists.listed_itself.denied("I-SYNC-ITSELF", "the calendar is listed among its own members"),
    lists.free_busy.denied("I-FREE-BUSY", "a free-busy-query is refused"),
    lists.principal_children.denied("I-PRINCIPAL-CHILDREN", "a PROPFIND of depth 1 on the principal is refused"),
    lists.home_elsewhere.denied("I-HOME-HOST", "the calendars are on a partition's host"),
    lists.pushes.denied("I-WEBDAV-PUSH", "WebDAV-Push is not offered"),
    writes.lag,
)
