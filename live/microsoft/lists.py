"""What Graph's delta rounds, views and series do."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx

from live.findings import Probe, Seen, Unanswered, fact
from live.microsoft.service import Json, code, zulu
from live.microsoft.world import FIRST, LAST, GraphWorld, new_name, series, timed
from live.wire import need

__all__ = ["PROBES"]

_SPARSE = frozenset({"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"})
_BERLIN = "W. Europe Standard Time"


@fact("M-DELTA-CALENDAR", "calendarView/delta works on a calendar that is not the default one")
def other_calendar(world: GraphWorld) -> Seen:
    answer = world.hands.first_round(FIRST, LAST)
    return answer.is_success, f"{answer.status_code} {code(answer)}".strip()


@fact("M-DELTA-SPARSE", "occurrences in a delta have nothing but tag, ids, type, start and end")
def sparse(world: GraphWorld) -> Seen:
    master, shown = _series_round(world)
    occurrences = [one for one in shown if one.get("seriesMasterId") == master and one.get("type") == "occurrence"]
    if not occurrences:
        return None, "no occurrence was shown"
    more = {name for one in occurrences for name in one if name not in _SPARSE}
    return not more, f"{len(more)} further properties"


@fact("M-DELTA-MASTER", "the first round shows the master of a series too")
def master_shown(world: GraphWorld) -> Seen:
    master, shown = _series_round(world)
    there = any(one["id"] == master for one in shown)
    return there, "shown" if there else "not shown"


@fact("M-DELTA-CANCELLED", "deleting one occurrence removes nothing in the delta; the series' rest is sent again")
def cancelled_occurrence(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    _, link = world.round()
    lost = world.hands.instances(master)[1]["id"]
    need(world.hands.event("DELETE", lost))
    shown = world.changes(link)
    removed = any(one["id"] == lost and "@removed" in one for one in shown)
    again = len({one["id"] for one in shown if one.get("seriesMasterId") == master})
    return not removed and again > 0, f"{'removed' if removed else 'not removed'}, {again} occurrences sent again"


@fact("M-DELTA-RETIMED", "a re-timed series' old occurrences are not removed in the delta")
def retimed(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    _, link = world.round()
    before = {one["id"] for one in world.hands.instances(master)}
    recurrence = series()["recurrence"]
    recurrence["pattern"]["daysOfWeek"], recurrence["range"]["startDate"] = ["tuesday"], "2026-03-03"
    need(world.hands.event("PATCH", master, json={**timed("2026-03-03"), "recurrence": recurrence}))
    shown = world.changes(link)
    removed = sum(one["id"] in before and "@removed" in one for one in shown)
    kept = sum(one["id"] in before for one in world.hands.instances(master))
    return not removed, f"{removed} of {len(before)} removed, {kept} ids kept"


@fact("M-DELTA-DELETED", "a deleted series is removed in the delta by its master's id")
def deleted_series(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    occurrences = {one["id"] for one in world.hands.instances(master)}
    _, link = world.round()
    need(world.hands.event("DELETE", master))
    removed = {one["id"] for one in world.changes(link) if "@removed" in one}
    there = "by its master" if master in removed else "not by its master"
    return master in removed, f"removed {there}, and {len(removed & occurrences)} of its occurrences"


@fact("M-DELTA-OUTSIDE", "what is created outside the window shows up as removed")
def outside(world: GraphWorld) -> Seen:
    _, link = world.round()
    far, near = world.insert(**timed("2026-09-07"))["id"], world.insert()["id"]
    state = {one["id"]: "removed" if "@removed" in one else "shown" for one in world.changes(link)}
    if near not in state:
        return None, "not even the one inside was shown"
    return state.get(far) == "removed", state.get(far, "not mentioned")


@fact("M-DELTA-NAME", "a delta shows the transactionId of single events")
def name_in_delta(world: GraphWorld) -> Seen:
    name = new_name()
    event = need(world.create_named(name)).json()["id"]
    world.settled(event)
    told = next((one.get("transactionId") for one in world.round()[0] if one["id"] == event), None)
    return told == name, "shown" if told == name else "not shown"


@fact("M-DELTA-GARBAGE", "a delta token that is none is refused with 410, or 400 or 404 and a syncState code")
def garbage_token(world: GraphWorld) -> Seen:
    _, link = world.round()
    answer = world.graph.wire.ask("GET", f"{link.partition('?')[0]}?$deltatoken=garbage")
    known = code(answer).lower() in {"syncstatenotfound", "syncstateinvalid", "resyncrequired", "syncstateexpired"}
    fits = answer.status_code == 410 or (answer.status_code in {400, 404} and known)
    return fits, f"{answer.status_code} {code(answer)}".strip()


@fact("M-DELTA-SELECT", "a delta with $select is refused")
def selected(world: GraphWorld) -> Seen:
    answer = world.hands.first_round(FIRST, LAST, _select="subject")
    return not answer.is_success, f"{answer.status_code} {code(answer)}".strip()


@fact("M-VIEW-MASTER", "a plain view shows no masters")
def view_masters(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    kinds = {one["id"]: one.get("type") for one in world.graph.entries(_view(world, FIRST, LAST, _top="100"))}
    return master not in kinds, "not shown" if master not in kinds else "shown"


@fact("M-VIEW-RANGE", "a view may span 1,825 days, and no more")
def view_range(world: GraphWorld) -> Seen:
    most, more = (_view(world, FIRST, FIRST + timedelta(days=days), _top="1") for days in (1825, 1827))
    told = f"1,825 days: {most.status_code}; 1,827 days: {more.status_code} {code(more)}".strip()
    return most.is_success and not more.is_success, told


@fact("M-TOP", "$top of 1,000 is taken, and more is not refused either")
def top(world: GraphWorld) -> Seen:
    told = {count: _view(world, FIRST, LAST, _top=str(count), _select="id") for count in (1000, 1001)}
    seen = "; ".join(f"{count}: {answer.status_code} {code(answer)}".strip() for count, answer in told.items())
    return all(answer.is_success for answer in told.values()), seen


@fact("M-ALL-DAY", "an all-day event of another zone is shown with midnights and its own dates when UTC is asked for")
def all_day(world: GraphWorld) -> Seen:
    times = {
        name: {"dateTime": f"2026-03-0{day}T00:00:00", "timeZone": _BERLIN} for name, day in (("start", 4), ("end", 5))
    }
    event = world.insert(isAllDay=True, **times)["id"]
    shown = need(world.hands.event("GET", event)).json()
    starts, ends = (shown[name]["dateTime"][:16] for name in ("start", "end"))
    return (starts, ends) == (
        "2026-03-04T00:00",
        "2026-03-05T00:00",
    ), f"{starts} to {ends}"


@fact("M-UID-OCCURRENCE", "every occurrence has an iCalUId of its own")
def occurrence_uids(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    own = need(world.hands.event("GET", master)).json().get("iCalUId")
    uids = [one.get("iCalUId") for one in world.hands.instances(master)]
    kinds = "null" if None in uids else "the series'" if set(uids) == {own} else f"{len(set(uids))} different"
    return None not in uids and own not in uids and len(set(uids)) == len(uids), f"{len(uids)} occurrences: {kinds}"


@fact("M-ORIGINAL-START", "occurrences have an originalStart in UTC, single events have none")
def original_start(world: GraphWorld) -> Seen:
    master, _ = _series_round(world)
    one = world.hands.instances(master)[0]
    single = need(world.hands.event("GET", world.insert()["id"])).json()
    there, absent = str(one.get("originalStart", "")), single.get("originalStart") is None
    utc = there[:19] == "2026-03-02T10:00:00"
    told = f"occurrence: {'UTC' if utc else 'another form' if there else 'none'}; single: {'none' if absent else 'one'}"
    return utc and absent, told


def _series_round(world: GraphWorld) -> tuple[str, list[Json]]:
    """A new weekly series, and a first round that shows it."""
    master = need(world.hands.ask("POST", json=series())).json()["id"]
    world.settled(master)
    shown, _ = world.round()
    if not any(master in {one["id"], one.get("seriesMasterId")} for one in shown):
        raise Unanswered("a new series was not shown in half a minute")
    return master, shown


def _view(world: GraphWorld, start: datetime, end: datetime, **query: str) -> httpx.Response:
    path = ("calendars", world.hands.id, "calendarView")
    return world.graph.ask("GET", *path, startDateTime=zulu(start), endDateTime=zulu(end), **query)


PROBES: tuple[Probe[GraphWorld], ...] = (
    other_calendar,
    sparse,
    master_shown,
    cancelled_occurrence,
    retimed,
    deleted_series,
    outside,
    name_in_delta,
    garbage_token,
    selected,
    view_masters,
    view_range,
    top,
    all_day,
    occurrence_uids,
    original_start,
)
