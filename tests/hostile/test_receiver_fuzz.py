"""The endpoint that anybody can write to: pushes nearly right, and far too much of everything (I-26, I-34)."""

from __future__ import annotations

import json
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core.protocols import PushRequest
from calsync_core.providers.google.push import parse_push
from calsync_core.web.receiver import MAX_BODY, Received, Receiver, Reply
from enemy import Enemy
from web_bench import CHANNEL, SECRET, Desk

DESK = Desk()
RECEIVER = Receiver(DESK.engine)
REFUSED = {202, 400, 404, 405, 411, 413}

CHANGE = {
    "id": "a-push",
    "subscriptionId": CHANNEL,
    "subscriptionExpirationDateTime": "2026-03-09T09:00:00.0000000Z",
    "clientState": SECRET,
    "changeType": "updated",
    "resource": "Users/1/Events/2",
    "tenantId": "t",
    "resourceData": {"@odata.type": "#x", "@odata.id": "Users/1/Events/2", "@odata.etag": 'W/"abc"', "id": "2"},
}
LIFE = {**CHANGE, "lifecycleEvent": "missed"}
BATCH = {"value": [CHANGE, LIFE, CHANGE], "validationTokens": ["eyJ.eyJ.x"]}

enemies = st.integers(0, 2**64).map(lambda seed: Enemy(Random(seed)))


def header(reply: Reply, name: str) -> str:
    return dict(reply.headers)[name]


@given(enemies)
def test_bodies_nearly_right(enemy: Enemy) -> None:
    """Nothing here has the secret of a subscription to Microsoft: whatever is understood changes nothing."""
    before = DESK.inbox()
    for path in ("/microsoft", "/microsoft/lifecycle"):
        reply = RECEIVER.answer(Received("POST", path, body=enemy.json(json.dumps(BATCH).encode())))
        assert reply.status in REFUSED
    assert DESK.inbox() == before


@given(enemies)
def test_headers_nearly_right(enemy: Enemy) -> None:
    ends = "Fri, 01 Jan 2027 00:00:00 GMT"
    pairs = list(DESK.push(channel_token="guessed", channel_expiration=ends).items())
    for _ in range(enemy.chance.randrange(1, 4)):
        at = enemy.chance.randrange(len(pairs))
        value = enemy.value()
        pairs[at] = (pairs[at][0], value if isinstance(value, str) else repr(value))
        if enemy.now_and_then(4):
            pairs.append(pairs[at])
    before = DESK.inbox()
    assert RECEIVER.answer(Received("POST", "/google", headers=pairs)).status in REFUSED
    assert DESK.inbox() == before


@pytest.mark.parametrize(
    "ends",
    [
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -0500",
        "Mon, 02 Mar 2026 10:00:00 +99999999",
        f"Mon, 02 Mar {'9' * 5_000} 10:00:00 GMT",
        "Mon, 02 Mar 2026 10:00:00",
    ],
)
def test_an_end_that_no_calendar_has_is_none(ends: str) -> None:
    """And the push is taken all the same: 503 would have the sender try again for ever."""
    headers = DESK.push(channel_expiration=ends)
    assert (
        parse_push(PushRequest({name.lower(): value for name, value in headers.items()}, {}, b""))[0].expires_at is None
    )
    assert RECEIVER.answer(Received("POST", "/google", headers=headers)).status == 202


BODIES = {
    "deep": b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-inside": b'{"value":[{"subscriptionId":"s","resourceData":' + b'{"id":' * 900 + b"0" + b"}" * 900 + b"}]}",
    "deep-end": b'{"value":[{"subscriptionId":"s","subscriptionExpirationDateTime":' + b"[" * 950 + b"]" * 950 + b"}]}",
    "many": json.dumps({"value": [{"subscriptionId": "s"}] * 9_000}).encode(),
    "many-names": json.dumps({"value": [{"subscriptionId": f"{n}"} for n in range(9_000)]}).encode(),
    "digits": b'{"value":[{"subscriptionId":"s","id":' + b"9" * 5_000 + b"}]}",
    "surrogates": b'{"value":[{"subscriptionId":"\\ud83d","clientState":"\\ud83d","id":"\\ud83d"}]}',
    "nul": b'{"value":[{"subscriptionId":"\\u0000","clientState":"\\u0000"}]}',
    "long-name": json.dumps({"value": [{"subscriptionId": "s" * 200_000}]}).encode(),
    "twice": b'{"value":[],"value":[{"subscriptionId":"s"}]}',
    "utf-16": json.dumps(BATCH).encode("utf-16"),
    "nan": b'{"value":[{"subscriptionId":"s","id":NaN,"changeType":1e999}]}',
}


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_too_much(body: str) -> None:
    assert len(BODIES[body]) <= MAX_BODY
    before = DESK.inbox()
    for name in ("microsoft", "google"):
        assert RECEIVER.answer(Received("POST", f"/{name}", body=BODIES[body])).status in {202, 400}
    assert DESK.inbox() == before


@pytest.mark.parametrize("number", [9_000, 10_001])
def test_what_many_pushes_in_one_cost(number: int) -> None:
    """One look at the store for all of them; more than Graph ever sends are not looked at at all."""
    asked = DESK.store.asked
    body = json.dumps({"value": [{"subscriptionId": str(each)} for each in range(number)]}, separators=(",", ":"))
    wide = Receiver(DESK.engine, max_body=2**22)
    assert wide.answer(Received("POST", "/microsoft", body=body.encode())).status == (202 if number < 10_000 else 400)
    assert DESK.store.asked - asked == (1 if number < 10_000 else 0)


PAGE = "<script>alert(1)</script>\r\nSet-Cookie: a=b\r\n\r\n<html>"


@pytest.mark.parametrize("token", [PAGE, "\x00\ud83d\u202e", "%", "é" * 100])
def test_what_is_repeated_is_text_and_nothing_else(token: str) -> None:
    """The handshake repeats what a stranger wrote: no browser may take it for a page, no server for a header."""
    reply = RECEIVER.answer(Received("POST", "/microsoft", f"validationToken={quote(token, errors='surrogatepass')}"))
    assert reply.status == 200
    assert header(reply, "Content-Type") == "text/plain; charset=utf-8"
    assert header(reply, "X-Content-Type-Options") == "nosniff"
    assert all(value.isascii() and value.isprintable() for pair in reply.headers for value in pair)


@pytest.mark.parametrize("size", [4_097, 1_000_000])
def test_a_long_token_is_not_repeated(size: int) -> None:
    reply = RECEIVER.answer(Received("POST", "/microsoft", f"validationToken={'<' * size}"))
    assert reply.status == 400
    assert b"<" not in reply.body


def test_only_a_handshake_is_repeated() -> None:
    """Neither path nor header nor body of anything else ever comes back."""
    marked = "<b>MARK</b>"
    for received in (
        Received("POST", f"/{marked}", marked, {"x": marked}, marked.encode()),
        Received("POST", "/google", f"validationToken={marked}", {"X-Goog-Channel-Id": marked}, marked.encode()),
        Received("POST", "/microsoft", f"validationtoken={marked}", {"validationToken": marked}, marked.encode()),
        Received(marked, "/microsoft", f"validationToken={marked}"),
    ):
        assert b"MARK" not in RECEIVER.answer(received).body
