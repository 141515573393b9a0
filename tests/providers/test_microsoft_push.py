"""Graph's subscriptions: the handshake, refusals and fallbacks, strays, renewal, and what comes in."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import Conflict, InvalidValue, NotFound, PushUnsupported, RateLimited, Rejected, Unavailable
from calsync_core.models import BlockContent, Calendar, Span
from calsync_core.protocols import EchoingProvider, PushKind, PushRequest, Subscription
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.providers.microsoft.push import parse_push
from calsync_core.testing.provider_contract.bench import START, meeting
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from graph_hands import ANA, Endpoint, bench_of, clock_of, simulator_of
from graph_scripts import WORK, Graph, answer, refusal

URL = Endpoint.url
KEY = "k" * 32
BUSY = BlockContent(Span(START, START + timedelta(hours=1)), "🔒 Busy")
LATER = BlockContent(Span(START, START + timedelta(hours=2)), "🔒 Busy")


def subscribed(bench: Bench, calendar: Calendar | None = None, secret: str = "secret") -> Subscription:  # noqa: S107  (a test's)
    assert isinstance(bench.provider, MicrosoftProvider)
    return bench.provider.subscribe(
        bench.session, calendar or bench.calendar, subscription_id="ours", secret=secret, url=URL
    )


def provider_of(bench: Bench) -> MicrosoftProvider:
    assert isinstance(bench.provider, MicrosoftProvider)
    return bench.provider


# -- subscribing ------------------------------------------------------------------------------------------------------


def test_both_addresses_are_shaken_hands_with_while_we_wait() -> None:  # I-29
    """The host must answer while the create call is still under way."""
    bench = bench_of()
    endpoint = Endpoint(simulator_of(bench))
    answered: list[bool] = []
    done = threading.Event()
    shake = simulator_of(bench).knock

    def knock(url: str, token: str, seconds: float) -> tuple[int, str, str]:
        answered.append(done.is_set())
        return shake(url, token, seconds)

    simulator_of(bench).knock = knock
    made = subscribed(bench)
    done.set()
    assert endpoint.shaken == [URL, f"{URL}/lifecycle"]
    assert answered == [False, False]
    assert made.resource == f"/me/calendars/{bench.calendar.remote_id}/events"


def test_it_lasts_as_long_as_graph_lets_it() -> None:  # I-30
    bench = bench_of()
    Endpoint(simulator_of(bench))
    left = subscribed(bench).expires_at - clock_of(simulator_of(bench)).now()
    assert timedelta(minutes=10_000) < left <= timedelta(minutes=10_080)


def test_what_is_subscribed_to_and_how() -> None:  # I-26
    bench = bench_of()
    graph = simulator_of(bench)
    Endpoint(graph)
    subscribed(bench, secret="s" * 128)
    (only,) = graph.subscriptions
    assert only["clientState"] == "s" * 128
    assert only["changeType"] == "created,updated,deleted"
    key = bench.hands.put(meeting("a"))
    delivered = [delivery.body for delivery in graph.outbox._waiting]
    assert json.loads(delivered[0])["value"][0]["resourceData"]["id"] == key, "notifications name immutable ids"


def test_pushes_are_asked_for_with_the_ids_that_reads_use() -> None:  # I-26
    """What a subscription calls an event is settled when it is made, and can't be changed."""
    bench = bench_of()
    graph = simulator_of(bench)
    Endpoint(graph)
    subscribed(bench)
    (asked,) = [one.request for one in graph.log if one.method == "POST" and one.path.endswith("/subscriptions")]
    assert 'IdType="ImmutableId"' in asked.headers["prefer"]


def test_a_refused_address_is_the_operator_s() -> None:  # I-30, I-44
    """Of the mailbox's own calendar: when ``/me/events`` is refused as well, the calendar is not to blame."""
    bench = bench_of()
    graph = simulator_of(bench)
    graph.knock = lambda _url, _token, _seconds: (500, "text/html", "")
    primary = Calendar(1, "ana", graph.calendars(ANA)[0], "Calendar", id=3, primary=True)
    with pytest.raises(Rejected) as refused:
        subscribed(bench, primary)
    assert not isinstance(refused.value, PushUnsupported)
    assert graph.subscriptions == []


def test_only_the_default_calendar_has_another_name() -> None:  # I-30
    """Where calendars can't be subscribed to one by one, the mailbox's events are the default calendar's."""
    bench = bench_of(calendar_subscriptions=False)
    graph = simulator_of(bench)
    endpoint = Endpoint(graph)
    primary = Calendar(1, "ana", graph.calendars(ANA)[0], "Calendar", id=3, primary=True)
    made = subscribed(bench, primary)
    assert made.resource == "/me/events"
    with pytest.raises(PushUnsupported):
        subscribed(bench)
    assert set(endpoint.subscriptions()) == {made.id}


def test_an_equal_one_is_ended_and_made_anew() -> None:  # I-30
    """409: one lives whose secret nobody knows any more."""
    bench = bench_of()
    endpoint = Endpoint(simulator_of(bench))
    first = subscribed(bench, secret="forgotten")
    second = subscribed(bench, secret="known")
    assert set(endpoint.subscriptions()) == {second.id} != {first.id}
    assert simulator_of(bench).subscriptions[0]["clientState"] == "known"


def test_a_silent_second_one_is_ended() -> None:  # I-27, I-30
    """Where no 409 is said, two would push everything twice."""
    bench = bench_of(duplicate_subscription="second")
    endpoint = Endpoint(simulator_of(bench))
    subscribed(bench)
    other = evolve(bench.calendar, remote_id=simulator_of(bench).calendars(ANA)[0], id=2)
    kept = subscribed(bench, other)
    again = subscribed(bench)
    assert set(endpoint.subscriptions()) == {again.id, kept.id}


def test_another_installation_s_subscription_is_left_alone() -> None:  # I-16
    """The same application, another address."""
    bench = bench_of(duplicate_subscription="second")
    graph = simulator_of(bench)
    endpoint = Endpoint(graph)
    theirs = provider_of(bench).subscribe(
        bench.session, bench.calendar, subscription_id="x", secret="s", url="https://other.example.com/graph"
    )
    mine = subscribed(bench)
    assert set(endpoint.subscriptions()) == {theirs.id, mine.id}


def test_an_equal_one_of_another_installation_is_a_conflict() -> None:  # I-16
    bench = bench_of()
    Endpoint(simulator_of(bench))
    provider_of(bench).subscribe(
        bench.session, bench.calendar, subscription_id="x", secret="s", url="https://other.example.com/graph"
    )
    with pytest.raises(Conflict):
        subscribed(bench)
    assert len(simulator_of(bench).subscriptions) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(429, "TooManyRequests", RateLimited), (503, "serviceNotAvailable", Unavailable), (502, "", Unavailable)],
)
def test_what_passes_is_no_verdict_on_the_calendar(status: int, code: str, kind: type[Exception]) -> None:  # I-30
    bench = bench_of()
    Endpoint(simulator_of(bench))
    told = refusal(status, code, retry_after="100" if status == 429 else None)
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, told, method="POST", path="/subscriptions$"))
    with pytest.raises(kind) as refused:
        subscribed(bench)
    assert not isinstance(refused.value, Rejected)


@pytest.mark.parametrize("body", [{}, {"id": "x"}, {"id": "x", "expirationDateTime": "soon"}, [], 3])
def test_a_subscription_without_an_end_is_none(body: Any) -> None:  # I-30
    graph = Graph(httpx.Response(201, json=body))
    bench = Bench(graph.provider, graph.session, WORK, bench_of().hands)
    with pytest.raises(Unavailable):
        subscribed(bench)


# -- renewal and the end ----------------------------------------------------------------------------------------------


def test_renewal_is_one_patch_and_never_both() -> None:  # I-30, I-31
    """PATCH also reauthorizes: pushes that were paused flow again, and the two never meet within ten minutes."""
    bench = bench_of()
    graph = simulator_of(bench)
    endpoint = Endpoint(graph)
    made = subscribed(bench)
    graph.lifecycle(made.id, "reauthorizationRequired")
    (told,) = [push for request in endpoint.arrived() for push in parse_push(request)]
    assert (told.kind, told.subscription_id, told.secret) == (PushKind.REAUTHORIZE, made.id, "secret")
    bench.hands.put(meeting("lost"))
    assert endpoint.arrived() == []
    clock_of(graph).advance(timedelta(hours=1))
    graph.clear_log()
    renewed = provider_of(bench).renew(bench.session, bench.calendar, made)
    assert renewed is not None
    assert [one.method for one in graph.log] == ["PATCH"]
    assert renewed.expires_at == made.expires_at + timedelta(hours=1)
    bench.hands.put(meeting("told"))
    assert len(endpoint.arrived()) == 1
    assert graph.renewal_violations == 0


def test_what_has_ended_can_not_be_renewed() -> None:  # I-30
    bench = bench_of()
    graph = simulator_of(bench)
    Endpoint(graph)
    made = subscribed(bench)
    clock_of(graph).advance(timedelta(days=8))
    with pytest.raises(NotFound):
        provider_of(bench).renew(bench.session, bench.calendar, made)
    provider_of(bench).unsubscribe(bench.session, made)


@pytest.mark.parametrize(("event", "kind"), [("missed", PushKind.MISSED), ("subscriptionRemoved", PushKind.ENDED)])
def test_lifecycle_events(event: Any, kind: PushKind) -> None:  # I-31
    bench = bench_of()
    endpoint = Endpoint(simulator_of(bench))
    made = subscribed(bench)
    simulator_of(bench).lifecycle(made.id, event)
    (push,) = [push for request in endpoint.arrived() for push in parse_push(request)]
    assert (push.kind, push.subscription_id, push.secret) == (kind, made.id, "secret")


# -- what comes in ----------------------------------------------------------------------------------------------------


def posted(*items: Any) -> PushRequest:
    return PushRequest({"content-type": "application/json"}, {}, json.dumps({"value": list(items)}).encode())


CHANGE = {
    "id": "n1",
    "subscriptionId": "s1",
    "subscriptionExpirationDateTime": "2026-03-09T08:50:00.1234567Z",
    "clientState": "secret",
    "changeType": "updated",
    "resourceData": {"id": "e1", "@odata.etag": 'W/"1"'},
}


WRAPPED, BARE = 'W/"DwAAABYAAAAXxlVK8zI/TZLFIn9D86hXAAAEB/jr"', 'W/"F8ZVSvMyP02SxSJ/Q/OoVwAABAf46w=="'
"""The tag of a push as delivered by Exchange Online in 2023 (in the tests of PlaceOS/rest-api), and its change key as
events show it ("event resource type": ``@odata.etag`` is ``W/"changeKey"``)."""

NOT_WRAPPED = WRAPPED.replace("BYAAAA", "BUAAAA")
"""Another length is said than what follows has."""


def told(endpoint: Endpoint) -> list[tuple[str | None, str | None]]:
    """Items and etags that were pushed."""
    return [(push.item, push.etag) for request in endpoint.arrived() for push in parse_push(request)]


def test_the_pushes_of_our_writes_name_them_as_their_outcomes_do() -> None:
    """Of a create and of an update, the final state: a store recognises both."""
    bench = bench_of()
    endpoint = Endpoint(simulator_of(bench))
    subscribed(bench)
    made = bench.create(KEY, BUSY)
    assert made.etag
    assert told(endpoint) == [(made.native_id, made.etag)]
    changed = bench.update(KEY, LATER, made.etag)
    assert changed.etag != made.etag
    assert told(endpoint) == [(made.native_id, changed.etag)]
    assert (bench.block(KEY).key, bench.block(KEY).etag) == (made.native_id, changed.etag)


def test_a_deletion_is_never_our_last_write() -> None:
    """Graph names the tag that the event had; whoever deleted it, that must not pass for an echo."""
    bench = bench_of()
    graph = simulator_of(bench)
    endpoint = Endpoint(graph)
    subscribed(bench)
    made = bench.create(KEY, BUSY)
    endpoint.arrived()
    bench.hands.remove(bench.standing(KEY))
    requests = endpoint.arrived()
    (raw,) = json.loads(requests[0].body)["value"]
    assert raw["resourceData"]["@odata.etag"], "or else this test tests nothing"
    assert [(push.item, push.etag) for push in parse_push(requests[0])] == [(made.native_id, None)]


@pytest.mark.parametrize(
    ("changes", "item", "etag"),
    [
        ({}, "e1", 'W/"1"'),
        ({"changeType": "created"}, "e1", 'W/"1"'),
        ({"changeType": "deleted"}, "e1", None),
        ({"changeType": "somethingNew"}, "e1", None),
        ({"changeType": None}, "e1", None),
        ({"changeType": ["updated"]}, "e1", None),
        ({"resourceData": None}, None, None),
        ({"resourceData": "e1"}, None, None),
        ({"resourceData": {"id": 3, "@odata.etag": 4}}, None, None),
        ({"resourceData": {"id": "", "@odata.etag": ""}}, None, None),
        ({"lifecycleEvent": "missed"}, None, None),
        ({"resourceData": {"id": "e1", "@odata.etag": WRAPPED}}, "e1", BARE),
        ({"resourceData": {"id": "e1", "@odata.etag": BARE}}, "e1", BARE),
        ({"resourceData": {"id": "e1", "@odata.etag": NOT_WRAPPED}}, "e1", NOT_WRAPPED),
        ({"resourceData": {"id": "e1", "@odata.etag": 'W/"é"'}}, "e1", None),  # can't go out in a header
        ({"resourceData": {"id": "e1", "@odata.etag": "e30="}}, "e1", "e30="),
    ],
)
def test_what_changed_is_named_as_reads_name_it(changes: dict[str, Any], item: str | None, etag: str | None) -> None:
    """And only where something stands after the change."""
    (push,) = parse_push(posted(CHANGE | changes))
    assert (push.item, push.etag) == (item, etag)


def test_one_request_may_mix_subscriptions() -> None:  # I-26
    """Each push is proven by its own secret."""
    bench = bench_of()
    graph = simulator_of(bench)
    endpoint = Endpoint(graph)
    other = evolve(bench.calendar, remote_id=graph.calendars(ANA)[0], id=2)
    first, second = subscribed(bench, secret="one"), subscribed(bench, other, secret="two")
    bench.hands.put(meeting("a"))
    graph.put_event(other.remote_id, {"start": _at(9), "end": _at(10)})
    (request,) = endpoint.arrived()
    assert {(push.subscription_id, push.secret) for push in parse_push(request)} == {
        (first.id, "one"),
        (second.id, "two"),
    }


def test_messages_tell_deliveries_apart_and_replays_together() -> None:  # I-27
    """By the notification's id, or else by what changed."""
    bare = {name: value for name, value in CHANGE.items() if name != "id"}
    later = {**bare, "resourceData": {"id": "e1", "@odata.etag": 'W/"2"'}}
    mute = {name: value for name, value in bare.items() if name != "resourceData"}
    named, unnamed, other, unknown = (push.message for push in parse_push(posted(CHANGE, bare, later, mute)))
    assert len({named, unnamed, other}) == 3
    assert unknown is None
    assert parse_push(posted(CHANGE)) == parse_push(posted(CHANGE))
    assert parse_push(posted(CHANGE))[0].expires_at == datetime(2026, 3, 9, 8, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"subscriptionId": ""},
        {"subscriptionId": 3},
        {**CHANGE, "subscriptionId": None},
        {**CHANGE, "lifecycleEvent": 3},
        {**CHANGE, "lifecycleEvent": []},
    ],
)
def test_what_nobody_understands_is_no_push(item: Any) -> None:  # I-26, I-31
    with pytest.raises(InvalidValue):
        parse_push(posted(item))


def test_an_unknown_lifecycle_event_costs_one_full_read() -> None:  # I-31
    """And loses none of the pushes that came with it."""
    kinds = [push.kind for push in parse_push(posted(CHANGE, {**CHANGE, "lifecycleEvent": "somethingNew"}))]
    assert kinds == [PushKind.CHANGED, PushKind.MISSED]


@pytest.mark.parametrize("state", [None, 3, [], {"a": 1}])
def test_a_push_without_a_secret_proves_nothing(state: Any) -> None:  # I-26
    (push,) = parse_push(posted({**CHANGE, "clientState": state, "subscriptionExpirationDateTime": state}))
    assert (push.secret, push.expires_at) == (None, None)


def test_too_many_pushes_are_none() -> None:  # I-26
    with pytest.raises(InvalidValue):
        parse_push(posted(*[CHANGE] * 10_001))


def test_pushes_show_no_secret() -> None:  # I-39
    request = posted(CHANGE)
    assert "secret" not in repr(parse_push(request))
    assert "secret" not in repr(request)
    graph = Graph(answer(refusal(400, "InvalidRequest")))
    bench = Bench(graph.provider, graph.session, WORK, bench_of().hands)
    with pytest.raises(Rejected) as refused:
        subscribed(bench, secret="hush-hush")
    assert "hush" not in f"{refused.value!r}"


# -- the handshake ----------------------------------------------------------------------------------------------------


def test_the_token_is_repeated_as_it_came_decoded() -> None:  # I-29
    provider = MicrosoftProvider()
    assert isinstance(provider, EchoingProvider)
    token = "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e+/=&%20<b>é"
    for request in (PushRequest({}, {"validationToken": token}), PushRequest({}, {"validationToken": token}, b"x")):
        assert provider.read_handshake(request) == token


@pytest.mark.parametrize("query", [{}, {"validationtoken": "x"}, {"validationToken": ""}, {"token": "x"}])
def test_without_a_token_it_is_no_handshake(query: dict[str, str]) -> None:  # I-29
    assert MicrosoftProvider().read_handshake(PushRequest({}, query, b'{"value": []}')) is None


def test_only_a_token_is_repeated() -> None:  # I-26
    provider = MicrosoftProvider()
    assert provider.read_handshake(PushRequest({}, {"validationToken": "x" * 4096})) == "x" * 4096
    with pytest.raises(InvalidValue, match=r"^validationToken: "):
        provider.read_handshake(PushRequest({}, {"validationToken": "x" * 4097}))


def _at(hour: int) -> dict[str, str]:
    return {"dateTime": f"2026-03-03T{hour:02d}:00:00", "timeZone": "UTC"}
