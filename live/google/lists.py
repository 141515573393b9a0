"""What Google's lists and sync tokens do."""

from __future__ import annotations

from datetime import datetime, timedelta

from live.findings import Probe, Seen, Unanswered, fact
from live.google.service import reason
from live.google.world import GoogleWorld, timed
from live.wire import need

__all__ = ["PROBES"]

_WINDOW = "2026-06-01T00:00:00Z"


@fact("G-SYNC-WINDOW", "what changes before the first request's timeMin is left out of later incremental results")
def window_kept(world: GoogleWorld) -> Seen:
    token = _token(world, timeMin=_WINDOW)
    before, inside = world.insert("2026-05-04")["id"], world.insert("2026-07-06")["id"]
    shown = world.ids(syncToken=token)
    if inside not in shown:
        return None, "not even the change inside the window was shown"
    return before not in shown, f"the change outside was {'shown' if before in shown else 'left out'}"


@fact("G-SYNC-LEAVING", "an event that leaves the first request's window is shown by the next incremental result")
def leaving_window(world: GoogleWorld) -> Seen:
    event = world.insert("2026-07-07")["id"]
    token = _token(world, timeMin=_WINDOW)
    need(world.hands.ask("PATCH", event, json=timed("2026-05-05")))
    state = world.ids(syncToken=token).get(event)
    return state is not None, f"shown as {state}" if state else "not shown"


@fact("G-SYNC-GARBAGE", "a sync token that is none is refused with 400 or 410")
def garbage_token(world: GoogleWorld) -> Seen:
    answer = world.hands.ask("GET", params={"syncToken": "Cgarbage=="})
    return answer.status_code in {400, 410}, f"{answer.status_code} {reason(answer)}"


@fact("G-SYNC-FOREIGN", "another calendar's sync token is refused with 400 or 410")
def foreign_token(world: GoogleWorld) -> Seen:
    theirs = need(world.other().ask("GET")).json()["nextSyncToken"]
    answer = world.hands.ask("GET", params={"syncToken": theirs})
    return answer.status_code in {400, 410}, f"{answer.status_code} {reason(answer)}"


@fact("G-SYNC-FORBIDDEN", "timeMin together with a sync token is refused with 400")
def forbidden_with_token(world: GoogleWorld) -> Seen:
    answer = world.hands.ask("GET", params={"syncToken": _token(world), "timeMin": _WINDOW})
    return answer.status_code == 400, f"{answer.status_code} {reason(answer)}"


@fact("G-SYNC-SHAPE", "a sync token used with another singleEvents is refused with 400 or 410")
def other_shape(world: GoogleWorld) -> Seen:
    token = _token(world, singleEvents="false")
    answer = world.hands.ask("GET", params={"syncToken": token, "singleEvents": "true"})
    return answer.status_code in {400, 410}, f"{answer.status_code} {reason(answer)}"


@fact("G-SYNC-ORDERED", "a first request with orderBy gives no sync token")
def ordered(world: GoogleWorld) -> Seen:
    token = world.listed(orderBy="updated")[1]
    return token is None, "none" if token is None else "one was given"


@fact("G-SYNC-SINGLES", "a first request with singleEvents=true gives a sync token")
def singles(world: GoogleWorld) -> Seen:
    token = world.listed(singleEvents="true", timeMin=_WINDOW, timeMax="2026-06-30T00:00:00Z")[1]
    return token is not None, "none" if token is None else "one was given"


@fact("G-SYNC-NO-CHANGE", "the same sync token can be used twice, and shows the same changes")
def token_twice(world: GoogleWorld) -> Seen:
    token = _token(world)
    event = world.insert()["id"]
    first, second = world.ids(syncToken=token), world.ids(syncToken=token)
    return event in first and first == second, f"{len(first)} changes, then {len(second)}"


@fact("G-EXPANSION", "singleEvents=true without timeMax expands an endless series up to about two years from now")
def expansion(world: GoogleWorld) -> Seen:
    master = world.insert("2026-03-02", recurrence=["RRULE:FREQ=MONTHLY"])["id"]
    try:
        found, _ = world.listed(singleEvents="true", fields="nextPageToken,items(recurringEventId,start)")
    finally:
        world.hands.ask("DELETE", master)
    starts = [one["start"].get("dateTime", "") for one in found if one.get("recurringEventId") == master]
    if not starts:
        return None, "no instance was shown"
    reach = datetime.fromisoformat(max(starts)) - world.google.clock.now()
    about = timedelta(days=600) < reach < timedelta(days=860)
    return about, f"{len(starts)} instances of a monthly series, the last {reach.days} days from now"


@fact("G-UPDATED-MIN", "updatedMin further back than 28 days is refused with 410 updatedMinTooLongAgo")
def updated_min(world: GoogleWorld) -> Seen:
    seen: list[str] = []
    for days in (20, 40):
        since = (world.google.clock.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = world.hands.ask("GET", params={"updatedMin": since, "fields": "kind"})
        seen.append(f"{answer.status_code} {reason(answer)}".strip())
    return seen == ["200", "410 updatedMinTooLongAgo"], f"20 days: {seen[0]}; 40 days: {seen[1]}"


@fact("G-TWO-TAGS", "an event must have all of several privateExtendedProperty constraints")
def two_constraints(world: GoogleWorld) -> Seen:
    both = world.insert(extendedProperties={"private": {"probeA": "1", "probeB": "1"}})["id"]
    one = world.insert(extendedProperties={"private": {"probeA": "1"}})["id"]
    query = [("privateExtendedProperty", "probeA=1"), ("privateExtendedProperty", "probeB=1")]
    found = {event["id"] for event in need(world.hands.ask("GET", params=query)).json()["items"]}
    if both not in found:
        return None, "not even the event with both was found"
    return one not in found, f"an event with one of two was {'found' if one in found else 'left out'}"


@fact("G-LOST-EXCEPTION", "when a series moves, an exception without a place in it any more is shown as cancelled")
def lost_exception(world: GoogleWorld) -> Seen:
    master = world.insert("2026-03-02", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])["id"]
    exception = f"{master}_20260309T100000Z"
    need(world.hands.ask("PATCH", exception, json={"summary": "Probe, moved"}))
    token = _token(world)
    need(world.hands.ask("PATCH", master, json={**timed("2026-03-03"), "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"]}))
    state = world.ids(syncToken=token).get(exception, "not shown")
    return state == "cancelled", state


@fact("G-WINDOW-MOVED", "an exception moved out of timeMin and timeMax is left out of the list")
def moved_out(world: GoogleWorld) -> Seen:
    master = world.insert("2026-08-03", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])["id"]
    exception = f"{master}_20260810T100000Z"
    moved = {name: {"dateTime": f"2026-09-21T1{hour}:00:00Z"} for hour, name in enumerate(("start", "end"))}
    need(world.hands.ask("PATCH", exception, json=moved))
    shown = world.ids(timeMin="2026-08-01T00:00:00Z", timeMax="2026-08-31T00:00:00Z")
    if master not in shown:
        return None, "not even the series was shown"
    return exception not in shown, "shown" if exception in shown else "left out"


@fact("G-DELETED-MASTER", "a deleted series arrives as its bare master, and none of its exceptions with it")
def deleted_master(world: GoogleWorld) -> Seen:
    master = world.insert("2026-03-02", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])["id"]
    exception = f"{master}_20260309T100000Z"
    need(world.hands.ask("PATCH", exception, json={"summary": "Probe, changed"}))
    token = _token(world)
    need(world.hands.ask("DELETE", master))
    shown = world.ids(syncToken=token)
    return exception not in shown and shown.get(master) == "cancelled", (
        f"master {shown.get(master, 'not shown')}, exception {shown.get(exception, 'not shown')}"
    )


def _token(world: GoogleWorld, **query: str) -> str:
    token = world.listed(**query)[1]
    if token is None:
        raise Unanswered("the first request gave no sync token")
    return token


PROBES: tuple[Probe[GoogleWorld], ...] = (
    window_kept,
    leaving_window,
    garbage_token,
    foreign_token,
    forbidden_with_token,
    other_shape,
    ordered,
    singles,
    token_twice,
    expansion,
    updated_min,
    two_constraints,
    lost_exception,
    moved_out,
    deleted_master,
)
