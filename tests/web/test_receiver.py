"""The endpoint itself: what it takes, what it refuses, and that nobody learns anything from its answers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from calsync_core.errors import ConfigurationError, InsideTransaction, StoreError
from calsync_core.web.receiver import MAX_BODY, Received, Receiver, Reply
from web_bench import ADDRESS, SECRET, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def receiver(desk: Desk) -> Receiver:
    return Receiver(desk.engine)


def google(path: str = "/google", client: str = "192.0.2.1", **changes: str) -> Received:
    return Received("POST", path, headers=Desk.push(1, **changes), client=client)


def graph(value: Any, path: str = "/microsoft") -> Received:
    return Received("POST", path, headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())


def header(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


# -- pushes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/google", "/google/", "/google/lifecycle", "/google/lifecycle/"])
def test_a_push_is_in_the_inbox_before_it_is_answered(desk: Desk, receiver: Receiver, path: str) -> None:  # I-28
    reply = receiver.answer(google(path))
    assert (reply.status, reply.body) == (202, b"")
    assert desk.inbox() == 1


def test_every_push_that_changes_nothing_is_answered_like_one_that_does(desk: Desk, receiver: Receiver) -> None:  # I-26
    answers = [
        receiver.answer(google()),
        receiver.answer(google()),
        receiver.answer(google(channel_token="guessed")),
        receiver.answer(google(channel_id="guessed")),
        receiver.answer(google(resource_id="guessed")),
        receiver.answer(google(resource_state="sync")),
        receiver.answer(graph({"value": [{"subscriptionId": "guessed", "clientState": "guessed"}]})),
        receiver.answer(graph({"value": []})),
    ]
    assert len(set(answers)) == 1
    assert desk.inbox() == 1


def test_a_secret_that_comes_twice_is_not_taken_for_one(desk: Desk, receiver: Receiver) -> None:  # I-26
    headers = [*Desk.push().items(), ("x-goog-channel-token", "guessed")]
    assert receiver.answer(Received("POST", "/google", headers=headers)).status == 202
    assert desk.inbox() == 0


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("validationToken=Validation%3a+Testing+%2b+100%25", "Validation: Testing + 100%"),
        ("validationToken=%C3%A4%F0%9F%94%92%0A%3Cb%3E", "ä🔒\n<b>"),
        ("validationToken=first&validationToken=second", "first"),
        ("other=&validationToken=a%26b", "a&b"),
    ],
)
def test_a_handshake_is_answered_with_exactly_its_text(receiver: Receiver, query: str, text: str) -> None:  # I-29
    for path in ("/microsoft", "/microsoft/lifecycle"):
        reply = receiver.answer(Received("POST", path, query, headers={"Content-Type": "text/plain"}))
        assert (reply.status, reply.body.decode()) == (200, text)
        assert header(reply, "Content-Type") == "text/plain; charset=utf-8"
        assert header(reply, "X-Content-Type-Options") == "nosniff"


def test_who_does_not_ask_for_an_echo_has_none(receiver: Receiver) -> None:
    reply = receiver.answer(Received("POST", "/google", "validationToken=repeat-me", headers=Desk.push()))
    assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize(
    "received",
    [
        Received("POST", "/google"),
        Received("POST", "/microsoft", body=b"\xff<script>"),
        Received("POST", "/microsoft", body=b"[" * 100_000),
        Received("POST", "/microsoft", "validationToken=" + "A" * 100_000),
        Received("POST", "/microsoft", "&".join(f"script{number}=1" for number in range(1_000))),
        Received("POST", "/google", headers={**Desk.push(), "Content-Length": "-1"}),
        Received("POST", "/google", headers={**Desk.push(), "Content-Length": "²"}),
        Received("POST", "/google", headers={**Desk.push(), "Content-Length": "9" * 5_000}),
    ],
)
def test_what_is_no_push_is_refused_without_showing_it(receiver: Receiver, received: Received) -> None:
    reply = receiver.answer(received)
    assert (reply.status, reply.body) == (400, b"this is no push")


# -- where -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nobody", 404),
        ("POST", "/nobody/lifecycle", 404),
        ("POST", "", 404),
        ("POST", "/", 404),
        ("POST", "//google", 404),
        ("POST", "/google//", 404),
        ("POST", "/google/else", 404),
        ("POST", "/google/lifecycle/else", 404),
        ("POST", "/../google", 404),
        ("POST", "/" + "a" * 5_000, 404),
        ("POST", "/goo\ngle", 404),
        ("GET", "/metrics", 404),
        ("POST", "/metrics", 404),
        ("GET", "/google", 405),
        ("PUT", "/google/lifecycle", 405),
        ("OPTIONS", "/google", 405),
        ("POST", "/health", 405),
        ("HEAD", "/health", 200),
        ("GET", "/health/", 200),
    ],
)
def test_nothing_else_is_there(receiver: Receiver, method: str, path: str, status: int) -> None:
    reply = receiver.answer(Received(method, path, headers=Desk.push()))
    assert reply.status == status
    allowed = {"/health": "GET, HEAD"}.get(path, "POST") if status == 405 else None
    assert header(reply, "Allow") == allowed


# -- limits ----------------------------------------------------------------------------------------------------------


def test_a_large_body_is_refused_before_it_is_read(desk: Desk, receiver: Receiver) -> None:
    announced = Received("POST", "/google", headers={**Desk.push(), "Content-Length": str(MAX_BODY + 1)})
    early = receiver.precheck(announced)
    assert early is not None
    assert early.status == 413
    just = Received("POST", "/google", headers=Desk.push(), body=b"x" * MAX_BODY)
    assert receiver.precheck(just) is None
    assert receiver.answer(just).status == 202
    assert receiver.answer(Received("POST", "/google", headers=Desk.push(), body=b"x" * (MAX_BODY + 1))).status == 413
    assert desk.store.asked == 1


def test_who_was_wrong_too_often_is_not_listened_to_for_a_while(desk: Desk) -> None:  # I-26
    receiver = Receiver(desk.engine, rate_limit=3)
    forged = google(channel_token="guessed")
    answers = [receiver.answer(forged).status, receiver.answer(Received("POST", "/nobody", client="192.0.2.1")).status]
    answers += [receiver.answer(Received("POST", "/microsoft", client="192.0.2.1", body=b"?")).status]
    assert answers == [202, 404, 400]
    asked = desk.store.asked
    late = receiver.answer(google())
    assert (late.status, header(late, "Retry-After")) == (429, "20")
    assert desk.store.asked == asked
    assert receiver.answer(google(client="192.0.2.2")).status == 202
    desk.clock.advance(timedelta(seconds=20))
    assert receiver.answer(google(message_number="3")).status == 202
    assert desk.inbox() == 2


def test_authentic_pushes_never_count(desk: Desk) -> None:
    receiver = Receiver(desk.engine, rate_limit=1)
    for number in range(50):
        for _ in range(2):
            assert receiver.answer(google(message_number=str(number))).status == 202
    assert desk.inbox() == 50
    mixed = {"subscriptionId": "gone", "clientState": "old"}
    assert receiver.answer(graph({"value": [mixed]})).status == 202


@pytest.mark.parametrize(("name", "value"), [("rate_limit", 0), ("max_body", 0)])
def test_a_limit_that_lets_nothing_through_is_a_mistake(desk: Desk, name: str, value: Any) -> None:  # I-44
    with pytest.raises(ConfigurationError, match=name):
        Receiver(desk.engine, **{name: value})


# -- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [StoreError("away"), InsideTransaction("no"), RuntimeError(SECRET)])
def test_what_is_not_stored_is_asked_for_again(desk: Desk, receiver: Receiver, trouble: Exception) -> None:  # I-28
    desk.store.sick = trouble
    reply = receiver.answer(google())
    assert (reply.status, header(reply, "Retry-After")) == (503, "60")
    desk.store.sick = None
    assert receiver.answer(google()).status == 202
    assert desk.inbox() == 1


def test_the_log_has_ids_and_counts_only(desk: Desk) -> None:  # I-39
    receiver = Receiver(desk.engine, rate_limit=100)
    with capture_logs() as logs:
        receiver.answer(google())
        receiver.answer(google(channel_token=f"{SECRET}?"))
        receiver.answer(Received("POST", "/microsoft", f"validationToken={SECRET}"))
        receiver.answer(Received("POST", "/microsoft", body=SECRET.encode()))
        receiver.answer(Received("POST", f"/{SECRET}", headers={"x": SECRET}))
        desk.store.sick = RuntimeError(SECRET)
        receiver.answer(google())
    assert SECRET not in repr(logs)
    assert ADDRESS not in repr(logs)
    ours = [(one["event"], one.get("status")) for one in logs if one["event"] != "push_dropped"]
    assert ours == [
        ("push_accepted", None),
        ("push_refused", 202),
        ("handshake_answered", None),
        ("push_refused", 400),
        ("push_refused", 404),
        ("request_failed", None),
        ("push_refused", 503),
    ]
    assert {**logs[0], "log_level": ""} == {
        "event": "push_accepted",
        "provider": "google",
        "accepted": 1,
        "doubled": 0,
        "dropped": 0,
        "log_level": "",
    }


# -- anything --------------------------------------------------------------------------------------------------------

NAMES = ["google", "microsoft", "health", "metrics", "lifecycle", "nobody", "", "."]
paths = st.text(max_size=30) | st.lists(st.sampled_from(NAMES), max_size=4).map(lambda parts: "/" + "/".join(parts))
header_names = st.sampled_from([*Desk.push(), "Content-Length", "Content-Type", "Transfer-Encoding"]) | st.text(
    max_size=9
)
header_values = st.sampled_from([*Desk.push().values(), "0", "-1", "1e3", "99999999999"]) | st.text(max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
items = st.dictionaries(
    st.sampled_from(["id", "subscriptionId", "clientState", "lifecycleEvent", "resourceData", "changeType"])
    | st.just("subscriptionExpirationDateTime"),
    json_values | st.text(),
)
bodies = (
    st.binary(max_size=50)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.lists(items, max_size=3).map(lambda value: json.dumps({"value": value}).encode())
)
received = st.builds(
    Received,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT"]) | st.text(max_size=5),
    path=paths,
    query_string=st.sampled_from(["", "validationToken=%ff%00", "validationToken", "&&;=", "%", "a=1&" * 100])
    | st.text(max_size=30),
    headers=st.lists(st.tuples(header_names, header_values), max_size=8),
    body=bodies,
    client=st.none() | st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"]) | st.text(),
)

DESK = Desk()
RECEIVERS = [Receiver(DESK.engine), Receiver(DESK.engine, metrics=True, max_body=20, rate_limit=2)]


@given(received)
def test_whatever_comes_has_a_reasonable_answer(one: Received) -> None:  # I-26
    DESK.store.sick = None
    for receiver in RECEIVERS:
        DESK.clock.advance(timedelta(minutes=1))
        reply = receiver.answer(one)
        assert reply.status in {200, 202, 400, 404, 405, 413, 429}
        assert header(reply, "Content-Length") == str(len(reply.body))
        assert all(value.isascii() and value.isprintable() for pair in reply.headers for value in pair)
        DESK.store.sick = StoreError("away")
        assert receiver.answer(one).status in {200, 202, 400, 404, 405, 413, 429, 503}
        DESK.store.sick = None
