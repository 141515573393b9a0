"""Plain reading: calendars, calendar views, events, instances."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from urllib.parse import quote

from calsync_core.testing.simulators.graph.calls import READ, Call, Place
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.query import next_link, parse_expand, parse_filter, parse_select
from calsync_core.testing.simulators.graph.rendering import calendar_json
from calsync_core.testing.simulators.graph.series import Instance, find, instances, itself
from calsync_core.testing.simulators.graph.state import Entry, Folder, Json, Share
from calsync_core.testing.simulators.graph.times import parse_edge
from calsync_core.testing.simulators.messages import Response

__all__ = [
    "get_calendar",
    "get_event",
    "list_calendars",
    "list_events",
    "list_groups",
    "list_instances",
    "list_view",
    "window_of",
]


def list_groups(call: Call) -> Response:
    """``GET /me/calendarGroups``."""
    call.need(READ)
    groups = [
        {"id": group_id(name), "name": name, "classId": "0006f0b7-0000-0000-c000-000000000046", "changeKey": "AA=="}
        for name in call.mailbox.groups
    ]
    return _page(call, groups)


def group_id(name: str) -> str:
    """A calendar group's id."""
    return "AAMkAGroup" + quote(name, safe="").replace("%", "-") + "="


def list_calendars(call: Call, group: str | None = None) -> Response:
    """``GET /me/calendars``, or those of one group; calendars that others share come after one's own."""
    call.need(READ)
    if group is not None and group not in {group_id(name) for name in call.mailbox.groups}:
        raise GraphError(404, "ErrorItemNotFound", "The specified calendar group was not found.")
    folders: list[tuple[Folder, Share | None]] = [
        (folder, None) for folder in call.mailbox.folders.values() if group in {None, group_id(folder.group)}
    ]
    if group is None:
        folders += [(share.folder, share) for share in call.mailbox.shares.values()]
    select = parse_select(call.request)
    shown = [_selected(calendar_json(folder, share), select) for folder, share in folders]
    return _page(call, shown)


def get_calendar(call: Call, place: Place) -> Response:
    """``GET /me/calendars/{id}``."""
    call.need(READ, place)
    return call.answer(_selected(calendar_json(place.folder, place.share), parse_select(call.request)))


def list_view(call: Call, place: Place) -> Response:
    """``GET …/calendarView``: what takes place in a window, whole, and no masters."""
    call.need(READ, place)
    start, end = window_of(call)
    found = [one for entry in place.folder.items.values() for one in instances(entry, start, end)]
    return _events(call, place, found, expands=call.state.habits.view_expands)


def list_events(call: Call, place: Place | None) -> Response:
    """``GET …/events``: single events and masters.

    Without a calendar in the path it is the default calendar; but a filter by extended property is applied "to all
    instances of the resource in the signed-in user's mailbox" ("singlevaluelegacyextendedproperty-get").
    """
    where = place or call.place()
    call.need(READ, where)
    parsed = parse_filter(call.request)
    entries: list[Entry] = list(where.folder.items.values())
    if place is None and parsed is not None and parsed[1]:
        entries = [entry for folder in call.mailbox.folders.values() for entry in folder.items.values()]
    return _events(call, where, [itself(entry) for entry in entries])


def get_event(call: Call, event: str, place: Place | None = None) -> Response:
    """``GET …/events/{id}``."""
    where = place or call.place()
    call.need(READ, where)
    wanted = EventId.read(event)
    one = find(call.entry(wanted, place), wanted)
    shown = call.view_of(where).event(one, select=parse_select(call.request), expand=parse_expand(call.request))
    return call.answer(
        {"@odata.context": f"{call.root}/events/$entity"} | shown, headers={"ETag": shown["@odata.etag"]}
    )


def list_instances(call: Call, event: str, place: Place | None = None) -> Response:
    """``GET …/events/{master}/instances``: what is left of a series in a window, cancelled occurrences left out."""
    where = place or call.place()
    call.need(READ, where)
    start, end = window_of(call)
    wanted = EventId.read(event)
    entry = call.entry(wanted, place)
    if entry.recurrence is None or wanted.slot is not None:
        raise GraphError(400, "ErrorInvalidRequest", "Your request can't be completed. The item is not a series.")
    return _events(call, where, instances(entry, start, end))


def window_of(call: Call) -> tuple[datetime, datetime]:
    """``startDateTime`` and ``endDateTime``, in any case of letters. Raises GraphError."""
    said = {name.lower(): value for name, value in call.request.query}
    start = parse_edge("startDateTime", said.get("startdatetime"))
    end = parse_edge("endDateTime", said.get("enddatetime"))
    if end <= start:
        raise GraphError(400, "ErrorInvalidParameter", "EndDateTime must be after StartDateTime.")
    if end - start > call.state.habits.longest_view:
        days = call.state.habits.longest_view.days
        raise GraphError(400, "ErrorInvalidParameter", f"The time range must not be longer than {days} days.")
    return start, end


def _events(call: Call, place: Place, found: Sequence[Instance], *, expands: bool = True) -> Response:
    select, parsed = parse_select(call.request), parse_filter(call.request)
    expand = parse_expand(call.request) if expands else {}
    view = call.view_of(place)
    if call.request.arg("$search") is not None:
        raise GraphError(400, "ErrorInvalidUrlQuery", "The query parameter '$search' is not supported.")
    if parsed is not None:
        test = parsed[0]
        found = [one for one in found if test(partial(view.event, one), one.entry.properties)]
    order = call.request.arg("$orderby")
    if order is not None:
        keys = {"start/datetime": _by_start, "subject": _by_subject, "lastmodifieddatetime": _by_change}
        name, _, direction = order.strip().partition(" ")
        if name.lower() not in keys:
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The query parameter '$orderby' can't have '{order}'.")
        found = sorted(found, key=keys[name.lower()], reverse=direction.strip().lower() == "desc")
    # Only what is on the page is rendered: a page of a long calendar must not cost the whole of it.
    chosen, link = _chosen(call, len(found))
    value = [view.event(one, select=select, expand=expand) for one in found[chosen]]
    return call.answer({"@odata.context": f"{call.root}/events", "value": value} | link)


def _by_start(one: Instance) -> str:
    return one.start.instant(one.entry.home).isoformat()


def _by_subject(one: Instance) -> str:
    return str(one.fields.get("subject", ""))


def _by_change(one: Instance) -> str:
    return f"{one.version:012}"


def _page(call: Call, found: Sequence[Json]) -> Response:
    chosen, link = _chosen(call, len(found))
    return call.answer({"@odata.context": f"{call.root}/$metadata", "value": list(found[chosen])} | link)


def _chosen(call: Call, length: int) -> tuple[slice, Json]:
    """Which part of a listing this request is about, and the link to what follows."""
    top, skip = _count(call, "$top"), _count(call, "$skip") or 0
    size = min(top or call.preferences.page_size or call.state.habits.page_size, call.state.habits.longest_page)
    link = {"@odata.nextLink": next_link(call.request, skip + size)} if skip + size < length else {}
    return slice(skip, skip + size), link


def _count(call: Call, name: str) -> int | None:
    text = call.request.arg(name)
    if text is None:
        return None
    if not text.isdigit():
        raise GraphError(400, "ErrorInvalidUrlQuery", f"The query parameter '{name}' must not be '{text}'.")
    return int(text)


def _selected(value: Json, select: Sequence[str]) -> Json:
    return {name: held for name, held in value.items() if not select or name in {*select, "id"}}
