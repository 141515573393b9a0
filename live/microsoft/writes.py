"""What Graph does with writes."""

from __future__ import annotations

import httpx

from calsync_core.models import OAuthGrant
from calsync_core.providers.microsoft.auth import TOKEN_URL
from live.findings import Probe, Seen, fact
from live.microsoft.service import code
from live.microsoft.world import GraphWorld, new_name, timed
from live.wire import need

__all__ = ["LAST", "PROBES"]

_USED = "ErrorDuplicateTransactionId"
_PROPERTY = "String {66f5a359-4659-4638-81a3-000000000001} Name CalsyncProbe"


@fact("M-REPLAY", "an identical create with the same transactionId is answered with 201 and the first event")
def replay(world: GraphWorld) -> Seen:
    name = new_name()
    first, second = need(world.create_named(name)).json()["id"], world.create_named(name)
    same = second.is_success and second.json()["id"] == first
    return same, _told(second) + (f", {'the first' if same else 'another'} event" if second.is_success else "")


@fact("M-REPLAY-CODE", "a replay that is refused is refused with 400 or 409 ErrorDuplicateTransactionId")
def replay_code(world: GraphWorld) -> Seen:
    name = new_name()
    need(world.create_named(name))
    second = world.create_named(name)
    if second.is_success:
        return None, f"not refused: {second.status_code}"
    return second.status_code in {400, 409} and code(second) == _USED, _told(second)


@fact("M-REPLAY-ID", "a refused replay says the first event's id in @event.existingEventId")
def replay_id(world: GraphWorld) -> Seen:
    name = new_name()
    first, second = need(world.create_named(name)).json()["id"], world.create_named(name)
    if second.is_success:
        return None, f"not refused: {second.status_code}"
    told = second.json().get("error", {}).get("@event.existingEventId")
    form = "the same" if told == first else "another form of the"
    return (
        told is not None,
        "nothing" if told is None else f"{form} id",
    )


@fact("M-NAME-DELETED", "a deleted event's transactionId is not free again")
def name_of_deleted(world: GraphWorld) -> Seen:
    name = new_name()
    need(world.hands.event("DELETE", need(world.create_named(name)).json()["id"]))
    again = world.create_named(name)
    return not again.is_success, _told(again)


@fact("M-NAME-SCOPE", "a transactionId is used up in the mailbox's other calendars as well")
def name_elsewhere(world: GraphWorld) -> Seen:
    name = new_name()
    first, second = need(world.create_named(name)).json()["id"], world.create_named(name, world.other())
    anew = second.is_success and second.json()["id"] != first
    return not anew, _told(second) + (", another event" if anew else "")


@fact("M-NAME-KEPT", "an event's transactionId is shown when it is read by id")
def name_kept(world: GraphWorld) -> Seen:
    name = new_name()
    event = need(world.create_named(name)).json()["id"]
    told = need(world.hands.event("GET", event)).json().get("transactionId")
    return told == name, "shown" if told == name else "not shown"


@fact("M-IF-MATCH-PATCH", "a stale If-Match does not stop a PATCH")
def stale_patch(world: GraphWorld) -> Seen:
    event, stale = _changed(world)
    answer = world.hands.event("PATCH", event, json={"subject": "Probe 3"}, if_match=stale)
    return answer.is_success, _told(answer)


@fact("M-IF-MATCH-DELETE", "a stale If-Match does not stop a DELETE")
def stale_delete(world: GraphWorld) -> Seen:
    event, stale = _changed(world)
    answer = world.hands.event("DELETE", event, if_match=stale)
    return answer.is_success, _told(answer)


@fact("M-ETAG-STABLE", "an event's tag stays what the write said until somebody changes the event")
def stable_tag(world: GraphWorld) -> Seen:
    event = world.insert()
    world.graph.clock.sleep(0 if world.graph.wire.local else 5)
    now = need(world.hands.event("GET", event["id"])).json()["@odata.etag"]
    return now == event["@odata.etag"], "the same" if now == event["@odata.etag"] else "another"


@fact("M-DELETE-TWICE", "deleting twice by immutable id is answered with 404 ErrorItemNotFound")
def delete_twice(world: GraphWorld) -> Seen:
    event = world.insert()["id"]
    need(world.hands.event("DELETE", event))
    again = world.hands.event("DELETE", event)
    return (again.status_code, code(again)) == (404, "ErrorItemNotFound"), _told(again)


@fact("M-DELETED-READ", "a deleted event can't be read by its immutable id: 404 ErrorItemNotFound")
def read_deleted(world: GraphWorld) -> Seen:
    event = world.insert()["id"]
    need(world.hands.event("DELETE", event))
    answer = world.hands.event("GET", event)
    return (answer.status_code, code(answer)) == (404, "ErrorItemNotFound"), _told(answer)


@fact("M-DELETE-FOR-GOOD", "permanentDelete is answered with 204")
def permanent_delete(world: GraphWorld) -> Seen:
    answer = world.graph.ask("POST", "events", world.insert()["id"], "permanentDelete")
    return answer.status_code == 204, _told(answer)


@fact("M-FILTER-CALENDAR", "a filter by extended property works below a calendar")
def filter_calendar(world: GraphWorld) -> Seen:
    value = new_name()
    event = world.insert(singleValueExtendedProperties=[{"id": _PROPERTY, "value": value}])["id"]
    return _found(event, world.hands.ask("GET", _filter=_condition(value)))


@fact("M-FILTER-MAILBOX", "the same filter on /me/events finds events of all calendars")
def filter_mailbox(world: GraphWorld) -> Seen:
    value = new_name()
    event = world.insert(singleValueExtendedProperties=[{"id": _PROPERTY, "value": value}])["id"]
    return _found(event, world.graph.ask("GET", "events", _filter=_condition(value)))


@fact("M-FILTER-CASE", "the filter compares values without regard to case")
def filter_case(world: GraphWorld) -> Seen:
    value = new_name()
    event = world.insert(singleValueExtendedProperties=[{"id": _PROPERTY, "value": value}])["id"]
    return _found(event, world.hands.ask("GET", _filter=_condition(value.upper())))


@fact("M-PREFER", "several preferences in one Prefer header are all applied")
def preferences(world: GraphWorld) -> Seen:
    applied = need(world.hands.ask("GET", _top="1")).headers.get("Preference-Applied", "")
    told = [word for word in ("IdType", "outlook.timezone") if word.lower() in applied.lower()]
    return len(told) == 2, f"{' and '.join(told) or 'none'} confirmed"


@fact("M-INVALID-GRANT", "a refresh token that is none is refused with 400 invalid_grant")
def invalid_grant(world: GraphWorld) -> Seen:
    login = world.graph.setup.login
    if not isinstance(login, OAuthGrant):
        return None, "the login is a token, there is no client to ask with"
    form = {"grant_type": "refresh_token", "client_id": login.client_id, "refresh_token": "void"}
    secret = {"client_secret": login.client_secret} if login.client_secret else {}
    url = login.token_url or TOKEN_URL
    world.graph.wire.allow(url)
    answer = world.graph.wire.ask("POST", url, data={**form, **secret}, anonymous=True)
    error = answer.json().get("error") if "json" in answer.headers.get("content-type", "") else ""
    return (answer.status_code, error) == (400, "invalid_grant"), f"{answer.status_code} {str(error)[:40]}"


@fact("M-RETRY-AFTER", "an answer that says too fast has a Retry-After")
def retry_after(world: GraphWorld) -> Seen:
    limits = world.graph.wire.limits
    if not limits:
        return None, "no limit was met"
    told = sum(says for _, says in limits)
    return told == len(limits), f"{told} of {len(limits)} limits said how long"


@fact("M-LAG", "a write is in a calendar's delta at once")
def lag(world: GraphWorld) -> Seen:
    return world.graph.told_lag()


def _told(answer: httpx.Response) -> str:
    return f"{answer.status_code} {code(answer)}".strip()


def _changed(world: GraphWorld) -> tuple[str, str]:
    """An event that was changed, and its tag before."""
    event = world.insert()
    changed = need(world.hands.event("PATCH", event["id"], json={**timed(hour=14), "subject": "Probe 2"})).json()
    assert changed["@odata.etag"] != event["@odata.etag"]
    return event["id"], event["@odata.etag"]


def _condition(value: str) -> str:
    return f"singleValueExtendedProperties/Any(ep: ep/id eq '{_PROPERTY}' and ep/value eq '{value}')"


def _found(event: str, answer: httpx.Response) -> Seen:
    if not answer.is_success:
        return False, _told(answer)
    found = [one["id"] for one in answer.json()["value"]]
    return found == [event], f"200, {'found' if event in found else 'not found'}, {len(found)} in all"


PROBES: tuple[Probe[GraphWorld], ...] = (
    replay,
    replay_code,
    replay_id,
    name_of_deleted,
    name_elsewhere,
    name_kept,
    stale_patch,
    stale_delete,
    stable_tag,
    delete_twice,
    read_deleted,
    permanent_delete,
    filter_calendar,
    filter_mailbox,
    filter_case,
    preferences,
    invalid_grant,
)
LAST: tuple[Probe[GraphWorld], ...] = (retry_after, lag)
"""About the whole run."""
