"""Change notifications. Sources: "change-notifications-delivery-webhooks", "-lifecycle-events", "-overview"."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from calsync_core.testing.simulators.graph import Habits
from calsync_core.testing.simulators.pushes import Delivery
from graph_world import ANA, BO, GraphWorld, code, series, timed

_URL = "https://host.example/graph"
_LIFE = "https://host.example/lifecycle"
_EVENT = timed("2026-03-03T09:00:00", "2026-03-03T10:00:00")


class _Endpoint:
    """A host that answers as told, in this process."""

    def __init__(self, world: GraphWorld) -> None:
        self.asked: list[tuple[str, float]] = []
        self.echo: tuple[int, str, str] = (200, "text/plain; charset=utf-8", "{token}")
        self.broken: str | None = None
        self.status = 202
        self.got: list[tuple[str, list[dict[str, Any]]]] = []
        world.simulator.knock = self._knock
        world.simulator.outbox.send = self._take

    def _knock(self, url: str, token: str, seconds: float) -> tuple[int, str, str]:
        self.asked.append((url, seconds))
        if self.broken == url:
            raise httpx.ConnectTimeout("too late")
        return self.echo[0], self.echo[1], self.echo[2].replace("{token}", token)

    def _take(self, delivery: Delivery) -> int:
        self.got.append((delivery.url, json.loads(delivery.body)["value"]))
        return self.status

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for _, value in self.got for item in value]


@pytest.fixture
def endpoint(world: GraphWorld) -> _Endpoint:
    return _Endpoint(world)


def _body(world: GraphWorld, minutes: float = 10_000, resource: str = "/me/events", **more: Any) -> dict[str, Any]:
    expires = world.clock.now() + timedelta(minutes=minutes)
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": _URL,
        "lifecycleNotificationUrl": _LIFE,
        "resource": resource,
        "expirationDateTime": f"{expires:%Y-%m-%dT%H:%M:%S}.0000000Z",
        "clientState": "s3cret",
    } | more


def _create(world: GraphWorld, **more: Any) -> dict[str, Any]:
    answer = world.client.post("subscriptions", json=_body(world, **more))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _expires(subscription: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(subscription["expirationDateTime"]).astimezone(UTC)


def test_a_subscription_hears_of_every_change(world: GraphWorld, endpoint: _Endpoint) -> None:
    subscription = _create(world)
    event = world.put(_EVENT)
    world.simulator.patch_event(event, {"subject": "x"})
    world.simulator.remove_event(event)
    assert world.simulator.outbox.deliver() == [202]
    assert [item["changeType"] for item in endpoint.items] == ["created", "updated", "deleted"]
    item = endpoint.items[0]
    assert item["subscriptionId"] == subscription["id"]
    assert item["clientState"] == "s3cret"
    assert item["resource"] == f"Users/{world.user}/Events/{event}"
    assert item["resourceData"]["@odata.type"] == "#Microsoft.Graph.Event"
    assert item["resourceData"]["id"] == event
    assert set(item) == {
        "id",
        "subscriptionId",
        "subscriptionExpirationDateTime",
        "clientState",
        "changeType",
        "resource",
        "resourceData",
        "tenantId",
    }


def test_both_urls_are_shaken_hands_with_while_the_create_is_pending(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-HOOK: within 10 s, and before the answer; the subscription is not there yet."""
    _create(world)
    assert endpoint.asked == [(_URL, 10.0), (_LIFE, 10.0)]


@pytest.mark.parametrize(
    "echo",
    [
        (202, "text/plain", "{token}"),
        (200, "application/json", "{token}"),
        (200, "text/plain", "Validation%3A+Testing"),
        (200, "text/plain", '"{token}"'),
    ],
)
def test_a_bad_handshake_makes_no_subscription(
    world: GraphWorld, endpoint: _Endpoint, echo: tuple[int, str, str]
) -> None:
    """M-HOOK: 200, text/plain, the decoded token and nothing else."""
    endpoint.echo = echo
    answer = world.client.post("subscriptions", json=_body(world))
    assert (answer.status_code, code(answer)) == (400, "InvalidRequest")
    assert "Subscription validation request failed" in answer.json()["error"]["message"]
    assert world.simulator.subscriptions == []


@pytest.mark.parametrize("url", [_URL, _LIFE])
def test_an_endpoint_that_does_not_answer_makes_none(world: GraphWorld, endpoint: _Endpoint, url: str) -> None:
    endpoint.broken = url
    assert world.client.post("subscriptions", json=_body(world)).status_code == 400
    assert world.simulator.subscriptions == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"changeType": "moved"}, 400),
        ({"notificationUrl": "http://host.example/graph"}, 400),
        ({"clientState": "x" * 129}, 400),
        ({"minutes": 10_081}, 400),
        ({"minutes": -1}, 400),
        ({"resource": "/me/messages"}, 400),
        ({"resource": "/me/calendars/AAMk/events"}, 404),
        ({"resource": f"/users/{BO}/events"}, 403),
        ({"includeResourceData": True}, 400),
        ({"expirationDateTime": None}, 400),
    ],
)
def test_bad_requests(world: GraphWorld, endpoint: _Endpoint, changes: dict[str, Any], status: int) -> None:
    world.simulator.add_user(BO)
    assert world.client.post("subscriptions", json=_body(world, **changes)).status_code == status
    assert endpoint.asked == []


def test_lifetimes(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-SUPP: up to 10,080 minutes; less than 45 is raised to 45."""
    assert _expires(_create(world, minutes=10_080)) == world.clock.now() + timedelta(minutes=10_080)
    other = world.simulator.add_calendar(ANA, "Other")
    short = _create(world, minutes=1, resource=f"me/calendars/{other}/events")
    assert _expires(short) == world.clock.now() + timedelta(minutes=45)
    world.clock.advance(timedelta(minutes=45))
    assert [one["resource"] for one in world.simulator.subscriptions] == ["/me/events"]
    assert world.client.patch(f"subscriptions/{short['id']}", json={}).status_code == 404
    assert endpoint.got == []


def test_me_events_is_the_default_calendar_only(world: GraphWorld, endpoint: _Endpoint) -> None:
    """Docs issues #21978, #6595 and #13548, though the documentation says "all events in the mailbox"."""
    other = world.simulator.add_calendar(ANA, "Other")
    _create(world)
    world.simulator.put_event(other, _EVENT)
    assert world.simulator.outbox.deliver() == []
    _create(world, resource=f"/me/calendars/{other}/events")
    world.simulator.put_event(other, _EVENT)
    world.simulator.outbox.deliver()
    assert len(endpoint.items) == 1


def test_calendars_may_refuse(endpoint: _Endpoint, world: GraphWorld) -> None:
    world.habits.calendar_subscriptions = False
    answer = world.client.post("subscriptions", json=_body(world, resource=f"/me/calendars/{world.calendar}/events"))
    assert (answer.status_code, code(answer)) == (400, "InvalidRequest")
    assert endpoint.asked == []


def test_an_app_subscribes_for_its_users(world: GraphWorld, endpoint: _Endpoint) -> None:
    world.client.headers["Authorization"] = f"Bearer {world.simulator.token(None, ['Calendars.Read'])}"
    _create(world, resource=f"/users/{world.user}/events")
    world.put(_EVENT)
    world.simulator.outbox.deliver()
    assert len(endpoint.items) == 1


def test_without_a_scope_there_is_none(world: GraphWorld, endpoint: _Endpoint) -> None:
    world.client.headers["Authorization"] = f"Bearer {world.simulator.token(ANA, ['User.Read'])}"
    assert code(world.client.post("subscriptions", json=_body(world))) == "ErrorAccessDenied"
    assert endpoint.asked == []


def test_the_form_of_ids_is_chosen_at_creation(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-IMM: the create request's Prefer decides, for good."""
    del world.client.headers["Prefer"]
    _create(world)
    event = world.put(_EVENT)
    world.simulator.outbox.deliver()
    (item,) = endpoint.items
    assert item["resourceData"]["id"] != event
    assert world.client.get(f"me/events/{item['resourceData']['id']}").json()["id"] == item["resourceData"]["id"]


def test_only_the_wanted_changes_are_told(world: GraphWorld, endpoint: _Endpoint) -> None:
    _create(world, changeType="deleted")
    event = world.put(_EVENT)
    world.simulator.remove_event(event)
    world.simulator.outbox.deliver()
    assert [item["changeType"] for item in endpoint.items] == ["deleted"]


def test_a_series_is_told_by_its_master(world: GraphWorld, endpoint: _Endpoint) -> None:
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}))
    _create(world)
    world.simulator.cancel_occurrence(master, datetime(2026, 3, 4, tzinfo=UTC).date())
    world.simulator.outbox.deliver()
    assert [(item["changeType"], item["resourceData"]["id"]) for item in endpoint.items] == [("updated", master)]


def test_our_own_writes_come_back(world: GraphWorld, endpoint: _Endpoint) -> None:
    _create(world)
    world.client.post("me/events", json=_EVENT)
    world.simulator.outbox.deliver()
    assert len(endpoint.items) == 1


@pytest.mark.parametrize("mixed", [True, False])
def test_deliveries_may_mix_subscriptions(world: GraphWorld, endpoint: _Endpoint, *, mixed: bool) -> None:
    """M-HOOK: one POST may carry notifications of several subscriptions."""
    world.habits.mixed_deliveries = mixed
    other = world.simulator.add_calendar(ANA, "Other")
    ids = {_create(world)["id"], _create(world, resource=f"/me/calendars/{other}/events", clientState="2")["id"]}
    world.put(_EVENT)
    world.simulator.put_event(other, _EVENT)
    world.simulator.outbox.deliver()
    assert len(endpoint.got) == (1 if mixed else 2)
    assert {item["subscriptionId"] for item in endpoint.items} == ids
    assert {item["clientState"] for item in endpoint.items} == {"s3cret", "2"}


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_what_is_not_accepted_comes_again(world: GraphWorld, endpoint: _Endpoint, status: int) -> None:
    """M-HOOK: any answer but 2xx, a 4xx too, is retried."""
    _create(world)
    world.put(_EVENT)
    endpoint.status = status
    assert world.simulator.outbox.deliver() == [status]
    endpoint.status = 202
    assert world.simulator.outbox.deliver() == [202]
    assert world.simulator.outbox.deliver() == []
    assert endpoint.got[0] == endpoint.got[1]


def test_notifications_are_lost_doubled_and_shuffled(world: GraphWorld, endpoint: _Endpoint) -> None:
    world.habits.mixed_deliveries = False
    _create(world)
    world.put(_EVENT)
    assert world.simulator.outbox.lose() == 1
    for _ in range(5):
        world.put(_EVENT)
    outbox = world.simulator.outbox
    outbox.double()
    outbox.shuffle(random.Random(3))
    outbox.deliver()
    ids = [item["id"] for item in endpoint.items]
    assert len(ids) == 10
    assert len(set(ids)) == 5


def test_duplicates_are_refused_or_live_beside_the_first(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-HOOK says 409; learn.microsoft.com answers 5768670 (2026-02) saw two live subscriptions."""
    first = _create(world)
    answer = world.client.post("subscriptions", json=_body(world))
    assert answer.status_code == 409
    assert first["id"] in answer.json()["error"]["message"]
    world.habits.duplicate_subscription = "second"
    second = _create(world)
    listed = world.client.get("subscriptions").json()["value"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    world.put(_EVENT)
    world.simulator.outbox.deliver()
    assert len(endpoint.items) == 2


def test_one_app_does_not_see_anothers(world: GraphWorld, endpoint: _Endpoint) -> None:
    one = _create(world)
    other = world.login(ANA, app="other")
    assert other.get("subscriptions").json()["value"] == []
    assert other.delete(f"subscriptions/{one['id']}").status_code == 404
    assert world.client.get(f"subscriptions/{one['id']}").json()["resource"] == "/me/events"
    assert endpoint.got == []


def test_renewal_and_deletion(world: GraphWorld, endpoint: _Endpoint) -> None:
    one = _create(world, minutes=60)
    later = world.clock.now() + timedelta(days=6)
    answer = world.client.patch(f"subscriptions/{one['id']}", json={"expirationDateTime": later.isoformat()})
    assert answer.status_code == 200
    assert _expires(answer.json()) == later
    lifecycle = world.client.patch(f"subscriptions/{one['id']}", json={"lifecycleNotificationUrl": _LIFE})
    assert lifecycle.status_code == 400
    assert world.client.delete(f"subscriptions/{one['id']}").status_code == 204
    assert world.client.delete(f"subscriptions/{one['id']}").status_code == 404
    world.put(_EVENT)
    assert world.simulator.outbox.deliver() == []
    assert endpoint.items == []


def test_reauthorizing_extends_nothing(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-REAUTH: 204, without a body."""
    one = _create(world)
    answer = world.client.post(f"subscriptions/{one['id']}/reauthorize")
    assert (answer.status_code, answer.content) == (204, b"")
    assert world.simulator.subscriptions[0]["expirationDateTime"] == one["expirationDateTime"]
    assert endpoint.got == []


@pytest.mark.parametrize(("minutes", "violations"), [(9, 1), (10, 0)])
@pytest.mark.parametrize("first", ["renew", "reauthorize"])
def test_never_both_within_ten_minutes(
    world: GraphWorld, endpoint: _Endpoint, first: str, minutes: int, violations: int
) -> None:
    """M-LIFE, M-REAUTH."""
    one = _create(world)

    def renew() -> None:
        expires = world.clock.now() + timedelta(days=6)
        world.client.patch(f"subscriptions/{one['id']}", json={"expirationDateTime": expires.isoformat()})

    def reauthorize() -> None:
        world.client.post(f"subscriptions/{one['id']}/reauthorize")

    steps = [renew, reauthorize] if first == "renew" else [reauthorize, renew]
    steps[0]()
    steps[0]()
    assert world.simulator.renewal_violations == 0
    world.clock.advance(timedelta(minutes=minutes))
    steps[1]()
    assert world.simulator.renewal_violations == violations
    assert endpoint.got == []


def test_lifecycle_events_go_to_their_own_url(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-LIFE: what each carries."""
    one = _create(world)
    world.simulator.lifecycle(one["id"], "missed")
    world.simulator.outbox.deliver()
    ((url, (item,)),) = endpoint.got
    assert (url, item["lifecycleEvent"], item["clientState"]) == (_LIFE, "missed", "s3cret")
    assert {"subscriptionId", "subscriptionExpirationDateTime", "tenantId"} <= set(item)
    assert "resourceData" not in item


def test_until_it_is_reauthorized_nothing_is_told_nor_later(world: GraphWorld, endpoint: _Endpoint) -> None:
    """M-LIFE: notifications in between are lost, hence the delta after the repair."""
    one = _create(world)
    world.simulator.lifecycle(one["id"], "reauthorizationRequired")
    world.put(_EVENT)
    world.client.post(f"subscriptions/{one['id']}/reauthorize")
    seen = world.put(_EVENT)
    world.simulator.outbox.deliver()
    assert [item["resourceData"]["id"] for item in endpoint.items if "resourceData" in item] == [seen]


def test_a_removed_subscription_is_gone(world: GraphWorld, endpoint: _Endpoint) -> None:
    one = _create(world)
    world.simulator.lifecycle(one["id"], "subscriptionRemoved")
    world.put(_EVENT)
    world.simulator.outbox.deliver()
    assert [item.get("lifecycleEvent") for item in endpoint.items] == ["subscriptionRemoved"]
    assert world.client.get(f"subscriptions/{one['id']}").status_code == 404


def test_without_a_lifecycle_url_nobody_is_told(world: GraphWorld, endpoint: _Endpoint) -> None:
    one = _create(world, lifecycleNotificationUrl=None)
    world.simulator.lifecycle(one["id"], "missed")
    assert world.simulator.outbox.deliver() == []
    assert [url for url, _ in endpoint.asked] == [_URL]


@pytest.fixture
def host() -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """A host on a real port: it echoes tokens, and asks the service something before it does."""
    got: list[Any] = []
    ask: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = parse_qs(urlsplit(self.path).query).get("validationToken")
            if token:
                ask["status"] = ask["question"]()
            else:
                got.append(json.loads(body))
            answer = token[0].encode() if token else b""
            self.send_response(200 if token else 202)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook?x=1", got, ask
    server.shutdown()
    server.server_close()
    thread.join()


def test_all_of_it_over_http(host: tuple[str, list[Any], dict[str, Any]]) -> None:
    """I-29: the host is asked while its own create call is pending, and may itself ask the service meanwhile."""
    url, got, ask = host
    world = GraphWorld(Habits())
    headers = {"Authorization": f"Bearer {world.simulator.token(ANA)}"}
    with world.simulator, httpx.Client(base_url=world.simulator.base_url, headers=headers) as client:
        ask["question"] = lambda: httpx.get(f"{world.simulator.base_url}/me", headers=headers, timeout=5).status_code
        answer = client.post("subscriptions", json=_body(world, notificationUrl=url, lifecycleNotificationUrl=None))
        assert answer.status_code == 201, answer.text
        assert ask["status"] == 200
        client.post("me/events", json=_EVENT)
        assert world.simulator.outbox.deliver() == [202]
    assert [item["changeType"] for item in got[0]["value"]] == ["created"]
