"""What Google does with writes."""

from __future__ import annotations

import re

from calsync_core.models import OAuthGrant
from calsync_core.providers.google.auth import TOKEN_URL
from calsync_core.providers.google.batch import Call, build_batch
from live.findings import Probe, Seen, fact
from live.google.service import reason
from live.google.world import GoogleWorld, new_id, timed
from live.wire import need

__all__ = ["LAST", "PROBES"]


@fact("G-DELETE-STATUS", "events.delete is answered with an empty 204")
def delete_status(world: GoogleWorld) -> Seen:
    answer = world.hands.ask("DELETE", world.insert()["id"])
    return answer.status_code == 204 and not answer.content, f"{answer.status_code}, {len(answer.content)} bytes"


@fact("G-DELETE-AGAIN", "deleting a deleted event is answered with 410 deleted")
def delete_again(world: GoogleWorld) -> Seen:
    event = world.insert()["id"]
    need(world.hands.ask("DELETE", event))
    answer = world.hands.ask("DELETE", event)
    return (answer.status_code, reason(answer)) == (410, "deleted"), f"{answer.status_code} {reason(answer)}"


@fact("G-DELETED-ID", "a deleted event keeps its id: inserting it again is answered with 409 duplicate")
def reinsert(world: GoogleWorld) -> Seen:
    event = _deleted(world)
    answer = world.hands.ask("POST", json={**timed(), "id": event})
    return (answer.status_code, reason(answer)) == (409, "duplicate"), f"{answer.status_code} {reason(answer)}"


@fact("G-DELETED-UID", "a deleted event frees its iCalUID for another one")
def uid_again(world: GoogleWorld) -> Seen:
    uid = f"{new_id()}@calsync.invalid"
    first = world.insert(iCalUID=uid)["id"]
    need(world.hands.ask("DELETE", first))
    answer = world.hands.ask("POST", json={**timed(), "iCalUID": uid})
    anew = answer.is_success and answer.json()["id"] != first
    return anew, f"{answer.status_code} {reason(answer)}, {'another' if anew else 'no new'} id"


@fact("G-REVIVE-PUT", "events.update with status confirmed revives a deleted event")
def revive_by_put(world: GoogleWorld) -> Seen:
    return _revived(world, "PUT")


@fact("G-REVIVE-PATCH", "events.patch with status confirmed revives a deleted event")
def revive_by_patch(world: GoogleWorld) -> Seen:
    return _revived(world, "PATCH")


@fact("G-IF-MATCH-DELETED", "a stale If-Match on a deleted event is answered with 412 conditionNotMet")
def stale_on_deleted(world: GoogleWorld) -> Seen:
    event = world.insert()
    need(world.hands.ask("DELETE", event["id"]))
    answer = world.hands.ask("PUT", event["id"], json=timed(), headers={"If-Match": event["etag"]})
    return answer.status_code == 412, f"{answer.status_code} {reason(answer)}"


@fact("G-FLOATING", "a time without offset and zone is taken in the calendar's zone")
def floating(world: GoogleWorld) -> Seen:
    times = {name: {"dateTime": f"2026-03-02T1{hour}:00:00"} for hour, name in enumerate(("start", "end"))}
    answer = world.hands.ask("POST", json={"summary": "Probe", **times})
    if not answer.is_success:
        return False, f"{answer.status_code} {reason(answer)}"
    begins = str(answer.json()["start"].get("dateTime", ""))
    return begins in {"2026-03-02T10:00:00Z", "2026-03-02T10:00:00+00:00"}, f"taken, offset {begins[19:] or 'none'}"


@fact("G-LONG-KEY", "a private property whose name is longer than 44 characters is dropped without a word")
def long_key(world: GoogleWorld) -> Seen:
    event = world.insert(extendedProperties={"private": {"k" * 45: "1", "kept": "1"}})
    names = event.get("extendedProperties", {}).get("private", {})
    return "k" * 45 not in names, f"{len(names)} of 2 properties kept"


@fact("G-BATCH-IDS", "a batch's answers carry the Content-ID of their call with response- before it")
def batch_ids(world: GoogleWorld) -> Seen:
    sent, found = _batch(world)
    wanted = [f"response-{name}" for name in sent]
    return sorted(found) == sorted(wanted), f"{len(set(found) & set(wanted))} of {len(wanted)} as expected"


@fact("G-BATCH-ORDER", "a batch's answers come in the order of its calls")
def batch_order(world: GoogleWorld) -> Seen:
    sent, found = _batch(world)
    numbers = [name.rpartition("-")[2] for name in found]
    return numbers == [name.rpartition("-")[2] for name in sent], f"order {','.join(numbers)}"


@fact("G-INVALID-GRANT", "a refresh token that is none is refused with 400 invalid_grant")
def invalid_grant(world: GoogleWorld) -> Seen:
    login = world.google.setup.login
    if not isinstance(login, OAuthGrant):
        return None, "the login is a token, there is no client to ask with"
    form = {"grant_type": "refresh_token", "client_id": login.client_id, "refresh_token": "1//void"}
    secret = {"client_secret": login.client_secret} if login.client_secret else {}
    url = login.token_url or TOKEN_URL
    world.google.wire.allow(url)
    answer = world.google.wire.ask("POST", url, data={**form, **secret}, anonymous=True)
    error = answer.json().get("error") if "json" in answer.headers.get("content-type", "") else ""
    return (answer.status_code, error) == (400, "invalid_grant"), f"{answer.status_code} {str(error)[:40]}"


@fact("G-RETRY-AFTER", "an answer that says too fast has a Retry-After")
def retry_after(world: GoogleWorld) -> Seen:
    limits = world.google.wire.limits
    if not limits:
        return None, "no limit was met"
    told = [says for _, says in limits]
    return all(told), f"{sum(told)} of {len(told)} limits said how long"


@fact("G-LAG", "a write is in the next listing at once")
def lag(world: GoogleWorld) -> Seen:
    return world.google.told_lag()


def _deleted(world: GoogleWorld) -> str:
    event = new_id()
    world.insert(id=event)
    need(world.hands.ask("DELETE", event))
    return event


def _revived(world: GoogleWorld, method: str) -> Seen:
    event = _deleted(world)
    body = {**timed(), "status": "confirmed"} if method == "PUT" else {"status": "confirmed"}
    answer = world.hands.ask(method, event, json=body)
    state = need(world.hands.ask("GET", event)).json().get("status")
    return answer.is_success and state == "confirmed", f"{answer.status_code} {reason(answer)}, then {state}"


def _batch(world: GoogleWorld) -> tuple[list[str], list[str]]:
    """The Content-IDs of a batch's calls and of its answers."""
    path = f"/{world.google.wire.base.split('/', 3)[3]}{world.google.path_of(world.hands.id, 'events')}"
    kind, body = build_batch([Call("GET", f"{path}/{new_id()}") for _ in range(4)])
    answer = need(world.google.wire.ask("POST", world.google.batch_url, content=body, headers={"Content-Type": kind}))
    sent, found = (
        re.findall(r"^Content-ID:\s*<?([^>\r\n]+)>?", text, re.IGNORECASE | re.MULTILINE)
        for text in (body.decode(), answer.text)
    )
    return sent, found


PROBES: tuple[Probe[GoogleWorld], ...] = (
    delete_status,
    delete_again,
    reinsert,
    uid_again,
    revive_by_put,
    revive_by_patch,
    stale_on_deleted,
    floating,
    long_key,
    batch_ids,
    batch_order,
    invalid_grant,
)
LAST: tuple[Probe[GoogleWorld], ...] = (retry_after, lag)
"""About the whole run."""
